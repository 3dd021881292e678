#!/usr/bin/env python3
"""bench.py [--only REGEX] [--repeat N] [--servers rookery,kafka,null] [--out FILE.md] [--quick]

Every figure beside Apache Kafka: same client, same run, servers in turns, medians of several repetitions, server CPU from
/proc beside wall time. Kafka's JVM does the same work once before it is measured (the cold figure is kept too). The null
server (tests/bench/null.c) is the limit: it reads the same frames and writes or sends the same bytes, nothing else.
Needs the build in build/ (ROOKERY_BUILD) with `make bench-programs`, and for Kafka java and maven."""
import argparse
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("ROOKERY_BUILD", os.path.join(ROOT, "build"))
LOAD = os.path.join(BUILD, "tests/bench/load")
TICK = os.sysconf("SC_CLK_TCK")

p = argparse.ArgumentParser(usage=__doc__)
p.add_argument("--only", default=""), p.add_argument("--repeat", type=int, default=3), p.add_argument("--out")
p.add_argument("--servers", default="rookery,kafka,null"), p.add_argument("--quick", action="store_true"), p.add_argument("--port", type=int, default=24000)
arg = p.parse_args()
GB = 1e9
SCALE = 0.2 if arg.quick else 1.0


def run(*cmd, **kw):
    r = subprocess.run([str(x) for x in cmd], capture_output=True, text=True, timeout=600, **kw)
    if r.returncode:
        raise RuntimeError(f"{cmd[0]} {cmd[1] if len(cmd) > 1 else ''}: {r.stderr.strip()[-300:] or r.stdout[-300:]}")
    return r.stdout


def pairs(text):
    return {k: float(v) for k, v in re.findall(r"(\w+)=([-\d.]+)", text)}


