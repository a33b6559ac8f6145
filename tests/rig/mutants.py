#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mutants.py [-n N] [-s SEED] [-m GLOB,...] [-k KIND,...] [-t SECONDS] [-l]
           BUILD [VARIABLE=VALUE...]

Changes the sources of lib/ at N random places, one place at a time, runs the tests that belong to
the changed module, and prints which test fails, or that the mutant survived; then the score.

    -n N          the number of mutants (60)
    -s SEED       the seed of the sample; without it a random one, which is printed
    -m GLOB,...   only modules whose name matches ("lock_*,dot_*")
    -k KIND,...   only these kinds of mutation
    -t SECONDS    leave out a module's slower tests where all of them take longer (240)
    -l            list the sample with the tests of each mutant, and run nothing
    BUILD         the build directory; the tree is copied to BUILD/mutants and built there
    VARIABLE=...  variables for make, such as CC='ccache gcc'

A module is chosen first, each with the same weight, then a kind of mutation, then a place. A mutant
that does not compile, or compiles to the same code, is replaced by another one. A mutant that a
line of mutants.equivalent describes is listed with the reason, and does not count.

The tests of a module are its unit test, or the unit tests and the bats files that TESTS names, the
quickest first. Each runs unmutated before it judges a mutant: a test that fails then never catches
anything, and is named. A bats test that fails with a mutant is run a second time, alone, and
catches the mutant only if it fails again.

A mutant may hang and leave processes: tests/run ends what names its directory, and this script
adopts and ends every other descendant. Arguments of kill(2) are not mutated.

Exits 0 if at least 85 % are caught.
"""

import ctypes
import fnmatch
import glob
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PASS_MARK = 85
PR_SET_CHILD_SUBREAPER = 36
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))

# Sources that only adapt other libraries.
NOT_MUTATED = ("lib/port/*",)

# The tests of a module whose name matches: unit tests by their module's name, and bats files. The
# first row that matches holds. A module's own unit test comes first without being named.
TESTS = (
    ("spool/*|append/*|base/side_file|base/file_id|base/access", "append append_recovery "
     "spool_owner tempfile side_file file_id access", "atomic-append trust faults-append"),
    ("atomic/*|base/tempfile|base/attributes|base/capture|base/copy", "atomic tempfile publish "
     "target_check symlink", "atomic-write atomic-update atomic-append "
     "faults-write"),
    ("cli/stdin_replay|cli/atomic_cli", "stdin_replay atomic_cli",
     "atomic-write atomic-update lock-retry"),
    ("lock/dot*", "dotlock lock_owner", "lock-dot lock-break lock-keeper faults-lock"),
    ("stale/*|status/*|probe/file_users|base/process_id|wait/file_watch|cli/live_view|"
     "cli/status_cli", "evidence status_file dotlock git_evidence",
     "lock-break lock-status lock-dot lock-git"),
    ("keeper/*|keeperd/*|wait/deadlock|wait/ancestor_locks|wait/interrupt",
     "keeper_start keeper_client keeper_list deadlock ancestor_locks", "lock-keeper lock-circle"),
    ("wait/*|probe/proc_locks|probe/lock_table", "lock_wait proc_locks deadlock lock_table",
     "lock-run lock-signals lock-circle lock-keeper"),
    ("lock/lock|lock/lock_file|lock/lock_range|lock/lock_slots|lock/lockset*|base/fd",
     "lock lock_file lock_range lock_slots lockset fd keeper_start",
     "lock-run lock-sets lock-keeper flock lock-git faults-lock"),
    ("gitlock/*|lock/lock_git", "git_evidence gitdir lockset", "lock-git lock-break lock-sets"),
    ("lock/*|probe/sqlite_*", "lockset sqlite_locks sqlite_live store",
     "lock-sqlite lock-sets lock-git lock-keeper trust-db"),
    ("cli/flock_*|cli/lock_cli|base/spawn|base/proc|base/stats_log|cli/stats_*|cli/json",
     "flock_options spawn stats_log stats_report json proc",
     "lock-run flock lock-signals lock-status lock-keeper"),
    ("store/lease", "lease", "sqlite-lease"),
    ("store/queue|store/worker|cli/queue_cli", "queue worker", "sqlite-queue"),
    ("store/once*", "once", "sqlite-once"),
    ("sqlite/snapshot", "backup db_check", "sqlite-backup"),
    ("sqlite/db_check", "db_check", "sqlite-check"),
    ("sqlite/*|store/*|cli/store_cli", "db connection store row_format held_output",
     "sqlite-run sqlite-backup sqlite-queue trust-db"),
    ("git/*", "repo git_cli_backend sync_batch index_check index_read", "atomic-record"),
    ("record/*|cli/record_cli", "intent repo",
     "record-appends record-beside atomic-record faults-record"),
    ("*", "clock path proc fd getopt_glibc cli", "lock-run atomic-write"),
)

# With a mutant, a test may take so many times as long as without it, and so many seconds at least.
TIME_FACTOR, MIN_TIME = 3, 20


# ---- the mutations ------------------------------------------------------------------------------

def mask(text):
    """The text with comments, strings and preprocessor lines blanked, each of the same length."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|"
                  r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.S | re.M)


