"""Groups of consumers (KIP-848) at every version: joining, epochs, reconciliation, static members, regular expressions, offsets, what is
told, and the ways between the classic protocol and this one. Groups are configured to have assignments at once, or not at all for a while: by
default they are a second apart, which no busy machine can keep."""
import struct, time
from differ import TID, Var
from groups import ready
from scenarios import vs

HB = "ConsumerGroupHeartbeat"


def ask(r, name, api, v, body, **k):
    if r.case(f"consumer {api}.v{v} {name}"):
        return r.do(api, v, body, tries=1, **k)
    return None


def body(group, member, epoch, **k):
    return {"GroupId": group, "MemberId": member, "MemberEpoch": epoch, "InstanceId": None, "RackId": None, "RebalanceTimeoutMs": -1, "SubscribedTopicNames": None,
            "SubscribedTopicRegex": None, "ServerAssignor": None, "TopicPartitions": None, **k}


def joining(group, member, topics, **k):
    return body(group, member, 0, **{"RebalanceTimeoutMs": 60000, "SubscribedTopicNames": topics, "TopicPartitions": [], **k})


def has(*parts):
    return {"TopicPartitions": [{"TopicId": TID(t), "Partitions": list(ps)} for t, ps in parts]}


class Story:
    """One group and what happens to it: each step is a case of its own."""
    def __init__(self, r, name, v=1, interval=0):
        self.r, self.v, self.name, self.g, self.step = r, v, name, ready(r, r.n("c8", name, v)), 0
        r.do("IncrementalAlterConfigs", 1, {"Resources": [{"ResourceType": 32, "ResourceName": self.g, "Configs": [
            {"Name": "consumer.assignment.interval.ms", "ConfigOperation": 0, "Value": str(interval)}]}]}, quiet=True)
        time.sleep(0.3)

    def label(self, what):
        self.step += 1
        return f"{self.name} {self.step}: {what}"

    def join(self, m, topics, **k):
        return ask(self.r, self.label(f"{m} joins"), HB, self.v, joining(self.g, m, topics, **k))

    def beat(self, m, epoch, **k):
        return ask(self.r, self.label(f"{m} at {epoch}"), HB, self.v, body(self.g, m, epoch, **k))

    def told(self):
        ask(self.r, self.label("described"), "ConsumerGroupDescribe", 1, {"GroupIds": [self.g], "IncludeAuthorizedOperations": True})
        for answer in self.r.results[self.r.name]:      # a set of strings, in the order of Java's hashes
            for m in [m for g in (answer.get("body") or {}).get("Groups", []) for m in g["Members"]]:
                m["SubscribedTopicNames"].sort()

    def do(self, what, api, v, q, **k):
        return ask(self.r, self.label(what), api, v, q, **k)


def bad(r):
    t = r.topic(r.n("cb"), 2)
    for v in vs(r, HB):
        g = ready(r, r.n("c8bad", v))
        for name, q in {"no group": body("", "m", 0), "no member": body(g, "", 1), "no member joins": body(g, "", 0), "nothing": body(g, "m", 0),
                        "no partitions": body(g, "m", 0, RebalanceTimeoutMs=100), "no names": body(g, "m", 0, RebalanceTimeoutMs=100, TopicPartitions=[]),
                        "partitions": joining(g, "m", [t], **has((t, [1]))), "no such group": body(g, "m", 1), "leaves no such group": body(g, "m", -1),
                        "away without an instance": body(g, "m", -2), "away": body(g, "m", -2, InstanceId="i"), "epoch -3": body(g, "m", -3),
                        "empty instance": joining(g, "m", [t], InstanceId=""), "empty rack": joining(g, "m", [t], RackId=""),
                        "unknown assignor": joining(g, "m", [t], ServerAssignor="foo"), "empty assignor": joining(g, "m", [t], ServerAssignor="")}.items():
            ask(r, f"bad: {name}", HB, v, q)
    for i, regex in enumerate(("[", "(", ")", "*", "a**", "a++", "(?=a)", "(?<!a)", "\\1", "\\", "(?>a)", "a{3}{4}", "[z-a]", "a{1001}", "(?P<n", "(?i")):
        ask(r, f"bad expression {i}", HB, 1, joining(ready(r, r.n("c8rx")), "m", [], SubscribedTopicRegex=regex))
    for v in vs(r, "ConsumerGroupDescribe"):
        ask(r, "nobody", "ConsumerGroupDescribe", v, {"GroupIds": [r.n("c8nobody"), ""], "IncludeAuthorizedOperations": True})
        ask(r, "none", "ConsumerGroupDescribe", v, {"GroupIds": []})


