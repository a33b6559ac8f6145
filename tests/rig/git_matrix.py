#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""git_matrix.py [-n CELLS] [-s SEED] [-c CELL] [-q] ATOMIC-RECORD

Compare a record with what `git add` and `git commit` do in the same place, over a matrix of
configuration sources, line ends, contents, filters, signing, sparse checkouts, object formats,
kinds of repository and operations. Every pair of values of any two dimensions occurs.

Prints a table, one line a cell: the values; "plain" (no git was run), "plumbing" with the number of
processes, or "refused"; and the difference, if there is one. The last line is the sum. Exits 1 if a
cell differs, if more than 5 % are refused by atomic-record alone, or if a record ran more than six
processes (with a split index, or in a repository of a group, where only Git writes objects, it may
run more).
"""

import argparse
import itertools
import json
import os
import random
import shlex
import shutil
import subprocess
import sys

SOURCES = ("local", "global", "xdg", "GLOBAL", "SYSTEM", "COUNT", "-c", "include", "gitdir",
           "onbranch", "hasconfig", "worktree")
DIMENSIONS = {
    "source": SOURCES,
    "ends": ("-", "autocrlf", "input", "auto", "auto-crlf", "text", "text-crlf", "binary",
             "eol-lf"),
    "content": ("lf", "crlf", "mixed", "nul", "empty"),
    "index": ("new", "lf", "crlf"),
    "filter": ("-", "clean", "fails", "ident", "utf16", "process", "undefined"),
    "sign": ("-", "ssh", "no-key", "off"),
    "sparse": ("-", "cone", "cone-out", "index", "index-out", "patterns", "skip"),
    "format": ("sha1", "sha256"),
    "kind": ("-", "linked", "split", "shared", "detached", "v4", "unborn", "replaced"),
    "op": ("write", "append", "remove"),
    "message": ("-", "verbatim", "strip", "encoding"),
}
CONTENTS = {"lf": b"one\ntwo\n", "crlf": b"one\r\ntwo\r\n", "mixed": b"one\r\ntwo\n",
            "nul": b"one\r\n\0two\r\n", "empty": b""}
TRACKED = {"lf": b"old\nline\n", "crlf": b"old\r\nline\r\n"}
MESSAGE = " m \n\n\n# comment\n\nbody  \n\n"
MOST_PROCESSES = 6


def valid(cell):
    """Leave out what cannot be set up."""
    if cell["kind"] == "unborn" and (cell["index"] != "new" or cell["sparse"] != "-"):
        return False
    if cell["kind"] == "linked" and cell["source"] == "worktree":
        return False
    if cell["sparse"].startswith("index") and cell["kind"] == "split":
        return False
    if cell["sparse"] == "skip" and cell["index"] == "new":
        return False
    return not (cell["op"] == "remove" and cell["index"] == "new")


def pairs_of(cell):
    return set(itertools.combinations(sorted(cell.items()), 2))


def cells(count, seed):
    """Cells with every pair of values that is valid, then random ones."""
    rng = random.Random(seed)
    names = list(DIMENSIONS)

    def any_cell(**fixed):
        while True:
            cell = {name: fixed.get(name) or rng.choice(DIMENSIONS[name]) for name in names}
            if valid(cell):
                return cell

    wanted = set()
    for one, two in itertools.combinations(sorted(names), 2):
        for a, b in itertools.product(DIMENSIONS[one], DIMENSIONS[two]):
            if any(valid({**any_cell(), one: a, two: b}) for _ in range(300)):
                wanted.add(((one, a), (two, b)))
    made = []
    while wanted:
        pair = min(wanted)
        best = max((any_cell(**dict(pair)) for _ in range(40)),
                   key=lambda cell: len(pairs_of(cell) & wanted))
        wanted -= pairs_of(best)
        made.append(best)
    # mostly what is plain
    while len(made) < count:
        cell = any_cell(**{name: rng.choice(("local", "global", "xdg")) if name == "source" else
                           values[0] for name, values in DIMENSIONS.items()
                           if rng.random() < 0.85})
        made.append(cell)
    return made


class World:
    """One cell: a home directory, and a repository in it that is made twice."""

    def __init__(self, top, cell, tool):
        self.top, self.cell, self.tool = top, cell, tool
        self.home = f"{top}/home"
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("GIT_", "XDG_"))}
        self.env.update(HOME=self.home, GIT_AUTHOR_DATE="1700000000 +0130",
                        GIT_COMMITTER_DATE="1700000001 +0000", LC_ALL="C")
        if cell["source"] != "SYSTEM":
            self.env["GIT_CONFIG_NOSYSTEM"] = "1"
        self.extra = {}
        self.prefix = ()
        self.path = "out/f" if cell["sparse"].endswith("-out") else "in/f"

    def git(self, *args, check=True, raw=False, env=None, cwd=None):
        done = subprocess.run(("git",) + args, cwd=cwd or self.repo, env=env or self.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        if check and done.returncode:
            raise RuntimeError(f"git {args}: {done.stderr.decode()}")
        return done if raw else done.stdout

    def put(self, name, data, mode="wb"):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, mode) as file:
            file.write(data)

    # ---- what the configuration and the attributes are

    def settings(self):
        cell = self.cell
        made = [("user.name", "M Atrix"), ("user.email", "matrix@example.org")]
        if cell["ends"] == "autocrlf":
            made.append(("core.autocrlf", "true"))
        elif cell["ends"] == "input":
            made.append(("core.autocrlf", "input"))
        elif cell["ends"] == "auto-crlf":
            made.append(("core.eol", "crlf"))
        if cell["filter"] in ("clean", "fails"):
            made.append(("filter.f.clean", "tr a-z A-Z" if cell["filter"] == "clean" else "false"))
            made.append(("filter.f.required", "true"))
        elif cell["filter"] == "process":
            made.append(("filter.f.process", f"{sys.executable} {self.top}/../filter"))
            made.append(("filter.f.required", "true"))
        if cell["sign"] in ("ssh", "no-key"):
            key = "key" if cell["sign"] == "ssh" else "none"
            made += [("commit.gpgSign", "true"), ("gpg.format", "ssh"),
                     ("user.signingKey", f"{self.top}/../{key}.pub")]
        elif cell["sign"] == "off":
            made.append(("commit.gpgSign", "false"))
        if cell["message"] == "encoding":
            made.append(("i18n.commitEncoding", "ISO-8859-1"))
        elif cell["message"] != "-":
            made.append(("commit.cleanup", cell["message"]))
        return made

    def attributes(self):
        ends = {"auto": "text=auto", "auto-crlf": "text=auto", "text": "text",
                "text-crlf": "text eol=crlf", "binary": "-text", "eol-lf": "eol=lf"}
        filters = {"clean": "filter=f", "fails": "filter=f", "process": "filter=f",
                   "undefined": "filter=none", "ident": "ident",
                   "utf16": "working-tree-encoding=UTF-16LE-BOM"}
        words = [ends.get(self.cell["ends"]), filters.get(self.cell["filter"])]
        return " ".join(word for word in words if word)

    def write_config(self, name, settings):
        for key, value in settings:
            self.git("config", "--file", name, "--add", key, value, cwd=self.top)

    def configure(self):
        """Put the settings where the cell wants them; another identity where Git must not look."""
        source, settings = self.cell["source"], self.settings()
        other = [("user.name", "Nobody"), ("user.email", "nobody@example.org")]
        file = f"{self.top}/settings"
        user = f"{self.home}/.gitconfig"
        if source not in ("global", "xdg", "SYSTEM"):
            self.write_config(user, other)
        if source == "local":
            for key, value in settings:
                self.git("config", key, value)
        elif source == "worktree":
            self.git("config", "extensions.worktreeConfig", "true")
            for key, value in settings:
                self.git("config", "--worktree", key, value)
        elif source == "global":
            self.write_config(user, settings)
        elif source == "xdg":
            os.makedirs(f"{self.home}/.config/git")
            self.write_config(f"{self.home}/.config/git/config", settings)
        elif source in ("GLOBAL", "SYSTEM"):
            self.write_config(file, settings)
            self.extra[f"GIT_CONFIG_{source}"] = file
        elif source == "COUNT":
            self.extra["GIT_CONFIG_COUNT"] = str(len(settings))
            for i, (key, value) in enumerate(settings):
                self.extra.update({f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value})
        elif source == "-c":
            self.prefix = tuple(itertools.chain.from_iterable(
                ("-c", f"{key}={value}") for key, value in settings))
        else:
            self.write_config(file, settings)
            self.git("config", "remote.origin.url", "https://work.example/x.git")
            key = {"include": "include.path", "gitdir": f"includeIf.gitdir:{self.top}/.path",
                   "onbranch": "includeIf.onbranch:main.path",
                   "hasconfig": "includeIf.hasconfig:remote.*.url:https://work.example/**.path"}
            self.write_config(user, [(key[source], file)])

    # ---- the repository

    def make(self):
        cell = self.cell
        shutil.rmtree(self.top, ignore_errors=True)
        os.makedirs(self.home)
        self.repo = f"{self.top}/r"
        self.git("init", "-q", "-b", "main", f"--object-format={cell['format']}", self.repo,
                 cwd=self.top)
        base = ("-c", "user.name=b", "-c", "user.email=b@example.org")
        words = self.attributes()
        if cell["kind"] != "unborn":
            self.put(f"{self.repo}/in/keep", b"keep\n")
            self.put(f"{self.repo}/out/keep", b"keep\n")
            if cell["index"] != "new":
                self.put(f"{self.repo}/{self.path}", TRACKED[cell["index"]])
            self.git("add", ".")
            self.git(*base, "commit", "-q", "-m", "base")
        if words:
            self.put(f"{self.repo}/.gitattributes", f"/{self.path} {words}\n".encode())
            self.git("add", ".gitattributes")
            self.git(*base, "commit", "-q", "-m", "attributes")
        self.shape(base)
        self.configure()
        # none of these looks at the files' times as they were before
        self.env.update(self.extra)

    def shape(self, base):
        kind, sparse = self.cell["kind"], self.cell["sparse"]
        if kind == "linked":
            self.git("checkout", "-q", "-b", "other")
            self.git("worktree", "add", "-q", f"{self.top}/linked", "main")
            self.repo = f"{self.top}/linked"
        elif kind == "split":
            self.git("update-index", "--split-index")
        elif kind == "shared":
            self.git("config", "core.sharedRepository", "group")
        elif kind == "detached":
            self.git("checkout", "-q", "--detach")
        elif kind == "replaced":
            self.git(*base, "commit", "-q", "--allow-empty", "-m", "other")
            self.git("replace", "HEAD", "HEAD~")
        elif kind == "v4":
            self.git("update-index", "--index-version", "4")
        if sparse.startswith(("cone", "index")):
            option = ("--sparse-index",) if sparse.startswith("index") else ()
            self.git("sparse-checkout", "set", "--cone", *option, "in")
        elif sparse == "patterns":
            self.git("sparse-checkout", "set", "--no-cone", "/in/", "/.gitattributes")
        elif sparse == "skip":
            self.git("update-index", "--skip-worktree", self.path)

    # ---- the two ways

    def content(self):
        data = CONTENTS[self.cell["content"]]
        if self.cell["filter"] == "utf16" and self.cell["op"] != "append":
            return data.decode().encode("utf-16")
        return data

    def by_git(self):
        file = f"{self.repo}/{self.path}"
        op = self.cell["op"]
        if op != "remove":
            self.put(file, self.content(), "ab" if op == "append" else "wb")
        elif os.path.exists(file):
            os.unlink(file)
        done = self.git(*self.prefix, "add", "--", self.path, check=False, raw=True)
        if not done.returncode:
            done = self.git(*self.prefix, "commit", "-q", "-m", MESSAGE, check=False, raw=True)
        return done.returncode, done.stderr.decode(errors="replace")

    def by_tool(self):
        self.put(f"{self.top}/src", self.content())
        trace = f"{self.top}/trace"
        os.makedirs(trace)
        env = {**self.env, "GIT_TRACE2_EVENT": trace}
        args = [self.tool, "-q", "--sqlite", f"{self.top}/l.db", "--git", ".", "-m", MESSAGE,
                "--parents", "--allow-empty", f"--{self.cell['op']}", self.path]
        if self.cell["op"] != "remove":
            args[-1] += f"={self.top}/src"
        if self.prefix:
            alias = "!exec " + shlex.join(args)
            args = ["git", *self.prefix, "-c", f"alias.rec={alias}", "rec"]
        done = subprocess.run(args, cwd=self.repo, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return done.returncode, done.stderr.decode(errors="replace"), self.count(trace)

    def count(self, trace):
        """The git processes that the tool itself has started."""
        depth = 1 if self.prefix else 0
        number = 0
        for name in os.listdir(trace):
            with open(f"{trace}/{name}", encoding="utf-8", errors="replace") as file:
                number += json.loads(file.readline())["sid"].count("/") == depth
        return number

    def result(self):
        """All that must be equal."""
        show = self.git("cat-file", "commit", "HEAD")
        head, _, message = show.partition(b"\n\n")
        lines, skip = [], False
        for line in head.split(b"\n"):
            skip = line.startswith(b"gpgsig") or (skip and line.startswith(b" "))
            if not skip:
                lines.append(line)
        if b"\n\nHoldfast-Record: " in message:
            message = message[:message.rindex(b"\nHoldfast-Record: ")]
        signers = f"gpg.ssh.allowedSignersFile={self.top}/../signers"
        key = self.git("-c", "gpg.format=ssh", "-c", signers, "log", "-1", "--format=%G? %GF")
        status = self.git(*self.prefix, "status", "--porcelain=v2")
        entry = self.git("ls-files", "-s", "-v", "--", self.path)
        return {"commit": b"\n".join(lines), "message": message, "key": key, "status": status,
                "entry": entry, "branch": self.git("symbolic-ref", "-q", "HEAD", check=False),
                "fsck": self.git("fsck", "--strict", "--no-dangling", raw=True,
                                 check=False).returncode}


def compare(top, cell, tool):
    """The way, the number of processes, and the difference."""
    world = World(top, cell, tool)
    world.make()
    status, words = world.by_git()
    theirs = world.result() if not status else None
    world = World(top, cell, tool)
    world.make()
    before = world.git("rev-parse", "-q", "--verify", "HEAD", check=False)
    ours, said, number = world.by_tool()
    way = "refused" if ours else "plumbing" if number else "plain"
    if ours:
        after = world.git("rev-parse", "-q", "--verify", "HEAD", check=False)
        if before != after:
            return way, number, f"refused, but HEAD has moved: {said}"
        if status:
            return way, number, ""
        return "alone", number, said.split("\n")[0]
    if status:
        return way, number, f"git refuses: {words.strip()}"
    result = world.result()
    names = [name for name in result if result[name] != theirs[name]]
    return way, number, "; ".join(f"{name}: {result[name]!r}, with git {theirs[name]!r}"
                                  for name in names)


FILTER = '''import sys
def read():
    size = sys.stdin.buffer.read(4)
    if not size:
        sys.exit(0)
    size = int(size, 16)
    return sys.stdin.buffer.read(size - 4) if size else None
def read_all():
    parts = []
    while (part := read()) is not None:
        parts.append(part)
    return parts
def write(*parts):
    for part in parts:
        sys.stdout.buffer.write(b"%04x" % (len(part) + 4) + part)
    sys.stdout.buffer.write(b"0000")
    sys.stdout.buffer.flush()
read_all()
write(b"git-filter-server\\n", b"version=2\\n")
read_all()
write(b"capability=clean\\n")
while True:
    read_all()
    data = b"".join(read_all()).swapcase()
    write(b"status=success\\n")
    write(*([data] if data else []))
    write()
'''


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=330)
    parser.add_argument("-s", type=int, default=1)
    parser.add_argument("-c", type=int, default=None)
    parser.add_argument("-q", action="store_true")
    parser.add_argument("tool")
    args = parser.parse_args()
    top = os.path.realpath("matrix")
    os.makedirs(top)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "k", "-f", f"{top}/key"],
                   check=True)
    with open(f"{top}/key.pub", encoding="utf-8") as key, \
            open(f"{top}/signers", "w", encoding="utf-8") as signers:
        signers.write("* " + key.read())
    with open(f"{top}/filter", "w", encoding="utf-8") as file:
        file.write(FILTER)
    made = cells(args.n, args.s)
    sums, wrong, many = {}, 0, 0
    for number, cell in enumerate(made):
        if args.c is not None and number != args.c:
            continue
        way, processes, difference = compare(f"{top}/cell", cell, args.tool)
        sums[way] = sums.get(way, 0) + 1
        bad = difference and way != "alone"
        # a split index is read by git, and where only Git may write objects, it does
        over = (processes > MOST_PROCESSES and cell["kind"] not in ("shared", "split") and
                "HOLDFAST_WITHOUT" not in os.environ)
        wrong += bool(bad)
        many += over
        if not args.q or bad or over or way == "alone":
            print(f"{number:3} {' '.join(cell.values())}: {way} {processes}"
                  f"{' DIFFERS: ' if bad else ' ' if difference else ''}{difference}")
    total = sum(sums.values())
    print(f"{total} cells: " + ", ".join(f"{sums[way]} {way}" for way in sorted(sums)) +
          f"; {wrong} differ, {many} ran more than {MOST_PROCESSES} processes")
    sys.exit(wrong > 0 or many > 0 or sums.get("alone", 0) * 20 > total)


if __name__ == "__main__":
    main()
