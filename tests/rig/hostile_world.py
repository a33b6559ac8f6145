# SPDX-License-Identifier: ISC
"""Where the hostile-neighbour table is tried: the mount namespace with its users, what every cell
is made of, and the names that the tools use. hostile.py has the rest.
"""

import contextlib
import ctypes
import os
import re
import shutil
import sqlite3
import subprocess
import sys

from hostile_cell import BOB, BOBS, BOTH, EVE, PLANTS, SCENES, Cell
from hostile_stores import tools
from hostile_tools import SECRET, put


def sh(*argv, **more):
    return subprocess.run(argv, check=True, capture_output=True, **more).stdout


def enter():
    """A mount namespace with two users more, where all of them reach the tools and the scenes."""
    here, bin_ = os.getcwd(), os.path.realpath(os.environ["HF_BIN"])
    if ctypes.CDLL(None, use_errno=True).unshare(0x20000) != 0:  # CLONE_NEWNS
        sys.exit("hostile.py: no mount namespace")
    sh("mount", "--make-rprivate", "/")
    users = f"hf-eve:x:{EVE}:{EVE}::/:/bin/sh\nhf-bob:x:{BOB}:{BOB}::/:/bin/sh\n"
    groups = (f"hf-eve:x:{EVE}:\nhf-bob:x:{BOB}:\nhf-both:x:{BOTH}:hf-eve,hf-bob\n"
              f"hf-bobs:x:{BOBS}:hf-bob\n")
    for name, more in (("passwd", users), ("group", groups)):
        with open("/etc/" + name, encoding="utf-8") as old, \
                open(name, "w", encoding="utf-8") as new:
            new.write(old.read() + more)
        os.chmod(name, 0o644)
        sh("mount", "--bind", name, "/etc/" + name)
    os.makedirs("cells")
    os.chmod("cells", 0o755)
    sh("mount", "-t", "tmpfs", "-o", "mode=755", "none", "/mnt")
    for name, source in (("bin", bin_), ("scene", here + "/cells")):
        os.mkdir("/mnt/" + name)
        sh("mount", "--bind", source, "/mnt/" + name)
    os.environ["PATH"] = f"/mnt/bin:{os.environ['PATH']}"


def journal_of(content):
    """A hot journal that brings the content back."""
    size = int.from_bytes(content[16:18], "big")
    pages = len(content) // size
    head = bytes.fromhex("d9d505f920a163d7") + b"".join(
        n.to_bytes(4, "big") for n in (pages, 7, pages, 512, size))
    journal = head.ljust(512, b"\0")
    for number in range(pages):
        page = content[number * size:(number + 1) * size]
        total = 7 + sum(page[i] for i in range(size - 200, 0, -200))
        journal += (number + 1).to_bytes(4, "big") + page + (total & 0xffffffff).to_bytes(4, "big")
    return journal


def make_templates(made):
    os.mkdir(made)
    for journal in ("wal", "delete"):
        with contextlib.closing(sqlite3.connect(f"{made}/{journal}.db")) as db:
            db.execute(f"PRAGMA journal_mode={journal}")
            db.execute("CREATE TABLE t(a)")
            db.execute("INSERT INTO t VALUES('first')")
            db.commit()
        evil = f"{made}/evil-{journal}.db"
        shutil.copyfile(f"{made}/{journal}.db", evil)
        with contextlib.closing(sqlite3.connect(evil)) as db:
            db.execute("INSERT INTO t VALUES('FORGED')")
            db.commit()
            if journal == "wal":
                shutil.copyfile(evil + "-wal", made + "/evil-wal")
    with open(f"{made}/evil-delete.db", "rb") as evil, open(f"{made}/evil-journal", "wb") as file:
        file.write(journal_of(evil.read()))
    make_unfinished(made)
    env = {**os.environ, "HOME": made, "GIT_CONFIG_NOSYSTEM": "1"}
    sh("git", "init", "-q", "-b", "main", made + "/repo")
    # a commit would leave it to a process of its own, which could have made any lock
    sh("git", "-C", made + "/repo", "config", "maintenance.auto", "false")
    shutil.rmtree(made + "/repo/.git/hooks")
    sh("git", "-C", made + "/repo", "-c", "user.name=T", "-c", "user.email=t@example.org", "commit",
       "-q", "--allow-empty", "-m", "first", env=env)
    # with what a first record leaves in .git/holdfast
    put(made + "/src", b"first\n", 0, 0)
    shutil.copyfile(made + "/wal.db", made + "/repo/x.db")
    put(made + "/.gitconfig", b"[user]\n\tname = T\n\temail = t@example.org\n", 0, 0)
    sh("atomic-record", "--sqlite", "repo/x.db", "--git", "repo", "-m", "m", "--write",
       "repo/g=src", cwd=made, env=env)
    for name in os.listdir(made + "/repo"):
        if name.startswith("x.db"):
            os.unlink(made + "/repo/" + name)


