"""What is put to both controllers: one function a part; w is ask's World."""
import random

ALL = {}


def part(f):
    ALL[f.__name__] = f
    return f


@part
def alter_partition_errors(w):
    w.up(1, 2, 3, 4)
    t = w.topic("t", [1, 2, 3], [2, 3, 1])
    w.step("shrinks", "AlterPartition", **w.alter(1, t, 0, [1, 3]))
    w.step("same again, older partition epoch", "AlterPartition", **w.alter(1, t, 0, [1]))
    w.step("same as it is", "AlterPartition", **w.alter(1, t, 0, [1, 3], partition_epoch=1))
    w.step("newer partition epoch", "AlterPartition", **w.alter(1, t, 0, [1], partition_epoch=9))
    w.step("newer leader epoch", "AlterPartition", **w.alter(1, t, 0, [1], leader_epoch=9))
    w.step("both older and newer", "AlterPartition", **w.alter(1, t, 0, [1], leader_epoch=-1, partition_epoch=9))
    w.step("older leader epoch", "AlterPartition", **w.alter(1, t, 0, [1], leader_epoch=-1))
    w.step("not the leader", "AlterPartition", **w.alter(2, t, 0, [2]))
    w.step("not the leader and an older partition epoch", "AlterPartition", **w.alter(2, t, 0, [2], partition_epoch=0))
    w.step("broker epoch", "AlterPartition", **w.alter(1, t, 0, [1], broker_epoch=77))
    w.step("unknown broker", "AlterPartition", **w.alter(9, t, 0, [1]))
    w.step("unknown topic", "AlterPartition", **w.alter(1, "12345678" * 4, 0, [1]))
    w.step("unknown partition", "AlterPartition", **w.alter(1, t, 7, [1]))
    w.step("no replica", "AlterPartition", **w.alter(1, t, 0, [1, 4], partition_epoch=1))
    w.step("twice", "AlterPartition", **w.alter(1, t, 0, [1, 1], partition_epoch=1))
    w.step("without the leader", "AlterPartition", **w.alter(1, t, 0, [2, 3], partition_epoch=1))
    w.step("empty", "AlterPartition", **w.alter(1, t, 0, [], partition_epoch=1))
    w.step("recovering with two", "AlterPartition", **w.alter(1, t, 0, [1, 3], recovery=1, partition_epoch=1))
    w.step("recovered to recovering", "AlterPartition", **w.alter(1, t, 0, [1], recovery=1, partition_epoch=1))
    w.step("broker epoch of a member", "AlterPartition", **w.alter(1, t, 0, [1, 2, 3], partition_epoch=1, epochs={1: w.epochs[1], 2: 5, 3: -1}))
    w.step("unsaid epochs", "AlterPartition", **w.alter(1, t, 0, [1, 2, 3], partition_epoch=1, epochs={1: -1}))
    w.beat(3, fence=True)
    w.step("fenced 3")
    w.step("a fenced member", "AlterPartition", **w.alter(1, t, 0, [1, 2, 3], partition_epoch=3))
    w.beat(2, leave=True)
    w.step("2 leaves")
    w.step("a member in shutdown", "AlterPartition", **w.alter(1, t, 0, [1, 2], partition_epoch=4))
    w.step("version 2", "AlterPartition", **w.alter(1, t, 1, [1], leader_epoch=1, partition_epoch=2, version=2))


@part
def alter_partition_elr(w):
    w.up(1, 2, 3, 4)
    t = w.topic("t", [1, 2, 3], min_insync_replicas=2)
    w.step("to 2", "AlterPartition", **w.alter(1, t, 0, [1, 3]))
    w.step("to 1", "AlterPartition", **w.alter(1, t, 0, [1], partition_epoch=1))
    w.step("back to 2", "AlterPartition", **w.alter(1, t, 0, [2, 1], partition_epoch=2))
    w.step("to 1 again", "AlterPartition", **w.alter(1, t, 0, [1], partition_epoch=3))
    w.beat(1, fence=True)
    w.step("1 is fenced: from the ELR")
    w.beat(2, fence=True)
    w.step("2 is fenced")
    w.beat(3, fence=True)
    w.step("3 is fenced")
    w.beat(3)
    w.step("3 is back")
    w.beat(1)
    w.step("1 is back")
    w.beat(2)
    w.step("2 is back")


@part
def unclean_return(w):
    w.up(1, 2, 3)
    w.topic("t", [1, 2, 3], [2, 3, 1], min_insync_replicas=2)
    w.topic("u", [3, 1])
    w.topic("w", [2])
    w.say(w.registration(2))
    w.step("2 has a session")
    w.expire(2)
    w.step("2 is fenced")
    w.say(w.registration(2, previous=-1))
    w.step("2 comes back uncleanly")
    w.beat(2)
    w.step("2 is unfenced")
    w.expire(1)
    w.step("1 is fenced")
    w.expire(3)
    w.step("3 is fenced")
    w.say(w.registration(3, previous=-1))
    w.step("3 comes back uncleanly")
    w.beat(3)
    w.step("3 is unfenced")
    w.say(w.registration(1, previous=w.epochs[1]))
    w.step("1 comes back cleanly")
    w.beat(1)
    w.step("1 is unfenced")


