#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""record.py [-j WAL|DELETE] [-s] [-k KIND] [-e K/N] [-v] strace|table|powercut ACTION...

Runs atomic-record again and again, disturbed at another place each time, lets the next one recover,
and judges what is there (record/R1 to record/R8):

    strace      each system call that strace(1) sees, of an ordinary build
    table       each call of the fault table (base/sys.h), of the fault build
    powercut    each system call; ACTION is a file system, ext4, xfs or btrfs. At the call the
                image that the file system is in is copied, and the copy becomes the disk. So it
                has what was sent to the disk, and no more. Needs root and a mount namespace.
    ACTION      kill, EIO, ENOSPC
    -j MODE     the database's journal mode
    -s          with a snapshot of the database
    -k KIND     the record: repo (as below); files, without a repository; detached, on a detached
                HEAD; gc, which makes a pack, since gc.pid says that another host collects garbage;
                drop, which gives up a record whose branch is gone; equal, absent, equal-git,
                absent-git (below)
    -e K/N      only every N-th place, from the K-th on: a sample
    -v          tell of every run

One record is a note, which is created; a line in a ledger, which is there; a file that is removed;
a row; a commit. The user has something else staged. What must hold afterwards:

    J1  note, line, removal, row and commit are all there, once each, or none of them is. In the
        commit is what is in the worktree.
    J2  Exit 0 and 76 mean there; any other exit status means not there. Only a death, and 79, may
        mean either.
    J3  The repository, the database and the user's staging are sound, nothing is unfinished, and
        there are no leftovers.
    J4  The next record succeeds.

The kinds "equal" and "absent" record one line in a ledger, which is there or absent, without or
with a commit. Between the disturbance and the recovery another program appends an equal line; at
every second place the ledger is moved away before that. Then (record/record_mark.h):

    J5  All ledgers together have a line for each row, and the other program's. There is a commit
        for each row, no intent, and after the next record no name of holdfast's.

With -v each run prints these numbers.

