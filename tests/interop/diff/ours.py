"""What the peer's scenarios do not ask: configs, paging, sessions, odd deletes, special timestamps of packed batches, idempotence."""
import gzip, time
import wire
from differ import TID, Var
from scenarios import NOID, REC, ZERO, fe, lz4_raw, pr, snappy, vs, zstd_raw
from wire import batch

TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)


def ask(r, name, api, v, body, **k):
    """One case of one request, unless --only leaves it out."""
    if r.case(f"ours {api}.v{v} {name}"):
        return r.do(api, v, body, **k)
    return None



# ------------------------------------------------------------------------------------------------ configs
def describe(kind, name, keys=None, synonyms=False, docs=False):
    return {"Resources": [{"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys}],
            "IncludeSynonyms": synonyms, "IncludeDocumentation": docs}


BROKER_KEYS = ["log.retention.ms", "log.retention.hours", "num.partitions", "log.segment.bytes", "compression.type", "advertised.listeners.x",
               "auto.create.topics.enable", "log.cleaner.threads", "background.threads", "node.id", "broker.rack", "min.insync.replicas",
               "message.max.bytes", "log.flush.interval.ms", "ssl.keystore.password", "delegation.token.secret.key", "super.users",
               "log.roll.ms", "log.roll.hours", "num.io.threads", "max.connections", "leader.replication.throttled.rate", "no.such.key"]


def describe_configs(r):
    t = r.topic(r.n("dc"), 1, **{"retention.ms": "5000", "cleanup.policy": "compact,delete", "min.insync.replicas": "1"})
    plain = r.topic(r.n("dp"))
    for v in vs(r, "DescribeConfigs"):
        for name, q in {
            "topic, everything": describe(TOPIC, t, None, True), "topic without synonyms": describe(TOPIC, t),
            "topic, some keys": describe(TOPIC, t, ["retention.ms", "segment.bytes", "no.such.key", ""], True),
            "topic, a key twice": describe(TOPIC, t, ["retention.ms", "retention.ms"]),
            "topic, no keys": describe(TOPIC, plain, [], True), "unknown topic": describe(TOPIC, r.n("nope")), "bad topic": describe(TOPIC, "a b"),
            "empty topic": describe(TOPIC, ""), "broker, keys": describe(BROKER, "1", BROKER_KEYS, True), "broker, one key": describe(BROKER, "1", ["num.partitions"]),
            "brokers' defaults": describe(BROKER, "", None, True), "another broker": describe(BROKER, "2"), "broker by name": describe(BROKER, "one"),
            "broker 01": describe(BROKER, "01", ["num.partitions"]), "loggers, unknown": describe(LOGGER, "2"), "loggers, no id": describe(LOGGER, ""),
            "loggers by name": describe(LOGGER, "x"), "metrics": describe(METRICS, r.n("m"), None, True), "metrics, no name": describe(METRICS, ""),
            "group": describe(GROUP, r.n("g"), None, True), "group, some keys": describe(GROUP, r.n("g"), ["consumer.session.timeout.ms"], True),
            "group, no name": describe(GROUP, ""), "no such kind": describe(77, "x"), "kind 0": describe(0, "x"), "kind -1": describe(-1, "x"),
            "two kinds": {"Resources": describe(TOPIC, plain, ["retention.ms"])["Resources"] + describe(BROKER, "1", ["num.partitions"])["Resources"]},
            "the same twice": {"Resources": describe(TOPIC, plain, ["retention.ms"])["Resources"] * 2},
            "one of no kind": {"Resources": describe(TOPIC, plain, ["retention.ms"])["Resources"] + describe(99, "1")["Resources"]},
            "none": {"Resources": []}}.items():
            ask(r, name, "DescribeConfigs", v, q)


def change(kind, name, *ops):
    return {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [{"Name": k, "ConfigOperation": op, "Value": x} for k, op, x in ops]}]}


