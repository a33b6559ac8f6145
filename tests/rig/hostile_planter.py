# SPDX-License-Identifier: ISC
"""The planter: a process of another user, which puts things beside a target by that user's own
rights, keeps them locked, open or listening, and notes what it could read. hostile.py has the rest.
"""

import contextlib
import ctypes
import fcntl
import itertools
import os
import pickle
import select
import socket
import stat
import struct
import threading
import time

SPOOL_HEAD = "<8sIIQQQIIQQIIQQIIiIQ"  # and a checksum
SPOOL_FRAME = "<IIQ"
OPEN, CLOSED, PREPARED, IN_PLACE, DONE, ABANDONED = range(1, 7)

IN_OPEN, IN_MOVED_TO, IN_CREATE, IN_ATTRIB = 0x20, 0x80, 0x100, 0x4
MAX_OPEN = 64

libc = ctypes.CDLL(None, use_errno=True)


def acl(*named, user=6, group=0, other=0):
    """A POSIX ACL as the extended attribute has it: (uid, permissions) of named users."""
    entries = [(1, user, 0xffffffff)]
    entries += [(2, rights, uid) for uid, rights in sorted(named)]
    entries += [(4, group, 0xffffffff), (0x10, 7, 0xffffffff), (0x20, other, 0xffffffff)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def fnv(data, value=0xcbf29ce484222325):
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return value


def file_id(path):
    """As base/file_id.h has it, by the file's handle. An absent file: of none."""
    handle, mount = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136), ctypes.c_int()
    if libc.name_to_handle_at(-100, os.fsencode(path), handle, ctypes.byref(mount), 0) < 0:
        return 0, 0, 0, 0
    size, type_ = struct.unpack_from("Ii", handle)
    witness = fnv(handle.raw[8:8 + size], fnv(struct.pack("i", type_)))
    return os.stat(path).st_ino, witness, 1, 0


def spool(state, target, name, offset, *records, fresh=(0, 0, 0, 0)):
    """The content of a spool or batch for the target of this identity and name, and where its
    records begin."""
    at, body, places = struct.calcsize(SPOOL_HEAD) + 8, b"", []
    for record in records:
        places.append(at + len(body))
        body += struct.pack(SPOOL_FRAME, 0x4d415246, 0, len(record)) + record
    head = struct.pack(SPOOL_HEAD, b"hfspool2", state, 0, at + len(body), fnv(name), offset, 0, 0,
                       *target, *fresh, 1, 0, 0)
    return head + struct.pack("<Q", fnv(head)) + body, places


def ofd_lock(fd, start, length=1):
    range_ = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    fcntl.fcntl(fd, 37, range_)  # F_OFD_SETLK