unclean_return.session_ms = 3000


@part
def elect_leaders(w):
    w.up(1, 2, 3)
    w.topic("t", [1, 2, 3], [2, 3, 1], [3, 1, 2])
    w.topic("u", [1])
    w.step("preferred, not needed", "ElectLeaders", electionType=0, topicPartitions=[dict(topic="t", partitions=[0, 7]), dict(topic="no", partitions=[0])])
    w.beat(1, fence=True)
    w.step("1 is fenced")
    w.step("preferred, not there", "ElectLeaders", electionType=0, topicPartitions=[dict(topic="t", partitions=[0, 1]), dict(topic="u", partitions=[0])])
    w.step("all", "ElectLeaders", electionType=0, topicPartitions=None)
    w.step("unclean, all", "ElectLeaders", electionType=1, topicPartitions=None)
    w.step("unclean, named", "ElectLeaders", electionType=1, topicPartitions=[dict(topic="t", partitions=[0, 0]), dict(topic="u", partitions=[0])])
    w.step("no such type", "ElectLeaders", electionType=2, topicPartitions=None)
    w.step("no such type, named", "ElectLeaders", electionType=7, topicPartitions=[dict(topic="t", partitions=[0])])
    w.beat(1)
    w.step("1 is back")
    w.step("preferred, version 0", "ElectLeaders", 0, topicPartitions=None)
    t = [k for k, v in w.names.items() if v == "t"][0]
    w.step("1 is in the ISR", "AlterPartition", **w.alter(2, t, 0, [2, 3, 1], leader_epoch=1, partition_epoch=1))
    w.step("preferred, version 0", "ElectLeaders", 0, topicPartitions=None)
    w.step("preferred, twice in one", "ElectLeaders", electionType=0, topicPartitions=[dict(topic="t", partitions=[0, 0])])
    w.step("empty", "ElectLeaders", electionType=0, topicPartitions=[])


@part
def unclean_election(w):
    w.up(1, 2, 3)
    t = w.topic("t", [1, 2, 3])
    w.topic("v", [1, 2], unclean_leader_election_enable="true")
    w.step("to 1", "AlterPartition", **w.alter(1, t, 0, [1]))
    w.beat(1, fence=True)
    w.step("1 is fenced")
    w.step("unclean", "ElectLeaders", electionType=1, topicPartitions=[dict(topic="t", partitions=[0])])
    w.step("not recovered", "AlterPartition", **w.alter(2, t, 0, [2], leader_epoch=2, partition_epoch=3, recovery=1))
    w.step("two while recovering", "AlterPartition", **w.alter(2, t, 0, [2, 3], leader_epoch=2, partition_epoch=3, recovery=1))
    w.step("recovered", "AlterPartition", **w.alter(2, t, 0, [2], leader_epoch=2, partition_epoch=3))
    w.step("and more", "AlterPartition", **w.alter(2, t, 0, [2, 3], leader_epoch=2, partition_epoch=4))


@part
def reassign(w):
    w.up(1, 2, 3, 4, 5)
    t = w.topic("t", [1, 2, 3], [2, 3, 1], [3, 1, 2])
    w.topic("u", [1, 2])

    def ask(title, *what, version=1, change=True):
        topics = {}
        for name, p, replicas in what:
            topics.setdefault(name, []).append(dict(partitionIndex=p, replicas=replicas))
        w.step(title, "AlterPartitionReassignments", version, timeoutMs=1000, allowReplicationFactorChange=change,
               topics=[dict(name=n, partitions=p) for n, p in topics.items()])

    def listed(title, topics=None):
        w.step(title, "ListPartitionReassignments", timeoutMs=1000, topics=topics)

    ask("unknown", ("no", 0, [1]), ("t", 9, [1]), ("t", 0, []), ("t", 1, [1, 1]), ("t", 2, [1, 9]), ("t", 2, [-1]), ("no", 0, None), ("t", 0, None))
    ask("another order", ("t", 0, [3, 2, 1]))
    ask("the same", ("t", 0, [3, 2, 1]))
    ask("factor, not allowed", ("t", 0, [1, 2]), ("t", 0, [1, 2, 3, 4]), change=False)
    ask("factor, allowed: smaller", ("t", 0, [2, 1]))
    ask("version 0: larger", ("t", 0, [1, 2, 3]), version=0)
    listed("3 is being added")
    w.isr("3 is in", t, 0, [2, 1, 3])
    listed("no more")
    ask("one by another", ("t", 1, [2, 3, 4]))
    ask("running: another", ("t", 1, [2, 3, 5]))
    listed("as it runs")
    ask("running: the same", ("t", 1, [2, 3, 5]))
    ask("factor while it runs", ("t", 1, [2, 3, 5, 4]), ("t", 1, [2]), change=False)
    w.isr("5 is in", t, 1, [2, 3, 1, 5])
    listed("no more")
    ask("all others", ("t", 2, [4, 5]))
    ask("cancelled", ("t", 2, None))
    ask("all others, another order", ("t", 2, [5, 4]))
    listed("named", [dict(name="t", partitionIndexes=[0, 2, 9]), dict(name="no", partitionIndexes=[0]), dict(name="u", partitionIndexes=[])])
    w.isr("4 is in", t, 2, [3, 1, 2, 4])
    w.isr("5 is in", t, 2, [3, 1, 2, 4, 5])
    listed("all")
    ask("to fewer, without the leader", ("u", 0, [2]))
    ask("to none of the ISR", ("u", 0, [3]))
    ask("cancelled", ("u", 0, None))
    ask("nothing")


