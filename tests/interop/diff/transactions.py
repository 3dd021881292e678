"""Transactions at every version: who may begin, add, write, commit; what readers see; what is told of them; and every mistake.

The clients' old way (AddPartitionsToTxn first, the epoch stays: transaction.version 0 and 1) is that of Produce up to 11, EndTxn and TxnOffsetCommit up to
4; the new one (the leader adds the partition itself, every end raises the epoch) begins with Produce 12, EndTxn 5, TxnOffsetCommit 5."""
import json
import time
from differ import TID, Var
from groups import ready as ready_group, synced
from scenarios import REC, fe, pr, vs
from wire import batch

COMMIT, ABORT = True, False
PID, EPOCH, OLD, NEW = Var("pid"), Var("epoch"), Var("old"), Var("new")
NOBODY = 1 << 40            # a producer id that nobody has


def tidy(x):
    """What differs between two runs of the same broker: times of batches and of markers, the order of Kafka's sets; and aborted transactions that
    begin after all that a reader may see: Kafka names them when its sparse index does not know better."""
    if isinstance(x, dict):
        if x.get("AbortedTransactions"):
            x = {**x, "AbortedTransactions": [a for a in x["AbortedTransactions"] if a["FirstOffset"] < x["LastStableOffset"]]}
        return {k: "<now>" if k in ("ts", "maxts") and y > 1750000000000 else tidy(y) for k, y in x.items()}
    if isinstance(x, list):
        return sorted(map(tidy, x), key=lambda y: json.dumps(y, sort_keys=True)) if all(isinstance(y, (int, dict)) for y in x) else x
    return x


def ask(r, name, api, v, body, **k):
    if not r.case(f"transactions {api}.v{v} {name}"):
        return None
    a = r.do(api, v, body, tries=1, **k)
    r.results[r.name] = [{**x, "body": tidy(x.get("body"))} for x in r.results[r.name]]
    return a


# ------------------------------------------------------------------------------------------------ steps that are no claim
def ready(r, id):
    """The coordinator is loaded."""
    r.do("FindCoordinator", 4, {"KeyType": 1, "CoordinatorKeys": [id]}, quiet=True, until=lambda x: x["Coordinators"][0]["ErrorCode"] == 0)
    r.do("DescribeTransactions", 0, {"TransactionalIds": [id]}, quiet=True, until=lambda x: x["TransactionStates"][0]["ErrorCode"] not in (14, 15, 16))
    return id


def init(r, id, timeout=60000, v=5):
    """A producer that may begin: its id and epoch are in Var('pid'), Var('epoch')."""
    return r.do("InitProducerId", v, {"TransactionalId": id, "TransactionTimeoutMs": timeout, "ProducerId": -1, "ProducerEpoch": -1}, quiet=True,
                until=lambda x: x["ErrorCode"] == 0, save={"pid": lambda x: x["ProducerId"], "epoch": lambda x: x["ProducerEpoch"]})


def begin(r, *name, **k):
    """An id whose producer is its second: Var('old') is the epoch that was fenced."""
    id = ready(r, r.n(*name))
    init(r, id, **k), init(r, id, **k)
    r.t.vars.update(old=r.t.vars["epoch"] - 1, new=r.t.vars["epoch"] + 1)
    return id


def states(ids):
    return {"TransactionalIds": list(ids)}


def settled(r, *ids, seconds=6):
    """The markers are written."""
    end = time.time() + seconds
    while time.time() < end:
        a = r.do("DescribeTransactions", 0, states(ids), quiet=True)
        if a and not any(s["TransactionState"].startswith("Prepare") for s in a["TransactionStates"]):
            return
        time.sleep(0.02)


def told(r, what, *ids):
    ask(r, f"after {what}", "DescribeTransactions", 0, states(ids))


# ------------------------------------------------------------------------------------------------ bodies
def parts(t, *ps):
    return {"Name": t, "Partitions": list(ps)}


def adding(id, *topics, pid=PID, epoch=EPOCH, verify=False):
    """AddPartitionsToTxn in both of its shapes."""
    return {"V3AndBelowTransactionalId": id, "V3AndBelowProducerId": pid, "V3AndBelowProducerEpoch": epoch, "V3AndBelowTopics": list(topics),
            "Transactions": [{"TransactionalId": id, "ProducerId": pid, "ProducerEpoch": epoch, "VerifyOnly": verify, "Topics": list(topics)}]}


def ending(id, how=COMMIT, pid=PID, epoch=EPOCH):
    return {"TransactionalId": id, "ProducerId": pid, "ProducerEpoch": epoch, "Committed": how}


def data(T, seq=0, n=1, epoch=None, pid=None, attributes=0x10, text=b"v"):
    """A batch of the producer in hand."""
    return batch([(b"k%d" % i, text, []) for i in range(n)], ts=int(time.time() * 1000), attributes=attributes, seq=seq,
                 pid=T.vars["pid"] if pid is None else pid, epoch=T.vars["epoch"] if epoch is None else T.resolve(epoch))


def writing(id, t, part=0, **k):
    return pr(t, lambda T: data(T, **k), part, txn=id)


def add(r, id, *topics, v=3):
    r.do("AddPartitionsToTxn", v, adding(id, *topics), quiet=True, until=lambda x: not any(p["PartitionErrorCode"] for t in x["ResultsByTopicV3AndBelow"] for p in t["ResultsByPartition"]))


