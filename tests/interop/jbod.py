"""jbod.py CASE FOLDER: see the script `jbod`."""
import atexit
import json
import os
import re
import struct
import sys
import time

from confluent_kafka import Consumer, TopicPartition

from cluster import BROKER, Cluster, kafka
from node import Report
from raw import batch, name, string

case, folder = sys.argv[1], os.path.join(sys.argv[2], sys.argv[1])
report = Report(f"jbod {case}")
check = report.check
ONE = ("default.replication.factor=1", "min.insync.replicas=1", "offsets.topic.replication.factor=1")


def cluster(*how, **more):
    c = Cluster(*how, **more)
    atexit.register(c.close)
    return c


def done(c):
    c.term()
    c.close()


def dirs(member, count):
    at = [os.path.join(member.folder, f"d{i + 1}") for i in range(count)]
    member.data = ",".join(at)
    return at


def fill(member, topic, batches, partition=0, known=None):
    """known: {offset: value}, with what was acknowledged added."""
    known = {} if known is None else known
    with member.conn(20) as c:
        for _ in range(batches):
            values = [f"{len(known) + i}-".encode().ljust(1000, b"x") for i in range(100)]
            code, base, message = c.produce(topic, batch(values), partition)
            if code:
                break
            known.update({base + i: v for i, v in enumerate(values)})
    return known


def holds(what, member, topic, known, partition=0, more=False):
    """more: an append that was refused may have been replicated before."""
    with member.conn(20) as c:
        found = dict(c.read_all(topic, partition, crcs=False))
    bad = [o for o, v in known.items() if found.get(o) != v]
    check(f"{what}: its {len(known)} acknowledged records are there" + ("" if more else ", and no others"),
          not bad and (more or len(found) == len(known)),
          f"{len(bad)} are not, {len(found)} in all")


def where(member, topic):
    """kafka-log-dirs: {partition: [(directory, is future, lag, size)]}"""
    code, text = kafka("kafka-log-dirs", "--bootstrap-server", f"{member.addr}:{BROKER}", "--describe", "--topic-list", topic, "--broker-list", member.id)
    told = {}
    for line in text.splitlines():
        if line.startswith("{"):
            for broker in json.loads(line)["brokers"]:
                for d in broker["logDirs"]:
                    for p in d["partitions"]:
                        told.setdefault(int(p["partition"].rsplit("-", 1)[1]), []).append(
                            (os.path.basename(d["logDir"]), p["isFuture"], p["offsetLag"], p["size"]))
    return {k: sorted(v, key=lambda x: x[1]) for k, v in told.items()}


def reassign(member, moves, *how):
    """moves: [(topic, partition, replicas, directories)]"""
    at = os.path.join(folder, "move.json")
    with open(at, "w") as f:
        json.dump({"version": 1, "partitions": [{"topic": t, "partition": p, "replicas": r, "log_dirs": d} for t, p, r, d in moves]}, f)
    return kafka("kafka-reassign-partitions", "--bootstrap-server", f"{member.addr}:{BROKER}", "--reassignment-json-file", at, *how)


def throttle(member, broker, rate):
    """The broker's limit of moves, or none."""
    key = "replica.alter.log.dirs.io.max.bytes.per.second"
    how = ["--add-config", f"{key}={rate}"] if rate else ["--delete-config", key]
    return kafka("kafka-configs", "--bootstrap-server", f"{member.addr}:{BROKER}", "--entity-type", "brokers", "--entity-name", broker, "--alter", *how)


def settled(member, topic, partition, directory, seconds=40):
    end = time.time() + seconds
    while time.time() < end:
        told = where(member, topic).get(partition, [])
        if len(told) == 1 and told[0][0] == os.path.basename(directory):
            return True
        time.sleep(0.5)
    return False


def leader(member, topic, partition=0):
    with member.conn(5) as c:
        return c.metadata(topic)[1][topic][1][partition][1]


