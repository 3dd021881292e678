"""apps_look.py BOOTSTRAP lines|counts|changes TOPIC [ENOUGH]: what a reader of committed records finds in a topic.

lines: the values. counts: of {"word": W, "n": N}, N from one on, the last N of each word and whether all are there. changes: of Debezium's change events of a table (id, n, note) whose every change adds one to n, "row ID N
NOTE" for the last of each, and "sum ..."; exit status 1 when there are fewer than ENOUGH."""
import json
import sys
import time

from confluent_kafka import Consumer, TopicPartition


def records(bootstrap, topic):
    """Every committed record, in its partition's order."""
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": "look", "enable.auto.commit": False, "isolation.level": "read_committed",
                  "auto.offset.reset": "earliest", "enable.partition.eof": True, "allow.auto.create.topics": False})
    parts = c.list_topics(topic, timeout=20).topics[topic].partitions
    c.assign([TopicPartition(topic, i, 0) for i in parts])
    over, until = set(), time.monotonic() + 30
    while len(over) < len(parts) and time.monotonic() < until:
        for m in c.consume(1000, 1):
            if not m.error():
                yield m
            elif m.error().name() == "_PARTITION_EOF":
                over.add(m.partition())
    c.close()


def changes(bootstrap, topic, enough):
    last, n, twice, lost, back = {}, 0, 0, 0, 0
    for m in records(bootstrap, topic):
        row = json.loads(m.value())["after"]
        assert json.loads(m.key()) == {"id": row["id"]}
        before = last[row["id"]]["n"] if row["id"] in last else -1
        n += 1
        twice += row["n"] == before
        back += row["n"] < before
        lost += max(0, row["n"] - before - 1)
        last[row["id"]] = row
    for i in sorted(last):
        print("row", i, last[i]["n"], last[i]["note"])
    print(f"sum {n} events, {lost} lost, {twice} twice, {back} out of order")
    return n >= enough


def counts(bootstrap, topic, enough):
    last, odd, n = {}, {}, 0
    for m in records(bootstrap, topic):
        got, n = json.loads(m.value()), n + 1
        word = got["word"]
        if got["n"] != last.get(word, 0) + 1:
            odd[word] = odd.get(word, 0) + 1
        last[word] = got["n"]
    for word in sorted(last):
        print(f"{word} {last[word]}, " + (f"{odd[word]} out of place" if word in odd else "each count once and in order"))
    return n >= enough


if sys.argv[2] == "lines":
    for m in records(sys.argv[1], sys.argv[3]):
        print(m.value().decode())
else:
    sys.exit(0 if {"changes": changes, "counts": counts}[sys.argv[2]](sys.argv[1], sys.argv[3], int(sys.argv[4])) else 1)
