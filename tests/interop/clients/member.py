"""member.py confluent|aiokafka BOOTSTRAP GROUP TOPIC eager|cooperative|consumer: one member of a group, which prints what it
is handed, then commits it."""
import asyncio
import signal
import sys

client, bootstrap, group, topic, protocol = sys.argv[1:6]
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(True))


def tell(records):
    sys.stdout.write("".join(f"got {p} {o} {v.decode()}\n" for p, o, v in records))
    sys.stdout.flush()


def confluent():
    from confluent_kafka import Consumer, KafkaException
    conf = {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "max.poll.interval.ms": 20000}
    if protocol == "consumer":
        conf["group.protocol"] = "consumer"
    else:
        conf |= {"partition.assignment.strategy": "range" if protocol == "eager" else "cooperative-sticky",
                 "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    consumer = Consumer(conf)
    consumer.subscribe([topic])
    while not stop:
        got = [m for m in consumer.consume(100, 0.2) if not m.error()]
        if not got:
            continue
        tell((m.partition(), m.offset(), m.value()) for m in got)
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as e:
            print("refused", e.args[0].name(), flush=True)
    consumer.close()
    print("leaving", flush=True)


async def aio():
    from aiokafka import AIOKafkaConsumer, errors
    from aiokafka.coordinator.assignors.range import RangePartitionAssignor
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False,
                                auto_offset_reset="earliest", session_timeout_ms=6000, heartbeat_interval_ms=500,
                                max_poll_interval_ms=20000, partition_assignment_strategy=[RangePartitionAssignor])
    await consumer.start()
    while not stop:
        got = await consumer.getmany(timeout_ms=200, max_records=100)
        if not got:
            continue
        tell((tp.partition, m.offset, m.value) for tp, batch in got.items() for m in batch)
        try:
            await consumer.commit({tp: batch[-1].offset + 1 for tp, batch in got.items()})
        except errors.KafkaError as e:
            print("refused", type(e).__name__, flush=True)
    await consumer.stop()
    print("leaving", flush=True)


if client == "aiokafka":
    asyncio.run(aio())
else:
    confluent()
