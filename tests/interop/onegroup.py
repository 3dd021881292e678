"""onegroup.py FOLDER --have KIND,... --cache FOLDER [--kind K] [--seconds N] [--seed N] [--only PROTOCOL]: strangers' clients in
one group. See the script `onegroup`.

A member prints "got PARTITION OFFSET VALUE" for each record and then commits; what it printed is checked against what was
produced. Members come, go and are killed by a seeded choice."""
import argparse
import collections
import os
import random
import struct
import subprocess
import sys
import threading
import time

from cluster import HERE, Cluster, libs
from node import Report
from raw import Closed, string

PARTITIONS = 7
CAN = {"eager": ["java", "confluent", "franz", "aiokafka", "kafkajs"], "cooperative": ["java", "confluent", "franz"], "consumer": ["java", "confluent"]}
SHORT = ["group.consumer.min.session.timeout.ms=6000", "group.consumer.session.timeout.ms=6000", "group.consumer.min.heartbeat.interval.ms=500",
         "group.consumer.heartbeat.interval.ms=500", "offsets.topic.replication.factor=1", "default.replication.factor=1", "min.insync.replicas=1",
         "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "share.coordinator.state.topic.replication.factor=1",
         "share.coordinator.state.topic.min.isr=1"]

p = argparse.ArgumentParser()
p.add_argument("folder"), p.add_argument("--have"), p.add_argument("--cache"), p.add_argument("--kind", default="rookery")
p.add_argument("--seconds", type=int, default=40), p.add_argument("--seed", type=int, default=1), p.add_argument("--only"), p.add_argument("--rate", type=int, default=300)
arg = p.parse_args()
report = Report("onegroup " + arg.kind)
cluster = Cluster(os.path.join(arg.folder, arg.kind), [arg.kind], dynamic=True, lines=SHORT)
started, chance = time.monotonic(), random.Random(arg.seed)


def say(what):
    print(f"# {time.monotonic() - started:6.1f} s: {what}", flush=True)


def argv(kind, group, topic, protocol):
    who = [cluster.bootstrap(), group, topic, protocol]
    return {"java": ["java", "-Xmx96m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.configurationFile=" + os.path.join(HERE, "kafka/log4j2.properties"),
                     "-cp", f"{arg.cache}/onegroup:{libs()}/*", "Member"],
            "confluent": [sys.executable, "clients/member.py", "confluent"], "aiokafka": [arg.cache + "/venv/bin/python", "clients/member.py", "aiokafka"],
            "kafkajs": ["node", "clients/member.js"], "franz": [arg.cache + "/franz", "member"]}[kind] + who


class Group:
    """The members of one group and what they were handed."""

    def __init__(self, protocol):
        self.protocol, self.topic, self.name = protocol, "all-" + protocol, "one-" + protocol
        self.kinds = [k for k in CAN[protocol] if k in arg.have.split(",")]
        self.live, self.files, self.bad = [], [], []

    def add(self, kind):
        path = os.path.join(cluster.folder, f"{self.name}.{len(self.files)}.{kind}")
        with open(path, "w") as out, open(path + ".err", "w") as err:
            q = subprocess.Popen(argv(kind, self.name, self.topic, self.protocol), stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=HERE)
        self.live.append((kind, q))
        self.files.append((kind, path))

    def end(self, member, hard=False):
        kind, q = member
        self.live.remove(member)
        if q.poll() is not None:
            self.bad.append(f"{kind} ended by itself, status {q.returncode}")
            return
        q.kill() if hard else q.terminate()
        try:
            q.wait(30)
        except subprocess.TimeoutExpired:
            self.bad.append(f"{kind} did not leave within 30 s")
            q.kill()

    def stir(self):
        """One member comes, goes or is killed; every kind is there most of the time."""
        absent = [k for k in self.kinds if k not in [kind for kind, _ in self.live]]
        do = chance.choice(["add", "end", "kill"])
        if absent or len(self.live) < len(self.kinds) or (do == "add" and len(self.live) < PARTITIONS):
            kind = chance.choice(absent or self.kinds)
            self.add(kind)
            return f"a {kind} member joins"
        who = chance.choice(self.live)
        self.end(who, hard=do == "kill")
        return f"a {who[0]} member {'is killed' if do == 'kill' else 'leaves'}"

    def handed(self):
        """{(partition, offset): value}, records by kind, deliveries in all, values that differ between deliveries"""
        got, by, n, odd = {}, collections.Counter(), 0, 0
        for kind, path in self.files:
            for line in open(path):
                word = line.split()
                if line.endswith("\n") and len(word) == 4 and word[0] == "got":
                    at = int(word[1]), int(word[2])
                    odd += got.setdefault(at, word[3]) != word[3]
                    by[kind] += 1
                    n += 1
        return got, by, n, odd