Exits 1 if anything was wrong, or if the runs did not show both outcomes.
"""

import os
import shutil
import sqlite3
import subprocess
import sys

sys.dont_write_bytecode = True
from cut import ENV, Disk, Wrong, count_calls, run

MAX_SHOWN = 8


class Scene:
    """A worktree with a database, and how a record is made and looked for in it."""

    def __init__(self, here, journal, snapshot):
        self.template, self.dir = f"{here}/template", f"{here}/work"
        self.snapshot, self.journal = snapshot, journal
        os.makedirs(f"{self.template}/notes")
        os.makedirs(f"{here}/src")
        self.src = f"{here}/src"
        self.make()

    def make(self):
        at = self.template
        run("git", "init", "-q", "-b", "main", ".", cwd=at)
        run("git", "config", "user.name", "N", cwd=at)
        run("git", "config", "user.email", "n@x", cwd=at)
        for name, text in (("ledger", "first\n"), ("gone", "to go\n"), ("mine", "mine\n"),
                           ("notes/other", "other\n")):
            with open(f"{at}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        run("git", "add", "ledger", "gone", "notes/other", cwd=at)
        run("git", "commit", "-qm", "first", cwd=at)
        run("git", "add", "mine", cwd=at)
        db = sqlite3.connect(f"{at}/db")
        db.execute(f"PRAGMA journal_mode={self.journal}")
        db.execute("CREATE TABLE t(n INTEGER PRIMARY KEY, name TEXT UNIQUE)")
        db.commit()
        db.close()
        with open(f"{at}/.git/info/exclude", "a", encoding="utf-8") as file:
            file.write("/db*\n")

    def fresh(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.copytree(self.template, self.dir, symlinks=True)

    def command(self, tool, name, removes=True):
        for part in ("note", "line"):
            with open(f"{self.src}/{part}", "w", encoding="utf-8") as file:
                file.write(f"{part} {name}\n")
        argv = [tool, "--sqlite", "db", "--git", ".", "-m", f"record {name}",
                "--write", f"notes/{name}={self.src}/note", "--append", f"ledger={self.src}/line",
                "--sql", f"INSERT INTO t(name) VALUES ('{name}')"]
        if removes:
            argv += ["--remove", "gone"]
        if self.snapshot:
            argv += ["--snapshot", "image.db"]
        return argv

    def read(self, name):
        try:
            with open(f"{self.dir}/{name}", encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def count(self, name):
        """How often the record is there; J1."""
        db = sqlite3.connect(f"file:{self.dir}/db?mode=ro", uri=True)
        rows = db.execute("SELECT count(*) FROM t WHERE name = ?", (name,)).fetchone()[0]
        db.close()
        note = self.read(f"notes/{name}")
        lines = (self.read("ledger") or "").split("\n").count(f"line {name}")
        there = (rows, note is not None, lines, self.count_commits(name, note))
        if there not in ((0, False, 0, 0), (1, True, 1, 1)):
            raise Wrong(f"{name}: row, note, lines, commits are {there}")
        if note not in (None, f"note {name}\n"):
            raise Wrong(f"{name}: the note is torn: {note!r}")
        return rows

    def count_commits(self, name, note):
        log = run("git", "log", "--format=%H %s", cwd=self.dir).split("\n")
        commits = [line.split()[0] for line in log if line.endswith(f" record {name}")]
        for commit in commits:
            if run("git", "show", f"{commit}:notes/{name}", cwd=self.dir) != note:
                raise Wrong(f"{name}: another note is committed")
        return len(commits)

    def check_removal(self, there):
        if (self.read("gone") is None) != bool(there):
            raise Wrong("the file that is removed")
        self.check_committed(there)

    def check_committed(self, there):
        tracked = run("git", "ls-tree", "--name-only", "HEAD", cwd=self.dir).split("\n")
        if ("gone" in tracked) == bool(there):
            raise Wrong("the file that is removed is in the commit")

    def check_image(self, name):
        with open(f"{self.dir}/../image", "wb") as file:
            file.write(subprocess.run(["git", "show", "HEAD:image.db"], cwd=self.dir, check=True,
                                      capture_output=True).stdout)
        db = sqlite3.connect(f"{self.dir}/../image")
        names = [row[0] for row in db.execute("SELECT name FROM t")]
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema")]
        if name not in names:
            raise Wrong(f"the image lacks {name}")
        if "holdfast_intent" in tables and db.execute(
                "SELECT count(*) FROM holdfast_intent").fetchone()[0]:
            raise Wrong("the image has an intent")
        db.close()

    def check_sound(self):
        """J3."""
        self.check_repository()
        db = sqlite3.connect(f"{self.dir}/db")
        if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise Wrong("integrity_check")
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema")]
        for table in ("holdfast_intent", "holdfast_intent_file"):
            if table in tables and db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
                raise Wrong(f"{table} is not empty")
        db.close()
        if litter := list(self.litter()):
            raise Wrong(f"litter: {litter}")

    def check_repository(self):
        run("git", "fsck", "--strict", "--no-dangling", cwd=self.dir)
        status = run("git", "status", "--porcelain", cwd=self.dir)
        if status != "A  mine\n":
            raise Wrong(f"git status says {status!r}")

    def litter(self):
        for at, dirs, names in os.walk(self.dir):
            if "quarantine" in dirs:
                dirs.remove("quarantine")  # an index.lock that the power cut has left empty
            for name in names:
                # the next line that info/exclude gets removes what an exchange left beside it
                if name != ".holdfast.exclude.tmp" and (
                        name.startswith(".holdfast") or name.endswith(".lock") or
                        name.startswith("index.")):
                    yield f"{at}/{name}"

    def judge(self, tool, code, said):
        """After a run that ended with code (negative: died)."""
        recovered = subprocess.run([tool, "--recover", "--sqlite", "db"], cwd=self.dir, env=ENV,
                                   capture_output=True, check=False)
        if recovered.returncode:
            raise Wrong(f"recovery: {recovered.returncode}: {recovered.stderr.decode()}")
        there = self.count("a")
        if code in (0, 76) and not there:
            raise Wrong(f"it said {code}, and the record is not there: {said}")
        if code >= 0 and code not in (0, 76, 79) and there:
            raise Wrong(f"it said {code}, and the record is there: {said}")
        self.check_removal(there)
        self.check_sound_later = there
        run(*self.command(tool, "b", removes=False), cwd=self.dir)
        if self.count("b") != 1 or self.count("a") != there:
            raise Wrong("the next record")
        self.check_removal(there)
        if self.snapshot:
            self.check_image("b")
        self.check_sound()
        return there


class FilesScene(Scene):
    """Without a repository."""

    def make(self):
        super().make()
        shutil.rmtree(f"{self.template}/.git")

    def command(self, tool, name, removes=True):
        argv = super().command(tool, name, removes)
        at = argv.index("--git")
        return argv[:at] + argv[at + 4:]

    def count_commits(self, name, note):
        return int(note is not None)

    def check_committed(self, there):
        pass

    def check_repository(self):
        pass


class DetachedScene(Scene):
    """HEAD is detached, stays so, and no branch moves."""

    def make(self):
        super().make()
        run("git", "checkout", "-q", "--detach", cwd=self.template)

    def check_repository(self):
        super().check_repository()
        if run("git", "symbolic-ref", "-q", "HEAD", cwd=self.dir, ok=False):
            raise Wrong("HEAD is on a branch")
        if run("git", "rev-list", "--count", "main", cwd=self.dir) != "1\n":
            raise Wrong("the branch has moved")


class GcScene(Scene):
    """Another host collects garbage: the record's objects are packed (git/prune_guard.h, K2)."""

    def make(self):
        super().make()
        with open(f"{self.template}/.git/gc.pid", "w", encoding="utf-8") as file:
            file.write("1 elsewhere\n")

    def check_packed(self):
        """K1: the commit and its files are in packs."""
        packs = f"{self.dir}/.git/objects/pack"
        packed = set()
        for name in os.listdir(packs):
            if name.endswith(".idx"):
                said = run("git", "verify-pack", "-v", f"{packs}/{name}", cwd=self.dir)
                packed.update(line.split()[0] for line in said.split("\n") if line)
        for name in ("HEAD", "HEAD^{tree}", "HEAD:ledger"):
            if run("git", "rev-parse", name, cwd=self.dir).strip() not in packed:
                raise Wrong(f"{name} is not packed")

    def litter(self):
        """Not a pack of libgit2's that was not complete yet (git/prune_guard.h)."""
        return (path for path in super().litter() if "/objects/pack/pack_git2_" not in path)

    def judge(self, tool, code, said):
        if code == 0:
            self.check_packed()
        return super().judge(tool, code, said)


