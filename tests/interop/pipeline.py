"""pipeline.py FOLDER [--only REGEX]: requests in flight together on one connection, to rookery and to Kafka. See the script `pipeline`.

A scenario sends without reading, then reads: the answers must come in the order of the requests. What it returns (what was asked, and what each answer
said) must be the same of both servers.
"""
import argparse
import os
import random
import re
import socket
import struct
import sys
import threading
import time

import raw
from cluster import BROKER, Cluster, kafka_there
from node import Report
from raw import Closed, Conn, batch, string

ap = argparse.ArgumentParser()
ap.add_argument("folder"), ap.add_argument("--only", default="")
arg = ap.parse_args()
report = Report("pipeline")
check = report.check
LINES = ["default.replication.factor=1", "min.insync.replicas=1", "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=1",
         "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "transaction.state.log.num.partitions=1",
         "share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1", "group.initial.rebalance.delay.ms=700"]
COMMIT, COMMITTED, FIND, JOIN, BEAT, LEAVE, SYNC, ADD, ADD_OFFSETS, END, TXN_COMMIT = 8, 9, 10, 11, 12, 13, 14, 24, 25, 26, 28
COMMITS, ABORTS = 1, 0


def rows(c, each):
    return [each() for _ in range(c.take("i"))]


def of_partitions(c, each):
    """[each(partition) ...] of an array of topics"""
    return [p for _ in range(c.take("i")) for p in (c.string(), rows(c, each))[1]]


def told_fetch(c):
    c.take("i")
    code = c.take("hi")[0]

    def one():
        _, code, high, _, _, aborted = c.take("ihqqqi")
        firsts = [c.take("qq")[1] for _ in range(max(aborted, 0))]
        c.take("i")
        return raw.name(code), high, [v.decode() for _, v in raw.values_of(c.bytes(max(c.take("i"), 0)))], firsts
    return code, of_partitions(c, one)


def told_join(c):
    _, code, generation, protocol, leader, me = c.take("i"), c.take("h"), c.take("i"), c.string(), c.string(), c.string()
    members = rows(c, lambda: (c.string(), c.string(), c.bytes(c.take("i"))))
    return code, generation, protocol, "leads" if leader == me else "follows", len(members)


def told_metadata(c):
    c.take("i"), rows(c, lambda: (c.take("i"), c.string(), c.take("i"), c.string())), c.string(), c.take("i")
    return rows(c, lambda: (c.take("h"), c.string(), c.take("b"), rows(c, lambda: (c.take("hiii"), [rows(c, lambda: c.take("i")) for _ in range(3)])), c.take("i"))[:2])


def code_after_throttle(c):
    return c.take("ih")[1]


def told_offset(c):
    c.take("ii"), c.string()
    _, _, code, _, offset, _ = c.take("iihqqi")
    return code, offset


def told_versions(c):
    return c.take("h")


def told_produce(c):
    code, base, _ = raw.produce_result(c)
    return raw.name(code), base


def told_rows(c):
    c.take("i")
    return of_partitions(c, lambda: c.take("ih"))


def told_committed(c):
    c.take("i")
    return of_partitions(c, lambda: (c.take("i"), c.take("q"), c.take("i"), c.string(), c.take("h"))[:2]), c.take("h")


def told_find(c):
    return c.take("ih")[1]