class Watch(threading.Thread):
    """What the group has committed, asked again and again: it never goes back."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.stop, self.top, self.back, self.asked = group, threading.Event(), {}, [], 0

    def ask(self, conn):
        body = string(self.group.name) + struct.pack(">i", 1) + string(self.group.topic) + struct.pack(f">i{PARTITIONS}i", PARTITIONS, *range(PARTITIONS))
        c = conn.call(9, 5, body)
        c.take("i")
        told = {}
        for _ in range(c.take("i")):
            c.string()
            for _ in range(c.take("i")):
                i, offset, _ = c.take("iqi")
                c.string()
                if c.take("h") == 0 and offset >= 0:
                    told[i] = offset
        return told if c.take("h") == 0 else None

    def run(self):
        conn = None
        while not self.stop.wait(0.05):
            try:
                conn = conn or cluster[1].conn(5)
                told = self.ask(conn)
            except (OSError, Closed, AssertionError):
                conn = None
                continue
            if told is None:
                continue
            self.asked += 1
            for i in range(PARTITIONS):
                before, now = self.top.get(i, -1), told.get(i, -1)
                if now < before:
                    self.back.append((i, before, now, round(time.monotonic() - started, 1)))
                self.top[i] = max(before, now)


class Producer(threading.Thread):
    """Values of their own to every partition, and where they came to lie."""

    def __init__(self, topic):
        super().__init__(daemon=True)
        self.topic, self.stop, self.put, self.lost = topic, threading.Event(), {}, 0

    def acked(self, error, m):
        if error:
            self.lost += 1
        else:
            self.put[m.partition(), m.offset()] = m.value().decode()

    def run(self):
        from confluent_kafka import Producer as Client
        client, n, began = Client({"bootstrap.servers": cluster.bootstrap(), "enable.idempotence": True, "linger.ms": 5}), 0, time.monotonic()
        while not self.stop.is_set():
            while n < (time.monotonic() - began) * arg.rate:
                client.produce(self.topic, f"{self.topic}-{n}", partition=n % PARTITIONS, on_delivery=self.acked)
                n += 1
            client.poll(0.02)
        client.flush(60)


def until(seconds, true):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False


def state(name):
    """DescribeGroups 0 for a classic group: its state; for the other kind it says Dead."""
    with cluster[1].conn(5) as conn:
        c = conn.call(15, 0, struct.pack(">i", 1) + string(name))
        c.take("ih")
        c.string()
        return c.string()


def play(protocol):
    group = Group(protocol)
    groups.append(group)
    if len(group.kinds) < 2:
        report.skip(f"{protocol}: one group of everybody", "fewer than two kinds of clients are here")
        return
    assert cluster.create(group.topic, PARTITIONS, replicas=1) == 0
    watch, producer = Watch(group), Producer(group.topic)
    watch.start(), producer.start()
    for kind in group.kinds:
        group.add(kind)
    report.check(f"{protocol}: {', '.join(group.kinds)} get records in one group", until(60, lambda: set(group.handed()[1]) == set(group.kinds)),
                 str(dict(group.handed()[1])))
    since = time.monotonic()
    while time.monotonic() - since < arg.seconds:
        say(f"{protocol}: {group.stir()}")
        time.sleep(chance.uniform(0.3, 4))
    producer.stop.set()
    producer.join()
    ends = {i: 0 for i in range(PARTITIONS)}
    for i, offset in producer.put:
        ends[i] = max(ends[i], offset + 1)
    done = until(60, lambda: watch.top == ends)
    report.check(f"{protocol}: nothing is left to read", done, "" if done else f"committed {watch.top} of {ends}")
    while group.live:
        group.end(group.live[0])
    if protocol != "consumer":
        report.check(f"{protocol}: the group is empty when all have left", until(10, lambda: state(group.name) == "Empty"), state(group.name))
    watch.stop.set()
    watch.join()
    got, by, n, odd = group.handed()
    missing = [at for at in producer.put if at not in got]
    wrong = [at for at, value in got.items() if producer.put.get(at) != value]
    report.check(f"{protocol}: every record of {len(producer.put)} is delivered with its value", not (missing or wrong or odd or producer.lost) and got,
                 f"{n - len(got)} twice; {dict(by)}" + (f"; missing {missing[:5]}, wrong {wrong[:5]}, differing {odd}, not acknowledged {producer.lost}"
                                                         if missing or wrong or odd or producer.lost else ""))
    report.check(f"{protocol}: a committed offset never goes back ({watch.asked} looks)", not watch.back and watch.asked > 50, str(watch.back[:5]) if watch.back else "")
    report.check(f"{protocol}: no member failed", not group.bad, "; ".join(group.bad))


groups = []
try:
    cluster.format()
    if not cluster.start():
        raise OSError("the node did not start")
    for protocol in CAN:
        if arg.only in (None, protocol):
            play(protocol)
finally:
    for group in groups:
        for _, q in group.live:
            q.kill()
    cluster.close()
sys.exit(1 if report.failures else 0)