def two(r):
    t, u = r.topic(r.n("ct"), 4), r.topic(r.n("cu"), 3)
    for v in vs(r, HB):
        s = Story(r, "two members", v)
        s.join("a", [t]), s.told(), s.beat("a", 2), s.beat("a", 1), s.beat("a", 1, **has((t, [0, 1, 2, 3]))), s.beat("a", 3), s.join("a", [t]), s.beat("nobody", 1)
        s.join("b", [t]), s.told(), s.beat("b", 2), s.beat("b", 2), s.beat("b", 3), s.told(), s.beat("a", 2), s.told(), s.beat("a", 2)
        s.beat("a", 2, **has((t, [0, 1, 2]))), s.beat("a", 2, **has((t, [0, 1]))), s.beat("b", 3), s.beat("b", 3), s.beat("a", 2), s.beat("a", 3), s.told()
        s.beat("b", -1), s.beat("b", -1), s.told(), s.beat("a", 3), s.told(), s.beat("a", -1), s.told()
        for f in (["consumer"], ["CONSUMER"], ["classic"]):
            s.do(f"listed {f}", "ListGroups", 5, {"StatesFilter": ["Empty"], "TypesFilter": f})
        for w in vs(r, "DescribeGroups"):
            s.do("described as a classic one", "DescribeGroups", w, {"Groups": [s.g]})
        s.do("deleted", "DeleteGroups", 2, {"GroupsNames": [s.g]}), s.told()
    s = Story(r, "an interval", interval=15000)
    s.join("a", [t]), s.join("b", [t]), s.told(), s.beat("a", 2), s.beat("b", 2), s.beat("b", 2, SubscribedTopicNames=[u]), s.told(), s.beat("a", -1), s.told()
    s.beat("b", -1), s.told()
    s = Story(r, "subscription")
    s.join("a", [u, t, t]), s.told(), s.beat("a", 2, SubscribedTopicNames=[t, u]), s.beat("a", 2, SubscribedTopicNames=[u]), s.beat("a", 2), s.told()
    s.beat("a", 2, **has((u, [0, 1, 2]))), s.beat("a", 2, **has((u, [0, 1, 2]))), s.told(), s.beat("a", 3, SubscribedTopicNames=[])
    s.beat("a", 3, RebalanceTimeoutMs=60000, SubscribedTopicNames=[], TopicPartitions=[]), s.beat("a", 3), s.told()
    s = Story(r, "a topic comes")
    n = r.n("cn")
    s.join("a", [n]), s.told(), r.topic(n, 2), s.beat("a", 2), s.beat("a", 3), s.told()
    s = Story(r, "range")
    for m in ("b", "a"):
        s.join(m, [t, u], ServerAssignor="range")
    s.join("s", [t], ServerAssignor="range", InstanceId="z"), s.beat("a", 2), s.told()
    s = Story(r, "different wishes")
    s.join("a", [t]), s.join("b", [t, u]), s.beat("a", 2), s.told()


def instances(r):
    t, u = r.topic(r.n("ci"), 4), r.topic(r.n("cj"), 3)
    s = Story(r, "an instance")
    i = {"InstanceId": "i"}
    s.join("a", [t], **i), s.join("b", [t], **i), s.join("a", [t], **i), s.beat("a", 2, **i), s.beat("b", 2, **i), s.beat("a", 2, InstanceId="j"), s.beat("a", 2)
    s.beat("b", -2, **i), s.beat("a", -2, **i), s.told(), s.beat("a", 2, **i), s.join("c", [t], **i), s.told(), s.beat("c", 2, **i), s.beat("c", -2, **i)
    s.join("d", [u], **i), s.told(), s.beat("d", -1), s.beat("d", -1, **i), s.told()


