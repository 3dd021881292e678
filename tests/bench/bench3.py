#!/usr/bin/env python3
"""bench3.py [--only REGEX] [--repeat N] [--quick] [--servers rookery,safe,kafka] [--out FILE]

Three nodes of rookery and three of Apache Kafka on this machine (127.0.0.1 to .3), in turns, the same client, the same
configs: acks=all, three replicas, min.insync.replicas=2. "rookery" has log.write.caching=true (Kafka's promise: an
acknowledgement says that the record is in the page cache of every in-sync replica), "safe" is rookery's default (on stable storage).
CPU is that of all three servers, from /proc. Kafka does the same work once before it is measured.
The longest pauses under faults are measured by tests/interop/three.
Run it alone: `unshare -n -p -f --kill-child --mount-proc tests/bench/bench3.py` has ports of its own."""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/interop"))
from cluster import BROKER, ROOKERY, Cluster, kafka_there, sh  # noqa: E402
from raw import Closed  # noqa: E402

LOAD = os.path.join(os.path.dirname(ROOKERY), "tests/bench/load")
p = argparse.ArgumentParser(usage=__doc__)
p.add_argument("--only", default=""), p.add_argument("--repeat", type=int, default=3), p.add_argument("--out")
p.add_argument("--servers", default="rookery,safe,kafka"), p.add_argument("--quick", action="store_true")
arg = p.parse_args()
GB, KINDS, SCALE = 1e9, arg.servers.split(","), 0.3 if arg.quick else 1.0
os.environ.setdefault("KAFKA_BROKER_HEAP", "-Xmx1g -Xms1g")
if "kafka" in KINDS and not kafka_there():
    print("# no Kafka here", file=sys.stderr)
    KINDS.remove("kafka")


class Three:
    def __init__(self, kind, *lines):
        self.kind, self.folder = kind, tempfile.mkdtemp(prefix=f"bench3-{kind}-", dir=os.environ.get("BENCH_DIR"))
        self.c = Cluster(self.folder, ["kafka" if kind == "kafka" else "rookery"] * 3, dynamic=True, flat=True,
                         lines=[*lines, *(["log.write.caching=true"] if kind == "rookery" else [])])
        self.c.java = []  # as the project starts it: both compilers, its own collector
        self.c.format()
        if not self.c.start(120):
            raise RuntimeError("it does not start: " + "; ".join(m.words()[-300:] for m in self.c.members))

    def cpu(self):
        return sum(m.cpu() for m in self.c.members)

    def topic(self, name, assigned):
        code = self.c.create(name, assigned=assigned, min_insync_replicas=2)
        if code or not self.c.in_sync([name], seconds=120):
            raise RuntimeError(f"topic {name}: {code} {str(self.c.state(name))[:200]}")

    def warm(self, f):
        if self.kind == "kafka":
            f()

    def close(self):
        self.c.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def pairs(text):
    return {k: float(v) for k, v in re.findall(r"(\w+)=([-\d.]+)", text)}


rows, TURNS = {}, [[1, 2, 3], [2, 3, 1], [3, 1, 2]]


def put(name, unit, kind, value):
    rows.setdefault((name, unit), {}).setdefault(kind, []).append(value)
    print(f"# {kind}: {name}: {value:,.3f} {unit}", file=sys.stderr, flush=True)