def alter_configs(r):
    t = r.topic(r.n("ic"))
    for v in vs(r, "IncrementalAlterConfigs"):
        steps = {
            "set": change(TOPIC, t, ("retention.ms", SET, "7000")), "set two": change(TOPIC, t, ("segment.bytes", SET, "1048576"), ("flush.ms", SET, "9")),
            "append to a default": change(TOPIC, t, ("cleanup.policy", APPEND, "compact")), "append what is there": change(TOPIC, t, ("cleanup.policy", APPEND, "compact")),
            "subtract": change(TOPIC, t, ("cleanup.policy", SUBTRACT, "delete")), "subtract what is not": change(TOPIC, t, ("cleanup.policy", SUBTRACT, "delete")),
            "subtract the last": change(TOPIC, t, ("cleanup.policy", SUBTRACT, "compact")), "append no list": change(TOPIC, t, ("retention.ms", APPEND, "1")),
            "delete": change(TOPIC, t, ("flush.ms", DELETE, None)), "delete what is not set": change(TOPIC, t, ("flush.messages", DELETE, "x")),
            "delete what is not": change(TOPIC, t, ("no.such", DELETE, None)), "no operation": change(TOPIC, t, ("retention.ms", 9, "1")),
            "null": change(TOPIC, t, ("retention.ms", SET, None)), "unknown key": change(TOPIC, t, ("no.such", SET, "1")),
            "not a number": change(TOPIC, t, ("retention.ms", SET, "soon")), "out of range": change(TOPIC, t, ("segment.bytes", SET, "1")),
            "too large": change(TOPIC, t, ("segment.bytes", SET, "99999999999")), "not a policy": change(TOPIC, t, ("cleanup.policy", SET, "shred")),
            "an empty policy": change(TOPIC, t, ("cleanup.policy", SET, "")), "not a codec": change(TOPIC, t, ("compression.type", SET, "rar")),
            "not a boolean": change(TOPIC, t, ("preallocate", SET, "maybe")), "boolean in capitals": change(TOPIC, t, ("preallocate", SET, "TRUE")),
            "not a double": change(TOPIC, t, ("min.cleanable.dirty.ratio", SET, "much")), "ratio above one": change(TOPIC, t, ("min.cleanable.dirty.ratio", SET, "1.5")),
            "spaces around": change(TOPIC, t, ("retention.ms", SET, " 8000 ")), "an empty number": change(TOPIC, t, ("retention.ms", SET, "")),
            "throttled replicas": change(TOPIC, t, ("leader.replication.throttled.replicas", SET, "0:1,1:1")), "throttled nonsense": change(TOPIC, t, ("leader.replication.throttled.replicas", SET, "0:x")),
            "min above max": change(TOPIC, t, ("min.compaction.lag.ms", SET, "500"), ("max.compaction.lag.ms", SET, "100")),
            "remote": change(TOPIC, t, ("remote.storage.enable", SET, "true")), "local retention": change(TOPIC, t, ("local.retention.ms", SET, "99999999")),
            "the same key twice": change(TOPIC, t, ("retention.ms", SET, "1"), ("retention.ms", SET, "2")), "a good and a bad one": change(TOPIC, t, ("retention.ms", SET, "1"), ("segment.bytes", SET, "x")),
            "nothing": change(TOPIC, t), "the same topic twice": {"Resources": change(TOPIC, t, ("retention.ms", SET, "1"))["Resources"] * 2},
            "unknown topic": change(TOPIC, r.n("nope"), ("retention.ms", SET, "1")), "bad topic": change(TOPIC, "a b", ("retention.ms", SET, "1")), "empty topic": change(TOPIC, "", ("retention.ms", SET, "1")),
            "dry": {**change(TOPIC, t, ("retention.ms", SET, "4242")), "ValidateOnly": True}, "dry and bad": {**change(TOPIC, t, ("retention.ms", SET, "x")), "ValidateOnly": True},
            "broker": change(BROKER, "1", ("log.cleaner.threads", SET, "2")), "broker back": change(BROKER, "1", ("log.cleaner.threads", DELETE, None)),
            "all brokers": change(BROKER, "", ("message.max.bytes", SET, "1048588")), "all brokers back": change(BROKER, "", ("message.max.bytes", DELETE, None)),
            "broker, read only": change(BROKER, "1", ("node.id", SET, "2")), "broker, unknown": change(BROKER, "1", ("my.own.key", SET, "x")), "broker, unknown back": change(BROKER, "1", ("my.own.key", DELETE, None)),
            "broker, bad value": change(BROKER, "1", ("log.cleaner.threads", SET, "many")), "broker, zero threads": change(BROKER, "1", ("num.io.threads", SET, "0")),
            "broker, ten times the threads": change(BROKER, "1", ("num.io.threads", SET, "800")), "all brokers, of one only": change(BROKER, "", ("listeners", SET, "PLAINTEXT://:1")),
            "broker, a list": change(BROKER, "1", ("log.cleanup.policy", APPEND, "compact")), "broker, a list back": change(BROKER, "1", ("log.cleanup.policy", DELETE, None)),
            "another broker": change(BROKER, "2", ("log.cleaner.threads", SET, "2")), "broker by name": change(BROKER, "one", ("log.cleaner.threads", SET, "2")),
            "logger of another": change(LOGGER, "2", ("root", SET, "INFO")), "logger append": change(LOGGER, "1", ("root", APPEND, "INFO")), "logger by name": change(LOGGER, "x", ("root", SET, "INFO")),
            "metrics": change(METRICS, r.n("m"), ("interval.ms", SET, "5000")), "metrics, bad interval": change(METRICS, r.n("m"), ("interval.ms", SET, "1")),
            "metrics, bad match": change(METRICS, r.n("m"), ("match", SET, "a=(")), "metrics, unknown": change(METRICS, r.n("m"), ("colour", SET, "red")), "metrics, no name": change(METRICS, "", ("interval.ms", SET, "5000")),
            "metrics back": change(METRICS, r.n("m"), ("interval.ms", DELETE, None)), "group": change(GROUP, r.n("g"), ("consumer.session.timeout.ms", SET, "50000")),
            "group, below": change(GROUP, r.n("g"), ("consumer.session.timeout.ms", SET, "1")), "group, unknown": change(GROUP, r.n("g"), ("colour", SET, "red")), "group, no name": change(GROUP, "", ("consumer.session.timeout.ms", SET, "50000")),
            "group back": change(GROUP, r.n("g"), ("consumer.session.timeout.ms", DELETE, None)), "kind 77": change(77, "x", ("a", SET, "b")), "kind 0": change(0, "x", ("a", SET, "b")), "none": {"Resources": []}}
        for name, q in steps.items():
            ask(r, name, "IncrementalAlterConfigs", v, q)
            if q["Resources"] and q["Resources"][0]["ResourceName"] == t:
                ask(r, f"after {v} {name}", "DescribeConfigs", 4, describe(TOPIC, t, ["retention.ms", "segment.bytes", "flush.ms", "cleanup.policy", "preallocate", "leader.replication.throttled.replicas"], True))
    replace_configs(r)


