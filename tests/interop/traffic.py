"""traffic.py: who writes to a cluster while it is hurt, and who looks: Probe (one record at a time, measures pauses), Load
(librdkafka's producers), Watch (the end of the log that clients are shown)."""
import os
import random
import re
import subprocess
import sys
import threading
import time

from cluster import HERE
from raw import Closed, batch, name

TOPIC, PROBE = "load", "probe"


class Probe(threading.Thread):
    """One idempotent producer on one partition, a record at a time, that looks for the leader everywhere at once when
    it gets no answer: the pauses between its acknowledgements are the cluster's own."""

    def __init__(self, cluster, report, partition):
        super().__init__(daemon=True)
        self.cluster, self.report, self.stop = cluster, report, threading.Event()
        self.partition, self.acked, self.acks, self.seq, self.leader, self.errors = partition, {}, [], 0, None, {}

    def look(self):
        """Who says that he leads: the brokers' word with the largest leader epoch is not in Metadata 8; ask all, try each."""
        told = []
        for m in self.cluster.brokers():
            if m.is_cut == "all" or not m.runs() or m.stopped:
                continue  # what a client would find out by itself, without its timeout in our figure
            try:
                with m.conn(0.3) as c:
                    for i, leader, _, _ in c.metadata(PROBE)[1][PROBE][1]:
                        if i == self.partition and leader > 0:
                            told.append(leader)
            except (OSError, Closed, AssertionError, KeyError):
                pass
        return told

    def run(self):
        conn, pid, epoch, me = None, None, None, self.partition
        while not self.stop.is_set():
            try:
                if pid is None:
                    with random.choice([m for m in self.cluster.up() if m.broker()] or self.cluster.brokers()).conn(2) as c:
                        pid, epoch = c.producer_id()
                if conn is None:
                    for leader in sorted(set(self.look()), key=lambda _: random.random()):
                        m = self.cluster[leader]
                        if not m.runs() or m.stopped or m.is_cut == "all":
                            continue
                        conn = m.conn(1.0)
                        self.leader = leader
                        break
                    else:
                        time.sleep(0.01)
                        continue
                value = f"{me}-{self.seq}".encode()
                code, base, _ = conn.produce(PROBE, batch([value], pid, epoch, self.seq), me, timeout_ms=900)
                if code == 0:
                    self.acks.append(time.monotonic())
                    assert base not in self.acked, f"offset {base} acknowledged twice"
                    self.acked[base] = value
                    self.seq += 1
                    time.sleep(0.005)
                    continue
                self.errors[name(code)] = self.errors.get(name(code), 0) + 1
            except (OSError, Closed) as e:
                self.errors[type(e).__name__] = self.errors.get(type(e).__name__, 0) + 1
            except AssertionError as e:
                self.report.no(f"probe of partition {me}: {e}")
                return
            if conn:
                conn.close()
            conn = None
            time.sleep(0.005)


class Watch(threading.Thread):
    """Asks every node for the end of each partition all the time: the end that clients are shown never goes back."""

    def __init__(self, cluster, partitions, started):
        super().__init__(daemon=True)
        self.cluster, self.partitions, self.stop, self.started = cluster, partitions, threading.Event(), started
        self.top, self.back, self.asked = {}, [], 0

    def run(self):
        conns = {}
        while not self.stop.is_set():
            for m in self.cluster.brokers():
                if not m.runs() or m.stopped or m.is_cut == "all":
                    conns.pop(m.id, None)
                    continue
                for i in range(self.partitions):
                    floor = self.top.get(i, 0)
                    try:
                        if m.id not in conns:
                            conns[m.id] = m.conn(0.5)
                        end = conns[m.id].end(PROBE, i)
                    except AssertionError:
                        continue  # it does not lead, or cannot say
                    except (OSError, Closed):
                        conns.pop(m.id, None)
                        break
                    self.asked += 1
                    if end < floor:
                        self.back.append((i, floor, end, m.id, round(time.monotonic() - self.started, 2)))
                    self.top[i] = max(self.top.get(i, 0), end)
            time.sleep(0.02)


class Load:
    """Several librdkafka producers, each a process of its own."""

    def __init__(self, cluster, report, partitions, producers, records, seconds, size=100):
        self.cluster, self.report, self.partitions, self.files, self.procs = cluster, report, partitions, [], []
        each = records // producers
        for i in range(producers):
            path = os.path.join(cluster.folder, f"acked.{i}")
            self.files.append(path)
            self.procs.append(subprocess.Popen(
                [sys.executable, os.path.join(HERE, "stream.py"), "produce", self.cluster.bootstrap(), TOPIC, str(partitions), str(i), path, str(each),
                 str(each / seconds), str(size)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))

    def finish(self):
        for path in self.files:
            open(path + ".stop", "w").close()
        for i, q in enumerate(self.procs):
            out = [x for x in q.communicate()[0].strip().splitlines() if "|rdkafka#" not in x]
            self.report.check(f"producer {i} got every record acknowledged", q.returncode == 0, out[-1] if out else "it said nothing")

    def gaps(self):
        found = []
        for path in self.files:
            if os.path.exists(path + ".gaps"):
                for line in open(path + ".gaps"):
                    a, b, c = line.split()
                    found.append((float(a), float(b), int(c)))
        return found

    def refused(self):
        """The producers that a node of Kafka's refused a batch as out of order: librdkafka took a new epoch (stream.py)."""
        return {i for m in self.cluster.members if m.kind == "kafka" for i in re.findall(r"Out of order sequence number for producer (\d+)", m.words(all=True))}

    def check(self):
        totals = {}
        for i in range(self.partitions):
            got = subprocess.run([sys.executable, os.path.join(HERE, "stream.py"), "check", self.cluster.bootstrap(), TOPIC, str(i), *self.files],
                                 capture_output=True, text=True)
            line = (got.stdout.strip() or got.stderr.strip() or "nothing").splitlines()[-1]
            for word, n in re.findall(r"(acknowledged|found|lost|twice|disorder|again) (\d+)", line):
                totals[word] = totals.get(word, 0) + int(n)
            bad = got.returncode != 0 or not self.refused().issuperset(re.findall(r" by (\d+)", line))
            if bad or " by " in line:
                print(f"# partition {i}: {line}")
            totals["bad"] = totals.get("bad", 0) + bad
        self.report.check("everything acknowledged is there, once, in order", totals["bad"] == 0,
                     ", ".join(f"{n} {word}" for word, n in totals.items() if word != "bad"))


def longest(times, since, until):
    worst, before = 0.0, None
    for t in times:
        if before is not None and t >= since and before <= until:
            worst = max(worst, t - before)
        before = t
    if before is not None and before < until:
        worst = max(worst, until - max(before, since))
    return worst


def wait_acks(probes, since, seconds):
    """Every partition is written to again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all(q.acks and q.acks[-1] > since for q in probes):
            return True
        time.sleep(0.02)
    return False


def check_probes(cluster, report, probes):
    for q in probes:
        leader = dict((i, leader) for i, leader, _, _ in cluster.state(PROBE)[PROBE])[q.partition]
        with cluster[leader].conn(20) as c:
            found = dict(c.read_all(PROBE, q.partition))
        values = list(found.values())
        bad = [(o, v, found.get(o)) for o, v in q.acked.items() if found.get(o) != v]
        numbers = [int(v.split(b"-")[1]) for _, v in sorted(found.items())]
        report.check(f"partition {q.partition} of the probe: {len(q.acked)} acknowledged, all there, once, in order",
                     not bad and len(values) == len(set(values)) and numbers == sorted(numbers), f"{bad[:3]}" if bad else "")
