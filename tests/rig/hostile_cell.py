# SPDX-License-Identifier: ISC
"""The cells of the hostile-neighbour table: the scenes, what can be planted, and how one cell is
tried and judged. hostile.py has the rest.
"""

import fnmatch
import os
import re
import shutil
import stat

from hostile_planter import ABANDONED, CLOSED, DONE, IN_PLACE, OPEN, PREPARED, acl, file_id, spool
from hostile_tools import FORGED, OLD, SECRET, WAIT, Wrong, get, put

EVE, BOB, BOTH, BOBS = 64511, 64512, 64521, 64522
class Scene:
    """A directory, its target, and whether the planter may write that."""

    def __init__(self, name, owner, group, mode, **more):
        self.name, self.owner, self.group, self.mode = name, owner, group, mode
        self.default_acl = more.get("default_acl")
        self.target_mode, self.target_acl = more.get("target_mode"), more.get("target_acl")
        self.target_ids = more.get("target_ids")
        self.trusted, self.readable = more.get("trusted", False), more.get("readable", False)
        self.repository = more.get("repository", False)
        self.closes = more.get("closes", False)

    def target_owner(self, cell):
        uid, gid = self.target_ids or (None, None)
        return cell.owner[0] if uid is None else uid, cell.owner[1] if gid is None else gid

    def make(self, path):
        os.mkdir(path)
        os.chown(path, self.owner, self.group)
        os.chmod(path, self.mode)
        if self.default_acl:
            os.setxattr(path, "system.posix_acl_default", self.default_acl)

    def close(self, repo):
        """What was put there stays, and no more can be."""
        for dir, _, _ in os.walk(repo):
            if os.stat(dir).st_mode & 0o7777 == 0o1777:
                os.chmod(dir, self.target_mode)

    def own(self, repo, cell):
        """The repository's owner and modes."""
        owner, group = self.target_owner(cell)
        for dir, _, names in os.walk(repo):
            os.chown(dir, owner, group)
            os.chmod(dir, 0o1777 if self.closes else self.target_mode)
            for name in names:
                os.chown(os.path.join(dir, name), owner, group)
                os.chmod(os.path.join(dir, name), 0o664 if self.target_mode & 0o20 else 0o644)


SCENES = (
    Scene("sticky", 0, 0, 0o1777),
    Scene("sticky, the planter's", EVE, EVE, 0o1777),
    Scene("plain, the planter's", EVE, BOTH, 0o775),
    Scene("group", 0, BOTH, 0o775),
    Scene("setgid", 0, BOTH, 0o2775),
    Scene("sticky setgid", 0, BOTH, 0o3775),
    Scene("default ACL", EVE, EVE, 0o1777, default_acl=acl((EVE, 7), user=7, group=7, other=7)),
    Scene("readable target", 0, 0, 0o1777, target_mode=0o644, readable=True),
    Scene("target of a group", 0, 0, 0o1777, target_mode=0o660, target_ids=(None, BOBS)),
    Scene("not theirs to write", 0, BOBS, 0o775, target_mode=0o644, readable=True),
    Scene("writer by group", 0, BOTH, 0o2775, target_mode=0o660, target_ids=(None, BOTH),
          trusted=True, readable=True),
    Scene("writer by ACL", 0, 0, 0o1777, target_acl=acl((EVE, 6)), trusted=True, readable=True),
    Scene("target of the planter", EVE, BOTH, 0o775, target_mode=0o664, target_ids=(EVE, BOTH),
          trusted=True, readable=True),
    Scene("repository closed since", 0, 0, 0o755, target_mode=0o755, repository=True,
          readable=True, closes=True),
    Scene("repository of all", 0, 0, 0o755, target_mode=0o1777, repository=True, readable=True,
          trusted=True),
    Scene("repository of a group", 0, 0, 0o755, target_mode=0o2775, target_ids=(None, BOTH),
          repository=True, trusted=True, readable=True),
    Scene("repository of the planter", 0, 0, 0o755, target_mode=0o775, target_ids=(EVE, BOTH),
          repository=True, trusted=True, readable=True),
)

CALLERS = {"root": (0, 0, ()), "user": (BOB, BOB, (BOTH, BOBS))}


class Plant:
    """Something to be put under a name: how, and under which names only."""

    def __init__(self, name, kind, only=None, extra=None, ways=False):
        self.name, self.kind, self.only, self.ways = name, kind, only, ways
        self.extra = extra or (lambda cell: {})

    def fits(self, name):
        return self.only is None or any(fnmatch.fnmatch(name, only) for only in self.only)