def replace_configs(r):
    t = r.topic(r.n("ac"), 1, **{"flush.ms": "77"})
    whole = lambda kind, name, *kv, dry=False: {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [{"Name": k, "Value": x} for k, x in kv]}], "ValidateOnly": dry}
    for v in vs(r, "AlterConfigs"):
        for name, q in {
            "one": whole(TOPIC, t, ("retention.ms", "6000")), "another": whole(TOPIC, t, ("segment.bytes", "1048576")), "dry": whole(TOPIC, t, ("retention.ms", "1"), dry=True),
            "none": whole(TOPIC, t), "null": whole(TOPIC, t, ("retention.ms", None)), "unknown": whole(TOPIC, t, ("no.such", "1")), "bad": whole(TOPIC, t, ("retention.ms", "x")),
            "twice": whole(TOPIC, t, ("retention.ms", "1"), ("retention.ms", "2")), "unknown topic": whole(TOPIC, r.n("nope")), "bad topic": whole(TOPIC, "a b"), "empty topic": whole(TOPIC, ""),
            "broker": whole(BROKER, "1", ("log.cleaner.threads", "2")), "broker back": whole(BROKER, "1"), "broker, read only": whole(BROKER, "1", ("log.dirs", "/x")), "another broker": whole(BROKER, "7"),
            "logger": whole(LOGGER, "1", ("root", "INFO")), "metrics": whole(METRICS, r.n("m2"), ("interval.ms", "9000")), "group": whole(GROUP, r.n("g2"), ("consumer.heartbeat.interval.ms", "6000")),
            "metrics back": whole(METRICS, r.n("m2")), "group back": whole(GROUP, r.n("g2")), "kind 77": whole(77, "x"), "the same twice": {"Resources": whole(TOPIC, t, ("retention.ms", "1"))["Resources"] * 2}}.items():
            ask(r, name, "AlterConfigs", v, q)
            if q["Resources"][0]["ResourceName"] == t:
                ask(r, f"after {v} whole {name}", "DescribeConfigs", 4, describe(TOPIC, t, ["retention.ms", "segment.bytes", "flush.ms"], True))


def config_resources(r):
    r.do("IncrementalAlterConfigs", 1, change(METRICS, r.n("lm"), ("interval.ms", SET, "5000")), quiet=True)
    r.do("IncrementalAlterConfigs", 1, change(GROUP, r.n("lg"), ("consumer.session.timeout.ms", SET, "50000")), quiet=True)
    r.topic(r.n("lt"))
    for v in vs(r, "ListConfigResources"):
        for name, kinds in {"all": [], "topics": [2], "brokers": [4], "loggers": [8], "metrics": [16], "groups": [32], "two": [2, 16], "twice": [2, 2], "none such": [77], "mixed": [2, 77]}.items():
            ask(r, name, "ListConfigResources", v, {"ResourceTypes": kinds})