def offsets(r):
    t, u = r.topic(r.n("co"), 4), r.topic(r.n("cp"), 3)
    s = Story(r, "offsets")

    def commit(m, epoch, parts, v=9, group=None):
        s.do(f"{m} at {epoch} commits {parts} by {v}", "OffsetCommit", v, {"GroupId": group or s.g, "GenerationIdOrMemberEpoch": epoch, "MemberId": m, "Topics": [
            {"Name": t, "TopicId": TID(t), "Partitions": [{"PartitionIndex": p, "CommittedOffset": 5, "CommittedLeaderEpoch": 0, "CommittedMetadata": ""} for p in parts]}]})

    def fetch(m, epoch, v=9, group=None):
        s.do(f"{m} at {epoch} asks by {v}", "OffsetFetch", v, {"Groups": [{"GroupId": group or s.g, "MemberId": m, "MemberEpoch": epoch, "Topics": [
            {"Name": t, "TopicId": TID(t), "PartitionIndexes": [0]}]}], "RequireStable": True})

    s.join("a", [t])
    for v in vs(r, "OffsetCommit"):
        commit("a", 2, [0, 1], v), commit("a", 1, [0], v), commit("a", 3, [0], v), commit("nobody", 2, [0], v), commit("", -1, [0], v), commit("a", -1, [0], v)
    commit("a", 2, [0, 9]), s.beat("a", 2, SubscribedTopicNames=[t, u]), commit("a", 2, [0]), commit("a", 3, [0]), commit("a", 1, [0, 1])
    s.join("b", [t]), s.beat("a", 3), commit("a", 2, [0, 1, 2, 3]), commit("a", 3, [3]), commit("b", 3, [3]), commit("b", 2, [3])
    for v in (8, 9, 10):
        for m, e in (("a", 3), ("a", 2), ("a", 4), (None, -1), ("nobody", 2), ("", -1), ("a", -1), (None, 2)):
            fetch(m, e, v)
        fetch("a", 2, v, r.n("c8-none"))
    s.do("not deleted", "DeleteGroups", 2, {"GroupsNames": [s.g]})
    s.do("offsets of topics in use", "OffsetDelete", 0, {"GroupId": s.g, "Topics": [{"Name": x, "Partitions": [{"PartitionIndex": 0}]} for x in (t, u, r.n("c8-no"))]})
    s.beat("a", -1), s.beat("b", -1), commit("", -1, [2])
    s.do("offsets of topics not in use", "OffsetDelete", 0, {"GroupId": s.g, "Topics": [{"Name": t, "Partitions": [{"PartitionIndex": 0}]}]})
    fetch(None, -1)
    s = Story(r, "offsets first")
    commit("", -1, [0]), s.beat("a", 1), s.told(), s.join("a", [t]), s.told(), fetch("a", 2)


def expressions(r):
    t, u = r.topic(r.n("ce1"), 4), r.topic(r.n("ce2"), 3)
    s = Story(r, "expressions")
    s.join("a", None, SubscribedTopicRegex=r.n("ce") + "."), time.sleep(2), s.r.do(HB, 1, body(s.g, "a", 1), quiet=True), s.beat("a", 2), s.told()
    s.beat("a", 2, SubscribedTopicRegex=""), s.told(), s.beat("a", 2, **has((t, []))), s.beat("a", -1), s.told()
    s = Story(r, "an expression for nothing")
    s.join("a", [], SubscribedTopicRegex="nothing.like.it"), s.told(), s.beat("a", 1), s.join("b", [], SubscribedTopicRegex=""), s.told()


def subscription(topics, owned=(), generation=-1):
    s = lambda x: struct.pack(">h", len(x)) + x.encode()
    out = struct.pack(">hi", 3, len(topics)) + b"".join(map(s, topics)) + struct.pack(">ii", -1, len(owned))
    out += b"".join(s(n) + struct.pack(f">i{len(ps)}i", len(ps), *ps) for n, ps in owned)
    return out + struct.pack(">ih", generation, -1)


