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

@test "replaces a file whole or not at all after a fault at every call" {
	rig faultloop -t "$every" "${replaced[@]}" "$write" f
}

@test "creates a file whole or not at all after a fault at every call" {
	rig faultloop -t "$every" "${created[@]}" "$write" f
}

@test "replaces a symbolic link's target, or creates it, whole or not at all" {
	rig faultloop -t "$every" -l "${replaced[@]}" "$write" f
	rig faultloop -t "$every" -l "${created[@]}" "$write" f
}

@test "keeps the whole old content in a backup after a fault at every call" {
	rig faultloop -t "$every" -b .orig "${replaced[@]}" "$write" --backup=.orig f
	rig faultloop -t "$every" -l -b '~' "${replaced[@]}" "$write" -b f
}

@test "writes a command's output whole or not at all after a fault at every call" {
	rig faultloop -t "$every" -o old -n new "$write" f cat "$here/new"
	rig faultloop -t "$every" -n new "$write" f cat "$here/new"
}

@test "--from, --validate, --skip-same and --symlink survive a fault at every call" {
	rig faultloop -t "$every" -o old -n new "$write" --from "$here/new" f
	rig faultloop -t "$every" "${replaced[@]}" "$write" --validate 'grep -q . "$1"' f
	rig faultloop -t "$every" "${replaced[@]}" "$write" --skip-same f
	rig faultloop -t "$every" -o old -n new "$write" --symlink "$here/new" f
}

@test "without unnamed files: survives a fault at every call" {
	local rule
	rule=$(rig_named_rule '' "$write" f)
	rig faultloop -B "$rule" -t "$every" "${created[@]}" "$write" f
	rule=$(rig_named_rule old "$write" f)
	rig faultloop -B "$rule" -t "$every" "${replaced[@]}" "$write" f
}

@test "keeps a whole content when a limit on file size causes short writes" {
	rig faultloop -z "${replaced[@]}" "$plain" f
	rig faultloop -z -o old -n new "$plain" f cat "$here/new"
}

@test "keeps a whole content when the disk is full: tmpfs, ext4, XFS, btrfs" {
	require_loop
	for fs in tmpfs ext4 xfs btrfs; do
		rig faultloop -f "$fs" "${replaced[@]}" "$plain" f
		rig faultloop -f "$fs" -b '~' "${replaced[@]}" "$plain" -b f
	done
}