# ------------------------------------------------------------------------------------------------ topics
def page_topics(r):
    a, b, c = (r.topic(r.n("pg", x), n) for x, n in (("a", 3), ("b", 1), ("c", 5)))
    names = lambda *x: [{"Name": n} for n in x]
    for name, q in {
        "all three": dict(Topics=names(a, b, c)), "limit 1": dict(Topics=names(a, b, c), ResponsePartitionLimit=1), "limit 3": dict(Topics=names(a, b, c), ResponsePartitionLimit=3), "limit 4": dict(Topics=names(a, b, c), ResponsePartitionLimit=4),
        "limit 0": dict(Topics=names(a, b), ResponsePartitionLimit=0), "limit -5": dict(Topics=names(a, b), ResponsePartitionLimit=-5), "out of order": dict(Topics=names(c, a, b), ResponsePartitionLimit=5),
        "cursor": dict(Topics=names(a, b, c), Cursor={"TopicName": b, "PartitionIndex": 0}), "cursor inside": dict(Topics=names(a, b, c), ResponsePartitionLimit=2, Cursor={"TopicName": c, "PartitionIndex": 2}),
        "cursor past the end": dict(Topics=names(a, b, c), Cursor={"TopicName": a, "PartitionIndex": 3}), "cursor far past": dict(Topics=names(a), Cursor={"TopicName": a, "PartitionIndex": 99}),
        "cursor at -1": dict(Topics=names(a), Cursor={"TopicName": a, "PartitionIndex": -1}), "cursor elsewhere": dict(Topics=names(a, b), Cursor={"TopicName": c, "PartitionIndex": 0}),
        "cursor at nothing": dict(Topics=names(a, r.n("pg", "bb"), c), Cursor={"TopicName": r.n("pg", "bb"), "PartitionIndex": 0}), "unknown": dict(Topics=names(r.n("nope"), a)), "bad": dict(Topics=names("a b", "", a)),
        "twice": dict(Topics=names(a, a)), "unknown first, limit 1": dict(Topics=names(r.n("aaa"), a), ResponsePartitionLimit=1)}.items():
        ask(r, name, "DescribeTopicPartitions", 0, {"ResponsePartitionLimit": 2000, "Cursor": None, **q})


def grow_topics(r):
    for v in vs(r, "CreatePartitions"):
        t, u = r.topic(r.n("gp", v), 2), r.topic(r.n("gq", v), 1)
        T = lambda name, n, *assign: {"Name": name, "Count": n, "Assignments": [{"BrokerIds": x} for x in assign] if assign else None}
        for name, topics in {
            "to 3": [T(t, 3)], "the same": [T(t, 3)], "fewer": [T(t, 1)], "zero": [T(t, 0)], "negative": [T(t, -1)], "unknown": [T(r.n("nope"), 3)], "bad": [T("a b", 3)], "empty": [T("", 3)], "by hand": [T(t, 5, [1], [1])],
            "by hand, too few": [T(t, 8, [1])], "by hand, too many": [T(t, 6, [1], [1])], "unknown broker": [T(t, 6, [9])], "no broker": [T(t, 6, [])], "twice the broker": [T(t, 6, [1, 1])], "two topics": [T(t, 6), T(u, 2)],
            "one good, one bad": [T(t, 7), T(u, 1)], "twice": [T(t, 9), T(t, 9)], "none": []}.items():
            ask(r, name, "CreatePartitions", v, {"Topics": topics, "TimeoutMs": 4000})
        ask(r, "dry", "CreatePartitions", v, {"Topics": [T(t, 20)], "TimeoutMs": 4000, "ValidateOnly": True})
        ask(r, "no time", "CreatePartitions", v, {"Topics": [T(t, 20)], "TimeoutMs": 0})
        ask(r, f"after {v}", "Metadata", 12, {"Topics": [{"Name": x, "TopicId": ZERO} for x in (t, u)], "AllowAutoTopicCreation": False})


def delete_topics(r):
    for v in vs(r, "DeleteTopics"):
        t, u, w = (r.topic(r.n("del", v, x)) for x in "abc")
        by_name = lambda *x: {"Topics": [{"Name": n, "TopicId": ZERO} for n in x], "TopicNames": list(x), "TimeoutMs": 4000}
        for name, q in {"no time": {**by_name(t), "TimeoutMs": 0}, "one": by_name(t), "again": by_name(t), "bad": by_name("a b"), "empty": by_name(""), "twice": by_name(u, u), "good and bad": by_name(u, r.n("nope")), "none": by_name()}.items():
            ask(r, name, "DeleteTopics", v, q, settle=True)
        if v >= 6:
            for name, topics in {"unknown id": [{"Name": None, "TopicId": NOID}], "neither": [{"Name": None, "TopicId": ZERO}], "both": [{"Name": w, "TopicId": TID(w)}], "by id": [{"Name": None, "TopicId": TID(w)}],
                                 "by id again": [{"Name": None, "TopicId": TID(w)}]}.items():
                ask(r, name, "DeleteTopics", v, {"Topics": topics, "TimeoutMs": 4000}, settle=True)