@part
def reassign_while_running(w):
    w.up(1, 2, 3, 4, 5)
    t = w.topic("t", [1, 2, 3])

    def ask(title, replicas):
        w.step(title, "AlterPartitionReassignments", timeoutMs=1000, topics=[dict(name="t", partitions=[dict(partitionIndex=0, replicas=replicas)])])
    ask("3 by 4", [1, 2, 4])
    ask("back by name", [1, 2, 3])
    ask("cancelled", None)
    ask("3 by 4", [1, 2, 4])
    ask("4 and 5", [1, 2, 4, 5])
    ask("and 3 stays", [1, 2, 4, 5, 3])
    w.isr("5 is in", t, 0, [1, 2, 3, 5])
    w.isr("4 is in", t, 0, [1, 2, 3, 5, 4])


reassign_while_running.differs = ("Kafka forgets what it was adding, and does not forget what it was removing, when a running "
                                  "reassignment is changed; ours goes on to the new target")


@part
def reassign_with_fenced(w):
    w.up(1, 2, 3, 4)
    t = w.topic("t", [1, 2, 3])
    q = w.topic("q", [1, 2], [2, 1])
    w.beat(2, fence=True)
    w.step("2 is fenced")

    def ask(title, p, replicas, topic="q"):
        w.step(title, "AlterPartitionReassignments", timeoutMs=1000, topics=[dict(name=topic, partitions=[dict(partitionIndex=p, replicas=replicas)])])
    ask("3 by 4, 2 is not in the ISR", 0, [1, 2, 4], "t")
    w.isr("4 is in", t, 0, [1, 3, 4])
    ask("only to the fenced one", 0, [2])
    w.step("listed", "ListPartitionReassignments", timeoutMs=1000, topics=None)
    ask("cancelled", 0, None)
    ask("to the fenced one and more", 0, [2, 3])
    w.isr("3 is in", q, 0, [1, 3])
    ask("adds 4", 1, [4, 2])
    w.isr("4 is in", q, 1, [1, 4])
    w.step("listed", "ListPartitionReassignments", timeoutMs=1000, topics=None)


@part
def reassign_to_fewer(w):
    w.up(1, 2, 3, 4)
    t = w.topic("t", [1, 2, 3], [1, 2, 3], [1, 2, 3])

    def ask(title, p, replicas):
        w.step(title, "AlterPartitionReassignments", timeoutMs=1000, topics=[dict(name="t", partitions=[dict(partitionIndex=p, replicas=replicas)])])
    w.isr("only 1", t, 0, [1])
    ask("3 goes, 2 is not in the ISR", 0, [1, 2])
    w.isr("as it is", t, 0, [1])
    w.isr("3 is in", t, 0, [1, 3])
    w.isr("2 is in", t, 0, [1, 2, 3])
    w.isr("1 and 2", t, 1, [1, 2])
    ask("3 goes", 1, [1, 2])
    w.isr("1 and 2", t, 2, [1, 2])
    ask("3 goes, 4 comes, 2 is not in the ISR", 2, [1, 2, 4])
    w.isr("only 1", t, 2, [1])
    w.isr("1 and 4", t, 2, [1, 4])


@part
def reassign_cancelled_uncleanly(w):
    w.up(1, 2, 3, 4)
    t = w.topic("t", [1, 2])
    v = w.topic("v", [1, 2], unclean_leader_election_enable="true")
    for name, id in ("t", t), ("v", v):
        def ask(title, replicas):
            w.step(title, "AlterPartitionReassignments", timeoutMs=1000, topics=[dict(name=name, partitions=[dict(partitionIndex=0, replicas=replicas)])])
        ask("to 3 and 4", [3, 4])
        w.isr("3 is in", id, 0, [1, 3])
    w.beat(2, fence=True)
    w.beat(1, fence=True)
    w.step("1 and 2 are fenced")
    for name in "tv":
        ask("cancelled", None)
    w.beat(2)
    w.step("2 is back")
    for name in "tv":
        ask("cancelled", None)


