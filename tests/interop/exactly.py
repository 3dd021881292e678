"""exactly.py FOLDER CLASSES LIBS [--kind rookery|kafka] [--nodes N] [--kills N]: a Streams application of exactly_once_v2 (java/Exactly.java), two instances,
which are killed and started again, as the node is, while orders come in. What it told of each customer, window and region is exactly what it must be:
every step once and in order, and the last sums are those of the orders.
"""
import argparse
import os
import random
import re
import subprocess
import sys
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from cluster import HERE, Cluster
from node import Report
from stream import QUICK

PARTITIONS, CUSTOMERS, REGIONS, WINDOW = 3, 40, 5, 10000
arguments = argparse.ArgumentParser()
arguments.add_argument("folder"), arguments.add_argument("classes"), arguments.add_argument("libs"), arguments.add_argument("--kind", default="rookery")
arguments.add_argument("--nodes", type=int, default=1), arguments.add_argument("--kills", type=int, default=10), arguments.add_argument("--rate", type=int, default=120)
arguments.add_argument("--seed", type=int, default=int(time.time()))
arg = arguments.parse_args()
random.seed(arg.seed)
report = Report("streams " + arg.kind)
cluster = Cluster(os.path.join(arg.folder, f"streams-{arg.kind}{arg.nodes}"), [arg.kind] * arg.nodes)
isr = min(2, arg.nodes)
cluster.lines = [f"default.replication.factor={arg.nodes}", f"min.insync.replicas={isr}", f"offsets.topic.replication.factor={arg.nodes}", "offsets.topic.num.partitions=4",
                 f"transaction.state.log.replication.factor={arg.nodes}", f"transaction.state.log.min.isr={isr}", "transaction.state.log.num.partitions=4",
                 "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000", "group.initial.rebalance.delay.ms=0"]
started, START = time.monotonic(), (int(time.time() * 1000) - 600000) // WINDOW * WINDOW
OUT = ["counted", "windowed", "summed"]


def note(what):
    print(f"# {time.monotonic() - started:6.1f} s: {what}", flush=True)


class Instance:
    def __init__(self, n):
        self.folder, self.out = os.path.join(cluster.folder, f"state{n}"), os.path.join(cluster.folder, f"streams{n}.out")
        self.start()

    def start(self):
        self.q = subprocess.Popen(["java", "-Xmx160m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.configurationFile=" + os.path.join(HERE, "kafka/log4j2.properties"), "-cp",
                                   arg.classes + ":" + arg.libs + "/*", "Exactly", cluster.bootstrap(), self.folder], stdout=open(self.out, "a"), stderr=subprocess.STDOUT)

    def kill(self):
        self.q.kill()
        self.q.wait()


class Orders(threading.Thread):
    """Order n: of customer n * 7 mod CUSTOMERS, of amount n mod 100, fifty to a second of its own time"""

    def __init__(self):
        super().__init__(daemon=True)
        self.n, self.over, self.wrong = 0, False, []

    def run(self):
        p = Producer({"bootstrap.servers": cluster.bootstrap(), "enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": 600000, **QUICK})
        began = time.monotonic()
        while not self.over:
            while self.n < (time.monotonic() - began) * arg.rate:
                c, amount, at = order(self.n)
                p.produce("orders", str(amount), str(c), partition=c % PARTITIONS, timestamp=at, on_delivery=lambda e, m: self.wrong.append(str(e)) if e else None)
                self.n += 1
            p.poll(0.02)
        p.flush(120)


def order(n):
    return n * 7 % CUSTOMERS, n % 100, START + n * 20


class Watch(threading.Thread):
    """A reader of committed records: {topic: {key: [values in order]}}"""

    def __init__(self):
        super().__init__(daemon=True)
        self.told, self.count, self.over = {t: {} for t in OUT}, 0, False

    def run(self):
        c = Consumer({"bootstrap.servers": cluster.bootstrap(), "group.id": "nobody", "isolation.level": "read_committed", "enable.auto.commit": False, **QUICK})
        c.assign([TopicPartition(t, i, OFFSET_BEGINNING) for t in OUT for i in range(PARTITIONS)])
        while not self.over:
            for m in c.consume(1000, 0.3):
                if not m.error():
                    self.told[m.topic()].setdefault(m.key().decode(), []).append(m.value().decode())
                    self.count += 1
        c.close()


def going_on(what, seconds=180):
    began, before = time.monotonic(), watch.count
    while time.monotonic() - began < seconds and watch.count < before + 300:
        time.sleep(0.1)
    report.check(f"{what}: it goes on", watch.count >= before + 300, f"after {time.monotonic() - began:.1f} s")