def tools():
    c = cluster(folder, ["rookery"], lines=ONE)
    m = c[1]
    d = dirs(m, 3)
    c.format()
    check("a node of three directories starts", c.start())
    with m.conn() as k:
        k.create("t", 3)
        k.wait_leader("t", 3)
    known = [fill(m, "t", 100, p) for p in range(3)]
    at = where(m, "t")
    check("new partitions are spread over the directories", sorted(x[0][0] for x in at.values()) == ["d1", "d2", "d3"], str(at))
    home = {p: at[p][0][0] for p in at}
    target = [x for x in d if os.path.basename(x) != home[0]][0]
    code, text = reassign(m, [("t", 0, [1], [target])], "--execute", "--replica-alter-log-dirs-throttle", "1000000")
    check("kafka-reassign-partitions begins a move with a throttle", "Successfully started moving log directory" in text, text.strip()[-150:])
    at = where(m, "t")[0]
    check("kafka-log-dirs shows where it is, and where it goes", len(at) == 2 and at[0][0] == home[0] and at[1][1] and at[1][2] > 0, str(at))
    code, text = reassign(m, [("t", 0, [1], [target])], "--verify", "--preserve-throttles")
    check("--verify says that it is in progress", "is still in progress" in text, text.strip()[-200:])
    fill(m, "t", 20, 0, known[0])
    m.kill()
    check("killed in the middle, it starts", m.start(30))
    with m.conn() as k:
        k.wait_leader("t", 3)
    at = where(m, "t")[0]
    check("the move goes on where it was", len(at) == 2 and at[1][1] and at[1][3] > 500000, str(at))
    fill(m, "t", 20, 0, known[0])
    throttle(m, 1, None)
    check("without the throttle it is over", settled(m, "t", 0, target), str(where(m, "t")))
    code, text = reassign(m, [("t", 0, [1], [target])], "--verify")
    check("--verify says that it is over", "Reassignment of replica t-0-1 completed successfully" in text, text.strip()[-200:])
    fill(m, "t", 20, 0, known[0])
    for p in range(3):
        holds(f"t-{p}", m, "t", known[p], p)
    code, text = reassign(m, [("t", 1, [1], ["/nowhere"])], "--execute")
    check("a directory that is none is refused as Kafka refuses it", "LogDirNotFoundException" in text or "Failed to alter" in text or "not found" in text, text.strip()[-250:])
    check("it stops", m.term() == 0)
    check("it starts", m.start(30))
    with m.conn() as k:
        k.wait_leader("t", 3)
    for p in range(3):
        holds(f"after a restart, t-{p}", m, "t", known[p], p)
    check("no ERROR in its log", not m.errors(), str(m.errors()[:2]))
    done(c)


def across():
    c = cluster(folder, ["rookery", "rookery"], {1: "broker,controller", 2: "broker"}, lines=ONE)
    d = [dirs(m, 2) for m in c.members]
    c.format()
    check("two brokers of two directories each start", c.start())
    with c[1].conn() as k:
        k.create("t", assigned=[[1], [1]])
        k.wait_leader("t", 2)
    known = [fill(c[1], "t", 100, p) for p in range(2)]
    moves = [("t", 0, [2], [d[1][1]]), ("t", 1, [2], [d[1][1]])]
    code, text = reassign(c[1], moves, "--execute")
    check("kafka-reassign-partitions moves replicas to another broker, into one directory", "Successfully started" in text, text.strip()[-200:])
    end = time.time() + 40
    while time.time() < end:
        code, text = reassign(c[1], moves, "--verify")
        if text.count("completed successfully") == 2 and text.count("is completed") == 2:
            break
    check("--verify says that it is over", time.time() < end, text.strip()[-300:])
    at = where(c[2], "t")
    check("both lie there", all(len(at.get(p, [])) == 1 and at[p][0][0] == "d2" for p in range(2)), str(at))
    for p in range(2):
        fill(c[2], "t", 5, p, known[p])
        holds(f"t-{p}", c[2], "t", known[p], p)
    done(c)


