"""mixed_txn.py FOLDER [--as KIND] [--rounds N]: transactions in a cluster of both kinds. See the script `mixed`.

A controller of rookery's, a broker of Kafka's and one of rookery's hold __transaction_state between them. Eight tills write
into every partition of a topic, in transactions. With all of them open, one broker is killed: the other coordinates what it
did not begin, commits two of three and aborts the third; then they go on, and the first comes back. At the end whoever
reads what is committed sees each committed transaction whole and once, and nothing else.
"""
import argparse
import logging
import os
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from cluster import Cluster
from node import Report

p = argparse.ArgumentParser()
p.add_argument("folder"), p.add_argument("--as", dest="kind", default="rookery"), p.add_argument("--rounds", type=int, default=2)
arg, _ = p.parse_known_args()
TILLS, PARTITIONS, TOPIC, LOG = 8, 4, "money", "__transaction_state"
LINES = ["default.replication.factor=2", "min.insync.replicas=1", "offsets.topic.replication.factor=2",
         "transaction.state.log.replication.factor=2", "transaction.state.log.min.isr=1"]
QUIET = logging.Logger("quiet")  # who is shut out says so on stderr, whatever the level
QUIET.addHandler(logging.NullHandler())
report = Report("mixed txn" + (" (all of it Kafka)" if arg.kind == "kafka" else ""))
check, started = report.check, time.monotonic()


def say(what):
    print(f"# {time.monotonic() - started:6.1f} s: {what}", flush=True)


def until_done(call, *args):
    """Calls again what librdkafka says may be called again."""
    for n in range(200):
        try:
            return call(*args)
        except KafkaException as e:
            if not e.args[0].retriable() or n == 199:
                raise
            time.sleep(0.1)
    return None


class Till:
    def __init__(self, bootstrap, id):
        self.bootstrap, self.id, self.n, self.committed, self.producer = bootstrap, id, 0, [], None
        self.start()

    def start(self):
        self.producer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": f"till-{self.id}", "linger.ms": 0, "log_level": 0,
                                  "transaction.timeout.ms": 60000}, logger=QUIET)
        until_done(self.producer.init_transactions, 30)

    def begin(self):
        self.n += 1
        self.producer.begin_transaction()
        for k in range(PARTITIONS):
            self.producer.produce(TOPIC, f"{self.id}-{self.n}", partition=k)

    def end(self, commit):
        if commit:
            until_done(self.producer.commit_transaction, 60)
            self.committed.append(self.n)
        else:
            until_done(self.producer.abort_transaction, 60)


def coordinators(cluster):
    return [leader for _, leader, _, _ in cluster.state(LOG).get(LOG, [])]


def seen(bootstrap):
    """{(partition, value): how often} of what is committed."""
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed", "log_level": 0,
                  "enable.auto.commit": False})
    at, last = {}, time.monotonic()
    c.assign([TopicPartition(TOPIC, k, 0) for k in range(PARTITIONS)])
    while time.monotonic() - last < 8:
        m = c.poll(0.5)
        if m is not None and not m.error():
            last, key = time.monotonic(), (m.partition(), m.value().decode())
            at[key] = at.get(key, 0) + 1
    c.close()
    return at


def shut_out(t):
    """A second producer of the same transactional id takes over; what the first hears then."""
    first = t.producer
    t.start()
    first.begin_transaction()
    first.produce(TOPIC, f"{t.id}-late", partition=0)
    try:
        until_done(first.commit_transaction, 30)
    except KafkaException as e:
        return e.args[0].name()
    return "nothing"


def rounds(cluster, tills, victim):
    for t in tills:
        t.begin()
        t.producer.flush(30)
    victim.kill()
    for t in tills:
        t.end(t.id % 3 != 0)
    other = {m.id for m in cluster.brokers()} - {victim.id}
    check(f"what is open when the broker of {victim.kind} dies is ended by the other", set(coordinators(cluster)) == other, f"{coordinators(cluster)}")
    for _ in range(3):
        for t in tills:
            t.begin()
            t.end(t.n % 5 != 0)
    victim.start()
    check(f"the broker of {victim.kind} is in sync again", cluster.in_sync([TOPIC, LOG], replicas=2, seconds=120))
    heard = {shut_out(t) for t in tills}  # whoever takes the coordinator over next loads what refusals left in the log
    check("a second producer of the same transactional id shuts the first out", heard <= {"_FENCED", "PRODUCER_FENCED"}, f"{heard}")
    say(f"coordinators {coordinators(cluster)}")


def run(cluster):
    cluster.format()
    if not check("the nodes start and know each other", cluster.start(120)):
        return
    check("a topic is made, two in-sync replicas each", cluster.create(TOPIC, PARTITIONS, replicas=2) == 0 and cluster.in_sync([TOPIC], replicas=2, seconds=60))
    tills = [Till(cluster.bootstrap(), i) for i in range(TILLS)]
    for _ in range(5):
        for t in tills:
            t.begin()
            t.end(t.n % 5 != 0)
    say(f"coordinators {coordinators(cluster)}")
    for _ in range(arg.rounds):
        for m in cluster.brokers():
            rounds(cluster, tills, m)
    want = {(k, f"{t.id}-{n}") for t in tills for n in t.committed for k in range(PARTITIONS)}
    got = seen(cluster.bootstrap())
    check("every committed transaction is there, whole", not want - set(got), f"{len(want)} records, {len(want - set(got))} of them missing")
    check("nothing else is there", not set(got) - want, f"{sorted(set(got) - want)[:5]}")
    check("nothing is there twice", all(n == 1 for n in got.values()))


cluster = Cluster(os.path.join(arg.folder, "txn"), [arg.kind, "kafka", arg.kind], {1: "controller", 2: "broker", 3: "broker"}, dynamic=True, lines=LINES)
try:
    run(cluster)
finally:
    cluster.close()
sys.exit(report.failures > 0)
