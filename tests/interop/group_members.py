"""group_members.py PORT: groups in every state there is, over raw connections; says "there" when all are, and keeps them
until it is killed.

g-connect: of another protocol type; g-wait: nobody has told who gets what; g-prep: a second member waits for the first;
g-mix: committed and assigned are not the same; g-none: a member without partitions; g-odd: an assignment that is none;
g-static: with a group.instance.id and many partitions."""
import struct
import sys
import time

from raw import Conn, string

JOIN, SYNC, COMMIT = 11, 14, 8
keep = []


def nullable(s):
    return b"\xff\xff" if s is None else string(s)


def conn():
    keep.append(Conn(int(sys.argv[1])))
    return keep[-1]


def join(c, group, member, kind, meta, instance=None, wait=True):
    body = string(group) + struct.pack(">ii", 600000, 600000) + string(member) + nullable(instance) + string(kind)
    body += struct.pack(">i", 1) + string("range") + struct.pack(">i", len(meta)) + meta
    if not wait:
        c.send(JOIN, 5, body)
        return None
    answer = c.call(JOIN, 5, body)
    _, error, generation = answer.take("ihi")
    answer.string(), answer.string()
    return error, generation, answer.string()


def enter(group, kind="consumer", topics=("k-one",), instance=None):
    """A member of its own connection that is in the group now."""
    c, meta = conn(), struct.pack(">hi", 0, len(topics)) + b"".join(string(t) for t in topics) + struct.pack(">i", -1)
    for _ in range(200):
        error, generation, member = join(c, group, "", kind, meta, instance)
        if error == 79:
            error, generation, member = join(c, group, member, kind, meta, instance)
        if error not in (14, 15, 16):
            break
        time.sleep(0.1) # the coordinator loads
    assert error == 0, f"{group}: error {error}"
    return c, generation, member, meta


def assignment(*parts):
    return struct.pack(">hi", 0, len(parts)) + b"".join(string(t) + struct.pack(f">i{len(p)}i", len(p), *p) for t, p in parts) + struct.pack(">i", -1)


def sync(c, group, generation, member, *plan):
    body = string(group) + struct.pack(">i", generation) + string(member) + nullable(None) + struct.pack(">i", len(plan))
    body += b"".join(string(m) + struct.pack(">i", len(a)) + a for m, a in plan)
    error = c.call(SYNC, 3, body).take("ih")[1]
    assert error == 0, f"{group}: sync error {error}"


def commit(group, generation, member, topic, partition, offset):
    body = string(group) + struct.pack(">i", generation) + string(member) + nullable(None)
    body += struct.pack(">i", 1) + string(topic) + struct.pack(">iiqi", 1, partition, offset, 5) + string("")
    answer = conn().call(COMMIT, 7, body)
    assert answer.data[-2:] == b"\0\0", f"{group}: commit {answer.data!r}"


c, g, m, _ = enter("g-connect", "connect")
sync(c, "g-connect", g, m, (m, b"xyz"))
enter("g-wait")
c, g, m, meta = enter("g-prep")
sync(c, "g-prep", g, m, (m, assignment(("k-one", [0, 2]))))
second = conn()
_, _, other = join(second, "g-prep", "", "consumer", meta)
join(second, "g-prep", other, "consumer", meta, wait=False)
c, g, m, _ = enter("g-mix", topics=("k-one", "k-two"))
sync(c, "g-mix", g, m, (m, assignment(("k-two", [1]), ("k-one", [1, 0]))))
for topic, partition, offset in (("k-one", 2, 5), ("k-one", 1, 0), ("k-two", 0, 500)):
    commit("g-mix", g, m, topic, partition, offset)
c, g, m, _ = enter("g-none")
sync(c, "g-none", g, m, (m, assignment()))
c, g, m, _ = enter("g-odd")
sync(c, "g-odd", g, m, (m, b"\0"))
c, g, m, _ = enter("g-static", instance="one-of-one")
sync(c, "g-static", g, m, (m, assignment(("k-many", list(range(12))))))
print("there", flush=True)
time.sleep(3600)
