"""txn_members.py PORT: transactions in every state there is; says "there" when all are, and keeps the open ones.

k-open, r-open: open transactions over k-two/0 and /1; t-done, t-undone: committed and aborted; t-empty: none yet; beside them
batches in k-hang and r-hang, half an hour old, of transactions that no coordinator knows, and an idempotent producer in k-two."""
import struct
import sys
import time

from raw import Conn, batch, string

FIND, INIT, ADD, END = 10, 22, 24, 26
TRANSACTIONAL = 16
c = Conn(int(sys.argv[1]))


def again(ask):
    """Until the coordinator has loaded and is done with what it did before."""
    for _ in range(300):
        code, got = ask()
        if code not in (14, 15, 16, 51):
            break
        time.sleep(0.1)
    assert code == 0, f"error {code}"
    return got


def init(name, timeout=900000):
    def ask():
        a = c.call(INIT, 1, string(name) + struct.pack(">i", timeout))
        _, code, pid, epoch = a.take("ihqh")
        return code, (pid, epoch)
    return again(ask)


def add(name, pid, epoch, topic, *partitions):
    def ask():
        body = string(name) + struct.pack(">qh", pid, epoch) + struct.pack(">i", 1) + string(topic)
        a = c.call(ADD, 2, body + struct.pack(f">i{len(partitions)}i", len(partitions), *partitions))
        a.take("ii"), a.string(), a.take("i")
        return a.take("ih")[1], None
    return again(ask)


def end(name, pid, epoch, committed):
    for _ in range(2):  # the second is done when the first is, with all its markers
        again(lambda: (c.call(END, 2, string(name) + struct.pack(">qhb", pid, epoch, committed)).take("ih")[1], None))


def write(topic, partition, pid, epoch, name=None, seq=0, now=None, count=3):
    kind = 0 if name is None else TRANSACTIONAL
    code, base, why = c.produce(topic, batch([b"x"] * count, pid, epoch, seq, kind, now=now), partition, transaction=name)
    assert code == 0, f"{topic}-{partition}: {code} {why}"
    return base


again(lambda: (c.call(FIND, 1, string("t") + b"\1").take("ih")[1], None)) # the topic of transactions is made by this
for topic, partitions in (("k-two", 2), ("k-hang", 1), ("r-hang", 1)):
    c.wait_leader(topic, partitions)
for name, committed in (("t-done", True), ("t-undone", False)):
    pid, epoch = init(name)
    add(name, pid, epoch, "k-two", 1)
    write("k-two", 1, pid, epoch, name)
    end(name, pid, epoch, committed)
init("t-empty", 60000)
for kind in "kr":
    name = kind + "-open"
    pid, epoch = init(name)
    add(name, pid, epoch, "k-two", 0, 1)
    write("k-two", 0, pid, epoch, name)
    write("k-two", 1, pid, epoch, name)
pid, epoch = c.producer_id()
write("k-two", 0, pid, epoch)
for kind in "kr":
    pid, epoch = c.producer_id()
    write(kind + "-hang", 0, pid, epoch + 1, "t-hangs", now=int(time.time() * 1000) - 1800000)
print("there", flush=True)
time.sleep(3600)