def kinds():
    c = cluster(folder, ["rookery", "kafka"], {1: "broker,controller", 2: "broker"}, lines=ONE)
    m = c[2]
    d = dirs(m, 2)
    c.format()
    check("a Kafka broker of two directories joins", c.start())
    with m.conn() as k:
        k.create("t", assigned=[[2]])
        k.wait_leader("t")
    known = fill(m, "t", 400)
    for kind in ("rookery", "kafka"):
        began = m.kind
        home = where(m, "t")[0][0][0]
        target = [x for x in d if os.path.basename(x) != home][0]
        code, text = reassign(m, [("t", 0, [2], [target])], "--execute", "--replica-alter-log-dirs-throttle", "2000000")
        check(f"{began} begins a move", "Successfully started moving log directory" in text, text.strip()[-150:])
        time.sleep(3)
        at = where(m, "t")[0]
        check(f"{began} is in the middle of it", len(at) == 2 and at[1][1] and 0 < at[1][3] < at[0][3], str(at))
        fill(m, "t", 5, 0, known)
        m.kill()
        m.kind = kind
        m.configure()
        check(f"{kind} starts on the disks of {began}", m.start(90) and c.whole(60), m.words()[-300:] if not m.runs() else "")
        with m.conn(20) as k:
            check(f"{kind} leads what {began} led", k.wait_leader("t", seconds=60))
        throttle(c[1], 2, None)
        check(f"{kind} finishes the move", settled(m, "t", 0, target, 60), str(where(m, "t")))
        fill(m, "t", 5, 0, known)
        holds(f"moved by {began} and {kind}", m, "t", known)
    ours = [e for e in c[1].errors()]
    check("no ERROR in the controller's log", not ours, str(ours[:2]))
    done(c)


