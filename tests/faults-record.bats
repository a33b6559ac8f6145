#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# atomic-record, killed and failed at its system calls, SQLite's and libgit2's among them; then
# recovery: note, line, row and commit are all there or none is (tests/rig/record.py).
#
# A sample of the calls; with EVERY=1 in the environment, all of them, which takes an hour.

bats_require_minimum_version 1.5.0
load rig/require

# The cost of fsync(2) does not matter here: the scene is in memory.
setup() {
	cd "$BATS_TEST_TMPDIR"
	export GIT_CONFIG_NOSYSTEM=1
}

# every N ARGUMENT...: record.py at every N-th place.
every() {
	local n=${EVERY:-$1} memory=()

	! can_mount || memory=(
		unshare -m sh -c 'mount -t tmpfs none . && cd "$PWD" && exec "$@"' sh
	)
	run "${memory[@]}" "$HF_TOP/tests/rig/record.py" -e "1/$n" "${@:2}"
	echo "$output"
	[ "$status" = 0 ]
}

@test "all parts of a record agree after SIGKILL at a system call and recovery" {
	every 17 strace kill
}

@test "all parts of a record agree after EIO and ENOSPC and recovery" {
	every 37 strace EIO ENOSPC
}

@test "all parts of a record agree after SIGKILL with a rollback journal and recovery" {
	every 37 -j DELETE strace kill
}

@test "all parts of a record agree after the fault table's SIGKILL, EIO and ENOSPC" {
	every 13 table kill EIO ENOSPC
}

@test "the same without a repository, on a detached HEAD, with a pack made beside a gc" {
	local kind

	for kind in files detached gc; do
		every 37 -k "$kind" strace kill
		every 71 -k "$kind" strace EIO ENOSPC
		every 29 -k "$kind" table kill EIO ENOSPC
	done
}

@test "discards a record whole or not at all" {
	every 7 -k drop strace kill
	every 13 -k drop strace EIO ENOSPC
	every 3 -k drop table kill EIO ENOSPC
}

@test "appends an equal line once although the ledger grows or is moved before recovery" {
	local kind

	for kind in equal absent; do
		every 5 -k "$kind" strace kill
		every 31 -k "$kind" strace EIO ENOSPC
		every 11 -k "$kind" table kill EIO ENOSPC
		every 31 -k "$kind-git" strace kill
		every 23 -k "$kind-git" table kill EIO ENOSPC
	done
}

@test "all parts of a record agree after a power cut: ext4, XFS, btrfs" {
	require_loop
	every 97 powercut ext4
	every 97 powercut xfs
	every 211 powercut btrfs
	every 97 -k files powercut ext4
	every 211 -k detached powercut xfs
	every 151 -k gc powercut ext4
	every 61 -k drop powercut ext4
	every 41 -k equal powercut ext4
	every 41 -k absent powercut xfs
	every 151 -k equal-git powercut xfs
	every 97 -k drop powercut btrfs
}
