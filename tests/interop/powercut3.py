"""powercut3.py KIND FOLDER CUTS [CONFIG...]: three nodes lose power at once. See the script `powercut3`."""
import os
import random
import sys
import threading
import time

import raw
from cluster import Cluster
from disk_image import Disk
from node import Report
from raw import Closed, batch

kind, folder, cuts, configs = sys.argv[1], os.path.join(sys.argv[2], sys.argv[1]), int(sys.argv[3]), sys.argv[4:]
PARTITIONS, IN_FLIGHT, TOPIC = 4, 5, "cut"
report = Report(f"powercut3 {kind}")
check = report.check
cluster = Cluster(folder, [kind] * 3, dynamic=True, lines=configs)


def leader_of(partition):
    parts = {i: leader for i, leader, _, _ in cluster.state(TOPIC).get(TOPIC, [])}
    return cluster[parts[partition]] if parts.get(partition, -1) > 0 else None


class Stream(threading.Thread):
    """An idempotent producer of acks=all, five batches in flight, on one partition, until the power is gone."""

    def __init__(self, partition, tag, acked):
        super().__init__(daemon=True)
        self.partition, self.tag, self.acked, self.error, self.batches = partition, tag, acked, None, []

    def run(self):
        rng, flying, n, prepared = random.Random(f"{self.tag}{self.partition}"), [], 0, []
        try:
            with leader_of(self.partition).conn(8) as c:
                pid, epoch = c.producer_id()
                while True:
                    while len(flying) < IN_FLIGHT:
                        values = [f"{self.tag}-{self.partition}-{n + i}".encode().ljust(rng.choice((30, 30, 400)), b".") for i in range(rng.randrange(1, 8))]
                        flying.append((values, c.send_produce(TOPIC, batch(values, pid, epoch, n), self.partition)))
                        n += len(values)
                    values, sent = flying.pop(0)
                    got, code, base, _ = c.produce_answer()
                    assert got == sent, "answers out of order"
                    if code:
                        self.error = raw.name(code)
                        return
                    for i, v in enumerate(values):
                        self.acked[self.partition, base + i] = v
        except (Closed, OSError, AttributeError) as e:
            self.error = str(e)


class Reader(threading.Thread):
    """Consumes one partition; what it saw may never change."""

    def __init__(self, partition, offset, seen):
        super().__init__(daemon=True)
        self.partition, self.offset, self.seen, self.error = partition, offset, seen, None

    def run(self):
        try:
            with leader_of(self.partition).conn(8) as c:
                while True:
                    code, _, records = c.fetch(TOPIC, self.offset, self.partition, wait_ms=100, min_bytes=1)
                    if code:
                        self.error = raw.name(code)
                        return
                    for offset, value in raw.values_of(records):
                        self.seen[self.partition, offset] = value
                        self.offset = offset + 1
        except (Closed, OSError, AttributeError) as e:
            self.error = str(e)


def there(tops):
    """All from the offsets on: what is before was read and compared in earlier rounds (the last round reads all)."""
    found = {}
    for i in range(PARTITIONS):
        with leader_of(i).conn(20) as c:
            start = max(tops.get(i, 0), c.end(TOPIC, i, at=-2))
            for offset, value in c.read_all(TOPIC, i, start):
                found[i, offset] = value
    return found


def everything_back(disks, began, n):
    up = all([m.answers(60) for m in cluster.members])
    if not check(f"cut {n}: every node starts again by itself", up, "" if up else "; ".join(m.words()[-300:] for m in cluster.members if not m.runs())):
        return False
    whole = cluster.whole(60) and cluster.in_sync([TOPIC], seconds=60)
    return check(f"cut {n}: every replica is in sync {time.monotonic() - began:.1f} s after the power came back", whole, "" if whole else f"{cluster.state(TOPIC)}")


def one_cut(disks, n, known, totals, last):
    rng, acked, seen = random.Random(n), {}, {}
    tops = {i: max([o + 1 for p, o in known if p == i], default=0) for i in range(PARTITIONS)}
    threads = [Stream(i, f"r{n}", acked) for i in range(PARTITIONS)] + [Reader(i, tops[i], seen) for i in range(PARTITIONS)]
    for t in threads:
        t.start()
    time.sleep(0.5 + 1.5 * rng.random())
    disks_in_turn = list(disks)
    rng.shuffle(disks_in_turn)
    for d in disks_in_turn:
        d.cut()
    for m in cluster.members:
        m.server.kill()
    for m in cluster.members:
        m.kill()
    for t in threads:
        t.join(30)
    for d in disks:
        d.umount()
        d.mount()
    began = time.monotonic()
    for m in cluster.members:
        m.start()
    if not everything_back(disks, began, n):
        return None
    from_top = {} if last else tops
    found = there(from_top)
    expected = {**(known if last else {}), **acked, **seen}
    wrong = [(k, v[:16], found.get(k, b"nothing")[:16]) for k, v in expected.items() if found.get(k) != v]
    changed = [k for k, v in seen.items() if k in found and found[k] != v]
    values = list(found.values())
    totals["acknowledged"] += len(acked)
    totals["lost"] += len([k for k in acked if found.get(k) != acked[k]])
    totals["seen"] += len(seen)
    totals["seen, then gone or another"] += len([k for k in seen if found.get(k) != seen[k]])
    text = f"{len(acked)} acknowledged and {len(seen)} consumed records"
    if kind == "rookery":
        check(f"cut {n}: {text} are there", not wrong and acked, f"{len(wrong)} are not: {wrong[:3]}" if wrong else "" if acked else
              f"nothing was acknowledged: {[t.error for t in threads][:2]}")
        check(f"cut {n}: nothing is there twice, no offset shows another record", len(values) == len(set(values)) and not changed, f"{changed[:3]}" if changed else "")
    else:
        print(f"# cut {n}: of {text} {len(wrong)} are lost or others now; {len(values) - len(set(values))} are there twice", flush=True)
    return {**known, **found}


def main():
    disks = [Disk(folder, f"disk{m.id}", 300) for m in cluster.members]
    for m, d in zip(cluster.members, disks):
        m.data = os.path.join(d.at, "data")
    cluster.format()
    try:
        if not check("three nodes start", cluster.start(90)):
            for m in cluster.members:
                print(f"# node {m.id}: {m.words()[-600:]}")
            return
        if not check("a topic is made", cluster.create(TOPIC, PARTITIONS, min_insync_replicas=2) == 0 and cluster.in_sync([TOPIC], seconds=60)):
            return
        for d in disks:
            os.sync()
        known, totals = {}, {"acknowledged": 0, "lost": 0, "seen": 0, "seen, then gone or another": 0}
        for n in range(cuts):
            known = one_cut(disks, n, known, totals, n == cuts - 1)
            if known is None:
                return
        print(f"# {kind}: {cuts} cuts: " + ", ".join(f"{v} {k}" for k, v in totals.items()))
        codes = cluster.term()
        check("all end on SIGTERM", all(c in (0, 143) for c in codes), f"{codes}")
    finally:
        cluster.close()
        for d in disks:
            d.umount()


main()
sys.exit(report.failures > 0)