def librdkafka(t):
    """All leaders everywhere, six partitions, librdkafka's producer, 1 KiB records."""
    t.topic("perf", TURNS * 2)
    n = int(1000000 * SCALE)

    def go(count):
        return sh(ROOKERY, "producer-perf-test", "--topic", "perf", "--num-records", count, "--record-size", 1024, "--throughput", -1,
                  "--producer-props", f"bootstrap.servers={t.c.bootstrap()}", "acks=all", "linger.ms=5", timeout=300)
    t.warm(lambda: go(n // 2))
    a, began = t.cpu(), time.time()
    go(n)
    put("server CPU of all three per GB produced, librdkafka, 1 KiB records", "s/GB", t.kind, (t.cpu() - a) / (n * 1024 / GB))
    put("throughput, librdkafka, 1 KiB records", "MB/s", t.kind, n * 1024 / 1e6 / (time.time() - began))


def raw(t):
    """One leader, batches as they are."""
    for batch, word, bytes_ in ((1000000, "1 MiB", 2e9), (16384, "16 KiB", 5e8)):
        name = f"raw{batch}"
        t.topic(name, [[1, 2, 3]] * 4)
        go = lambda size: pairs(sh(LOAD, "produce", f"{t.c[1].addr}:{BROKER}", name, "parts=4", "conns=4", f"batch={batch}", f"bytes={int(size)}", timeout=300))
        t.warm(lambda: go(bytes_ * SCALE / 2))
        a = t.cpu()
        o = go(bytes_ * SCALE)
        put(f"server CPU of all three per GB produced, {word} batches", "s/GB", t.kind, (t.cpu() - a) / (o["bytes"] / GB))
        put(f"throughput, {word} batches", "MB/s", t.kind, o["mb_s"])


def idle(t):
    time.sleep(3)
    a, began = [m.cpu() for m in t.c.members], time.time()
    time.sleep(10)
    put("an idle node of three", "% of a core", t.kind, 100 * max(m.cpu() - x for m, x in zip(t.c.members, a)) / (time.time() - began))
    put("resident memory of a node, idle", "MB", t.kind, max(m.rss_mb() for m in t.c.members))


def after_load(t):
    put("resident memory of a node after the load", "MB", t.kind, max(m.rss_mb() for m in t.c.members))


def all_in(t, names, ids, seconds):
    """Seconds until every partition is led and has all in its ISR, as every node of ids tells."""
    began = time.time()
    while time.time() - began < seconds:
        good = 0
        for id in ids:
            try:
                with t.c[id].conn(30) as c:
                    for n in names:
                        code, parts = c.metadata(n)[1][n]
                        good += code == 0 and len(parts) == 5000 and all(x[1] > 0 and len(x[3]) == 3 for x in parts)
            except (OSError, Closed, AssertionError):
                break
        if good == len(names) * len(ids):
            return time.time() - began
        time.sleep(2 if t.kind == "kafka" else 0.05)  # asking must not be what it is busy with
    raise RuntimeError(f"not within {seconds} s")


def partitions(t):
    names, n = ["many1", "many2"], "10,000 partitions of three replicas"
    began = time.time()
    for name in names:
        with t.c[1].conn(120) as c:
            code = c.create(name, 5000, [("min.insync.replicas", "2")], 3)
            if code:
                raise RuntimeError(f"create: {code}")
    all_in(t, names, (1, 2, 3), 300)
    put(f"{n}: until every leader and ISR is visible on every node", "s", t.kind, time.time() - began)
    time.sleep(5)
    put(f"{n}: replication connections of all nodes", "", t.kind, sum(m.connections() for m in t.c.members))
    a, began = [m.cpu() for m in t.c.members], time.time()
    time.sleep(10)
    put(f"{n}: an idle node", "% of a core", t.kind, 100 * max(m.cpu() - x for m, x in zip(t.c.members, a)) / (time.time() - began))
    put(f"{n}: resident memory of a node", "MB", t.kind, max(m.rss_mb() for m in t.c.members))
    for how in ("SIGTERM", "kill -9"):
        m = t.c[2]
        m.term(120) if how == "SIGTERM" else m.kill()
        end = time.time() + 60
        while time.time() < end:  # until it is out of every ISR, so that its return can be seen
            with t.c[1].conn(30) as c:
                if not any(2 in x[3] for x in c.metadata(names[0])[1][names[0]][1]):
                    break
            time.sleep(0.2)
        began = time.time()
        m.start()
        all_in(t, names, (1,), 300)
        put(f"{n}: a node started again after {how} is back in every ISR", "s", t.kind, time.time() - began)


GROUPS = {"load": (idle, librdkafka, raw, after_load), "partitions": (partitions,)}


def num(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def table():
    out = ["| figure | unit | rookery, write.caching | rookery, default | Kafka | ÷ Kafka |", "| --- | --- | --- | --- | --- | --- |"]
    for (name, unit), got in rows.items():
        med = {k: statistics.median(v) for k, v in got.items()}
        cell = lambda k: "–" if k not in med else num(med[k]) + (f" ({num(min(got[k]))}–{num(max(got[k]))})" if len(got[k]) > 1 else "")
        ratio = " / ".join(f"{med[k] / med['kafka']:.3f}" for k in ("rookery", "safe") if k in med and med.get("kafka")) or "–"
        out.append(f"| {name} | {unit} | {cell('rookery')} | {cell('safe')} | {cell('kafka')} | {ratio} |")
    return "\n".join(out) + "\n"


for _ in range(arg.repeat):
    for group, parts in GROUPS.items():
        if not re.search(arg.only, group):
            continue
        for kind in KINDS:
            t = None
            try:
                t = Three(kind)
                for f in parts:
                    f(t)
            except Exception as e:  # a figure that cannot be had is shown as such
                print(f"# {kind}: {group}: {type(e).__name__} {e}", file=sys.stderr, flush=True)
            finally:
                if t:
                    t.close()
print(table())
if arg.out:
    with open(arg.out, "w") as f:
        f.write(table())
