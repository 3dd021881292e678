"""three.py KIND FOLDER [--records N] [--seconds N] [--faults REGEX] [--table FILE]: three nodes, clients that produce
and consume, and every fault that a node can have. See the script `three`."""
import argparse
import os
import re
import sys
import time

from cluster import Cluster, HERE
from node import Report
from traffic import PROBE, TOPIC, Load, Probe, Watch, check_probes, longest, wait_acks

PARTITIONS = 6
p = argparse.ArgumentParser()
p.add_argument("kind"), p.add_argument("folder"), p.add_argument("--records", type=int, default=300000), p.add_argument("--seconds", type=int, default=400)
p.add_argument("--faults", default=""), p.add_argument("--table"), p.add_argument("--producers", type=int, default=3), p.add_argument("--hold", type=float, default=0)
p.add_argument("--config", action="append", default=[]), p.add_argument("--topic-config", action="append", default=[])
arg = p.parse_args()
report = Report("three " + arg.kind)
cluster = Cluster(os.path.join(arg.folder, arg.kind), [arg.kind] * 3, dynamic=True, lines=arg.config)
started = time.monotonic()


def say(what):
    print(f"# {time.monotonic() - started:6.1f} s: {what}", flush=True)


# --- faults: what is hit, how, how long, how it is healed

def leader_not_active():
    active = cluster.active()
    leads = {}
    for parts in cluster.state(PROBE, TOPIC).values():
        for _, leader, _, _ in parts:
            leads[leader] = leads.get(leader, 0) + 1
    others = [id for id in sorted(leads, key=leads.get, reverse=True) if active is None or id != active.id]
    return cluster[others[0]] if others else cluster[1]


def active():
    return cluster.active() or cluster[1]


def killed(m):
    m.kill()


def started_again(m):
    m.start()


def ended(m):
    code = m.term()
    report.check(f"SIGTERM ends node {m.id} with 0", code in (0, 143), "" if code in (0, 143) else f"status {code}")


FAULTS = [  # name, who, hit, at least seconds until it is healed, heal
    ("kill -9 of a leader", leader_not_active, killed, 3, started_again),
    ("kill -9 of the active controller", active, killed, 3, started_again),
    ("kill -9 of node 1", lambda: cluster[1], killed, 3, started_again),
    ("kill -9 of node 2", lambda: cluster[2], killed, 3, started_again),
    ("kill -9 of node 3", lambda: cluster[3], killed, 3, started_again),
    ("SIGSTOP of a leader", leader_not_active, lambda m: m.pause(), 14, lambda m: m.resume()),
    ("SIGSTOP of the active controller", active, lambda m: m.pause(), 14, lambda m: m.resume()),
    ("a leader cut off", leader_not_active, lambda m: m.cut(), 16, lambda m: m.heal()),
    ("the active controller cut off", active, lambda m: m.cut(), 16, lambda m: m.heal()),
    ("a leader cut off from its peers only", leader_not_active, lambda m: m.cut_peers(), 16, lambda m: m.heal()),
    ("SIGTERM of a leader", leader_not_active, ended, 1, started_again),
    ("SIGTERM of the active controller", active, ended, 1, started_again),
    ("kill -9 of all three at once", None, None, 0, None),
]


def fault(probes, what, who, hit, hold, heal):
    m = who() if who else None
    time.sleep(0.5)
    since = time.monotonic()
    if m is None:
        for n in cluster.members:
            n.server.kill()
        for n in cluster.members:
            n.kill()
        for n in cluster.members:
            n.start()
    else:
        hit(m)
    hit_at = time.monotonic()
    again = wait_acks(probes, hit_at + 0.2, 90)
    if m is not None:
        time.sleep(max(0, since + (arg.hold or hold) - time.monotonic()))
        heal(m)
    healed_at = time.monotonic()
    report.check(f"{what}: every partition is written to again", again or wait_acks(probes, healed_at, 60))
    good = cluster.in_sync([PROBE, TOPIC], seconds=90)
    report.check(f"{what}: every replica is in sync again", good, "" if good else str(cluster.state(PROBE, TOPIC)))
    back = time.monotonic()
    time.sleep(1)
    until = time.monotonic()
    pause = max(longest(q.acks, since - 0.1, until) for q in probes)
    say(f"{what}{f' (node {m.id})' if m else ''}: longest pause {pause * 1000:.0f} ms, in sync {back - healed_at:.1f} s after it was healed")
    return what, since, until, pause


