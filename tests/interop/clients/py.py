"""py.py WHO produce|consume BOOTSTRAP TOPIC [CODEC]: lines from stdin to partition 0, or partition 0 to stdout.

WHO: confluent, kafkapython, aiokafka. Consuming stops at the end offset seen at the start."""
import asyncio
import sys

who, what, bootstrap, topic = sys.argv[1:5]
codec = sys.argv[5] if len(sys.argv) > 5 else "none"
out = sys.stdout.buffer
lines = (x.rstrip(b"\n") for x in sys.stdin.buffer)


def confluent_produce():
    from confluent_kafka import Producer
    bad = []
    p = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "acks": "all", "linger.ms": 5,
                  "enable.idempotence": True, "queue.buffering.max.messages": 200000})
    for x in lines:
        while True:
            try:
                p.produce(topic, x, partition=0, on_delivery=lambda e, m: e and bad.append(e))
                break
            except BufferError:
                p.poll(0.05)
        p.poll(0)
    p.flush(120)
    assert not bad and len(p) == 0, bad[:3]


def confluent_consume():
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False})
    at = TopicPartition(topic, 0, OFFSET_BEGINNING)
    low, high = c.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
    c.assign([at])
    n = low
    while n < high:
        for m in c.consume(10000, 1.0):
            assert m.error() is None, m.error()
            assert m.offset() >= n, "an offset went back"
            out.write(m.value() + b"\n")
            n = m.offset() + 1
    c.close()


def kafkapython_produce():
    from kafka import KafkaProducer
    p = KafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec, acks="all",
                      linger_ms=20, batch_size=1 << 18)
    waits = [p.send(topic, x, partition=0) for x in lines]
    p.flush(120)
    for f in waits:
        f.get(60)


def kafkapython_consume():
    from kafka import KafkaConsumer, TopicPartition
    c = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, group_id=None)
    at = TopicPartition(topic, 0)
    c.assign([at])
    c.seek_to_beginning(at)
    end = c.end_offsets([at])[at]
    while c.position(at) < end:
        for records in c.poll(1000, max_records=20000).values():
            for r in records:
                out.write(r.value + b"\n")


async def aiokafka_produce():
    from aiokafka import AIOKafkaProducer
    p = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec, acks="all",
                         linger_ms=20, max_batch_size=1 << 18, enable_idempotence=True)
    await p.start()
    last = None
    for x in lines:
        last = await p.send(topic, x, partition=0)
    await p.flush()
    if last is not None:
        await last
    await p.stop()


async def aiokafka_consume():
    from aiokafka import AIOKafkaConsumer, TopicPartition
    at = TopicPartition(topic, 0)
    c = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, group_id=None)
    await c.start()
    c.assign([at])
    await c.seek_to_beginning(at)
    end = (await c.end_offsets([at]))[at]
    while await c.position(at) < end:
        for records in (await c.getmany(timeout_ms=1000, max_records=20000)).values():
            for r in records:
                out.write(r.value + b"\n")
    await c.stop()


do = globals()[f"{who}_{what}"]
asyncio.run(do()) if asyncio.iscoroutinefunction(do) else do()
out.flush()