def forged(name, state, only, offset=0, records=(FORGED + b"\n",), owned=True, damage=0):
    def extra(cell):
        content, places = spool(state, file_id(cell.dir + "/log"), b"log", offset, *records)
        return {"content": content[:len(content) - damage], "owned": places if owned else (),
                "mode": (cell.scene.target_mode or 0o600) if cell.scene.trusted else 0o666}

    return Plant(name, "forged", only, extra, ways=True)


def stolen(cell):
    own = file_id(cell.dir + "/log")
    return {"content": spool(OPEN, own, b"log", 0)[0], "done": spool(DONE, own, b"log", 0)[0]}


def filed(name, file, only):
    def extra(cell):
        with open(f"{cell.made}/{file}", "rb") as content:
            return {"content": content.read()}

    return Plant(name, "forged", only, extra, ways=True)


def text(name, content, only):
    return Plant(name, "forged", only, lambda cell: {"content": content}, ways=True)


SPOOL, BATCH = ("spool", "*.spool"), ("batch", "*.batch")
PLANTS = (
    Plant("file", "file"), Plant("garbage", "data"), Plant("locked file", "locked", ways=True),
    Plant("hard link", "hard_link"), Plant("hard link to the caller's", "victim"),
    Plant("symbolic link", "symlink"), Plant("symbolic link to theirs", "symlink_own"),
    Plant("dangling link", "dangling"), Plant("FIFO", "fifo"), Plant("open FIFO", "fifo_open"),
    Plant("socket", "socket"), Plant("directory", "directory"),
    Plant("empty directory", "empty_directory"), Plant("device", "device"),
    Plant("file with ACL", "acl"), Plant("changing name", "changing", ways=True),
    Plant("grabbed files", "nothing", ways=True),
    forged("forged open spool", OPEN, SPOOL),
    forged("forged closed spool", CLOSED, SPOOL + BATCH),
    forged("damaged spool", OPEN, SPOOL + BATCH, damage=3),
    forged("forged spool without owners", OPEN, SPOOL + BATCH, owned=False),
    Plant("spool that steals", "steal", SPOOL, stolen, ways=True),
    forged("forged prepared batch", PREPARED, BATCH),
    forged("forged batch that truncates", IN_PLACE, BATCH, records=(OLD + b"and more\n",)),
    forged("forged batch that waits", IN_PLACE, BATCH, offset=len(OLD)),
    forged("forged done batch", DONE, BATCH), forged("forged abandoned batch", ABANDONED, BATCH),
    text("record of a living process", b"1\n", ("*dot", "*queue", "index.lock")),
    text("forged identity", b"0123456789abcdef" * 2 + b"\n", ("holdfast/id",)),
    filed("hot journal", "evil-journal", ("DB-journal",)),
    filed("forged log", "evil-wal", ("DB-wal",)),
)


# As index.lock these are Git's lock, which is waited for as Git's own are.
GITS_LOCK = ("file", "garbage", "locked file", "hard link", "hard link to the caller's",
             "file with ACL", "record of a living process", "changing name")


