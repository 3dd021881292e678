"""disk.py ROOKERY FOLDER PORT [--mounts] [--only REGEX]: full, failing and damaged disks under a server.

Everywhere the same questions: does the client hear it, does the log name the file and the way out, does what can be
read stay readable, and is every acknowledged record there when the cause is gone?
"""
import argparse
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import time

import raw
from node import Node, Report
from raw import Closed, Conn, batch

ap = argparse.ArgumentParser()
ap.add_argument("rookery")
ap.add_argument("folder")
ap.add_argument("port", type=int)
ap.add_argument("--mounts", action="store_true")
ap.add_argument("--only", default="")
opt = ap.parse_args()
report = Report("disk")
check, skip = report.check, report.skip


GONE = 13  # the server ended meanwhile: NETWORK_EXCEPTION, as a client calls it


def fresh(name, extra="", data=None):
    """A formatted node that runs, in a folder of its own."""
    node = Node(opt.rookery, os.path.join(opt.folder, name), opt.port, extra, data)
    code, text = node.format()
    assert code == 0, text
    assert node.start(), node.words()
    return node


def make(topic, partitions=1, configs=()):
    with Conn(opt.port) as c:
        code = c.create(topic, partitions, configs)
        assert code == 0, raw.name(code)
        assert c.wait_leader(topic, partitions)


def fill(topic, count, size=200, known=None, partition=0):
    """count acknowledged records, {offset: value}; stops at the first error, which is given back."""
    known = {} if known is None else known
    try:
        with Conn(opt.port) as c:
            for i in range(count):
                v = f"{topic}-{partition}-{len(known)}-".encode().ljust(size, b"x")
                code, base, message = c.produce(topic, batch([v]), partition)
                if code:
                    return known, code
                known[base] = v
    except (OSError, Closed):
        return known, GONE
    return known, 0


def holds(what, topic, known, partition=0):
    """Every acknowledged record is there, and readable."""
    try:
        with Conn(opt.port) as c:
            found = dict(c.read_all(topic, partition, c.end(topic, partition, at=-2), crcs=False))
    except (AssertionError, Closed, OSError) as e:
        return check(f"{what}: its {len(known)} acknowledged records are there", False, str(e))
    bad = [o for o, v in known.items() if found.get(o) != v]
    return check(f"{what}: its {len(known)} acknowledged records are there", not bad, f"{len(bad)} are not, first {bad[0]}" if bad else "")


def part(node, topic="t", partition=0):
    return os.path.join(node.data, f"{topic}-{partition}")


def segment(node, suffix=".log", topic="t", which=0):
    folder = part(node, topic)
    return os.path.join(folder, sorted(f for f in os.listdir(folder) if f.endswith(suffix))[which])


def flip(path, at, n=8):
    with open(path, "r+b") as f:
        f.seek(at)
        old = f.read(n)
        f.seek(at)
        f.write(bytes(b ^ 0x5a for b in old))


def middle(path):
    """Where the middle batch of a segment begins."""
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data) // 2:
        at += 12 + struct.unpack_from(">i", data, at + 8)[0]
    return at


# --- a full disk