def write(r, id, t, part=0, v=9, **k):
    return r.do("Produce", v, writing(id, t, part, **k), quiet=True)


def end(r, id, how=COMMIT, v=4):
    a = r.do("EndTxn", v, ending(id, how), quiet=True, until=lambda x: x["ErrorCode"] == 0)
    settled(r, id)
    return a


def raised(r, a):
    """What EndTxn 5 told is the epoch from now on."""
    if a and a["ErrorCode"] == 0 and "ProducerEpoch" in a:
        r.t.vars.update(pid=a["ProducerId"], epoch=a["ProducerEpoch"])


def read(r, name, v, t, offset=0, part=0, isolation=1):
    """A Fetch; the control records, of which the harness shows a part, are shown whole."""
    r.t.vars["got"] = None
    if not ask(r, name, "Fetch", v, fe(t, offset, part, IsolationLevel=isolation), save={"got": lambda x: x["Responses"][0]["Partitions"][0]["Records"]}):
        return
    got, at, whole = r.t.vars["got"] or b"", 0, []
    while at + 61 <= len(got):
        size = 12 + int.from_bytes(got[at + 8:at + 12], "big")
        if got[at + 22] & 0x20:
            whole.append(got[at + 61:at + size].hex())
        at += size
    r.record({"markers": whole})


def ends(t, *ps, at=-1, isolation=1):
    return {"ReplicaId": -1, "IsolationLevel": isolation, "TimeoutMs": 1000, "Topics": [{"Name": t, "Partitions": [{"PartitionIndex": p, "CurrentLeaderEpoch": -1, "Timestamp": at} for p in ps]}]}


def both_ends(r, what, t, *ps):
    for isolation in (0, 1):
        ask(r, f"{what}, isolation {isolation}", "ListOffsets", 7, ends(t, *ps, isolation=isolation))


# ------------------------------------------------------------------------------------------------ before there is anything
def no_log(r):
    """There is no __transaction_state yet: nobody has asked for a coordinator."""
    for v in vs(r, "InitProducerId"):
        ask(r, "before", "InitProducerId", v, {"TransactionalId": "b", "TransactionTimeoutMs": 1000, "ProducerId": -1, "ProducerEpoch": -1})
    for v in vs(r, "AddPartitionsToTxn"):
        ask(r, "before", "AddPartitionsToTxn", v, adding("b", parts("t", 0), pid=1, epoch=0))
    for v in vs(r, "AddOffsetsToTxn"):
        ask(r, "before", "AddOffsetsToTxn", v, {"TransactionalId": "b", "ProducerId": 1, "ProducerEpoch": 0, "GroupId": "g"})
    for v in vs(r, "EndTxn"):
        ask(r, "before", "EndTxn", v, ending("b", pid=1, epoch=0))
    ask(r, "before", "DescribeTransactions", 0, states(["b"]))
    for v in vs(r, "ListTransactions"):
        ask(r, "before", "ListTransactions", v, {"StateFilters": [], "ProducerIdFilters": [], "DurationFilter": -1})
    begin(r, "nl")          # Kafka fetches its first block of producer ids


def find_transactions(r):
    for v in vs(r, "FindCoordinator"):
        if v > 5:
            continue
        id = ready(r, r.n("tf", v))
        for name, q in {"transaction": {"Key": id, "KeyType": 1, "CoordinatorKeys": [id, r.n("other")]}, "no name": {"Key": "", "KeyType": 1, "CoordinatorKeys": [""]},
                        "no keys": {"Key": id, "KeyType": 1, "CoordinatorKeys": []}}.items():
            ask(r, name, "FindCoordinator", v, q)


# ------------------------------------------------------------------------------------------------ InitProducerId
def begin_transactional(r):
    for v in vs(r, "InitProducerId"):
        t = r.topic(r.n("it", v))
        id = ready(r, r.n("ip", v))
        q = lambda name=id, timeout=60000, pid=-1, epoch=-1: {"TransactionalId": name, "TransactionTimeoutMs": timeout, "ProducerId": pid, "ProducerEpoch": epoch}
        ask(r, "new", "InitProducerId", v, q(), save={"pid": lambda x: x["ProducerId"]})
        told(r, f"new {v}", id)
        ask(r, "again", "InitProducerId", v, q())
        for timeout in (0, -1, 1, 900000, 900001, 2147483647):
            ask(r, f"timeout {timeout}", "InitProducerId", v, q(ready(r, r.n("ip", v, timeout)), timeout))
        ask(r, "timeout too long of one that is there", "InitProducerId", v, q(timeout=900001))
        ask(r, "no name", "InitProducerId", v, q(""))
        if v >= 3:
            for name, body in {"an id without an epoch": q(pid=PID), "an epoch without an id": q(epoch=1), "of one that is not there": q(ready(r, r.n("ip-none", v)), pid=5, epoch=3),
                               "somebody else": q(pid=NOBODY, epoch=1), "its epoch": q(pid=PID, epoch=1), "its epoch again": q(pid=PID, epoch=1), "an old epoch": q(pid=PID, epoch=0),
                               "an epoch to come": q(pid=PID, epoch=77), "the epoch it has": q(pid=PID, epoch=2), "a negative id": q(pid=-5, epoch=2), "a negative epoch": q(pid=PID, epoch=-7)}.items():
                ask(r, name, "InitProducerId", v, body)
        init(r, id)
        add(r, id, parts(t, 0))
        write(r, id, t)
        ask(r, "while it writes", "InitProducerId", v, q())
        settled(r, id)
        told(r, f"while it writes {v}", id)
        ask(r, "after that", "InitProducerId", v, q())
        told(r, f"after that {v}", id)
        zombie(r, f"of before {v}", id, t)
        if v >= 3:
            init(r, id)
            add(r, id, parts(t, 0))
            ask(r, "its epoch while it writes", "InitProducerId", v, q(pid=PID, epoch=EPOCH))
            settled(r, id)
            ask(r, "its epoch after that", "InitProducerId", v, q(pid=PID, epoch=EPOCH))
            told(r, f"its epoch after that {v}", id)
        read(r, f"what is left {v}", 12, t)