def auto_create(r):
    for v in vs(r, "Metadata"):
        t = r.n("auto", v)
        q = {"Topics": [{"Name": t, "TopicId": ZERO}], "AllowAutoTopicCreation": True}
        if r.case(f"ours Metadata.v{v} makes a topic"):
            r.do("Metadata", v, q, tries=1)
            r.learn(t)
            r.do("Metadata", v, q)
        ask(r, "bad name is not made", "Metadata", v, {"Topics": [{"Name": "a b", "TopicId": ZERO}], "AllowAutoTopicCreation": True}, tries=1)
        if v >= 4:
            ask(r, "may not make it", "Metadata", v, {"Topics": [{"Name": r.n("noauto", v), "TopicId": ZERO}], "AllowAutoTopicCreation": False}, tries=1)
        if v >= 12:
            for name, topics in {"by id": [{"Name": None, "TopicId": TID(t)}], "unknown id": [{"Name": None, "TopicId": NOID}], "neither": [{"Name": None, "TopicId": ZERO}], "id and name": [{"Name": t, "TopicId": TID(t)}],
                                 "id of one, name of another": [{"Name": None, "TopicId": TID(t)}, {"Name": r.n("noauto", v), "TopicId": ZERO}]}.items():
                ask(r, name, "Metadata", v, {"Topics": topics, "AllowAutoTopicCreation": False})


def log_dirs(r):
    t = r.topic(r.n("ld"), 3)
    for p in (0, 1):
        r.do("Produce", 9, pr(t, batch(REC), p), quiet=True)
    for v in vs(r, "DescribeLogDirs"):
        for name, topics in {"two": [{"Topic": t, "Partitions": [0, 1]}], "unknown partition": [{"Topic": t, "Partitions": [0, 9]}], "unknown topic": [{"Topic": r.n("nope"), "Partitions": [0]}], "none": [],
                             "twice": [{"Topic": t, "Partitions": [1, 1]}, {"Topic": t, "Partitions": [1]}], "no partitions": [{"Topic": t, "Partitions": []}]}.items():
            ask(r, name, "DescribeLogDirs", v, {"Topics": topics})


# ------------------------------------------------------------------------------------------------ records
def delete_records(r):
    t = r.topic(r.n("odr"), 3)
    for _ in range(4):
        r.do("Produce", 9, pr(t, batch(REC)), quiet=True)
    end = {"ReplicaId": -1, "Topics": [{"Name": t, "Partitions": [{"PartitionIndex": p, "CurrentLeaderEpoch": -1, "Timestamp": x} for p in (0,) for x in (-2,)]}]}
    for v in vs(r, "DeleteRecords"):
        D = lambda *parts, topic=t: {"Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": p, "Offset": o} for p, o in parts]}], "TimeoutMs": 2000}
        for name, q in {"to 0": D((0, 0)), f"to {v + 1}": D((0, v + 1)), "the same again": D((0, v + 1)), "of an empty one": D((1, 0)), "of an empty one, all": D((1, -1)), "of an empty one, past": D((1, 1)), "-2": D((0, -2)), "far": D((0, 1 << 62)),
                        "two": D((0, v + 1), (1, 0)), "twice, the last counts": D((0, 99), (0, v + 2)), "none": D(), "internal": D((0, 0), topic="__consumer_offsets_no"), "bad topic": D((0, 0), topic="a b"), "no time": {**D((0, v + 2)), "TimeoutMs": 0}}.items():
            ask(r, name, "DeleteRecords", v, q)
            ask(r, f"start after {v} {name}", "ListOffsets", 7, end)
        ask(r, f"below the start {v}", "Fetch", 12, fe(t, 0))
        ask(r, f"inside a batch {v}", "Fetch", 12, fe(t, v + 2))
    c = r.topic(r.n("odc"), 1, **{"cleanup.policy": "compact"})
    r.do("Produce", 9, pr(c, batch([(b"k", b"v", [])])), quiet=True)
    ask(r, "compacted", "DeleteRecords", 2, {"Topics": [{"Name": c, "Partitions": [{"PartitionIndex": 0, "Offset": 1}]}], "TimeoutMs": 2000})


