#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""stores.py [-e K/N] [-m] [-v] FILESYSTEM

Runs sqlite-run and each command of the stores again and again on ext4, xfs or btrfs, cuts the power
at another system call each time, and judges what is there after it (tests/rig/cut.py). Needs root
and a mount namespace.

    -e K/N      only every N-th place, from the K-th on: a sample
    -m          a mutation: with all syncs left out. Exits 0 if each command is caught by it
    -v          tell of every run

What must hold afterwards:

    C1  What was acknowledged is there: by exit status 0, by a token or a line that was printed.
    C2  What was not is there as a whole, or not at all; and never twice.
    C3  The database is sound, the next command succeeds, and what it does stays.
"""

import os
import shutil
import sqlite3
import subprocess
import sys

sys.dont_write_bytecode = True
from cut import ENV, Disk, Wrong, count_calls, run

# Between two of these the disk is the same.
CALLS = {"openat", "write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync", "unlink",
         "unlinkat", "rename", "renameat2", "link", "linkat"}
SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs")


class Scene:
    """One command: what is there before, the command, and what must be there afterwards."""

    journal = "WAL"
    feed = b""

    def prepare(self, at):
        run("sqlite3", "db", f"PRAGMA journal_mode={self.journal}; CREATE TABLE t(a)", cwd=at)
        run("sqlite-run", "db", "DELETE FROM t", cwd=at)

    def ask(self, *argv, feed=b"", allowed=(0,)):
        done = subprocess.run(argv, cwd=self.at, env=ENV, input=feed, capture_output=True,
                              check=False)
        if done.returncode not in allowed:
            raise Wrong(f"{' '.join(argv)}: {done.returncode}: {done.stderr.decode()}")
        return done.returncode, done.stdout.decode()

    def check(self, at, acknowledged, out):
        """C1 to C3; whether it is there."""
        self.at = at
        there = self.judge(acknowledged, out)
        if run("sqlite3", "db", "PRAGMA integrity_check", cwd=at) != "ok\n":
            raise Wrong("the database is damaged")
        if acknowledged and not there:
            raise Wrong("it was acknowledged, and is not there")
        return there


class Run(Scene):
    argv = ["sqlite-run", "db", "INSERT INTO t VALUES ('a'); INSERT INTO t VALUES ('b')"]

    def rows(self):
        return self.ask("sqlite3", "db", "SELECT group_concat(a, '') FROM t")[1].strip()

    def judge(self, acknowledged, out):
        rows = self.rows()
        if rows not in ("", "ab"):
            raise Wrong(f"the rows are {rows!r}")
        self.ask("sqlite-run", "db", "INSERT INTO t VALUES ('c')")
        if self.rows() != rows + "c":
            raise Wrong("the next one")
        return rows != ""


class RunJournal(Run):
    journal = "DELETE"


class RunNew(Scene):
    argv = ["sqlite-run", "new/db", "CREATE TABLE t(a); INSERT INTO t VALUES ('a')"]

    def prepare(self, at):
        run("sqlite3", "db", "CREATE TABLE t(a)", cwd=at)
        os.mkdir(f"{at}/new")

    def judge(self, acknowledged, out):
        self.ask("sqlite-run", "new/db", "CREATE TABLE IF NOT EXISTS t(a)")
        rows = self.ask("sqlite3", "new/db", "SELECT a FROM t")[1]
        if rows not in ("", "a\n"):
            raise Wrong(f"the rows are {rows!r}")
        return rows != ""


class Once(Scene):
    argv = ["sqlite-once", "db", "key"]

    def judge(self, acknowledged, out):
        there = self.ask("sqlite-once", "db", "key", allowed=(0, 1))[0] == 1
        self.ask("sqlite-once", "db", "key", allowed=(1,))
        return there


class OnceFilter(Scene):
    """A line that has left has left for good; and all that were acknowledged have."""

    argv = ["sqlite-once", "--filter", "db"]
    feed = b"x\ny\n"

    def judge(self, acknowledged, out):
        again = self.ask(*self.argv, feed=self.feed)[1].split()
        if set(again) & set(out.split()):
            raise Wrong(f"{out!r} has left, and {again} again")
        if self.ask(*self.argv, feed=self.feed)[1]:
            raise Wrong("the next one")
        return not again


class QueueAdd(Scene):
    argv = ["sqlite-queue", "add", "db", "job"]

    def judge(self, acknowledged, out):
        jobs = self.ask("sqlite-queue", "list", "db")[1].split("\n")[:-1]
        if len(jobs) > 1:
            raise Wrong(f"there are {len(jobs)} jobs")
        if out and not jobs:
            raise Wrong("its number was printed, and it is not there")
        if jobs:
            self.ask("sqlite-queue", "claim", "db")
        self.ask("sqlite-queue", "claim", "db", allowed=(1,))
        return bool(jobs)


class QueueClaim(Scene):
    argv = ["sqlite-queue", "claim", "--ttl", "1h", "db"]

    def prepare(self, at):
        super().prepare(at)
        run("sqlite-queue", "add", "db", "job", cwd=at)

    def judge(self, acknowledged, out):
        status, claimed = self.ask("sqlite-queue", "claim", "--ttl", "1h", "db", allowed=(0, 1))
        if out and status == 0:
            raise Wrong(f"claimed twice: {out!r}, {claimed!r}")
        if out:
            number, token = out.split()[:2]
            self.ask("sqlite-queue", "done", "--token", token, "db", number)
        return status == 1


class QueueDone(Scene):
    def prepare(self, at):
        super().prepare(at)
        run("sqlite-queue", "add", "db", "job", cwd=at)
        number, token = run("sqlite-queue", "claim", "--ttl", "1h", "db", cwd=at).split()[:2]
        self.argv = ["sqlite-queue", "done", "--token", token, "db", number]

    def judge(self, acknowledged, out):
        jobs = self.ask("sqlite-queue", "list", "db")[1]
        if jobs:
            self.ask(*self.argv)
        self.ask("sqlite-queue", "claim", "db", allowed=(1,))
        return not jobs


class LeaseAcquire(Scene):
    """A process that got a token has the lease; the next token is greater than any earlier one."""

    argv = ["sqlite-lease", "acquire", "--ttl", "1h", "--as", "a", "db", "name"]

    def judge(self, acknowledged, out):
        status, other = self.ask("sqlite-lease", "acquire", "-n", "--as", "b", "db", "name",
                                 allowed=(0, 75))
        if out and status == 0:
            raise Wrong(f"{out!r} was printed, and the lease is another's")
        if status == 75:
            self.ask("sqlite-lease", "release", "--as", "a", "db", "name")
            other = self.ask("sqlite-lease", "acquire", "-n", "--as", "b", "db", "name")[1]
        if out and int(other.split()[0]) <= int(out.split()[0]):
            raise Wrong(f"the token was {out!r}, and then {other!r}")
        return status == 75


class LeaseRelease(Scene):
    argv = ["sqlite-lease", "release", "--as", "a", "db", "name"]

    def prepare(self, at):
        super().prepare(at)
        run("sqlite-lease", "acquire", "--ttl", "1h", "--as", "a", "db", "name", cwd=at)

    def judge(self, acknowledged, out):
        return self.ask("sqlite-lease", "acquire", "-n", "--as", "b", "db", "name",
                        allowed=(0, 75))[0] == 0


SCENES = [Run, RunJournal, RunNew, Once, OnceFilter, QueueAdd, QueueClaim, QueueDone, LeaseAcquire,
          LeaseRelease]


class Loop:
    def __init__(self, here, kind, sample, verbose):
        self.disk, self.log, self.kind = Disk(here, kind), f"{here}/log", kind
        self.at, self.verbose = f"{self.disk.root}/work", verbose
        self.first, self.step = sample
        self.place = self.runs = self.wrong = 0
        self.seen = set()

    def fresh(self, scene):
        shutil.rmtree(self.at, ignore_errors=True)
        os.mkdir(self.at)
        scene.prepare(self.at)
        self.disk.keep()

    def attempt(self, scene, name, n, skip=()):
        """What was wrong when the power was cut there; None."""
        self.disk.restore()
        out = said = complaint = ""
        code = "?"
        try:
            code, out, said = self.disk.cut_at(name, n, scene.argv, self.at, self.log, scene.feed,
                                               skip)
            if code > 0:
                raise Wrong(f"it failed: {said}")
            self.seen.add(scene.check(self.at, code == 0, out))
        except (Wrong, subprocess.TimeoutExpired, sqlite3.Error) as error:
            complaint = str(error)
        self.runs += 1
        if self.verbose or (complaint and not skip):
            print(f"{self.kind}, {type(scene).__name__} at {name} {n}: {code} {out!r} {complaint}",
                  flush=True)
        return complaint

    def cut(self, scene):
        self.fresh(scene)
        calls = count_calls(scene.argv, self.at, self.log, scene.feed)
        places = [(name, n) for name, count in sorted(calls.items()) if name in CALLS
                  for n in range(1, count + 1)]
        self.seen = set()
        # and right after it has said that it is done
        for name, n in places + [("exit_group", 99)]:
            self.place += 1
            if (self.place - self.first) % self.step == 0 or name == "exit_group":
                self.wrong += bool(self.attempt(scene, name, n))
        if self.step == 1 and self.seen != {True, False}:
            print(f"{self.kind}, {type(scene).__name__}: it shows nothing: not both outcomes")
            self.wrong += 1

    def mutate(self, scene):
        self.fresh(scene)
        if not self.attempt(scene, "exit_group", 99, SYNCS):
            print(f"{self.kind}, {type(scene).__name__}: syncs left out are not seen")
            self.wrong += 1


def main():
    sample, mutation, verbose = (1, 1), False, False
    words = sys.argv[1:]
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "-e":
            sample = tuple(int(part) for part in words.pop(0).split("/"))
        elif option == "-m":
            mutation = True
        elif option == "-v":
            verbose = True
        else:
            sys.exit(__doc__)
    if len(words) != 1:
        sys.exit(__doc__)
    here = f"{os.getcwd()}/stores-{words[0]}"
    shutil.rmtree(here, ignore_errors=True)
    os.mkdir(here)
    loop = Loop(here, words[0], sample, verbose)
    for scene in SCENES:
        (loop.mutate if mutation else loop.cut)(scene())
    loop.disk.unmount()
    print(f"{words[0]}: {loop.runs} runs, of {loop.place} places; {loop.wrong} wrong")
    shutil.rmtree(here)
    sys.exit(loop.wrong != 0)


main()
