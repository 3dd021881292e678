"""tools3.py KIND FOLDER [PART...]: Kafka's own tools against three nodes (and a fourth that joins). See `kafka-tools3`."""
import json
import os
import re
import subprocess
import sys
import time

from cluster import CONTROLLER, KAFKA, Cluster, directory_id, kafka
from node import Report
from raw import batch

kind, folder = sys.argv[1], os.path.join(sys.argv[2], sys.argv[1])
report = Report(f"kafka-tools3 {kind}")
check = report.check
cluster = Cluster(folder, [kind] * 3, dynamic=True)
BS = ["--bootstrap-server", "10.77.0.1:9092,10.77.0.2:9092,10.77.0.3:9092"]


def tool(name, *argv, want=(), code=0, seconds=0, what=None):
    """Runs it until it says all of want (regular expressions) or the seconds are over; checks that and the exit status."""
    end = time.time() + seconds
    while True:
        got, said = kafka(name, *argv)
        missing = [w for w in want if not re.search(w, said, re.M)]
        if (not missing and got == code) or time.time() >= end:
            break
        time.sleep(0.3)
    words = " ".join(a for a in map(str, argv[2:]) if not a.startswith("/"))
    good = not missing and got == code
    check(what or f"{name} {words}"[:110], good, "" if good else f"exit {got}, not said: {missing}; said: {said.strip()[-500:]}")
    return said


def write_json(name, what):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        json.dump(what, f)
    return path


def fill(topic, mib):
    """Random bytes, so that moving them takes time under a throttle."""
    leader = cluster.state(topic)[topic][0][1]
    with cluster[leader].conn(20) as c:
        for _ in range(mib * 2):
            code = c.produce(topic, batch([os.urandom(1000) for _ in range(500)]))[0]
            assert code == 0, code


def describe():
    tool("kafka-topics", *BS, "--create", "--topic", "t", "--partitions", 6, "--replication-factor", 3, want=["^Created topic t\\."])
    tool("kafka-topics", *BS, "--create", "--topic", "strict", "--replica-assignment", "3:1:2", "--config", "min.insync.replicas=3", want=["Created topic strict"])
    tool("kafka-topics", *BS, "--describe", "--topic", "strict", seconds=10,
         want=[r"Topic: strict\s+TopicId: \S{22}\s+PartitionCount: 1\s+ReplicationFactor: 3\s+Configs: .*min.insync.replicas=3",
               r"Partition: 0\s+Leader: 3\s+Replicas: 3,1,2\s+Isr: 3,1,2\s+Elr: \s*LastKnownElr:"])
    cluster[3].kill()
    tool("kafka-topics", *BS, "--describe", "--topic", "strict", seconds=25, what="describe shows the killed node in the ELR",
         want=[r"Leader: [12]\s+Replicas: 3,1,2\s+Isr: 1,2\s+Elr: 3\s+LastKnownElr:"])
    tool("kafka-topics", *BS, "--describe", "--under-replicated-partitions", want=["Topic: t\\s", "Topic: strict"])
    tool("kafka-topics", *BS, "--describe", "--under-min-isr-partitions", want=["Topic: strict"])
    tool("kafka-topics", *BS, "--describe", "--at-min-isr-partitions", want=[r"Topic: t\s+Partition: \d"])  # which ones: those that were placed on the killed node
    cluster[3].start(60)
    cluster.in_sync(["t", "strict"])
    tool("kafka-topics", *BS, "--describe", "--topic", "strict", seconds=20, what="describe shows it back in the ISR", want=[r"Isr: (\d,){2}\d\s+Elr: \s*LastKnownElr:"])