def zombie(r, what, id, t):
    """The producer in hand was fenced: everything it can say, at every version that says it differently."""
    for v in (0, 1, 2, 3):
        ask(r, f"zombie {what}", "AddPartitionsToTxn", v, adding(id, parts(t, 0)))
    for v in (4, 5):
        for verify in (False, True):
            ask(r, f"zombie {what}, verify {verify}", "AddPartitionsToTxn", v, adding(id, parts(t, 0), verify=verify))
    for v in vs(r, "AddOffsetsToTxn"):
        ask(r, f"zombie {what}", "AddOffsetsToTxn", v, {"TransactionalId": id, "ProducerId": PID, "ProducerEpoch": EPOCH, "GroupId": r.n("zg")})
    for v in vs(r, "EndTxn"):
        for how in (COMMIT, ABORT):
            ask(r, f"zombie {what}, {how}", "EndTxn", v, ending(id, how))
    for v in (3, 9, 11, 12, 13):
        ask(r, f"zombie {what}", "Produce", v, writing(id, t, seq=1))
    g = ready_group(r, r.n("zg"))
    for v in vs(r, "TxnOffsetCommit"):
        ask(r, f"zombie {what}", "TxnOffsetCommit", v, committing(id, g, t))
    told(r, f"zombie {what}", id)


# ------------------------------------------------------------------------------------------------ AddPartitionsToTxn
def add_partitions(r):
    t, u = r.topic(r.n("at"), 4), r.topic(r.n("au"), 2)
    for v in vs(r, "AddPartitionsToTxn"):
        id = begin(r, "ap", v)
        ask(r, "of one that is not there", "AddPartitionsToTxn", v, adding(ready(r, r.n("ap-none", v)), parts(t, 0)))
        for name, q in {"no name": adding("", parts(t, 0)), "somebody else": adding(id, parts(t, 0), pid=NOBODY), "an old epoch": adding(id, parts(t, 0), epoch=OLD), "an epoch to come": adding(id, parts(t, 0), epoch=99),
                        "no topics": adding(id), "no partitions": adding(id, parts(t)), "no such topic": adding(id, parts(r.n("none"), 0)), "no such partition": adding(id, parts(t, 9)), "partition -1": adding(id, parts(t, -1)),
                        "one good, one not": adding(id, parts(t, 0, 9)), "good, and no such topic": adding(id, parts(t, 0), parts(r.n("none"), 0)), "a bad name": adding(id, parts("a b", 0)), "no topic name": adding(id, parts("", 0)),
                        "one": adding(id, parts(t, 0)), "the same": adding(id, parts(t, 0)), "others": adding(id, parts(t, 1, 0), parts(u, 1)), "twice in one": adding(id, parts(t, 2, 2)), "the topic twice": adding(id, parts(u, 0), parts(u, 1)),
                        "an old epoch while it writes": adding(id, parts(t, 3), epoch=OLD), "an epoch to come while it writes": adding(id, parts(t, 3), epoch=99), "an internal topic": adding(id, parts("__transaction_state", 0))}.items():
            ask(r, name, "AddPartitionsToTxn", v, q)
            if q["V3AndBelowTopics"]:
                told(r, f"{name} {v}", id)
        end(r, id)
        told(r, f"the end of adding {v}", id)
        ask(r, "after the end", "AddPartitionsToTxn", v, adding(id, parts(t, 3)))
        end(r, id, ABORT)
        ask(r, "after the abort", "AddPartitionsToTxn", v, adding(id, parts(t, 3)))
        end(r, id, ABORT)
    verify(r, t, u)


def verify(r, t, u):
    for v in (4, 5):
        id, none = begin(r, "av", v), ready(r, r.n("av-none", v))
        q = lambda *topics, **k: adding(id, *topics, verify=True, **k)
        ask(r, "verify, nothing begun", "AddPartitionsToTxn", v, q(parts(t, 0)))
        add(r, id, parts(t, 0, 1))
        for name, body in {"verify": q(parts(t, 0)), "verify one that is not in": q(parts(t, 2)), "verify both": q(parts(t, 0, 2), parts(u, 0)), "verify no such topic": q(parts(r.n("none"), 0)), "verify somebody else": q(parts(t, 0), pid=NOBODY),
                           "verify an old epoch": q(parts(t, 0), epoch=OLD), "verify an epoch to come": q(parts(t, 0), epoch=99), "verify of one that is not there": adding(none, parts(t, 0), verify=True), "verify nothing": q()}.items():
            ask(r, name, "AddPartitionsToTxn", v, body)
        one = adding(id, parts(t, 0), verify=True)["Transactions"][0]
        for name, many in {"three transactions": [one, {**one, "TransactionalId": none}, {**one, "VerifyOnly": False, "Topics": [parts(t, 3)]}], "the same transaction twice": [one, one], "no transactions": []}.items():
            ask(r, name, "AddPartitionsToTxn", v, {"Transactions": many}, timeout=1)
        told(r, f"verify {v}", id)
        end(r, id)
        ask(r, "verify after the end", "AddPartitionsToTxn", v, q(parts(t, 0)))
        init(r, id)
        ask(r, "verify after a new epoch", "AddPartitionsToTxn", v, q(parts(t, 0)))