def fails():
    c = cluster(folder, ["rookery"] * 3)
    for m in c.members:
        dirs(m, 3)
        m.configure(f"metadata.log.dir={m.folder}/d1")
    c.format()
    check("three nodes of three directories each start", c.start())
    with c[1].conn() as k:
        k.create("t", assigned=[[1, 2, 3]] * 4)
        check("four partitions have leaders", k.wait_leader("t", 4, isr=3))
    known = [fill(c[1], "t", 5, p) for p in range(4)]
    at = where(c[1], "t")
    bad = sorted(p for p in at if at[p][0][0] == "d3")
    good = sorted(p for p in at if at[p][0][0] != "d3")
    check("they are spread over the directories", bad and good, str(at))
    c[1].term()
    os.environ["ROOKERY_FAULT"] = "fsync:eio:/d3/t-:after=3"
    c[1].start(30)
    del os.environ["ROOKERY_FAULT"]
    end = time.time() + 30
    while time.time() < end and not all(len(r[3]) == 3 for r in meta(c[2], "t")):
        time.sleep(0.1)
    with c[2].conn(10) as k:  # leaders go home
        kafka("kafka-leader-election", "--bootstrap-server", f"{c[2].addr}:{BROKER}", "--election-type", "PREFERRED", "--all-topic-partitions")
    time.sleep(1)
    check("node 1 leads again", all(r[1] == 1 for r in meta(c[2], "t")), str(meta(c[2], "t")))
    pause = []
    for p in range(4):
        for _ in range(200):
            n, at = len(known[p]), time.time()
            fill(c[leader(c[2], "t", p)], "t", 1, p, known[p])
            while len(known[p]) == n and p in bad and leader(c[2], "t", p) == 1 and time.time() < at + 10:
                pass
            if p in bad and leader(c[2], "t", p) != 1:
                pause.append(time.time() - at)
            if len(known[p]) > n + 400 or (p in bad and leader(c[2], "t", p) != 1):
                break
    said = c[1].words()
    check("the node says what is offline", re.search(r"\d+ partitions in .*/d3 are offline", said) is not None, said[-300:])
    moved = [leader(c[2], "t", p) for p in bad]
    end = time.time() + 10
    while 1 in moved and time.time() < end:
        time.sleep(0.05)
        moved = [leader(c[2], "t", p) for p in bad]
    check("what it led there is led by others", 1 not in moved, f"{moved}, {max(pause or [0]):.2f} s after the append that failed")
    check("what lies elsewhere it leads on", all(leader(c[2], "t", p) == 1 for p in good), str(meta(c[2], "t")))
    check("the node lives", c[1].runs())
    for p in range(4):
        fill(c[leader(c[2], "t", p)], "t", 5, p, known[p])
        holds(f"t-{p}", c[leader(c[2], "t", p)], "t", known[p], p, p in bad)
    code, text = kafka("kafka-log-dirs", "--bootstrap-server", f"{c[2].addr}:{BROKER}", "--describe", "--broker-list", "1")
    check("kafka-log-dirs shows the error", "KafkaStorageException" in text, text[-300:])
    c[1].term()
    check("with the disk repaired it starts", c[1].start(30))
    end = time.time() + 30
    while time.time() < end and not all(len(r[3]) == 3 for r in meta(c[2], "t")):
        time.sleep(0.1)
    check("and is in every ISR", all(len(r[3]) == 3 for r in meta(c[2], "t")), str(meta(c[2], "t")))
    c[1].term()
    os.environ["ROOKERY_FAULT"] = "read:eio:/d3/"
    check("with a disk that cannot be read it starts, without it", c[1].start(30), c[1].words()[-500:])
    del os.environ["ROOKERY_FAULT"]
    end = time.time() + 30
    while time.time() < end and not all(len(r[3]) == (2 if r[0] in bad else 3) for r in meta(c[2], "t")):
        time.sleep(0.1)
    told = meta(c[2], "t")
    check("it is in the ISRs of what it has, and in no other", all(len(r[3]) == (2 if r[0] in bad else 3) for r in told), str(told))
    made = [p for p in bad for d in ("d1", "d2") if os.path.isdir(f"{c[1].folder}/{d}/t-{p}")]
    check("what it cannot read is not made anew elsewhere", not made, str(made))
    c[1].term()
    c[1].start(30)
    end = time.time() + 30
    while time.time() < end and not all(len(r[3]) == 3 for r in meta(c[2], "t")):
        time.sleep(0.1)
    check("with the disk back it is in every ISR again", all(len(r[3]) == 3 for r in meta(c[2], "t")), str(meta(c[2], "t")))
    for p in range(4):
        holds(f"at the end, t-{p}", c[leader(c[2], "t", p)], "t", known[p], p, p in bad)
    done(c)


def meta(member, topic):
    with member.conn(5) as c:
        return c.metadata(topic)[1][topic][1]


def bytes_out(member, topic):
    code, text = http(member)
    got = re.search(r'^kafka_server_brokertopicmetrics_bytesout_total\{topic="%s"\} (\S+)' % topic, text, re.M)
    return float(got[1]) if got else 0.0


def http(member):
    import urllib.request
    with urllib.request.urlopen(f"http://{member.addr}:9100/metrics", timeout=5) as f:
        return f.status, f.read().decode()