class Server:
    """One kind of server; start() gives a fresh directory unless keep."""
    def __init__(self, kind, port):
        self.kind, self.port, self.proc, self.dir = kind, port, None, None
        self.extra = []

    def addr(self):
        return f"127.0.0.1:{self.port}"

    def prepare(self, extra=()):
        self.stop()
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)
        self.dir = tempfile.mkdtemp(prefix=f"bench-{self.kind}-", dir=os.environ.get("BENCH_DIR"))
        self.conf = os.path.join(self.dir, "server.properties")
        lines = ["process.roles=broker,controller", "node.id=1", f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.port + 1}",
                 f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}", "controller.listener.names=CONTROLLER",
                 f"controller.quorum.voters=1@127.0.0.1:{self.port + 1}", f"log.dirs={self.dir}/data", "offsets.topic.replication.factor=1",
                 "auto.create.topics.enable=false", *extra]
        if self.kind == "rookery" and not any("write.caching" in x for x in extra):
            lines.append("log.write.caching=true")          # Kafka's promise, for equal work; the safe default has rows of its own
        with open(self.conf, "w") as f:
            f.write("\n".join(lines) + "\n")
        if self.kind == "rookery":
            run(f"{BUILD}/rookery", "storage", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", self.conf)
        elif self.kind == "kafka":
            run(f"{ROOT}/tests/interop/kafka/kafka", "kafka-storage", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", self.conf)

    def start(self, wait=True):
        env = dict(os.environ, KAFKA_HEAP_OPTS="-Xmx1g -Xms1g", ROOKERY_BENCH="1")
        cmd = {"rookery": [f"{BUILD}/rookery", "server", self.conf],
               "kafka": ["java", "-Xmx1g", "-Xms1g", "-cp", f"{LIBS}/*", "-Dlog4j2.configurationFile=" + ROOT + "/tests/interop/kafka/log4j2.properties", "kafka.Kafka", self.conf] if LIBS else None,
               "null": [f"{BUILD}/tests/bench/null", "--port", str(self.port), "--dir", self.dir]}[self.kind]
        self.proc = subprocess.Popen(cmd, stdout=open(os.path.join(self.dir, "out"), "ab"), stderr=subprocess.STDOUT, env=env)
        if wait:
            for _ in range(1200):
                if self.proc.poll() is not None:
                    raise RuntimeError(f"{self.kind} ended: " + open(os.path.join(self.dir, "out")).read()[-400:])
                try:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            time.sleep(2 if self.kind == "kafka" else 0.2)

    def stop(self, sig=signal.SIGTERM):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(sig)
            self.proc.wait(60)
        self.proc = None

    def tail(self):
        return open(os.path.join(self.dir, "out")).read()[-400:] if self.dir and os.path.exists(os.path.join(self.dir, "out")) else ""

    def close(self):
        self.stop(signal.SIGKILL)
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None

    def cpu(self):
        f = open(f"/proc/{self.proc.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(f[11]) + int(f[12])) / TICK

    def rss_mb(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.proc.pid}/status").read())[1]) / 1024

    def topic(self, name, parts=1, *configs):
        if self.kind != "null":
            return pairs(run(LOAD, "create", self.addr(), name, parts, *configs))
        return {}

    def load(self, what, topic, **kw):
        before = self.cpu()
        out = pairs(run(LOAD, what, self.addr(), topic, *[f"{k}={v}" for k, v in kw.items()]))
        out["cpu"] = self.cpu() - before
        return out


LIBS = ""
rows = []          # (figure, unit, {kind: [values]}, lower is better, note)


def figure(name, unit, lower=True, kinds=None, note=""):
    def deco(f):
        if not re.search(arg.only, name) and not re.search(arg.only, f.__name__):
            return f
        got = {}
        names = [k for k in (kinds or servers) if k in servers]
        for i in range(arg.repeat):
            for kind in names:
                try:
                    v = f(all_servers[kind], i)
                    got.setdefault(kind, []).append(v)
                except Exception as e:                       # a figure that cannot be had is shown as such
                    print(f"# {name}: {kind}: {e}", all_servers[kind].tail(), file=sys.stderr, flush=True)
                finally:
                    all_servers[kind].close()
        if got and all(got.values()):
            rows.append((name, unit, got, lower, note))
            print(line(rows[-1]), flush=True)
        return f
    return deco


def num(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.2f}" if abs(x) >= 1 else f"{x:.3f}"


def line(row):
    name, unit, got, lower, note = row
    med = {k: statistics.median(v) for k, v in got.items()}
    cells = [f"{num(med[k])} ({num(min(got[k]))}–{num(max(got[k]))})" if k in med else "–" for k in ("rookery", "kafka", "null")]
    ratio = lambda k: f"{med['rookery'] / med[k]:.3f}" if "rookery" in med and med.get(k) else "–"
    return f"| {name} | {unit} | " + " | ".join(cells) + f" | {ratio('kafka')} | {ratio('null')} |"


servers = arg.servers.split(",")
if "kafka" in servers:
    r = subprocess.run([f"{ROOT}/tests/interop/kafka/fetch"], capture_output=True, text=True)
    LIBS = r.stdout.strip()
    if r.returncode:
        print(f"# no Kafka here: {r.stderr.strip()}", file=sys.stderr)
        servers.remove("kafka")
all_servers = {k: Server(k, arg.port + 10 * i) for i, k in enumerate(servers)}
print("| figure | unit | rookery | Kafka | null | ÷ Kafka | ÷ null |\n| --- | --- | --- | --- | --- | --- | --- |")


def ready(s, *topics, extra=(), warm=None):
    s.prepare(extra)
    s.start()
    for t in topics:
        s.topic(*t)
    if warm and s.kind == "kafka":
        warm()


@figure("exec to first acknowledged acks=all record", "ms", kinds=["rookery", "kafka"])
def first(s, i):
    s.prepare()
    s.start()
    s.topic("t")
    s.load("produce", "t", seconds=1)
    s.stop()
    s.start(wait=False)
    return pairs(run(LOAD, "first", s.addr(), "t"))["first_ms"]


@figure("resident memory, idle", "MB", kinds=["rookery", "kafka"])
def idle_memory(s, i):
    ready(s)
    time.sleep(2)
    return s.rss_mb()


@figure("resident memory, 10,000 empty partitions", "MB", kinds=["rookery", "kafka"])
def partitions_memory(s, i):
    ready(s, ("t", 5000), ("u", 5000))
    time.sleep(1)
    return s.rss_mb()


@figure("resident memory after a load of 10 GB", "MB", kinds=["rookery", "kafka"])
def loaded_memory(s, i):
    ready(s, ("t", 4, "retention.bytes=100000000", "segment.bytes=50000000"), extra=("log.retention.check.interval.ms=500", "log.segment.delete.delay.ms=0"))
    s.load("produce", "t", conns=4, parts=4, batch=1000000, bytes=int(10e9 * SCALE))
    return s.rss_mb()


@figure("an idle node", "% of a core", kinds=["rookery", "kafka"])
def idle_cpu(s, i):
    ready(s)
    time.sleep(3)
    a, t = s.cpu(), time.time()
    time.sleep(10)
    return 100 * (s.cpu() - a) / (time.time() - t)


def held(s, **kw):
    ready(s, ("t", 1))
    rss = s.rss_mb()
    q = subprocess.Popen([LOAD, "idle", s.addr(), "t", "seconds=12", *[f"{k}={v}" for k, v in kw.items()]], stdout=subprocess.PIPE, text=True)
    assert q.stdout.readline() == "ready\n"
    time.sleep(1)
    a, t = s.cpu(), time.time()
    time.sleep(9)
    out = (100 * (s.cpu() - a) / (time.time() - t), (s.rss_mb() - rss) * 1024 / kw["conns"])
    q.wait()
    return out


@figure("5,000 idle connections: CPU", "% of a core")
def idle_conns(s, i):
    return held(s, conns=5000)[0]


@figure("5,000 idle connections: memory each", "KiB")
def idle_conns_memory(s, i):
    return held(s, conns=5000)[1]


@figure("5,000 idle long-polling consumers: CPU", "% of a core")
def pollers(s, i):
    return held(s, conns=5000, poll=1)[0]


@figure("5,000 idle long-polling consumers: memory each", "KiB")
def pollers_memory(s, i):
    return held(s, conns=5000, poll=1)[1]


def perf(codec, record, records):
    def f(s, i):
        ready(s, ("t", 1))
        go = lambda n: run(f"{BUILD}/rookery", "producer-perf-test", "--topic", "t", "--num-records", n, "--record-size", record, "--throughput", -1,
                           "--producer-props", f"bootstrap.servers={s.addr()}", f"compression.type={codec}", "acks=all", "linger.ms=5")
        n = int(records * SCALE)
        if s.kind == "kafka":
            go(n // 2)
        a = s.cpu()
        go(n)
        return (s.cpu() - a) / (n * record / GB)
    return f


for codec, record, records in (("none", 1024, 2000000), ("lz4", 1024, 2000000), ("zstd", 1024, 2000000), ("none", 100, 5000000)):
    figure(f"server CPU s per GB produced, librdkafka, {record}-byte records, {codec}", "s/GB")(perf(codec, record, records))


def raw(batch, key):
    def f(s, i):
        ready(s, ("t", 1), warm=lambda: s.load("produce", "t", batch=batch, bytes=int(1e9 * SCALE)))
        o = s.load("produce", "t", batch=batch, bytes=int(2e9 * SCALE), conns=2)
        return o["mb_s"] if key == "mb_s" else o["cpu"] / (o["bytes"] / GB)
    return f


for batch, n in ((16384, "16 KiB"), (1000000, "1 MiB")):
    figure(f"raw produce, {n} batches: server CPU", "s/GB")(raw(batch, "cpu"))
    figure(f"raw produce, {n} batches", "MB/s", lower=False)(raw(batch, "mb_s"))


@figure("server CPU s per GB fetched from the page cache", "s/GB")
def fetched(s, i):
    ready(s, ("t", 1))
    s.load("produce", "t", batch=1000000, bytes=int(2e9 * SCALE))
    if s.kind == "kafka":
        s.load("fetch", "t", bytes=int(1e9 * SCALE))
    o = s.load("fetch", "t", bytes=int(1.9e9 * SCALE))
    return o["cpu"] / (o["bytes"] / GB)


@figure("server CPU s per GB fetched, one producer to 8 tail consumers", "s/GB")
def tails(s, i):
    ready(s, ("t", 1), warm=lambda: s.load("produce", "t", batch=100000, bytes=int(0.5e9 * SCALE)))
    each = int(0.5e9 * SCALE)
    q = subprocess.Popen([LOAD, "fetch", s.addr(), "t", "conns=8", "tail=1", f"bytes={each}"], stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    a = s.cpu()
    s.load("produce", "t", batch=100000, bytes=int(each * 1.1))
    return (s.cpu() - a) / (pairs(q.communicate()[0])["bytes"] / GB)


def requests(conns):
    def f(s, i):
        ready(s, ("t", 1), warm=lambda: s.load("produce", "t", batch=1, record=100, conns=conns, seconds=5))
        o = s.load("produce", "t", batch=1, record=100, conns=conns, seconds=3 if arg.quick else 5)
        return 1e6 * o["cpu"] / o["requests"]
    return f


for conns in (1, 100, 1000):
    figure(f"server CPU per produce request of one 100-byte record, {conns:,} connections", "µs")(requests(conns))


def latency(rate, key):
    def f(s, i):
        ready(s, ("t", 1), warm=lambda: s.load("e2e", "t", rate=rate, seconds=4))
        return s.load("e2e", "t", rate=rate, seconds=4)[key]
    return f


figure("end to end at 1,000 records/s, p50", "µs")(latency(1000, "p50_us"))
figure("end to end at 10,000 records/s, p99", "µs")(latency(10000, "p99_us"))


def stable(parts, batch, key):
    def f(s, i):
        extra = ("log.write.caching=false",) if s.kind == "rookery" else ("log.flush.interval.messages=1",)
        ready(s, ("t", parts), extra=extra if key != "mb_s" or s.kind == "rookery" else (),
              warm=lambda: s.load("produce", "t", batch=batch, record=min(100, batch) if batch < 1000 else 1024, conns=100, parts=parts, seconds=3))
        o = s.load("produce", "t", batch=batch, record=100 if batch < 1000 else 1024, conns=100 if batch < 1000 else 4, parts=parts, seconds=3 if arg.quick else 5)
        return o[key]
    return f


figure("stable storage before each ack, 100 producers, 1 partition", "requests/s", lower=False, kinds=["rookery", "kafka"])(stable(1, 1, "requests_s"))
figure("stable storage before each ack, 100 producers, 6 partitions", "requests/s", lower=False, kinds=["rookery", "kafka"])(stable(6, 1, "requests_s"))
figure("stable storage before each ack, 1 MiB batches (Kafka: without fsync)", "MB/s", lower=False, kinds=["rookery", "kafka"])(stable(1, 1000000, "mb_s"))


@figure("10,000 partitions until every leader is visible", "ms", kinds=["rookery", "kafka"])
def create_partitions(s, i):
    ready(s)
    # Kafka (and so rookery) refuses more than 10,000 records for one request: two topics of 5,000.
    return s.topic("t", 5000)["visible_ms"] + s.topic("u", 5000)["visible_ms"]


@figure("1,000 topics in a request until visible", "ms", kinds=["rookery", "kafka"])
def create_topics(s, i):
    ready(s)
    return pairs(run(LOAD, "many", s.addr(), "m", 1000))["visible_ms"]


def restart(parts, bytes_, sig, once):
    def f(s, i):
        ready(s, *([("t", 5000), ("u", 5000)] if parts == 10000 else [("t", parts)]))
        s.load("produce", "t", parts=min(parts, 1000), conns=min(parts, 100), batch=1000000 if bytes_ > 1e9 else 1000, bytes=int(bytes_))
        if parts > 100:
            time.sleep(6)
        s.stop(sig)
        s.start(wait=False)
        return pairs(run(LOAD, "first", s.addr(), "t"))["first_ms"]
    return f


figure("start after a clean stop, 10,000 partitions", "ms", kinds=["rookery", "kafka"])(restart(10000, 1e6, signal.SIGTERM, True))
figure("start after kill -9, 1,000 partitions", "ms", kinds=["rookery", "kafka"])(restart(1000, 1e7, signal.SIGKILL, True))
figure("start after kill -9, a 5 GB log", "ms", kinds=["rookery", "kafka"])(restart(1, 5e9 * SCALE, signal.SIGKILL, True))

if arg.out:
    with open(arg.out, "w") as f:
        f.write("| figure | unit | rookery | Kafka | null | ÷ Kafka | ÷ null |\n| --- | --- | --- | --- | --- | --- | --- |\n" + "\n".join(map(line, rows)) + "\n")
