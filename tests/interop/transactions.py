"""transactions.py FOLDER [--kind K] [--nodes N] [--records N] [--rounds N]: transactional copiers under faults, Kafka's tools. See the script `transactions`.

transactions.py copier BOOTSTRAP GROUP FROM TO TRANSACTIONAL-ID SHARE-OF-ABORTS: one instance of librdkafka's kind; java/Copier.java is the other. Both
print "ready", "committed N" (records in all), "aborted N", "again WHY" when something went wrong and the work is done again, and end with status 3 after
"fenced WHY".
"""
import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from stream import QUICK

PARTITIONS, ABORTS = 4, 0.16


def say(what):
    print(what, flush=True)


def until_done(call, *args):
    """Calls again what librdkafka says may be called again."""
    for n in range(100):
        try:
            return call(*args)
        except KafkaException as e:
            if not e.args[0].retriable() or n == 99:
                raise
            time.sleep(0.1)
    return None


def copier(bootstrap, group, source, to, id, aborts):
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "isolation.level": "read_committed", "enable.auto.commit": False,
                  "auto.offset.reset": "earliest", "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, **QUICK})
    c.subscribe([source])
    p, committed, aborted, again = None, 0, 0, False

    def back():
        for t in c.committed(c.assignment(), 30):
            c.seek(TopicPartition(t.topic, t.partition, t.offset if t.offset >= 0 else OFFSET_BEGINNING))
    while True:
        try:
            if p is None:
                p = Producer({"bootstrap.servers": bootstrap, "transactional.id": id, "transaction.timeout.ms": 10000, "linger.ms": 0, **QUICK})
                until_done(p.init_transactions, 30)
                say("ready")
            if again:
                back()
            again = False
            got = [m for m in c.consume(300, 0.2) if not m.error()]
            if not got:
                continue
            abort = random.random() < float(aborts)
            p.begin_transaction()
            for m in got:
                p.produce(to, m.value() + (b" aborted" if abort else b""), partition=m.partition())
                p.poll(0)
            at = {m.partition(): m.offset() + 1 for m in got}
            until_done(p.send_offsets_to_transaction, [TopicPartition(source, i, o) for i, o in at.items()], c.consumer_group_metadata(), 30)
            if abort:
                p.flush(10)
                until_done(p.abort_transaction, 30)
                aborted, again = aborted + 1, True
                say(f"aborted {aborted}")
            else:
                until_done(p.commit_transaction, 30)
                committed += len(got)
                say(f"committed {committed}")
        except KafkaException as e:
            err, again = e.args[0], True
            if err.fatal():
                say(f"fenced {err.name()} {err.str()}")
                os._exit(3)
            say(f"again {err.name()}: {err.str()}")
            try:
                if p and err.txn_requires_abort():
                    until_done(p.abort_transaction, 30)
            except KafkaException as worse:
                if worse.args[0].fatal():
                    say(f"fenced at the abort {worse.args[0].name()}")
                    os._exit(3)
                say(f"anew {worse.args[0].name()}")
                p = None


if sys.argv[1] == "copier":
    copier(*sys.argv[2:])
    sys.exit(0)

from cluster import HERE, Cluster, kafka, kafka_there, libs  # noqa: E402
from node import Report  # noqa: E402

arguments = argparse.ArgumentParser()
arguments.add_argument("folder"), arguments.add_argument("--kind", default="rookery"), arguments.add_argument("--nodes", type=int, default=1)
arguments.add_argument("--records", type=int, default=20000), arguments.add_argument("--rate", type=int, default=300), arguments.add_argument("--rounds", type=int, default=1)
arguments.add_argument("--only", choices=["copy", "tools"]), arguments.add_argument("--faults", default="."), arguments.add_argument("--seed", type=int, default=int(time.time()))
arg = arguments.parse_args()
random.seed(arg.seed)
report = Report("transactions " + arg.kind)
cluster = Cluster(os.path.join(arg.folder, f"{arg.kind}{arg.nodes}"), [arg.kind] * arg.nodes)
isr = min(2, arg.nodes)
cluster.lines = [f"default.replication.factor={arg.nodes}", f"min.insync.replicas={isr}", f"offsets.topic.replication.factor={arg.nodes}", "offsets.topic.num.partitions=4",
                 f"transaction.state.log.replication.factor={arg.nodes}", f"transaction.state.log.min.isr={isr}", "transaction.state.log.num.partitions=4",
                 "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000", "auto.create.topics.enable=false", "group.initial.rebalance.delay.ms=0"]
