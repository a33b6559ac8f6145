# SPDX-License-Identifier: ISC
"""What rigs in Python share: a disk whose power can be cut, and a tool that is stopped there."""

import os
import re
import signal
import subprocess
import time

ENV = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null",
           GIT_AUTHOR_DATE="1700000000 +0000", GIT_COMMITTER_DATE="1700000000 +0000")


class Wrong(Exception):
    """What must hold does not."""


def run(*argv, cwd, ok=True):
    done = subprocess.run(argv, cwd=cwd, env=ENV, capture_output=True, check=False)
    if ok and done.returncode:
        said = done.stderr.decode() + done.stdout.decode()
        raise Wrong(f"{' '.join(argv)}: {done.returncode}: {said}")
    return done.stdout.decode(errors="replace")


def count_calls(argv, cwd, log, feed=b""):
    """Names and counts of the system calls of an undisturbed run."""
    done = subprocess.run(["strace", "-f", "-qq", "-o", log, *argv], cwd=cwd, env=ENV, input=feed,
                          capture_output=True, check=False)
    if done.returncode:
        raise Wrong(f"{' '.join(argv)}: {done.returncode}: {done.stderr.decode()}")
    counts = {}
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            call = re.match(r"\d+ +([a-z0-9_]+)\(", line)
            if call:
                counts[call.group(1)] = counts.get(call.group(1), 0) + 1
    return counts


class Disk:
    """A file system in an image, whose power can be cut (tests/rig/disk.h: "copy")."""

    OPTIONS = {"ext4": ["-q", "-F"], "xfs": ["-q", "-f"], "btrfs": ["-q", "-f"]}

    def __init__(self, here, kind):
        self.kind, self.root = kind, f"{here}/root"
        self.image, self.spare, self.kept = (f"{here}/{name}.img" for name in "abc")
        os.mkdir(self.root)
        with open(self.image, "wb") as file:
            file.truncate(400 << 20)
        run(f"mkfs.{kind}", *self.OPTIONS[kind], self.image, cwd=here)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop", self.image, self.root, cwd="/")

    def unmount(self):
        run("umount", self.root, cwd="/")

    @staticmethod
    def copy(source, target):
        run("cp", "--sparse=always", source, target, cwd="/")

    def keep(self):
        self.unmount()
        self.copy(self.image, self.kept)
        self.mount()

    def restore(self):
        self.unmount()
        self.copy(self.kept, self.image)
        self.mount()

    def cut(self):
        self.copy(self.image, self.spare)

    def back(self):
        self.unmount()
        os.rename(self.spare, self.image)
        self.mount()

    def cut_at(self, name, n, argv, cwd, log, feed=b"", skip=()):
        """Run to the n-th call of this name, cut the power there: -1, or the exit status if it came
        to its end, and what was printed. The calls of skip are not made, and seem to succeed."""
        wrapper = ["strace", "-f", "-qq", "-o", log, "-e", ",".join(["trace=" + name, *skip]),
                   "-e", f"inject={name}:signal=STOP:when={n}"]
        if skip:
            wrapper += ["-e", f"inject={','.join(skip)}:retval=0"]
        with open(log, "w", encoding="utf-8"):
            pass
        with subprocess.Popen(wrapper + argv, cwd=cwd, env=ENV, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              start_new_session=True) as process:
            process.stdin.write(feed)
            process.stdin.close()
            process.stdin = None
            stopped = ""
            while process.poll() is None and not stopped:
                time.sleep(0.005)
                with open(log, encoding="utf-8", errors="replace") as file:
                    stopped = re.search(r"^(\d+) .*stopped by SIGSTOP", file.read(), re.M)
            self.cut()
            if stopped:
                os.kill(int(stopped.group(1)), signal.SIGKILL)
            out, said = process.communicate()
        self.back()
        return (-1 if stopped else process.returncode, out.decode(errors="replace"),
                said.decode(errors="replace").strip())
