# lib.sh - what the end-to-end and interop scripts share. Source it; set NAME and PORT first.
#
# B: the build folder with the program; W: a scratch folder of this run, removed at the end when all passed.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
B=${ROOKERY_BUILD:-$root/build}
rookery=$B/rookery
W=$(mktemp -d "${TMPDIR:-/tmp}/rookery-$NAME.XXXXXX")
export PYTHONDONTWRITEBYTECODE=1
passed=0 failed=0 skipped=0 server=

ok() { passed=$((passed + 1)); echo "ok   $NAME: $1"; }
no() { failed=$((failed + 1)); echo "FAIL $NAME: $1"; }
skip() { skipped=$((skipped + 1)); echo "skip $NAME: $1 ($2)"; }
# same WHAT A B: the two files are equal
same() { if cmp -s "$2" "$3"; then ok "$1"; else no "$1"; diff "$2" "$3" | head -n 10; fi; }
# is WHAT WANT GOT
is() { if [ "$2" = "$3" ]; then ok "$1"; else no "$1: wanted '$2', got '$3'"; fi; }
# count_lines FILE: takes over the "ok", "FAIL" and "skip" lines that another program wrote
count_lines() {
	passed=$((passed + $(grep -c '^ok ' "$1"))) failed=$((failed + $(grep -c '^FAIL ' "$1"))) skipped=$((skipped + $(grep -c '^skip ' "$1")))
	if grep -q '^Traceback' "$1"; then no "the test itself broke: $(tail -n 1 "$1")"; fi
}
# told PROGRAM ARG...: another program's lines, as they come, count as ours; a status above 1 says that it broke
told() {
	"$@" 2>&1 | tee "$W/out"
	[ "${PIPESTATUS[0]}" -lt 2 ] || no "the test itself broke"
	count_lines "$W/out"
}
# until_true N COMMAND...: tries once a second until it succeeds
until_true() { local n=$1; shift; for _ in $(seq "$n"); do if "$@"; then return 0; fi; sleep 1; done; return 1; }
# can_mount: this shell may put a file system on a loop device
can_mount() {
	[ "$(id -u)" -eq 0 ] && command -v mkfs.ext4 > /dev/null || return 1
	mkdir "$W/probe" && truncate -s 8M "$W/probe.img" && mkfs.ext4 -q -F "$W/probe.img" && mount -o loop "$W/probe.img" "$W/probe" 2> /dev/null && umount "$W/probe"
}

finish() {
	stop_server > /dev/null 2>&1 || true
	echo "$passed passed, $failed failed, $skipped skipped"
	if [ "$failed" -eq 0 ] && [ -z "${ROOKERY_KEEP:-}" ]; then rm -rf "$W"; else echo "left for you: $W"; fi
	[ "$failed" -eq 0 ]
}
trap 'stop_server > /dev/null 2>&1 || true' EXIT

# format_dir: a one-node directory W/data and its W/server.properties; more lines from $1
format_dir() {
	cat > "$W/server.properties" <<P
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$PORT,CONTROLLER://127.0.0.1:$((PORT + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$PORT
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:$((PORT + 1))
log.dirs=$W/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
${1:-}
P
	"$rookery" storage format --standalone -t AAAAAAAAAAAAAAAAAAAAAQ -c "$W/server.properties" > "$W/format.log" 2>&1
}

# start_server: runs it in the background and waits until it answers
start_server() {
	"$rookery" server "$W/server.properties" >> "$W/server.log" 2>&1 &
	server=$!
	for _ in $(seq 300); do
		if "$rookery" broker-api-versions --bootstrap-server "127.0.0.1:$PORT" > /dev/null 2>&1; then return 0; fi
		kill -0 "$server" 2> /dev/null || { echo "the server ended:"; tail -n 5 "$W/server.log"; return 1; }
		sleep 0.1
	done
	return 1
}
stop_server() {
	[ -n "$server" ] || return 0
	kill "$server" 2> /dev/null
	wait "$server"
	code=$?
	server=
	return $code
}
kill_server() { kill -9 "$server"; wait "$server" 2> /dev/null || true; server=; }
# alone "$0" "$@": runs the script again in network, mount and process namespaces of its own: no port can collide, and
# what it started or mounted is gone when it ends. Returns (1) where that is not allowed.
alone() {
	[ -z "${ROOKERY_ALONE:-}" ] || return 0
	unshare -n -m -p -f --kill-child --mount-proc sh -c 'ip link set lo up && ip link add br9 type bridge' 2> /dev/null || return 1
	rm -rf "$W"
	ROOKERY_ALONE=yes exec unshare -n -m -p -f --kill-child --mount-proc sh -c 'ip link set lo up; exec "$@"' sh "$@"
}
# with_client: python with confluent-kafka, made once; its name in $python
with_client() {
	cache=${ROOKERY_TEST_CACHE:-$HOME/.cache/rookery-tests}
	mkdir -p "$cache"
	python=python3
	! python3 -c 'import confluent_kafka' 2> /dev/null || return 0
	python=$cache/venv/bin/python
	[ -x "$python" ] || python3 -m venv "$cache/venv" > "$W/venv.log" 2>&1
	"$python" -c 'import confluent_kafka' 2> /dev/null || "$cache/venv/bin/pip" install -q confluent-kafka > "$W/pip.log" 2>&1
	"$python" -c 'import confluent_kafka' 2> /dev/null
}
# with_python_clients, with_kafkajs, with_franz: strangers' clients in $cache, made once (there must be a network then)
with_python_clients() {
	cache=${ROOKERY_TEST_CACHE:-$HOME/.cache/rookery-tests}
	[ -x "$cache/venv/bin/python" ] || python3 -m venv "$cache/venv" > "$W/venv.log" 2>&1 || return 1
	"$cache/venv/bin/python" -c 'import confluent_kafka, kafka, aiokafka, cramjam' 2> /dev/null ||
		"$cache/venv/bin/pip" install -q confluent-kafka 'kafka-python>=3' aiokafka cramjam lz4 python-snappy zstandard crc32c > "$W/pip.log" 2>&1 ||
		"$cache/venv/bin/pip" install -q confluent-kafka kafka-python aiokafka cramjam lz4 python-snappy zstandard crc32c >> "$W/pip.log" 2>&1
}
with_kafkajs() {
	cache=${ROOKERY_TEST_CACHE:-$HOME/.cache/rookery-tests}
	export NODE_PATH=$cache/node/node_modules KAFKAJS_NO_PARTITIONER_WARNING=1
	command -v node > /dev/null && command -v npm > /dev/null || return 1
	[ -d "$cache/node/node_modules/kafkajs" ] || npm install --silent --no-fund --no-audit --prefix "$cache/node" kafkajs > "$W/npm.log" 2>&1
}
with_franz() {
	cache=${ROOKERY_TEST_CACHE:-$HOME/.cache/rookery-tests}
	command -v go > /dev/null && (cd "$root/tests/interop/clients/go" && GOFLAGS=-mod=mod go build -o "$cache/franz" . > "$W/go.log" 2>&1)
}
kafka() { "$root/tests/interop/kafka/kafka" "$@"; }
