"""apps_quix.py BOOTSTRAP STATE: quixstreams counts the words of the topic quix-lines into quix-counts, exactly once."""
import sys

from quixstreams import Application
from quixstreams.models import TopicConfig

app = Application(broker_address=sys.argv[1], consumer_group="quix-words", auto_offset_reset="earliest", processing_guarantee="exactly-once",
                  state_dir=sys.argv[2], commit_interval=0.5, consumer_extra_config={"session.timeout.ms": 6000, "heartbeat.interval.ms": 500},
                  producer_extra_config={"transaction.timeout.ms": 10000}, loglevel="WARNING")
config = TopicConfig(num_partitions=2, replication_factor=1)
words = app.dataframe(app.topic("quix-lines", value_deserializer="str", config=config))
words = words.apply(lambda line: line.split(), expand=True).group_by(lambda word: word, name="word")


def count(word, state):
    n = state.get("n", 0) + 1
    state.set("n", n)
    return {"word": word, "n": n}


words.apply(count, stateful=True).to_topic(app.topic("quix-counts", value_serializer="json", config=config))
app.run()
