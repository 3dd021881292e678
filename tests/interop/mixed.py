"""mixed.py CASE FOLDER [--as KIND]: one cluster of rookery's and Apache Kafka's nodes. See the script `mixed`.

--as kafka puts Kafka's nodes in rookery's places: what the test itself is worth.
"""
import argparse
import glob
import hashlib
import os
import re
import shutil
import sys
import threading
import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, ResourceType

from cluster import BROKER, CONTROLLER, Cluster, kafka
from node import Report
from raw import Closed
from traffic import PROBE, TOPIC, Load, Probe, check_probes, longest, wait_acks

p = argparse.ArgumentParser()
p.add_argument("case"), p.add_argument("folder"), p.add_argument("--as", dest="kind", default="rookery"), p.add_argument("--rounds", type=int, default=12)
p.add_argument("--records", type=int, default=100000)
arg = p.parse_args()
OURS, THEIRS, PARTITIONS = arg.kind, "kafka", 4
report = Report(f"mixed {arg.case}" + (" (all of it Kafka)" if OURS == "kafka" else ""))
check, started = report.check, time.monotonic()
# A Kafka node says these itself under the same faults in a cluster of its own; anything else is ours.
HARMLESS = re.compile("|".join((
    "Expected partition .* to exist, but it was missing",            # after kill -9: a folder not made yet
    "Error processing append operation on partition",                # NOT_ENOUGH_REPLICAS to a client
    "on Controller .* Exception when handling request",              # the meter of an error that it had itself
    "Overriding internal.metadata.log.segment.bytes",                # we do
    "Exceptionally slow controller event", "controller event queue overloaded", "Graceful shutdown of RaftClient failed",
    "Unexpected error handling request .*apiKey=(BROKER_HEARTBEAT|CONTROLLER_REGISTRATION|BROKER_REGISTRATION|ALTER_PARTITION|API_VERSIONS|ASSIGN_REPLICAS_TO_DIRS)",  # it lost the lead meanwhile
    "assignments failed; global error: .*STALE_BROKER_EPOCH. Retrying",  # a broker without its disk reads of its former self first
)))


def say(what):
    print(f"# {time.monotonic() - started:6.1f} s: {what}", flush=True)


