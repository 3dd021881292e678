#!/usr/bin/env python3
"""bench5.py [--only REGEX] [--repeat N] [--quick] [--servers rookery,safe,kafka] [--out FILE]

Groups, transactions and compaction: one node of rookery and one of Apache Kafka on this machine, in turns, the same client,
the same configs. "rookery" has log.write.caching=true (Kafka's promise: an acknowledgement says that the record is in the page
cache), "safe" is rookery's default (on stable storage). Server CPU is from /proc. Kafka does the same work once before it is measured.
The members of groups are tests/bench/group (`make -C build bench-programs` first), the raw transactions frames from one thread here, so that
what is measured is the server; where a real client matters it is librdkafka.
Run it alone: `unshare -n -p -f --kill-child --mount-proc tests/bench/bench5.py` has ports of its own."""
import argparse
import collections
import os
import re
import resource
import select
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GROUP = os.path.join(os.environ.get("ROOKERY_BUILD", os.path.join(ROOT, "build")), "tests/bench/group")
sys.path.insert(0, os.path.join(ROOT, "tests/interop"))
from cluster import BROKER, Cluster, kafka_there  # noqa: E402
from raw import PRODUCE, Closed, batch, string  # noqa: E402

p = argparse.ArgumentParser(usage=__doc__)
p.add_argument("--only", default=""), p.add_argument("--repeat", type=int, default=3), p.add_argument("--out")
p.add_argument("--servers", default="rookery,safe,kafka"), p.add_argument("--quick", action="store_true")
arg = p.parse_args()
KINDS, QUICK = arg.servers.split(","), arg.quick
HEARTBEAT, COMMIT, OFFSETS, INIT, ADD, END, COORDINATOR, ALTER = 12, 8, 9, 22, 24, 26, 10, 44
NOT_YET = (14, 15, 16)  # the coordinator loads, or is not there yet
os.environ.setdefault("KAFKA_BROKER_HEAP", "-Xmx1g -Xms1g")
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
if "kafka" in KINDS and not kafka_there():
    print("# no Kafka here", file=sys.stderr)
    KINDS.remove("kafka")


class One:
    def __init__(self, kind):
        self.kind, self.folder = kind, tempfile.mkdtemp(prefix=f"bench5-{kind}-", dir=os.environ.get("BENCH_DIR"))
        lines = ["default.replication.factor=1", "min.insync.replicas=1", "offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1",
                 "transaction.state.log.min.isr=1", "share.coordinator.state.topic.replication.factor=1", "offsets.topic.num.partitions=50",
                 "transaction.state.log.num.partitions=50", "log.cleaner.backoff.ms=500", "group.consumer.assignment.interval.ms=0",
                 *(["log.write.caching=true"] if kind == "rookery" else [])]
        self.c = Cluster(self.folder, ["kafka" if kind == "kafka" else "rookery"], dynamic=True, flat=True, lines=lines)
        self.c.java = []  # as the project starts it: both compilers, its own collector
        self.c.format()
        if not self.c.start(120):
            raise RuntimeError("it does not start: " + self.c[1].words()[-300:])
        self.m, self.addr = self.c[1], self.c[1].addr

    def topic(self, name, parts=1, **configs):
        code = self.c.create(name, parts, 1, **configs)
        with self.m.conn(30) as c:
            if code or not c.wait_leader(name, parts, 60):
                raise RuntimeError(f"topic {name}: {code}")

    def warm(self, f):
        if self.kind == "kafka":
            f()

    def close(self):
        self.c.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Crowd:
    """Many connections, one thread: frames go out as they are, whole answers come back in the order they arrive."""

    def __init__(self, addr, count):
        self.poll, self.s, self.part = select.epoll(), [], [b""] * count
        for i in range(count):
            self.s.append(socket.create_connection((addr, BROKER), 30))
            self.s[i].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.poll.register(self.s[i].fileno(), select.EPOLLIN)
        self.by_fd = {s.fileno(): i for i, s in enumerate(self.s)}

    @staticmethod
    def frame(key, version, body):
        head = struct.pack(">hhi", key, version, 0) + string("bench")
        return struct.pack(">i", len(head) + len(body)) + head + body

    def send(self, i, frame):
        self.s[i].sendall(frame)

    def answers(self, seconds=60):
        """[(connection, bytes behind the correlation id)], at least one"""
        out = []
        for fd, _ in self.poll.poll(seconds):
            i = self.by_fd[fd]
            got = self.s[i].recv(1 << 20)
            if not got:
                raise Closed("end of stream")
            data = self.part[i] + got
            while len(data) >= 4 and len(data) >= 4 + (n := struct.unpack_from(">i", data)[0]):
                out.append((i, data[8:4 + n]))
                data = data[4 + n:]
            self.part[i] = data
        if not out and seconds > 1 and not any(self.part):
            raise RuntimeError(f"no answer within {seconds} s")
        return out

    def close(self):
        for s in self.s:
            s.close()
        self.poll.close()