# ------------------------------------------------------------------------------------------------ EndTxn
def end_transactions(r):
    t = r.topic(r.n("et"), 3)
    for v in vs(r, "EndTxn"):
        id = begin(r, "en", v)

        def step(name, how=COMMIT, keep=False, **k):
            a = ask(r, name, "EndTxn", v, ending(id, how, **k))
            settled(r, id)
            told(r, f"{name} {v}", id)
            if keep:
                raised(r, a)
        ask(r, "of one that is not there", "EndTxn", v, ending(ready(r, r.n("en-none", v))))
        ask(r, "no name", "EndTxn", v, ending(""))
        step("nothing begun, commit")
        step("nothing begun, somebody else", pid=NOBODY)
        step("nothing begun, an epoch to come", epoch=99)
        step("nothing begun, an old epoch", epoch=OLD)
        step("nothing begun, abort", ABORT, keep=True)
        for first in (COMMIT, ABORT):
            init(r, id)
            add(r, id, parts(t, 0, 1))
            step(f"somebody else, then {first}", first, pid=NOBODY)
            step(f"an epoch to come, then {first}", first, epoch=99)
            step(f"an old epoch, then {first}", first, epoch=OLD)
            step(f"{first}", first)
            for second in (first, not first):
                step(f"{second} after {first}", second)
            if v >= 5:
                init(r, id)
                add(r, id, parts(t, 0, 1))
                step(f"{first}, and the epoch is kept", first, keep=True)
                for second in (first, not first):
                    step(f"{second} of the new epoch after {first}", second, keep=True)
        init(r, id)
        step("a new producer, nothing begun, commit")
        ask(r, "what it left", "Fetch", 12, fe(t, IsolationLevel=1))


# ------------------------------------------------------------------------------------------------ Produce
def write_transactions(r):
    for v in vs(r, "Produce"):
        t = r.topic(r.n("wt", v), 4)
        id = begin(r, "wr", v)
        now = lambda T, **k: batch(REC, ts=int(time.time() * 1000), **k)
        ask(r, "not added", "Produce", v, writing(id, t))
        told(r, f"not added {v}", id)
        both_ends(r, f"not added {v}", t, 0, 1)
        init(r, id)
        add(r, id, parts(t, 0, 1))
        for name, q in {"added": writing(id, t, n=2), "the same again": writing(id, t, n=2), "a gap": writing(id, t, seq=9), "more": writing(id, t, seq=2, n=3), "of no id": writing(None, t, seq=5), "of another id": writing(r.n("stranger"), t, seq=5),
                        "no name": writing("", t, seq=5), "not transactional": writing(id, t, seq=5, attributes=0), "not transactional, of no id": writing(None, t, seq=5, attributes=0), "a plain batch": pr(t, now, txn=id),
                        "a control batch": writing(id, t, seq=5, attributes=0x30), "no sequence": writing(id, t, seq=-1), "an old epoch": writing(id, t, seq=5, epoch=OLD), "the next epoch": writing(id, t, epoch=7, seq=0), "somebody else": writing(id, t, pid=NOBODY),
                        "begins at 3": writing(id, t, 1, seq=3), "another partition that was added": writing(id, t, 1), "a partition that was not": writing(id, t, 2), "and again": writing(id, t, 2, seq=1), "no such partition": writing(id, t, 9),
                        "no such topic": writing(id, r.n("none")), "acks 1": pr(t, lambda T: data(T, seq=5), acks=1, txn=id), "a plain batch of nobody": pr(t, now, 3)}.items():
            ask(r, name, "Produce", v, q)
        for p in (0, 1, 2):
            both_ends(r, f"while writing {v} {p}", t, p)
        ask(r, f"while writing {v}", "DescribeProducers", 0, {"Topics": [{"Name": t, "PartitionIndexes": [0, 1, 2, 3]}]})
        read(r, f"while writing {v}", 12, t)
        told(r, f"while writing {v}", id)
        end(r, id, v=5 if v >= 12 else 4)
        for p in (0, 2):
            read(r, f"after the commit {v} {p}", 12, t, 0, p)
        ask(r, f"after the commit {v}", "DescribeProducers", 0, {"Topics": [{"Name": t, "PartitionIndexes": [0, 1, 2, 3]}]})
        ask(r, "after the commit", "Produce", v, writing(id, t, seq=6))
        ask(r, "from 0 after the commit", "Produce", v, writing(id, t, seq=0))
        told(r, f"a write after the commit {v}", id)
        both_ends(r, f"after the commit {v}", t, 0, 1, 2, 3)
    new_way(r)