class Pipe(Conn):
    """A connection that remembers what it asked: gather() holds each answer against its question."""

    def __init__(self, peer, timeout=20):
        super().__init__(BROKER, timeout=timeout, host=peer.addr)
        self.asked, self.held = [], None

    def ask(self, what, key, version, body, told):
        n = self.send(key, version, body)
        if told is not None:
            self.asked.append((n, what, told))
        return self

    def raw(self, data):
        if self.held is None:
            super().raw(data)
        else:
            self.held += data

    def hold(self):
        """From now on requests gather here until flush sends them in pieces of such sizes (0: as one)."""
        self.held = bytearray()
        return self

    def flush(self, sizes=None):
        data, self.held = bytes(self.held), None
        while data:
            n = sizes() if sizes else len(data)
            self.s.sendall(data[:n])
            data = data[n:]

    def produce_to(self, topic, values, partition=0, acks=-1, transaction=None, **more):
        records = values if isinstance(values, bytes) else batch(values, **more)
        return self.ask("produce", raw.PRODUCE, 8, raw.produce_body(topic, records, partition, acks, 5000, transaction), told_produce if acks else None)

    def fetch_of(self, topic, offset, partition=0, wait_ms=0, min_bytes=0, committed=False):
        body = struct.pack(">iiiibii", -1, wait_ms, min_bytes, 1 << 20, committed, 0, -1) + struct.pack(">i", 1) + string(topic)
        body += struct.pack(">iiiqqi", 1, partition, -1, offset, -1, 1 << 20) + struct.pack(">i", 0) + string("")
        return self.ask("fetch", raw.FETCH, 11, body, told_fetch)

    def metadata_of(self, *topics):
        return self.ask("metadata", raw.METADATA, 8, struct.pack(">i", len(topics)) + b"".join(map(string, topics)) + b"\0\0\0", told_metadata)

    def versions(self, version=0):
        return self.ask("versions", raw.API_VERSIONS, version, b"" if version < 3 else b"\0", told_versions)

    def end_of(self, topic, partition=0):
        return self.ask("end", raw.LIST_OFFSETS, 5, struct.pack(">ibi", -1, 0, 1) + string(topic) + struct.pack(">iiiq", 1, partition, -1, -1), told_offset)

    def gather(self, most=None):
        """[(what, answer)], and "closed" where the connection ended before all were there."""
        out = []
        while self.asked and (most is None or len(out) < most):
            try:
                n, c = self.answer()
            except Closed:
                return out + ["closed"]
            want, what, told = self.asked.pop(0)
            if n != want:
                return out + [f"answer {n} where {want} was due"]
            out.append((what, told(c)))
        return out

    def reset(self):
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


class Peer:
    def __init__(self, kind):
        self.kind = kind
        self.cluster = Cluster(os.path.join(arg.folder, kind), [kind], flat=True)
        self.cluster.lines += LINES
        if kind == "kafka":  # beside ours
            self.cluster.net = "127.0.1."
            self.cluster[1].addr = "127.0.1.1"
        self.node, self.addr = self.cluster[1], self.cluster[1].addr

    def start(self):
        self.cluster.format()
        return self.cluster.start(60)

    def topic(self, name, partitions=1, **configs):
        code = self.cluster.create(name, partitions, 1, **configs)
        with Conn(BROKER, host=self.addr) as c:
            if code or not c.wait_leader(name, partitions):
                raise RuntimeError(f"no topic {name}: {code}")
            for n in range(partitions):  # Kafka's broker leads some milliseconds after it says so
                while c.fetch(name, 0, n)[0]:
                    time.sleep(0.02)
        return name

    def settled(self, topic):
        """What is there when nothing comes any more."""
        there, last = self.values(topic), None
        while there != last:
            time.sleep(0.25)
            there, last = self.values(topic), there
        return there

    def sockets(self):
        there = 0
        for fd in os.listdir(f"/proc/{self.node.server.pid}/fd"):
            try:
                there += os.readlink(f"/proc/{self.node.server.pid}/fd/{fd}").startswith("socket:")
            except OSError:
                pass
        return there

    def values(self, topic, partition=0):
        with Conn(BROKER, host=self.addr) as c:
            return [v for _, v in c.read_all(topic, partition)]


def numbered(n):
    return b"value %d" % n


def fine(answers):
    """All of them say that it was done."""
    def code(x):
        return code(x[0]) if isinstance(x, (list, tuple)) and x else x
    return all(code(a[1]) in (0, "NONE") for a in answers)


# --- scenarios: each tells what was answered