rows = {}


def put(name, unit, kind, value):
    rows.setdefault((name, unit), {}).setdefault(kind, []).append(value)
    print(f"# {kind}: {name}: {value:,.3f} {unit}", file=sys.stderr, flush=True)


def num(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def find_coordinator(c, name, kind):
    """Makes its topic where there is none. kind 0: of a group, 1: of a transactional id"""
    end = time.time() + 60
    while c.call(COORDINATOR, 1, string(name) + bytes([kind])).take("ih")[1]:
        if time.time() > end:
            raise RuntimeError("no coordinator")
        time.sleep(0.1)


def wait_group(t, group="g"):
    """The coordinator of a group is there."""
    end = time.time() + 60
    with t.m.conn(30) as c:
        find_coordinator(c, group, 0)
        while time.time() < end:
            a = c.call(HEARTBEAT, 1, string(group) + struct.pack(">i", 1) + string("x"))
            if a.take("ih")[1] not in NOT_YET:
                return
            time.sleep(0.1)
    raise RuntimeError("no coordinator")


# --- groups: the members are tests/bench/group, one program for all servers

class Members:
    """group VERB: a line of key=value pairs a step; the next step begins when it is asked for."""

    def __init__(self, t, verb, *words):
        self.p = subprocess.Popen([GROUP, verb, f"{t.addr}:{BROKER}", *words],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.begun = False

    def step(self):
        if self.begun:
            self.p.stdin.write("\n"), self.p.stdin.flush()
        self.begun = True
        line = self.p.stdout.readline()
        if not line:
            raise RuntimeError(self.p.stderr.read().strip() or "group ended")
        return {k: float(v) for k, v in (w.split("=") for w in line.split())}

    def close(self):
        self.p.kill()
        self.p.communicate()


def whole_group(t, title, verb, group, again, *words):
    """It forms, then moves that often. title None: to warm up."""
    g = Members(t, verb, group, "members=200", f"again={again}", *words)
    try:
        formed, cpu = g.step(), t.m.cpu()
        done = g.step()
        cpu = (t.m.cpu() - cpu) / again * 1000
    finally:
        g.close()
    if title:
        forms, moves = title
        put(f"a {forms} group of 200 members forms", "ms", t.kind, formed["formed_ms"])
        put(f"a {forms} group of 200 members {moves}: median", "ms", t.kind, done["median_ms"])
        put(f"the same, {forms}: the slowest", "ms", t.kind, done["max_ms"])
        put(f"the same, {forms}: server CPU", "ms", t.kind, cpu)
        put(f"the same, {forms}: the members' own CPU", "ms", t.kind, done["client_ms"])


def classic(t):
    """Time from the first JoinGroup sent to the last SyncGroup answered."""
    wait_group(t)
    t.warm(lambda: [whole_group(t, None, "classic", f"warm{i}", 20) for i in range(3)])
    whole_group(t, ("classic", "rebalances"), "classic", "g", 60 if QUICK else 200)


def consumer(t):
    """Every member has its partition, and has said so."""
    wait_group(t)
    t.topic("one", 200), t.topic("two", 200)
    t.warm(lambda: whole_group(t, None, "consumer", "warm", 6, "one", "two"))
    whole_group(t, ("consumer-protocol", "moves to another topic"), "consumer", "g848", 20 if QUICK else 60, "one", "two")


# --- transactions

def transactional_id(c, name):
    find_coordinator(c, name, 1)
    for _ in range(600):
        a = c.call(INIT, 1, string(name) + struct.pack(">i", 60000))
        _, error, pid, epoch = a.take("ihqh")
        if error == 0:
            return pid, epoch
        if error not in NOT_YET + (51,):
            raise RuntimeError(f"InitProducerId: {error}")
        time.sleep(0.05)
    raise RuntimeError("no transaction coordinator")


class Writer:
    """Small transactions, one after the other: AddPartitionsToTxn, Produce, EndTxn, each when the one before is answered."""

    def __init__(self, t, topic, part, name, most):
        with t.m.conn(30) as c:
            pid, epoch = transactional_id(c, name)
        who = string(name) + struct.pack(">qh", pid, epoch)
        self.add = Crowd.frame(ADD, 1, who + struct.pack(">i", 1) + string(topic) + struct.pack(">ii", 1, part))
        self.end = Crowd.frame(END, 1, who + b"\1")
        self.head = string(name) + struct.pack(">hii", -1, 30000, 1) + string(topic)
        one = lambda seq: batch([b"x" * 100], pid=pid, epoch=epoch, seq=seq, codec=16)  # 16: transactional
        self.produce = [Crowd.frame(PRODUCE, 8, self.head + struct.pack(">iii", 1, part, len(one(n))) + one(n)) for n in range(most)]
        self.at, self.done, self.retries = 0, 0, 0

    def frame(self):
        return (self.add, self.produce[self.done], self.end)[self.at] if self.done < len(self.produce) else None

    def heard(self, body):
        """True: it must be asked once more."""
        error = struct.unpack(">h", (body[-2:], produced(body), body[4:6])[self.at])[0]
        if error == 51 or error in NOT_YET:
            self.retries += 1
            return True
        if error:
            raise RuntimeError(f"{('AddPartitionsToTxn', 'Produce', 'EndTxn')[self.at]}: {error}")
        self.at = (self.at + 1) % 3
        self.done += self.at == 0
        return False


def produced(body):
    """The error of a Produce 8 answer of one partition, as bytes."""
    at = 4 + 2 + struct.unpack_from(">h", body, 4)[0] + 4 + 4
    return body[at:at + 2]


def raw_transactions(t, writers, seconds, name):
    most = 30000 // writers
    ws = [Writer(t, f"tx{writers}", i, f"{name}-{i}", most) for i in range(writers)]
    crowd = Crowd(t.addr, writers)
    cpu, began = t.m.cpu(), time.perf_counter()
    later, open_ = collections.deque(), writers
    for i, w in enumerate(ws):
        crowd.send(i, w.frame())
    while open_:
        now = time.perf_counter()
        while later and later[0][0] <= now:
            crowd.send(i := later.popleft()[1], ws[i].frame())
        for i, body in crowd.answers(0.0005 if later else 30):
            if ws[i].heard(body):  # the markers of the last one are still being written
                later.append((time.perf_counter() + 0.0005, i))
            elif ws[i].at == 0 and (now - began > seconds or ws[i].frame() is None):
                open_ -= 1
            else:
                crowd.send(i, ws[i].frame())
    took, done = time.perf_counter() - began, sum(w.done for w in ws)
    crowd.close()
    return done, took, t.m.cpu() - cpu


def librdkafka_transactions(t, writers, seconds, name):
    from confluent_kafka import Producer
    ps = [Producer({"bootstrap.servers": f"{t.addr}:{BROKER}", "transactional.id": f"{name}-{i}", "linger.ms": 0, "log_level": 0}) for i in range(writers)]
    done, wrong = [0] * writers, []
    for q in ps:
        q.init_transactions(60)
    end = time.perf_counter() + seconds

    def one(i):
        try:
            while time.perf_counter() < end:
                ps[i].begin_transaction()
                ps[i].produce(f"tx{writers}", b"x" * 100, partition=i)
                ps[i].commit_transaction(60)
                done[i] += 1
        except Exception as e:
            wrong.append(e)
    cpu, began = t.m.cpu(), time.perf_counter()
    threads = [threading.Thread(target=one, args=(i,)) for i in range(writers)]
    [x.start() for x in threads], [x.join() for x in threads]
    if wrong:
        raise RuntimeError(wrong[0])
    return sum(done), time.perf_counter() - began, t.m.cpu() - cpu


def transactions(t):
    seconds = 4 if QUICK else 15
    t.topic("tx1"), t.topic("tx10", 10)
    for writers in (1, 10):
        word = f"{writers} producer{'s' * (writers > 1)}"
        for client, f in (("raw", raw_transactions), ("librdkafka", librdkafka_transactions)):
            t.warm(lambda: f(t, writers, seconds, f"warm-{client}-{writers}"))
            done, took, cpu = f(t, writers, seconds, f"{client}-{writers}")
            put(f"transactions of one record, {word}, {client}", "/s", t.kind, done / took)
            put(f"the same, {word}, {client}: server CPU of a transaction", "µs", t.kind, cpu / done * 1e6)


# --- offsets

def offsets(t):
    """100,000 committed offsets: a thousand groups with a hundred partitions each, over all fifty partitions of __consumer_offsets."""
    groups, parts = 1000, 100
    t.topic("off", parts)
    wait_group(t)
    with t.m.conn(60) as c:
        for g in range(groups):
            body = string(f"group-{g}") + struct.pack(">i", -1) + string("") + b"\xff\xff" + struct.pack(">i", 1) + string("off") + struct.pack(">i", parts)
            body += b"".join(struct.pack(">iqi", i, g * 1000 + i, -1) + string("") for i in range(parts))
            while struct.unpack(">h", c.call(COMMIT, 7, body).data[-2:])[0] in NOT_YET:
                time.sleep(0.05)
    ask = [string(f"group-{g}") + struct.pack(">i", 1) + string("off") + struct.pack(">ii", 1, 7) for g in range(groups)]

    def until_loaded():
        """(seconds from exec to the first answer, to the last group's offset)"""
        t.m.term()
        began, first, left = time.perf_counter(), None, list(range(groups))
        t.m.start()
        while time.perf_counter() - began < 120:
            try:
                with t.m.conn(5) as c:
                    c.api_versions()
                    first = first or time.perf_counter() - began
                    while left:
                        a = c.call(OFFSETS, 5, ask[left[-1]])
                        if a.take("ii")[1] == 0:
                            if a.take("h") in NOT_YET:
                                break
                            raise RuntimeError("no offsets")
                        a.string()
                        _, _, offset, _ = a.take("iiqi")
                        a.string()
                        _, error = a.take("hh")
                        if error in NOT_YET:
                            break
                        if error or offset != left[-1] * 1000 + 7:
                            raise RuntimeError(f"group-{left[-1]}: {error}, {offset}")
                        left.pop()
                    if not left:
                        return first, time.perf_counter() - began
            except (OSError, Closed):
                pass
            time.sleep(0.002)
        raise RuntimeError(f"{len(left)} groups are not loaded")
    first, all_ = until_loaded()
    put("100,000 committed offsets after a restart: exec to the last group's answer", "ms", t.kind, all_ * 1000)
    put("the same, from the first answer of any kind", "ms", t.kind, (all_ - first) * 1000)
    put("the same: server CPU, all of the start", "ms", t.kind, t.m.cpu() * 1000)


# --- compaction

def compaction(t):
    from confluent_kafka import Producer
    size = int(2e8 if QUICK else 2e9)
    load = lambda topic, n: fill(Producer({"bootstrap.servers": f"{t.addr}:{BROKER}", "linger.ms": 5, "queue.buffering.max.kbytes": 1 << 18, "log_level": 0}), topic, n)

    def fill(q, topic, n):
        for i in range(n):
            while True:
                try:
                    q.produce(topic, b"v" * 1000, b"key %d" % (i * 7919 % (n // 10)))
                    break
                except BufferError:
                    q.poll(0.05)
        q.flush(120)
        for _ in range(70):  # the last segments are closed
            q.produce(topic, b"v" * 900000, b"last"), q.flush(60)

    def bytes_of(topic):
        d = os.path.join(t.m.data, topic + "-0")
        return sum(os.path.getsize(os.path.join(d, f)) for f in os.listdir(d) if f.endswith(".log"))

    def clean(topic, n):
        t.topic(topic, 1, cleanup_policy="compact", min_cleanable_dirty_ratio=1, segment_bytes=67108864)
        load(topic, n)
        time.sleep(3)
        before, cpu, began = bytes_of(topic), t.m.cpu(), time.perf_counter()
        change = struct.pack(">i", 1) + b"\2" + string(topic) + struct.pack(">i", 1) + string("min.cleanable.dirty.ratio") + b"\0" + string("0.01") + b"\0"
        with t.m.conn(30) as c:
            if (error := c.call(ALTER, 0, change).take("iih")[2]):
                raise RuntimeError(f"IncrementalAlterConfigs: {error}")
        checkpoint = os.path.join(t.m.data, "cleaner-offset-checkpoint")
        while time.perf_counter() - began < 300:
            if os.path.exists(checkpoint) and (topic + " 0 ") in open(checkpoint).read():
                return before / 1e9, t.m.cpu() - cpu, time.perf_counter() - began, bytes_of(topic) / 1e9
            time.sleep(0.1)
        raise RuntimeError("not compacted within 300 s")
    t.warm(lambda: clean("warm", size // 2000))
    gb, cpu, took, left = clean("compacted", size // 1000)
    put("compaction: server CPU per GB, 1 KB records, one in ten stays", "s/GB", t.kind, cpu / gb)
    put("the same: time per GB (with the cleaner's 0.5 s of waiting)", "s/GB", t.kind, took / gb)


# --- idle members

def idle(t):
    wait_group(t)
    time.sleep(2)
    before, n = t.m.rss_mb(), 5000
    g = Members(t, "idle", "idle", f"groups={n // 50}", "members=50", f"seconds={3 if QUICK else 10}")
    try:
        g.step()
        put("5,000 idle members of classic groups of 50, with their connections: memory each", "KiB", t.kind, (t.m.rss_mb() - before) * 1024 / n)
        cpu = t.m.cpu()
        done = g.step()["done"]
        put("the same: server CPU of a heartbeat", "µs", t.kind, (t.m.cpu() - cpu) / done * 1e6)
    finally:
        g.close()


PARTS = (classic, consumer, transactions, offsets, compaction, idle)


def table():
    out = ["| figure | unit | rookery, write.caching | rookery, default | Kafka | ÷ Kafka |", "| --- | --- | --- | --- | --- | --- |"]
    for (name, unit), got in rows.items():
        med = {k: statistics.median(v) for k, v in got.items()}
        cell = lambda k: "–" if k not in med else num(med[k]) + (f" ({num(min(got[k]))}–{num(max(got[k]))})" if len(got[k]) > 1 else "")
        ratio = " / ".join(f"{med[k] / med['kafka']:.3f}" for k in ("rookery", "safe") if k in med and med.get("kafka")) or "–"
        out.append(f"| {name} | {unit} | {cell('rookery')} | {cell('safe')} | {cell('kafka')} | {ratio} |")
    return "\n".join(out) + "\n"


for _ in range(arg.repeat):
    for f in PARTS:
        if not re.search(arg.only, f.__name__):
            continue
        for kind in KINDS:
            t = None
            try:
                t = One(kind)
                f(t)
            except Exception as e:  # a figure that cannot be had is shown as such
                print(f"# {kind}: {f.__name__}: {type(e).__name__} {e}", file=sys.stderr, flush=True)
            finally:
                if t:
                    t.close()
print(table())
if arg.out:
    with open(arg.out, "w") as f:
        f.write(table())