def make_unfinished(made):
    """A database with a record that was killed after its COMMIT."""
    put(made + "/secret", SECRET, 0, 0)
    fault = os.path.join(os.environ["HF_FAULT_BIN"], "atomic-record")
    for call in range(1, 60):
        for tail in ("", "-wal", "-shm", "-turnstile"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{made}/unfinished.db{tail}")
        shutil.rmtree(made + "/there", ignore_errors=True)
        os.mkdir(made + "/there")
        shutil.copyfile(made + "/wal.db", made + "/unfinished.db")
        subprocess.run((fault, "--sqlite", "unfinished.db", "--write", "there/f=secret"), cwd=made,
                       env={**os.environ, "HOLDFAST_FAULT": f"linkat#{call}:kill"},
                       capture_output=True, check=False)
        with contextlib.closing(sqlite3.connect(made + "/unfinished.db")) as db, \
                contextlib.suppress(sqlite3.OperationalError):
            rows = db.execute("SELECT id FROM holdfast_intent").fetchall()
            if rows:
                Cell.unfinished = rows[0][0]
                return
    sys.exit("hostile.py: no place found where a killed record is left unfinished")


# ---- the names of the page ---------------------------------------------------------------------

# Of the scene's own, or Git's.
OTHERS = re.compile(
    r"log|log~|f|g|to|link|L|D|x\.db|copy|app\.pid(\..*)?|src|d|"
    r"repo|\.git|HEAD|HEAD\.lock|config|config\.worktree|index|index\.lock\..*|info|logs|"
    r"packed-refs|commondir|gitdir|gc\.pid|sharedindex\..*|objects|pack|multi-pack-index|"
    r"replace|sparse-checkout|"
    r"[0-9a-f]{2}|[0-9a-f]{38}|refs|heads|tags|main|main\.lock|side|COMMIT_EDITMSG|shallow|"
    r"grafts|hooks|worktrees|modules|attributes|alternates|description|branches|reftable|"
    r"\.gitattributes|\.gitignore|\.gitmodules|MERGE_HEAD|REVERT_HEAD|CHERRY_PICK_HEAD|"
    r"BISECT_LOG|rebase-apply|rebase-merge|sequencer|master|FETCH_HEAD|\d-f|record|")
PLACES = {"DIRECTORY": r".+", "PID": r"\d+", "NAMESUFFIX": r".+~", "NAME": r".+", "DB": r".+",
          "REF": r".+", "ID": r"[0-9a-f]+", "XXXXXXXX": r"[0-9a-f]+", "WHAT": r"[a-z]+"}


def page_names(path):
    """A pattern for each name in the page's table, by its last component."""
    with open(path, encoding="utf-8") as page:
        names = re.findall(r"^\| `([^`]*)` \|", page.read(), re.MULTILINE)
    place = re.compile("|".join(PLACES))
    for name in names:
        name = name.rsplit("/", 1)[-1]
        yield re.compile(place.sub(lambda m: PLACES[m.group()],
                                   re.sub(r"[.~-]", r"\\\g<0>", name)) + "$")


def traced(tool, scene, base):
    """The names below the scene that a run of the tool uses, by their last component."""
    cell = Cell(tool, tool.names[0][0], PLANTS[0], scene, "root")
    cell.prepare_scene(base)
    trace = base + "/trace"
    command = tool.command(cell)
    tool.command = lambda _: ("strace", "-f", "-qq", "-o", trace, "-y", "-s", "4096",
                              "-e", "trace=%file", *command)
    cell.limit = 30
    status, _, err, _ = tool.run(cell)
    tool.finish(cell)
    if status:
        sys.exit(f"hostile.py: {tool.name}: {status}: {err.decode()}")
    # a directory's descriptor and a path, or a path alone
    place = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, |^\d+ +(?!execve)\w+\()"((?:[^"\\]|\\.)+)"')
    with open(trace, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            for dir_, path in place.findall(line):
                path = os.path.normpath(os.path.join(dir_ or cell.dir, path))
                if path.startswith(cell.dir + "/"):
                    yield os.path.basename(path)


def check_names(page):
    known = list(page_names(page))
    missing = {}
    for number, tool in enumerate(tools()):
        if hasattr(tool, "inner"):  # a keeper takes the same locks, and strace(1) would wait for it
            continue
        scene = SCENES[[s.name for s in SCENES].index(
            "repository of all" if tool.in_repository else "sticky")]
        for name in traced(tool, scene, f"/mnt/scene/{number}"):
            if not OTHERS.fullmatch(name) and not any(pattern.match(name) for pattern in known):
                missing.setdefault(name, tool.name)
    for name, tool in sorted(missing.items()):
        print(f"{name}: {tool}")
    return 1 if missing else 0