def rack():
    c = cluster(folder, ["rookery"] * 3, lines=("replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector",))
    for m in c.members:
        m.configure(f"broker.rack=rack{m.id}", f"rookery.http.listeners={m.addr}:9100")
    c.format()
    check("three nodes in three racks start", c.start())
    with c[1].conn() as k:
        k.create("t", assigned=[[1, 2, 3]])
        check("the topic has a leader", k.wait_leader("t", isr=3))
    known = fill(c[1], "t", 100)
    time.sleep(1)
    for r in (1, 2, 3):
        before = {m.id: bytes_out(m, "t") for m in c.members}
        consumer = Consumer({"bootstrap.servers": c.bootstrap(), "group.id": f"g{r}", "client.rack": f"rack{r}", "auto.offset.reset": "earliest",
                             "enable.auto.commit": False})
        consumer.assign([TopicPartition("t", 0, 0)])
        got, end = 0, time.time() + 30
        while got < len(known) and time.time() < end:
            got += len(consumer.consume(500, 1.0))
        # and what is written meanwhile arrives by way of the follower's high watermark
        fill(c[1], "t", 2, 0, known)
        while got < len(known) and time.time() < end:
            got += len(consumer.consume(500, 1.0))
        consumer.close()
        check(f"a consumer in rack {r} reads all", got == len(known), f"{got} of {len(known)}")
        served = {m.id: bytes_out(m, "t") - before[m.id] for m in c.members}
        best = max(served, key=served.get)
        check(f"from node {r}", best == r and served[r] > 0.8 * len(known) * 1000, str(served))
    c.term()


def ask(conn, version, offset, epoch=-1, rack="", committed=0):
    """One Fetch of t-0 as a consumer sends it: what comes back, but for the records themselves."""
    body = struct.pack(">iiiibii", -1, 0, 0, 1 << 20, committed, 0, -1) + struct.pack(">i", 1) + string("t")
    body += struct.pack(">iiiqqi", 1, 0, epoch, offset, -1, 1 << 20) + struct.pack(">i", 0) + (string(rack) if version >= 11 else b"")
    r = conn.call(1, version, body)
    _, code, _, topics = r.take("ihii")
    if topics == 0:
        return name(code)
    r.string(), r.take("i")
    _, error, high, stable, start, aborted = r.take("ihqqqi")
    r.bytes(16 * max(aborted, 0))
    nearest = r.take("i") if version >= 11 else None
    size = r.take("i")
    return name(code), name(error), high, stable, start, aborted, nearest, "records" if size > 0 else size


def answers(kind):
    once = ("default.replication.factor=2", "offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1", "share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1",
            "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector")
    c = cluster(os.path.join(folder, kind), [kind] * 2, {1: "broker,controller", 2: "broker"}, lines=once)
    for m in c.members:
        m.configure(f"broker.rack=r{m.id}")
    c.format()
    check(f"two nodes of {kind} start", c.start(90))
    told = {}
    with c[1].conn() as one, c[2].conn() as two:
        one.create("t", assigned=[[1, 2]])
        one.wait_leader("t", isr=2)
        for _ in range(10):
            while one.produce("t", batch([b"x" * 50] * 10))[0]:
                time.sleep(0.1)
        time.sleep(2)
        end = one.end("t")
        for who, conn in (("the leader", one), ("the follower", two)):
            for v in (10, 11):
                for off in (0, 5, end, end + 1, end + 5, -1):
                    told[f"{who}, version {v}, offset {off} of {end}"] = ask(conn, v, off)
                for epoch in (0, 1, 5):
                    told[f"{who}, version {v}, epoch {epoch}"] = ask(conn, v, 0, epoch)
                told[f"{who}, version {v}, committed"] = ask(conn, v, 0, committed=1)
            for rack in ("r1", "r2", "r3"):
                for off in (0, end, end + 1):
                    told[f"{who}, rack {rack}, offset {off} of {end}"] = ask(conn, 11, off, rack=rack)
    done(c)
    return told


def same():
    ours, theirs = answers("rookery"), answers("kafka")
    wrong = [f"{k}: {ours.get(k)}, Kafka {theirs[k]}" for k in theirs if ours.get(k) != theirs[k]]
    check(f"{len(theirs)} fetches from leader and follower are answered as Kafka answers them", not wrong, "; ".join(wrong[:3]))


{"same": same, "tools": tools, "across": across, "kinds": kinds, "fails": fails, "rack": rack}[case]()