def full():
    if not opt.mounts:
        skip("a full disk", "it needs root and a loop device")
        return
    image, at = os.path.join(opt.folder, "full.img"), os.path.join(opt.folder, "full")
    os.makedirs(at)
    with open(image, "wb") as f:
        f.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    node = None
    try:
        node = fresh("fullnode", data=os.path.join(at, "data"))
        make("t")
        make("other")
        before, _ = fill("other", 20)
        known, code = fill("t", 100)
        with open(os.path.join(at, "ballast"), "wb") as f:
            try:
                while True:
                    f.write(bytes(1 << 16))
                    f.flush()
            except OSError:
                pass
        known, code = fill("t", 2000, size=5000, known=known)
        check("a full disk: Produce is refused", code == 56, raw.name(code))
        check("a full disk: the log names a file and says what to do", node.said("No space left", "free space") is not None
              and node.said("data/") is not None)
        check("a full disk: the server lives", node.runs())
        holds("a full disk", "t", known)
        holds("a full disk, another topic", "other", before)
        with Conn(opt.port) as c:
            code = c.create("more", 3)
            check("a full disk: CreateTopics is answered", True, raw.name(code))
        for _ in range(5):
            fill("t", 1, size=5000)
        check("a full disk: the server lives on", node.runs())
        os.remove(os.path.join(at, "ballast"))
        time.sleep(0.5)
        known2, code = fill("t", 20, known=dict(known))
        check("with space again Produce goes on at once", code == 0, raw.name(code))
        known = known2
        node.stop()
        check("with space again it starts", node.start(), node.words()[-300:] if not node.runs() else "")
        with Conn(opt.port) as c:
            c.wait_leader("t")
        known, code = fill("t", 20, known=known)
        check("with space again and restarted Produce goes on", code == 0, raw.name(code))
        holds("after a full disk", "t", known)
        holds("after a full disk, another topic", "other", before)
        # full again, and killed while it is: it must start, or say why, and never lose
        with open(os.path.join(at, "ballast"), "wb") as f:
            try:
                while True:
                    f.write(bytes(1 << 16))
                    f.flush()
            except OSError:
                pass
        known, code = fill("t", 2000, size=5000, known=known)
        node.kill()
        started = node.start()
        check("killed on a full disk it starts, or says why", started or node.said("No space left") is not None,
              "starts" if started else node.words()[-200:])
        if started:
            holds("started on a full disk", "t", known)
        node.kill()
        os.remove(os.path.join(at, "ballast"))
        check("with space again it starts", node.start())
        holds("after that", "t", known)
        check("it stops", node.stop() == 0)
    finally:
        if node:
            node.kill()
        subprocess.run(["umount", at])


# --- failing calls

def ended(node, name):
    """The only directory has failed: the node ends by itself, with an error that says so."""
    check(f"{name}: the server ends", node.status() == 1, f"status {node.status()}")
    said = node.said("This node cannot go on", "directory")
    check(f"{name}: it says why", said is not None, said or node.words()[-300:])


def failing(name, fault, op):
    node = fresh(name)
    make("t")
    make("other")
    known, _ = fill("t", 30)
    other, _ = fill("other", 30)
    node.stop()
    assert node.start(fault=fault), node.words()
    with Conn(opt.port) as c:
        c.wait_leader("t")
    known, code = fill("t", 100, known=known)
    check(f"{name}: Produce is refused", code in (56, GONE), raw.name(code))
    check(f"{name}: the log names the file", node.said(op, "t-0/") is not None)
    ended(node, name)
    check(f"{name}: it starts again", node.start(), "" if node.runs() else node.words()[-300:])
    with Conn(opt.port) as c:
        c.wait_leader("t")
        c.wait_leader("other")
    holds(f"{name}, repaired", "t", known)
    holds(f"{name}, another topic", "other", other)
    known, code = fill("t", 10, known={})
    check(f"{name}: repaired, it takes records", code == 0, raw.name(code))
    node.stop()


def one_of_two(name, fault, op):
    """One of two directories fails, the metadata lies in a third: the node goes on with the other."""
    folder = os.path.join(opt.folder, re.sub(r"[^a-z0-9]", "", name))
    dirs = [os.path.join(folder, x) for x in ("one", "two", "metadata")]
    node = fresh(os.path.basename(folder), f"metadata.log.dir={dirs[2]}", ",".join(dirs[:2]))
    make("t")
    make("other")
    known, _ = fill("t", 30)
    other, _ = fill("other", 30)
    lies = [[d for d in dirs[:2] if os.path.isdir(os.path.join(d, f"{t}-0"))] for t in ("t", "other")]
    check(f"{name}: the topics lie in different directories", lies[0] != lies[1] and all(len(x) == 1 for x in lies), str(lies))
    node.stop()
    assert node.start(fault=fault), node.words()
    with Conn(opt.port) as c:
        c.wait_leader("t")
    known, code = fill("t", 100, known=known)
    check(f"{name}: Produce is refused", code == 56, raw.name(code))
    check(f"{name}: the log names the file", node.said(op, "t-0/") is not None)
    check(f"{name}: the log says what is offline", node.said("1 partitions in", "are offline", seconds=5) is not None)
    again = [fill("t", 1)[1] for _ in range(3)]
    check(f"{name}: it stays refused", all(x in (5, 6, 56) for x in again), ", ".join(raw.name(x) for x in again))
    holds(f"{name}: another topic", "other", other)
    other, code = fill("other", 30, known=other)
    check(f"{name}: another topic takes records", code == 0, raw.name(code))
    check(f"{name}: the server lives", node.runs())
    node.stop()
    check(f"{name}: it starts again", node.start(), "" if node.runs() else node.words()[-300:])
    with Conn(opt.port) as c:
        check(f"{name}, repaired: it has a leader", c.wait_leader("t"))
    holds(f"{name}, repaired", "t", known)
    holds(f"{name}, repaired, another topic", "other", other)
    known, code = fill("t", 10, known={})
    check(f"{name}: repaired, it takes records", code == 0, raw.name(code))
    node.stop()