class DropScene(Scene):
    """A record that was killed, and whose branch is gone by now, is given up (record_drop.h)."""

    def make(self):
        super().make()
        self.dir = self.template
        argv = self.command(shutil.which("atomic-record"), "a")
        for n in range(1, 9):
            # the first ones come before the COMMIT
            done = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat",
                            "-e", f"inject=renameat:signal=KILL:when={n}"] + argv, cwd=self.dir,
                           env=ENV, capture_output=True, check=False)
            if self.ids():
                break
        else:
            raise Wrong(f"the record is not killed in the middle: {done}")
        os.unlink(f"{self.dir}/.git/index.lock")
        run("git", "symbolic-ref", "HEAD", "refs/heads/other", cwd=self.dir)
        run("git", "update-ref", "-d", "refs/heads/main", cwd=self.dir)
        # what it has staged is the dead record's
        self.known = {os.path.relpath(path, self.dir) for path in self.litter()}
        self.id = self.ids()[0][:8]
        self.dir = f"{os.path.dirname(self.template)}/work"

    def command(self, tool, name, removes=True):
        if not hasattr(self, "id"):
            return super().command(tool, name, removes)
        return [tool, "--recover", "--drop", self.id, "--sqlite", "db"]

    def ids(self):
        db = sqlite3.connect(f"{self.dir}/db")
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'holdfast_intent'").fetchone():
            return []
        found = [row[0] if isinstance(row[0], str) else row[0].hex()
                 for row in db.execute("SELECT id FROM holdfast_intent")]
        db.close()
        return found

    def check_saved(self):
        """record/D1: all that the intent had."""
        saved = [name for name in os.listdir(self.dir) if name.startswith("db.record-")]
        if len(saved) != 1:
            raise Wrong(f"saved is {saved}")
        content = {}
        for name in os.listdir(f"{self.dir}/{saved[0]}"):
            content[name] = self.read(f"{saved[0]}/{name}")
        texts = sorted(text for name, text in content.items() if name != "record")
        if texts != ["line a\n", "note a\n"] or "record a" not in content.get("record", ""):
            raise Wrong(f"what is saved is {content}")

    def judge(self, tool, code, said):
        there = not self.ids()
        if there:
            self.check_saved()
        elif code in (0, 76):
            raise Wrong(f"it said {code}, and the record is still there: {said}")
        if code > 0 and code != 76 and there:
            raise Wrong(f"it said {code}, and the record is dropped: {said}")
        if not there:
            run(*self.command(tool, "a"), cwd=self.dir)
            self.check_saved()
        db = sqlite3.connect(f"{self.dir}/db")
        rows = db.execute("SELECT count(*) FROM t WHERE name = 'a'").fetchone()[0]
        sound = db.execute("PRAGMA integrity_check").fetchone()[0]
        db.close()
        if rows != 1 or sound != "ok" or self.ids():
            raise Wrong(f"rows {rows}, integrity {sound}, intents {self.ids()}")
        if more := {os.path.relpath(path, self.dir) for path in self.litter()} - self.known:
            raise Wrong(f"litter: {more}")
        return there


