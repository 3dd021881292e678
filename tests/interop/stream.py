"""stream.py produce BOOTSTRAP TOPIC PARTITIONS ID FILE RECORDS RATE SIZE: an idempotent stream of acks=all.

	It goes on at RATE records a second until FILE.stop is there, then as fast as it can until RECORDS were sent in
	all. FILE gets what was acknowledged, FILE.gaps the pauses of each partition (monotonic seconds: from, to,
	partition), and the last line says how many, or what went wrong.
stream.py check BOOTSTRAP TOPIC PARTITION FILE...: reads that partition from its start: everything that the FILEs of
	all producers say was acknowledged is there at its offset, once, in order. Prints "acknowledged N found N lost N
	twice N disorder N again N", and the ids of the producers that wrote again.

A server answers for one producer epoch: in each, sequences begin at 0 and go on without a gap or a double. When a
batch is refused because one before it was (the new leader did not know yet that it leads, then it did), librdkafka
takes a new epoch and sends all that waits once more, though a leader that died may have passed it on: its open bug
4953. "again" counts those; twice and disorder are within an epoch.

A record says who sent it and its number in that producer's stream; number n goes to partition n mod PARTITIONS.
"""
import array
import os
import struct
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from raw import Conn

HEAD = struct.Struct(">Iq")
# A client that looks after its connections: what is measured is the cluster, not a client's long timeouts.
QUICK = {"socket.timeout.ms": 2000, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20, "retry.backoff.max.ms": 100,
         "topic.metadata.refresh.fast.interval.ms": 50, "topic.metadata.refresh.interval.ms": 1000, "socket.connection.setup.timeout.ms": 1000,
         "metadata.recovery.strategy": "none", "topic.metadata.propagation.max.ms": 60000, "allow.auto.create.topics": False, "log_level": 0}


def produce(bootstrap, topic, partitions, me, path, records, rate, size):
    partitions, me, records, rate, size = int(partitions), int(me), int(records), float(rate), int(size)
    acked = [(array.array("q"), array.array("q")) for _ in range(partitions)]
    last, gaps, wrong = [time.monotonic()] * partitions, [], []
    now = time.monotonic()

    def told(e):
        if e.fatal():
            wrong.append(f"fatal: {e}")

    def done(err, m):
        try:
            note(err, m)
        except Exception as e:  # the client would make an unreadable SystemError of it
            wrong.append(f"{type(e).__name__}: {e} (told {err!r})")

    def note(err, m):
        if err:
            wrong.append(str(err))
            return
        at = m.partition()
        if now - last[at] > 0.03:
            gaps.append((last[at], now, at))
        last[at] = now
        numbers, offsets = acked[at]
        numbers.append(HEAD.unpack_from(m.value())[1])
        # None: a batch that was sent again, whose leader only remembers that it has it (Kafka's after a restart)
        offsets.append(-1 if m.offset() is None else m.offset())
    p = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": 600000,
                  "queue.buffering.max.messages": 200000, "error_cb": told, **QUICK})
    n, start, pad, stop = 0, now, b"." * max(0, size - HEAD.size), False
    while not wrong:
        now = time.monotonic()
        stop = stop or os.path.exists(path + ".stop")
        if stop and n >= records:
            break
        until = n + 5000 if stop else min(n + 5000, int((now - start) * rate))
        try:
            while n < until:
                p.produce(topic, HEAD.pack(me, n) + pad, partition=n % partitions, on_delivery=done)
                n += 1
                if not n & 255:
                    p.poll(0)
                    now = time.monotonic()
        except BufferError:
            pass
        except (KafkaException, SystemError) as e:  # the client gives up: what a fatal error is, its callback says
            wrong.append(f"{type(e).__name__}: {e}")
        p.poll(0.005)
    now = time.monotonic()
    end = now + 300
    while len(p) and time.monotonic() < end and not wrong:
        now = time.monotonic()
        p.poll(0.01)
    with open(path, "wb") as f:
        for numbers, offsets in acked:
            f.write(struct.pack("q", len(numbers)))
            numbers.tofile(f)
            offsets.tofile(f)
    with open(path + ".gaps", "w") as f:
        f.writelines(f"{a} {b} {c}\n" for a, b, c in gaps)
    total = sum(len(a) for a, _ in acked)
    print(f"{total} acknowledged of {n}" + (f"; {len(wrong)} went wrong: {wrong[0]}" if wrong else ""))
    return not wrong and total == n