def sessions(r):
    a, b = r.topic(r.n("sa"), 2), r.topic(r.n("sb"), 1)
    for i in range(3):
        r.do("Produce", 9, pr(a, batch(REC)), quiet=True)
    parts = lambda t, *po: {"Topic": t, "TopicId": TID(t), "Partitions": [{"Partition": p, "FetchOffset": o, "PartitionMaxBytes": 1 << 20, "CurrentLeaderEpoch": -1, "LastFetchedEpoch": -1, "LogStartOffset": -1} for p, o in po]}
    for v in (7, 11, 12, 13, 17):
        if not r.case(f"ours Fetch.v{v} a session lives"):
            continue
        S = lambda epoch, *topics, forget=(), **k: {**fe(a), "SessionId": Var("s"), "SessionEpoch": epoch, "Topics": list(topics), "ForgottenTopicsData": [{"Topic": t, "TopicId": TID(t), "Partitions": ps} for t, ps in forget], **k}
        r.do("Fetch", v, {**S(0, parts(a, (0, 0), (1, 0)), parts(b, (0, 0))), "SessionId": 0}, save={"s": lambda x: x["SessionId"]}, note="begin with three")
        for i, (what, q) in enumerate([
                ("nothing new but what was not taken", S(1)), ("taken", S(2, parts(a, (0, 9)))), ("quiet", S(3)), ("quiet again", S(4)), ("back", S(5, parts(a, (0, 3)))), ("an error is told", S(6, parts(a, (0, 99)))), ("and again", S(7)),
                ("mended", S(8, parts(a, (0, 9)))), ("unknown partition joins", S(9, parts(a, (7, 0)))), ("it is told again", S(10)), ("forget it", S(11, forget=[(a, [7])])), ("forget what is not there", S(12, forget=[(a, [7]), (b, [5])])),
                ("forget and name", S(13, parts(b, (0, 0)), forget=[(b, [0])])), ("old epoch", S(5)), ("epoch ahead", S(99)), ("right epoch after wrong", S(14)), ("bad offset", S(15, parts(a, (1, -7)))), ("forget all", S(16, forget=[(a, [0, 1]), (b, [0])])), ("and after", S(17))]):
            r.do("Fetch", v, q, note=f"{i} {what}")
        r.do("Fetch", v, S(-1, parts(a, (0, 9))), note="close")
        r.do("Fetch", v, S(1), note="closed")
        r.do("Produce", 9, pr(b, batch(REC)), quiet=True)
    if r.case("ours Fetch.v13 session of names used with ids"):
        r.do("Fetch", 12, {**fe(a, 9), "SessionEpoch": 0}, save={"s": lambda x: x["SessionId"]})
        r.do("Fetch", 13, {**fe(a, 9), "SessionId": Var("s"), "SessionEpoch": 1})
        r.do("Fetch", 12, {**fe(a, 9), "SessionId": Var("s"), "SessionEpoch": 1})
    if r.case("ours Fetch.v13 session of ids used with names"):
        r.do("Fetch", 13, {**fe(a, 9), "SessionEpoch": 0}, save={"s": lambda x: x["SessionId"]})
        r.do("Fetch", 12, {**fe(a, 9), "SessionId": Var("s"), "SessionEpoch": 1})
    if r.case("ours Fetch.v12 a new session instead"):
        r.do("Fetch", 12, {**fe(a, 9), "SessionEpoch": 0}, save={"s": lambda x: x["SessionId"]})
        r.do("Fetch", 12, {**fe(a, 9), "SessionId": Var("s"), "SessionEpoch": 0})
        r.do("Fetch", 12, {**fe(a, 9), "SessionId": Var("s"), "SessionEpoch": 1})


def budgets(r):
    t = r.topic(r.n("bud"), 3)
    for p in range(3):
        for i in range(3):
            r.do("Produce", 9, pr(t, batch([(b"k", b"x" * (300 + 100 * p + i), [])]), p), quiet=True)
    three = lambda part, total, **k: {**fe(t), "MaxBytes": total, "Topics": [{"Topic": t, "TopicId": TID(t), "Partitions": [{"Partition": p, "FetchOffset": 0, "PartitionMaxBytes": part, "CurrentLeaderEpoch": -1, "LastFetchedEpoch": -1, "LogStartOffset": -1} for p in range(3)]}], **k}
    for v in (4, 7, 12, 17):
        for part, total in ((1 << 20, 1 << 20), (1, 1 << 20), (1 << 20, 1), (400, 1 << 20), (1 << 20, 400), (800, 1500), (1200, 1200), (0, 0), (0, 1 << 20), (1 << 20, 0), (-1, 1 << 20), (1 << 20, 1201)):
            ask(r, f"at most {part} of {total}", "Fetch", v, three(part, total))
        ask(r, "waits for more than there is", "Fetch", v, three(1 << 20, 1 << 20, MinBytes=1 << 19, MaxWaitMs=80))
        ask(r, "enough at once", "Fetch", v, three(1 << 20, 1 << 20, MinBytes=1000, MaxWaitMs=3000))


