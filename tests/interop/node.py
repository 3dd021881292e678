"""node.py: one rookery server and one report, for the tests that hurt it.

A Node formats a directory, starts the server on it, watches it and stops it, gently or not. Checks are lines
"ok NAME: WHAT", "FAIL NAME: WHAT" and "skip NAME: WHAT (WHY)", which the shell around counts.
"""
import atexit
import os
import resource
import signal
import subprocess
import sys
import time

from raw import Closed, Conn


def leave(*_):
    sys.exit(1)


signal.signal(signal.SIGTERM, leave)  # so that what is started and mounted is taken down when the time is over


class Report:
    def __init__(self, name):
        self.name, self.failures = name, 0

    def ok(self, what):
        print(f"ok   {self.name}: {what}", flush=True)

    def no(self, what):
        self.failures += 1
        print(f"FAIL {self.name}: {what}", flush=True)

    def skip(self, what, why):
        print(f"skip {self.name}: {what} ({why})", flush=True)

    def check(self, what, good, detail=""):
        (self.ok if good else self.no)(what + (f": {detail}" if detail else ""))
        return good


class Node:
    all = []

    def __init__(self, rookery, folder, port, extra="", data=None):
        self.rookery, self.folder, self.port, self.server, self.log_at = rookery, folder, port, None, 0
        self.data = data or os.path.join(folder, "data")
        self.properties, self.log = os.path.join(folder, "server.properties"), os.path.join(folder, "server.log")
        Node.all.append(self)
        os.makedirs(folder, exist_ok=True)
        self.configure(extra)
        open(self.log, "a").close()

    @staticmethod
    def kill_all():
        for node in Node.all:
            node.kill()

    def configure(self, extra="", node_id=1):
        with open(self.properties, "w") as f:
            f.write(f"""process.roles=broker,controller
node.id={node_id}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.port + 1}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{self.port + 1}
log.dirs={self.data}
offsets.topic.replication.factor=1
{extra}
""")

    def format(self):
        got = subprocess.run([self.rookery, "storage", "format", "--standalone", "-t", "AAAAAAAAAAAAAAAAAAAAAQ",
                              "-c", self.properties], capture_output=True, text=True)
        return got.returncode, got.stdout + got.stderr

    def start(self, seconds=30, fault=None, files=None):
        """True when it answers; False when it ended before that."""
        env = dict(os.environ)
        if fault:
            env["ROOKERY_FAULT"] = fault

        def limit():
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        self.log_at = os.path.getsize(self.log)
        with open(self.log, "a") as log:
            self.server = subprocess.Popen([self.rookery, "server", self.properties], stdout=log, stderr=log, env=env,
                                           preexec_fn=limit)
        end = time.time() + seconds
        while time.time() < end:
            if self.server.poll() is not None:
                return False
            try:
                with Conn(self.port, timeout=2) as c:
                    if c.api_versions()[0] == 0:
                        return self.server.poll() is None
            except (OSError, Closed):
                time.sleep(0.02)
        return False

    def status(self, seconds=20):
        """Waits for its end: the exit status."""
        try:
            return self.server.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def runs(self):
        return self.server is not None and self.server.poll() is None

    def stop(self, seconds=40):
        if not self.runs():
            return self.server.returncode if self.server else None
        self.server.send_signal(signal.SIGTERM)
        code = self.status(seconds)
        if code is None:
            self.kill()
        return code

    def kill(self):
        if self.runs():
            self.server.kill()
            self.server.wait()

    def words(self):
        """What it said since its last start."""
        with open(self.log, errors="replace") as f:
            f.seek(self.log_at)
            return f.read()

    def said(self, *words, seconds=0):
        end = time.time() + seconds
        while True:
            for line in self.words().splitlines():
                if all(w in line for w in words):
                    return line
            if time.time() >= end:
                return None
            time.sleep(0.1)


atexit.register(Node.kill_all)