class Planter:
    """What the process of the other user does, one request after another."""

    def __init__(self):
        self.fds, self.read, self.sockets, self.seen = [], [], [], b""
        self.watch, self.wake, self.thread = -1, (), None
        self.stop, self.worker = threading.Event(), None

    def create(self, path, content=b""):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        os.write(fd, content)
        self.fds.append(fd)
        self.read.append(fd)
        return fd

    def plant(self, kind, path, extra):
        """False: this user has not the right to put it there."""
        try:
            getattr(self, "plant_" + kind)(path, extra)
        except (PermissionError, FileExistsError, FileNotFoundError, NotADirectoryError):
            return False
        return True

    def plant_file(self, path, _):
        self.create(path)

    def plant_data(self, path, _):
        self.create(path, b"FORGED\n" * 1000)

    def plant_locked(self, path, extra):
        fd = self.create(path, extra.get("content", b""))
        fcntl.flock(fd, fcntl.LOCK_EX)
        for start, length in extra.get("ranges", [(0, 0)]):
            ofd_lock(fd, start, length)

    def plant_forged(self, path, extra):
        fd = self.create(path, extra["content"])
        os.fchmod(fd, extra.get("mode", 0o666))
        for place in extra.get("owned", ()):
            ofd_lock(fd, place)

    def plant_steal(self, path, extra):
        """An open spool without records: what is put into it is read, and called done."""
        fd = self.create(path, extra["content"])
        size, stop = len(extra["content"]), self.stop

        def steal():
            while not stop.is_set():
                if os.fstat(fd).st_size > size:
                    os.pwrite(fd, extra["done"], 0)
                    with contextlib.suppress(OSError):
                        os.unlink(path)
                    return
                time.sleep(0.001)

        self.worker = threading.Thread(target=steal, daemon=True)
        self.worker.start()

    def plant_changing(self, path, extra):
        """Now this, now that, all the time: between a look and an open, too."""
        def change():
            makers = (lambda: os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o666)),
                      lambda: os.symlink(extra["precious"], path), lambda: os.mkfifo(path, 0o666),
                      lambda: os.symlink(extra["absent"], path), lambda: os.mkdir(path))
            for make in itertools.cycle(makers):
                with contextlib.suppress(OSError):
                    make()
                if stop.is_set():
                    return
                time.sleep(0.0002)
                with contextlib.suppress(OSError):
                    (os.rmdir if os.path.isdir(path) and not os.path.islink(path)
                     else os.unlink)(path)

        os.symlink(extra["precious"], path)  # it can be put there at all
        os.unlink(path)
        stop = self.stop
        self.worker = threading.Thread(target=change, daemon=True)
        self.worker.start()

    def plant_hard_link(self, path, extra):
        os.close(os.open(extra["own"] + "/other", os.O_RDWR | os.O_CREAT, 0o666))
        os.link(extra["own"] + "/other", path)
        self.read.append(os.open(path, os.O_RDWR))

    def plant_symlink(self, path, extra):
        os.symlink(extra["precious"], path)

    def plant_symlink_own(self, path, extra):
        self.create(extra["own"] + "/led")
        os.symlink(extra["own"] + "/led", path)

    def plant_dangling(self, path, extra):
        os.symlink(extra["absent"], path)

    def plant_fifo(self, path, _):
        os.mkfifo(path, 0o666)

    def plant_fifo_open(self, path, _):
        os.mkfifo(path, 0o666)
        self.read.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))

    def plant_socket(self, path, _):
        listener = socket.socket(socket.AF_UNIX)
        # a path may be longer than a socket's name
        at = os.open(os.path.dirname(path), os.O_PATH)
        listener.bind(f"/proc/self/fd/{at}/{os.path.basename(path)}")
        os.close(at)
        listener.listen(8)
        listener.setblocking(False)
        self.sockets.append(listener)

    def plant_directory(self, path, _):
        os.mkdir(path, 0o777)
        self.create(path + "/file")

    def plant_empty_directory(self, path, _):
        os.mkdir(path, 0o777)

    def plant_acl(self, path, extra):
        fd = self.create(path)
        os.setxattr(fd, "system.posix_acl_access", acl((extra["caller"], 6), group=6, other=6))

    def plant_nothing(self, path, _):
        pass

    def follow(self, path, grab, target):
        """Open whatever appears in this directory and can be opened; grab: lock it, too, but for
        the target itself, and the files that are there to be locked: what a reader may lock there
        is a lock (docs/security.md, "What a reader of your files can do")."""
        self.watch = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        libc.inotify_add_watch(self.watch, path.encode(),
                               IN_CREATE | IN_MOVED_TO | IN_OPEN | IN_ATTRIB)
        self.wake = os.pipe()
        self.thread = threading.Thread(target=self.spy, args=(path, grab, target), daemon=True)
        self.thread.start()

    def spy(self, path, grab, target):
        names = set()
        while self.watch in select.select([self.watch, self.wake[0]], [], [])[0]:
            events = os.read(self.watch, 65536)
            while events:
                _, mask, _, length = struct.unpack_from("iIII", events)
                name = events[16:16 + length].rstrip(b"\0").decode(errors="surrogateescape")
                events = events[16 + length:]
                if not name or (mask & IN_OPEN and name in names):
                    continue
                names.add(name)
                self.try_open(os.path.join(path, name), grab and name != target and
                              not name.endswith(("-turnstile", ".queue")))

    def try_open(self, path, grab):
        if len(self.read) > MAX_OPEN:
            return
        with contextlib.suppress(OSError):
            if not stat.S_ISREG(os.lstat(path).st_mode):
                return
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            self.read.append(fd)
            if grab:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def rights(self, path):
        """What this user may do with a file: "", "r", "w" or "rw"."""
        return "".join(letter for letter, way in (("r", os.R_OK), ("w", os.W_OK))
                       if os.access(path, way))

    def collect(self):
        """All that this user could read; and let everything go."""
        self.stop.set()
        if self.worker:
            self.worker.join()
        if self.thread:
            os.close(self.wake[1])  # what has happened before is still looked at
            self.thread.join()
            os.close(self.wake[0])
        for fd in set(self.read):
            with contextlib.suppress(OSError):
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    self.seen += os.read(fd, 65536)
                else:
                    self.seen += os.pread(fd, 1 << 20, 0)
        for listener in self.sockets:
            with contextlib.suppress(OSError):
                connection = listener.accept()[0]
                connection.setblocking(False)
                self.seen += b"a connection: " + connection.recv(65536)
            listener.close()
        for fd in set(self.fds + self.read):
            os.close(fd)
        if self.watch >= 0:
            os.close(self.watch)
        seen = self.seen
        self.__init__()
        return seen


class Remote:
    """The planter as its own process: every method of it can be called here."""

    def __init__(self, uid, gid, groups):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            self.ours.close()
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.umask(0)
            try:
                self.serve(theirs)
            finally:
                os._exit(0)
        theirs.close()

    @staticmethod
    def serve(theirs):
        planter = Planter()
        while True:
            request = theirs.recv(1 << 20)
            if not request:
                return
            name, args = pickle.loads(request)
            try:
                answer = getattr(planter, name)(*args)
            except Exception as error:  # sent to the client
                answer = error
            if isinstance(answer, bytes):
                answer = answer[:100000]
            theirs.send(pickle.dumps(answer))

    def __getattr__(self, name):
        def call(*args):
            self.ours.send(pickle.dumps((name, args)))
            answer = pickle.loads(self.ours.recv(1 << 20))
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def close(self):
        self.ours.close()
        os.waitpid(self.pid, 0)
