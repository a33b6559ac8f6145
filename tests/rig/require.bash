# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# What a test needs beyond an ordinary user's rights. The first line of such a test says it, and the
# test is skipped, with the reason, where that cannot be had. `load rig/require`; rig/common has it.
# Within `run` and $(...) they have no effect.

# To be root: other users' files, chown, limits, /etc.
require_root() {
	[ "$(id -u)" = 0 ] || skip 'needs root'
}

# To start tools as another user, without this one's groups. tests/run has put the tools where
# another user can reach them, if TMPDIR is such a place.
require_other_user() {
	require_root
	local other=(setpriv --reuid=65534 --regid=65534 --clear-groups)

	"${other[@]}" true 2>/dev/null || skip 'needs CAP_SETUID and CAP_SETGID'
	"${other[@]}" test -x "$HF_BIN/lock-run" || skip "another user cannot reach $HF_BIN"
}

# To mount, in a mount namespace or outside of one.
require_mount() { can_mount || skip 'needs to mount: root with CAP_SYS_ADMIN'; }
can_mount() { unshare -m sh -c 'mount -t tmpfs none /proc' 2>/dev/null; }

# To mount an image: root, CAP_SYS_ADMIN and loop devices.
require_loop() {
	require_mount
	local image=$BATS_TEST_TMPDIR/.loop

	truncate -s 1M "$image"
	mkfs.ext4 -q "$image" 2>/dev/null
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount -o loop "$1" /proc' sh "$image" 2>/dev/null || {
		rm -f "$image"
		skip 'needs a loop device'
	}
	rm -f "$image"
}

# A PID namespace with a /proc of its own.
require_pid_namespace() {
	unshare -p -f --mount-proc true 2>/dev/null ||
		skip 'needs to make a PID namespace: root with CAP_SYS_ADMIN'
}

# A network namespace.
require_network_namespace() {
	unshare -n true 2>/dev/null ||
		skip 'needs to make a network namespace: root with CAP_SYS_ADMIN'
}

# From another PID namespace not every process is seen, and few locks are proved stale.
require_first_pid_namespace() {
	[ "$(readlink /proc/self/ns/pid)" = 'pid:[4026531836]' ] ||
		skip 'needs the first PID namespace'
}

# To look at every process, without which no lock is proved stale that names no owner.
require_every_process() {
	local capabilities

	require_first_pid_namespace
	capabilities=0x$(sed -n 's/^CapEff:\t//p' /proc/self/status)
	((capabilities >> 19 & 1)) || skip 'needs CAP_SYS_PTRACE, to look at every process'
}

# A mounted FUSE file system.
require_fuse() {
	[ -c /dev/fuse ] || skip 'needs /dev/fuse'
	require_mount
}