def elections():
    path = write_json("elect.json", {"partitions": [{"topic": "strict", "partition": 0}]})
    tool("kafka-leader-election", *BS, "--election-type", "preferred", "--path-to-json-file", path, want=["Successfully completed leader election \\(PREFERRED\\) for partitions strict-0"])
    tool("kafka-topics", *BS, "--describe", "--topic", "strict", seconds=10, want=[r"Leader: 3"], what="the preferred leader leads")
    tool("kafka-leader-election", *BS, "--election-type", "preferred", "--topic", "strict", "--partition", 0, want=["Valid replica already elected for partitions strict-0"])
    tool("kafka-leader-election", *BS, "--election-type", "unclean", "--topic", "strict", "--partition", 0, want=["Valid replica already elected"])
    tool("kafka-leader-election", *BS, "--election-type", "preferred", "--all-topic-partitions")
    said = kafka("kafka-topics", *BS, "--describe", "--topic", "t")[1]
    pairs = re.findall(r"Leader: (\d)\s+Replicas: (\d)", said)
    check("every partition is led by its preferred replica", len(pairs) == 6 and all(a == b for a, b in pairs), "" if pairs else said[-300:])


def reassign():
    tool("kafka-topics", *BS, "--create", "--topic", "big", "--replica-assignment", "1:2:3", want=["Created topic big"])
    cluster.in_sync(["big"])
    fill("big", 24)
    topics = write_json("topics.json", {"version": 1, "topics": [{"topic": "big"}]})
    plan = write_json("plan.json", {"version": 1, "partitions": [{"topic": "big", "partition": 0, "replicas": [4, 2, 3], "log_dirs": ["any", "any", "any"]}]})
    tool("kafka-reassign-partitions", *BS, "--generate", "--topics-to-move-json-file", topics, "--broker-list", "1,2,3,4",
         want=["Current partition replica assignment", "Proposed partition reassignment configuration"])
    said = tool("kafka-reassign-partitions", *BS, "--execute", "--reassignment-json-file", plan, "--throttle", 200000,
                want=["The inter-broker throttle limit was set to 200000 B/s", "Successfully started partition reassignment for big-0"])
    rollback = re.search(r'^\{"version".*', said, re.M)
    check("execute says how to go back", bool(rollback), "" if rollback else said[-300:])
    tool("kafka-reassign-partitions", *BS, "--list", want=[r"big-0: replicas: 4,2,3,1\. adding: 4\. removing: 1\."])
    tool("kafka-reassign-partitions", *BS, "--verify", "--reassignment-json-file", plan, "--preserve-throttles", want=["Reassignment of partition big-0 is still in progress"])
    tool("kafka-configs", *BS, "--describe", "--entity-type", "topics", "--entity-name", "big", want=["leader.replication.throttled.replicas=0:1,0:2,0:3", "follower.replication.throttled.replicas=0:4"])
    tool("kafka-configs", *BS, "--describe", "--entity-type", "brokers", "--entity-name", 1, want=["leader.replication.throttled.rate=200000"])
    time.sleep(3)
    tool("kafka-topics", *BS, "--describe", "--topic", "big", want=["Isr: 1,2,3", "Adding Replicas: 4", "Removing Replicas: 1"], what="under the throttle it is still on its way")
    tool("kafka-reassign-partitions", *BS, "--cancel", "--reassignment-json-file", plan, want=["Successfully cancelled partition reassignment for: big-0"])
    tool("kafka-reassign-partitions", *BS, "--list", want=["No partition reassignments found"])
    tool("kafka-topics", *BS, "--describe", "--topic", "big", want=["Replicas: 2,3,1\\s"], what="after the cancel it is where it was", seconds=10)
    said = kafka("kafka-configs", *BS, "--describe", "--entity-type", "topics", "--entity-name", "big")[1]
    check("cancel takes the throttles away", "throttled" not in said, said[-200:] if "throttled" in said else "")
    tool("kafka-reassign-partitions", *BS, "--execute", "--reassignment-json-file", plan, "--throttle", 50000000, want=["Successfully started"])
    tool("kafka-reassign-partitions", *BS, "--verify", "--reassignment-json-file", plan, seconds=40, want=["Reassignment of partition big-0 is completed", "Clearing"])
    tool("kafka-topics", *BS, "--describe", "--topic", "big", want=[r"Replicas: 4,2,3\s+Isr: "], what="it moved")
    leader = cluster.state("big")["big"][0][1]
    with cluster[leader].conn(20) as c:
        check("with all its records", c.end("big") == 24 * 1000, f"{c.end('big')}")
    back = write_json("back.json", {"version": 1, "partitions": [{"topic": "big", "partition": 0, "replicas": [1, 2, 3]}]})
    tool("kafka-reassign-partitions", *BS, "--execute", "--reassignment-json-file", back, want=["Successfully started"])
    tool("kafka-reassign-partitions", *BS, "--verify", "--reassignment-json-file", back, seconds=40, want=["Reassignment of partition big-0 is completed"])
    wrong = write_json("wrong.json", {"version": 1, "partitions": [{"topic": "big", "partition": 0, "replicas": [1, 2, 9]}]})
    tool("kafka-reassign-partitions", *BS, "--execute", "--reassignment-json-file", wrong, code=1, want=["[Uu]nknown broker"])