class EqualScene(Scene):
    """One line, and an equal line of another program's before recovery."""

    git, present = False, True

    def make(self):
        super().make()
        if not self.git:
            shutil.rmtree(f"{self.template}/.git")
        if not self.present:
            os.unlink(f"{self.template}/ledger")
            if self.git:
                run("git", "rm", "-q", "--cached", "ledger", cwd=self.template)
                run("git", "commit", "-qm", "no ledger", cwd=self.template)
        self.moves = False
        self.told = ""

    def command(self, tool, name, removes=True):
        with open(f"{self.src}/line", "w", encoding="utf-8") as file:
            file.write("line\n")
        argv = [tool, "--sqlite", "db", "--append", f"ledger={self.src}/line",
                "--sql", f"INSERT INTO t(name) VALUES ('{name}')"]
        return argv + (["--git", ".", "-m", f"record {name}"] if self.git else [])

    def numbers(self):
        db = sqlite3.connect(f"{self.dir}/db")
        rows = db.execute("SELECT count(*) FROM t").fetchone()[0]
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema")]
        intents = db.execute("SELECT count(*) FROM holdfast_intent").fetchone()[0] \
            if "holdfast_intent" in tables else 0
        db.close()
        lines = sum((self.read(name) or "").split("\n").count("line")
                    for name in os.listdir(self.dir) if name.startswith("ledger"))
        commits = run("git", "log", "--format=%s", cwd=self.dir).count("record ") \
            if self.git else rows
        return rows, lines, commits, intents, len(list(self.litter()))

    def compare(self, when, rows, others):
        found = self.numbers()
        self.told += f"{when}: rows, lines, commits, intents, names {found}; "
        wanted = (rows, rows + others, rows, 0)
        if found[:4] != wanted:
            raise Wrong(f"{when}: {found}, not {wanted}: rows, lines, commits, intents, names")

    def judge(self, tool, code, said):
        rows = self.numbers()[0]
        self.told = f"exit {code}; "
        self.moves = not self.moves
        if self.moves and self.read("ledger") is not None:
            os.rename(f"{self.dir}/ledger", f"{self.dir}/ledger.1")
        run(os.path.join(os.path.dirname(tool), "atomic-append"), "-t", "line", "ledger",
            cwd=self.dir)
        recovered = subprocess.run([tool, "--recover", "--sqlite", "db"], cwd=self.dir, env=ENV,
                                   capture_output=True, check=False)
        if recovered.returncode:
            raise Wrong(f"recovery: {recovered.returncode}: {recovered.stderr.decode()}")
        if code in (0, 76) and not rows or code > 0 and code not in (76, 79) and rows:
            raise Wrong(f"it said {code}, and there are {rows} rows: {said}")
        self.compare("recovered", rows, 1)
        run(*self.command(tool, "b"), cwd=self.dir)
        self.compare("next", rows + 1, 1)
        if litter := list(self.litter()):
            raise Wrong(f"litter: {litter}")
        if self.git:
            run("git", "fsck", "--strict", "--no-dangling", cwd=self.dir)
            if run("git", "show", "HEAD:ledger", cwd=self.dir) != self.read("ledger"):
                raise Wrong("HEAD has another ledger")
        return rows


class AbsentScene(EqualScene):
    present = False


class EqualGitScene(EqualScene):
    git = True


class AbsentGitScene(EqualGitScene):
    present = False


SCENES = {"equal": EqualScene, "absent": AbsentScene, "equal-git": EqualGitScene,
          "absent-git": AbsentGitScene, "repo": Scene, "files": FilesScene,
          "detached": DetachedScene, "gc": GcScene, "drop": DropScene}