started = time.monotonic()
java = os.path.exists(os.path.join(arg.folder, "classes"))
KINDS = ["java", "librdkafka"] if java else ["librdkafka"]
if not java:
    report.skip("Kafka's own client", "no JDK or Kafka jars here")


def note(what):
    say(f"# {time.monotonic() - started:6.1f} s: {what}")


# ---------------------------------------------------------------- who copies, who feeds, who watches
class Instance:
    def __init__(self, kind, id):
        self.kind, self.id = kind, id
        self.path = os.path.join(cluster.folder, id)
        self.start()

    def start(self, beside=False):
        """beside: the one that runs already is left to itself"""
        rest = [cluster.bootstrap(), "copy-" + self.kind, "from", "to-" + self.kind, self.id, str(ABORTS)]
        if self.kind == "java":
            argv = ["java", "-Xmx96m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.configurationFile=" + os.path.join(HERE, "kafka/log4j2.properties"),
                    "-cp", os.path.join(arg.folder, "classes") + ":" + libs() + "/*", "Copier", *rest]
        else:
            argv = [sys.executable, os.path.abspath(__file__), "copier", *rest]
        old, self.since = getattr(self, "q", None), len(self.said())
        self.q = subprocess.Popen(argv, stdout=open(self.path + ".out", "a"), stderr=open(self.path + ".err", "a"), cwd=HERE)
        return old if beside else None

    def kill(self):
        self.q.kill()
        self.q.wait()

    def said(self):
        with open(self.path + ".out", "a+") as f:
            f.seek(0)
            return f.read().splitlines()

    def working(self, times=1, seconds=40):
        """It has committed that many transactions from now on, itself."""
        self.since, end = max(self.since, len(self.said()) - 1), time.monotonic() + seconds
        while time.monotonic() < end and sum(s.startswith("committed") for s in self.said()[self.since:]) < times:
            time.sleep(0.02)


class Feed(threading.Thread):
    """The records 0, 1, 2, ... into partition n mod PARTITIONS, until all is over"""

    def __init__(self):
        super().__init__(daemon=True)
        self.wrong, self.sent, self.over = [], 0, False

    def run(self):
        p = Producer({"bootstrap.servers": cluster.bootstrap(), "enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": 600000, **QUICK})
        began = time.monotonic()
        while not self.over or self.sent < arg.records:
            while self.sent < (arg.records if self.over else (time.monotonic() - began) * arg.rate):
                p.produce("from", str(self.sent), partition=self.sent % PARTITIONS, on_delivery=lambda e, m: self.wrong.append(str(e)) if e else None)
                self.sent += 1
            p.poll(0.02)
        p.flush(120)


class Watch(threading.Thread):
    """A reader of committed records, from the first minute on"""

    def __init__(self, topic):
        super().__init__(daemon=True)
        self.topic, self.seen, self.wrong, self.count = topic, {}, [], 0

    def run(self):
        self.seen = read(self.topic, "read_committed", lambda seen: False, self)


def read(topic, isolation, enough, watch=None):
    """Everything there is: {partition: [(offset, value)]}; ends when enough says so, or when nothing comes for 3 s after that."""
    c = Consumer({"bootstrap.servers": cluster.bootstrap(), "group.id": "nobody", "isolation.level": isolation, "enable.auto.commit": False, **QUICK})
    c.assign([TopicPartition(topic, i, OFFSET_BEGINNING) for i in range(PARTITIONS)])
    seen = {i: [] for i in range(PARTITIONS)}
    if watch:
        watch.seen = seen
    while not enough(seen):
        for m in c.consume(1000, 0.3):
            if m.error():
                continue
            seen[m.partition()].append((m.offset(), m.value().decode()))
            if watch:
                watch.count += 1
    c.close()
    return seen


def all_of(topic, isolation):
    ends = {}
    c = Consumer({"bootstrap.servers": cluster.bootstrap(), "group.id": "nobody", "isolation.level": isolation, **QUICK})
    for i in range(PARTITIONS):
        ends[i] = c.get_watermark_offsets(TopicPartition(topic, i), timeout=20)[1]
    c.close()
    quiet = [0, time.monotonic()]

    def enough(seen):
        n = sum(map(len, seen.values()))
        if n != quiet[0]:
            quiet[:] = n, time.monotonic()
        return time.monotonic() - quiet[1] > 3
    return read(topic, isolation, enough), ends