def assignment(topic, ps):
    return struct.pack(">hih", 3, 1, len(topic)) + topic.encode() + struct.pack(f">i{len(ps)}i", len(ps), *ps) + struct.pack(">i", -1)


def migration(r):
    t = r.topic(r.n("cm"), 4)
    s = Story(r, "migration")
    gen = lambda: r.t.vars["gen"]

    def join(what, member, owned=(), type="consumer", protocol="range", **k):
        a = s.do(f"JoinGroup {what}", "JoinGroup", 9, {"GroupId": s.g, "SessionTimeoutMs": 30000, "RebalanceTimeoutMs": 60000, "MemberId": member, "ProtocolType": type, "Protocols": [
            {"Name": protocol, "Metadata": subscription([t], owned)}], **k}, timeout=12)
        for answer in r.results[r.name]:
            if answer.get("body", {}).get("Leader"):
                answer["body"]["Leader"] = "<uuid>"
        if a and a["ErrorCode"] in (0, 79):
            r.t.vars.update(cm=a["MemberId"], gen=a["GenerationId"])

    def sync(what, generation, assigned=None, member=Var("cm")):
        s.do(f"SyncGroup {what}", "SyncGroup", 5, {"GroupId": s.g, "GenerationId": generation, "MemberId": member, "ProtocolType": "consumer", "ProtocolName": "range",
             "Assignments": [{"MemberId": Var("cm"), "Assignment": assigned}] if assigned else []})

    def live(what, generation, member=Var("cm")):
        s.do(f"Heartbeat {what}", "Heartbeat", 4, {"GroupId": s.g, "GenerationId": generation, "MemberId": member})

    leave = lambda what, *ms: s.do(f"LeaveGroup {what}", "LeaveGroup", 5, {"GroupId": s.g, "Members": [{"MemberId": m, "GroupInstanceId": i} for m, i in ms]})
    s.join("a", [t]), join("without an id", ""), join("with one", Var("cm")), live("in", gen()), sync("in", gen()), s.told()
    s.beat("a", 2), live("behind", gen()), s.beat("a", 2, **has((t, [0, 1]))), live("behind still", gen()), join("again", Var("cm")), live("in", gen()), sync("in", gen()), live("in", gen()), sync("again", gen()), s.told()
    sync("of old", 1), live("of old", 1), live("of a stranger", gen(), "nobody"), live("of a consumer", 3, "a"), sync("of a consumer", 3, member="a")
    join("another protocol", Var("cm"), protocol="x"), join("another type", Var("cm"), type="connect"), leave("of a stranger", ("nobody", None))
    s.beat("a", -1), s.told(), s.do("described", "DescribeGroups", 6, {"Groups": [s.g]}), live("of the classic group", gen())
    join("the classic group", Var("cm"), [(t, [2, 3])]), sync("the classic group", gen(), assignment(t, [0, 1, 2, 3])), s.do("described", "DescribeGroups", 6, {"Groups": [s.g]})
    s.join("b", [t]), s.told(), live("upgraded", gen()), join("upgraded", Var("cm"), [(t, [0, 1])]), sync("upgraded", gen()), s.told(), s.beat("b", 1)
    leave("both", (Var("cm"), None), ("b", None), ("c", None)), s.told()
    join("the empty group", ""), join("the empty group with an id", Var("cm")), s.told(), leave("the last", (Var("cm"), None)), s.do("described", "DescribeGroups", 6, {"Groups": [s.g]})
    s.join("c", [t]), s.told()
    s = Story(r, "no consumers")
    join("Connect's", "", type="connect"), join("Connect's with an id", Var("cm"), type="connect"), s.join("c", [t]), s.beat("c", 1), s.beat("c", -1), s.told()