def failed_fsync():
    failing("a failed fsync", "fsync:eio:t-0/:after=5", "sync")
    one_of_two("a failed fsync of one of two", "fsync:eio:t-0/:after=5", "sync")


def failed_write():
    failing("a failed write", "write:eio:t-0/:after=5", "write")
    one_of_two("a failed write of one of two", "write:eio:t-0/:after=5", "write")


def failed_read():
    """A disk that cannot be read is not a damaged log: nothing is cut."""
    for clean in (True, False):
        word = "clean" if clean else "killed"
        node, known = prepared(f"read-{word}", clean)
        if not check(f"a failed read ({word}): it starts", node.start(fault="read:eio:t-0/"), "" if node.runs() else node.words()[-300:]):
            continue
        with Conn(opt.port) as c:
            c.wait_leader("t", seconds=3)
            code = c.produce("t", batch([b"x"]))[0]
            check(f"a failed read ({word}): Produce is refused", code == 56, raw.name(code))
        check(f"a failed read ({word}): the log names the file", node.said("read", "t-0/") is not None)
        node.stop()
        check(f"a failed read ({word}): it starts again", node.start())
        with Conn(opt.port) as c:
            c.wait_leader("t")
        holds(f"a failed read ({word}), repaired", "t", known)
        node.kill()


def failed_names():
    """No descriptor, no rename, no sync of a folder: an error, never a false success, and everything there afterwards."""
    for fault in ("open:emfile:t-0/:after=2:times=4", "open:emfile:fresh-0:times=2", "dirsync:eio:fresh-0", "rename:eio:checkpoint", "rename:enospc:t-0/", "open:eio:t-0/:after=4", "write:enospc:t-0/:times=3"):
        node = fresh("names-" + re.sub(r"[^a-z0-9]", "", fault))
        make("t", 1, [("segment.bytes", str(1 << 20))])
        known, _ = fill("t", 10)
        node.stop()
        if not check(f"{fault}: it starts", node.start(fault=fault), "" if node.runs() else node.words()[-300:]):
            continue
        try:
            make("fresh")
        except (OSError, Closed):
            pass
        codes, new = [], {}
        for _ in range(10):
            known, code = fill("t", 30, size=10000, known=known)
            new, code2 = fill("fresh", 3, known=new)
            codes += [code, code2]
        if fault.startswith("open:emfile"):
            check(f"{fault}: it passes", codes[-2:] == [0, 0], ", ".join(raw.name(x) for x in codes))
        words = ", ".join(sorted({raw.name(x) for x in codes}))
        if GONE in codes and ":eio:" in fault:
            ended(node, fault)
        else:
            if not fault.startswith("open:eio"):
                holds(f"{fault}: reads go on", "t", known)
            check(f"{fault}: the server lives", node.runs(), words)
        node.kill()
        check(f"{fault}: it starts again", node.start(), "" if node.runs() else node.words()[-300:])
        with Conn(opt.port) as c:
            c.wait_leader("t")
            c.wait_leader("fresh")
        holds(f"{fault}, repaired", "t", known)
        holds(f"{fault}, repaired, the new topic", "fresh", new)
        node.stop()