def every_kind(peer):
    """acknowledged, unacknowledged and waiting requests in turn on one connection"""
    t = peer.topic("kinds")
    with Pipe(peer) as p:
        for n in range(8):
            p.metadata_of(t).produce_to(t, [numbered(4 * n)], acks=0).produce_to(t, [numbered(4 * n + 1)], acks=1).versions()
            p.produce_to(t, [numbered(4 * n + 2)]).end_of(t).fetch_of(t, 4 * n, wait_ms=300, min_bytes=1).fetch_of(t, 1000)
            p.produce_to(t, [numbered(4 * n + 3)], acks=0).fetch_of(t, 4 * n + 3, wait_ms=5000, min_bytes=1).versions()
        got = p.gather()
    return got, peer.values(t) == [numbered(n) for n in range(32)]


def long_poll(peer):
    """what is behind a fetch that waits: on the same connection it waits too, from another one it wakes the fetch"""
    t, out = peer.topic("poll"), []
    with Pipe(peer) as p, Pipe(peer) as q:
        began = time.monotonic()
        out.append(p.fetch_of(t, 0, wait_ms=600, min_bytes=1).produce_to(t, [b"a"]).metadata_of(t).fetch_of(t, 0, wait_ms=600, min_bytes=1).gather())
        out.append(0.5 < time.monotonic() - began < 3)
        p.fetch_of(t, 1, wait_ms=15000, min_bytes=1).produce_to(t, [b"c"], acks=0).versions().fetch_of(t, 2, wait_ms=15000, min_bytes=1).end_of(t).versions()
        time.sleep(0.3)
        began = time.monotonic()
        out += [q.produce_to(t, [b"b"]).metadata_of(t).gather(), p.gather(), time.monotonic() - began < 5]
        for wait in (50, 0, 100, 1, 150):
            p.fetch_of(t, 3, wait_ms=wait, min_bytes=1).versions()
        out.append(p.gather())
    return out, peer.values(t) == [b"a", b"b", b"c"]


def deep(peer):
    """a thousand requests in one write, then in pieces of any size"""
    t, dice, out = peer.topic("deep"), random.Random(5), []
    for sizes in (None, lambda: dice.choice((1, 3, 7, 40, 400, 1500))):
        with Pipe(peer) as p:
            p.hold()
            for n in range(250):
                p.versions().produce_to(t, [numbered(n)], acks=n % 3 - 1).end_of("nothing").metadata_of(t)
            p.flush(sizes)
            out.append([a for a in p.gather() if a == "closed" or a[0] == "produce" or a[1] not in (0, (3, -1))])
    return out, peer.values(t) == [numbered(n) for n in range(250)] * 2


def refused(peer):
    """errors in the middle: their answers come in their places"""
    t = peer.topic("refused")
    strict = peer.topic("strict", min_insync_replicas=2)  # more than it has replicas: one is enough
    with Pipe(peer) as p:
        for _ in range(3):
            p.produce_to(t, [b"good"]).produce_to("nothing", [b"x"]).fetch_of("nothing", 0, wait_ms=200, min_bytes=1).versions(99)
            p.produce_to(t, batch([b"x"], crc=1)).produce_to(strict, [b"x"]).fetch_of(t, 99, wait_ms=200, min_bytes=1).produce_to(t, [b"good"], partition=7)
            p.produce_to(strict, [b"x"], acks=1).metadata_of("nothing").end_of(t)
        got = p.gather()
    return got, peer.values(t) == [b"good"] * 3, peer.settled(strict)


def closing(peer):
    """what ends a connection ends it behind the answers to what came before, and nothing after it is done"""
    t, out = peer.topic("closing"), []
    for how in ("unacknowledged error", "unknown request", "cut short"):
        with Pipe(peer) as p:
            p.produce_to(t, [b"before"]).fetch_of(t, 1000000, wait_ms=100).versions().fetch_of("nothing", 0, wait_ms=100, min_bytes=1)
            if how == "unacknowledged error":
                p.produce_to("nothing", [b"x"], acks=0)
            elif how == "unknown request":
                p.ask("unknown", 999, 0, b"", told_versions)
            else:
                p.ask("odd", raw.METADATA, 8, struct.pack(">i", 5), told_versions)
            p.produce_to(t, [b"after"]).versions()
            got = p.gather()
            out.append((how, got, len(got) == 5 and got[4] == "closed"))
    return out, peer.values(t) == [b"before"] * 3