# ---------------------------------------------------------------- what goes wrong
copiers, watches, ended = {}, {}, []


def some(kind):
    return random.choice(copiers[kind])


def look_after():
    """A copier that was fenced although nobody took its place (its transaction timed out while the server was away) is started again."""
    for kind in KINDS:
        for i in copiers[kind]:
            if i.q.poll() is not None:
                ended.append((i.id, i.q.returncode, (i.said() or [""])[-1]))
                i.start()


def going_on(what, seconds=120):
    """Every kind's committed records go on: each reader of them sees new ones."""
    began, before = time.monotonic(), {k: w.count for k, w in watches.items()}
    waits = {}
    while len(waits) < len(KINDS) and time.monotonic() - began < seconds:
        look_after()
        for k in KINDS:
            if k not in waits and watches[k].count > before[k] + 50:
                waits[k] = f"{k} after {time.monotonic() - began:.1f} s"
        time.sleep(0.05)
    report.check(f"{what}: copying goes on", len(waits) == len(KINDS), ", ".join(waits.values()))


def kill_copier(kind):
    i = some(kind)
    i.kill()
    i.start()


def kill_server():
    m = random.choice(cluster.members)
    m.kill()
    time.sleep(random.uniform(0, 1))
    m.start(60)


def end_server():
    m = random.choice(cluster.members)
    m.term()
    m.start(60)


def kill_all():
    for kind in KINDS:
        some(kind).kill()
    kill_server()
    look_after()
    ended.clear()


def leave(kind):
    """One is killed in a transaction and stays away for longer than its transaction may take: the others go on, its own is aborted."""
    i = some(kind)
    i.working()
    i.kill()
    time.sleep(18)  # its session, and its transaction
    before = {p: len(watches[kind].seen[p]) for p in range(PARTITIONS)}
    time.sleep(6)
    stuck = [p for p in range(PARTITIONS) if len(watches[kind].seen[p]) <= before[p]]
    report.check(f"a {kind} copier is killed and stays away: its transaction is aborted, the other copies what was its share", not stuck, f"stuck: {stuck}" if stuck else "")
    i.start()


def zombie(kind):
    """One sleeps, another takes its transactional id: when it wakes up it is told so, and ends."""
    i = some(kind)
    i.working(3)  # one that still begins would fence the other
    i.q.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    old = i.start(beside=True)
    i.working(2)
    lines = len(i.said())
    old.send_signal(signal.SIGCONT)
    try:
        code = old.wait(40)
    except subprocess.TimeoutExpired:
        code = None
        old.kill()
    fenced = [s for s in i.said()[lines:] if s.startswith("fenced")]
    report.check(f"a {kind} copier that sleeps while another takes its transactional id is fenced when it wakes up", code == 3 and fenced,
                 fenced[0][:80] if fenced else f"exit status {code}, {i.said()[lines:][:3]}")


def copy():
    for topic in ["from"] + ["to-" + k for k in KINDS]:
        assert cluster.create(topic, PARTITIONS, arg.nodes) == 0
    feed = Feed()
    feed.start()
    for k in KINDS:
        watches[k] = Watch("to-" + k)
        watches[k].start()
        copiers[k] = [Instance(k, f"{k}-{n}") for n in range(2)]
    going_on("four copiers of two kinds start" if java else "two copiers start")
    faults = [(f"kill -9 of a {k} copier", lambda k=k: kill_copier(k)) for k in KINDS]
    faults += [("kill -9 of a server", kill_server), ("SIGTERM of a server", end_server), ("kill -9 of a server and of copiers", kill_all)]
    faults += [(f"a sleeping {k} copier", lambda k=k: zombie(k)) for k in KINDS] + [(f"a {k} copier that stays away", lambda k=k: leave(k)) for k in KINDS]
    for n in range(arg.rounds):
        for what, do in faults:
            if not re.search(arg.faults, what):
                continue
            note(what)
            do()
            going_on(what)
            time.sleep(1.5)
    feed.over = True
    feed.join(120)
    arg.records = feed.sent
    report.check(f"{feed.sent} records were fed", not feed.is_alive() and not feed.wrong, str(feed.wrong[:1]) if feed.wrong else "")
    end = time.monotonic() + 120
    while time.monotonic() < end and any(w.count < arg.records for w in watches.values()):
        look_after()
        time.sleep(0.2)
    time.sleep(1)
    for k in KINDS:
        for i in copiers[k]:
            i.kill()
        judge(k)
    for id, code, last in ended:
        note(f"{id} ended by itself with {code}: {last[:150]}")
    report.check("no copier ended for a reason of its own", all(code == 3 for _, code, _ in ended), str(ended) if ended else "")