def closing(code, at):
    """The index after the bracket that closes the one at `at`; -1 if there is none."""
    depth = 0
    for i in range(at, len(code)):
        if code[i] == "(":
            depth += 1
        elif code[i] == ")":
            depth -= 1
            if depth == 0:
                return i + 1
    return -1


def calls(code, pattern):
    """(start, end) of every call of a function whose name matches."""
    for match in re.finditer(r"(?<![\w.>])(" + pattern + r")\(", code):
        end = closing(code, match.end() - 1)
        if end > 0:
            yield match.start(), end


def in_function(code, at):
    """Only code inside of a function is changed: the last line in column 0 opens one."""
    start = code.rfind("\n{\n", 0, at)
    return start >= 0 and code.rfind("\n}", 0, at) <= start


STATUSES = {"HF_OK": "HF_NO", "HF_NO": "HF_OK", "HF_BUSY": "HF_OK", "true": "false",
            "false": "true", "0": "-1", "-1": "0", "NULL": None}
SWAPS = {"==": "!=", "!=": "==", "<": "<=", ">": ">=", "<=": "<", ">=": ">"}
# Failures of these change nothing that can be tested.
HARMLESS = r"sys_close|close|fclose|free|closedir|va_end|va_start|hf_advise|memset|" \
    r"pthread_\w+_destroy|pthread_condattr_\w+"


def places(text):
    """Every mutation of a source, as kind -> list of (start, end, replacement)."""
    code = mask(text)
    found = {}

    def add(kind, start, end, new):
        line = code[code.rfind("\n", 0, start) + 1:code.find("\n", start)]
        if new is not None and in_function(code, start) and not re.search(r"\bkill\(", line):
            found.setdefault(kind, []).append((start, end, new))

    for match in re.finditer(r"\b(?:if|while) \(", code):
        end = closing(code, match.end() - 1)
        if end > 0:
            add("negate", match.end(), end - 1, f"!({text[match.end():end - 1]})")
    for match in re.finditer(r" (==|!=|<=|>=|<|>) ", code):
        add("compare", match.start(1), match.end(1), SWAPS[match.group(1)])
    for match in re.finditer(r" (&&|\|\|)(?=\s)", code):
        add("logic", match.start(1), match.end(1), "||" if match.group(1) == "&&" else "&&")
    for match in re.finditer(r"\b(?:return|status =|\?|:) (HF_OK|HF_NO|HF_BUSY|true|false|0|-1);",
                             code):
        add("status", match.start(1), match.end(1), STATUSES[match.group(1)])
    # a call whose result is ignored
    for start, end in calls(code, r"[a-z]\w+"):
        line = code[code.rfind("\n", 0, start) + 1:start]
        if re.fullmatch(r"\t+(?:\(void\)!?)?", line) and code[end:end + 1] == ";" and \
                not re.match(HARMLESS + r"\b", code[start:end]):
            add("drop call", start - len(line.lstrip("\t")), end, "(void)0")
    # a call that is left out, and taken to have succeeded
    for start, end in calls(code, r"(?:sys|hf)_\w+|[a-z]\w+"):
        after = re.match(r" (< 0|!= HF_OK|== HF_OK|== 0|!= 0|>= 0)", code[end:])
        if after and not re.match(HARMLESS + r"\b", code[start:end]):
            add("skip call", start, end + after.end(),
                "true" if after.group(1) in ("== HF_OK", "== 0", ">= 0") else "false")
    for start, end in calls(code, r"sys_fsync|sys_fdatasync|sys_syncfs|sys_sync_file_range|"
                            r"hf_\w*sync\w*"):
        add("sync", start, end, "0")
    for start, end in calls(code, r"hf_same_inode|hf_names_inode"):
        add("recheck", start, end, "true")
    for start, end in calls(code, r"hf_\w*recheck\w*"):
        add("recheck", start, end, "HF_OK")
    # a part of a condition: the proof is not asked for
    for match in re.finditer(r" (?:&&|\|\|)\s+(!?[a-z]\w*(?:->\w+|\.\w+)*)(\()?", code):
        end = closing(code, match.end(1)) if match.group(2) else match.end(1)
        if end > 0 and re.match(r"\)|;|\s*(?:&&|\|\|)", code[end:]):
            add("drop part", match.start(), end, "")
    for match in re.finditer(r" \| (~?[A-Z][A-Z0-9_]+)\b", code):
        add("drop flag", match.start(), match.end(), "")
    for match in re.finditer(r" [+-] 1\b(?!\.)", code):
        add("off by one", match.start(), match.end(), "")
    for match in re.finditer(r"(?<=[ (\[])([0-9]+)(?=[;),\] ])", code):
        add("off by one", match.start(), match.end(), str(int(match.group(1)) + 1))
    return found


