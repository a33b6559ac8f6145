#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Make a file that looks like a spool or batch of holdfast's (spool/spool_file.h).

forge.py [-u USER] [-t TARGET] [-f FRESH] [-n NAME] [-o OFFSET] [-m MODE] [-d]
         PATH STATE [RECORD...]

TARGET, by default the file that PATH is beside, gives the identity and NAME its name. -d damages
the frames. It is made as USER, by number. The records have their owners' marks, and the file its
maker, for as long as standard input is open.
"""
import argparse
import ctypes
import fcntl
import os
import struct
import sys

STATES = {"open": 1, "closed": 2, "prepared": 3, "in-place": 4, "done": 5, "abandoned": 6}
HEAD = struct.Struct("=8sIIQQQII" + "QQII" * 2 + "iIQ")
F_OFD_SETLK = 37


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def identity(path):
    """As base/file_id.c: the inode, a hash of the file handle, and the kind of that witness."""
    if not os.path.exists(path):
        return (0, 0, 0, 0)
    handle = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0), 8 + 128)
    mount = ctypes.c_int()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.name_to_handle_at(-100, os.fsencode(path), handle, ctypes.byref(mount), 0) < 0:
        sys.exit("forge.py: no handle of " + path)
    size, kind = struct.unpack_from("=Ii", handle.raw)
    return (os.stat(path).st_ino, fnv1a(struct.pack("=i", kind) + handle.raw[8 : 8 + size]), 1, 0)


parser = argparse.ArgumentParser()
parser.add_argument("-u", dest="user", type=int)
parser.add_argument("-t", dest="target")
parser.add_argument("-f", dest="fresh", default="")
parser.add_argument("-n", dest="name")
parser.add_argument("-o", dest="offset", type=int, default=0)
parser.add_argument("-m", dest="mode", type=lambda s: int(s, 8), default=0o666)
parser.add_argument("-d", dest="damaged", action="store_true")
parser.add_argument("path")
parser.add_argument("state")
parser.add_argument("record", nargs="*")
o = parser.parse_args()
directory, side = os.path.split(o.path)
name = o.name or side[len(".holdfast.") :].rsplit(".", 1)[0]
target = o.target or os.path.join(directory, name)
os.umask(0)
if o.user:
    os.setgroups([])
    os.setresgid(o.user, o.user, o.user)
    os.setresuid(o.user, o.user, o.user)
fd = os.open(o.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, o.mode)
end = HEAD.size + 8
for record in o.record:
    data = record.encode()
    fcntl.fcntl(fd, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, end, 1, 0))
    os.pwrite(fd, struct.pack("=4sIQ", b"LOST" if o.damaged else b"FRAM", 0, len(data)) + data, end)
    end += 16 + len(data)
head = HEAD.pack(b"hfspool2", STATES[o.state], 0, end, fnv1a(name.encode()), o.offset, 0, 0,
                 *identity(target), *identity(o.fresh), 0, 0, 0)
os.pwrite(fd, head + struct.pack("=Q", fnv1a(head)), 0)
print("made", flush=True)
sys.stdin.read()