def judge(kind):
    topic = "to-" + kind
    final, ends = all_of(topic, "read_committed")
    values = {i: [v for _, v in final[i]] for i in range(PARTITIONS)}
    bad = sum(v.endswith("aborted") for i in range(PARTITIONS) for v in values[i])
    report.check(f"{kind}: no aborted record is seen by a reader of committed ones", bad == 0, f"{bad} are" if bad else "")
    wanted = {i: [str(n) for n in range(i, arg.records, PARTITIONS)] for i in range(PARTITIONS)}
    lost = sum(len(set(wanted[i]) - set(values[i])) for i in range(PARTITIONS))
    twice = sum(len(values[i]) - len(set(values[i])) for i in range(PARTITIONS))
    order = sum(a != b for i in range(PARTITIONS) for a, b in zip(values[i], wanted[i]))
    report.check(f"{kind}: {arg.records} records were copied exactly once, in order", values == wanted, f"{lost} lost, {twice} twice, {order} not in their place" if values != wanted else "")
    live = watches[kind].seen
    report.check(f"{kind}: the reader that was there all the time saw the same", {i: list(live[i]) for i in live} == final, f"{watches[kind].count} records")
    whole, _ = all_of(topic, "read_uncommitted")
    total, aborted = sum(map(len, whole.values())), sum(v.endswith("aborted") for i in whole for _, v in whole[i])
    report.check(f"{kind}: there was something to hide", aborted > 0 and total > arg.records, f"{total} records in all, {aborted} aborted on purpose, {total - arg.records - aborted} cut short by faults")
    said = [line.split()[0] for i in copiers[kind] for line in i.said()]
    note(f"{kind}: {said.count('committed')} transactions committed, {said.count('aborted')} aborted on purpose, {said.count('again')} done again, {said.count('ready')} starts")


# ---------------------------------------------------------------- Kafka's tools
def tool(*argv, timeout=60):
    code, out = kafka(argv[0], "--bootstrap-server", cluster.bootstrap(), *argv[1:], timeout=timeout)
    return code, [line for line in out.splitlines() if line.strip() and not re.search(r"WARN|SLF4J|StatusLogger", line)]


def rows(lines):
    """A table of kafka-transactions: its rows by column"""
    head = lines[0].split() if lines else []
    return [dict(zip(head, line.split())) for line in lines[1:]]


def opened(id, n=3):
    p = Producer({"bootstrap.servers": cluster.bootstrap(), "transactional.id": id, "transaction.timeout.ms": 600000, **QUICK})
    until_done(p.init_transactions, 30)
    p.begin_transaction()
    for k in range(n):
        p.produce("tool", f"{id} {k}", partition=0)
    p.flush(20)
    return p


def last_stable():
    c = Consumer({"bootstrap.servers": cluster.bootstrap(), "group.id": "nobody", "isolation.level": "read_committed", **QUICK})
    got = c.get_watermark_offsets(TopicPartition("tool", 0), timeout=20)[1]
    c.close()
    return got


