"""crash.py produce BOOTSTRAP ROUND FILE: an idempotent stream of acks=all until FILE.stop is there; FILE: what was acknowledged.
crash.py check BOOTSTRAP FILE...: all of it is in topic c, in order within its partition, once."""
import os
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

PARTITIONS = 3
bootstrap = sys.argv[2]


def produce(round_, path):
    acked, failed = [], []
    p = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 1,
                  "batch.num.messages": 50, "message.timeout.ms": 120000, "reconnect.backoff.max.ms": 200})

    def done(err, m):
        (failed if err else acked).append(err or (m.partition(), m.offset(), m.value().decode()))
    n = 0
    while not os.path.exists(path + ".stop"):
        for _ in range(20):
            try:
                p.produce("c", f"{round_}-{n}", partition=n % PARTITIONS, on_delivery=done)
                n += 1
            except BufferError:
                break
        p.poll(0.002)
    p.flush(120)
    with open(path, "w") as f:
        for partition, offset, value in acked:
            print(partition, offset, value, file=f)
    print(f"{len(acked)} acknowledged of {n}, {len(failed)} failed")
    return not failed and len(acked) == n


def check(paths):
    got = {}
    for partition in range(PARTITIONS):
        c = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False})
        at = TopicPartition("c", partition, OFFSET_BEGINNING)
        low, high = c.get_watermark_offsets(at, timeout=20)
        c.assign([at])
        n, until = low, time.time() + 120
        while n < high and time.time() < until:
            for m in c.consume(10000, 1.0):
                assert m.error() is None, m.error()
                got[partition, m.offset()] = m.value().decode()
                n = m.offset() + 1
        assert n == high, f"partition {partition}: read to {n} of {high}"
        c.close()
    bad = 0
    total = 0
    for path in paths:
        for line in open(path):
            partition, offset, value = line.split()
            total += 1
            if got.get((int(partition), int(offset))) != value:
                bad += 1
                if bad < 5:
                    print(f"acknowledged {value} at {partition}/{offset}, found {got.get((int(partition), int(offset)))}")
    values = list(got.values())
    twice = len(values) - len(set(values))
    order = 0
    last = {}
    for (partition, _), value in sorted(got.items()):
        round_, n = map(int, value.split("-"))
        order += last.get((partition, round_), -1) >= n
        last[partition, round_] = n
    print(f"{total} acknowledged, {len(got)} found, {bad} lost or moved, {twice} twice, {order} out of order")
    return bad == twice == order == 0


sys.exit(0 if (produce(sys.argv[3], sys.argv[4]) if sys.argv[1] == "produce" else check(sys.argv[3:])) else 1)
