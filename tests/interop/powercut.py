"""powercut.py ROOKERY FOLDER PORT ROUNDS: what was acknowledged, or only consumed, survives the loss of power.

The server's directory is an ext4 of its own on a loop device. Power goes with ext4's shutdown ioctl, which stops
the file system without letting its journal out: what was not synced is lost, as in an outlet pulled.
"""
import os
import random
import sys
import threading
import time

import raw
from disk_image import Disk
from node import Node, Report
from raw import Closed, Conn, batch

PARTITIONS, IN_FLIGHT = 3, 5
rookery, folder, port, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
report = Report("powercut")
check = report.check


class Stream(threading.Thread):
    """An idempotent producer of acks=all with five batches in flight, on one partition."""

    def __init__(self, topic, partition, tag, acked):
        super().__init__()
        self.topic, self.partition, self.tag, self.acked, self.error = topic, partition, tag, acked, None

    def run(self):
        rng, flying, n = random.Random(f"{self.tag}{self.partition}"), [], 0
        try:
            with Conn(port, timeout=10) as c:
                pid, epoch = c.producer_id()
                while True:
                    while len(flying) < IN_FLIGHT:
                        values = [f"{self.tag}-{self.partition}-{n + i}".encode().ljust(rng.choice((30, 30, 800)), b".")
                                  for i in range(rng.randrange(1, 12))]
                        flying.append((values, c.send_produce(self.topic, batch(values, pid, epoch, n), self.partition)))
                        n += len(values)
                    values, sent = flying.pop(0)
                    got, code, base, message = c.produce_answer()
                    assert got == sent, "answers out of order"
                    if code:
                        self.error = raw.name(code)
                        return
                    for i, v in enumerate(values):
                        self.acked[self.partition, base + i] = v
        except (Closed, OSError) as e:
            self.error = str(e)


class Reader(threading.Thread):
    """Consumes one partition from where it is told on; what it saw may never change."""

    def __init__(self, topic, partition, offset, seen):
        super().__init__()
        self.topic, self.partition, self.offset, self.seen, self.error = topic, partition, offset, seen, None

    def run(self):
        try:
            with Conn(port, timeout=10) as c:
                while True:
                    code, _, records = c.fetch(self.topic, self.offset, self.partition, wait_ms=200, min_bytes=1)
                    if code:
                        self.error = raw.name(code)
                        return
                    for offset, value in raw.values_of(records):
                        self.seen[self.partition, offset] = value
                        self.offset = offset + 1
        except (Closed, OSError) as e:
            self.error = str(e)


def there(topic, partitions=PARTITIONS):
    found = {}
    with Conn(port) as c:
        check_leader = c.wait_leader(topic, partitions)
        assert check_leader, f"{topic} has no leaders"
        for p in range(partitions):
            start = c.end(topic, p, at=-2)
            for offset, value in c.read_all(topic, p, start):
                found[p, offset] = value
    return found


def wrong(expected, found):
    return [(k, v[:20], found.get(k, b"nothing")[:20]) for k, v in expected.items() if found.get(k) != v]


def stream_rounds(disk, node):
    known, careless = {}, {}  # what must be there for ever; what page-cache acknowledgements promised
    with Conn(port) as c:
        check("the topics are made", c.create("cut", PARTITIONS) == 0
              and c.create("careless", 1, [("write.caching", "true")]) == 0 and c.wait_leader("cut", PARTITIONS))
    forgotten = 0
    for n in range(rounds):
        acked, seen, late = {}, {}, {}
        tops = {p: max([o + 1 for q, o in known if q == p], default=0) for p in range(PARTITIONS)}
        threads = [Stream("cut", p, f"r{n}", acked) for p in range(PARTITIONS)]
        threads += [Reader("cut", p, tops[p], seen) for p in range(PARTITIONS)] + [Stream("careless", 0, f"c{n}", late)]
        for t in threads:
            t.start()
        rng = random.Random(n)
        time.sleep(0.3 + 1.5 * rng.random())
        fresh = f"fresh-{n}"
        with Conn(port) as c:
            made = c.create(fresh, 2)
            one = c.produce(fresh, batch([b"first"]))[:2] if c.wait_leader(fresh, 2) else (-1, -1)
        if n % 2:
            time.sleep(rng.random() * 0.3)
        disk.cut()
        node.kill()
        for t in threads:
            t.join()
        disk.umount()
        disk.mount()
        began = time.time()
        if not check(f"round {n}: it starts again by itself", node.start()):
            print(node.words()[-1500:])
            return
        took, found = time.time() - began, there("cut")
        expected = {**known, **acked, **seen}
        bad = wrong(expected, found)
        check(f"round {n}: {len(acked)} acknowledged and {len(seen)} consumed records are there, started in {took:.2f} s",
              not bad and len(acked) > 0, f"{len(bad)} not: {bad[:3]}" if bad else "")
        values = list(found.values())
        check(f"round {n}: nothing is there twice", len(values) == len(set(values)), "" if len(values) == len(set(values)) else f"{len(values) - len(set(values))} are")
        check(f"round {n}: a topic made just before is there with its record", made == 0 and one == (0, 0) and there(fresh, 2) == {(0, 0): b"first"})
        known = found
        forgotten += len(wrong({(0, k[1]): v for k, v in {**careless, **late}.items()}, careless := there("careless", 1)))
    print(f"note powercut: {forgotten} records acknowledged under write.caching=true were lost: the cut cuts")