def tools():
    assert cluster.create("tool", 1, arg.nodes) == 0
    done = opened("done")
    until_done(done.commit_transaction, 30)
    ab = opened("undone")
    until_done(ab.abort_transaction, 30)
    hang, term = opened("hang"), opened("term")
    code, lines = tool("kafka-transactions", "list")
    states = {r["TransactionalId"]: r["TransactionState"] for r in rows(lines)}
    report.check("kafka-transactions list", code == 0 and states.get("done") == "CompleteCommit" and states.get("undone") == "CompleteAbort" and states.get("hang") == "Ongoing", str(states)[:200])
    code, lines = tool("kafka-transactions", "list", "--transactional-id-pattern", "h.*g", "--duration-filter", "1")
    report.check("... of a pattern and a duration", code == 0 and [r["TransactionalId"] for r in rows(lines)] == ["hang"], str(lines)[:200])
    code, lines = tool("kafka-transactions", "describe", "--transactional-id", "hang")
    r = (rows(lines) or [{}])[0]
    report.check("kafka-transactions describe", code == 0 and r.get("TransactionState") == "Ongoing" and r.get("TransactionTimeoutMs") == "600000" and "tool-0" in lines[-1], str(r)[:250])
    code, lines = tool("kafka-transactions", "describe", "--transactional-id", "no-such-id")
    report.check("kafka-transactions describe of one that is not there", code != 0 and any("could not be found" in x for x in lines), str(lines)[-160:])
    code, lines = tool("kafka-transactions", "describe-producers", "--topic", "tool", "--partition", "0")
    open_at = sorted(int(r["CurrentTransactionStartOffset"]) for r in rows(lines) if r["CurrentTransactionStartOffset"] != "None")
    report.check("kafka-transactions describe-producers", code == 0 and open_at == [8, 11] and len(rows(lines)) == 4, str(open_at))
    code, lines = tool("kafka-transactions", "find-hanging", "--broker-id", "1")
    report.check("kafka-transactions find-hanging finds none", code == 0 and not rows(lines), str(lines)[:200])
    report.check("the last stable offset is where the first open transaction began", last_stable() == 8, str(last_stable()))
    code, lines = tool("kafka-transactions", "abort", "--topic", "tool", "--partition", "0", "--start-offset", "8")
    report.check("kafka-transactions abort: the last stable offset goes on to the next open one", code == 0 and last_stable() == 11, f"{last_stable()} {lines}")
    code, lines = tool("kafka-transactions", "forceTerminateTransaction", "--transactionalId", "term")
    end = time.monotonic() + 10
    while time.monotonic() < end and last_stable() < 16:
        time.sleep(0.1)
    report.check("kafka-transactions forceTerminateTransaction", code == 0 and last_stable() == 16, f"{last_stable()} {lines}")
    try:
        term.commit_transaction(20)
        report.no("whose transaction was terminated can commit it")
    except KafkaException as e:
        report.ok(f"whose transaction was terminated cannot commit it: {e.args[0].name()}")
    read_log()
    del done, ab, hang


def read_log():
    code, out = kafka("kafka-console-consumer", "--bootstrap-server", cluster.bootstrap(), "--topic", "__transaction_state", "--from-beginning", "--timeout-ms", "8000",
                      "--formatter", "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter", timeout=60)
    told, count = {}, 0
    at = out.find("{")
    while at >= 0:
        r, at = json.JSONDecoder().raw_decode(out, at)
        count += 1
        told[r["key"]["data"]["transactionalId"]] = r["value"]
        at = out.find("{", at)
    status = {k: v and v["data"]["transactionStatus"] for k, v in told.items()}
    wanted = {"done": 4, "undone": 5, "term": 0, "hang": 1}  # term began anew
    report.check("Kafka's console consumer with its formatter reads __transaction_state", {k: status.get(k) for k in wanted} == wanted, f"{count} records, {status}"[:300])
    v = told.get("done") and told["done"]["data"]
    report.check("... each as version 1, with all its fields", bool(v) and told["done"]["version"] == 1 and v["transactionTimeoutMs"] == 600000 and v["producerEpoch"] >= 0 and v["transactionStartTimestampMs"] > 0, str(v)[:300])
    for m in cluster.members:
        m.term()
    found = []
    for m in cluster.members:
        for folder in sorted(os.listdir(m.data)):
            if folder.startswith("__transaction_state-"):
                for f in sorted(os.listdir(os.path.join(m.data, folder))):
                    if f.endswith(".log"):
                        code, out = kafka("kafka-dump-log", "--transaction-log-decoder", "--print-data-log", "--files", os.path.join(m.data, folder, f))
                        found += [line for line in out.splitlines() if "transactionalId" in line] if code == 0 else [f"exit status {code}: {out[-200:]}"]
    ids = {m[1] for line in found for m in [re.search(r'"?transactionalId"?[:=]"?([\w-]+)', line)] if m}
    report.check("kafka-dump-log --transaction-log-decoder reads our files", ids >= set(wanted), f"{len(found)} records, {sorted(ids)}")


try:
    note(f"seed {arg.seed}")
    cluster.format()
    if not cluster.start():
        raise OSError("the server did not start")
    if arg.only != "tools":
        copy()
    if arg.only != "copy":
        if kafka_there():
            tools()
        else:
            report.skip("Kafka's tools", "Kafka's jars cannot be fetched")
    wrong = [e for m in cluster.members for e in m.errors()]
    report.check("no server said that something is wrong with it", arg.kind == "kafka" or not wrong, str(wrong[:3]) if wrong and arg.kind != "kafka" else "")
finally:
    for kind in copiers:
        for i in copiers[kind]:
            i.q.kill()
    cluster.close()
sys.exit(1 if report.failures else 0)