def new_way(r):
    """Three transactions as a client of transaction.version 2 makes them."""
    for v in (12, 13):
        t = r.topic(r.n("nw", v), 2)
        id = begin(r, "nw", v)
        for i, how in enumerate((COMMIT, ABORT, COMMIT)):
            ask(r, f"new way {i}, first", "Produce", v, writing(id, t, n=2))
            ask(r, f"new way {i}, second", "Produce", v, writing(id, t, seq=2))
            ask(r, f"new way {i}, other partition", "Produce", v, writing(id, t, 1))
            told(r, f"new way {v} {i} begun", id)
            both_ends(r, f"new way {v} {i}", t, 0, 1)
            a = ask(r, f"new way {v} {i}", "EndTxn", 5, ending(id, how))
            settled(r, id)
            told(r, f"new way {v} {i} ended", id)
            ask(r, f"new way {i}, late", "Produce", v, writing(id, t, seq=3))
            ask(r, f"new way {v} {i}, twice", "EndTxn", 5, ending(id, how))
            ask(r, f"new way {v} {i}, otherwise", "EndTxn", 5, ending(id, not how))
            raised(r, a)
        a = ask(r, f"new way {v}, an abort of nothing", "EndTxn", 5, ending(id, ABORT))
        settled(r, id)
        raised(r, a)
        told(r, f"new way {v} an abort of nothing", id)
        ask(r, "new way, a sequence that does not begin", "Produce", v, writing(id, t, seq=4))
        ask(r, "new way, begins", "Produce", v, writing(id, t))
        end(r, id, v=5)
        read(r, f"new way {v}", 17, t)


# ------------------------------------------------------------------------------------------------ readers
def read_committed(r):
    t = r.topic(r.n("rc"), 2)
    ids = [ready(r, r.n("rd", i)) for i in range(4)]
    mine = {}

    def take(i):
        if i not in mine:
            init(r, ids[i])
            mine[i] = r.t.vars["pid"], r.t.vars["epoch"]
        r.t.vars.update(pid=mine[i][0], epoch=mine[i][1])
        return ids[i]
    begun = set()

    def w(i, seq, n=1, part=0):
        id = take(i)
        if (i, part) not in begun:
            add(r, id, parts(t, part))
            begun.add((i, part))
        write(r, id, t, part, seq=seq, n=n, text=b"of %d" % i)

    def e(i, how):
        end(r, take(i), how)
        begun.difference_update({(i, 0), (i, 1)})
    w(0, 0, 2), w(1, 0), r.do("Produce", 9, pr(t, batch(REC, ts=int(time.time() * 1000))), quiet=True), w(0, 2), e(0, COMMIT)          # 0-1 of 0, 2 of 1, 3-5 plain, 6 of 0, 7 commit
    w(2, 0, 3), e(1, ABORT), w(2, 3), w(0, 3), e(2, ABORT), w(1, 1), e(1, COMMIT), e(0, ABORT)
    for step in (lambda: w(3, 0, 2), lambda: w(1, 2), lambda: e(1, ABORT)):  # each in a millisecond of its own: the last has the largest time
        time.sleep(0.01)
        step()
    # 3 stays open from its first on
    look = [0, 2, 3, 7, 8, 11, 12, 13, 14, 16, 18, 19, 20, 22, 23, 24, 25]
    for v in vs(r, "Fetch"):
        for offset in look if v in (4, 11, 12, 18) else [0, 12]:
            for isolation in (1, 0):
                read(r, f"from {offset}, isolation {isolation}", v, t, offset, isolation=isolation)
        ask(r, "committed, one byte", "Fetch", v, fe(t, IsolationLevel=1, part_max=1))
        ask(r, "committed, an empty partition", "Fetch", v, fe(t, 0, 1, IsolationLevel=1))
        ask(r, "committed, waits at the last stable offset", "Fetch", v, fe(t, 19, IsolationLevel=1, MaxWaitMs=60, MinBytes=1))
    for v in vs(r, "ListOffsets"):
        for isolation in (0, 1):
            for at in (-1, -2, -3, -4, -5, 0, int(time.time() * 1000) + 100000):
                ask(r, f"{at if at < 1 else 'after all'} of isolation {isolation}", "ListOffsets", v, ends(t, 0, 1, at=at, isolation=isolation))
    ask(r, "of readers", "DescribeProducers", 0, {"Topics": [{"Name": t, "PartitionIndexes": [0, 1]}]})
    ask(r, "past an open transaction", "DeleteRecords", 2, {"Topics": [{"Name": t, "Partitions": [{"PartitionIndex": 0, "Offset": 13}]}], "TimeoutMs": 2000})
    for offset in (12, 13, 16, 19):
        read(r, f"from {offset} after a delete", 12, t, offset)
    e(3, COMMIT)
    for offset in (13, 16, 19, 23, 25):
        read(r, f"from {offset} after all", 12, t, offset)
    both_ends(r, "after all", t, 0, 1)


# ------------------------------------------------------------------------------------------------ offsets
def committing(id, group, t, offset=5, part=0, pid=PID, epoch=EPOCH, member="", generation=-1, instance=None, **k):
    return {"TransactionalId": id, "GroupId": group, "ProducerId": pid, "ProducerEpoch": epoch, "GenerationId": generation, "MemberId": member, "GroupInstanceId": instance,
            "Topics": [{"Name": t, "Partitions": [{"PartitionIndex": part, "CommittedOffset": offset, "CommittedLeaderEpoch": 0, "CommittedMetadata": "note", **k}]}]}