def failed_metadata():
    """The metadata's disk fails: no topic is promised that is not there."""
    node = fresh("metadata")
    make("t")
    known, _ = fill("t", 10)
    check("metadata: it stops", node.stop() == 0)
    node.start(fault="fsync:eio:__cluster_metadata")
    if node.runs():
        with Conn(opt.port) as c:
            code = c.create("new", 1)
        promised = code == 0
        node.kill()
        node.start()
        with Conn(opt.port) as c:
            check("a failed sync of metadata: what was promised is there", not promised or c.wait_leader("new"), raw.name(code))
        holds("a failed sync of metadata", "t", known)
    else:
        check("a failed sync of metadata: it says which file", node.said("__cluster_metadata") is not None, node.words()[-300:])
    node.stop()


# --- damage

templates = {}


def prepared(name, clean):
    """A node of its own, stopped or killed, with a topic of four segments; the first of its kind is copied for the others."""
    if clean not in templates:
        node = fresh(f"template-{clean}")
        make("t", 1, [("segment.bytes", str(1 << 20)), ("index.interval.bytes", "4096")])
        known, code = fill("t", 400, size=10000)
        assert code == 0, raw.name(code)
        (node.stop if clean else node.kill)()
        templates[clean] = node.data, known
    data, known = templates[clean]
    node = Node(opt.rookery, os.path.join(opt.folder, name), opt.port)
    shutil.copytree(data, node.data)
    return node, known


def damage(what, node, known, hurt, words, lossless):
    """After hurt() the server says which file, and has everything (lossless), or all up to the damage and says what it lost."""
    hurt()
    started = node.start()
    named = [w for w in words if w in node.words()]
    if lossless:
        if check(f"{what}: it starts", started, "" if started else node.words()[-300:]):
            with Conn(opt.port) as c:
                c.wait_leader("t")
                by_time = c.end("t", at=1)
                check(f"{what}: a search by time finds the first record", by_time == 0, str(by_time))
                last = c.end("t")
                check(f"{what}: the end is where it was", last == len(known), f"{last} of {len(known)}")
            holds(what, "t", known)
    else:
        try:
            with Conn(opt.port) as c:
                c.wait_leader("t", seconds=3)
                end = c.end("t")
        except (OSError, Closed, AssertionError) as e:
            end = -1
        text = f"{'starts' if started else 'does not start'}, {'has ' + str(end) if end >= 0 else 'does not serve it; had'} of {len(known)}"
        check(f"{what}: the log names the file ({text})", bool(named) and end != len(known) or end == len(known),
              next((x for x in node.words().splitlines() if any(w in x for w in words)), "nothing")[26:290])
        if end >= 0:
            served(what, known, end)
    check(f"{what}: the server {'lives' if started else 'ended by itself'}", node.runs() == started)
    node.kill()


def served(what, known, end):
    """What is served is what was acknowledged, or the client can see that it is not (its CRC), or it is refused."""
    found, seen = {}, ""
    with Conn(opt.port) as c:
        offset = 0
        while offset < end:
            code, _, records = c.fetch("t", offset)
            if code:
                seen = f"offset {offset} on is refused: {raw.name(code)}"
                break
            try:
                got = raw.values_of(records)
            except AssertionError as e:
                seen = f"a client sees it: {e}"
                break
            if not got:
                break
            found.update(got)
            offset = max(found) + 1
    wrong = [o for o, v in found.items() if known.get(o) != v]
    missing = [o for o in known if o < max(found, default=-1) and o not in found]
    said = not missing or re.search(r"missing|lost", node_words()) is not None
    check(f"{what}: nothing else is served ({len(found)} of {len(known)} records; {seen or 'no error'})", not wrong and said,
          f"wrong {wrong[:3]}, missing without a word {missing[:3]}" if wrong or not said else "")


def node_words():
    return Node.all[-1].words()


