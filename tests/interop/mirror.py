"""mirror.py ROOKERY KAFKA STEP [ARG]...: the steps of the script `mirror`.

put FROM TO: records FROM..TO into of-rookery there and of-kafka here; groups `reader-part` and `reader-all` read some and all
equal WHAT N: each topic and its mirror hold the same N records, partition by partition: key, value, headers, timestamp
groups WHAT: what the groups committed is committed on the other side, never past its place
heartbeats: each side has the other's heartbeats"""
import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from node import Report

PARTITIONS, AT = 3, {"rookery": sys.argv[1], "kafka": sys.argv[2]}
SIDES, OTHER = list(AT), {"rookery": "kafka", "kafka": "rookery"}
report = Report("mirror")


ADMIN = {side: AdminClient({"bootstrap.servers": at}) for side, at in AT.items()}  # kept: one that goes away before its answer hangs


def reader(side, group="nobody", **more):
    return Consumer({"bootstrap.servers": AT[side], "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
                     "isolation.level": "read_committed", "enable.partition.eof": True, "allow.auto.create.topics": False, **more})


def ends(side, topic):
    c = reader(side)
    got = [c.get_watermark_offsets(TopicPartition(topic, i), timeout=20)[1] for i in range(PARTITIONS)]
    c.close()
    return got


def records(side, topic):
    """[partition][(offset, key, value, headers, timestamp)]"""
    got, over, c = [[] for _ in range(PARTITIONS)], set(), reader(side)
    c.assign([TopicPartition(topic, i, 0) for i in range(PARTITIONS)])
    until = time.monotonic() + 60
    while len(over) < PARTITIONS and time.monotonic() < until:
        for m in c.consume(1000, 1):
            if m.error():
                if m.error().name() != "_PARTITION_EOF":
                    break
                over.add(m.partition())
            else:
                got[m.partition()].append((m.offset(), m.key(), m.value(), m.headers(), m.timestamp()))
    c.close()
    return got


def put(first, last):
    first_time = int(time.time() * 1000) - 3600000  # not so old that retention takes them
    for side in SIDES:
        topic, failed = "of-" + side, []
        for _ in range(60):
            try:
                for f in ADMIN[side].create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
                    f.result()
                break
            except Exception as e:  # it exists, or the node is not up yet
                if "ALREADY_EXISTS" in str(e):
                    break
                time.sleep(1)
        c = Producer({"bootstrap.servers": AT[side], "enable.idempotence": True, "compression.type": "zstd"})
        for i in range(first, last):
            c.produce(topic, f"{side} {i} " + "x" * (i % 90), f"k{i % 100}", headers=[("n", str(i).encode())], timestamp=first_time + i,
                      on_delivery=lambda e, _: e and failed.append(e))
            if i % 500 == 0:
                c.poll(0)
        c.flush(60)
        report.check(f"{side}: {last - first} records are acknowledged", not failed, str(failed[:1]) if failed else "")
        for group, share in (("reader-part", 0.5), ("reader-all", 1)):
            r = reader(side, group)
            r.commit(offsets=[TopicPartition(topic, i, int(end * share)) for i, end in enumerate(ends(side, topic))], asynchronous=False)
            r.close()


def equal(what, n):
    for side in SIDES:
        source, until = records(side, "of-" + side), time.monotonic() + 150
        want = [[r[1:] for r in part] for part in source]
        got = []
        while time.monotonic() < until:
            try:
                got = [[r[1:] for r in part] for part in records(OTHER[side], f"{side}.of-{side}")]
            except Exception as e:
                print("# not yet:", e)
            if sum(map(len, got)) >= n:
                break
            time.sleep(1)
        report.check(f"{side} to {OTHER[side]}, {what}: {n} records, the same", sum(map(len, want)) == n and got == want,
                     "" if got == want else f"{[len(p) for p in got]} of {[len(p) for p in want]}")


def committed(side, group, topic):
    told = ADMIN[side].list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [TopicPartition(topic, i) for i in range(PARTITIONS)])])
    return [p.offset for p in told[group].result().topic_partitions]


def groups(what):
    for side in SIDES:
        far, mirrored = OTHER[side], f"{side}.of-{side}"
        source, copy = records(side, "of-" + side), records(far, mirrored)
        place = [{r[0]: j for j, r in enumerate(part)} for part in source]
        for group in ("reader-part", "reader-all"):
            want = [place[i].get(offset, len(source[i])) for i, offset in enumerate(committed(side, group, "of-" + side))]
            until, good, got = time.monotonic() + 60, False, None
            while not good and time.monotonic() < until:
                offsets = committed(far, group, mirrored)
                got = [sum(1 for r in copy[i] if r[0] < offset) if offset >= 0 else -1 for i, offset in enumerate(offsets)]
                # A translated offset lies at its place or before it, as far as the last pair of offsets that MirrorMaker kept (-1:
                # it kept none that old), never after it; of all that was read it is the end.
                good = got == want if group == "reader-all" else all(g <= w for g, w in zip(got, want)) and max(got) > 0
                if not good:
                    time.sleep(1)
            report.check(f"{side} to {far}, {what}: {group} is where it was", good, f"record {got} of {want}")


def heartbeats():
    for side in SIDES:
        c = reader(side)
        told = c.get_watermark_offsets(TopicPartition(OTHER[side] + ".heartbeats", 0), timeout=20)
        c.close()
        report.check(f"{side} has the heartbeats of {OTHER[side]}", told[1] > 5, str(told))


step, args = sys.argv[3], [int(a) if a.isdigit() else a for a in sys.argv[4:]]
{"put": put, "equal": equal, "groups": groups, "heartbeats": heartbeats}[step](*args)
sys.exit(1 if report.failures else 0)