def times(r):
    """Timestamps in batches that have to be opened: the offset of the record, not of the batch."""
    n = 5
    recs = [(b"k%d" % i, b"v", []) for i in range(n)]
    body = wire.records_bytes(recs, 0)
    kinds = {"plain": (0, None), "gzip": (1, gzip.compress(body, mtime=0)), "snappy": (2, snappy(body)), "lz4": (3, lz4_raw(body)), "zstd": (4, zstd_raw(body))}
    for kind, (codec, payload) in kinds.items():
        t = r.topic(r.n("ts", kind), 1)
        for base in (1700000000000, 1700000002000, 1700000001000):
            r.do("Produce", 9, pr(t, batch(recs, ts=base, attributes=codec, payload=payload)), quiet=True)
        for v in (1, 5, 7, 8, 9, 11):
            for what, ts in {"first": 1700000000000, "inside": 1700000000003, "last of the first": 1700000000004, "between": 1700000000500, "in the second": 1700000002002, "in the third": 1700000001001, "after all": 1700000002005, "max": -3, "earliest": -2, "latest": -1, "local": -4}.items():
                ask(r, f"{kind} {what}", "ListOffsets", v, {"ReplicaId": -1, "IsolationLevel": 0, "Topics": [{"Name": t, "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": ts}]}]})
    late = r.topic(r.n("ts", "append"), 1, **{"message.timestamp.type": "LogAppendTime"})
    for v in (9, 12):
        ask(r, "append time", "Produce", v, pr(late, batch(recs)))
    if r.case("ours Fetch.v12 append time"):
        r.do("Fetch", 12, fe(late), quiet=True, save={"attr": lambda x: [b["attr"] for b in wire.describe_batches(x["Responses"][0]["Partitions"][0]["Records"])]})
        r.record({"attr": r.t.vars.get("attr")})
    ask(r, "append time, first", "ListOffsets", 7, {"ReplicaId": -1, "Topics": [{"Name": late, "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": 0}]}]})
    empty = r.topic(r.n("ts", "empty"), 1)
    for ts in (-1, -2, -3, -4, 0):
        ask(r, f"empty {ts}", "ListOffsets", 8, {"ReplicaId": -1, "Topics": [{"Name": empty, "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": ts}]}]})
    strict = r.topic(r.n("ts", "strict"), 1, **{"message.timestamp.before.max.ms": "1000"})
    ask(r, "too old", "Produce", 9, pr(strict, batch(REC)))
    for kind, (codec, payload) in kinds.items():
        repacked = r.topic(r.n("re", kind), 1, **{"compression.type": "gzip" if kind == "plain" else "uncompressed"})
        ask(r, f"recompressed from {kind}", "Produce", 9, pr(repacked, batch(recs, attributes=codec, payload=payload)))
        ask(r, f"recompressed from {kind}, offsets", "ListOffsets", 7, {"ReplicaId": -1, "Topics": [{"Name": repacked, "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": 1700000000002}]}]})
    small = r.topic(r.n("ts", "small"), 1, **{"max.message.bytes": "300"})
    ask(r, "over max.message.bytes", "Produce", 9, pr(small, batch([(b"k", b"x" * 400, [])])))
    compact = r.topic(r.n("ts", "compact"), 1, **{"cleanup.policy": "compact"})
    ask(r, "no key where one must be", "Produce", 9, pr(compact, batch(REC)))


def idempotence(r):
    now = int(time.time() * 1000)         # Kafka forgets producers whose records are old
    for v in (7, 9, 13):
        t = r.topic(r.n("seq", v), 4)
        for p, (name, steps) in enumerate({
            "gaps and repeats": [(0, 0, 1), (1, 0, 1), (1, 0, 1), (3, 0, 1), (2, 0, 1), (0, 0, 1), (3, 0, 2), (3, 0, 2), (4, 0, 1), (5, 0, 3)],
            "more than five in flight": [(i, 0, 1) for i in range(8)] + [(i, 0, 1) for i in range(8)],
            "wraps": [(2147483645, 0, 1), (2147483646, 0, 1), (2147483647, 0, 1), (0, 0, 1), (2147483647, 0, 1), (1, 0, 1), (0, 0, 2)],
            "epochs": [(0, 5, 1), (1, 4, 1), (1, 6, 1), (0, 6, 1), (1, 5, 1), (1, 6, 1), (0, 7, 2), (2, 7, 1), (2, -1, 1), (0, 8, 1)]}.items()):
            if not r.case(f"ours Produce.v{v} {name}"):
                continue
            r.do("InitProducerId", 4, {"TransactionalId": None, "TransactionTimeoutMs": 0, "ProducerId": -1, "ProducerEpoch": -1}, save={"pid": lambda x: x["ProducerId"]}, quiet=True)
            for i, (seq, epoch, count) in enumerate(steps):
                r.do("Produce", v, pr(t, lambda T, seq=seq, epoch=epoch, count=count: batch([(b"k", b"v", [])] * count, ts=now, pid=T.vars["pid"], seq=seq, epoch=epoch), p), note=f"{i}: {seq} of epoch {epoch}, {count}")
    for v in vs(r, "InitProducerId"):
        for name, q in {"plain": {"TransactionalId": None, "TransactionTimeoutMs": 0, "ProducerId": -1, "ProducerEpoch": -1}, "no time": {"TransactionalId": None, "TransactionTimeoutMs": -1, "ProducerId": -1, "ProducerEpoch": -1},
                        "an id without an epoch": {"TransactionalId": None, "TransactionTimeoutMs": 0, "ProducerId": 5, "ProducerEpoch": -1}, "an epoch without an id": {"TransactionalId": None, "TransactionTimeoutMs": 0, "ProducerId": -1, "ProducerEpoch": 5},
                        "both": {"TransactionalId": None, "TransactionTimeoutMs": 0, "ProducerId": 5, "ProducerEpoch": 5}, "an empty transactional id": {"TransactionalId": "", "TransactionTimeoutMs": 1000, "ProducerId": -1, "ProducerEpoch": -1}}.items():
            ask(r, name, "InitProducerId", v, q)
    ask(r, "of nothing", "DescribeProducers", 0, {"Topics": []})
    ask(r, "unknown", "DescribeProducers", 0, {"Topics": [{"Name": r.n("nope"), "PartitionIndexes": [0]}, {"Name": t, "PartitionIndexes": [0, 9]}]})