def fetching(group, t, stable, *ps):
    topics = None if t is None else [{"Name": t, "TopicId": TID(t), "PartitionIndexes": list(ps)}]
    return {"GroupId": group, "Topics": topics, "Groups": [{"GroupId": group, "MemberId": None, "MemberEpoch": -1, "Topics": topics}], "RequireStable": stable}


def add_offsets(r):
    for v in vs(r, "AddOffsetsToTxn"):
        id, g = begin(r, "ao", v), ready_group(r, r.n("ao", v))
        q = lambda name=id, group=g, pid=PID, epoch=EPOCH: {"TransactionalId": name, "ProducerId": pid, "ProducerEpoch": epoch, "GroupId": group}
        for name, body in {"of one that is not there": q(ready(r, r.n("ao-none", v))), "no name": q(""), "no group": q(group=""), "somebody else": q(pid=NOBODY), "an old epoch": q(epoch=OLD), "an epoch to come": q(epoch=99)}.items():
            ask(r, name, "AddOffsetsToTxn", v, body)
        end(r, id, ABORT, v=4) if v == 0 else None
        init(r, id)
        for name, body in {"good": q(), "again": q(), "an old epoch while it writes": q(epoch=OLD), "an epoch to come while it writes": q(epoch=99)}.items():
            ask(r, name, "AddOffsetsToTxn", v, body)
            if r.case(f"transactions AddOffsetsToTxn.v{v} {name}: state"):
                a = r.do("DescribeTransactions", 0, states([id]), quiet=True)
                r.record({"state": a and a["TransactionStates"][0]["TransactionState"], "topics": a and [x["Topic"] for x in a["TransactionStates"][0]["Topics"]]})
        end(r, id, ABORT)


def transactional_offsets(r):
    add_offsets(r)
    t = r.topic(r.n("to"), 2)
    for v in vs(r, "TxnOffsetCommit"):
        id, g = begin(r, "tc", v), ready_group(r, r.n("tc", v))
        old = v < 5
        q = lambda *a, **k: committing(id, g, t, *a, **k)
        ask(r, "not added", "TxnOffsetCommit", v, q())
        told_group(r, f"not added {v}", g, t)
        end(r, id, ABORT, v=4 if old else 5) if not old else None
        init(r, id)
        if old:
            r.do("AddOffsetsToTxn", 3, {"TransactionalId": id, "ProducerId": PID, "ProducerEpoch": EPOCH, "GroupId": g}, quiet=True)
        for name, body in {"good": q(), "the next": q(6), "another partition": q(3, 1), "no such partition": q(3, 9), "no such topic": committing(id, g, r.n("none")), "a bad name": committing(id, g, "a b"), "long metadata": q(4, 1, CommittedMetadata="x" * 5000),
                           "no metadata": q(4, 1, CommittedMetadata=None), "a negative offset": q(-1, 1), "no group": committing(id, "", t), "a group that is not there": committing(id, ready_group(r, r.n("tc-none", v)), t), "of no id": committing("", g, t),
                           "of another id": committing(r.n("stranger"), g, t), "somebody else": q(pid=NOBODY), "an old epoch": q(epoch=OLD), "an epoch to come": q(epoch=99), "no topics": {**q(), "Topics": []},
                           **({"a member that is not there": q(member="nobody"), "a member and a generation": q(member="nobody", generation=1), "a generation": q(generation=1), "an instance": q(member="nobody", instance="i")} if v >= 3 else {})}.items():
            ask(r, name, "TxnOffsetCommit", v, body)
        told_group(r, f"pending {v}", g, t)
        told(r, f"offsets pending {v}", id) if old is None else None
        ask(r, "pending, deleted", "OffsetDelete", 0, {"GroupId": g, "Topics": [{"Name": t, "Partitions": [{"PartitionIndex": 0}]}]}) if v == 3 else None
        ask(r, f"offsets pending {v}", "DeleteGroups", 2, {"GroupsNames": [g]}) if v == 2 else None
        ask(r, f"offsets pending {v}", "DescribeGroups", 5, {"Groups": [g]})
        ask(r, f"offsets pending {v}", "OffsetCommit", 8, {"GroupId": g, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [{"Name": t, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 4, "CommittedMetadata": ""}]}]}) if v == 4 else None
        a = r.do("EndTxn", 4 if old else 5, ending(id), quiet=True)
        settled(r, id)
        told_group(r, f"committed {v}", g, t)
        ask(r, "after the commit", "TxnOffsetCommit", v, q(7))
        told_group(r, f"after the commit {v}", g, t)
        raised(r, a)
        if old:
            r.do("AddOffsetsToTxn", 3, {"TransactionalId": id, "ProducerId": PID, "ProducerEpoch": EPOCH, "GroupId": g}, quiet=True)
        ask(r, "to be aborted", "TxnOffsetCommit", v, q(9))
        told_group(r, f"to be aborted {v}", g, t)
        end(r, id, ABORT, v=4 if old else 5)
        told_group(r, f"aborted {v}", g, t)
    members(r, t)


def told_group(r, what, g, t):
    for v in (1, 5, 6, 7, 8, 9, 10):
        for stable in (False, True) if v >= 7 else (False,):
            ask(r, f"{what}, stable {stable}", "OffsetFetch", v, fetching(g, t, stable, 0, 1))
    ask(r, f"{what}, everything stable", "OffsetFetch", 8, fetching(g, None, True))
    ask(r, f"{what}, everything", "OffsetFetch", 8, fetching(g, None, False))


