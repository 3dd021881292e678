"""Classic groups at every version: who may join, sync, live, commit, leave; what is told of a group; odd requests."""
from differ import TID, Var
from scenarios import vs

SUB = b"\0\3\0\0\0\1\0\1t\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff"     # a consumer's subscription to topic "t"
PROTOCOLS = [{"Name": "range", "Metadata": SUB}, {"Name": "sticky", "Metadata": b"\0\1\0\0\0\0\xff\xff\xff\xff\0\0\0\0"}]


def ask(r, name, api, v, body, **k):
    if r.case(f"groups {api}.v{v} {name}"):
        return r.do(api, v, body, tries=1, **k)
    return None


def joining(group, member="", **k):
    return {"GroupId": group, "SessionTimeoutMs": 10000, "RebalanceTimeoutMs": 20000, "MemberId": member, "ProtocolType": "consumer",
            "Protocols": PROTOCOLS, **k}


def ready(r, group):
    """The coordinator is loaded."""
    r.do("FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [group]}, quiet=True, until=lambda x: x["Coordinators"][0]["ErrorCode"] == 0)
    r.do("OffsetFetch", 8, {"Groups": [{"GroupId": group, "Topics": None}]}, quiet=True, until=lambda x: x["Groups"][0]["ErrorCode"] == 0)
    return group


def member(r, group, **k):
    """A member that is in, alone: its id is in Var('m'), its generation in Var('g')."""
    a = r.do("JoinGroup", 9, joining(group, **k), quiet=True)
    if a and a["ErrorCode"] == 79:
        a = r.do("JoinGroup", 9, joining(group, a["MemberId"], **k), quiet=True, timeout=12)
    r.t.vars.update(m=(a or {}).get("MemberId", ""), g=(a or {}).get("GenerationId", -1))
    return a


def synced(r, group, **k):
    member(r, group, **k)
    return r.do("SyncGroup", 5, {"GroupId": group, "GenerationId": r.t.vars["g"], "MemberId": Var("m"), "ProtocolType": "consumer", "ProtocolName": "range",
                                 "GroupInstanceId": k.get("GroupInstanceId"), "Assignments": [{"MemberId": Var("m"), "Assignment": b"mine"}]}, quiet=True)


def before(r):
    """There is no __consumer_offsets yet: nobody has asked for a coordinator."""
    topics = [{"Name": "t", "TopicId": TID("t"), "PartitionIndexes": [0, 1], "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 3, "CommittedMetadata": ""}]}]
    bodies = {"OffsetFetch": {"GroupId": "b", "Topics": topics, "Groups": [{"GroupId": "b", "MemberId": None, "MemberEpoch": -1, "Topics": topics}]},
              "OffsetCommit": {"GroupId": "b", "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": topics}, "JoinGroup": joining("b"),
              "SyncGroup": {"GroupId": "b", "GenerationId": 1, "MemberId": "m", "ProtocolType": "consumer", "ProtocolName": "range", "Assignments": []},
              "Heartbeat": {"GroupId": "b", "GenerationId": 1, "MemberId": "m"},
              "LeaveGroup": {"GroupId": "b", "MemberId": "m", "Members": [{"MemberId": "m"}]}, "DescribeGroups": {"Groups": ["b"]},
              "ListGroups": {"StatesFilter": [], "TypesFilter": []}, "DeleteGroups": {"GroupsNames": ["b"]},
              "OffsetDelete": {"GroupId": "b", "Topics": [{"Name": "t", "Partitions": [{"PartitionIndex": 0}]}]}}
    for api, body in bodies.items():
        for v in vs(r, api):
            ask(r, "before", api, v, body)


def find(r):
    for v in vs(r, "FindCoordinator"):
        if v > 5:
            continue
        g = ready(r, r.n("f", v))
        for name, q in {"group": {"Key": g, "KeyType": 0, "CoordinatorKeys": [g, r.n("other")]}, "no name": {"Key": "", "KeyType": 0, "CoordinatorKeys": [""]},
                        "no keys": {"Key": g, "KeyType": 0, "CoordinatorKeys": []}, "kind 7": {"Key": g, "KeyType": 7, "CoordinatorKeys": [g]},
                        "kind -1": {"Key": g, "KeyType": -1, "CoordinatorKeys": [g]}}.items():
            ask(r, name, "FindCoordinator", v, q)


def join(r):
    for v in vs(r, "JoinGroup"):
        g = ready(r, r.n("j", v))
        for name, q in {"no group": joining(""), "short session": joining(g, SessionTimeoutMs=10), "long session": joining(g, SessionTimeoutMs=1 << 30),
                        "negative session": joining(g, SessionTimeoutMs=-1), "unknown member": joining(g, "nobody"), "no protocols": joining(g, Protocols=[]),
                        "no protocol type": joining(g, ProtocolType="")}.items():
            ask(r, name, "JoinGroup", v, q)
        h = ready(r, r.n("k", v))
        member(r, h)
        ask(r, "another type", "JoinGroup", v, joining(h, ProtocolType="connect"))
        ask(r, "another protocol", "JoinGroup", v, joining(h, Protocols=[{"Name": "other", "Metadata": b""}]))
        ask(r, "a stranger", "JoinGroup", v, joining(h, "stranger"))
        if v >= 5:
            ask(r, "a stranger with an instance", "JoinGroup", v, joining(h, "stranger", GroupInstanceId="i"))
        ask(r, "again while syncing", "JoinGroup", v, joining(h, Var("m")), timeout=12)


def sync(r):
    for v in vs(r, "SyncGroup"):
        g = ready(r, r.n("s", v))
        q = lambda **k: {"GroupId": g, "GenerationId": 1, "MemberId": "nobody", "Assignments": [], **k}
        ask(r, "no such group", "SyncGroup", v, q())
        ask(r, "no group", "SyncGroup", v, q(GroupId=""))
        member(r, g)
        ask(r, "a stranger", "SyncGroup", v, q())
        ask(r, "an old generation", "SyncGroup", v, q(MemberId=Var("m"), GenerationId=0))
        ask(r, "generation -1", "SyncGroup", v, q(MemberId=Var("m"), GenerationId=-1))
        if v >= 3:
            ask(r, "an unknown instance", "SyncGroup", v, q(MemberId=Var("m"), GroupInstanceId="i"))
        if v >= 5:
            ask(r, "another type", "SyncGroup", v, q(MemberId=Var("m"), ProtocolType="connect", ProtocolName="range"))
            ask(r, "another protocol", "SyncGroup", v, q(MemberId=Var("m"), ProtocolType="consumer", ProtocolName="sticky"))
        ask(r, "the leader", "SyncGroup", v, q(MemberId=Var("m"), ProtocolType="consumer", ProtocolName="range",
            Assignments=[{"MemberId": Var("m"), "Assignment": b"mine"}, {"MemberId": "nobody", "Assignment": b"?"}]))
        ask(r, "again", "SyncGroup", v, q(MemberId=Var("m"), ProtocolType="consumer", ProtocolName="range"))


def live(r):
    for v in vs(r, "Heartbeat"):
        g = ready(r, r.n("h", v))
        q = lambda **k: {"GroupId": g, "GenerationId": 1, "MemberId": "nobody", **k}
        ask(r, "no such group", "Heartbeat", v, q())
        ask(r, "no group", "Heartbeat", v, q(GroupId=""))
        synced(r, g)
        ask(r, "alive", "Heartbeat", v, q(MemberId=Var("m")))
        ask(r, "a stranger", "Heartbeat", v, q())
        ask(r, "an old generation", "Heartbeat", v, q(MemberId=Var("m"), GenerationId=0))
        ask(r, "generation -1", "Heartbeat", v, q(MemberId=Var("m"), GenerationId=-1))
        ask(r, "a coming generation", "Heartbeat", v, q(MemberId=Var("m"), GenerationId=7))
        if v >= 3:
            ask(r, "an unknown instance", "Heartbeat", v, q(MemberId=Var("m"), GroupInstanceId="i"))
    for v in vs(r, "LeaveGroup"):
        g = ready(r, r.n("l", v))
        q = lambda m, i=None, group=g: {"GroupId": group, "MemberId": m, "Members": [{"MemberId": m, "GroupInstanceId": i, "Reason": "done"}]}
        ask(r, "no such group", "LeaveGroup", v, q("nobody"))
        ask(r, "no group", "LeaveGroup", v, q("nobody", group=""))
        synced(r, g)
        ask(r, "a stranger", "LeaveGroup", v, q("nobody"))
        if v >= 3:
            ask(r, "an unknown instance", "LeaveGroup", v, q("", "i"))
            ask(r, "nobody at all", "LeaveGroup", v, {"GroupId": g, "Members": []})
        ask(r, "goes", "LeaveGroup", v, q(Var("m")))
        ask(r, "goes again", "LeaveGroup", v, q(Var("m")))
        ask(r, "and is not there", "DescribeGroups", 5, {"Groups": [g]})


def instances(r):
    g = ready(r, r.n("st"))
    synced(r, g, GroupInstanceId="one")
    old = r.t.vars["m"]
    ask(r, "static member alive", "Heartbeat", 4, {"GroupId": g, "GenerationId": 1, "MemberId": Var("m"), "GroupInstanceId": "one"})
    for v in (5, 6, 7, 8, 9):
        a = ask(r, "comes back", "JoinGroup", v, joining(g, GroupInstanceId="one"), timeout=12)
        r.t.vars["m"] = (a or {}).get("MemberId", "")
        ask(r, f"the old one is fenced {v}", "Heartbeat", 4, {"GroupId": g, "GenerationId": 1, "MemberId": old, "GroupInstanceId": "one"})
        ask(r, f"the new one lives {v}", "Heartbeat", 4, {"GroupId": g, "GenerationId": 1, "MemberId": Var("m"), "GroupInstanceId": "one"})
        ask(r, f"has its assignment {v}", "SyncGroup", 5, {"GroupId": g, "GenerationId": 1, "MemberId": Var("m"), "GroupInstanceId": "one",
            "ProtocolType": "consumer", "ProtocolName": "range", "Assignments": []})
        old = r.t.vars["m"]
    ask(r, "removed by its instance", "LeaveGroup", 4, {"GroupId": g, "Members": [{"MemberId": "", "GroupInstanceId": "one"}]})


def offsets(r):
    t = r.topic(r.n("ot"), 2)
    part = lambda p, o, meta="note", **k: {"PartitionIndex": p, "CommittedOffset": o, "CommittedLeaderEpoch": 0, "CommittedMetadata": meta, **k}
    for v in vs(r, "OffsetCommit"):
        g = ready(r, r.n("oc", v))
        q = lambda parts=None, name=t, **k: {"GroupId": g, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "RetentionTimeMs": -1,
                                           "Topics": [{"Name": name, "TopicId": TID(name), "Partitions": parts or [part(0, 5)]}], **k}
        for name, body in {"alone": q(), "two": q([part(0, 6), part(1, 7, None)]), "no such partition": q([part(0, 6), part(9, 7)]),
                           "no such topic": q(name=r.n("none")), "long metadata": q([part(0, 8, "x" * 5000)]), "negative offset": q([part(0, -1)]),
                           "a generation, no group": q(GenerationIdOrMemberEpoch=3, MemberId="m", GroupId=r.n("oc-none", v)), "no group": q(GroupId=""),
                           "no topics": {"GroupId": g, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "RetentionTimeMs": -1, "Topics": []}}.items():
            ask(r, name, "OffsetCommit", v, body)
        h = ready(r, r.n("om", v))
        synced(r, h)
        m = lambda **k: q(GroupId=h, **k)
        ask(r, "a member", "OffsetCommit", v, m(MemberId=Var("m"), GenerationIdOrMemberEpoch=1))
        ask(r, "an old generation", "OffsetCommit", v, m(MemberId=Var("m"), GenerationIdOrMemberEpoch=0))
        ask(r, "a stranger", "OffsetCommit", v, m(MemberId="nobody", GenerationIdOrMemberEpoch=1))
        ask(r, "an administrator meanwhile", "OffsetCommit", v, m())
    g = ready(r, r.n("of"))
    r.do("OffsetCommit", 8, {"GroupId": g, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [{"Name": t, "Partitions": [part(0, 5), part(1, 6, "")]}]}, quiet=True)
    for v in vs(r, "OffsetFetch"):
        topics = lambda name=t, parts=(0, 1, 5): [{"Name": name, "TopicId": TID(name), "PartitionIndexes": list(parts)}]
        q = lambda ts, group=g, **k: {"GroupId": group, "Topics": ts, "Groups": [{"GroupId": group, "MemberId": None, "MemberEpoch": -1, "Topics": ts}], "RequireStable": v >= 7, **k}
        for name, body in {"three": q(topics()), "none": q([]), "unknown topic": q(topics(r.n("none"))), "unknown group": q(topics(), r.n("nog")), "no partitions": q(topics(parts=())),
                           **({"everything": q(None), "everything of nobody": q(None, r.n("nog"))} if v >= 2 else {}), "no name": q(topics(), "")}.items():
            ask(r, name, "OffsetFetch", v, body)
    for name, body in {"one": {"GroupId": g, "Topics": [{"Name": t, "Partitions": [{"PartitionIndex": 0}, {"PartitionIndex": 9}]}]}, "unknown group": {"GroupId": r.n("nog"), "Topics": [{"Name": t, "Partitions": [{"PartitionIndex": 0}]}]},
                       "no topics": {"GroupId": g, "Topics": []}, "no name": {"GroupId": "", "Topics": []}}.items():
        ask(r, name, "OffsetDelete", 0, body)
    ask(r, "after a delete", "OffsetFetch", 8, {"Groups": [{"GroupId": g, "Topics": None}]})


def told(r):
    for v in vs(r, "DescribeGroups"):
        g = ready(r, r.n("dg", v))
        synced(r, g)
        ask(r, "stable", "DescribeGroups", v, {"Groups": [g], "IncludeAuthorizedOperations": v >= 3})
        ask(r, "nobody", "DescribeGroups", v, {"Groups": [r.n("dg-none", v), ""]})
        ask(r, "none", "DescribeGroups", v, {"Groups": []})
        member(r, r.n("dp", v))
        ask(r, "completing", "DescribeGroups", v, {"Groups": [r.n("dp", v)]})
    for v in vs(r, "ListGroups"):
        g = ready(r, r.n("lg", v))
        synced(r, g)
        ask(r, "all", "ListGroups", v, {"StatesFilter": [], "TypesFilter": []})
        if v >= 4:
            for states in (["Stable"], ["stable"], ["Empty", "Dead"], ["nonsense"]):
                ask(r, f"in {states}", "ListGroups", v, {"StatesFilter": states, "TypesFilter": []})
        if v >= 5:
            for types in (["classic"], ["Consumer"], ["nonsense"]):
                ask(r, f"of {types}", "ListGroups", v, {"StatesFilter": [], "TypesFilter": types})
    for v in vs(r, "DeleteGroups"):
        g = ready(r, r.n("xg", v))
        synced(r, g)
        ask(r, "at work", "DeleteGroups", v, {"GroupsNames": [g, r.n("xg-none", v), ""]})
        r.do("LeaveGroup", 4, {"GroupId": g, "Members": [{"MemberId": Var("m")}]}, quiet=True)
        ask(r, "empty", "DeleteGroups", v, {"GroupsNames": [g]})
        ask(r, "gone", "DeleteGroups", v, {"GroupsNames": [g, g]})
        ask(r, "none", "DeleteGroups", v, {"GroupsNames": []})


SCENARIOS = [before, find, join, sync, live, instances, offsets, told]