def indexes():
    for name, clean in (("clean", True), ("killed", False)):
        node, known = prepared("index-" + name, clean)
        cut = [segment(node, s, which=i) for s in (".index", ".timeindex") for i in (0, 1, -1)]
        damage(f"missing indexes ({name})", node, known, lambda: [os.remove(p) for p in cut], [], True)
        node, known = prepared("cutindex-" + name, clean)
        damage(f"truncated indexes ({name})", node, known,
               lambda: [os.truncate(segment(node, s, which=i), os.path.getsize(segment(node, s, which=i)) // 2 + 3)
                        for s in (".index", ".timeindex") for i in (0, 1, -1) if os.path.getsize(segment(node, s, which=i))], [], True)
        node, known = prepared("badindex-" + name, clean)

        def scramble():
            rng = random.Random(4)
            for s in (".index", ".timeindex"):
                for i in (0, 1, -1):
                    p = segment(node, s, which=i)
                    n = os.path.getsize(p)
                    with open(p, "wb") as f:
                        f.write(rng.randbytes(n))
        damage(f"indexes of garbage ({name})", node, known, scramble, [], True)


def checkpoints():
    for file in ("recovery-point-offset-checkpoint", "replication-offset-checkpoint", "log-start-offset-checkpoint", "t-0/leader-epoch-checkpoint",
                 "t-0/partition.metadata"):
        for clean in (True, False):
            node, known = prepared(f"checkpoint-{file.replace('/', '-')}-{clean}", clean)

            def hurt():
                with open(os.path.join(node.data, file), "wb") as f:
                    f.write(b"\xff\xfe garbage\n12\n\0\0\0 t 0 99999999999999999999\n")
            damage(f"garbage in {file} ({'clean' if clean else 'killed'})", node, known, hurt, [], True)
    node, known = prepared("snapshots", False)
    damage("garbage in producer snapshots", node, known,
           lambda: [open(os.path.join(part(node), f), "wb").write(b"\xff" * 60) for f in os.listdir(part(node)) if f.endswith((".snapshot", ".batches"))], [], True)


def segments():
    for clean in (True, False):
        word = "clean" if clean else "killed"
        node, known = prepared(f"middle-{word}", clean)
        p = segment(node, which=2)
        damage(f"bytes flipped in a middle segment ({word})", node, known, lambda: flip(p, middle(p) + 5000), [os.path.basename(p)], False)
        node, known = prepared(f"tail-{word}", clean)
        p = segment(node, which=-1)
        damage(f"bytes flipped in the last segment ({word})", node, known, lambda: flip(p, middle(p) + 5000), [os.path.basename(p)], False)
        node, known = prepared(f"cut-{word}", clean)
        p = segment(node, which=-1)
        damage(f"the last segment cut in a batch ({word})", node, known, lambda: os.truncate(p, os.path.getsize(p) - 50), [os.path.basename(p)], False)
        if clean:
            continue  # a start after a clean stop reads no segment, as Kafka's; who fetches there gets what is behind
        node, known = prepared(f"gone-{word}", clean)
        p = segment(node, which=2)
        damage(f"a segment is gone ({word})", node, known, lambda: os.remove(p), ["t-0"], False)
    node, known = prepared("head", False)
    p = segment(node, which=2)
    damage("a base offset flipped in a middle segment (killed)", node, known, lambda: flip(p, middle(p)), [os.path.basename(p)], False)
    node, known = prepared("zeros", False)
    p = segment(node, which=-1)

    def zeros():
        with open(p, "ab") as f:
            f.write(bytes(5000))
    damage("zeros behind the last batch", node, known, zeros, [], True)

    def garbage():
        with open(p, "ab") as f:
            f.write(random.Random(1).randbytes(777))
    node, known = prepared("garbage", False)
    p = segment(node, which=-1)
    damage("garbage behind the last batch", node, known, garbage, [], True)


def metadata():
    """Damaged pages of LMDB: a message with the file and the way out, or everything is there."""
    def pages(node, file, which):
        path = os.path.join(node.data, "__cluster_metadata-0", file)
        n = os.path.getsize(path) // 4096
        for i in which(n):
            flip(path, i * 4096 + 16, 600)
        return path

    cases = (("log.mdb, both meta pages", "log.mdb", lambda n: (0, 1)), ("log.mdb, one meta page", "log.mdb", lambda n: (0,)),
             ("log.mdb, every page", "log.mdb", lambda n: range(n)), ("log.mdb, data pages", "log.mdb", lambda n: range(2, n)),
             ("image, both meta pages", "image/data.mdb", lambda n: (0, 1)), ("image, data pages", "image/data.mdb", lambda n: range(2, n)))
    for what, file, which in cases:
        for clean in (True, False):
            node, known = prepared(f"lmdb-{what.replace(' ', '').replace(',', '').replace('.', '')}-{clean}", clean)
            if not os.path.exists(os.path.join(node.data, "__cluster_metadata-0", file)):
                skip(f"damaged {what}", "no such file: " + ", ".join(os.listdir(os.path.join(node.data, "__cluster_metadata-0"))))
                node.kill()
                break
            what2 = f"damaged {what} ({'clean' if clean else 'killed'})"
            pages(node, file, which)
            if node.start():
                with Conn(opt.port) as c:
                    c.wait_leader("t", seconds=5)
                if not holds(what2 + ": it starts", "t", known):
                    print(node.words()[-800:])
            else:
                code = node.status(5)
                line = next((x for x in node.words().splitlines() if "__cluster_metadata-0" in x), None)
                check(f"{what2}: it ends with a message that names the file", line is not None and code is not None and code > 0,
                      f"status {code}: {(line or node.words()[-300:])[26:340]}")
            node.kill()
    node, known = prepared("lmdb-cut", False)
    path = os.path.join(node.data, "__cluster_metadata-0", "log.mdb")
    os.truncate(path, os.path.getsize(path) // 2)
    started = node.start()
    line = next((x for x in node.words().splitlines() if "log.mdb" in x or "__cluster_metadata-0" in x), None)
    check("log.mdb cut in half: it ends with a message that names the file", not started and line is not None and (node.status(5) or 0) > 0,
          f"status {node.status(1)}: {(line or node.words()[-300:])[26:340]}")
    node.kill()


def directories():
    node, known = prepared("dirs", True)
    meta = os.path.join(node.data, "meta.properties")
    with open(meta) as f:
        good = f.read()

    def refused(what, words, text=None, remove=None, prop=None):
        if text is not None:
            with open(meta, "w") as f:
                f.write(text)
        if remove:
            os.rename(remove, remove + ".away")
        node.configure(*(prop or ("", 1)))
        started = node.start(10)
        code = node.status(5) if not started else None
        check(f"{what}: it does not start, and says why", not started and code and node.said(*words) is not None,
              f"status {code}: {node.words().strip().splitlines()[-1][26:300] if node.words().strip() else 'nothing'}")
        node.kill()
        if remove:
            os.rename(remove + ".away", remove)
        with open(meta, "w") as f:
            f.write(good)
        node.configure("", 1)
    refused("meta.properties of another node", ["node"], re.sub(r"node.id=1", "node.id=7", good))
    refused("meta.properties of garbage", ["meta.properties"], "\x01\x02 not this\n")
    refused("an empty meta.properties", ["meta.properties"], "")
    refused("no meta.properties", ["format"], remove=meta)
    refused("another node.id", ["node.id"], prop=("", 5))
    second = os.path.join(opt.folder, "dirs", "second")
    os.makedirs(second)
    with open(os.path.join(second, "meta.properties"), "w") as f:
        f.write(re.sub(r"cluster.id=.*", "cluster.id=BBBBBBBBBBBBBBBBBBBBBQ", good))
    refused("a directory of another cluster", ["cluster"], prop=(f"log.dirs={node.data},{second}\nmetadata.log.dir={node.data}", 1))
    os.chmod(node.data, 0o500)
    os.chmod(node.data, 0o755)
    boot = os.path.join(node.data, "bootstrap.checkpoint")
    if os.path.exists(boot):
        os.remove(boot)
    check("without bootstrap.checkpoint, later: it starts", node.start(), "" if node.runs() else node.words()[-300:])
    with Conn(opt.port) as c:
        c.wait_leader("t")
    holds("without bootstrap.checkpoint, later", "t", known)
    again = Node(opt.rookery, os.path.join(opt.folder, "dirs2"), opt.port + 5, data=node.data)
    started = again.start(10)
    check("a second server on the same directory: it does not start, and says why", not started and again.said("in use") is not None,
          again.words().strip().splitlines()[-1][26:300] if again.words().strip() else "nothing")
    again.kill()
    node.stop()
    # before the first start
    for what, text in (("no bootstrap.checkpoint", None), ("an empty bootstrap.checkpoint", b""), ("a bootstrap.checkpoint of garbage", b"\xff" * 300)):
        node = Node(opt.rookery, os.path.join(opt.folder, "boot" + str(text is None) + str(len(text or b""))), opt.port)
        node.format()
        boot = os.path.join(node.data, "bootstrap.checkpoint")
        if text is None:
            os.remove(boot)
        else:
            with open(boot, "wb") as f:
                f.write(text)
        started = node.start(10)
        line = node.said("bootstrap.checkpoint")
        fine = False
        if started:
            with Conn(opt.port) as c:
                fine = c.create("t") == 0 and c.wait_leader("t", seconds=5)
        check(f"{what} before the first start: it says so{' and works' if started else ''}", (started and fine) or (not started and line is not None),
              (line or node.words()[-200:])[26:300])
        node.kill()


def descriptors():
    node = fresh("few")
    make("many", 200)
    check("it stops", node.stop() == 0)
    check("64 descriptors: it starts", node.start(files=64), "" if node.runs() else node.words()[-300:])
    with Conn(opt.port) as c:
        check("64 descriptors: 200 partitions have leaders", c.wait_leader("many", 200))
        codes = [c.produce("many", batch([f"p{p}".encode()]), p)[0] for p in range(200)]
        check("64 descriptors: each takes a record", not any(codes), ", ".join({raw.name(x) for x in codes if x}))
        codes = [c.produce("many", batch([f"q{p}".encode()]), p)[0] for p in range(200)]
        check("64 descriptors: and another", not any(codes), ", ".join({raw.name(x) for x in codes if x}))
        good = sum(c.read_all("many", p) == [(0, f"p{p}".encode()), (1, f"q{p}".encode())] for p in range(200))
        check("64 descriptors: each gives both back", good == 200, str(good))
    conns = []
    try:
        for _ in range(60):
            conns.append(Conn(opt.port, timeout=2))
    except OSError:
        pass
    time.sleep(0.5)
    served = 0
    for c in conns:
        try:
            c.s.settimeout(0.3)
            served += c.api_versions()[0] == 0
        except (OSError, Closed):
            pass
    check("64 descriptors, 60 connections: some are served and the log says the rest", 0 < served, f"{served}")
    if served < 60:
        check("64 descriptors, 60 connections: the log says what to raise", node.said("limit on open files") is not None)
    for c in conns:
        c.close()
    time.sleep(0.5)
    with Conn(opt.port) as c:
        check("64 descriptors: afterwards it serves", c.produce("many", batch([b"z"]), 7)[0] == 0)
    check("64 descriptors: the log has no error of a file", node.said("Too many open files", "many-") is None, str(node.said("Too many open files", "many-"))[:200])
    check("64 descriptors: it stops", node.stop() == 0)
    check("64 descriptors: it starts again", node.start(files=64))
    with Conn(opt.port) as c:
        c.wait_leader("many", 200)
        good = sum(c.read_all("many", p)[:2] == [(0, f"p{p}".encode()), (1, f"q{p}".encode())] for p in range(200))
        check("64 descriptors: everything is there", good == 200, str(good))
    node.kill()
    check("64 descriptors: it starts after kill -9", node.start(files=64), "" if node.runs() else node.words()[-300:])
    with Conn(opt.port) as c:
        c.wait_leader("many", 200)
        good = sum(c.read_all("many", p)[:2] == [(0, f"p{p}".encode()), (1, f"q{p}".encode())] for p in range(200))
        check("64 descriptors: everything is there after kill -9", good == 200, str(good))
    node.stop()


os.makedirs(opt.folder, exist_ok=True)
for test in (full, failed_fsync, failed_write, failed_read, failed_names, failed_metadata, descriptors, indexes, checkpoints, segments, metadata, directories):
    if re.search(opt.only, test.__name__):
        try:
            test()
        except (OSError, Closed, AssertionError) as e:
            report.no(f"{test.__name__} ended: {type(e).__name__} {str(e)[-400:]}")
        finally:
            Node.kill_all()
sys.exit(report.failures > 0)