def idempotent(peer):
    """five batches in flight, always: in order, once; again, with a gap, and late"""
    t, out = peer.topic("idempotent", 2), []
    with Pipe(peer) as p:
        pid, epoch = p.producer_id()
        for n in range(200):
            for partition in (0, 1):
                p.produce_to(t, [numbered(n)], partition, pid=pid, epoch=epoch, seq=n)
            if n >= 4:
                out += p.gather(2)
        out += p.gather()
        out.append([a[1] for a in out] == [("NONE", n // 2) for n in range(400)])
        for n in (195, 196, 197, 198, 199, 190, 201, 200, 201, 203, 202):
            p.produce_to(t, [numbered(n)], pid=pid, epoch=epoch, seq=n)
        p.produce_to(t, [b"stranger"], pid=pid, epoch=epoch + 1, seq=5).produce_to(t, [b"x"], acks=0, pid=pid, epoch=epoch, seq=203).end_of(t)
        out += p.gather()
    return out, peer.settled(t), peer.values(t, 1) == [numbered(n) for n in range(200)]


def group_bodies(group, me, generation=1, topic="groups"):
    g = string(group)
    join = g + struct.pack(">ii", 10000, 10000) + string(me) + b"\xff\xff" + string("consumer") + struct.pack(">i", 1) + string("range") + struct.pack(">i", 4) + b"meta"
    at = g + struct.pack(">i", generation) + string(me)
    return {"join": (JOIN, 5, join, told_join), "sync": (SYNC, 2, at + struct.pack(">i", 1) + string(me) + struct.pack(">i", 4) + b"mine",
                                                        lambda c: (c.take("ih")[1], c.bytes(max(c.take("i"), 0)))),
            "beat": (BEAT, 2, at, code_after_throttle), "leave": (LEAVE, 2, g + string(me), code_after_throttle), "find": (FIND, 2, g + b"\0", told_find),
            "commit": (COMMIT, 6, at + struct.pack(">i", 1) + string(topic) + struct.pack(">iiqi", 1, 0, 40 + generation, -1) + string(""), told_rows),
            "committed": (COMMITTED, 5, g + struct.pack(">i", 1) + string(topic) + struct.pack(">ii", 1, 0), told_committed)}


def member_id(p, group):
    """A new member is told its id, and may join with it."""
    while True:
        c = p.call(*group_bodies(group, "")["join"][:3])
        _, code, _ = c.take("ihi")
        if code == 79:
            c.string(), c.string()
            return c.string()
        if code not in (14, 15, 16):
            raise RuntimeError(f"join: {code}")
        time.sleep(0.1)


def groups(peer):
    """a member's life in one write: the join waits for the others, all that is behind it waits for the join"""
    t, out = peer.topic("groups"), []
    with Pipe(peer) as p, Pipe(peer) as q:
        p.call(FIND, 2, string("crew") + b"\0")
        me, other = member_id(p, "crew"), None
        does = group_bodies("crew", me)
        began = time.monotonic()
        for what in ("find", "join", "sync", "beat", "commit", "committed", "beat"):
            p.ask(what, *does[what])
        p.produce_to(t, [b"x"]).fetch_of(t, 0).versions()
        out += [p.gather()]
        out += [fine(out[0]), 0.5 < time.monotonic() - began < 5]
        other = member_id(q, "crew")
        q.ask("join", *group_bodies("crew", other)["join"]).versions().end_of(t).metadata_of(t)
        time.sleep(0.3)  # it waits for the first member, who hears of it and joins again
        does = group_bodies("crew", me, 2)
        p.ask("beat", *group_bodies("crew", me)["beat"]).ask("join", *does["join"])
        for what in ("sync", "beat", "commit", "committed", "leave", "beat", "committed"):
            p.ask(what, *does[what])
        out += [p.gather(), q.gather()]
        out += [fine(out[3][1:7]) and fine(out[4])]
    return out, peer.values(t) == [b"x"]


def ids(producer):
    return struct.pack(">qh", *producer)


def begin(p):
    """(producer id, epoch) of the transactional id"""
    while True:
        _, code, pid, epoch = p.call(raw.INIT_PRODUCER_ID, 1, string("tx") + struct.pack(">i", 60000)).take("ihqh")
        if code == 0:
            return pid, epoch
        if code not in (14, 15, 16, 51):
            raise RuntimeError(f"InitProducerId: {code}")
        time.sleep(0.02)


def transactions(peer):
    """transactions in one write each, from their partitions to their end, and one that another epoch has fenced"""
    t, out = peer.topic("txn"), []
    adds = struct.pack(">i", 1) + string(t) + struct.pack(">ii", 1, 0)
    with Pipe(peer) as p:
        while p.call(FIND, 2, string("tx") + b"\1").take("ih")[1]:
            time.sleep(0.05)
        while p.call(FIND, 2, string("crew") + b"\0").take("ih")[1]:
            time.sleep(0.05)
        me = begin(p)
        for n, end in enumerate((COMMITS, ABORTS, COMMITS)):
            while told_rows(p.call(ADD, 2, string("tx") + ids(me) + adds))[0][1] == 51:  # the last one's markers are still on their way
                time.sleep(0.02)
            p.ask("add", ADD, 2, string("tx") + ids(me) + adds, told_rows)
            for i in range(4):
                p.produce_to(t, [numbered(4 * n + i)], transaction="tx", pid=me[0], epoch=me[1], seq=4 * n + i, codec=16)
                p.fetch_of(t, 5 * n + i, wait_ms=100).versions()
            p.ask("offsets", ADD_OFFSETS, 2, string("tx") + ids(me) + string("crew"), code_after_throttle)
            p.ask("commit", TXN_COMMIT, 2, string("tx") + string("crew") + ids(me) + struct.pack(">i", 1) + string(t) + struct.pack(">iiqi", 1, 0, n, -1) + string(""), told_rows)
            p.fetch_of(t, 5 * n, committed=True, wait_ms=200, min_bytes=1)  # nothing may be read yet: it waits in vain
            p.ask("end", END, 2, string("tx") + ids(me) + struct.pack(">b", end), code_after_throttle).versions()
            out += p.gather()
        out.append(fine(out))
        old, me = me, begin(p)
        p.ask("end", END, 2, string("tx") + ids(old) + b"\1", code_after_throttle).versions().ask("add", ADD, 2, string("tx") + ids(old) + adds, told_rows)
        p.produce_to(t, [b"fenced"], transaction="tx", pid=old[0], epoch=old[1], seq=12, codec=16).metadata_of(t)
        p.fetch_of(t, 0, committed=True).ask("committed", *group_bodies("crew", "", topic=t)["committed"])
        out += p.gather()
    return out


def cuts(peer):
    """the connection goes in the middle: a prefix of what was sent is there, and the retry brings the rest once"""
    out = []
    for how in ("closed", "reset", "half closed", "in a request", "behind a poll"):
        t = peer.topic("cut-" + how.replace(" ", "-"))
        with Pipe(peer) as p:
            pid, epoch = p.producer_id()
        p = Pipe(peer)
        p.hold()
        for n in range(40):
            p.produce_to(t, [numbered(n)], pid=pid, epoch=epoch, seq=n)
            if n == 20 and how == "behind a poll":
                p.fetch_of(t, 21, wait_ms=1000, min_bytes=1)
        if how == "in a request":
            del p.held[-50:]
        p.flush()
        known = p.gather(7)
        if how == "half closed":
            p.s.shutdown(socket.SHUT_WR)
            p.gather()
        p.reset() if how == "reset" else p.close()
        time.sleep(1.2 if how == "behind a poll" else 0)
        there = peer.settled(t)
        good = there == [numbered(n) for n in range(len(there))] and len(there) >= len(known) == 7 and (how != "in a request" or len(there) < 40)
        with Pipe(peer) as p:
            for n in range(max(len(there) - 5, 0), 40):
                p.produce_to(t, [numbered(n)], pid=pid, epoch=epoch, seq=n)
            again = p.gather()
        out.append((how, good, [a for a in again if a[1][0] != "NONE"], peer.values(t) == [numbered(n) for n in range(40)]))
    return out


def crowd(peer):
    """sixteen connections at once, each with a hundred requests of any kind in flight"""
    t, wrong = peer.topic("crowd", 16), []

    def one(i):
        dice, sent = random.Random(i), 0
        try:
            with Pipe(peer, 30) as p:
                for _ in range(100):
                    kind = dice.randrange(7)
                    if kind < 3:
                        p.produce_to(t, [numbered(sent)], i, acks=kind - 1)
                        sent += 1
                    elif kind == 3:
                        p.fetch_of(t, dice.randrange(sent + 1), i, wait_ms=dice.randrange(60), min_bytes=1)
                    else:
                        (p.versions, lambda: p.metadata_of(t), lambda: p.end_of(t, i))[kind - 4]()
                p.produce_to(t, [numbered(sent)], i)
                want, got = len(p.asked), p.gather()
            bases = [a[1] for a in got if a[0] == "produce"]
            if len(got) != want or got[-1] != ("produce", ("NONE", sent)) or bases != sorted(set(bases)):
                wrong.append(f"{i}: {len(got)} of {want} answers, {got[-1]}, {bases}")
            if peer.values(t, i) != [numbered(n) for n in range(sent + 1)]:
                wrong.append(f"{i}: {sent + 1} were sent, {len(peer.values(t, i))} are there")
        except (OSError, Closed, AssertionError, struct.error) as e:
            wrong.append(f"{i}: {type(e).__name__} {e}")
    threads = [threading.Thread(target=one, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return not wrong, wrong


def followers():
    """What waits for a follower that is stopped, and what is behind it: rookery alone, the answers are those that the protocol demands."""
    c = Cluster(os.path.join(arg.folder, "two"), ["rookery"] * 2, {1: "broker,controller", 2: "broker"}, flat=True, lines=LINES)
    peer = Peer.__new__(Peer)
    peer.cluster, peer.node, peer.addr = c, c[1], c[1].addr
    try:
        c.format()
        if not c.start(60) or c.create("pair", 1, 2, assigned=[[1, 2]]) or not c.in_sync(["pair"], 2):
            return "two nodes do not start"
        with Pipe(peer) as p:
            p.produce_to("pair", [b"0"])
            out = p.gather()
            c[2].pause()
            began = time.monotonic()
            p.ask("produce", raw.PRODUCE, 8, raw.produce_body("pair", batch([b"1"]), 0, -1, 500), told_produce).versions()
            p.produce_to("pair", [b"2"], acks=0).produce_to("pair", [b"3"], acks=1).fetch_of("pair", 1, wait_ms=300, min_bytes=1).end_of("pair")
            p.produce_to("pair", [b"4"]).metadata_of("pair").fetch_of("pair", 1).produce_to("pair", [b"5"], acks=1)
            out += p.gather(5)
            took = time.monotonic() - began
            c[2].resume()
            out += p.gather()
            out += p.fetch_of("pair", 5, wait_ms=5000, min_bytes=1).gather()
        want = [("produce", ("NONE", 0)), ("produce", ("REQUEST_TIMED_OUT", 1)), ("versions", 0), ("produce", ("NONE", 3)), ("fetch", (0, [("NONE", 1, [], [])])),
                ("end", (0, 1)), ("produce", ("NONE", 4)), ("metadata", [(0, "pair")]), ("fetch", (0, [("NONE", 5, ["1", "2", "3", "4"], [])])), ("produce", ("NONE", 5)),
                ("fetch", (0, [("NONE", 6, ["5"], [])]))]
        return "" if out == want and 0.7 < took < 5 else f"after {took:.1f} s, {first_difference(out, want)}"
    finally:
        c[2].resume()
        c.close()


SCENARIOS = [every_kind, long_poll, deep, refused, closing, idempotent, groups, transactions, cuts, crowd]


def run(kind):
    """{scenario: what was told}, None where the server does not start"""
    peer, got = Peer(kind), {}
    try:
        if not peer.start():
            return None
        before = peer.sockets()
        for s in SCENARIOS:
            if re.search(arg.only, s.__name__):
                began = time.monotonic()
                try:
                    got[s] = s(peer)
                except Exception as e:  # whatever it is, the others have their turn
                    got[s] = f"{type(e).__name__}: {e}"
                print(f"# {kind}: {s.__name__} took {time.monotonic() - began:.1f} s", flush=True)
        end = time.monotonic() + 10
        while peer.sockets() > before and time.monotonic() < end:
            time.sleep(0.1)
        got["sockets"], got["errors"] = peer.sockets() - before, peer.node.errors()
        got["end"] = peer.cluster.term()
    finally:
        peer.cluster.close()
    return got


def first_difference(a, b, at=""):
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and type(a) is type(b):
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                return first_difference(x, y, f"{at}/{i}")
        return f"{at}: {len(a)} and {len(b)} answers"
    return f"{at}: {str(a)[:300]} | {str(b)[:300]}"


def unsound(got):
    """What is wrong with answers by themselves: a check that failed, an answer out of its place or missing."""
    if got is False or isinstance(got, str) and (got.startswith("answer ") or ": " in got):
        return str(got)
    if isinstance(got, (list, tuple)):
        return next((f"{i}/{wrong}" for i, x in enumerate(got) for wrong in [unsound(x)] if wrong), "")
    return ""


def answers(got):
    """How many answers that is."""
    if isinstance(got, tuple) and len(got) == 2 and isinstance(got[0], str):
        return 1
    return sum(map(answers, got)) if isinstance(got, (list, tuple)) else 0


def main():
    got = {}
    threads = [threading.Thread(target=lambda kind: got.update({kind: run(kind)}), args=(kind,)) for kind in ["rookery"] + ["kafka"] * kafka_there()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ours, theirs = got.get("rookery"), got.get("kafka")
    if not check("the server starts", ours is not None):
        return
    for s in SCENARIOS:
        if s not in ours:
            continue
        check(f"{s.__doc__}", not unsound(ours[s]), unsound(ours[s])[:600])
        what = f"{s.__name__}: Kafka answered the same"
        if theirs is None or s not in theirs:
            report.skip(what, "Kafka cannot be had here" if "kafka" not in got else "Kafka did not start")
        elif unsound(theirs[s]):
            check(f"{s.__name__}: Kafka's answers are sound", False, unsound(theirs[s])[:600])
        else:
            check(what + (f" ({answers(ours[s])} answers)" if answers(ours[s]) else ""), ours[s] == theirs[s], "" if ours[s] == theirs[s] else first_difference(ours[s], theirs[s]))
    check("no connection is left over", ours["sockets"] <= 0, f"{ours['sockets']} more" if ours["sockets"] > 0 else "")
    check("the server complained of nothing and ended with 0", ours["end"] == [0] and not ours["errors"], "" if ours["end"] == [0] and not ours["errors"] else f"{ours['end']} {ours['errors'][:2]}")
    if re.search(arg.only, "followers"):
        wrong = followers()
        check("what waits for a follower is answered in its place, and nothing behind it before", not wrong, wrong)


main()
sys.exit(report.failures > 0)