def members(r, t):
    for v in vs(r, "TxnOffsetCommit"):
        id, g = begin(r, "tm", v), ready_group(r, r.n("tm", v))
        synced(r, g, GroupInstanceId="one")
        if v < 5:
            r.do("AddOffsetsToTxn", 3, {"TransactionalId": id, "ProducerId": PID, "ProducerEpoch": EPOCH, "GroupId": g}, quiet=True)
        q = lambda *a, **k: committing(id, g, t, *a, **k)
        if v < 3:
            ask(r, "a group with members", "TxnOffsetCommit", v, q())
        else:
            for name, body in {"its member": q(member=Var("m"), generation=1), "an old generation": q(member=Var("m"), generation=0), "a generation to come": q(member=Var("m"), generation=7), "a stranger": q(member="nobody", generation=1),
                               "its instance": q(member=Var("m"), generation=1, instance="one"), "another instance": q(member=Var("m"), generation=1, instance="two"), "an instance of somebody": q(member="nobody", generation=1, instance="one"),
                               "no member": q(), "no generation": q(member=Var("m"))}.items():
                ask(r, name, "TxnOffsetCommit", v, body)
        ask(r, f"pending with members {v}", "OffsetFetch", 8, fetching(g, t, True, 0))
        end(r, id, v=4 if v < 5 else 5)
        ask(r, f"committed with members {v}", "OffsetFetch", 8, fetching(g, t, True, 0))


# ------------------------------------------------------------------------------------------------ markers
def markers(r):
    for v in vs(r, "WriteTxnMarkers"):
        t, plain = r.topic(r.n("mt", v), 3), r.topic(r.n("mp", v))
        id = begin(r, "mk", v)
        add(r, id, parts(t, 0, 1))
        write(r, id, t, n=2), write(r, id, t, 1)
        m = lambda *topics, how=COMMIT, pid=PID, epoch=EPOCH, coordinator=0, tv=0: {"ProducerId": pid, "ProducerEpoch": epoch, "TransactionResult": how, "CoordinatorEpoch": coordinator, "TransactionVersion": tv,
                                                                                     "Topics": [{"Name": x, "PartitionIndexes": list(ps)} for x, ps in topics]}
        for name, q in {"no markers": [], "no topics": [m()], "no such topic": [m((r.n("none"), [0]))], "no such partition": [m((t, [9]))], "one good, one not": [m((t, [2, 9]))], "an unknown producer": [m((plain, [0]), pid=NOBODY, epoch=3)],
                        "an unknown producer, abort": [m((plain, [0]), how=ABORT, pid=NOBODY + 1, epoch=3)], "an old epoch": [m((t, [0]), epoch=OLD)], "epoch -1": [m((t, [0]), epoch=-1)], "no producer": [m((t, [0]), pid=-1, epoch=-1)],
                        "a coordinator to come": [m((plain, [0]), pid=NOBODY, epoch=3, coordinator=9)], "an old coordinator": [m((plain, [0]), pid=NOBODY, epoch=3, coordinator=4)], "coordinator -1": [m((plain, [0]), pid=NOBODY + 2, epoch=3, coordinator=-1)],
                        "the same epoch of version 2": [m((t, [0]), tv=2)], "version 7": [m((t, [0]), tv=7, epoch=NEW)], "a new epoch, abort": [m((t, [0]), how=ABORT, epoch=NEW, tv=2)], "the same again": [m((t, [0]), how=ABORT, epoch=NEW, tv=2)],
                        "two markers": [m((t, [1])), m((plain, [0]), pid=NOBODY, epoch=4, coordinator=9)], "two partitions": [m((t, [1, 2]), (plain, [0]), epoch=NEW)], "the same producer twice": [m((t, [1]), epoch=NEW), m((t, [2]), epoch=NEW)]}.items():
            ask(r, name, "WriteTxnMarkers", v, {"Markers": q})
            both_ends(r, f"markers {v} {name}", t, 0, 1, 2)
        for p in (0, 1, 2):
            read(r, f"markers {v} {p}", 12, t, 0, p)
        read(r, f"markers of nobody {v}", 12, plain)
        ask(r, f"markers {v}", "DescribeProducers", 0, {"Topics": [{"Name": t, "PartitionIndexes": [0, 1, 2]}, {"Name": plain, "PartitionIndexes": [0]}]})
        ask(r, f"a write after a stranger's marker {v}", "Produce", 9, writing(id, t, seq=2))
        ask(r, f"the end after a stranger's marker {v}", "EndTxn", 4, ending(id))
        settled(r, id, seconds=2)
        told(r, f"the end after a stranger's marker {v}", id)