class Classic:
    """A classic member in a story, with an instance id or without one."""
    def __init__(self, s, t, name, instance=None):
        self.s, self.t, self.name, self.i = s, t, name, instance
        s.r.t.vars.setdefault(name, "")

    def gen(self):
        return self.s.r.t.vars.get("gen " + self.name, -1)

    def join(self, what, member="", owned=()):
        vars = self.s.r.t.vars
        a = self.s.do(f"JoinGroup {what}", "JoinGroup", 9, {"GroupId": self.s.g, "SessionTimeoutMs": 30000, "RebalanceTimeoutMs": 60000, "MemberId": member, "GroupInstanceId": self.i,
            "ProtocolType": "consumer", "Protocols": [{"Name": "range", "Metadata": subscription([self.t], owned)}]}, timeout=12)
        for answer in self.s.r.results[self.s.r.name]:
            got = answer.get("body") or {}
            for where in [got] + list(got.get("Members", [])):
                for field in ("Leader", "MemberId"):
                    if where.get(field):
                        where[field] = "<uuid>"
        if a and a["ErrorCode"] in (0, 79):
            vars.update({self.name: a["MemberId"], "gen " + self.name: a["GenerationId"]})

    def sync(self, what, parts=None):
        self.s.do(f"SyncGroup {what}", "SyncGroup", 5, {"GroupId": self.s.g, "GenerationId": self.gen(), "MemberId": Var(self.name), "GroupInstanceId": self.i, "ProtocolType": "consumer",
            "ProtocolName": "range", "Assignments": [] if parts is None else [{"MemberId": Var(self.name), "Assignment": assignment(self.t, parts)}]})

    def live(self, what):
        self.s.do(f"Heartbeat {what}", "Heartbeat", 4, {"GroupId": self.s.g, "GenerationId": self.gen(), "MemberId": Var(self.name), "GroupInstanceId": self.i})

    def described(self):
        self.s.do("described", "DescribeGroups", 6, {"Groups": [self.s.g]})
        for answer in self.s.r.results[self.s.r.name]:
            for g in (answer.get("body") or {}).get("Groups", []):
                for m in g.get("Members", []):
                    m["MemberId"] = "<uuid>"


def replaced(r):
    """Static members that come back with the other protocol."""
    t, i = r.topic(r.n("cr"), 4), {"InstanceId": "i"}
    s = Story(r, "replaced alone")
    c = Classic(s, t, "x1", "i")
    s.join("a", [t], **i), s.beat("a", 1, **i), c.join("as i"), c.described(), s.beat("a", 1, **i), c.live("as i"), c.sync("as i"), c.live("as i"), c.described()
    c.join("as i again", owned=[(t, [0, 1])]), c.sync("as i again"), c.live("as i again"), c.described()
    s.join("b", [t], **i), c.described(), s.beat("b", 1, **i), s.told()
    s = Story(r, "replaced of two")
    c = Classic(s, t, "x2", "i")
    s.join("a", [t], **i), s.join("b", [t]), s.beat("a", 1, **i), s.beat("a", 1, **has((t, [0, 1])), **i), s.beat("b", 2), c.join("as i"), c.live("as i"), c.sync("as i"), c.live("as i"), s.beat("a", 2, **i)
    s.beat("b", 2), c.join("as i anew"), c.sync("as i anew"), c.live("as i anew"), s.beat("b", 2), s.join("d", [t], **i), s.beat("b", -1), c.described(), c.live("alone"), c.join("alone", Var("x2"), [(t, [0, 1])])
    c.sync("alone", [0, 1, 2, 3]), c.described()
    s = Story(r, "replaced beside one")
    c, d = Classic(s, t, "x3", "i"), Classic(s, t, "x4")
    s.join("a", [t], **i), d.join("without an id"), d.join("with one", Var("x4")), d.sync("in"), s.beat("a", 1, **i), s.beat("a", 1, **has((t, [0, 1])), **i)
    d.join("again", Var("x4")), d.sync("again"), d.live("in"), c.join("as i"), c.described(), d.live("beside i"), c.live("as i"), c.sync("as i"), d.sync("beside i"), c.described()
    s = Story(r, "away")
    c = Classic(s, t, "x5", "i")
    s.join("a", [t], **i), s.join("b", [t]), s.beat("a", -2, **i), c.join("as i"), c.sync("as i"), c.live("as i"), s.beat("b", 2)


def consumer(r):
    for part in (bad, two, instances, offsets, expressions, migration):
        part(r)


SCENARIOS = [consumer, replaced]