def recorded(kind):
    path = os.path.join(HERE, "three." + kind)
    return dict(re.findall(r"^(.*?): (\d+) ms", open(path).read(), re.M)) if os.path.exists(path) else {}


def main():
    cluster.format()
    began = time.monotonic()
    if not report.check("three nodes start and know each other", cluster.start(90), f"{time.monotonic() - began:.1f} s"):
        for m in cluster.members:
            print(f"# node {m.id}: {'runs' if m.runs() else 'is gone'}: {m.words()[-800:]}")
        return
    configs = dict(x.split("=", 1) for x in arg.topic_config)
    made = [cluster.create(t, PARTITIONS, min_insync_replicas=2, **configs) for t in (TOPIC, PROBE)]
    if not report.check("two topics are made, three in-sync replicas each", made == [0, 0] and cluster.in_sync([TOPIC, PROBE], seconds=60), f"{made}"):
        return
    probes, watch = [Probe(cluster, report, i) for i in range(PARTITIONS)], Watch(cluster, PARTITIONS, started)
    load = Load(cluster, report, PARTITIONS, arg.producers, arg.records, arg.seconds)
    for t in [*probes, watch]:
        t.start()
    wait_acks(probes, time.monotonic(), 30)
    time.sleep(3)
    rows = []
    for f in FAULTS:
        if not re.search(arg.faults, f[0]):
            continue
        if time.monotonic() - started > arg.seconds:
            report.skip(f[0], f"the {arg.seconds} s are over")
            continue
        rows.append(fault(probes, *f))
    load.finish()
    for t in [*probes, watch]:
        t.stop.set()
    for t in [*probes, watch]:
        t.join(20)
    client, known, lines = load.gaps(), recorded("kafka") if arg.kind != "kafka" else {}, []
    head = f"| longest pause in acknowledged writes | {arg.kind}, probe | {arg.kind}, librdkafka |" + (" Kafka, probe (recorded) |" if known else "")
    lines += [head, "| --- " * (head.count("|") - 1) + "|"]
    for what, since, until, pause in rows:
        worst = max([b - a for a, b, _ in client if b >= since and a <= until], default=0)
        if arg.kind == "rookery" and what == "kill -9 of a leader":  # later faults meet clients that wait to connect again
            report.check(f"{what}: librdkafka writes again within a second", worst <= 1, f"{worst * 1000:.0f} ms")
        lines.append(f"| {what} | {pause * 1000:,.0f} ms | {worst * 1000:,.0f} ms |" + (f" {int(known[what]):,} ms |" if what in known else " – |" if known else ""))
    print("\n".join(lines), flush=True)
    if arg.table:
        with open(arg.table, "w") as f:
            f.writelines(f"{what}: {pause * 1000:.0f} ms\n" for what, _, _, pause in rows)
    said = f"{watch.asked} answers, {len(watch.back)} back"
    for node in sorted({x[3] for x in watch.back}):
        some = [x for x in watch.back if x[3] == node]
        print(f"# node {node} showed ends that were behind {len(some)} times, from {some[0][4]} to {some[-1][4]} s: partition, shown before, then: {[x[:3] for x in some[:4]]}")
    if arg.kind == "kafka":
        print(f"# the end of a partition as shown to clients: {said}")
    else:
        report.check("the end of a partition that clients are shown never goes back", not watch.back, said)
    load.check()
    check_probes(cluster, report, probes)
    for m in cluster.members:
        bad = m.errors()
        if arg.kind == "rookery":
            report.check(f"node {m.id} logged no error", not bad, f"{len(bad)}, the first: {bad[0][:200]}" if bad else "")
        elif bad:
            print(f"# node {m.id} logged {len(bad)} errors, the first: {bad[0][:200]}")
    codes = cluster.term()
    report.check("all three end on SIGTERM", all(c in (0, 143) for c in codes), f"status {codes}")


try:
    main()
finally:
    cluster.close()
sys.exit(report.failures > 0)