def kill(n):
    """Every fifth time the node, every fifth time the node and an instance, else one of the instances"""
    which = ["an instance", "the other instance", "a node", "an instance", "a node and an instance"][n % 5]
    if "instance" in which:
        i = instances[n % 2]
        i.kill()
    if "node" in which:
        m = random.choice(cluster.members)
        m.kill()
        time.sleep(random.uniform(0, 1))
        m.start(60)
    if "instance" in which:
        i.start()
    return which


def wanted(n):
    """What has to be told of n orders"""
    want, sums = {t: {} for t in OUT}, {}
    for k in range(n):
        c, amount, at = order(k)
        counted = want["counted"].setdefault(str(c), [])
        counted.append(str(len(counted) + 1))
        windowed = want["windowed"].setdefault(f"{c}@{at // WINDOW * WINDOW}", [])
        windowed.append(str(len(windowed) + 1))
        r = f"region{c % REGIONS}"
        sums.setdefault(r, [0, 0])
        sums[r] = [sums[r][0] + 1, sums[r][1] + amount]
    return want, {r: f"{a} {b}" for r, (a, b) in sums.items()}


def judge(n):
    want, sums = wanted(n)
    for t, what in (("counted", "customer"), ("windowed", "window of a customer")):
        wrong = [k for k in set(want[t]) | set(watch.told[t]) if want[t].get(k) != watch.told[t].get(k)]
        k = wrong[0] if wrong else None
        report.check(f"{n} orders: each count of each of {len(want[t])} {what}s was told once, in order", not wrong,
                     f"{len(wrong)} differ: {k}: {len(want[t].get(k, []))} wanted, {str(watch.told[t].get(k))[-100:]}" if wrong else "")
    last = {r: v[-1] for r, v in watch.told["summed"].items()}
    report.check("the sums of the regions, joined with where the customers live, are exact", last == sums, f"{last}" if last != sums else f"{sorted(sums.values())[-1]} ...")
    steps = {r: [int(x.split()[0]) for x in v] for r, v in watch.told["summed"].items()}
    report.check("... and each step to them was told once", all(v == list(range(1, len(v) + 1)) for v in steps.values()) and sum(map(len, steps.values())) == n, f"{sum(map(len, steps.values()))} steps")


def changelogs():
    got = subprocess.run([os.path.join(HERE, "kafka/kafka"), "kafka-configs", "--bootstrap-server", cluster.bootstrap(), "--describe", "--entity-type", "topics", "--entity-name", "exactly-windows-changelog"],
                         capture_output=True, text=True, timeout=60)
    report.check("the windows' changelog is compacted and forgets", bool(re.search(r"cleanup.policy=(compact,delete|delete,compact)", got.stdout)), (got.stdout or got.stderr).strip()[-200:])


instances, watch, orders = [], Watch(), Orders()
try:
    note(f"seed {arg.seed}")
    cluster.format()
    if not cluster.start():
        raise OSError("the node did not start")
    for t in ["orders", "homes"] + OUT:
        assert cluster.create(t, PARTITIONS, arg.nodes, **({"cleanup_policy": "compact"} if t == "homes" else {})) == 0
    p = Producer({"bootstrap.servers": cluster.bootstrap(), **QUICK})
    for c in range(CUSTOMERS):
        p.produce("homes", f"region{c % REGIONS}", str(c), partition=c % PARTITIONS, timestamp=START - 1000)
    p.flush(30)
    watch.start(), orders.start()
    instances += [Instance(n) for n in range(2)]
    going_on("two instances start")
    for n in range(arg.kills):
        time.sleep(random.uniform(1, 4))
        which = kill(n)
        going_on(f"kill -9 of {which}")
    orders.over = True
    orders.join(130)
    report.check(f"{orders.n} orders came in", not orders.is_alive() and not orders.wrong, str(orders.wrong[:1]) if orders.wrong else "")
    began = time.monotonic()
    while time.monotonic() - began < 240 and watch.count < 3 * orders.n:
        time.sleep(0.2)
    report.check("all of them are through", watch.count >= 3 * orders.n, f"after {time.monotonic() - began:.0f} s, {watch.count} told")
    time.sleep(2)
    for i in instances:
        i.q.terminate()
    codes = [i.q.wait(60) for i in instances]
    watch.over = True
    watch.join()
    judge(orders.n)
    changelogs()
    said = [line for i in instances for line in open(i.out, errors="replace") if "thread ended" in line]
    note(f"{len(said)} threads ended by an error and were replaced, exit statuses {codes}" + (f": {said[0].strip()[:200]}" if said else ""))
    wrong = [e for m in cluster.members for e in m.errors()]
    report.check("no node said that something is wrong with it", arg.kind == "kafka" or not wrong, str(wrong[:3]) if wrong and arg.kind != "kafka" else "")
finally:
    for i in instances:
        i.q.kill()
    cluster.close()
sys.exit(1 if report.failures else 0)
