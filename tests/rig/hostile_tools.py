# SPDX-License-Identifier: ISC
"""The tools of the hostile-neighbour table: for each, what it works on, the names beside that, how
it is called, and what must be there afterwards. These work on files and locks; hostile_stores.py
has the others, and the list of all.
"""

import fcntl
import os
import shutil
import subprocess
import time

OLD = b"an old line\n" * 20
SECRET = b"the secret of the record"
FORGED = b"FORGED"
WAIT = "1"  # every tool's -w, in seconds


class Wrong(Exception):
    """What must hold does not."""


def put(path, content, uid, gid, mode=0o600):
    with open(path, "wb") as file:
        file.write(content)
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def get(path):
    """The content of a regular file, or why there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return error.strerror.encode()
    with open(fd, "rb") as file:
        return file.read()


def is_waited_for(pid):
    with open("/proc/locks", "rb") as file:
        return any(b"->" in line and b" %d " % pid in line for line in file)


class Tool:
    """The base: a file `log` with the old content, which only its owner may read and write."""

    files = {"log": OLD}    # what is there before, of the caller's
    argv = ()
    feed = b""
    names = ()              # what may be planted: its name in the table, and in the directory
    keeps = ()              # what may be there afterwards, beside these
    target = "log"
    in_repository = False   # it works in `repo`, and the scene is a repository's
    sees_all = False        # it judges by all processes there are: root's runs see its own only
    theirs = ()             # scenes in which the planter may have the target, as in a `trusted` one
    makes = False           # it makes a file that was not there: the umask is what closes it

    def __init__(self, name):
        self.name = name

    def prepare(self, cell):
        for name, content in self.files.items():
            put(os.path.join(cell.dir, name), content, *cell.owner)
            if cell.scene.target_mode is not None:
                os.chown(os.path.join(cell.dir, name), *cell.scene.target_owner(cell))
                os.chmod(os.path.join(cell.dir, name), cell.scene.target_mode)
            if cell.scene.target_acl:
                os.setxattr(os.path.join(cell.dir, name), "system.posix_acl_access",
                            cell.scene.target_acl)

    def command(self, _cell):
        return self.argv

    def start(self, cell):
        command = self.command(cell)
        if self.sees_all and cell.caller == "root":
            command = ("unshare", "-p", "-f", "--mount-proc", *command)
        return subprocess.Popen(command, cwd=cell.dir, env=cell.env,
                                umask=0o077 if self.makes else 0,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **cell.ids)

    def run(self, cell):
        """Status (None: it did not end), output, messages and seconds."""
        begun = time.monotonic()
        process = self.start(cell)
        try:
            self.meanwhile(cell, process)
            out, err = process.communicate(self.feed, timeout=cell.limit + 2)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            return None, out, err, time.monotonic() - begun
        return process.returncode, out, err, time.monotonic() - begun

    def meanwhile(self, cell, process):
        pass

    def finish(self, cell):
        pass

    def judge(self, cell, done):
        """done: it has exited 0. What is there must be the whole of it, else nothing of it."""
        raise NotImplementedError


class File(Tool):
    """A tool that changes a file."""

    names = (("spool", ".holdfast.log.spool"), ("batch", ".holdfast.log.batch"),
             ("append", ".holdfast.log.append"), ("tmp", ".holdfast.log.tmp"),
             ("bak", ".holdfast.log.bak"), ("dot", ".holdfast.log.dot"),
             ("queue", ".holdfast.log.queue"), ("XXXXXXXX.tmp", ".holdfast.log.00000000.tmp"),
             ("XXXXXXXX.spool", ".holdfast.log.00000000.spool"),
             ("XXXXXXXX.batch", ".holdfast.log.00000000.batch"),
             ("XXXXXXXX.append", ".holdfast.log.00000000.append"), ("FILE~", "log~"))

    def __init__(self, name, argv, new, old=OLD, feed=SECRET, contended=False, backup=False):
        super().__init__(name)
        self.argv, self.new, self.old, self.feed = argv, new, old, feed
        self.contended = contended
        self.files = {} if old is None else {"log": old}
        self.makes = old is None
        self.keeps = ("log", "log~") if backup else ("log",)
        self.backup = backup

    def meanwhile(self, cell, process):
        if not self.contended:
            return
        end = time.monotonic() + 0.6
        while time.monotonic() < end and process.poll() is None and not is_waited_for(process.pid):
            time.sleep(0.001)
        time.sleep(0.005)  # a process that reads a spool has had the time
        fcntl.flock(self.lock, fcntl.LOCK_UN)

    def start(self, cell):
        if self.contended:
            self.lock = os.open(cell.dir + "/log", os.O_RDONLY)
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return super().start(cell)

    def finish(self, cell):
        if self.contended:
            os.close(self.lock)

    def judge(self, cell, done):
        # in a directory that is not sticky, or its own, the planter may replace any file
        if cell.plant.name == "changing name" and \
                ("sticky" not in cell.where or "planter" in cell.where):
            return
        content = get(cell.dir + "/log")
        if cell.weak:
            if content.count(SECRET) > 1 or (done and SECRET not in content):
                raise Wrong(f"the record is {content.count(SECRET)} times in the file")
            # what is forged is what the tools understand
            if self.name == "atomic-append" and cell.scene.name == "writer by group" and \
                    cell.plant.name == "forged open spool" and cell.name == "spool" and \
                    FORGED not in content:
                raise Wrong("the rig: the record of a user who may write there is not taken")
            return
        if done and content != self.new:
            raise Wrong(f"done, but the file is {content[-100:]!r}")
        if not done and self.old is not None and content not in (self.old, self.new):
            raise Wrong(f"the old content is gone: {content[-100:]!r}")
        if done and self.backup and \
                get(cell.dir + "/log~") != self.old:
            raise Wrong("the backup is not the old content")


class Symlink(Tool):
    files = {}
    names = File.names[:8]
    keeps = ("link",)
    argv = ("atomic-write", "-w", WAIT, "--symlink", "to", "link")

    def __init__(self, name):
        super().__init__(name)
        self.names = tuple((name, at.replace(".log.", ".link.")) for name, at in self.names)

    def judge(self, cell, done):
        path = cell.dir + "/link"
        if done and not (os.path.islink(path) and os.readlink(path) == "to"):
            raise Wrong("done, but there is no link")


class Dotlock(Tool):
    """free: no process has it. stale: a dead process had it. held: it is released after a while."""

    names = (("dot", ".holdfast.D.dot"), ("queue", ".holdfast.D.queue"),
             ("XXXXXXXX.tmp", ".holdfast.D.00000000.tmp"), ("tmp", ".holdfast.D.tmp"))
    files = {}
    target = "D"
    # a user who may remove a lock there, and make another one, may have it
    theirs = ("group", "setgid", "plain, the planter's")

    argv = ("lock-run", "-w", WAIT, "--dotlock", "D", "echo", "ran")

    def __init__(self, name, way):
        super().__init__(name)
        self.way = way

    def prepare(self, cell):
        if self.way == "stale":
            put(cell.dir + "/D", b"%d\n" % cell.dead, *cell.owner, 0o644)
            os.utime(cell.dir + "/D", (time.time() - 1000,) * 2)

    def start(self, cell):
        self.holder = None
        if self.way == "held":
            self.holder = subprocess.Popen(
                ("lock-run", "--dotlock", "D", "sh", "-c", "echo; read x"), cwd=cell.dir,
                env=cell.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, **cell.ids)
            self.holder.stdout.readline()
        return super().start(cell)

    def meanwhile(self, cell, process):
        if self.holder:
            time.sleep(0.05)
            self.holder.communicate(b"\n")

    def finish(self, cell):
        if self.holder and self.holder.poll() is None:
            self.holder.communicate(b"\n")

    def judge(self, cell, done):
        if done and cell.out != b"ran\n":
            raise Wrong(f"it has printed {cell.out!r}")
        if done and not cell.weak and os.path.lexists(cell.dir + "/D"):
            raise Wrong("the lock is still there")


class Plain(Tool):
    """Locks a file, and has no business with any name beside it."""

    files = {"L": b""}
    target = "L"
    names = (("tmp", ".holdfast.L.tmp"), ("dot", ".holdfast.L.dot"), ("queue", ".holdfast.L.queue"))

    def __init__(self, name, argv, keeps=("L",)):
        super().__init__(name)
        self.argv, self.keeps = argv, keeps

    def judge(self, cell, done):
        if done and cell.out != b"ran\n":
            raise Wrong(f"it has printed {cell.out!r}")


class Acquire(Tool):
    """lock-acquire, and lock-release."""

    def __init__(self, name, inner):
        super().__init__(name)
        self.inner, self.names, self.files = inner, inner.names, inner.files
        self.target, self.keeps = inner.target, inner.keeps
        self.in_repository = inner.in_repository
        self.argv = ("lock-acquire", "-w", WAIT, "--owner", "none", "--ttl", "1m", *inner.lock)

    def prepare(self, cell):
        self.inner.prepare(cell)

    def judge(self, cell, done):
        if not done:
            return
        released = subprocess.run(("lock-release", cell.out.decode().strip()), cwd=cell.dir,
                                  env=cell.env, capture_output=True, check=False, **cell.ids)
        if released.returncode:
            raise Wrong(f"lock-release: {released.returncode}: {released.stderr.decode()}")


class Break(Tool):
    files = {}
    target = "app.pid"
    names = (("quarantine", ".holdfast-quarantine"),)
    keeps = (".holdfast-quarantine", ".holdfast-quarantine.1")
    argv = ("lock-break", "app.pid")

    def prepare(self, cell):
        put(cell.dir + "/app.pid", b"%d\n" % cell.dead, *cell.owner, 0o644)
        os.utime(cell.dir + "/app.pid", (time.time() - 1000,) * 2)

    def judge(self, cell, done):
        if done and os.path.lexists(cell.dir + "/app.pid"):
            raise Wrong("the stale lock is still there")
        if not done and get(cell.dir + "/app.pid") != b"%d\n" % cell.dead:
            raise Wrong("the stale lock is gone")


class Status(Tool):
    """Only looks."""

    def __init__(self, name, names, *argv):
        super().__init__(name)
        self.names, self.argv = names, ("lock-status", *argv)
        self.files = {"log": OLD}

    def prepare(self, cell):
        super().prepare(cell)
        shutil.copyfile(cell.made + "/wal.db", cell.dir + "/x.db")
        os.chown(cell.dir + "/x.db", *cell.owner)
        os.chmod(cell.dir + "/x.db", 0o600)

    keeps = ("log", "x.db")

    def judge(self, cell, done):
        if done and not cell.out:
            raise Wrong("it has printed nothing")
