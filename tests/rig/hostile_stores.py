# SPDX-License-Identifier: ISC
"""The tools of the hostile-neighbour table that work on databases and repositories, and the list of
all tools. hostile.py has the rest.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import time

from hostile_tools import (FORGED, OLD, SECRET, WAIT, Acquire, Break, Dotlock, File, Plain, Status,
                           Symlink, Tool, Wrong, get, put)


class Database(Tool):
    """A tool that changes x.db, whose table t has one row."""

    target = "x.db"
    names = (("DB-turnstile", "x.db-turnstile"), ("DB-once", "x.db-once"),
             ("DB-journal", "x.db-journal"), ("DB-wal", "x.db-wal"), ("DB-shm", "x.db-shm"),
             ("DB XXXXXXXX.tmp", ".holdfast.x.db.00000000.tmp"),
             ("DB record", ".holdfast.x.db.0123456789abcdef0123456789abcdef.record"))
    keeps = ("x.db", "x.db-turnstile", "x.db-once")
    lock = ("--sqlite", "x.db")

    def __init__(self, name, argv, query=None, journal="wal", absent=False):
        super().__init__(name)
        self.argv, self.query, self.journal, self.absent = argv, query, journal, absent
        self.makes = absent
        # a user who may make the database there may have its turnstile
        self.theirs = ("group", "setgid", "sticky setgid", "plain, the planter's") if absent else ()

    def prepare(self, cell):
        if self.absent:
            return
        with open(f"{cell.made}/{self.journal}.db", "rb") as file:
            self.files = {"x.db": file.read()}
        super().prepare(cell)

    def rows(self, cell, query):
        """As SQLite would see it without what the planter has put there."""
        copy = cell.closed + "/copy.db"
        for tail in ("", "-wal", "-journal"):
            path = cell.dir + "/x.db" + tail
            with contextlib.suppress(FileNotFoundError):
                os.unlink(copy + tail)
            if os.path.isfile(path) and not os.path.islink(path) and \
                    (not tail or cell.scene.trusted or os.stat(path).st_uid != cell.planter):
                shutil.copyfile(path, copy + tail)
        with contextlib.closing(sqlite3.connect(copy)) as db:
            return db.execute(query).fetchall()

    def judge(self, cell, done):
        if FORGED in get(cell.dir + "/x.db") and not cell.weak:
            raise Wrong("the database has what another user wrote into its journal")
        if not self.query:
            if done and cell.out != b"ran\n":
                raise Wrong(f"it has printed {cell.out!r}")
            return
        try:
            found = self.rows(cell, self.query) == [(1,)]
        except sqlite3.DatabaseError as error:
            # before the tool makes its own tables there are none
            if not self.absent and not cell.weak and "no such table: holdfast" not in str(error):
                raise Wrong(f"the database: {error}") from error
            found = False
        if done and not found and not cell.weak:
            raise Wrong("done, but it is not in the database")


class Backup(Database):
    names = Database.names + tuple((f"FILE {name}", at.replace(".log.", ".copy."))
                                   for name, at in File.names[:-1])
    keeps = Database.keeps + ("copy",)

    def judge(self, cell, done):
        if done and not cell.weak:
            with contextlib.closing(sqlite3.connect(f"file:{cell.dir}/copy?mode=ro&immutable=1",
                                                    uri=True)) as db:
                if db.execute("SELECT count(*) FROM t").fetchall() != [(1,)]:
                    raise Wrong("the copy is not whole")


class Record(Database):
    """A record of files and a row, without a repository."""

    target = "log"
    names = Database.names + File.names[:-1] + tuple(
        (f"written {name}", at.replace(".log.", ".f.")) for name, at in File.names
        if name.endswith("tmp"))
    keeps = Database.keeps + ("f", "log")

    def __init__(self, name, journal="wal"):
        super().__init__(name, (), "SELECT count(*) FROM t WHERE a = 'row'", journal)
        self.makes = True

    def prepare(self, cell):
        super().prepare(cell)
        put(cell.dir + "/log", OLD, *cell.owner)
        put(cell.outside + "/src", SECRET, *cell.owner)

    def command(self, cell):
        src = cell.outside + "/src"
        return ("atomic-record", "-w", WAIT, "--sqlite", "x.db", "--write", f"f={src}",
                "--append", f"log={src}", "--sql", "INSERT INTO t VALUES('row')")

    def judge(self, cell, done):
        super().judge(cell, done)
        if done and not cell.weak and (get(cell.dir + "/f") != SECRET or
                                       get(cell.dir + "/log") != OLD + SECRET):
            raise Wrong("done, but a file is not what it should be")
        if not done and not cell.weak and get(cell.dir + "/log") not in (OLD, OLD + SECRET):
            raise Wrong("the old content is gone")


class Drop(Database):
    """A killed record is given up, and what it has is saved in a directory beside the database."""

    names = (("DB.record-ID", None),) + Database.names
    keeps = Database.keeps + ("x.db.record-",)

    def __init__(self, name):
        super().__init__(name, ())

    def prepare(self, cell):
        with open(f"{cell.made}/unfinished.db", "rb") as file:
            self.files = {"x.db": file.read()}
        Tool.prepare(self, cell)

    def command(self, cell):
        return ("atomic-record", "-w", WAIT, "--recover", "--drop", cell.unfinished,
                "--sqlite", "x.db")

    def judge(self, cell, done):
        left = self.rows(cell, "SELECT count(*) FROM holdfast_intent")[0][0]
        saved = [dir for dir, _, names in os.walk(cell.dir) for name in names
                 if SECRET in get(os.path.join(dir, name)) and dir != cell.dir]
        if cell.weak:
            return
        if done and (left or not saved):
            raise Wrong(f"done, but {left} are left, and saved in {saved}")
        if not done and not left:
            raise Wrong("the record is gone")
        for dir in saved:
            if os.stat(dir).st_mode & 0o77 or os.stat(dir).st_uid == cell.planter:
                raise Wrong(f"'{dir}' is open to others")


class Git(Tool):
    """A tool at work in the repository `repo`, a worktree with a database in it."""

    target = "repo/x.db"
    names = (("holdfast/", "repo/.git/holdfast"),
             ("holdfast/turnstile", "repo/.git/holdfast/turnstile"),
             ("holdfast/quarantine", "repo/.git/holdfast/quarantine"),
             ("holdfast/durable", "repo/.git/holdfast/durable"),
             ("holdfast/id", "repo/.git/holdfast/id"),
             ("info/exclude", "repo/.git/info/exclude"),
             ("index.lock", "repo/.git/index.lock"),
             ("index.holdfast", "repo/.git/index.holdfast"),
             ("index.holdfast.XXXXXXXX", "repo/.git/index.holdfast.00000000"),
             ("index.holdfast.lock", "repo/.git/index.holdfast.lock"),
             ("index.lock dot", "repo/.git/.holdfast.index.lock.dot"),
             ("index~pid.lock", "repo/.git/index~pid.lock"),
             ("tmp_obj_holdfast", "repo/.git/objects/tmp_obj_holdfast"),
             ("HEAD~holdfast.lock", "repo/.git/HEAD~holdfast.lock"),
             ("main~holdfast.lock", "repo/.git/refs/heads/main~holdfast.lock"),
             ("tree DB-turnstile", "repo/x.db-turnstile"),
             ("tree tmp", "repo/.holdfast.f.tmp"))
    keeps = ("repo",)
    in_repository = True
    lock = ("--git", "repo")

    def __init__(self, name, argv, stale=False):
        super().__init__(name)
        self.argv, self.stale = argv, stale
        if stale:  # the others are locks, which it judges, too
            self.names, self.target = self.names[:5], "repo/.git/index.lock"
            self.sees_all = True  # in a PID namespace: only what could have made the lock

    def prepare(self, cell):
        repo = cell.dir + "/repo"
        shutil.copytree(cell.made + "/repo", repo, symlinks=True)
        shutil.copyfile(cell.made + "/wal.db", repo + "/x.db")
        cell.scene.own(repo, cell)
        put(cell.outside + "/src", SECRET, *cell.owner)
        if self.stale:
            put(repo + "/.git/index.lock", b"", *cell.owner, 0o644)
            os.utime(repo + "/.git/index.lock", (time.time() - 1000,) * 2)

    def judge(self, cell, done):
        if not done:
            return
        if self.stale:
            if os.path.lexists(cell.dir + "/repo/.git/index.lock"):
                raise Wrong("the stale lock is still there")
        elif self.argv[0] != "lock-status" and cell.out != b"ran\n":
            raise Wrong(f"it has printed {cell.out!r}")


class Commit(Git):
    """A record with a commit."""

    def __init__(self, name):
        super().__init__(name, ())

    def command(self, cell):
        return ("atomic-record", "-w", WAIT, "--sqlite", "repo/x.db", "--git", "repo", "-m", "m",
                "--write", f"repo/f={cell.outside}/src", "--sql", "INSERT INTO t VALUES('row')")

    def judge(self, cell, done):
        shown = subprocess.run(("git", "-C", cell.dir + "/repo", "-c", "safe.directory=*", "show",
                                "HEAD:f"), env=cell.root_env, capture_output=True, check=False)
        if done and (shown.stdout != SECRET or get(cell.dir + "/repo/f") != SECRET):
            raise Wrong("done, but it is not committed")


class Tree(Git):
    """A tool that knows nothing of Git, at a database in a worktree."""

    def command(self, _cell):
        return ("sqlite-run", "-w", WAIT, "repo/x.db", "INSERT INTO t VALUES('row')")

    def judge(self, cell, done):
        if done:
            with contextlib.closing(sqlite3.connect(cell.dir + "/repo/x.db")) as db:
                if db.execute(IN_T).fetchall() != [(1,)]:
                    raise Wrong("done, but it is not in the database")


def ran(*argv):
    return (argv[0], "-w", WAIT, *argv[1:], "echo", "ran")


APPENDED = OLD + SECRET + b"\n"
IN_T = "SELECT count(*) FROM t WHERE a = 'row'"


def tools():
    w = ("-w", WAIT)
    append, in_place = ("atomic-append", *w, "-t", SECRET.decode(), "log"), \
        ("atomic-append", *w, "--in-place", "-t", SECRET.decode(), "log")
    insert = ("sqlite-run", *w, "x.db", "INSERT INTO t VALUES('row')")
    new = "CREATE TABLE t(a); INSERT INTO t VALUES('row')"
    sqlite = Database("lock-run --sqlite", ran("lock-run", "--sqlite", "x.db"))
    git = Git("lock-run --git", ran("lock-run", "--git", "repo"))
    file = Plain("lock-run", ran("lock-run", "L"))
    file.lock = ("--file", "L")
    dot = Dotlock("lock-run --dotlock", "free")
    dot.lock = ("--dotlock", "D")
    return [
        File("atomic-write", ("atomic-write", *w, "log"), SECRET),
        File("atomic-write -b", ("atomic-write", *w, "-b", "log"), SECRET, backup=True),
        File("atomic-write, new", ("atomic-write", *w, "log"), SECRET, old=None),
        File("atomic-append", append, APPENDED),
        File("atomic-append, new", append, SECRET + b"\n", old=None),
        File("atomic-append, contended", append, APPENDED, contended=True),
        File("atomic-append --in-place", in_place, APPENDED),
        File("atomic-append --in-place, contended", in_place, APPENDED, contended=True),
        File("atomic-update", ("atomic-update", *w, "log", "sh", "-c",
                               f"cat; echo '{SECRET.decode()}'"), APPENDED),
        Symlink("atomic-write --symlink"),
        file,
        Plain("lock-run --remove", ran("lock-run", "--remove", "L"), keeps=()),
        dot,
        Dotlock("lock-run --dotlock, stale", "stale"),
        Dotlock("lock-run --dotlock, held", "held"),
        sqlite,
        Database("lock-run --sqlite-freeze", ran("lock-run", "--sqlite-freeze", "x.db")),
        git,
        Git("lock-run --git-freeze", ran("lock-run", "--git-freeze", "repo")),
        Acquire("lock-acquire --file", file),
        Acquire("lock-acquire --dotlock", dot),
        Acquire("lock-acquire --sqlite", sqlite),
        Acquire("lock-acquire --git", git),
        Break("lock-break"),
        Git("lock-break --git", ("lock-break", "--alone", "--git", "repo"), stale=True),
        Status("lock-status", File.names, "log"),
        Status("lock-status --sqlite", Database.names, "--sqlite", "x.db"),
        Git("lock-status --git", ("lock-status", "--git", "repo")),
        Database("sqlite-run", insert, IN_T),
        Database("sqlite-run, rollback", insert, IN_T, "delete"),
        Database("sqlite-run, new", ("sqlite-run", *w, "x.db", new), IN_T, absent=True),
        Database("sqlite-once", ("sqlite-once", *w, "x.db", "key"),
                 "SELECT count(*) FROM holdfast_once"),
        Database("sqlite-once COMMAND", ("sqlite-once", *w, "x.db", "key", "--", "true"),
                 "SELECT count(*) FROM holdfast_once"),
        Database("sqlite-lease", ("sqlite-lease", *w, "acquire", "x.db", "name"),
                 "SELECT count(*) FROM holdfast_lease"),
        Database("sqlite-queue", ("sqlite-queue", *w, "add", "x.db", "job"),
                 "SELECT count(*) FROM holdfast_job"),
        Backup("sqlite-backup", ("sqlite-backup", *w, "x.db", "copy")),
        Tree("sqlite-run, in a worktree", ()),
        Record("atomic-record"),
        Record("atomic-record, rollback", "delete"),
        Drop("atomic-record --drop"),
        Commit("atomic-record --git"),
    ]