class Loop:
    def __init__(self, scene, tool, sample, verbose):
        self.scene, self.tool, self.plain = scene, tool, shutil.which("atomic-record")
        self.first, self.step = sample
        self.verbose = verbose
        self.runs = self.wrong = self.place = 0
        self.outcomes = {}

    def attempt(self, what, wrapper, env):
        self.place += 1
        if (self.place - self.first) % self.step:
            return None
        self.scene.fresh()
        argv = wrapper + self.scene.command(self.tool, "a")
        try:
            done = subprocess.run(argv, cwd=self.scene.dir, env=dict(ENV, **env), timeout=60,
                                  capture_output=True, check=False)
            code, said = done.returncode, done.stderr.decode(errors="replace").strip()
            there = self.scene.judge(self.plain, code, said)
            key = ("died" if code < 0 else str(code), "there" if there else "not there")
            self.outcomes[key] = self.outcomes.get(key, 0) + 1
            complaint = None
        except (Wrong, subprocess.TimeoutExpired, sqlite3.Error) as error:
            complaint, code, said = str(error), "?", ""
            self.wrong += 1
        return self.count_run(what, code, said, complaint)

    def count_run(self, what, code, said, complaint):
        self.runs += 1
        if self.verbose or (complaint and self.wrong <= MAX_SHOWN):
            print(f"{what}: {code}{': WRONG: ' + complaint if complaint else ''} {said} "
                  f"{getattr(self.scene, 'told', '')}", flush=True)
        return code

    def calls(self):
        self.scene.fresh()
        return count_calls(self.scene.command(self.tool, "a"), self.scene.dir,
                           f"{self.scene.src}/log")

    def strace(self, action):
        for name, count in sorted(self.calls().items()):
            # umask(2) cannot fail
            if action != "kill" and name in ("execve", "exit_group", "umask"):
                continue
            how = "signal=KILL" if action == "kill" else f"error={action}"
            for n in range(1, count + 1):
                self.attempt(f"{action} at {name} {n}",
                             ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={name}",
                              "-e", f"inject={name}:{how}:when={n}"], {})

    def powercut(self, kind):
        disk = Disk(os.path.dirname(self.scene.template), kind)
        calls = self.calls()
        shutil.copytree(self.scene.template, f"{disk.root}/work", symlinks=True)
        disk.keep()
        self.scene.dir = f"{disk.root}/work"
        places = [(name, n) for name, count in sorted(calls.items()) for n in range(1, count + 1)]
        # and right after it has said that it is done
        for name, n in places + [("exit_group", 99)]:
            self.place += 1
            if (self.place - self.first) % self.step and n != 99:
                continue
            disk.restore()
            try:
                code, _, said = disk.cut_at(name, n, self.scene.command(self.tool, "a"),
                                            self.scene.dir, f"{self.scene.src}/stopped")
                there = self.scene.judge(self.plain, code, said)
                key = ("cut" if code < 0 else str(code), "there" if there else "not there")
                self.outcomes[key] = self.outcomes.get(key, 0) + 1
                complaint = None
            except (Wrong, subprocess.TimeoutExpired, sqlite3.Error) as error:
                complaint, code, said = str(error), "?", ""
                self.wrong += 1
            self.count_run(f"{kind} at {name} {n}", code, said, complaint)
        disk.unmount()

    def table(self, action):
        log = f"{self.scene.src}/log"
        self.scene.fresh()
        if os.path.exists(log):
            os.unlink(log)
        subprocess.run(self.scene.command(self.tool, "a"), cwd=self.scene.dir, check=True,
                       env=dict(ENV, HOLDFAST_FAULT_LOG=log), capture_output=True)
        with open(log, encoding="utf-8") as file:
            count = len(file.readlines())
        for n in range(1, count + 1):
            self.attempt(f"{action} at call {n}", [], {"HOLDFAST_FAULT": f"{n}:{action}"})


def main():
    journal, snapshot, kind, sample, verbose = "WAL", False, "repo", (1, 1), False
    words = sys.argv[1:]
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "-j":
            journal = words.pop(0)
        elif option == "-s":
            snapshot = True
        elif option == "-k":
            kind = words.pop(0)
        elif option == "-e":
            sample = tuple(int(part) for part in words.pop(0).split("/"))
        elif option == "-v":
            verbose = True
        else:
            sys.exit(__doc__)
    way, *actions = words
    here = f"{os.getcwd()}/record-{kind}-{way}-{journal}"
    shutil.rmtree(here, ignore_errors=True)
    os.mkdir(here)
    tool = shutil.which("atomic-record") if way != "table" else \
        f"{os.environ['HF_FAULT_BIN']}/atomic-record"
    loop = Loop(SCENES[kind](here, journal, snapshot), tool, sample, verbose)
    for action in actions:
        getattr(loop, way)(action)
    seen = ", ".join(f"{how} {what}: {n}" for (how, what), n in sorted(loop.outcomes.items()))
    print(f"{kind} {way} {journal} {' '.join(actions)}: {loop.runs} of {loop.place} places; "
          f"{seen}; {loop.wrong} wrong")
    if len({what for _, what in loop.outcomes}) < 2:
        sys.exit("the loop shows nothing: not both outcomes")
    shutil.rmtree(here)
    sys.exit(loop.wrong != 0)


main()
