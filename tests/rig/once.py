#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""once.py [-e K/N] [-v] leader|waiter|record|syscalls

Each acknowledged line exactly once, when a process is killed at a known call of the fault table
(base/sys.h, the fault build), and another program changes the file before the next one settles what
it left:

    leader      A leader of appends stops once it has the file's lock. Another program comes to wait
                for the lock, then two appenders, which hand their lines over. The leader goes on
                and is killed at a call; for each call.
    waiter      The same, with one appender that waits, which stops at a call; for each pair of
                calls. The other program runs when the leader is dead and the appender has stopped.
    record      A recorder is killed at a call; for each call. The other program runs; then the
                record is recovered, and another one is made.
    syscalls    The same, with a commit, at each system call that strace(1) sees of an ordinary
                build, SQLite's among them, and with "append" alone; one row for each
    -e K/N      only every N-th round, from the K-th on: a sample; of those of "waiter", few where
                the leader died before its line was there
    -v          tell of every round

The other program is one of these; all of them take the file's lock:

    update      atomic-update, which changes the first line; "updates", again and again, until the
                new file has the number of the inode that the file was at first
    write       atomic-write --if-match of what the file was at first
    append      atomic-append of a line that is equal to that of the record, or of the appenders
    record      atomic-record
    rotate      renames the file
    copy        replaces the file by a copy of it (the leader then does not write in place: a batch
                that is torn in a copy made by a program that does not settle it cannot be known)

What must hold over all files at the end, after one more append:

    O1  A line whose writer exited with 0 or 76 is there once for each. The line of one that was
        killed is there once or not at all. Others are not there.
    O2  A record's row is there exactly if its line is.
    O3  No part of a line is there, but at the end of a rotated file; nothing is left beside it.
    O4  All that was not killed succeeds. 79 ("not known") is no success, since no leader is alive,
        but with "copy", a program which does not settle.