# ------------------------------------------------------------------------------------------------ what is told
def list_transactions(r):
    t = r.topic(r.n("lt"), 3)
    ids = {}
    for name in ("empty", "ongoing", "committed", "aborted", "two"):
        ids[name] = begin(r, "li", name)
        if name != "empty":
            add(r, ids[name], parts(t, 0, 2), *([parts(r.n("lt"), 1)] if name == "two" else []))
        if name in ("committed", "aborted"):
            end(r, ids[name], name == "committed")
        if name == "two":
            r.t.vars["two"] = r.t.vars["pid"]
    everyone = list(ids.values())
    for name, which in {"all of them": everyone, "one": [ids["ongoing"]], "one that is not there": [r.n("li-none")], "twice": [ids["two"], ids["two"]], "no name": [""], "none": [], "there and not": [ids["empty"], r.n("li-none"), ids["two"]]}.items():
        ask(r, name, "DescribeTransactions", 0, states(which))
    for v in vs(r, "ListTransactions"):
        q = lambda **k: {"StateFilters": [], "ProducerIdFilters": [], "DurationFilter": -1, "TransactionalIdPattern": None, **k}
        mine = r.n("li")
        cases = {f"in {s}": q(StateFilters=s) for s in (["Ongoing"], ["ongoing"], ["Empty", "CompleteAbort"], ["CompleteCommit"], ["PrepareCommit"], ["Dead"], ["nonsense"], ["Ongoing", "nonsense"], [""])}
        cases.update({"of a producer": q(ProducerIdFilters=[Var("two")]), "of nobody": q(ProducerIdFilters=[NOBODY]), "of a producer, in another state": q(ProducerIdFilters=[Var("two")], StateFilters=["Empty"]), "of producer -1": q(ProducerIdFilters=[-1])})
        if v >= 1:
            cases.update({"for long": q(DurationFilter=100000000), "for 0 ms": q(DurationFilter=0), "duration -2": q(DurationFilter=-2)})
        if v >= 2:
            cases.update({f"like {p}": q(TransactionalIdPattern=p) for p in (mine + "-.*", mine + "-o.*", mine, "", "(", "nobody", ".*-tw?o", "two")})
        for name, body in cases.items():
            name = name.replace(r.token, "RUN")
            if r.case(f"transactions ListTransactions.v{v} {name}"):
                a = r.do("ListTransactions", v, body, quiet=True)
                r.record(a and {"ErrorCode": a["ErrorCode"], "UnknownStateFilters": sorted(a["UnknownStateFilters"]), "mine": sorted((s["TransactionalId"].replace(r.token, "RUN"), s["TransactionState"])
                         for s in a["TransactionStates"] if s["TransactionalId"].startswith(mine + "-"))})
    for name in ("ongoing", "two"):
        init(r, ids[name])


# ------------------------------------------------------------------------------------------------ time
def timeouts(r):
    """Transactions that nobody ends are aborted and their producers fenced."""
    t = r.topic(r.n("tt"), 4)
    left = {}
    for part, (name, how) in enumerate({"old": 9, "new": 12, "idle": None, "added": 0}.items()):
        id = begin(r, "tt", name, timeout=700)
        if how == 0:
            add(r, id, parts(t, part))
        if how:
            add(r, id, parts(t, part)) if how == 9 else None
            write(r, id, t, part, v=how)
        left[name] = id, part, r.t.vars["pid"], r.t.vars["epoch"]
    for id, part, _, _ in [left[x] for x in ("old", "new", "added")]:
        r.do("DescribeTransactions", 0, states([id]), quiet=True, until=lambda x: x["TransactionStates"][0]["TransactionState"] == "CompleteAbort")
    for name, (id, part, pid, epoch) in left.items():
        r.t.vars.update(pid=pid, epoch=epoch)
        told(r, f"timeout {name}", id)
        read(r, f"timeout {name}", 12, t, 0, part)
        if name != "idle":
            zombie(r, f"timeout {name}", id, t)
        for v in (3, 5):
            ask(r, f"timeout {name}, its epoch", "InitProducerId", v, {"TransactionalId": id, "TransactionTimeoutMs": 60000, "ProducerId": PID, "ProducerEpoch": EPOCH})
        ask(r, f"timeout {name}, afresh", "InitProducerId", 4, {"TransactionalId": id, "TransactionTimeoutMs": 60000, "ProducerId": -1, "ProducerEpoch": -1})
        told(r, f"timeout {name}, afresh", id)
        overtaken(r, f"timeout {name}, then another", id, t)


def overtaken(r, what, id, t):
    """The producer in hand was followed by another, which writes: what it still says harms nobody."""
    mine = r.t.vars["pid"], r.t.vars["epoch"]
    init(r, id)
    add(r, id, parts(t, 0))
    write(r, id, t)
    told(r, f"{what} writes", id)
    other = r.t.vars["pid"], r.t.vars["epoch"]
    r.t.vars.update(pid=mine[0], epoch=mine[1])
    zombie(r, what, id, t)
    for v in (3, 5):
        ask(r, f"{what}, its epoch", "InitProducerId", v, {"TransactionalId": id, "TransactionTimeoutMs": 60000, "ProducerId": PID, "ProducerEpoch": EPOCH})
        settled(r, id)
    r.t.vars.update(pid=other[0], epoch=other[1])
    ask(r, f"{what} goes on", "Produce", 9, writing(id, t, seq=1))
    a = ask(r, f"{what} ends", "EndTxn", 5, ending(id))
    settled(r, id)
    raised(r, a)
    told(r, f"{what} ended", id)
    r.t.vars.update(pid=mine[0], epoch=mine[1])
    zombie(r, f"{what}, after its end", id, t)


def transactions(r):
    for part in (no_log, find_transactions, begin_transactional, add_partitions, end_transactions, write_transactions, read_committed, transactional_offsets, markers, list_transactions, timeouts):
        part(r)


SCENARIOS = [transactions]