def recognised(disk, node):
    """Five batches in flight, some answered, power or process gone: each retry is recognised."""
    topic, total = "retry", 0
    with Conn(port) as c:
        c.create(topic, 1)
        c.wait_leader(topic)
    seq, at, expect = 0, 0, None
    with Conn(port) as c:
        pid, epoch = c.producer_id()
    for n, (answers, how) in enumerate(((5, "kill"), (0, "kill"), (3, "kill"), (5, "cut"), (2, "cut"), (5, "stop"), (1, "kill"), (5, "restart twice"))):
        batches = [batch([f"{seq + i}".encode()], pid, epoch, seq + i) for i in range(5)]
        got = {}
        with Conn(port) as c:
            for b in batches:
                c.send_produce(topic, b)
            for i in range(answers):
                _, code, base, _ = c.produce_answer()
                got[i] = (code, base)
        if how == "cut":
            disk.cut()
        if how in ("stop", "restart twice"):
            node.stop()
        else:
            node.kill()
        if how == "cut":
            disk.umount()
            disk.mount()
        if not check(f"retry {n}: it starts after '{how}'", node.start()):
            return
        if how == "restart twice":
            node.stop()
            node.start()
        with Conn(port) as c:
            c.wait_leader(topic)
            again = []
            for b in batches:
                code, base, message = c.produce(topic, b)
                again.append((code, base))
            right = [(0, at + i) for i in range(5)]
            check(f"retry {n}: {answers} of five answered, '{how}', all five sent again: the same offsets", again == right
                  and all(got[i] == right[i] for i in got), "" if again == right else f"{got} then {again}, wanted {right}")
            total = c.read_all(topic)
            check(f"retry {n}: each is there once", [v for _, v in total] == [str(i).encode() for i in range(seq + 5)])
        seq, at = seq + 5, at + 5


def first_starts():
    """Format and first start are durable when they say so."""
    for n, pause in enumerate((None, 0.0, 0.3, 2.0)):
        disk = Disk(folder, f"first{n}", 100)
        node = Node(rookery, os.path.join(folder, f"node{n}"), port, data=os.path.join(disk.at, "data"))
        try:
            code, text = node.format()
            what = "just formatted" if pause is None else f"cut {pause} s after its first start"
            if not check(f"{what}: it was formatted", code == 0, text.strip()[-200:] if code else ""):
                continue
            if pause is not None:
                check(f"{what}: it starts", node.start())
                with Conn(port) as c:
                    made = c.create("early", 1)
                    time.sleep(pause)
            disk.cut()
            node.kill()
            disk.umount()
            disk.mount()
            if check(f"{what}: it starts again", node.start()):
                with Conn(port) as c:
                    if pause is not None:
                        check(f"{what}: its topic is there", made == 0 and c.wait_leader("early"))
                    check(f"{what}: it takes a topic and a record", c.create("late", 1) == 0 and c.wait_leader("late")
                          and c.produce("late", batch([b"x"]))[:2] == (0, 0))
                check(f"{what}: it stops", node.stop() == 0)
            else:
                print(node.words()[-1500:])
        finally:
            node.kill()
            disk.umount()


def main():
    disk = Disk(folder, "disk")
    node = Node(rookery, os.path.join(folder, "node"), port, data=os.path.join(disk.at, "data"))
    try:
        code, text = node.format()
        if check("the directory is formatted", code == 0, text.strip()[-200:] if code else "") and check("the server starts", node.start()):
            recognised(disk, node)
            stream_rounds(disk, node)
            check("SIGTERM ends it with 0", node.stop() == 0)
    except (OSError, Closed, AssertionError) as e:
        report.no(f"it ended: {type(e).__name__} {e}; the server {'runs' if node.runs() else 'is gone'}: {node.words()[-300:]}")
    finally:
        node.kill()
        disk.umount()
    first_starts()


main()
sys.exit(report.failures > 0)