Exits 1 if anything was wrong.
"""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from cut import Wrong, count_calls, run

MAX_SHOWN = 10
PATIENCE = 30  # seconds
FIRST = hashlib.sha256(b"first\n").hexdigest()
BIG = "L" + 600000 * "x"  # more than one write(2) in the fault build


class Process:
    """A tool in the scene, in the background."""

    def __init__(self, scene, argv, text=None, fault=None, log=None):
        env = dict(os.environ)
        if fault:
            env["HOLDFAST_FAULT"] = fault
        if log:
            env["HOLDFAST_FAULT_LOG"] = log
        source = None
        if text is not None:
            source = f"{scene.here}/text"
            with open(source, "w", encoding="ascii") as file:
                file.write(text + "\n")
        with open(source or "/dev/null", "rb") as given, open(f"{scene.here}/said", "ab") as said:
            self.child = subprocess.Popen(argv, stdin=given, stdout=said, stderr=said,
                                          cwd=scene.dir, env=env)
        self.pid, self.argv = self.child.pid, argv

    def ended(self):
        return self.child.poll() is not None

    def stopped(self):
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0] == "T"
        except FileNotFoundError:
            return False

    def waits(self):
        """It waits for a lock, or its child does."""
        try:
            with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
                pids = [str(self.pid), *file.read().split()]
            with open("/proc/locks", "rb", buffering=0) as file:
                waiting = [line for line in file.read(1 << 20).split(b"\n") if b"->" in line]
        except FileNotFoundError:
            return False
        return any(f" {pid} ".encode() in line for pid in pids for line in waiting)

    def holds(self, path):
        wanted = f":{os.stat(path).st_ino} ".encode()
        with open("/proc/locks", "rb", buffering=0) as file:
            return any(b"->" not in line and b"FLOCK" in line and f" {self.pid} ".encode() in line
                       and wanted in line for line in file.read(1 << 20).split(b"\n"))

    def rest(self, *states):
        """Until it has ended, has stopped, or waits for a lock."""
        end = time.monotonic() + PATIENCE
        while not any(state() for state in states or (self.ended, self.stopped, self.waits)):
            if time.monotonic() > end:
                raise Wrong(f"{' '.join(self.argv)[-60:]} comes to no rest")
            time.sleep(0.0002)
        return self

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def end(self):
        try:
            return self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Wrong(f"{' '.join(self.argv)[-60:]} does not end") from None

    def kill(self):
        if not self.ended():
            self.child.kill()
            self.child.wait()


class Scene:
    def __init__(self, here):
        self.here, self.dir = here, f"{here}/scene"
        self.tools, self.fault = os.environ["HF_BIN"], os.environ["HF_FAULT_BIN"]
        if os.environ.get("HOLDFAST_WITHOUT"):
            self.tools = self.fault
        self.log = f"{here}/log"
        self.all, self.inode = [], 0
        db = sqlite3.connect(f"{here}/db")
        db.execute("CREATE TABLE t(n)")
        db.commit()
        db.close()

    def fresh(self):
        for process in self.all:
            process.kill()
        self.all = []
        shutil.rmtree(self.dir, ignore_errors=True)
        os.mkdir(self.dir)
        with open(f"{self.dir}/f", "w", encoding="ascii") as file:
            file.write("first\n")
        self.inode = os.stat(f"{self.dir}/f").st_ino
        shutil.copy(f"{self.here}/db", self.dir)
        with open(f"{self.here}/note", "w", encoding="ascii") as file:
            file.write("RECORD\n")

    def start(self, argv, **how):
        process = Process(self, argv, **how)
        self.all.append(process)
        return process

    def append(self, options, text, fault=None, log=None):
        tool = self.fault if fault or log else self.tools
        return self.start([f"{tool}/atomic-append", "-w", "20", *options, "f"], text=text,
                          fault=fault, log=log)

    def record(self, fault=None, log=None, wrapper=()):
        tool = self.fault if fault or log else self.tools
        git = ["--git", ".", "-m", "record"] if os.path.exists(f"{self.dir}/.git") else []
        return self.start([*wrapper, f"{tool}/atomic-record", "-w", "20", "-q", "--sqlite", "db",
                           *git, "--append", f"f={self.here}/note", "--sql",
                           "INSERT INTO t VALUES (1)"], fault=fault, log=log)

    def repository(self):
        run("git", "init", "-q", ".", cwd=self.dir)
        run("git", "config", "user.name", "n", cwd=self.dir)
        run("git", "config", "user.email", "n@x", cwd=self.dir)
        run("git", "add", "f", cwd=self.dir)
        run("git", "commit", "-qm", "first", cwd=self.dir)

    def commits(self):
        """All but the first. The last has the file as it is, without what was appended since."""
        committed = run("git", "show", "HEAD:f", cwd=self.dir)
        if not self.read("f").startswith(committed):
            raise Wrong("the last commit has another file")
        return int(run("git", "rev-list", "--count", "HEAD", cwd=self.dir)) - 1

    def left(self):
        """Unfinished intents, and side names."""
        db = sqlite3.connect(f"{self.dir}/db")
        tables = db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'holdfast_intent'")
        intents = db.execute("SELECT count(*) FROM holdfast_intent").fetchone()[0] \
            if tables.fetchone()[0] else 0
        db.close()
        return intents, sum(name.startswith(".holdfast") for name in os.listdir(self.dir))

    def others_ended(self, name, others, text):
        """Wait for the other program; the line that it has added, if any."""
        for process in others:
            status = process.end()
            if status and not (name == "write" and status == 1):
                raise Wrong(f"{name} ended with {status}")
        return {"append": [(text, 0)], "record": [("RECORD", 0)]}.get(name, []) if others else []

    def rows(self):
        db = sqlite3.connect(f"{self.dir}/db")
        rows = db.execute("SELECT count(*) FROM t").fetchone()[0]
        db.close()
        return rows

    def other(self, name, text="WAITER"):
        tools = self.tools
        return self.start({
            "update": [f"{tools}/atomic-update", "-w", "20", "f", "sed", "s/^first/FIRST/"],
            "updates": ["sh", "-c", f"for i in 1 2 3 4 5 6 7 8; do {tools}/atomic-update -w 20 "
                                    "f sed 's/^first/FIRST/' || exit; [ $(stat -c %i f) != "
                                    f"{self.inode} ] || exit 0; done"],
            "write": [f"{tools}/atomic-write", "-w", "20", "--if-match", FIRST, "f", "echo",
                      "FIRST"],
            "append": [f"{tools}/atomic-append", "-w", "20", "-t", text, "f"],
            "record": [f"{tools}/atomic-record", "-w", "20", "-q", "--sqlite", "db", "--append",
                       f"f={self.here}/note", "--sql", "INSERT INTO t VALUES (1)"],
            "rotate": ["flock", "f", "mv", "f", "f.1"],
            "copy": ["flock", "f", "sh", "-c", "cp f ../copy && mv ../copy f"],
        }[name])

    def read(self, name):
        with open(f"{self.dir}/{name}", encoding="ascii") as file:
            return file.read()

    def lines(self):
        """Of all files; and O3."""
        found = {}
        for name in os.listdir(self.dir):
            if name.startswith(".holdfast"):
                raise Wrong(f"{name} is left")
            if name != "f" and not name.startswith("f."):
                continue
            *lines, last = self.read(name).split("\n")
            if last and name == "f":
                raise Wrong(f"torn: {last[:20]!r}, of {len(last)} bytes, at the end")
            for line in lines:
                if line not in ("first", "FIRST", BIG, "LEADER", "WAITER", "RECORD",
                                "NEXT"):
                    raise Wrong(f"torn: {line[:20]!r}, of {len(line)} bytes, in {name}")
                found[line] = found.get(line, 0) + 1
        return found

    def judge(self, writers, unsure=False):
        """writers: for each, its line and the status with which it ended. O1, O4."""
        writers.append(("NEXT", self.append([], "NEXT").end()))
        found = self.lines()
        for line in ("NEXT", "WAITER", "RECORD", "LEADER", BIG):
            ends = [status for wanted, status in writers if wanted == line]
            least = sum(status in (0, 76) for status in ends)
            most = least + ends.count(-signal.SIGKILL) + ends.count(79)
            if not least <= found.get(line, 0) <= most:
                raise Wrong(f"{line[:6]} is there {found.get(line, 0)} times; its writers ended "
                            f"with {', '.join(map(str, ends))}")
            bad = [status for status in ends if status not in (0, 76, -signal.SIGKILL)]
            if bad and not (unsure and set(bad) == {79}):
                raise Wrong(f"a writer of {line[:6]} ended with {bad[0]}")
        return found


class Loop:
    def __init__(self, sample, verbose):
        here = f"{os.getcwd()}/once"
        shutil.rmtree(here, ignore_errors=True)
        os.mkdir(here)
        self.scene = Scene(here)
        self.first, self.step = sample
        self.verbose = verbose
        self.place = self.rounds = self.wrong = self.bad = 0

    def skip(self):
        self.place += 1
        return (self.place - self.first) % self.step != 0

    def attempt(self, what, play, *words):
        """One round; what play returned."""
        self.rounds += 1
        result = complaint = None
        try:
            self.scene.fresh()
            result = play(*words)
        except Wrong as error:
            complaint = str(error)
            self.wrong += 1
            self.bad += 1
        if self.verbose or (complaint and self.wrong <= MAX_SHOWN):
            print(f"{what}: {f'WRONG: {complaint}' if complaint else result}", flush=True)
        return result

    def row(self, what):
        print(f"{what}: {self.rounds} rounds, {self.wrong} wrong", flush=True)
        self.rounds = self.wrong = 0

    def held_at(self, options):
        """The first call at which an append holds the file's lock."""
        for k in range(1, 100):
            self.scene.fresh()
            process = self.scene.append(options, BIG, fault=f"{k}:stop")
            process.rest(process.stopped, process.ended)
            if process.holds(f"{self.scene.dir}/f"):
                return k
            process.kill()
        raise Wrong("the lock is never held")

    def log_of(self, play, *words):
        """The calls that a process makes, undisturbed, in order."""
        if os.path.exists(self.scene.log):
            os.unlink(self.scene.log)
        self.scene.fresh()
        play(self.scene.log, *words)
        with open(self.scene.log, encoding="ascii") as file:
            return [line.split()[1] for line in file]

    def leader(self):
        for options in (["--in-place"], []):
            held = self.held_at(options)
            for name in ("", "update", "write", "append", "record", "rotate", "copy"):
                if name != "copy" or not options:
                    self.leader_and(options, held, name)

    def leader_and(self, options, held, name):
        def play(n):
            leader = scene.append(options, BIG, fault=f"{held}:stop,{n}:kill").rest()
            writers, others = [], [scene.other(name).rest()] if name else []
            waiters = [scene.append(options, "WAITER").rest() for _ in range(2)]
            leader.go_on()
            writers.append((BIG, leader.end()))
            writers += scene.others_ended(name, others, "WAITER")
            writers += [("WAITER", waiter.end()) for waiter in waiters]
            scene.judge(writers, unsure=name == "copy")
            return writers[0][1]

        scene, n, survived = self.scene, held, 0
        while survived < 2:
            if not self.skip() or survived:
                status = self.attempt(f"in place: {bool(options)}, {name}, killed at {n}", play, n)
                survived += status == 0
            n += 1
            if n > 300:
                raise Wrong("the leader makes too many calls")
        self.row(f"leader of appends{' in place' * bool(options)}, then {name or 'nothing'}")

    def waiter(self):
        for options in (["--in-place"], []):
            held = self.held_at(options)
            calls = len(self.log_of(self.append_alone, options))
            waits = len(self.log_of(self.append_second, options, held))
            for name in ("updates", "write", "append", "record", "rotate", "copy"):
                if name != "copy" or not options:
                    self.waiter_and(options, held, calls, waits, name)

    def append_alone(self, log, options):
        self.scene.append(options, "LEADER", log=log).end()

    def append_second(self, log, options, held):
        self.scene.append(options, "LEADER", fault=f"{held}:stop").rest()
        waiter = self.scene.append(options, "WAITER", log=log)
        waiter.rest(waiter.waits)

    def waiter_and(self, options, held, calls, waits, name):
        def play(n, m):
            leader = scene.append(options, "LEADER", fault=f"{held}:stop,{n}:kill").rest()
            first = scene.append(options, "WAITER", fault=f"{m}:stop").rest()
            leader.go_on()
            writers = [("LEADER", leader.end())]
            there = "LEADER" in scene.read("f")
            stopped = first.rest(first.stopped, first.ended).stopped()
            others = [scene.other(name).rest()]
            if stopped:
                first.go_on()
            writers += [("WAITER", first.end())]
            writers += scene.others_ended(name, others, "WAITER")
            scene.judge(writers, unsure=name == "copy")
            return stopped, there, writers[0][1] == 0

        scene = self.scene
        row = f"waiter for a dead leader{' in place' * bool(options)}, and {name}"
        # a leader makes more calls with another's record, and a waiter until its turn comes
        for n in range(held, 2 * calls):
            stopped, missed = True, 0
            for m in range(waits + 1, waits + 2 * calls):
                if m > waits + 1 and self.skip():
                    continue
                what = f"in place: {bool(options)}, {name}, killed at {n}, waiter at {m}"
                result = self.attempt(what, play, n, m)
                if not result:
                    continue
                stopped, there, survived = result
                if survived:
                    return self.row(row)
                missed = 0 if stopped else missed + 1
                if missed > 1 or (self.step > 1 and not there):
                    break
        return self.row(row)
        return self.row(row)

    def record(self):
        calls = self.log_of(lambda log: self.scene.record(log=log).end())
        for name in ("", "append", "update", "record", "rotate", "copy"):
            for n, call in enumerate(calls, 1):
                if not self.skip():
                    self.attempt(f"{name}, killed at {n} ({call})", self.record_killed, name,
                                 {"fault": f"{n}:kill"})
            self.row(f"recorder, then {name or 'nothing'}")

    def record_killed(self, name, how, git=False):
        scene = self.scene
        if git:
            scene.repository()
        status = scene.record(**how).end()
        others = [scene.other(name, "RECORD")] if name else []
        writers = [("RECORD", status)] + scene.others_ended(name, others, "RECORD")
        dead = scene.rows(), *scene.left()
        if scene.start([f"{scene.tools}/atomic-record", "--recover", "--sqlite", "db"]).end():
            raise Wrong("it cannot be recovered")
        # the mark of a record that was not committed goes with the next one
        writers.append(("RECORD", scene.record().end()))
        lines, rows, left = scene.judge(writers).get("RECORD", 0), scene.rows(), scene.left()
        commits = scene.commits() if git else rows
        if lines - (name == "append") != rows or commits != rows or left != (0, 0):
            raise Wrong(f"{rows} rows, {lines} lines with {name or 'nothing'}, {commits} commits, "
                        f"{left[0]} intents, {left[1]} side names")
        return (f"ended with {status}: rows, intents, side names {dead}; recovered, and one more: "
                f"{rows} rows, {lines} lines, {commits} commits")

    def syscalls(self):
        scene = self.scene
        scene.fresh()
        scene.repository()
        process = scene.record()
        process.end()
        scene.fresh()
        scene.repository()
        counts = count_calls(process.argv, scene.dir, scene.log)
        for call, count in sorted(counts.items()):
            for n in range(1, count + 1):
                if self.skip():
                    continue
                strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                          f"inject={call}:signal=KILL:when={n}"]
                self.attempt(f"{call} {n}", self.record_killed, "append", {"wrapper": strace}, True)
        self.row("recorder with a commit, killed at system calls, then append")


def main():
    sample, verbose = (1, 1), False
    words = sys.argv[1:]
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "-e":
            sample = tuple(int(part) for part in words.pop(0).split("/"))
        elif option == "-v":
            verbose = True
        else:
            sys.exit(__doc__)
    loop = Loop(sample, verbose)
    for word in words:
        getattr(loop, word)()
    shutil.rmtree(loop.scene.here)
    sys.exit(loop.bad != 0)


main()