class Cell:
    """One combination, while it is tried."""

    made = closed = unfinished = None
    dead = 0

    def __init__(self, tool, name, plant, scene, caller):
        self.tool, self.name, self.plant, self.scene, self.caller = tool, name, plant, scene, caller
        self.planter = EVE
        self.owner = CALLERS[caller][:2]
        uid, gid, groups = CALLERS[caller]
        self.ids = {"user": uid, "group": gid, "extra_groups": list(groups)}
        self.weak = ((scene.trusted or scene.name in tool.theirs) and plant.ways) or \
            (name == "index.lock" and plant.name in GITS_LOCK)
        self.limit = int(WAIT) * (2 if self.weak else 1) + 1
        self.where = f"{scene.name}/{caller}"
        self.seen = b""

    def __str__(self):
        return f"{self.tool.name} | {self.name} | {self.plant.name} | {self.where}"

    def factors(self):
        return self.tool.name, self.name, self.plant.name, self.where

    def at(self):
        return dict(self.tool.names)[self.name] or f"x.db.record-{self.unfinished[:8]}"

    def prepare(self, base, planter):
        """False: the planter cannot put that there."""
        self.prepare_scene(base)
        return self.put_there(planter)

    def prepare_scene(self, base):
        self.base, self.dir = base, base + "/d"
        self.closed, self.outside, self.own = base + "/closed", base + "/outside", base + "/own"
        os.mkdir(base)
        os.chmod(base, 0o755)
        self.scene.make(self.dir)
        for path, ids, mode in ((self.closed, self.owner, 0o700), (self.outside, self.owner, 0o755),
                                (self.own, (EVE, EVE), 0o755)):
            os.mkdir(path)
            os.chown(path, *ids)
            os.chmod(path, mode)
        put(self.closed + "/precious", b"precious\n", *self.owner)
        put(self.outside + "/.gitconfig", b"[user]\n\tname = T\n\temail = t@example.org\n"
            b"[safe]\n\tdirectory = %b/repo\n[gc]\n\tauto = 0\n" % os.fsencode(self.dir),
            *self.owner, 0o644)
        self.root_env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": self.outside,
                         "GIT_CONFIG_NOSYSTEM": "1", "HF_TEST_DIR": os.environ["HF_TEST_DIR"]}
        self.env = self.root_env
        self.tool.prepare(self)

    def put_there(self, planter):
        path = os.path.join(self.dir, self.at())
        extra = {"own": self.own, "precious": self.closed + "/precious",
                 "absent": self.closed + "/absent", "caller": self.owner[0]}
        extra.update(self.plant.extra(self))
        target = os.path.join(self.dir, self.tool.target)
        self.before = planter.rights(target) if os.path.exists(target) else None
        if self.plant.kind != "nothing" and os.path.lexists(path):
            # the planter was here first
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        if self.plant.kind == "victim":
            if not os.path.isdir(os.path.dirname(path)):
                return False
            os.link(self.closed + "/precious", path)
        elif self.plant.kind == "device":
            if not os.path.isdir(os.path.dirname(path)):
                return False
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
            os.chown(path, EVE, EVE)
        elif not planter.plant(self.plant.kind, path, extra):
            return False
        if self.scene.closes:
            self.scene.close(self.dir + "/repo")
        planter.follow(os.path.dirname(path), self.plant.name == "grabbed files",
                       os.path.basename(self.tool.target))
        return True

    def try_it(self, planter, expected):
        self.status, self.out, self.err, self.seconds = self.tool.run(self)
        self.seen = planter.collect()
        self.judge(planter, expected)

    def judge(self, planter, expected):
        self.judge_end(expected)
        self.tool.judge(self, self.status == 0)
        if get(self.closed + "/precious") != b"precious\n":
            raise Wrong(f"H4: followed: {get(self.closed + '/precious')!r}")
        if os.path.lexists(self.closed + "/absent"):
            raise Wrong("H4: made what a dangling link names")
        is_open = self.scene.readable or (self.tool.makes and self.scene.default_acl)
        if not is_open and SECRET in self.seen:
            raise Wrong("H3: the planter has read the record")
        after = planter.rights(os.path.join(self.dir, self.tool.target))
        if self.before is not None and set(after) - set(self.before):
            raise Wrong(f"H4: the planter's rights on the target were '{self.before}', "
                        f"are '{after}'")
        self.judge_litter()
        self.judge_messages()

    def judge_end(self, expected):
        if self.status is None:
            raise Wrong(f"H2: it has not ended after {self.seconds:.1f} s")
        if self.status < 0:
            raise Wrong(f"it has died of signal {-self.status}")
        if self.seconds > self.limit:
            raise Wrong(f"H2: it has taken {self.seconds:.1f} s")
        if self.weak:
            return
        if self.status == 75:
            raise Wrong("H1: exit status 75")
        # of a name that changes, now one thing is met, now another
        if self.status != expected and (self.status or self.plant.kind != "changing"):
            raise Wrong(f"H1: exit status {self.status}" +
                        (f", where the page says {expected}" if expected else ""))

    def judge_litter(self):
        planted = self.at()
        for name in os.listdir(self.dir):
            known = name in self.tool.keeps or name in self.tool.files or \
                name == planted.split("/")[0] or name == self.tool.target or \
                any(keep.endswith("-") and name.startswith(keep) for keep in self.tool.keeps) or \
                self.weak
            if not known and not (self.status and name in ("x.db-wal", "x.db-shm")):
                raise Wrong(f"H5: '{name}' is left over")
        git = self.dir + "/repo/.git"
        for name in os.listdir(git) if self.scene.repository else ():
            if (name.startswith((".holdfast", "index.holdfast")) or name.endswith(".lock")) and \
                    planted != "repo/.git/" + name and not self.weak and \
                    not (self.tool.name.startswith("lock-status") or self.status):
                raise Wrong(f"H5: '.git/{name}' is left over")

    def judge_messages(self):
        lines = self.err.decode(errors="replace").splitlines()
        heads = [line for line in lines if not line.startswith("  ")]
        name = os.path.basename(self.at())
        if any(not re.match(r"[a-z-]+: ", line) for line in heads):
            raise Wrong(f"a message without the tool's name: {heads}")
        if sum(f"{name}'" in line for line in heads) > 1 and self.plant.kind != "changing":
            raise Wrong(f"the planted name is reported more than once: {heads}")

    def clean(self):
        self.tool.finish(self)
        shutil.rmtree(self.base, ignore_errors=True)