class Mutant:
    def __init__(self, path, text, kind, place):
        self.path, self.kind = path, kind
        self.module = os.path.basename(path)[:-2]
        start, end, new = place
        self.text = text[:start] + new + text[end:]
        self.line = text.count("\n", 0, start) + 1
        first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        whole = text[first:last]
        self.old = " ".join(whole.split())
        self.new = " ".join((text[first:start] + new + text[end:last]).split())
        self.key = (path, start, end, new)

    def __str__(self):
        return f"{self.path}:{self.line}: {self.kind}: {self.old}  →  {self.new}"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def sources(top, globs):
    """module path -> text, of everything below lib/ that is ours."""
    found = {}
    for path in sorted(glob.glob("lib/**/*.c", root_dir=top, recursive=True)):
        name = os.path.basename(path)[:-2]
        if not any(fnmatch.fnmatch(path, no) for no in NOT_MUTATED) and \
                any(fnmatch.fnmatch(name, g) or fnmatch.fnmatch(path[len("lib/"):-2], g)
                    for g in globs):
            found[path] = read(f"{top}/{path}")
    return found


def sample(texts, kinds, chance):
    """Mutants without end, none twice; None when there are no more."""
    pool = {}
    for path, text in texts.items():
        pool[path] = {kind: at for kind, at in places(text).items() if not kinds or kind in kinds}
    while True:
        pool = {path: left for path, left in pool.items() if left}
        if not pool:
            return
        path = chance.choice(sorted(pool))
        kind = chance.choice(sorted(pool[path]))
        at = pool[path][kind]
        place = at.pop(chance.randrange(len(at)))
        if not at:
            del pool[path][kind]
        yield Mutant(path, texts[path], kind, place)


def equivalents():
    """Lines "MODULE :: PATTERN :: REASON"; the pattern is searched in "KIND: OLD  →  NEW"."""
    rules = []
    for line in read(f"{HERE}/mutants.equivalent").split("\n"):
        if line and not line.startswith("#"):
            module, pattern, reason = line.split(" :: ")
            rules.append((module, re.compile(pattern), reason))
    return rules


def why_equivalent(mutant, rules):
    shown = f"{mutant.kind}: {mutant.old}  →  {mutant.new}"
    for module, pattern, reason in rules:
        if fnmatch.fnmatch(mutant.module, module) and pattern.search(shown):
            return reason
    return None


# ---- building -----------------------------------------------------------------------------------