def load(path, partition):
    with open(path, "rb") as f:
        for _ in range(partition):
            n = struct.unpack("q", f.read(8))[0]
            f.seek(16 * n, 1)
        n = struct.unpack("q", f.read(8))[0]
        numbers, offsets = array.array("q"), array.array("q")
        numbers.fromfile(f, n)
        offsets.fromfile(f, n)
        return numbers, offsets


def check(bootstrap, topic, partition, paths):
    partition = int(partition)
    promised, somewhere = {}, {}  # acknowledged: at an offset; at one that the client was not told
    total = 0
    for path in paths:
        numbers, offsets = load(path, partition)
        total += len(numbers)
        who = int(path.rsplit(".", 1)[1])
        somewhere[who] = {n for n, o in zip(numbers, offsets) if o < 0}
        placed = [(n, o) for n, o in zip(numbers, offsets) if o >= 0]
        promised[who] = [n for n, _ in placed], [o for _, o in placed]
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False, "auto.offset.reset": "error",
                  "fetch.message.max.bytes": 8 << 20, "queued.max.messages.kbytes": 65536, **QUICK})
    at = TopicPartition(topic, partition, OFFSET_BEGINNING)
    for _ in range(30):
        try:
            low, high = c.get_watermark_offsets(at, timeout=10)
            break
        except Exception as e:
            error = e
            time.sleep(1)
    else:
        raise error
    c.assign([at])
    found = lost = twice = disorder = again = 0
    next_ack, last, most, epochs, bumped = {p: 0 for p in promised}, {}, {}, {}, set()
    leader = c.list_topics(topic, timeout=30)
    leader = leader.brokers[leader.topics[topic].partitions[partition].leader]
    with Conn(leader.port, host=leader.host) as at_leader:
        following = {}
        for first, end, pid, epoch, seq in at_leader.producers(topic, partition):
            now, due = following.get(pid, (-1, 0))
            disorder += epoch < now or seq != (due if epoch == now else 0)
            following[pid] = epoch, seq + end - first + 1
            epochs.update((o, (pid, epoch)) for o in range(first, end + 1))
    n, until = low, time.time() + 900
    shown = []
    while n < high and time.time() < until:
        for m in c.consume(5000, 1.0):
            if m.error():
                raise RuntimeError(str(m.error()))
            who, number = HEAD.unpack_from(m.value())
            n, found = m.offset() + 1, found + 1
            somewhere[who].discard(number)
            before = last.get((who, epochs[m.offset()]), -1)
            if number == before:
                twice += 1
            elif number < before:
                disorder += 1
            else:
                last[who, epochs[m.offset()]] = number
                if number <= most.get(who, -1):
                    again += 1
                    bumped.add(f"by {epochs[m.offset()][0]}")
                most[who] = max(number, most.get(who, -1))
            numbers, offsets = promised[who]
            i = next_ack[who]
            while i < len(offsets) and offsets[i] < m.offset():
                lost, i = lost + 1, i + 1
                if len(shown) < 3:
                    shown.append(f"{who}-{numbers[i - 1]} at {offsets[i - 1]}")
            if i < len(offsets) and offsets[i] == m.offset():
                if numbers[i] != number:
                    lost += 1
                    if len(shown) < 3:
                        shown.append(f"{who}-{numbers[i]} at {offsets[i]}, there is {number}")
                i += 1
            next_ack[who] = i
    rest = sum(len(o) - next_ack[who] for who, (_, o) in promised.items()) + sum(map(len, somewhere.values()))
    print(f"acknowledged {total} found {found} lost {lost + rest} twice {twice} disorder {disorder} again {again} read {n} of {high}", *shown, *sorted(bumped))
    return lost + rest == twice == disorder == 0 and n == high


if __name__ == "__main__":
    if sys.argv[1] == "produce":
        sys.exit(0 if produce(*sys.argv[2:]) else 1)
    sys.exit(0 if check(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]) else 1)
