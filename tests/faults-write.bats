#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# atomic-write, killed and failed at every call of the fault table; real short writes; full disks.

bats_require_minimum_version 1.5.0
load rig/require
load rig/rig

setup() {
	rig_setup
	write=$HF_FAULT_BIN/atomic-write
	plain=$HF_BIN/atomic-write
}

@test "a file is replaced" {
	rig faultloop -t "$every" "${replaced[@]}" "$write" f
}

@test "a file is created" {
	rig faultloop -t "$every" "${created[@]}" "$write" f
}

@test "a symbolic link's target is replaced, a dangling one's created" {
	rig faultloop -t "$every" -l "${replaced[@]}" "$write" f
	rig faultloop -t "$every" -l "${created[@]}" "$write" f
}

@test "a backup is the whole old content" {
	rig faultloop -t "$every" -b .orig "${replaced[@]}" "$write" --backup=.orig f
	rig faultloop -t "$every" -l -b '~' "${replaced[@]}" "$write" -b f
}

@test "a command's output" {
	rig faultloop -t "$every" -o old -n new "$write" f cat "$here/new"
	rig faultloop -t "$every" -n new "$write" f cat "$here/new"
}

@test "--from, --validate, --skip-same, --symlink" {
	rig faultloop -t "$every" -o old -n new "$write" --from "$here/new" f
	rig faultloop -t "$every" "${replaced[@]}" "$write" --validate 'grep -q . "$1"' f
	rig faultloop -t "$every" "${replaced[@]}" "$write" --skip-same f
	rig faultloop -t "$every" -o old -n new "$write" --symlink "$here/new" f
}

@test "where there are no unnamed files" {
	local rule
	rule=$(rig_named_rule '' "$write" f)
	rig faultloop -B "$rule" -t "$every" "${created[@]}" "$write" f
	rule=$(rig_named_rule old "$write" f)
	rig faultloop -B "$rule" -t "$every" "${replaced[@]}" "$write" f
}

@test "files may not grow: real short writes" {
	rig faultloop -z "${replaced[@]}" "$plain" f
	rig faultloop -z -o old -n new "$plain" f cat "$here/new"
}

@test "the disk is full: tmpfs, ext4, XFS, btrfs" {
	require_loop
	for fs in tmpfs ext4 xfs btrfs; do
		rig faultloop -f "$fs" "${replaced[@]}" "$plain" f
		rig faultloop -f "$fs" -b '~' "${replaced[@]}" "$plain" -b f
	done
}