@part
def directories(w):
    w.up(1, dirs=2)
    w.up(2, dirs=3)
    w.up(3)
    t = w.topic("t", [1, 2], [2, 1], [3, 1], [2, 3])
    d = w.directory

    def ask(title, broker, *what, epoch=None):
        dirs = {}
        for dir, topic, p in what:
            dirs.setdefault(dir, {}).setdefault(topic, []).append(dict(partitionIndex=p))
        w.step(title, "AssignReplicasToDirs", brokerId=broker, brokerEpoch=w.epochs.get(broker, 5) if epoch is None else epoch, directories=[
            dict(id=k, topics=[dict(topicId=n, partitions=p) for n, p in v.items()]) for k, v in dirs.items()])
    ask("assigned", 1, (d(1, 0), t, 0), (d(1, 1), t, 1))
    ask("again", 1, (d(1, 0), t, 0))
    ask("moved", 1, (d(1, 1), t, 0))
    ask("errors", 1, (d(1), "12345678" * 4, 0), (d(1), t, 9), (d(1), t, 2))
    ask("epoch", 1, (d(1), t, 0), epoch=3)
    ask("unknown broker", 9, (d(1), t, 0))
    ask("of 2", 2, (d(2, 0), t, 0), (d(2, 1), t, 1), (d(2, 2), t, 3))
    ask("a directory it does not have", 2, (d(7, 0), t, 0), (d(7, 0), t, 3))
    ask("none, as old versions have it", 2, ("0" * 32, t, 1))
    w.beat(1, fence=True)
    w.step("1 is fenced")
    w.beat(1)
    w.step("1 is back")
    ask("back", 2, (d(2, 0), t, 0), (d(2, 1), t, 1))
    ask("unassigned and lost", 2, ("0" * 31 + "1", t, 0), ("0" * 31 + "2", t, 3))
    ask("back", 2, (d(2, 0), t, 0), (d(2, 1), t, 1))
    w.beat(2, offlineLogDirs=[d(2, 1)])
    w.step("2's directory 1 is offline")
    w.beat(2, offlineLogDirs=[d(2, 1)])
    w.step("still")
    w.beat(2, offlineLogDirs=[d(2, 1), d(2, 0)])
    w.step("2's directory 0 too")
    w.isr("its replica may not be in the ISR?", t, 1, [1, 2])


@part
def cordoned(w):
    w.up(1, dirs=2)
    w.up(2)
    w.up(3)
    w.beat(1, cordonedLogDirs=[w.directory(1, 0)])
    w.step("1 cordons one of two")
    got = w.step("made", "CreateTopics", 7, topics=[dict(name="t", numPartitions=-1, replicationFactor=-1, assignments=[dict(partitionIndex=0, brokerIds=[1, 2, 3])], configs=[])], timeoutMs=1000)
    w.beat(1, cordonedLogDirs=[w.directory(1, 0), w.directory(1, 1)])
    w.step("1 cordons both")
    w.beat(2, cordonedLogDirs=[w.directory(2)])
    w.step("2 cordons its only one")
    w.step("made by hand", "CreateTopics", 7, topics=[dict(name="u", numPartitions=-1, replicationFactor=-1, assignments=[dict(partitionIndex=0, brokerIds=[1, 2, 3])], configs=[])], timeoutMs=1000)
    w.step("made by the placer", "CreateTopics", 7, topics=[dict(name="v", numPartitions=1, replicationFactor=2, assignments=[], configs=[])], timeoutMs=1000)
    w.step("made by the placer", "CreateTopics", 7, topics=[dict(name="v", numPartitions=1, replicationFactor=1, assignments=[], configs=[])], timeoutMs=1000)
    w.step("grown", "CreatePartitions", topics=[dict(name="t", count=2, assignments=None)], timeoutMs=1000, validateOnly=False)
    w.step("grown by hand", "CreatePartitions", topics=[dict(name="t", count=2, assignments=[dict(brokerIds=[1, 2, 3])])], timeoutMs=1000, validateOnly=False)
    w.step("reassigned", "AlterPartitionReassignments", timeoutMs=1000, topics=[dict(name="v", partitions=[dict(partitionIndex=0, replicas=[1])])])
    w.beat(2, cordonedLogDirs=[])
    w.step("2 uncordons")


@part
def created(w):
    """several brokers, some of them fenced or leaving"""
    w.up(1, 2, 3, 4, 5)
    w.topic("led", [5], [4])
    w.beat(3, fence=True)
    w.beat(4, leave=True)
    w.step("3 is fenced, 4 leaves")

    def hand(title, *assignment, name="t"):
        w.step(title, "CreateTopics", 7, topics=[dict(name=name, numPartitions=-1, replicationFactor=-1, configs=[], assignments=[
            dict(partitionIndex=i, brokerIds=list(a)) for i, a in enumerate(assignment)])], timeoutMs=1000)

    def counted(title, partitions, factor, name="c"):
        got = w.ask("CreateTopics", 7, topics=[dict(name=name, numPartitions=partitions, replicationFactor=factor, configs=[], assignments=[])], timeoutMs=1000)
        w.say("==", title)
        w.say("  answers", got)
        # where they go is chance; who is in the ISR is not
        for kind, r in w.fresh():
            if kind == "Partition":
                w.say("  ", len(r["replicas"]), sorted(set(r["replicas"]) - set(r["isr"])) if factor == 5 else "", r["leader"] == r["isr"][0],
                      3 != r["replicas"][0])
    hand("not as many", [1, 2], [1, 2, 3])
    hand("one is not there", [1, 9])
    hand("only those that do not lead", [3, 4])
    hand("the first is fenced", [3, 1], [4, 2], [1, 2])
    counted("more than there are", 1, 6)
    counted("all", 4, 5)
    counted("two", 6, 2, "d")

    def grow(title, count, *assignment, name="t"):
        w.step(title, "CreatePartitions", topics=[dict(name=name, count=count, assignments=[dict(brokerIds=list(a)) for a in assignment] or None)],
               timeoutMs=1000, validateOnly=False)
    grow("by hand, another factor", 4, [1, 2, 5])
    grow("by hand, one is not there", 4, [1, 9])
    grow("by hand, twice the same", 4, [1, 1])
    grow("by hand, none of them can lead", 4, [3, 4])
    grow("by hand, too few", 6, [1, 2])
    grow("by hand", 5, [4, 5], [3, 2])
    grow("not smaller", 2)
    for b in 1, 2, 5:
        w.beat(b, fence=True)
    w.fresh()
    w.say("all are fenced or leave")
    hand("by hand, nobody", [1, 2], name="n")
    counted("nobody", 1, 1, "n")
    grow("grown, nobody", 6)


