"""What the peer's scenarios do not ask."""
SCENARIOS = []
