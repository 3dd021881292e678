"""groups3.py FOLDER [--kind K] [--rounds N]: consumer groups on three nodes under faults. See the script `groups3`.

groups3.py member BOOTSTRAP GROUP STRATEGY FILE: one consumer. It commits, synchronously, what it has read, every now and
then; FILE gets "read PARTITION FIRST LAST" for each piece, and "kept PARTITION OFFSET" when a commit is acknowledged.
"""
import argparse
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time

TOPIC, PARTITIONS = "grouped", 6
GROUPS = {"eager": "range", "incremental": "cooperative-sticky", "served": "consumer", "mixed": "either"}
SHORT = ["group.consumer.min.session.timeout.ms=6000", "group.consumer.session.timeout.ms=6000", "group.consumer.min.heartbeat.interval.ms=500",
         "group.consumer.heartbeat.interval.ms=500"]  # as the classic members have it


def member(bootstrap, group, strategy, path):
    from confluent_kafka import Consumer, KafkaException
    from stream import QUICK
    if strategy == "either":  # every second member
        strategy = "consumer" if int(path.rsplit(".", 1)[1]) % 2 else "cooperative-sticky"
    how = {"group.protocol": "consumer"} if strategy == "consumer" else {"partition.assignment.strategy": strategy, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest", **how, **QUICK})
    out, over = open(path, "w", buffering=1), []
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    c.subscribe([TOPIC])
    while not over:
        runs = {}
        for m in c.consume(500, 0.3):
            if m.error():
                continue
            first, _ = runs.get(m.partition(), (m.offset(), 0))
            runs[m.partition()] = first, m.offset()
        for p, (first, last) in runs.items():
            print("read", p, first, last, file=out)
        if not runs:
            continue
        try:
            for t in c.commit(asynchronous=False):
                if not t.error and t.offset >= 0:
                    print("kept", t.partition, t.offset, file=out)
        except KafkaException as e:
            print("not kept:", e.args[0].name(), file=out)
    c.close()


if sys.argv[1] == "member":
    member(*sys.argv[2:])
    sys.exit(0)

from cluster import Cluster, HERE, ROOKERY, kafka, sh  # noqa: E402
from node import Report  # noqa: E402
from raw import Closed, string  # noqa: E402

p = argparse.ArgumentParser()
p.add_argument("folder"), p.add_argument("--kind", default="rookery"), p.add_argument("--rounds", type=int, default=1), p.add_argument("--rate", type=int, default=600)
p.add_argument("--faults", default=".", help="a regular expression: those whose names match")
arg = p.parse_args()
report = Report("groups3 " + arg.kind)
cluster = Cluster(os.path.join(arg.folder, arg.kind.replace(",", "+")), (arg.kind.split(",") * 3)[:3], dynamic=True, lines=SHORT)
for m in cluster.members:
    m.extra = [f"broker.rack=rack-{m.id % 2}"]
started = time.monotonic()


def say(what):
    print(f"# {time.monotonic() - started:6.1f} s: {what}", flush=True)


def offsets(conn, group):
    """OffsetFetch 5: {partition: offset}, or None when this node does not answer for the group."""
    body = string(group) + struct.pack(">i", 1) + string(TOPIC) + struct.pack(f">i{PARTITIONS}i", PARTITIONS, *range(PARTITIONS))
    c = conn.call(9, 5, body)
    c.take("i")
    found = {}
    for _ in range(c.take("i")):
        c.string()
        for _ in range(c.take("i")):
            i, offset, _ = c.take("iqi")
            c.string()
            if c.take("h") == 0 and offset >= 0:
                found[i] = offset
    return found if c.take("h") == 0 else None


def coordinator(group):
    for m in cluster.up():
        try:
            with m.conn(2) as conn:
                c = conn.call(10, 1, string(group) + b"\0")
                _, code = c.take("ih")
                c.string()
                node = c.take("i")
                if code == 0:
                    return cluster[node]
        except (OSError, Closed, AssertionError):
            pass
    return None


class Watch(threading.Thread):
    """Asks every node for what the groups have committed: what is told never goes back."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stop, self.top, self.back, self.asked = threading.Event(), {}, [], 0

    def run(self):
        conns = {}
        while not self.stop.is_set():
            for m in cluster.members:
                if not m.runs() or m.stopped or m.is_cut == "all":
                    conns.pop(m.id, None)
                    continue
                for group in GROUPS:
                    floor = {k: v for k, v in self.top.items() if k[0] == group}
                    try:
                        if m.id not in conns:
                            conns[m.id] = m.conn(0.5)
                        told = offsets(conns[m.id], group)
                    except (OSError, Closed, AssertionError):
                        conns.pop(m.id, None)
                        break
                    if told is None:
                        continue
                    self.asked += 1
                    for i in range(PARTITIONS):
                        before, now = floor.get((group, i), -1), told.get(i, -1)
                        if now < before:
                            self.back.append((group, i, before, now, m.id, round(time.monotonic() - started, 1)))
                        self.top[group, i] = max(self.top.get((group, i), -1), now)
            time.sleep(0.05)


class Members:
    def __init__(self):
        self.all, self.live, self.n = {g: [] for g in GROUPS}, {g: [] for g in GROUPS}, 0

    def add(self, group):
        path = os.path.join(cluster.folder, f"{group}.{self.n}")
        self.n += 1
        q = subprocess.Popen([sys.executable, os.path.abspath(__file__), "member", cluster.bootstrap(), group, GROUPS[group], path], cwd=HERE)
        self.live[group].append(q)
        self.all[group].append(path)

    def end(self, group, hard=False):
        q = self.live[group].pop(0)
        q.kill() if hard else q.terminate()
        q.wait(60)

    def lines(self, group):
        for path in self.all[group]:
            for line in open(path):
                word = line.split()
                if word[0] in ("read", "kept") and line.endswith("\n"):
                    yield word[0], *map(int, word[1:])


def close_all():
    for group in GROUPS:
        while members.live[group]:
            members.end(group)


FAULTS = [  # what, who, hit, seconds, heal
    ("kill -9 of the coordinator", "coordinator", lambda m: m.kill(), 4, lambda m: m.start()),
    ("kill -9 of another node", "other", lambda m: m.kill(), 4, lambda m: m.start()),
    ("SIGTERM of the coordinator", "coordinator", lambda m: m.term(), 2, lambda m: m.start()),
    ("SIGSTOP of the coordinator", "coordinator", lambda m: m.pause(), 14, lambda m: m.resume()),
    ("the coordinator cut off from its peers only", "coordinator", lambda m: m.cut_peers(), 14, lambda m: m.heal()),
]
FAULTS = [f for f in FAULTS if re.search(arg.faults, f[0])]
MOVES = [lambda g: members.add(g), lambda g: members.end(g), lambda g: (members.end(g, hard=True), members.add(g)), lambda g: members.add(g), lambda g: members.end(g)]


def progress(group, since, seconds):
    """Every partition's committed offset has moved past what it was: None, or those that have not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        left = [i for i in range(PARTITIONS) if watch.top.get((group, i), -1) <= since.get((group, i), -1)]
        if not left:
            return None
        time.sleep(0.1)
    return left


def rounds():
    for n in range(arg.rounds * len(FAULTS)):
        what, who, hit, hold, heal = FAULTS[n % len(FAULTS)]
        m = coordinator("eager") or cluster[1]
        if who == "other":
            m = cluster[m.id % 3 + 1]
        began = time.monotonic()
        hit(m)
        for group in GROUPS:
            MOVES[n % len(MOVES)](group)
        time.sleep(max(0, hold - (time.monotonic() - began)))
        heal(m)
        since, at = dict(watch.top), time.monotonic()
        stuck = {g: progress(g, since, 60) for g in GROUPS}
        report.check(f"{what} (node {m.id}): all groups go on", not any(stuck.values()),
                     f"stuck: {stuck}" if any(stuck.values()) else f"{time.monotonic() - at:.1f} s after it was over")
        for group in [g for g in GROUPS if stuck[g]]:
            for how in [], ["--members", "--verbose"]:
                q = subprocess.run([ROOKERY, "consumer-groups", "--bootstrap-server", cluster.bootstrap(), "--describe", "--group", group, *how],
                                   capture_output=True, text=True, timeout=60)
                say(f"{group}, which is stuck:\n{q.stdout}{q.stderr}")
        cluster.in_sync([TOPIC, "__consumer_offsets"], seconds=60)


def group_epochs(group):
    """What Kafka's tool reads, in Kafka's log, of the group's epochs (record 3): [(epoch, metadata hash)]."""
    found = []
    for m in cluster.members:
        folder = os.path.join(m.data, f"__consumer_offsets-{slot(group)}")
        if m.kind != "kafka" or not os.path.isdir(folder):
            continue
        for name in sorted(n for n in os.listdir(folder) if n.endswith(".log")):
            _, told = kafka("kafka-dump-log", "--offsets-decoder", "--files", os.path.join(folder, name))
            for key, value in re.findall(r"key: (\{.*?\}) payload: ?(.*)$", told, re.M):
                k = json.loads(key)
                if str(k["type"]) == "3" and k["data"]["groupId"] == group and value.startswith("{"):
                    v = json.loads(value)["data"]
                    found.append((v["epoch"], v["metadataHash"]))
        return found
    return found


def slot(group):
    h = 0
    for c in group:
        h = (h * 31 + ord(c)) & 0xffffffff
    return abs(h - (h >> 31 << 32)) % 4


def hand_over(group, node):
    """The group's coordinator is that node: its partition's preferred replica, elected."""
    path, order = os.path.join(cluster.folder, "order.json"), [node] + [m.id for m in cluster.members if m.id != node]
    with open(path, "w") as out:
        json.dump({"version": 1, "partitions": [{"topic": "__consumer_offsets", "partition": slot(group), "replicas": order}]}, out)
    sh(ROOKERY, "reassign-partitions", "--bootstrap-server", cluster.bootstrap(), "--reassignment-json-file", path, "--execute")
    for _ in range(100):
        subprocess.run([ROOKERY, "leader-election", "--bootstrap-server", cluster.bootstrap(), "--election-type", "preferred", "--topic", "__consumer_offsets",
                        "--partition", str(slot(group))], capture_output=True, timeout=60)
        m = coordinator(group)
        if m and m.id == node:
            return True
        time.sleep(0.2)
    return False


def settled(group, seconds=12):
    """The group's epochs when they have not changed for six heartbeats."""
    last, end = None, time.monotonic() + seconds
    while time.monotonic() < end:
        now = group_epochs(group)
        if now and now == last:
            return now
        last = now
        time.sleep(3)
    return last


def rack(m, name):
    """It starts anew in that rack."""
    m.term()
    m.configure("broker.rack=" + name)
    m.start()
    return cluster.in_sync([TOPIC, "__consumer_offsets"])


def travels(group):
    """Whoever coordinates it writes the hash of its topics that the other kind would write: its epoch rises when a member comes or a broker
    is in another rack, and not because the coordinator is another."""
    (theirs, *_), (one, two, *_) = ([m.id for m in cluster.members if m.kind == kind] for kind in ("kafka", "rookery"))
    before, wrong, told = settled(group), [], []

    def step(what, done, rises, other):
        nonlocal before
        now = settled(group)
        if not done or not before or now[:len(before)] != before or len(now) - len(before) != rises or (now[-1][1] != before[-1][1]) != other:
            wrong.append(f"{what}{'' if done else ' (it did not come to pass)'}: {before and before[-2:]} became {now and now[-4:]}")
        told.append(f"{now[-1][1] & 0xffffffffffffffff:x}" if now else "none")
        before = now
    for node in theirs, one:
        step(f"node {node} coordinates", hand_over(group, node), 0, False)
        members.add(group)
        step(f"node {node} coordinates, a member comes", True, 1, False)
        step(f"node {node} coordinates, node {two} is in another rack", rack(cluster[two], f"rack-of-{node}"), 1, True)
    step(f"node {theirs} coordinates again", hand_over(group, theirs), 0, False)
    members.end(group), members.end(group)
    report.check(f"{group}: its coordinators of both kinds have the same hash of its topics", not wrong, "; ".join(wrong) if wrong else " ".join(told))


def check(ends):
    for group in GROUPS:
        seen, kept = {i: [] for i in range(PARTITIONS)}, {}
        for word, i, *rest in members.lines(group):
            if word == "read":
                seen[i].append(rest)
            else:
                kept[i] = max(kept.get(i, -1), rest[0])
        missing = 0
        for i in range(PARTITIONS):
            at = 0
            for first, last in sorted(seen[i]):
                missing, at = missing + max(0, first - at), max(at, last + 1)
            missing += max(0, ends[i] - at)
        report.check(f"{group}: every record of {sum(ends)} was delivered", missing == 0, f"{missing} were not" if missing else "")
        final = offsets_of(group)
        lost = [(i, kept[i], final.get(i, -1)) for i in kept if final.get(i, -1) < kept[i]]
        report.check(f"{group}: no acknowledged commit was lost", not lost and len(kept) == PARTITIONS, str(lost) if lost else "")


def offsets_of(group):
    for _ in range(50):
        m = coordinator(group)
        if m:
            with m.conn(5) as c:
                told = offsets(c, group)
                if told is not None:
                    return told
        time.sleep(0.2)
    return {}


members, watch, producer = Members(), Watch(), None
try:
    cluster.format()
    if not cluster.start():
        raise OSError("the cluster did not start")
    assert cluster.create(TOPIC, PARTITIONS) == 0
    path = os.path.join(cluster.folder, "acked.0")
    producer = subprocess.Popen([sys.executable, os.path.join(HERE, "stream.py"), "produce", cluster.bootstrap(), TOPIC, str(PARTITIONS), "0", path, "1000",
                                 str(arg.rate), "100"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for group in GROUPS:
        for _ in range(3):
            members.add(group)
    watch.start()
    for group in GROUPS:
        report.check(f"{group}: three members share the partitions and commit", progress(group, {}, 60) is None)
    if "kafka" in arg.kind and "rookery" in arg.kind:
        travels("served")
    rounds()
    open(path + ".stop", "w").close()
    said = producer.communicate()[0].strip().splitlines()
    report.check("the producer got every record acknowledged", producer.returncode == 0, said[-1] if said else "")
    ends = []
    for i in range(PARTITIONS):
        leader = dict((k, leader) for k, leader, _, _ in cluster.state(TOPIC)[TOPIC])[i]
        with cluster[leader].conn(10) as c:
            ends.append(c.end(TOPIC, i))
    until = time.monotonic() + 90
    while time.monotonic() < until and any(watch.top.get((g, i), -1) < ends[i] for g in GROUPS for i in range(PARTITIONS)):
        time.sleep(0.2)
    watch.stop.set()
    watch.join()
    close_all()
    check(ends)
    ours = [m for m in cluster.members if m.kind == "rookery" or arg.kind == "kafka"]  # a Kafka among them does tell older offsets, after a failover
    back = [b for b in watch.back if cluster[b[4]] in ours]
    report.check("a committed offset that a node tells never goes back", not back, f"{len(back)} times: {back[:4]}" if back else f"asked {watch.asked} times")
    wrong = [f"node {m.id}: {line[:200]}" for m in ours for line in m.errors()]
    report.check("no node says that something is wrong with it", not wrong or arg.kind == "kafka", "; ".join(wrong[:3]))
finally:
    for q in [producer, *[q for g in GROUPS for q in members.live[g]]]:
        if q is not None and q.poll() is None:
            q.kill()
    cluster.close()
sys.exit(1 if report.failures else 0)