def racks(name, brokers, factor):
    """Where replicas go is chance in where it begins, and the same in everything else: each rack and broker in turn."""
    def play(w):
        for b, rack in brokers:
            w.up(b, rack=rack)
        w.ask("CreateTopics", 7, topics=[dict(name="t", numPartitions=24, replicationFactor=factor, configs=[], assignments=[])], timeoutMs=1000)
        parts = [r["replicas"] for kind, r in w.fresh() if kind == "Partition"]
        rack = dict(brokers)
        w.say("racks of each", sorted(len({rack[b] for b in p}) for p in parts))
        w.say("leaderships of each rack", {str(r): sum(rack[p[0]] == r for p in parts) for r in set(rack.values())})
        w.say("each broker has about as many replicas", all(abs(sum(b in p for p in parts) - factor * 24 / len(rack)) < 9 for b in rack)
              if name != "uneven" else "")
        w.say("not always the same together", max(sum(set(p) == set(q) for q in parts) for p in parts) < 24)
    play.__name__ = "racks_" + name
    part(play)


racks("none", [(b, None) for b in (1, 2, 3, 4, 5)], 3)
racks("even", [(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c"), (6, "c")], 3)
racks("two", [(1, "a"), (2, "a"), (3, "b"), (4, "b")], 3)
racks("uneven", [(1, "a"), (2, "b"), (3, "b"), (4, "b")], 2)


@part
def registration(w):
    w.up(1, 2)
    w.topic("t", [1, 2], [2, 1])
    ok = w.FEATURES
    w.step("another cluster", None)
    w.say(w.registration(3, clusterId="nope"))
    w.say("a zk broker", w.registration(3, isMigratingZkBroker=True))
    w.say("no directory", w.registration(3, logDirs=[]))
    w.say("reserved", w.registration(3, logDirs=["0" * 31 + "5"]))
    w.say("twice", w.registration(3, logDirs=[w.directory(3), w.directory(3)]))
    w.say("another's", w.registration(3, logDirs=[w.directory(1)]))
    w.say("no features", w.registration(3, features=[]) if False else w.registration(3, features=[f for f in ok if f[0] != "metadata.version"]))
    w.say("too old", w.registration(3, features=[("metadata.version", 7, 29)] + ok[1:]))
    w.say("too new", w.registration(3, features=[("metadata.version", 31, 32)] + ok[1:]))
    w.say("without group.version", w.registration(3, features=[f for f in ok if f[0] != "group.version"]))
    w.say("group.version 0-0", w.registration(3, features=[f for f in ok if f[0] != "group.version"] + [("group.version", 0, 0)]))
    w.say("an unknown feature", w.registration(3, features=ok + [("no.such", 3, 4)]))
    w.step("and its record")
    w.say("version 0", w.registration(4, version=0, logDirs=[]))
    w.say("version 1", w.registration(4, version=1))
    w.say("version 2", w.registration(4, version=2))
    w.step("and its record")
    w.say("other incarnation", w.registration(4))
    w.say("same incarnation", w.registration(4, incarnation="%032x" % (1000 + w.incarnations - 1)))
    w.step("and its record")
    w.beat(4)
    w.step("4 is unfenced")
    w.say("same incarnation, other rack and directories", w.registration(4, incarnation="%032x" % (1000 + w.incarnations - 2), rack="r", dirs=2))
    w.step("and its record")
    w.say("other incarnation", w.registration(4))
    w.beat(4, leave=True)
    w.step("4 leaves")
    w.say("other incarnation", w.registration(4))
    w.step("and its record")
    w.say("twice the same listener", w.registration(6, listeners=[dict(name="A", host="h", port=1, securityProtocol=0), dict(name="A", host="h", port=2, securityProtocol=0)]))
    w.say("no listener", w.registration(7, listeners=[]))
    w.step("and its record")


@part
def unregister(w):
    w.up(1, 2, 3)
    w.topic("t", [1, 2, 3], [2, 3, 1], min_insync_replicas=2)
    w.topic("s", [3])
    w.step("unknown", "UnregisterBroker", brokerId=9)
    w.step("negative", "UnregisterBroker", brokerId=-1)
    w.step("3, which is up", "UnregisterBroker", brokerId=3)
    w.step("again", "UnregisterBroker", brokerId=3)
    w.beat(2, fence=True)
    w.step("2 is fenced")
    w.step("2", "UnregisterBroker", brokerId=2)
    w.say(w.registration(2))
    w.step("2 is registered")


@part
def producer_ids(w):
    w.up(1)
    w.step("a block", "AllocateProducerIds", brokerId=1, brokerEpoch=w.epochs[1])
    w.step("the next", "AllocateProducerIds", brokerId=1, brokerEpoch=w.epochs[1])
    w.step("epoch", "AllocateProducerIds", brokerId=1, brokerEpoch=3)
    w.step("unknown", "AllocateProducerIds", brokerId=2, brokerEpoch=3)


@part
def balance(w):
    w.up(1, 2, 3)
    t = w.topic("t", [1, 2, 3], [2, 3, 1], [3, 1, 2])
    w.topic("s", [1])
    w.beat(1, fence=True)
    w.step("1 is fenced")
    w.t.timer(30000)
    w.step("nothing to give back")
    w.beat(1)
    w.step("1 is back")
    w.t.timer(30000)
    w.step("nothing to give back yet")
    w.step("1 is in", "AlterPartition", **w.alter(2, t, 0, [2, 3, 1], leader_epoch=1, partition_epoch=1))
    w.t.timer(30000)
    w.step("given back")


balance.timers = True


@part
def unclean_by_config(w):
    w.up(1, 2, 3)
    t = w.topic("t", [1, 2, 3])
    u = w.topic("u", [1, 2, 3])
    for id in t, u:
        w.step("to 1", "AlterPartition", **w.alter(1, id, 0, [1]))
    w.beat(1, fence=True)
    w.step("1 is fenced")
    def allow(kind, name):
        w.say(w.ask("IncrementalAlterConfigs", resources=[dict(resourceType=kind, resourceName=name, configs=[
            dict(name="unclean.leader.election.enable", configOperation=0, value="true")])]))
        w.t.timer(30001)
        w.step("allowed for " + (name or "all"))
    allow(2, "t")
    allow(4, "")
    w.beat(1)
    w.step("1 is back")
    w.step("recovered", "AlterPartition", **w.alter(2, t, 0, [2], leader_epoch=2, partition_epoch=3))


unclean_by_config.timers = True


@part
def unclean_not_before_its_time(w):
    w.up(1, 2)
    t = w.topic("t", [1, 2])
    w.isr("to 1", t, 0, [1])
    w.beat(1, fence=True)
    w.step("1 is fenced")
    w.step("allowed", "IncrementalAlterConfigs", resources=[dict(resourceType=2, resourceName="t", configs=[
        dict(name="unclean.leader.election.enable", configOperation=0, value="true")])])
    w.beat(2)
    w.step("2 says that it is there")


def old(release, level):
    def play(w):
        dirs = {} if level >= 17 else dict(logDirs=[], version=1)
        w.up(1, 2, 3, **dirs)
        t = w.topic("t", [1, 2, 3], [2, 3, 1])
        w.isr("to 1 and 2", t, 0, [1, 2])
        w.beat(1, fence=True)
        w.step("1 is fenced")
        w.beat(1)
        w.step("1 is back")
        w.beat(2, leave=True)
        w.step("2 leaves")
        w.beat(3, fence=True)
        w.step("3 is fenced")
        w.beat(3)
        w.step("3 is back")
        w.isr("1 is in", t, 0, [3, 1])
        w.step("1 by 2", "AlterPartitionReassignments", timeoutMs=1000, topics=[dict(name="t", partitions=[dict(partitionIndex=0, replicas=[3, 2])])])
        w.step("cancelled", "AlterPartitionReassignments", timeoutMs=1000, topics=[dict(name="t", partitions=[dict(partitionIndex=0, replicas=None)])])
        w.step("directories", "AssignReplicasToDirs", brokerId=1, brokerEpoch=w.epochs[1], directories=[
            dict(id=w.directory(1), topics=[dict(topicId=t, partitions=[dict(partitionIndex=0)])])])
        w.step("a controller", "ControllerRegistration", controllerId=7, incarnationId="%032x" % 77, features=[
            dict(name="metadata.version", minSupportedVersion=7, maxSupportedVersion=30)])

        def update(title, *what):
            w.step(title, "UpdateFeatures", timeoutMs=1000, featureUpdates=[dict(feature=n, maxVersionLevel=l, upgradeType=u) for n, l, u in what])
        update("the ELR needs more", ("eligible.leader.replicas.version", 1, 1))
        update("group.version", ("group.version", 1, 1))
        update("metadata.version down", ("metadata.version", level - 1, 2))
        update("metadata.version down, unsafe", ("metadata.version", level - 1, 3))
        update("metadata.version and the ELR", ("metadata.version", 30, 1), ("eligible.leader.replicas.version", 1, 1))
        w.beat(1, cordonedLogDirs=[])
        w.step("nothing is cordoned")
        w.isr("1 only", t, 0, [3])
        w.beat(3, fence=True)
        w.step("3 is fenced")
        update("metadata.version 25", ("metadata.version", 25, 2))
    play.__name__ = "release_%s" % release.replace(".", "_").replace("-", "_")
    play.release, play.level = release, level
    part(play)


old("3.9-IV0", 21)
old("3.5-IV2", 11)
old("3.7-IV0", 15)
old("4.2-IV1", 29)


@part
def min_isr_changes(w):
    w.up(1, 2, 3)
    t = w.topic("t", [1, 2, 3], min_insync_replicas=2)
    u = w.topic("u", [1, 2, 3])

    def config(title, kind, name, value, op=0):
        w.step(title, "IncrementalAlterConfigs", resources=[dict(resourceType=kind, resourceName=name, configs=[dict(name="min.insync.replicas", configOperation=op, value=value)])])
    config("all brokers: 2", 4, "", "2")
    for id in t, u:
        w.step("to 1", "AlterPartition", **w.alter(1, id, 0, [1]))
    config("u: 3", 2, "u", "3")
    config("u: 3 again", 2, "u", "3")
    config("u: deleted", 2, "u", None, 1)
    config("t: 1", 2, "t", "1")
    config("all brokers: 3", 4, "", "3")
    config("a broker", 4, "1", "3")
    config("all brokers: deleted", 4, "", None, 1)
    w.isr("u: back", u, 0, [1, 2])
    w.isr("t: back", t, 0, [1, 2])
    w.step("the old way", "AlterConfigs", resources=[dict(resourceType=2, resourceName="t", configs=[dict(name="min.insync.replicas", value="2")])], validateOnly=False)
    w.step("the old way, none", "AlterConfigs", resources=[dict(resourceType=2, resourceName="t", configs=[])], validateOnly=False)


@part
def features(w):
    w.up(1, 2)

    def ask(title, *what, version=2, validate=False):
        w.step(title, "UpdateFeatures", version, timeoutMs=1000, validateOnly=validate, featureUpdates=[
            dict(feature=n, maxVersionLevel=l, upgradeType=t, allowDowngrade=t != 1) for n, l, t in what])
    ask("nothing")
    ask("unknown", ("no.such", 1, 1))
    ask("negative", ("group.version", -1, 1))
    ask("too high", ("group.version", 2, 1))
    ask("the same", ("group.version", 1, 1))
    ask("upgrade type", ("group.version", 0, 9))
    ask("upgrade type 0", ("group.version", 0, 0))
    ask("down, as an upgrade", ("group.version", 0, 1))
    ask("down, validated", ("group.version", 0, 2), validate=True)
    ask("down", ("group.version", 0, 2))
    ask("up, as a downgrade", ("group.version", 1, 2))
    ask("up, unsafe downgrade", ("group.version", 1, 3))
    ask("up, validated", ("group.version", 1, 1), validate=True)
    ask("up", ("group.version", 1, 1))
    ask("transaction.version to 1", ("transaction.version", 1, 2))
    ask("transaction.version to 2, version 1", ("transaction.version", 2, 1), version=1)
    ask("version 0", ("transaction.version", 1, 2), version=0)
    ask("version 0, upgrade", ("transaction.version", 2, 1), version=0)
    ask("version 1 with an error", ("transaction.version", 7, 1), ("group.version", 1, 1), version=1)
    ask("two, the second wrong", ("transaction.version", 1, 2), ("group.version", 9, 1))
    ask("metadata.version down, safe", ("metadata.version", 29, 2))
    ask("metadata.version down, unsafe", ("metadata.version", 29, 3))
    ask("metadata.version down far", ("metadata.version", 16, 3))
    ask("metadata.version below the least", ("metadata.version", 3, 3))
    ask("metadata.version too high", ("metadata.version", 31, 1))
    ask("metadata.version same", ("metadata.version", 30, 1))
    ask("twice", ("group.version", 0, 2), ("group.version", 1, 1))
    ask("kraft.version up", ("kraft.version", 1, 1), validate=True)
    ask("kraft.version 2", ("kraft.version", 2, 1))
    ask("kraft.version 0", ("kraft.version", 0, 1))
    w.say(w.registration(3, features=[f for f in w.FEATURES if f[0] != "share.version"] + [("share.version", 0, 0)]))
    ask("share.version off", ("share.version", 0, 2))
    w.say(w.registration(3, features=[f for f in w.FEATURES if f[0] != "share.version"]))
    ask("share.version on, 3 does not know it", ("share.version", 1, 1))


@part
def elr_feature(w):
    w.up(1, 2, 3)
    t = w.topic("t", [1, 2, 3], min_insync_replicas=2)
    w.topic("s", [3])

    def ask(title, level, kind, validate=False):
        w.step(title, "UpdateFeatures", timeoutMs=1000, validateOnly=validate, featureUpdates=[
            dict(feature="eligible.leader.replicas.version", maxVersionLevel=level, upgradeType=kind)])
    w.step("to 1", "AlterPartition", **w.alter(1, t, 0, [1]))
    ask("off", 0, 2)
    w.step("shrinks without it", "AlterPartition", **w.alter(1, t, 0, [1, 2], partition_epoch=1))
    w.step("shrinks without it", "AlterPartition", **w.alter(1, t, 0, [1, 2], partition_epoch=2))
    w.beat(3, fence=True)
    w.step("3 is fenced")
    w.step("a broker's min.insync.replicas", "IncrementalAlterConfigs", resources=[dict(resourceType=4, resourceName="1", configs=[dict(name="min.insync.replicas", configOperation=0, value="2")])])
    w.step("the cluster's goes", "IncrementalAlterConfigs", resources=[dict(resourceType=4, resourceName="", configs=[dict(name="min.insync.replicas", configOperation=1, value=None)])])
    ask("on, validated", 1, 1, True)
    ask("on", 1, 1)
    w.beat(3)
    w.step("3 is back")
    ask("off", 0, 2)
    ask("on", 1, 1)


@part
def controller_registration(w):
    def ask(title, **more):
        body = dict(controllerId=7, incarnationId="%032x" % 77, zkMigrationReady=False, listeners=[dict(name="CONTROLLER", host="h", port=9093, securityProtocol=0)],
                    features=[dict(name=n, minSupportedVersion=a, maxSupportedVersion=b) for n, a, b in w.FEATURES])
        body.update(more)
        w.step(title, "ControllerRegistration", **body)
    ask("registered")
    ask("again")
    ask("without features", features=[])
    ask("without metadata.version", features=[dict(name=n, minSupportedVersion=a, maxSupportedVersion=b) for n, a, b in w.FEATURES[1:]])
    ask("too old", features=[dict(name="metadata.version", minSupportedVersion=7, maxSupportedVersion=29)])
    ask("no listener", listeners=[])


def at_random(seed):
    """brokers come and go, leaders change ISRs, replicas move, at random; what the leaders say is what their epochs allow"""
    def play(w):
        r = random.Random(seed)
        brokers = [1, 2, 3, 4, 5]
        for b in brokers:
            w.up(b, dirs=r.choice([1, 2]))
        topics = {}
        for i in range(3):
            n = r.choice([1, 2, 3, 3])
            configs = {}
            if i > 0 and r.random() < 0.8:
                configs["min_insync_replicas"] = r.choice([1, 2, 2, 3])
            if r.random() < 0.3:
                configs["unclean_leader_election_enable"] = "true"
            topics["t%d" % i] = w.topic("t%d" % i, *[r.sample(brokers, n) for _ in range(2)], **configs)
        moving = set()

        def isr(name, p):
            at = w.parts[(topics[name], p)]
            if at["leader"] < 0:
                return
            replicas = at["replicas"]
            some = [b for b in r.sample(replicas, r.randint(0, len(replicas))) if b != at["leader"]] + [at["leader"]]
            if r.random() < 0.5:
                some = sorted(some, key=replicas.index)
            if r.random() < 0.4:
                some = list(replicas)
            w.isr("%s-%d: ISR %s" % (name, p, some), topics[name], p, some, recovery=r.choice([0, 0, 0, 1]))

        def reassign(name, p):
            # Only where the ELR is empty as long as there is a leader: Kafka leaves replicas that go in it.
            at = w.parts[(topics["t0"], p)]
            name = "t0"
            if at["leader"] < 0:
                return
            to = None if at.get("moving") else r.sample(brokers, r.choice([1, 2, 3, len(at["replicas"])]))
            w.step("%s-%d: to %s" % (name, p, to), "AlterPartitionReassignments", timeoutMs=1000, topics=[
                dict(name=name, partitions=[dict(partitionIndex=p, replicas=to)])])

        def elect(name, p):
            kind = r.choice([0, 0, 1])
            w.step("%s-%d: election %d" % (name, p, kind), "ElectLeaders", electionType=kind, topicPartitions=[dict(topic=name, partitions=[p])])

        def broker(name, p):
            b = r.choice(brokers)
            w.beat(b, fence=r.random() < 0.5)
            w.step("%d is %s" % (b, "fenced" if w.states[b] else "unfenced"))

        def assign(name, p):
            at = w.parts[(topics[name], p)]
            if at["leader"] < 0:    # in Kafka it stays without one even when its replica is where it can lead
                return
            b = r.choice(at["replicas"])
            dir = r.choice([w.directory(b, 0), w.directory(b, 0), w.directory(b, 1), "0" * 31 + "2"])
            w.step("%s-%d: %d has it in %s" % (name, p, b, w.names.get(dir, dir)), "AssignReplicasToDirs", brokerId=b, brokerEpoch=w.epochs[b],
                   directories=[dict(id=dir, topics=[dict(topicId=topics[name], partitions=[dict(partitionIndex=p)])])])

        def offline(name, p):
            b = r.choice(brokers)   # not one that is fenced: Kafka does not see the election that its return brings
            if w.states[b]:
                return
            w.beat(b, offlineLogDirs=[w.directory(b, 1)])
            w.step("%d: directory 1 is offline" % b)

        def config(name, p):
            key, value = "unclean.leader.election.enable", r.choice(["true", "false"])
            w.step("%s: %s %s" % (name, key, value), "IncrementalAlterConfigs", resources=[dict(resourceType=2, resourceName=name, configs=[
                dict(name=key, configOperation=0, value=value)])])

        def unregister(name, p):
            b = r.choice(brokers)
            w.step("%d is forgotten" % b, "UnregisterBroker", brokerId=b)
            w.say("and registers", w.registration(b, dirs=2))
            w.step("with its record")
        for _ in range(150):
            act = r.choice([isr] * 8 + [broker] * 8 + [reassign] * 3 + [elect] * 3 + [assign] * 2 + [offline, config, unregister])
            act("t%d" % r.randrange(3), r.randrange(2))
    return play


for seed in range(1, 11):
    play = at_random(seed)
    play.__name__ = "at_random_%d" % seed
    part(play)