class Admin(threading.Thread):
    """Creates, changes and deletes topics until told to stop; keeps what must be there. Each change is repeated until
    it is known to be done, so the model is certain."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.stop, self.model, self.done, self.wrong, self.errors, self.slowest = cluster, threading.Event(), {}, 0, [], {}, 0.0
        self.client = AdminClient({"bootstrap.servers": cluster.bootstrap(), "log_level": 0, "socket.timeout.ms": 3000, "reconnect.backoff.max.ms": 200,
                                   "topic.metadata.refresh.interval.ms": 2000})

    def until_done(self, what, fine):
        began, end = time.time(), time.time() + 90
        while True:
            try:
                for future in what().values():
                    future.result(10)
                break
            except KafkaException as e:
                if e.args[0].code() in fine:
                    break
                word = e.args[0].name()
            except Exception as e:
                word = type(e).__name__
            self.errors[word] = self.errors.get(word, 0) + 1
            if time.time() > end:
                raise RuntimeError(f"not done within 90 s, the last answer was {word}")
            time.sleep(0.1)
        self.slowest, self.done = max(self.slowest, time.time() - began), self.done + 1

    def run(self):
        n = 0
        try:
            while not self.stop.is_set():
                n += 1
                topic = f"made-{n}"
                self.until_done(lambda: self.client.create_topics([NewTopic(topic, 2, 3, config={"retention.ms": str(1000000 + n)})], operation_timeout=3,
                                                                  request_timeout=5), {KafkaError.TOPIC_ALREADY_EXISTS})
                self.model[topic] = (2, {"retention.ms": str(1000000 + n)})
                if n % 2:
                    entry = ConfigEntry("max.message.bytes", str(100000 + n), incremental_operation=AlterConfigOpType.SET)
                    self.until_done(lambda: self.client.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])],
                                                                                  request_timeout=5), set())
                    self.model[topic][1]["max.message.bytes"] = str(100000 + n)
                if n % 3 == 0:
                    self.until_done(lambda: self.client.create_partitions([NewPartitions(topic, 5)], request_timeout=5), {KafkaError.INVALID_PARTITIONS})
                    self.model[topic] = (5, self.model[topic][1])
                if n > 5 and n % 6:
                    gone = sorted(self.model)[n % len(self.model)]
                    self.until_done(lambda: self.client.delete_topics([gone], operation_timeout=3, request_timeout=5), {KafkaError.UNKNOWN_TOPIC_OR_PART})
                    del self.model[gone]
                self.stop.wait(0.2)
        except Exception as e:
            self.wrong.append(f"{type(e).__name__} {e}")

    def finish(self):
        self.stop.set()
        self.join(120)
        check("the admin's changes were all done", not self.wrong and not self.is_alive(),
              self.wrong[0] if self.wrong else f"{self.done} changes, the slowest took {self.slowest:.1f} s; on the way {self.errors or 'no error'}")

    def compare(self, when):
        """Every broker tells the model."""
        for m in self.cluster.brokers():
            if not m.runs():
                continue
            bad = None
            for _ in range(100):
                bad = self.differs(m)
                if not bad:
                    break
                time.sleep(0.2)
            check(f"{when}: node {m.id} ({m.kind}) tells of all {len(self.model)} topics as they were made", not bad, bad or "")

    def differs(self, m):
        client = AdminClient({"bootstrap.servers": f"{m.addr}:{BROKER}", "log_level": 0, "socket.timeout.ms": 5000})
        try:
            with m.conn(5) as c:
                got = c.metadata(*sorted(self.model))[1]
                for topic, (partitions, _) in self.model.items():
                    code, parts = got[topic]
                    if code or len(parts) != partitions:
                        return f"{topic}: error {code}, {len(parts)} partitions, wanted {partitions}"
            listed = {t for t in client.list_topics(timeout=5).topics if t.startswith("made-")}
            if listed != set(self.model):
                return f"too many: {sorted(listed - set(self.model))[:5]}, too few: {sorted(set(self.model) - listed)[:5]}"
            for topic, (_, configs) in sorted(self.model.items())[-10:]:
                r = ConfigResource(ResourceType.TOPIC, topic)
                told = list(client.describe_configs([r], request_timeout=5).values())[0].result(10)
                for k, v in configs.items():
                    if told[k].value != v:
                        return f"{topic}: {k} is {told[k].value}, wanted {v}"
        except (OSError, Closed, AssertionError, KafkaException, KeyError) as e:
            return f"{type(e).__name__} {e}"
        return None


def same_metadata(cluster):
    """Every node has replayed the same log: their ends meet."""
    for _ in range(100):
        try:
            with cluster.active().conn(3, CONTROLLER) as c:
                code, leader, epoch, high, voters, observers = c.quorum()
            ends = {**voters, **observers}
            if code == 0 and set(ends) >= {m.id for m in cluster.members} and max(ends.values()) - min(ends.values()) <= 4:
                return True, f"epoch {epoch}, high watermark {high}"
        except (OSError, Closed, AssertionError, AttributeError) as e:
            ends = str(e)
        time.sleep(0.2)
    return False, f"{ends}"


def segments_equal(cluster, topic, partitions):
    """Once all have stopped: each replica of a partition is the same bytes, batch for batch."""
    for i in range(partitions):
        sums = {}
        for m in cluster.brokers():
            files = sorted(glob.glob(os.path.join(m.data, f"{topic}-{i}", "*.log")))
            if files:
                h, size = hashlib.sha256(), 0
                for f in files:
                    data = open(f, "rb").read().rstrip(b"\0")  # a segment may be preallocated
                    h.update(data)
                    size += len(data)
                sums[m.id] = (h.hexdigest()[:12], size)
        check(f"{topic}-{i}: the replicas are the same bytes", len(sums) > 1 and len(set(sums.values())) == 1, f"{sums}" if len(set(sums.values())) != 1 else
              f"{len(sums)} of {list(sums.values())[0][1]}")


def logs_are_quiet(cluster):
    for m in cluster.members:
        bad = [e for e in m.errors() if not HARMLESS.search(e)]
        kinds = {}
        for e in bad:
            short = re.sub(r"\d+", "N", e)[:150]
            kinds[short] = kinds.get(short, 0) + 1
        check(f"node {m.id} ({m.kind}) logged no error", not bad, f"{len(bad)}: " + "; ".join(f"{n} x {e}" for e, n in list(kinds.items())[:4]) if bad else "")


def begin(cluster, seconds=120):
    cluster.format()
    began = time.monotonic()
    good = check("the nodes start and know each other", cluster.start(seconds), f"{time.monotonic() - began:.1f} s")
    if not good:
        for m in cluster.members:
            print(f"# node {m.id} ({m.kind}) {'runs' if m.runs() else 'is gone'}: {m.words()[-700:]}")
        return False
    made = [cluster.create(t, PARTITIONS, min_insync_replicas=2) for t in (TOPIC, PROBE)]
    return check("two topics are made, three in-sync replicas each", made == [0, 0] and cluster.in_sync([TOPIC, PROBE], seconds=60),
                 f"{made} {cluster.state(TOPIC, PROBE)}" if made != [0, 0] else "")


def leaders(cluster):
    return {leader for parts in cluster.state(TOPIC, PROBE).values() for _, leader, _, _ in parts}


def hurt(cluster, probes, what, m, hit, heal, hold=1.0):
    since = time.monotonic()
    hit(m)
    again = wait_acks(probes, time.monotonic() + 0.2, 90)
    time.sleep(max(0, since + hold - time.monotonic()))
    heal(m)
    check(f"{what} ({m.kind}): every partition is written to again", again or wait_acks(probes, time.monotonic(), 60))
    good = cluster.in_sync([TOPIC, PROBE], seconds=180)
    check(f"{what} ({m.kind}): every replica is in sync again", good, "" if good else f"{cluster.state(TOPIC, PROBE)}")
    say(f"{what} ({m.kind}, node {m.id}): longest pause {1000 * max(longest(q.acks, since, time.monotonic()) for q in probes):.0f} ms")


def traffic(cluster, seconds):
    probes = [Probe(cluster, report, i) for i in range(PARTITIONS)]
    load = Load(cluster, report, PARTITIONS, 2, arg.records, seconds)
    for q in probes:
        q.start()
    wait_acks(probes, time.monotonic(), 30)
    return probes, load


def finish(cluster, probes, load, admin):
    admin.finish()
    load.finish()
    for q in probes:
        q.stop.set()
    for q in probes:
        q.join(20)
    same, text = same_metadata(cluster)
    check("every node is at the end of the metadata log", same, text)
    admin.compare("at the end")
    load.check()
    check_probes(cluster, report, probes)
    for m in sorted(cluster.members, key=lambda m: (m.controller(), m.kind != THEIRS)):
        if not m.controller() or OURS != THEIRS == m.kind:  # Kafka's nodes end only while a quorum stands
            m.term()
    codes = cluster.term()
    check("all end on SIGTERM", all(c in (0, 143) for c in codes), f"{codes}")
    for t in (TOPIC, PROBE):
        segments_equal(cluster, t, PARTITIONS)
    logs_are_quiet(cluster)


def brokers_under(controllers, brokers, roles):
    """(a) and (b): brokers of both kinds under controllers of one kind."""
    kinds = controllers + brokers
    cluster = Cluster(os.path.join(arg.folder, arg.case), kinds, roles, dynamic=True)
    try:
        if not begin(cluster):
            return
        check("partitions are led by brokers of both kinds", {cluster[x].kind for x in leaders(cluster)} == set(brokers), f"{leaders(cluster)}")
        probes, load = traffic(cluster, 60)
        admin = Admin(cluster)
        admin.start()
        time.sleep(3)
        for m in cluster.brokers():
            hurt(cluster, probes, "kill -9 of a broker", m, lambda m: m.kill(), lambda m: m.start())
        for m in cluster.brokers():
            if m.kind == OURS:
                hurt(cluster, probes, "SIGTERM of a broker", m, lambda m: m.term(), lambda m: m.start())
                break
        if len([k for k in roles.values() if "controller" in k]) > 2:
            for _ in range(3):
                hurt(cluster, probes, "kill -9 of the active controller", cluster.active(), lambda m: m.kill(), lambda m: m.start())
        finish(cluster, probes, load, admin)
    finally:
        cluster.close()


def case_a():
    brokers_under([THEIRS], [THEIRS, THEIRS, OURS], {1: "controller", 2: "broker", 3: "broker", 4: "broker"})


def case_b():
    brokers_under([OURS] * 3, [THEIRS, THEIRS, OURS],
                  {1: "controller", 2: "controller", 3: "controller", 4: "broker", 5: "broker", 6: "broker"})


def case_b0():
    brokers_under([OURS] * 3, [THEIRS] * 3, {1: "controller", 2: "controller", 3: "controller", 4: "broker", 5: "broker", 6: "broker"})


def wiped(cluster, m):
    """It lost its disk: formatted anew with the same ids it must get a snapshot, then the rest."""
    m.kill()
    shutil.rmtree(m.data)
    cluster.format(m)


def snapshots(m):
    return [os.path.basename(f) for f in glob.glob(os.path.join(m.data, "__cluster_metadata-0", "*.checkpoint")) if not f.endswith("00000000000000000000-0000000000.checkpoint")]


def idle_voter(cluster, probes, kind):
    """A voter of that kind that does not lead; where the only one leads, it hands the leadership over first."""
    while True:
        active = cluster.active()
        for m in cluster.members:
            if m.kind == kind and m.controller() and m is not active:
                return m
        hurt(cluster, probes, f"the only voter of its kind hands over ({kind})", active, lambda m: m.term(), lambda m: m.start())


def quorum(kinds, dynamic, roles=None):
    """(c): voters of both kinds; the leadership goes back and forth."""
    lines = ["metadata.log.max.record.bytes.between.snapshots=20000", "metadata.max.retention.bytes=65536",
             "metadata.max.idle.interval.ms=200", "metadata.max.retention.ms=20000", "log.retention.check.interval.ms=1000"]
    cluster = Cluster(os.path.join(arg.folder, arg.case), kinds, roles, dynamic=dynamic, lines=lines)
    for m in cluster.members:
        if m.kind == "kafka":
            m.extra = ["internal.metadata.log.segment.bytes=65536"]
    try:
        if not begin(cluster):
            return
        probes, load = traffic(cluster, 120)
        admin = Admin(cluster)
        admin.start()
        led, passed, last = {k: 0 for k in kinds}, 0, None
        for n in range(arg.rounds):
            m = cluster.active()
            led[m.kind] += 1
            passed += last is not None and last != m.kind
            last = m.kind
            if min(led.values()) >= 2 and passed >= 3 and n >= 6:
                break
            how = ("SIGTERM", lambda m: m.term()) if n % 3 else ("kill -9", lambda m: m.kill())
            hurt(cluster, probes, f"round {n}: {how[0]} of the active controller", m, how[1], lambda m: m.start())
        check("nodes of both kinds led the quorum, and it went back and forth", min(led.values()) >= 2 and passed >= 2, f"{led}, {passed} times from one kind to the other")
        same, text = same_metadata(cluster)
        check("every node follows to the end of the metadata log", same, text)
        for kind in sorted(set(kinds)):
            m = idle_voter(cluster, probes, kind)
            active = cluster.active()
            hurt(cluster, probes, f"a node that lost its disk, under {active.kind}", m, lambda m: wiped(cluster, m), lambda m: m.start(), hold=0)
            same, text = same_metadata(cluster)
            check(f"the {kind} node that lost its disk replays it all from {active.kind}'s node {active.id}", same, text)
            took = snapshots(m)
            print(f"# node {m.id} ({kind}) has the snapshots {took}")
        for kind in sorted(set(kinds)):
            check(f"{kind}'s nodes wrote snapshots", any(snapshots(m) for m in cluster.members if m.kind == kind and m.controller()))
        if dynamic:
            code, said = kafka("kafka-metadata-quorum", "--bootstrap-server", cluster.bootstrap(), "describe", "--status")
            check("Kafka's tool describes the quorum", code == 0 and "LeaderId" in said, "" if code == 0 else said[-300:])
        finish(cluster, probes, load, admin)
    finally:
        cluster.close()


def case_static():
    quorum([THEIRS, OURS, THEIRS], False)


def case_dynamic():
    quorum([OURS, THEIRS, OURS], True)


def case_static0():
    quorum([OURS, THEIRS, OURS, THEIRS, THEIRS], False, {1: "controller", 3: "controller", 4: "broker", 5: "broker"})


def case_dynamic0():
    quorum([OURS, THEIRS, OURS, THEIRS, THEIRS], True, {1: "controller", 3: "controller", 4: "broker", 5: "broker"})


{"a": case_a, "static0": case_static0, "dynamic0": case_dynamic0, "b": case_b, "b0": case_b0, "static": case_static, "dynamic": case_dynamic}[arg.case]()
sys.exit(report.failures > 0)