def quorum():
    tool("kafka-metadata-quorum", *BS, "describe", "--status", want=[r"LeaderId:\s+[123]$", r"MaxFollowerLag:\s+\d+", r'CurrentVoters:.*"id": 1.*"id": 3', r"CurrentObservers:"])
    tool("kafka-metadata-quorum", *BS, "describe", "--replication", "--human-readable", want=["NodeId\\s+DirectoryId\\s+LogEndOffset", r"Leader\s*$", r"Follower\s*$"])
    four = cluster[4]
    tool("kafka-metadata-quorum", "--command-config", four.properties, *BS, "add-controller", seconds=5, want=["Added controller 4 with directory id \\S{22} and endpoints: CONTROLLER://10.77.0.4:9093"])
    said = tool("kafka-metadata-quorum", *BS, "describe", "--status", want=[r'CurrentVoters:.*"id": 4'], seconds=10, what="the fourth is a voter")
    directory = re.search(r'"id": 4, "directoryId": "([^"]{22})"', said)
    directory = directory[1] if directory else "A" * 22
    tool("kafka-metadata-quorum", "--command-config", four.properties, *BS, "add-controller", code=1, want=["[Dd]uplicate|DuplicateVoter|already"], what="add-controller twice is refused")
    tool("kafka-metadata-quorum", *BS, "remove-controller", "--controller-id", 4, "--controller-directory-id", directory, want=["Removed +KRaft controller 4 with directory id " + directory])
    tool("kafka-metadata-quorum", *BS, "describe", "--status", want=[r'CurrentVoters:(?!.*"id": 4)'], seconds=10, what="the fourth is no voter any more")
    tool("kafka-metadata-quorum", *BS, "remove-controller", "--controller-id", 4, "--controller-directory-id", directory, code=1, want=["[Vv]oter"], what="remove-controller twice is refused")
    tool("kafka-metadata-quorum", "--bootstrap-controller", "10.77.0.1:9093", "describe", "--status", want=["LeaderId"], what="describe over a controller listener")
    # The active controller itself is removed and added again: the leadership moves.
    active = cluster.active()
    said = kafka("kafka-metadata-quorum", *BS, "describe", "--status")[1]
    ids = dict(re.findall(r'"id": (\d), "directoryId": "([^"]{22})"', said))
    tool("kafka-metadata-quorum", *BS, "remove-controller", "--controller-id", active.id, "--controller-directory-id", ids.get(str(active.id), directory_id(active.id)),
         want=[f"Removed +KRaft controller {active.id}"], what="the active controller is removed")
    end, now = time.time() + 20, None
    while time.time() < end:
        now = cluster.active()
        if now is not None and now.id != active.id:
            break
        time.sleep(0.2)
    check("another leads the quorum then", now is not None and now.id != active.id)
    tool("kafka-metadata-quorum", "--command-config", active.properties, *BS, "add-controller", seconds=40, want=[f"Added controller {active.id}"], what="and it is added again")


