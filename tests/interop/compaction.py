"""compaction.py FOLDER [--filled DIR]: two cleaners on the same segments. See the script `compaction`.

--filled: what an earlier run with ROOKERY_KEEP=1 left as FOLDER/filled is cleaned again instead of filling anew.
"""
import argparse
import glob
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from cluster import BROKER, Cluster, kafka
from node import Report
from raw import PRODUCE, Closed, batch, produce_body, string, varint

p = argparse.ArgumentParser()
p.add_argument("folder"), p.add_argument("--filled")
arg = p.parse_args()
report, started = Report("compaction"), time.monotonic()
check = report.check
DELETE_RECORDS, HOUR, NOW = 21, 3600000, int(time.time() * 1000)
SMALL = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0", "internal.segment.bytes": "20000", "delete.retention.ms": str(HOUR)}
TOPICS = {  # what each has beside SMALL
    "plain": {}, "codecs": {}, "tombstones": {}, "gone": {"delete.retention.ms": "1"}, "transactions": {}, "markers": {"delete.retention.ms": "1"},
    "open": {}, "sequences": {}, "headers": {}, "append": {"message.timestamp.type": "LogAppendTime"},
    "both": {"cleanup.policy": "compact,delete", "retention.ms": str(48 * HOUR)}, "young": {"min.compaction.lag.ms": str(HOUR)},
    "overdue": {"min.cleanable.dirty.ratio": "1", "max.compaction.lag.ms": str(HOUR)}, "lazy": {"min.cleanable.dirty.ratio": "1"},
    "late": {"min.cleanable.dirty.ratio": "1", "max.compaction.lag.ms": str(HOUR)},
    "half": {"min.cleanable.dirty.ratio": "0.5", "cleanup.policy": "compact,delete", "retention.ms": "-1"}, "wholly": {"min.cleanable.dirty.ratio": "0.5"},
    "behind": {"min.cleanable.dirty.ratio": "1", "max.compaction.lag.ms": str(HOUR), "min.compaction.lag.ms": str(HOUR // 2)},
    "keyless": {"cleanup.policy": "delete"}, "large": {"internal.segment.bytes": "1048576"}, "many": {"internal.segment.bytes": "1048576"},
    "recoded": {"compression.type": "lz4"}, "refuses": {},
}
UNTOUCHED, ADDED_TO = {"lazy", "refuses", "half"}, ["plain", "tombstones", "gone", "transactions", "markers", "sequences", "codecs", "headers"]


def say(what):
    print(f"# {time.monotonic() - started:6.1f} s: {what}", flush=True)


class Life:
    """One controller of ours, one broker of either kind, on the same directories."""

    def __init__(self):
        lines = ["default.replication.factor=1", "min.insync.replicas=1", "offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1",
                 "transaction.state.log.min.isr=1", "share.coordinator.state.topic.replication.factor=1", "log.cleaner.backoff.ms=200",
                 "log.cleaner.dedupe.buffer.size=1100000", "log.retention.check.interval.ms=1000", "log.initial.task.delay.ms=500",
                 "transaction.max.timeout.ms=7200000"]
        self.c = Cluster(os.path.join(arg.folder, "life"), ["rookery", "rookery"], {1: "controller", 2: "broker"}, lines=lines, flat=True)
        self.b = self.c[2]

    def start(self, kind, cleaner=True):
        self.b.kind = kind
        self.c[1].configure(), self.b.configure(f"log.cleaner.enable={str(cleaner).lower()}")
        if not self.c.start(120):
            raise RuntimeError(f"the {kind} broker does not start: {self.b.words()[-600:]}")
        end = time.time() + 60
        while time.time() < end:
            try:
                with self.b.conn(20) as c:
                    for t in TOPICS:
                        c.end(t)
                return
            except (OSError, Closed, AssertionError):
                time.sleep(0.2)
        raise RuntimeError(f"the {kind} broker does not lead: {self.c.state(*TOPICS)}")

    def stop(self):
        codes = self.c.term()
        if any(code not in (0, 143) for code in codes):
            raise RuntimeError(f"stopped with {codes}")

    def save(self, name):
        for m in self.c.members:
            to = os.path.join(arg.folder, name, str(m.id))
            shutil.rmtree(to, ignore_errors=True)
            subprocess.run(["cp", "-a", m.data + "/.", to + "/"] if os.makedirs(to) is None else [], check=True)

    def restore(self, name):
        for m in self.c.members:
            shutil.rmtree(m.data)
            shutil.copytree(os.path.join(arg.folder, name, str(m.id)), m.data)
        shutil.rmtree(os.path.join(self.b.data, "__cluster_metadata-0"), ignore_errors=True)  # the broker's copy: each kind has its own form

    def client(self, **more):
        return {"bootstrap.servers": f"{self.b.addr}:{BROKER}", "log_level": 0, **more}


# --- filling

def producer(life, **more):
    return Producer(life.client(**{"linger.ms": 50, "acks": "all", "batch.size": 8000, **more}))


def flush(p):
    if p.flush(60):
        raise RuntimeError("not everything was taken")


def wrote(err, _):
    if err:
        raise RuntimeError(f"refused: {err}")


def put(p, topic, key, value, ago=12 * HOUR, **more):
    p.produce(topic, value, key, timestamp=NOW - ago, on_delivery=wrote, **more)


def text(r, n):
    return bytes(r.choice(b"abcdefgh ijkl mnop") for _ in range(n))


def fill_plain(life, r):
    p = producer(life)
    for n in range(1500):
        for t in ("plain", "append", "recoded"):
            put(p, t, f"k{r.randrange(60)}", text(r, r.randrange(10, 120)))
        if n % 25 == 0:
            flush(p)
    for n in range(1500):
        put(p, "lazy", f"k{n % 20}", text(r, 40)), put(p, "overdue", f"k{n % 20}", text(r, 40))
        put(p, "both", f"k{r.randrange(40)}", text(r, 60), ago=(60 if n < 500 else 12) * HOUR)
        put(p, "young", f"k{r.randrange(40)}", text(r, 60), ago=12 * HOUR if n < 900 else 0)
        put(p, "late", f"k{r.randrange(40)}", text(r, 60), ago=12 * HOUR if 600 <= n < 1000 else 0)
        put(p, "behind", f"k{r.randrange(40)}", text(r, 60), ago=HOUR * 4 // 5 if n < 600 else 12 * HOUR if n >= 1000 else 0)
        put(p, "keyless", f"k{r.randrange(40)}" if n % 5 else None, text(r, 40))
        if n % 40 == 0:
            flush(p)
    flush(p)
    for n in range(450):  # one segment and the active one: "half" loses a part of the former, "wholly" nothing
        put(p, "half", f"k{n % 20}", text(r, 40)), put(p, "wholly", f"k{n % 20}", text(r, 40))
        if n % 40 == 0:
            flush(p)
    flush(p)
    with life.b.conn(20) as c:
        told = c.call(DELETE_RECORDS, 1, struct.pack(">i", 1) + string("half") + struct.pack(">iiqi", 1, 0, 100, 30000)).data[-2:]
        check("the records of a topic are deleted up to the middle of its segment", told == b"\0\0", told.hex())
    p = producer(life)
    for n in range(5000):
        put(p, "large", f"k{r.randrange(300)}", os.urandom(40) + text(r, 400))
        if n % 500 == 0:
            flush(p)
    for n in range(48000):  # more keys than one table of 1 MiB holds
        put(p, "many", f"key number {n % 45000}", b"v" * 30)
        if n % 5000 == 0:
            flush(p)
    flush(p)


def fill_codecs(life, r):
    for n in range(40):
        for codec in ("gzip", "snappy", "lz4", "zstd", "none"):
            p = producer(life, **{"compression.type": codec})
            for _ in range(30):
                put(p, "codecs", f"k{r.randrange(400)}", text(r, 200))
            flush(p)


def fill_deletions(life, r):
    p = producer(life)
    for n in range(900):
        for t in ("tombstones", "gone"):
            put(p, t, f"k{r.randrange(50)}", None if r.random() < 0.3 else text(r, 80))
        if n % 12 == 0:
            flush(p)
    for n in range(900):
        put(p, "headers", "" if n % 50 == 0 else "k" * r.randrange(1, 200), text(r, 30), headers=[("a", b"1"), ("empty", b""), ("none", None)][:n % 4])
        if n % 12 == 0:
            flush(p)
    flush(p)


def fill_transactions(life, r):
    ps = [producer(life, **{"transactional.id": f"t{i}", "linger.ms": 0, "transaction.timeout.ms": 7000000}) for i in range(4)]
    for p in ps:
        p.init_transactions(30)
    plain = producer(life)
    for n in range(80):
        p = ps[r.randrange(3)]
        p.begin_transaction()
        for t in ("transactions", "markers"):
            for _ in range(r.randrange(1, 8)):
                put(p, t, f"k{r.randrange(25)}", None if r.random() < 0.1 else text(r, 150))
            if n % 3 == 0:
                put(plain, t, f"k{r.randrange(25)}", text(r, 100))
        flush(plain), flush(p)
        if r.random() < 0.4:
            p.abort_transaction(30)
        else:
            p.commit_transaction(30)
    for t in ("transactions", "markers"):
        for n in range(120):
            put(plain, t, f"k{n % 25}", text(r, 100)), flush(plain)
    for n in range(400):
        put(plain, "open", f"k{n % 20}", text(r, 100))
    flush(plain)
    ps[3].begin_transaction()
    put(ps[3], "open", "k1", "of the open one"), flush(ps[3])
    for n in range(600):
        put(plain, "open", f"k{n % 20}", text(r, 100))
        if n % 10 == 0:
            flush(plain)
    flush(plain)
    return ps  # not let go: the last one's transaction stays open


def fill_sequences(life, r):
    for n in range(12):
        p = producer(life, **{"enable.idempotence": True})
        for _ in range(20):
            put(p, "sequences", f"k{r.randrange(4)}", text(r, 100)), flush(p)
    plain = producer(life)
    for n in range(400):
        put(plain, "sequences", f"k{n % 4}", text(r, 100)), flush(plain) if n % 10 == 0 else None
    flush(plain)


def record(delta, key, value, ms):
    def some(b):
        return varint(-1) if b is None else varint(len(b)) + b
    body = b"\0" + varint(ms) + varint(delta) + some(key) + some(value) + varint(0)
    return varint(len(body)) + body


def keyed(records, **more):
    return batch(records, payload=b"".join(record(i, k, v, i) for i, (k, v) in enumerate(records)), now=NOW - HOUR, **more)


def add(life, seed):
    """The same bytes for whoever is asked."""
    r = random.Random(seed)
    with life.b.conn(20) as c:
        for t in ADDED_TO:
            for n in range(150):
                some = [(b"k%d" % r.randrange(60), None if t in ("tombstones", "gone") and r.random() < 0.2 else text(r, 90)) for _ in range(r.randrange(1, 6))]
                code, _, why = c.produce(t, keyed(some))
                if code:
                    raise RuntimeError(f"{t}: {code} {why}")


def refused(life):
    """The answers to what must not get into a compacted topic, as bytes."""
    bad = {"no key": keyed([(None, b"x")]), "one of three has no key": keyed([(b"a", b"1"), (None, b"2"), (b"c", b"3")]),
           "two of three have no key": keyed([(None, b"1"), (b"b", b"2"), (None, b"3")]), "an empty key": keyed([(b"", b"1")])}
    out = {}
    with life.b.conn(20) as c:
        for what, records in bad.items():
            got = c.call(PRODUCE, 8, produce_body("refuses", records))
            out[what] = got.data[got.at:].hex()
    return out


# --- waiting and reading

def checkpoint(folder):
    try:
        lines = open(os.path.join(folder, "cleaner-offset-checkpoint")).read().split("\n")[2:]
        return {line.split()[0]: int(line.split()[2]) for line in lines if len(line.split()) == 3}
    except OSError:
        return {}


def state_of(folder):
    return {t: (checkpoint(folder).get(t), sorted((os.path.basename(f), os.path.getsize(f)) for f in glob.glob(f"{folder}/{t}-0/*.log"))) for t in TOPICS}


def wait_clean(life, before, quiet=6, most=90):
    """Until nothing has changed for some seconds, and every topic that must change has."""
    end, last, since = time.time() + most, None, time.time()
    while time.time() < end:
        now = state_of(life.b.data)
        if now != last:
            last, since = now, time.time()
        todo = [t for t in (before and ADDED_TO or TOPICS) if t not in UNTOUCHED and (now[t][0] is None or before and now[t][0] == before[t][0])]
        if not todo and time.time() - since > quiet:
            return now
        time.sleep(0.25)
    say(f"{life.b.kind}: not cleaned within {most} s: {todo}")
    return last


def batches(folder, topic):
    """[(file, header fields, payload)] of every batch."""
    out = []
    for path in sorted(glob.glob(f"{folder}/{topic}-0/*.log")):
        data, at = open(path, "rb").read(), 0
        while at + 61 <= len(data):
            length = struct.unpack_from(">i", data, at + 8)[0] + 12
            b = data[at:at + length]
            out.append((os.path.basename(path), b))
            at += length
        assert at == len(data), f"{path} ends within a batch"
    return out


def horizons(folder):
    """{topic: {base offset of a batch: its delete horizon}}"""
    return {t: {struct.unpack_from(">q", b)[0]: struct.unpack_from(">q", b, 27)[0] for _, b in batches(folder, t) if struct.unpack_from(">h", b, 21)[0] & 64}
            for t in TOPICS}


def comparable(b):
    """A batch without what may differ: a horizon and its CRC, the bytes of compressed records."""
    attr = struct.unpack_from(">h", b, 21)[0]
    head = bytearray(b[:61])
    head[17:21] = b"\0" * 4
    if attr & 64:
        head[27:35] = b"\0" * 8
    if attr & 7:
        head[8:12] = b"\0" * 4
    return bytes(head) + (b"" if attr & 64 or attr & 7 else b[61:])


def dump(folder, kinds, *flags):
    """What Kafka's tool says of such files, a list of lines a topic."""
    files = sorted(f for t in TOPICS for k in kinds for f in glob.glob(f"{folder}/{t}-0/*{k}") if os.path.getsize(f))
    code, said = kafka("kafka-dump-log", *flags, "--files", ",".join(files), timeout=300)
    out, topic = {}, None
    for line in said.split("Non-consecutive offsets", 1)[0].splitlines():  # holes: compaction makes them; the tool lists them last, in any order
        m = re.match(r"Dumping .*/([^/]+)-0/(\S+)", line)
        if m:
            topic = m[1]
            out.setdefault(topic, []).append(m[2])
        elif topic:
            out[topic].append(line)
    return code, out, said


def plainly(lines):
    """Without the values that depend on when it was cleaned, and on the compressor."""
    out, compressed = [], False
    for line in lines:
        if "baseOffset:" in line:
            compressed = "compresscodec: none" not in line
            horizon = "OptionalLong[" in line
            line = re.sub(r"deleteHorizonMs: OptionalLong\[\d+\]", "deleteHorizonMs: some", line)
            line = re.sub(r" position: \d+", "", line)
            if compressed or horizon:
                line = re.sub(r" (size|crc): \d+", "", line)
        out.append(line)
    return out


def first_difference(a, b):
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return f"line {i}: Kafka '{x[:330]}', rookery '{y[:330]}'"
    return f"{len(a)} and {len(b)} lines" if len(a) != len(b) else ""


def read(life, isolation):
    """{(topic, isolation): (every record that a consumer gets, the end)}"""
    with life.b.conn(20) as c:
        ends = {t: c.end(t) for t in TOPICS}
    out, left, until = {t: [] for t in TOPICS}, set(TOPICS), time.time() + 120
    c = Consumer(life.client(**{"group.id": "reader", "isolation.level": isolation, "enable.partition.eof": True, "enable.auto.commit": False}))
    c.assign([TopicPartition(t, 0, OFFSET_BEGINNING) for t in TOPICS])
    while left:
        for m in c.consume(1000, 0.2):
            if not m.error():
                out[m.topic()].append((m.offset(), m.key(), m.value(), m.timestamp(), m.headers()))
            elif m.error().name() == "_PARTITION_EOF":
                left.discard(m.topic())
            else:
                raise RuntimeError(f"{m.topic()}: {m.error()}")
        if time.time() > until:
            raise RuntimeError(f"no end of {left} after 120 s")
    c.close()
    return {(t, isolation): (out[t], ends[t]) for t in TOPICS}


def served(life):
    return {**read(life, "read_uncommitted"), **read(life, "read_committed")}


# --- the comparison

def compare(round_, theirs, ours):
    say(f"{round_}: comparing")
    a, b = checkpoint(theirs), checkpoint(ours)
    for t in TOPICS:
        check(f"{round_}: {t}: clean up to the same offset", a.get(t) == b.get(t), "" if a.get(t) == b.get(t) else f"Kafka {a.get(t)}, rookery {b.get(t)}")
    for t in TOPICS:
        x, y = batches(theirs, t), batches(ours, t)
        files = lambda z: sorted({f for f, _ in z})
        same = [comparable(q) for _, q in x] == [comparable(q) for _, q in y]
        check(f"{round_}: {t}: the same batches, byte by byte ({len(x)})", same, "" if same else f"{len(x)} and {len(y)}")
        check(f"{round_}: {t}: in the same files ({len(files(x))})", files(x) == files(y), "" if files(x) == files(y) else f"{files(x)} {files(y)}")
    told = {}
    for who, folder in (("Kafka", theirs), ("rookery", ours)):
        code, told[who], said = dump(folder, [".log"], "--deep-iteration", "--print-data-log")
        wrong = re.findall(r".*(?:isvalid: false|xception|mismatch).*", said)
        check(f"{round_}: Kafka's dump tool reads what {who} compacted", code == 0 and not wrong, "" if code == 0 and not wrong else said[-300:])
    for t in TOPICS:
        x, y = plainly(told["Kafka"].get(t, [])), plainly(told["rookery"].get(t, []))
        check(f"{round_}: {t}: it finds the same records ({sum('| offset' in line for line in x)} in {sum('baseOffset' in line for line in x)} batches)", x == y, first_difference(x, y))
    code, _, said = dump(ours, [".index", ".timeindex"], "--index-sanity-check")
    check(f"{round_}: the indexes of ours are sound", code == 0 and not re.search(r"xception|corrupt", said), "" if code == 0 else said[-300:])
    found = []  # an empty batch has a time for the index and none for the tool, also in Kafka's own files
    for folder in (theirs, ours):
        code, _, said = dump(folder, [".index", ".timeindex"])
        wrong = re.findall(r".*(?:ismatch|not found|out of order).*/([^/\n]+/\S+)", said)
        found.append((code, sorted(wrong)))
    check(f"{round_}: the tool says the same of their entries ({len(found[0][1])} complaints)", found[0] == found[1], f"{found}" if found[0] != found[1] else "")
    x, y = dump(theirs, [".txnindex"])[1], dump(ours, [".txnindex"])[1]
    check(f"{round_}: the same aborted transactions are kept ({sum(map(len, x.values()))} lines)", x == y,
          "; ".join(f"{t}: {first_difference(x.get(t, []), y.get(t, []))}" for t in sorted(set(x) | set(y)) if x.get(t) != y.get(t)))
    a, b = horizons(theirs), horizons(ours)
    count, apart = sum(map(len, a.values())), 0
    for t in TOPICS:
        both = a[t].keys() & b[t].keys()
        apart = max([apart] + [abs(a[t][k] - b[t][k]) for k in both])
    check(f"{round_}: delete horizons lie in the same minutes ({count})", apart < 300000 and {t: set(a[t]) for t in TOPICS} == {t: set(b[t]) for t in TOPICS}, f"at most {apart / 1000:.0f} s apart")


def clean(life, kind):
    """One life: cleaned, added to, cleaned again; {round: what consumers got}, the answers to what is refused."""
    got = {}
    life.restore("filled")
    life.start(kind)
    state = wait_clean(life, None)
    say(f"{kind} has cleaned")
    got["first"] = served(life)
    got["refused"] = refused(life)
    life.stop(), life.save(f"{kind}-1")
    before = state_of(life.b.data)
    life.start(kind, cleaner=False)  # so that it finds all of it at once
    add(life, 7), add(life, 8)
    life.stop()
    life.start(kind)
    wait_clean(life, before)
    say(f"{kind} has cleaned again")
    got["second"] = served(life)
    life.stop(), life.save(f"{kind}-2")
    return got


def other_way(life, kind, saved, want):
    life.restore(saved)
    life.start(kind, cleaner=False)
    got = served(life)
    for t in TOPICS:
        same = all(got[t, how] == want[t, how] for how in ("read_uncommitted", "read_committed"))
        check(f"{kind} serves what {saved.split('-')[0]} compacted: {t} ({len(got[t, 'read_uncommitted'][0])} records, {len(got[t, 'read_committed'][0])} committed)", same,
              "" if same else f"wanted {len(want[t, 'read_uncommitted'][0])}, {len(want[t, 'read_committed'][0])}")
    add(life, 9)
    life.stop()


def fill(life):
    life.c.format()
    life.b.configure("log.cleaner.enable=false", "log.write.caching=true"), life.c[1].configure()
    if not life.c.start(60):
        raise RuntimeError(life.b.words()[-600:])
    for t, more in TOPICS.items():
        code = life.c.create(t, 1, 1, **{k.replace(".", "_"): v for k, v in {**SMALL, **more}.items()})
        if code:
            raise RuntimeError(f"topic {t}: {code}")
    r = random.Random(1)
    fill_plain(life, r), fill_codecs(life, r), fill_deletions(life, r), fill_sequences(life, r)
    holder = fill_transactions(life, r)
    code, said = kafka("kafka-configs", "--bootstrap-server", f"{life.b.addr}:{BROKER}", "--alter", "--topic", "keyless", "--add-config", "cleanup.policy=compact")
    check("a topic with keyless records may become a compacted one", code == 0, said[-200:] if code else "")
    filled = served(life)
    life.stop()
    say("filled: " + ", ".join(f"{t} {filled[t, 'read_uncommitted'][1]}" for t in TOPICS))
    del holder


life = Life()
try:
    if arg.filled:
        for m in life.c.members:
            shutil.copytree(os.path.join(arg.filled, str(m.id)), m.data)
    else:
        fill(life)
    life.save("filled")
    theirs, ours = clean(life, "kafka"), clean(life, "rookery")
    check("a record without a key is refused in the same bytes", theirs["refused"] == ours["refused"], "" if theirs["refused"] == ours["refused"] else f"{theirs['refused']} {ours['refused']}")
    for n, word in (("1", "first"), ("2", "second")):
        compare(f"{word} round", os.path.join(arg.folder, f"kafka-{n}", "2"), os.path.join(arg.folder, f"rookery-{n}", "2"))
        wrong = [key for key in theirs[word] if theirs[word][key] != ours[word][key] and key[0] != "append"]
        check(f"{word} round: consumers get the same of both", not wrong, f"{wrong}" if wrong else "")
    other_way(life, "kafka", "rookery-2", ours["second"])
    other_way(life, "rookery", "kafka-2", theirs["second"])
    bad = [line for line in open(life.b.log, errors="replace").read().splitlines() if re.search(r"ERROR|CorruptRecord|corrupt|assert", line) and "refuses-0" not in line]  # that one is what it was asked for
    check("neither broker complained of anything", not bad, "; ".join(bad[:3])[:600])
finally:
    life.c.close()
sys.exit(report.failures > 0)