def the_rest(r):
    for v in vs(r, "DescribeCluster"):
        for kind in (1, 2, 0, 3):
            ask(r, f"endpoints {kind}", "DescribeCluster", v, {"IncludeClusterAuthorizedOperations": True, "EndpointType": kind, "IncludeFencedBrokers": True})
    for v in vs(r, "DescribeQuorum"):
        for name, topics in {"plain": [("__cluster_metadata", [0])], "partition 1": [("__cluster_metadata", [1])], "two": [("__cluster_metadata", [0, 0])], "another": [("x", [0])], "none": []}.items():
            ask(r, name, "DescribeQuorum", v, {"Topics": [{"TopicName": n, "Partitions": [{"PartitionIndex": p} for p in ps]} for n, ps in topics]})
    for v in vs(r, "DescribeClientQuotas"):
        C = lambda *x: {"Components": [{"EntityType": t, "MatchType": m, "Match": s} for t, m, s in x], "Strict": False}
        for name, q in {"users": C(("user", 2, None)), "one": C(("user", 0, "x")), "default": C(("client-id", 1, None)), "null name": C(("user", 0, None)), "default with a name": C(("user", 1, "x")), "any with a name": C(("user", 2, "x")),
                        "twice": C(("user", 2, None), ("user", 2, None)), "ip and user": C(("ip", 2, None), ("user", 2, None)), "no such": C(("cat", 0, "x")), "empty": C(("", 0, "x")), "match 7": C(("user", 7, None)), "none": C()}.items():
            ask(r, name, "DescribeClientQuotas", v, q)
    t = r.topic(r.n("ol"), 1)
    r.do("Produce", 9, pr(t, batch(REC)), quiet=True)
    for v in vs(r, "OffsetForLeaderEpoch"):
        for replica, cur, ep in ((-1, 0, 0), (-2, -1, 0), (1, -1, 0), (-1, -1, -2), (-1, -1, 2147483647), (-1, 1, 0), (-1, -5, 0)):
            ask(r, f"replica {replica} now {cur} of {ep}", "OffsetForLeaderEpoch", v, {"ReplicaId": replica, "Topics": [{"Topic": t, "Partitions": [{"Partition": 0, "CurrentLeaderEpoch": cur, "LeaderEpoch": ep}, {"Partition": 9, "CurrentLeaderEpoch": cur, "LeaderEpoch": ep}]}]})


def wire_oddities(r):
    """What no client sends: a version or a key that is not there, a header that ends, frames of odd sizes."""
    for api, v in (("Metadata", 99), ("Produce", 2), ("Produce", 14), ("Fetch", 3), ("CreateTopics", 1), ("ListOffsets", 0), ("DescribeConfigs", 0)):
        if r.case(f"ours {api}.v{v} no such version"):
            r.t.corr += 1
            key = {"Metadata": 3, "Produce": 0, "Fetch": 1, "CreateTopics": 19, "ListOffsets": 2, "DescribeConfigs": 32}[api]
            r.record(r.t.exchange(key, v, r.t.header(key, v, flexible=v > 13) + b"\0" * 8)[0])
    for v in (5, 99, -1):
        if r.case(f"ours ApiVersions.v{v} no such version"):
            r.t.corr += 1
            out, value = r.t.exchange(18, v, r.t.header(18, v, flexible=True) + b"\0" * 8)
            r.record({**out, "error": value and value["ErrorCode"], "keys": value and [k for k in value["ApiKeys"] if k["ApiKey"] == 18]})
    for key in (-1, 7, 93, 1000):
        if r.case(f"ours wire key {key}"):
            r.t.corr += 1
            r.record(r.t.exchange(key, 0, r.t.header(key, 0, flexible=False) + b"\0" * 8)[0])
    for name, payload, size in (("nothing in it", b"", None), ("one byte", b"\0", None), ("a negative size", b"", -1), ("half a header", b"\0\3\0\1\0\0", None), ("a huge client id", b"\0\3\0\1\0\0\0\1\x7f\xff", None),
                                ("a negative client id", b"\0\3\0\1\0\0\0\1\xff\xfe\0\0\0\0", None), ("text", b"GET / HTTP/1.1\r\n\r\n", None), ("a size over the limit", b"", 2147483647), ("a size just over the limit", b"", 104857601)):
        if r.case(f"ours wire {name}"):
            r.t.drop()
            r.record(r.t.exchange(3, 1, payload, timeout=2, size=size)[0])
            r.t.drop()


SCENARIOS = [describe_configs, alter_configs, config_resources, page_topics, grow_topics, delete_topics, auto_create, log_dirs, delete_records, sessions, budgets, times, idempotence, the_rest, wire_oddities]