def features():
    tool("kafka-features", *BS, "describe", want=[r"Feature: metadata.version\s+SupportedMinVersion: \S+\s+SupportedMaxVersion: 4.3-IV0\s+FinalizedVersionLevel: 4.2",
                                                  r"Feature: kraft.version.*FinalizedVersionLevel: 1", r"Feature: share.version.*FinalizedVersionLevel"])
    tool("kafka-features", *BS, "upgrade", "--metadata", "4.3", want=["metadata.version was upgraded to"], what="kafka-features upgrade --metadata 4.3")
    tool("kafka-features", *BS, "describe", want=[r"metadata.version.*FinalizedVersionLevel: 4.3-IV0"], seconds=5, what="metadata.version is 4.3-IV0")
    for feature, high in (("share.version", 1), ("eligible.leader.replicas.version", 1)):
        tool("kafka-features", *BS, "downgrade", "--feature", f"{feature}=0", want=[f"{feature} was downgraded to 0|{feature} was disabled"])
        tool("kafka-features", *BS, "describe", want=[rf"{feature}.*FinalizedVersionLevel: 0"], seconds=5, what=f"{feature} is 0")
        tool("kafka-features", *BS, "upgrade", "--feature", f"{feature}={high}", want=[f"{feature} was upgraded to {high}"])
    tool("kafka-features", *BS, "upgrade", "--dry-run", "--feature", "group.version=1", want=["group.version"], what="kafka-features upgrade --dry-run", code=0)
    tool("kafka-features", *BS, "upgrade", "--feature", "no.such.feature=1", code=1, want=["no.such.feature"])


def others():
    tool("kafka-cluster", "cluster-id", *BS, want=["Cluster ID: AAAAAAAAAAAAAAAAAAAAAQ"])
    tool("kafka-cluster", "list-endpoints", *BS, want=[r"^1\s+10.77.0.1\s+9092", r"^4\s+10.77.0.4\s+9092"])
    tool("kafka-broker-api-versions", *BS, want=[r"10.77.0.4:9092 \(id: 4 rack: null isFenced: false\) -> \(", "Produce\\(0\\): 0 to 13"])
    tool("kafka-log-dirs", *BS, "--describe", "--topic-list", "big", want=['"broker":1.*"partition":"big-0"'])
    tool("kafka-get-offsets", *BS, "--topic", "big", want=["^big:0:24000$"])
    got = subprocess.run(["timeout", "25", KAFKA, "kafka-replica-verification", "--broker-list", "10.77.0.1:9092,10.77.0.2:9092,10.77.0.3:9092", "--topics-include", "big|t",
                          "--report-interval-ms", "2000"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    lags = re.findall(r"max lag is (\d+) for partition", got.stdout)
    check("kafka-replica-verification finds no difference", bool(lags) and set(lags) == {"0"}, f"{lags[:10]} {got.stderr[-200:]}" if set(lags) != {"0"} else "")
    cluster[4].term()
    tool("kafka-cluster", "unregister", *BS, "--id", 4, want=["Broker 4 is no longer registered"], seconds=20)
    tool("kafka-cluster", "unregister", *BS, "--id", 44, want=["44"], code=1, what="kafka-cluster unregister of an unknown broker")


def main():
    initial = ",".join(f"{v}@10.77.0.{v}:{CONTROLLER}:{directory_id(v)}" for v in cluster.voters)
    for m in cluster.members:
        m.format("--initial-controllers", initial, "--release-version", "4.2")
    try:
        if not check("three nodes start", cluster.start(90)):
            for m in cluster.members:
                print(f"# node {m.id}: {m.words()[-600:]}")
            return
        cluster.add(kind)
        cluster[4].format("--no-initial-controllers")
        check("a fourth joins as a broker and an observer", cluster[4].start(60) and cluster.whole(60))
        for part in (describe, elections, reassign, quorum, features, others):
            if sys.argv[3:] and part.__name__ not in sys.argv[3:]:
                continue
            try:
                part()
            except (OSError, AssertionError, KeyError, IndexError, TypeError, subprocess.TimeoutExpired) as e:
                report.no(f"{part.__name__} ended: {type(e).__name__} {str(e)[:300]}")
        for m in cluster.members:
            bad = m.errors()
            if bad:
                print(f"# node {m.id} logged {len(bad)} errors, the first: {bad[0][:200]}")
        codes = cluster.term()
        check("all end on SIGTERM", all(c in (0, 143) for c in codes), f"{codes}")
    finally:
        cluster.close()


main()
sys.exit(report.failures > 0)
