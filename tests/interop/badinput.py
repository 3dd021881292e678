"""badinput.py PORT [--pid PID --log FILE] [--only REGEX]: what strangers, liars and hoarders send.

Each check is a line "ok ...", "FAIL ..." or "skip ...". With --pid the server's memory, descriptors and life are
watched, with --log its words; without them only answers are checked, so that Apache Kafka can be asked too.
A neighbour (a process of its own) produces and fetches all the while and tells how long it was kept waiting.
"""
import argparse
import json
import os
import random
import re
import resource
import select
import signal
import socket
import struct
import sys
import time
import zlib

import raw
from node import Report
from raw import Closed, Conn, batch, record, string, varint

MIB = 1 << 20
ap = argparse.ArgumentParser()
ap.add_argument("port", type=int)
ap.add_argument("--pid", type=int)
ap.add_argument("--log")
ap.add_argument("--only", default="")
ap.add_argument("--san", action="store_true", help="a sanitizer's build: its memory says nothing")
opt = ap.parse_args()
report = Report("badinput")
ok, no, skip, check = report.ok, report.no, report.skip, report.check


# --- the server, looked at from outside

def rss():
    with open(f"/proc/{opt.pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) * 1024


def fds():
    return len(os.listdir(f"/proc/{opt.pid}/fd"))


def alive():
    if opt.pid is None:
        with Conn(opt.port) as c:
            return c.api_versions()[0] == 0
    try:
        with open(f"/proc/{opt.pid}/stat") as f:
            return f.read().split(")")[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def said_since(at, words):
    """The log has, after position at, a line with all the words (waits a moment for it)."""
    for _ in range(30):
        with open(opt.log, errors="replace") as f:
            f.seek(at)
            for line in f:
                if all(w in line for w in words):
                    return True
        time.sleep(0.1)
    return False


def log_end():
    return os.path.getsize(opt.log) if opt.log else 0


def settle(base, seconds=10):
    """Waits until the server has closed what we closed; the descriptors it then has."""
    end = time.time() + seconds
    while fds() > base and time.time() < end:
        time.sleep(0.1)
    return fds()


# --- the neighbour

class Neighbour:
    """A well-behaved client: one record in, one out, every 5 ms."""

    def __init__(self):
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            try:
                self.run(theirs)
            finally:
                os._exit(0)
        theirs.close()
        self.s = ours

    @staticmethod
    def run(s):
        took, errors, c = [], [], None
        while True:
            if select.select([s], [], [], 0.005)[0]:
                if not s.recv(1):
                    return
                took.sort()
                n = len(took)
                pick = {"n": n, "errors": errors[:3]}
                if n:
                    pick.update(p50=took[n // 2], p99=took[n * 99 // 100], max=took[-1])
                s.sendall(json.dumps(pick).encode() + b"\n")
                took, errors = [], []
            try:
                if c is None:
                    c = Conn(opt.port, timeout=30)
                start = time.perf_counter()
                code, base, _ = c.produce("neighbour", batch([b"hello"]))
                if code:
                    errors.append(raw.name(code))
                    continue
                code, _, records = c.fetch("neighbour", base)
                if code or raw.values_of(records)[0] != (base, b"hello"):
                    errors.append(f"fetch {raw.name(code)}")
                took.append((time.perf_counter() - start) * 1000)
            except (OSError, Closed) as e:
                errors.append(str(e))
                c = None
                time.sleep(0.1)

    def report(self):
        self.s.sendall(b"?")
        out = b""
        while not out.endswith(b"\n"):
            out += self.s.recv(4096)
        return json.loads(out)

    def undisturbed(self, what, p50=25, worst=2000):
        r = self.report()
        text = "p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {max:.0f} ms of {n}".format(**r) if r["n"] else "nothing"
        if opt.san:
            p50, worst = p50 * 20, worst * 5
        check(f"{what}: another client is served meanwhile ({text})",
              r["n"] > 0 and not r["errors"] and r["p50"] < p50 and r["max"] < worst, ", ".join(r["errors"]))

    def stop(self):
        self.s.close()
        os.waitpid(self.pid, 0)


# --- frames

def frame(key, version, body, client=string("raw"), correlation=7, flexible=False):
    head = struct.pack(">hhi", key, version, correlation) + client + (b"\0" if flexible else b"")
    return struct.pack(">i", len(head) + len(body)) + head + body


def refused(what, data, words=(), finish=False):
    """The peer closes without an answer; the log says who and why."""
    at = log_end()
    if opt.log and words:
        time.sleep(1.05)  # one line a second of a kind is what the log lets through
    with Conn(opt.port, timeout=10) as c:
        try:
            c.raw(data)
            if finish:
                c.s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        closed = c.closed()
        check(f"{what}: the connection is closed", closed)
        if opt.log and words:
            check(f"{what}: the log says who and why", said_since(at, [c.me, *words]))


def answered(what, data, want):
    with Conn(opt.port, timeout=10) as c:
        c.raw(data)
        try:
            got = c.answer()[1].data
            check(f"{what}: answered", want(got), got[:24].hex())
        except (Closed, TimeoutError) as e:
            no(f"{what}: no answer ({e})")


def frames():
    for n in (-1, -2 ** 31, 100 * MIB + 1, 2 ** 31 - 1):
        refused(f"a frame of length {n}", struct.pack(">i", n) + b"x" * 20, ["announces"])
    for n in (0, 1, 4, 7, 8):
        refused(f"a frame of {n} bytes", struct.pack(">i", n) + b"\0" * n, ["header"] if n == 0 else [])
    refused("a frame cut short", frame(3, 8, b"\0" * 50)[:30], finish=True)
    refused("a length cut short", b"\0\0", finish=True)
    for key in (999, -1, 4):
        refused(f"API key {key}", frame(key, 0, b""), ["not served"])
    refused("Produce of version 99", frame(0, 99, b"", flexible=True), ["version"])
    refused("Fetch of version 99", frame(1, 99, b"", flexible=True), ["version"] if not opt.log else [])
    refused("Produce of version -1", frame(0, -1, b""))
    answered("ApiVersions of version 99", frame(18, 99, b"", flexible=True), lambda b: b[4:6] == b"\0\x23")
    refused("Metadata of 2^31-1 topics", frame(3, 8, struct.pack(">i", 2 ** 31 - 1)), ["body"])
    refused("a string past the end", frame(3, 8, struct.pack(">ih", 1, 500) + b"abc"))
    refused("records past the end", frame(0, 8, struct.pack(">hhii", -1, -1, 1000, 1) + string("t") + struct.pack(">iii", 1, 0, 2 ** 31 - 1)))
    refused("Fetch of 2^31-1 topics", frame(1, 11, struct.pack(">iiiibiii", -1, 0, 0, MIB, 0, 0, -1, 2 ** 31 - 1)))
    refused("a compact array of 2^32-2", frame(3, 12, b"\xff\xff\xff\xff\x0f", flexible=True))
    refused("a varint without end", frame(3, 12, b"\xff" * 30, flexible=True))
    answered("bytes behind a request", frame(3, 8, struct.pack(">i", 0) + b"\0\0\0trailing"), lambda b: len(b) > 20)
    answered("a name that is not UTF-8", frame(3, 8, struct.pack(">ih", 1, 2) + b"\xff\xfe\0\0\0"), lambda b: len(b) > 20)


def tongues():
    refused("TLS on the port", bytes.fromhex("1603010200010001fc0303") + b"a" * 500, ["TLS"])
    refused("HTTP on the port", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ["HTTP"])
    refused("SSH on the port", b"SSH-2.0-OpenSSH_9\r\n", ["SSH"])
    refused("text on the port", b"hello there, who are you?\r\n", ["announces"])


# --- batches

def lz4_bomb(size):
    """An LZ4 frame of one-byte matches: size bytes of zero in size / 255."""
    def xxh32(b):
        p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
        m = 0xffffffff
        assert len(b) < 4
        h = (p5 + len(b)) & m
        for x in b:
            h = (h + x * p5) & m
            h = (h << 11 | h >> 21) & m
            h = h * p1 & m
        h = (h ^ h >> 15) * p2 & m
        h = (h ^ h >> 13) * p3 & m
        return h ^ h >> 16
    flags = bytes([0x60, 0x70])  # version 1, independent blocks, of 4 MiB at most
    out = struct.pack("<I", 0x184d2204) + flags + bytes([xxh32(flags) >> 8 & 255])
    each = 4 * MIB
    n = each - 1 - 5 - 4  # after one literal; five literals end a block
    block = b"\x1f\0" + b"\1\0" + b"\xff" * ((n - 15) // 255) + bytes([(n - 15) % 255]) + b"\x50" + b"\0" * 5
    for _ in range(size // each):
        out += struct.pack("<I", len(block)) + block
    return out + struct.pack("<I", 0)


def zstd_bomb(size):
    """A zstd frame of RLE blocks: 128 KiB of zero in four bytes."""
    blocks = size // (128 * 1024)
    out = struct.pack("<I", 0xfd2fb528) + b"\0" + bytes([0x50])  # window of 1 MiB, no size told
    for i in range(blocks):
        out += struct.pack("<I", (i == blocks - 1) | 1 << 1 | 128 * 1024 << 3)[:3] + b"\0"
    return out


def snappy_bomb(size):
    """Raw snappy: a literal and copies of 64 bytes."""
    out = bytearray()
    n = size
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    out += b"\0\0"
    return bytes(out) + b"\xfe\1\0" * ((size - 1) // 64)


def gzip_bomb(size):
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    out, zero = [], b"\0" * (16 * MIB)
    out.append(z.compress(varint(size) + b"\0\0\0\1" + varint(size - 20)))  # it begins like one huge record
    for _ in range(size // len(zero)):
        out.append(z.compress(zero))
    out.append(z.flush())
    return b"".join(out)


def produced(what, records, want, words=(), topic="batches"):
    at = log_end()
    if opt.log and words:
        time.sleep(1.05)
    try:
        with Conn(opt.port, timeout=60) as c:
            code, _, message = c.produce(topic, records)
            check(f"{what}: {' or '.join(want)}", raw.name(code) in want, f"{raw.name(code)} {message or ''}")
            if opt.log and words and code:
                check(f"{what}: the log says who and why", said_since(at, [c.me, *words]))
    except Closed as e:
        check(f"{what}: {' or '.join(want)}", "closed" in want, f"closed: {e}")


def batches():
    good = batch([b"x"])
    with Conn(opt.port) as c:
        before = c.end("batches")
    bad, corrupt = ["INVALID_RECORD"], ["CORRUPT_MESSAGE"]
    produced("a wrong CRC", batch([b"x"], crc=1), corrupt, ["batches"])
    for magic, want in ((0, bad), (1, bad), (3, corrupt), (-1, corrupt)):
        produced(f"magic {magic}", batch([b"x"], magic=magic), want, ["batches"] if magic == 1 else [])
    produced("no records", b"", bad)
    produced("zeros for a batch", b"\0" * 100, corrupt)
    produced("a batch cut short", good[:-3], bad)
    produced("a batch cut in its head", good[:20], bad)
    produced("two batches", good + good, bad)
    produced("a batch and zeros", good + b"\0" * 60, corrupt)
    produced("a batch longer than it is", batch([b"x"], length=len(good) + 100), bad)
    produced("a batch shorter than a head", batch([b"x"], length=20), corrupt)
    produced("a batch of negative length", batch([b"x"], length=-5), corrupt)
    produced("five records announced, one there", batch([b"x"], count=5), bad)
    produced("no record in a batch", batch([], count=0, payload=b""), bad)
    produced("-1 records", batch([b"x"], count=-1), bad)
    produced("one announced, two there", batch([b"x", b"y"], count=1), bad)
    produced("2^31-1 records announced", batch([b"x"], count=2 ** 31 - 1), bad)
    for codec in (5, 6, 7):
        produced(f"compression type {codec}", batch([b"x"], codec=codec), ["UNKNOWN_SERVER_ERROR", *bad, *corrupt, "UNSUPPORTED_COMPRESSION_TYPE"])
    produced("a control batch from a client", batch([b"x"], codec=32), bad)
    produced("a producer id without epoch", batch([b"x"], pid=5), bad)
    produced("records of 0xff", batch([b"x"], payload=b"\xff" * 30), ["UNKNOWN_SERVER_ERROR", *bad, *corrupt])
    produced("a record longer than its batch", batch([b"x"], payload=varint(1000) + b"\0" * 20), bad)
    produced("a batch over max.message.bytes", batch([b"\0" * 1100000]), ["MESSAGE_TOO_LARGE"], ["batches"])
    for codec, n in ((1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd")):
        produced(f"garbage that says it is {n}", batch([b"x"], codec=codec, payload=b"garbage, not compressed"),
                 ["UNKNOWN_SERVER_ERROR", *bad, *corrupt] + (["NONE"] if n == "snappy" else []))  # snappy has no mark to know it by
    with Conn(opt.port) as c:
        check("nothing of it was appended", c.end("batches") - before <= 1, f"{c.end('batches') - before} records more (the snappy one)")
        code, base, _ = c.produce("batches", good)
        check("a good batch after them is taken", code == 0 and c.fetch("batches", base)[0] == 0)


def bombs(neighbour):
    """Produced where nothing must be opened, searched by time, and where the topic's own codec demands opening."""
    made = {"gzip": (1, gzip_bomb(960 * MIB)), "snappy": (2, snappy_bomb(20 * MIB)), "lz4": (3, lz4_bomb(240 * MIB)),
            "zstd": (4, zstd_bomb(4096 * MIB)), "snappy that claims 4 GiB": (2, b"\xff\xff\xff\xff\x0f\0\0" + b"\xfe\1\0" * 10)}
    with Conn(opt.port) as c:
        for topic, codec in (("bombs", "producer"), ("bombs-lz4", "lz4"), ("bombs-none", "uncompressed")):
            c.create(topic, 1, [("compression.type", codec)])
            c.wait_leader(topic)
    neighbour.report()
    for n, (codec, payload) in made.items():
        b = batch([b"x"], codec=codec, payload=payload)
        for topic in ("bombs", "bombs-lz4", "bombs-none"):
            base = rss() if opt.pid else 0
            try:
                with Conn(opt.port, timeout=120) as c:
                    start = time.time()
                    code, _, message = c.produce(topic, b)
                    what = f"{n}, {len(b)} bytes, to {topic}: {raw.name(code)} {message or ''} after {time.time() - start:.2f} s"
                    if code == 0:
                        for at in (int(time.time() * 1000) - 60000, 1):  # who looks for a time must open it
                            try:
                                c.end(topic, at=at)
                            except AssertionError as e:
                                what += f", by time {e}"
                        what += f", searched after {time.time() - start:.2f} s"
                    check(f"a bomb of {what}", topic == "bombs" or code != 0 or topic.endswith(n))
            except (Closed, TimeoutError) as e:
                no(f"a bomb of {n} to {topic}: {e}")
            if opt.pid and not alive():
                return
            if opt.pid and not opt.san:
                grown = (rss() - base) / MIB
                peak(f"a bomb of {n} to {topic}", grown, 48)
    neighbour.undisturbed("bombs", worst=4000)


def peak(what, grown, most):
    check(f"{what}: the server grew by no more than {most} MiB", grown <= most, f"{grown:.1f} MiB")


# --- many, slow and greedy

def claims(neighbour):
    """40 connections announce 95 MiB each and send a byte; then a mebibyte."""
    base = rss() if opt.pid else 0
    neighbour.report()
    conns = [Conn(opt.port) for _ in range(40)]
    for c in conns:
        c.raw(struct.pack(">i", 95 * MIB) + b"\0")
    time.sleep(3)
    neighbour.undisturbed("40 claims of 95 MiB")
    if opt.pid and not opt.san:
        peak("40 claims of 95 MiB", (rss() - base) / MIB, 40 / 16 + 4)
    for c in conns:
        c.raw(b"\0" * MIB)
    time.sleep(3)
    neighbour.undisturbed("and a mebibyte of each")
    if opt.pid and not opt.san:
        peak("and a mebibyte of each", (rss() - base) / MIB, 40 + 40 / 16 + 6)
    for c in conns:
        c.close()
    time.sleep(1)
    if opt.pid and not opt.san:
        peak("after they have left", (rss() - base) / MIB, 16)


def crowd(neighbour):
    """10,000 open connections, most of them silent."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    want = min(10000, hard - 100)
    if want < 10000:
        skip("10,000 connections", f"this shell may open {hard} files: {want} it is")
    base_fds, base = (fds(), rss()) if opt.pid else (0, 0)
    neighbour.report()
    conns, slowest = [], 0.0
    for i in range(want):
        start = time.time()
        try:
            s = socket.create_connection(("127.0.0.1", opt.port), timeout=20)
        except OSError as e:
            no(f"connection {i}: {e}")
            break
        slowest = max(slowest, time.time() - start)
        conns.append(s)
    time.sleep(1)
    neighbour.undisturbed(f"{len(conns)} open connections")
    try:
        with Conn(opt.port, timeout=10) as c:
            start = time.time()
            c.api_versions()
            check(f"one more after {len(conns)} is served", time.time() - start < 5, f"after {(time.time() - start) * 1000:.0f} ms")
    except (OSError, Closed) as e:
        no(f"one more after {len(conns)}: {e}")
    served = 0
    for s in conns[::100]:
        s.settimeout(10)
        try:
            s.sendall(frame(18, 0, b""))
            served += len(s.recv(65536)) > 10
        except OSError:
            pass
    check("every hundredth of them is served", served == len(conns[::100]), f"{served} of {len(conns[::100])}")
    if opt.pid and not opt.san:
        each = (rss() - base) / max(1, len(conns)) / 1024
        check("an idle connection costs no more than 4 KiB", each <= 4, f"{each:.2f} KiB")
    for s in conns:
        s.close()
    if opt.pid:
        n = settle(base_fds)
        check("their descriptors are given back", n <= base_fds + 2, f"{base_fds} before, {n} after")
    neighbour.report()


def slow_readers(neighbour):
    """1,000 clients ask for a mebibyte and do not read; then as many ask a hundred times and do not read."""
    base_fds, base = (fds(), rss()) if opt.pid else (0, 0)
    with Conn(opt.port) as c:
        for _ in range(8):
            c.produce("slow", batch([bytes(1000000)]))
    neighbour.report()
    conns = []
    for i in range(1000):
        c = Conn(opt.port, receive=4096)
        for _ in range(1 if i % 2 else 100):
            c.send_fetch("slow", 0, max_bytes=8 * MIB)
        conns.append(c)
    time.sleep(3)
    neighbour.undisturbed("1,000 that fetch and do not read")
    if opt.pid and not opt.san:
        peak("1,000 that fetch and do not read", (rss() - base) / MIB, 64)
    with Conn(opt.port) as c:
        check("a reader that reads gets its megabyte", len(c.fetch("slow", 0)[2]) > 900000)
    for c in conns:
        c.close()
    if opt.pid:
        n = settle(base_fds)
        check("descriptors are given back", n <= base_fds + 2, f"{base_fds} before, {n} after")
    neighbour.report()


def pipeliners(neighbour):
    """Ten clients send requests as fast as they can and read nothing."""
    base = rss() if opt.pid else 0
    neighbour.report()
    data, conns, sent = frame(3, 8, struct.pack(">i", 0) + b"\0\0\0") * 2000, [], 0
    for _ in range(10):
        c = Conn(opt.port, receive=4096)
        c.s.setblocking(False)
        conns.append(c)
    end = time.time() + 3
    while time.time() < end:
        for c in conns:
            try:
                sent += c.s.send(data)
            except OSError:
                time.sleep(0.001)
    neighbour.undisturbed(f"10 that ask and do not read ({sent // 1024} KiB taken)")
    if opt.pid and not opt.san:
        peak("10 that ask and do not read", (rss() - base) / MIB, 16)
    for c in conns:
        c.close()


def dribblers(neighbour):
    """500 clients send a request one byte at a time; each is answered in the end."""
    data = frame(18, 0, b"")
    neighbour.report()
    conns = [Conn(opt.port) for _ in range(500)]
    for i in range(len(data)):
        for c in conns:
            c.raw(data[i:i + 1])
    good = 0
    for c in conns:
        good += c.answer()[0] == 7
        c.close()
    check("500 requests of one byte at a time are answered", good == 500, f"{good}")
    neighbour.undisturbed("500 that send byte by byte")


def garbage(neighbour, rounds=600):
    """Random bytes; and real requests with bits flipped and ends cut."""
    rng = random.Random(20261123)
    real = [frame(18, 0, b""), frame(3, 8, struct.pack(">i", 1) + string("neighbour") + b"\0\0\0"),
            frame(0, 8, raw.produce_body("batches", batch([b"abc", b"def"]))),
            frame(1, 11, struct.pack(">iiiibii", -1, 0, 0, MIB, 0, 0, -1) + struct.pack(">i", 1) + string("batches")
                  + struct.pack(">iiiqqi", 1, 0, -1, 0, -1, MIB) + struct.pack(">i", 0) + string("")),
            frame(2, 5, struct.pack(">ibi", -1, 0, 1) + string("batches") + struct.pack(">iiiq", 1, 0, -1, -1)),
            frame(19, 4, struct.pack(">i", 1) + string("no/such") + struct.pack(">ihiiib", 1, 1, 0, 0, 1000, 1)),
            frame(22, 1, struct.pack(">hi", -1, 60000)), frame(3, 12, b"\0\1\0\0", flexible=True),
            frame(18, 3, b"\4raw\2\x31\0", flexible=True)]
    base = rss() if opt.pid else 0
    neighbour.report()
    for i in range(rounds):
        if i % 3 == 0:
            data = rng.randbytes(rng.randrange(1, 4000))
            if i % 2:
                data = struct.pack(">i", len(data)) + data
            if i % 4 == 0:
                data = struct.pack(">ihh", len(data) + 4, rng.randrange(0, 100), rng.randrange(0, 18)) + data
        else:
            data = bytearray(rng.choice(real))
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(4, len(data))] = rng.choice((0, 255, 127, 128, rng.randrange(256)))
            if rng.random() < 0.2:
                data = data[:rng.randrange(4, len(data))]
                struct.pack_into(">i", data, 0, len(data) - 4)
        try:
            with Conn(opt.port, timeout=0.02) as c:
                c.raw(data)
                c.s.recv(100)
        except (OSError, Closed):
            pass
    check(f"{rounds} connections of garbage: the server lives", alive())
    neighbour.undisturbed("garbage")
    if opt.pid and not opt.san:
        peak("garbage", (rss() - base) / MIB, 24)


def millions(neighbour):
    """Requests of very many very small things: what they are decoded to is bounded, and given back."""
    n = 2000000
    bodies = (("names in Metadata", 3, 8, struct.pack(">i", n) + b"\0\0" * n + b"\0\0\0"),
              ("topics in Fetch", 1, 11, struct.pack(">iiiibiii", -1, 0, 0, MIB, 0, 0, -1, n) + b"\0\1t\0\0\0\0" * n + b"\0" * 6),
              ("partitions in ListOffsets", 2, 5, struct.pack(">ibi", -1, 0, 1) + string("no") + struct.pack(">i", n) + struct.pack(">iiq", 0, -1, -1) * n),
              ("partitions in Produce", 0, 8, struct.pack(">hhii", -1, 1, 1000, 1) + string("no") + struct.pack(">i", n) + bytes(8) * n),
              ("topics in DeleteTopics", 20, 3, struct.pack(">i", n) + string("no") * n + struct.pack(">i", 1000)),
              ("resources in DescribeConfigs", 32, 2, struct.pack(">i", n) + (b"\2" + string("no") + b"\xff\xff\xff\xff") * n + b"\0"))
    neighbour.report()
    for what, key, version, body in bodies:
        base = rss() if opt.pid else 0
        with Conn(opt.port, timeout=60) as c:
            try:
                got = f"answered with {len(c.call(key, version, body).data) // 1024} KiB"
            except Closed:
                got = "closed"
        time.sleep(0.2)
        check(f"{n} {what} ({len(body) // 1024} KiB): {got}, the server lives", alive())
        if opt.pid and not opt.san:
            peak(f"after {n} {what}", (rss() - base) / MIB, 200)
    time.sleep(0.5)
    neighbour.undisturbed("requests of millions of things", p50=60, worst=4000)


def names():
    with Conn(opt.port) as c:
        for topic in ("../../etc/x", "a/b", "..", ".", "", "a b", "x" * 250, "a\nb"):
            code = c.create(topic)
            check(f"a topic called {topic[:20]!r} is refused", code == 17, raw.name(code))
        check("a topic of an unknown config is refused", c.create("odd", 1, [("no.such.config", "1")]) == 40)
        check("a topic of a config out of range is refused", c.create("odd", 1, [("segment.bytes", "-1")]) == 40)
        check("a topic of no partitions is refused", c.create("odd", 0) == 37)


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with Conn(opt.port) as c:
        for topic in ("neighbour", "batches", "slow"):
            c.create(topic)
            check(f"topic {topic} is there", c.wait_leader(topic))
        c.produce("batches", batch([b"x"]))
    neighbour = Neighbour()
    time.sleep(0.5)
    first_fds = fds() if opt.pid else 0
    for part, needs in ((frames, False), (tongues, False), (names, False), (crowd, True), (batches, False), (claims, True), (dribblers, True), (pipeliners, True),
                        (slow_readers, True), (garbage, True), (bombs, True), (millions, True)):
        if not re.search(opt.only, part.__name__):
            continue
        try:
            part(neighbour) if needs else part()
        except (OSError, Closed, AssertionError) as e:
            no(f"{part.__name__} ended: {type(e).__name__} {e}")
        if not alive():
            no(f"the server died in {part.__name__}")
            break
    else:
        check("the server lives", alive())
        if opt.pid:
            n = settle(first_fds)
            check("no descriptor is left over", n <= first_fds + 8, f"{first_fds} at first, {n} now")
    neighbour.stop()


main()
sys.exit(report.failures > 0)