class Tree:
    """The copy that is changed and built."""

    def __init__(self, build, variables):
        self.top, self.variables = f"{build}/mutants/tree", variables
        self.build = f"{self.top}/build"
        os.makedirs(self.top, exist_ok=True)
        self.copy()
        self.units = {}
        for word in self.make("-s", "print-UNIT_TESTS")[1].split():
            self.units[os.path.basename(word)[len("test_"):]] = word

    def copy(self):
        """What Git knows, and what is new; only what differs is written, for make's sake."""
        names = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=TOP,
                               check=True, capture_output=True).stdout.decode().split("\0")
        names = {name for name in names if name and os.path.isfile(f"{TOP}/{name}")}
        for name in names:
            old, new = f"{TOP}/{name}", f"{self.top}/{name}"
            with open(old, "rb") as file:
                content = file.read()
            try:
                with open(new, "rb") as file:
                    same = file.read() == content
            except OSError:
                same = False
            if not same:
                os.makedirs(os.path.dirname(new), exist_ok=True)
                with open(new, "wb") as file:
                    file.write(content)
            shutil.copymode(old, new)
        for at, dirs, files in os.walk(self.top):
            if at == self.top and "build" in dirs:
                dirs.remove("build")
            for name in files:
                path = os.path.relpath(f"{at}/{name}", self.top)
                if path not in names:
                    os.unlink(f"{self.top}/{path}")
        # the tests want a repository around them
        if not os.path.exists(f"{self.top}/.git"):
            subprocess.run(["git", "init", "-q"], cwd=self.top, check=True)

    def make(self, *words):
        """(it succeeded, what it said)."""
        env = {key: value for key, value in os.environ.items()
               if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "BUILD")}
        done = subprocess.run(["make", f"-j{os.cpu_count()}", "WERROR=", *self.variables,
                               f"BUILD={self.build}", *words],
                              cwd=self.top, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
        return done.returncode == 0, done.stdout.decode(errors="replace")

    def make_for(self, tests):
        """Build what the tests run."""
        units = " ".join(self.units[test.name] for test in tests if test.kind == "unit")
        done = True, ""
        if units:
            done = self.make("asan", f"UNIT_TESTS={units}", "CORE_TOOLS=", "DB_TOOLS=",
                             "REPO_TOOLS=", "TOOLS=")
        for goals, wanted in (("tools scripts", any(test.kind == "bats" for test in tests)),
                              ("fault", any(test.needs_fault for test in tests)),
                              ("rigs", any(test.needs_rigs for test in tests))):
            if done[0] and wanted:
                done = self.make(*goals.split())
        return done

    def unit_program(self, name):
        return glob.glob(f"{self.build}/asan/unit/**/test_{name}", recursive=True)[0]

    def object_hash(self, path):
        """Of the compiled module, without what names its lines."""
        target = f"{self.build}/plain/{path[:-2]}.o"
        done = self.make("-s", "BUILD=" + f"{self.build}/plain", "VARIANT=-g0 -DNDEBUG",
                         f"{self.build}/plain/pic/{path[:-2]}.o")
        if not done[0]:
            return None
        with open(target.replace("/plain/", "/plain/pic/"), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()


# ---- running ------------------------------------------------------------------------------------

class Test:
    """A unit test or a bats file, and what it does without a mutation."""

    def __init__(self, kind, name, tree):
        self.kind, self.name, self.tree = kind, name, tree
        self.seconds = None     # without a mutation
        self.failing = set()    # titles that fail without one
        self.unusable = None    # why it judges nothing
        self.needs_fault = self.needs_rigs = False
        if kind == "bats":
            text = read(f"{tree.top}/tests/{name}.bats")
            for loaded in re.findall(r"^load (\S+)", text, re.M):
                text += read(f"{tree.top}/tests/{loaded}.bash")
            self.needs_fault = "HF_FAULT_BIN" in text or "rig/" in text
            self.needs_rigs = "HF_RIG" in text or "faultloop" in text or "powercut" in text

    def __str__(self):
        return f"test_{self.name}" if self.kind == "unit" else f"{self.name}.bats"

    def path(self):
        if self.kind == "unit":
            return self.tree.unit_program(self.name)
        return f"{self.tree.top}/tests/{self.name}.bats"


class Run:
    def __init__(self, tree, build, most_seconds):
        self.tree, self.scratch = tree, f"{build}/mutants/tmp"
        self.most_seconds, self.slow = most_seconds, set()
        self.tests = {}
        # what loses its parent becomes this process's child
        if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            sys.exit("cannot adopt orphans")
        # bats has no option to end at the first failure, and tests/run none for a single test
        self.shim = f"{build}/mutants/bin"
        os.makedirs(self.shim, exist_ok=True)
        write(f"{self.shim}/bats", "#!/bin/sh\n"
              f"exec '{shutil.which('bats') or 'bats'}' ${{MUTANTS_FILTER:+-f \"$MUTANTS_FILTER\"}}"
              ' "$@"\n')
        os.chmod(f"{self.shim}/bats", 0o755)

    def execute(self, test, limit, only=None):
        """Run a test to its first new failure. Returns (titles that failed, why it broke off)."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.scratch)
        env = dict(os.environ, BUILD=self.tree.build, TMPDIR=tempfile.mkdtemp(prefix="hfm."),
                   PATH=f"{self.shim}:{os.environ['PATH']}")
        if only:
            env["MUTANTS_FILTER"] = "^" + re.sub(r"([^\w -])", r"\\\1", only) + "$"
        said = f"{self.scratch}/said"
        with open(said, "wb") as out:
            process = subprocess.Popen(
                [f"{self.tree.top}/tests/run", "-j1", "-t", str(int(limit)), test.path()],
                cwd=self.tree.top, env=env, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True)
        end, reason = time.monotonic() + limit + 30, None
        try:
            over = False
            while not over:
                try:
                    process.wait(0.1)
                    over = True
                except subprocess.TimeoutExpired:
                    reap(process.pid)
                failed = self.titles(env["TMPDIR"], said)
                if failed - test.failing:
                    break
                if time.monotonic() > end:
                    reason = "ran over its time"
                    break
        finally:
            self.end(process)
            self.remove(env["TMPDIR"])
        if over:
            match = re.search(r"^FAIL.*\n     ((?:ran over its time|printed no plan|planned|exit "
                              r"status).*)", read_lossy(said), re.M)
            reason = match and match.group(1)
        return failed, reason

    def titles(self, tmp, said):
        failed = set()
        for path in glob.glob(f"{tmp}/holdfast-tests.*/*.out") + [said]:
            for title in re.findall(r"^ *not ok \d+ (?:- )?(.*)", read_lossy(path), re.M):
                failed.add(re.sub(r" in \d+ms$", "", title.strip()))
        return failed

    def end(self, process):
        """This run's own processes: what tests/run sweeps, and then every descendant."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        while left := descendants():
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass
            time.sleep(0.01)

    def remove(self, directory):
        subprocess.run(["chattr", "-R", "-i", "-a", directory], capture_output=True, check=False)
        shutil.rmtree(directory, ignore_errors=True)

    def test(self, kind, name):
        key = (kind, name)
        if key not in self.tests:
            self.tests[key] = Test(kind, name, self.tree)
        return self.tests[key]

    def tests_of(self, module):
        """In the order in which they run: the module's own, other unit tests, bats files."""
        place = glob.glob(f"*/{module}.c", root_dir=f"{self.tree.top}/lib")[0][:-2]
        for pattern, units, files in TESTS:
            if any(fnmatch.fnmatch(place, p) for p in pattern.split("|")):
                break
        names = [module] + units.split()
        units = [self.test("unit", name) for name in dict.fromkeys(names)
                 if name in self.tree.units]
        files = [self.test("bats", name) for name in files.split()
                 if os.path.exists(f"{self.tree.top}/tests/{name}.bats")]
        return units, files

    def measure(self, test):
        """Once, unmutated."""
        if test.seconds is not None:
            return
        built, said = self.tree.make_for([test])
        if not built:
            sys.exit(f"the tree does not build without a mutation:\n{said[-3000:]}")
        start = time.monotonic()
        failed, reason = self.execute_all(test)
        test.seconds = time.monotonic() - start
        if os.environ.get("V"):
            print(f"{test}: {test.seconds:.1f} s without a mutation", flush=True)
        test.failing = failed
        if reason:
            test.unusable = reason
            print(f"left out: {test}: without a mutation: {reason}", flush=True)
        for title in sorted(failed):
            print(f"left out: {test}: fails without a mutation: {title}", flush=True)

    def say_once(self, line):
        if line not in self.slow:
            print(line, flush=True)
        self.slow.add(line)

    def execute_all(self, test):
        """As execute(), to the end."""
        everything = Everything()
        before, test.failing = test.failing, everything
        failed, reason = self.execute(test, 900)
        test.failing = before
        return failed, reason

    def judge(self, mutant):
        """("test", what caught it), ("compiler", what it said), or (None, None)."""
        units, files = self.tests_of(mutant.module)
        for test in units:
            self.measure(test)
        how, by = self.try_tests(mutant, [test for test in units if not test.unusable])
        if how:
            return how, by
        for test in files:
            self.measure(test)
        files.sort(key=lambda test: test.seconds)
        left = self.most_seconds - sum(test.seconds for test in units)
        for test in list(files):
            left -= test.seconds
            if left < 0:
                files.remove(test)
                self.say_once(f"left out: {test}: takes {test.seconds:.0f} s (-t)")
        return self.try_tests(mutant, [test for test in files if not test.unusable])

    def try_tests(self, mutant, tests):
        path = f"{self.tree.top}/{mutant.path}"
        original = read(path)
        try:
            write(path, mutant.text)
            for test in tests:
                # the unit tests together, since linking them takes longer than running them
                built, said = self.tree.make_for(tests if test.kind == "unit" else [test])
                if not built:
                    return "compiler", said
                by = self.try_test(test)
                if by:
                    return "test", by
            return None, None
        finally:
            write(path, original)

    def try_test(self, test):
        """What of it fails now, and only now; None: nothing."""
        limit = max(MIN_TIME, TIME_FACTOR * test.seconds)
        failed, reason = self.execute(test, limit)
        for title in sorted(failed - test.failing):
            if test.kind == "bats":
                again, reason = self.execute(test, limit, only=title)
                if not again and not reason:
                    print(f"  failed once only: {test}: {title}", flush=True)
                    continue
            return f"{test}: {title}"
        return f"{test}: {reason}" if reason else None


class Everything(set):
    """A set that has everything."""

    def __rsub__(self, other):
        return set()


def reap(but):
    """Take the status of adopted children that have ended, and leave that of one."""
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if not ended or ended.si_pid == but:
            return
        os.waitpid(ended.si_pid, 0)


def descendants():
    """The processes below this one, zombies among them."""
    parents = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        text = read_lossy(stat)
        if text:
            parents[int(text.split()[0])] = int(text[text.rindex(")") + 2:].split()[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def read_lossy(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def main():
    words, variables, options = sys.argv[1:], [], {"n": "60", "s": "", "m": "", "k": "",
                                              "t": "240"}
    listing = False
    while words and words[0].startswith("-"):
        option = words.pop(0)[1:]
        if option == "l":
            listing = True
        elif option in options and words:
            options[option] = words.pop(0)
        else:
            sys.exit(__doc__)
    if not words:
        sys.exit(__doc__)
    build, variables = os.path.abspath(words[0]), words[1:]
    wanted = int(options["n"])
    seed = options["s"] or str(random.SystemRandom().randrange(10 ** 6))
    texts = sources(TOP, options["m"].split(",") if options["m"] else ["*"])
    kinds = options["k"].split(",") if options["k"] else None
    rules = equivalents()
    tree = Tree(build, variables)
    run = Run(tree, build, float(options["t"]))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    print(f"SEED={seed}: {wanted} mutants of {len(texts)} modules", flush=True)

    caught, survivors, equal, count, hashes = 0, [], [], 0, {}
    for mutant in sample(texts, kinds, random.Random(seed)):
        if count == wanted:
            break
        reason = why_equivalent(mutant, rules)
        if reason:
            equal.append((mutant, reason))
            print(f"equivalent: {mutant}: {reason}", flush=True)
            continue
        if listing:
            count += 1
            units, files = run.tests_of(mutant.module)
            print(f"{mutant}\n    {' '.join(map(str, units + files))}")
            continue
        path = f"{tree.top}/{mutant.path}"
        if mutant.path not in hashes:
            hashes[mutant.path] = tree.object_hash(mutant.path)
        plain = hashes[mutant.path]
        write(path, mutant.text)
        changed = tree.object_hash(mutant.path)
        write(path, texts[mutant.path])
        if changed is None or changed == plain:
            continue
        how, by = run.judge(mutant)
        if how == "compiler":
            continue
        count += 1
        if how:
            caught += 1
            print(f"{count}: {mutant}\n    caught by {by}", flush=True)
        else:
            survivors.append(mutant)
            print(f"{count}: SURVIVED {mutant}", flush=True)
    if listing or not count:
        return
    print(f"SEED={seed}: {caught} of {count} caught, {100 * caught // count} %; "
          f"{len(equal)} equivalent")
    for mutant in survivors:
        print(f"SURVIVED {mutant}")
    sys.exit(100 * caught < PASS_MARK * count)


main()
