"""cluster.py: several nodes, rookery's, Apache Kafka's or both, each in a network namespace of its own.

The whole of a test runs in namespaces of its own (lib.sh's `alone`): nothing it starts, mounts or listens on is
seen outside, and all of it is gone when it ends. A bridge 10.77.0.254 joins the nodes 10.77.0.ID; clients speak
from the bridge. (A flat cluster has no namespaces, but 127.0.0.ID: for measuring.) A node can be killed, stopped, resumed, asked to end, cut off (its cable is out) or cut off from the
other nodes only (clients still reach it).
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from raw import Closed, Conn

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ROOKERY = os.path.join(os.environ.get("ROOKERY_BUILD", os.path.join(ROOT, "build")), "rookery")
KAFKA = os.path.join(HERE, "kafka/kafka")
CLUSTER, BROKER, CONTROLLER = "AAAAAAAAAAAAAAAAAAAAAQ", 9092, 9093
FAR = "02:00:00:00:00:99"  # an Ethernet address that nobody has
LIBS = None


def sh(*argv, **kw):
    got = subprocess.run([str(a) for a in argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, **kw)
    if got.returncode:
        raise OSError(f"{' '.join(map(str, argv))}: {got.stderr.strip()[-400:] or got.stdout.strip()[-400:] or got.returncode}")
    return got.stdout


def libs():
    global LIBS
    if LIBS is None:
        LIBS = sh(os.path.join(HERE, "kafka/fetch")).strip()
    return LIBS


def kafka_there():
    try:
        return bool(libs())
    except OSError:
        return False


def kafka(tool, *argv, timeout=120):
    """One of Kafka's tools: (exit status, what it said)"""
    got = subprocess.run([KAFKA, tool, *map(str, argv)], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    return got.returncode, got.stdout + got.stderr


def directory_id(n):
    """A directory id of our choice for node n's format."""
    return "B" * 20 + chr(ord("A") + n) + "A"


class Member:
    def __init__(self, cluster, id, kind, roles="broker,controller"):
        self.cluster, self.id, self.kind, self.roles, self.server = cluster, id, kind, roles, None
        self.addr, self.link = f"{cluster.net}{id}", f"v{id}"
        self.folder = os.path.join(cluster.folder, str(id))
        self.data, self.log = os.path.join(self.folder, "data"), os.path.join(self.folder, "log")
        self.properties, self.extra = os.path.join(self.folder, "server.properties"), []
        self.log_at, self.stopped, self.is_cut, self.asked = 0, False, None, False
        os.makedirs(self.folder, exist_ok=True)
        open(self.log, "a").close()
        self.holder = None
        if not cluster.flat:
            self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
            self._wire()

    def _wire(self):
        for _ in range(200):  # until unshare has unshared
            if os.readlink(f"/proc/{self.holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"):
                break
            time.sleep(0.01)
        sh("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.holder.pid)
        sh("ip", "link", "set", self.link, "master", "br0", "up")
        self.ip("link", "set", "lo", "up")
        self.ip("addr", "add", self.addr + "/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")

    def inside(self, *argv):
        return [*(["nsenter", "-t", str(self.holder.pid), "-n", "--"] if self.holder else []), *map(str, argv)]

    def ip(self, *argv):
        sh(*self.inside("ip", *argv))

    def broker(self):
        return "broker" in self.roles

    def controller(self):
        return "controller" in self.roles

    def conn(self, timeout=5, port=None):
        return Conn(port or (BROKER if self.broker() else CONTROLLER), timeout=timeout, host=self.addr)

    # --- life

    def configure(self, *extra):
        self.extra = list(extra) or self.extra
        listeners = [f"PLAINTEXT://{self.addr}:{BROKER}"] * self.broker() + [f"CONTROLLER://{self.addr}:{CONTROLLER}"] * self.controller()
        lines = [f"process.roles={self.roles}", f"node.id={self.id}", f"listeners={','.join(listeners)}", "controller.listener.names=CONTROLLER",
                 f"log.dirs={self.data}", *self.cluster.quorum_lines(), *self.cluster.lines, *self.extra]
        if self.broker():
            lines.append(f"advertised.listeners=PLAINTEXT://{self.addr}:{BROKER}")
        with open(self.properties, "w") as f:
            f.write("\n".join(lines) + "\n")

    def command(self, *argv):
        """rookery's or Kafka's program of that name"""
        return [ROOKERY, *argv] if self.kind == "rookery" else [KAFKA, "kafka-" + argv[0], *argv[1:]]

    def format(self, *how):
        self.configure()
        sh(*self.command("storage", "format", "-t", CLUSTER, "-c", self.properties, *how))

    def argv(self):
        if self.kind == "rookery":
            return [ROOKERY, "server", self.properties]
        heap = os.environ.get("KAFKA_BROKER_HEAP", "-Xmx384m").split()
        return ["java", *heap, *self.cluster.java, "-Dlog4j2.configurationFile=" + os.path.join(HERE, "kafka/log4j2.properties"), "-cp",
                libs() + "/*", "kafka.Kafka", self.properties]

    def start(self, wait=None):
        """Starts it; waits until it answers when told how long."""
        self.log_at, self.stopped, self.asked = os.path.getsize(self.log), False, False
        with open(self.log, "a") as log:
            self.server = subprocess.Popen(self.inside(*self.argv()), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return self.answers(wait) if wait else True

    def answers(self, seconds):
        end = time.time() + seconds
        while time.time() < end and self.runs():
            try:
                with self.conn(2) as c:
                    if c.api_versions()[0] == 0:
                        return True
            except (OSError, Closed):
                time.sleep(0.05)
        return False

    def runs(self):
        return self.server is not None and self.server.poll() is None

    def kill(self):
        if self.runs():
            self.server.kill()
            self.server.wait()
        self.stopped = False

    def ask_to_end(self):
        if not self.asked:  # a second SIGTERM means "at once"
            self.server.terminate()
        self.asked = True

    def term(self, seconds=90):
        """SIGTERM: its exit status, None when it did not end in time and was killed."""
        if not self.runs():
            return self.server.returncode if self.server else None
        self.ask_to_end()
        try:
            return self.server.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def pause(self):
        self.server.send_signal(signal.SIGSTOP)
        self.stopped = True

    def resume(self):
        self.server.send_signal(signal.SIGCONT)
        self.stopped = False

    def cut(self):
        """Its cable is out."""
        sh("ip", "link", "set", self.link, "down")
        self.is_cut = "all"

    def cut_peers(self):
        """Clients reach it, the other nodes do not: frames between them go where nobody is."""
        for m in self.cluster.members:
            if m is not self:
                self.ip("neigh", "replace", m.addr, "lladdr", FAR, "dev", "eth0", "nud", "permanent")
                m.ip("neigh", "replace", self.addr, "lladdr", FAR, "dev", "eth0", "nud", "permanent")
        self.is_cut = "peers"

    def heal(self):
        if self.is_cut == "all":
            sh("ip", "link", "set", self.link, "up")
        elif self.is_cut == "peers":
            for m in self.cluster.members:
                if m is not self:
                    self.ip("neigh", "del", m.addr, "dev", "eth0")
                    m.ip("neigh", "del", self.addr, "dev", "eth0")
        self.is_cut = None

    # --- what it says

    def words(self, all=False):
        with open(self.log, errors="replace") as f:
            f.seek(0 if all else self.log_at)
            return f.read()

    def errors(self):
        """Lines of its log that say that something is wrong with it, for either kind."""
        bad = re.compile(r"\bERROR\b|\bFATAL\b|fatal|Exception in|panic|assert|AddressSanitizer|\bcrit", re.I if self.kind == "rookery" else 0)
        return [line for line in self.words(all=True).splitlines() if bad.search(line)]

    def cpu(self):
        f = open(f"/proc/{self.server.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.server.pid}/status").read())[1]) / 1024

    def connections(self, port=BROKER):
        """Established connections that this process made to brokers."""
        got = sh(*self.inside("ss", "-Htnp", "state", "established", f"( dport = :{port} )"))
        return sum(1 for line in got.splitlines() if f"pid={self.server.pid}," in line)


class Cluster:
    """kinds: a kind a node ("rookery", "kafka"), ids from 1. dynamic: kraft.version 1 with these as initial controllers."""

    def __init__(self, folder, kinds, roles=None, dynamic=False, lines=(), flat=False):
        self.folder, self.dynamic, self.members, self.flat = folder, dynamic, [], flat
        self.net = "127.0.0." if flat else "10.77.0."
        self.java = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        self.lines = ["default.replication.factor=3", "min.insync.replicas=2", "offsets.topic.replication.factor=3", "offsets.topic.num.partitions=4",
                      "transaction.state.log.replication.factor=3", "transaction.state.log.min.isr=2", "transaction.state.log.num.partitions=4",
                      "share.coordinator.state.topic.replication.factor=3", "share.coordinator.state.topic.min.isr=2",
                      "share.coordinator.state.topic.num.partitions=4",
                      "auto.create.topics.enable=false", "group.initial.rebalance.delay.ms=0", *lines]
        os.makedirs(folder, exist_ok=True)
        sh("ip", "link", "set", "lo", "up")
        if not flat and "br0" not in sh("ip", "-br", "link"):  # /sys may be another namespace's
            sh("ip", "link", "add", "br0", "type", "bridge")
            sh("ip", "addr", "add", "10.77.0.254/24", "dev", "br0")
            sh("ip", "link", "set", "br0", "up")
        for i, kind in enumerate(kinds):
            self.members.append(Member(self, i + 1, kind, (roles or {}).get(i + 1, "broker,controller")))
        self.voters = [m.id for m in self.members if m.controller()]

    def add(self, kind, roles="broker,controller"):
        m = Member(self, len(self.members) + 1, kind, roles)
        self.members.append(m)
        return m

    def brokers(self):
        return [m for m in self.members if m.broker()]

    def __getitem__(self, id):
        return self.members[id - 1]

    def quorum_lines(self):
        at = ",".join(f"{self.net}{v}:{CONTROLLER}" for v in self.voters)
        if self.dynamic:
            return ["controller.quorum.bootstrap.servers=" + at]
        return ["controller.quorum.voters=" + ",".join(f"{v}@{self.net}{v}:{CONTROLLER}" for v in self.voters)]

    def format(self, *members):
        """All of them at once (each of Kafka's takes seconds)."""
        initial = ",".join(f"{v}@{self.net}{v}:{CONTROLLER}:{directory_id(v)}" for v in self.voters)
        wrong = []

        def one(m):
            how = []
            if self.dynamic:
                how = ["--initial-controllers", initial] if m.id in self.voters else ["--no-initial-controllers"] if m.controller() else []
            try:
                m.format(*how)
            except OSError as e:
                wrong.append(f"node {m.id}: {e}")
        threads = [threading.Thread(target=one, args=(m,)) for m in members or self.members]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if wrong:
            raise OSError("; ".join(wrong))

    def start(self, seconds=120):
        for m in self.members:
            m.start()
        return self.whole(seconds)

    def term(self, seconds=60):
        """SIGTERM to all brokers that are no controllers, then to the rest at once: their exit statuses."""
        codes = {m.id: m.term(seconds) for m in self.members if not m.controller()}
        for m in self.members:
            if m.runs():
                m.ask_to_end()
        return [codes[m.id] if m.id in codes else m.term(seconds) for m in self.members]

    def whole(self, seconds=120):
        """Every broker tells of every broker."""
        want = {m.id for m in self.brokers()}
        end = time.time() + seconds
        while time.time() < end:
            try:
                told = 0
                for m in self.brokers():
                    with m.conn(2) as c:
                        told += set(c.metadata()[0]) >= want
                if told == len(want):
                    return True
            except (OSError, Closed, AssertionError):
                pass
            time.sleep(0.1)
        return False

    def up(self):
        return [m for m in self.members if m.runs() and not m.stopped and not m.is_cut]

    def bootstrap(self):
        return ",".join(f"{m.addr}:{BROKER}" for m in self.brokers())

    def active(self, seconds=30):
        """The member that is the active controller, asked of all that can answer."""
        end = time.time() + seconds
        while time.time() < end:
            found = {}
            for m in self.up():
                try:
                    with m.conn(2, CONTROLLER if m.controller() else BROKER) as c:
                        code, leader, epoch, *_ = c.quorum()
                        if code == 0 and leader > 0:
                            found[epoch] = leader
                except (OSError, Closed, AssertionError):
                    pass
            if found:
                return self[found[max(found)]]
            time.sleep(0.05)
        return None

    def state(self, *topics):
        """Metadata of topics from some broker that answers: {topic: [(partition, leader, replicas, isr)]}"""
        for m in self.up():
            if m.broker():
                try:
                    with m.conn(2) as c:
                        return {t: parts if code == 0 else [] for t, (code, parts) in c.metadata(*topics)[1].items()}
                except (OSError, Closed, AssertionError):
                    pass
        return {}

    def in_sync(self, topics, replicas=3, seconds=120):
        """Every partition of the topics has that many in-sync replicas; every broker says so."""
        end = time.time() + seconds
        while time.time() < end:
            good = 0
            for m in self.brokers():
                try:
                    with m.conn(3) as c:
                        told = c.metadata(*topics)[1]
                    good += all(code == 0 and parts and all(leader >= 0 and len(isr) >= replicas for _, leader, _, isr in parts)
                                for code, parts in told.values())
                except (OSError, Closed, AssertionError):
                    break
            if good == len(self.brokers()):
                return True
            time.sleep(0.1)
        return False

    def create(self, topic, partitions=1, replicas=3, assigned=(), **configs):
        """0, or an error; tries until the cluster can. assigned: the replicas of each partition."""
        code = -1
        for _ in range(60):
            for m in self.up():
                if m.broker():
                    try:
                        with m.conn(10) as c:
                            code = c.create(topic, partitions, [(k.replace("_", "."), str(v)) for k, v in configs.items()], replicas, assigned)
                        if code in (0, 36):
                            return 0
                    except (OSError, Closed):
                        pass
            time.sleep(0.5)
        return code

    def close(self):
        for m in self.members:
            m.heal()
            m.kill()
            if m.holder:
                m.holder.kill()
                m.holder.wait()
                subprocess.run(["ip", "link", "del", m.link], capture_output=True)
        if "ROOKERY_KEEP" not in os.environ:
            for m in self.members:
                shutil.rmtree(m.data, ignore_errors=True)


def leave(*_):
    sys.exit(1)


signal.signal(signal.SIGTERM, leave)
