#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# atomic-update, killed and failed at every call of the fault table. The command adds to its
# input, so that a change lost or made twice shows.

bats_require_minimum_version 1.5.0
load rig/require
load rig/rig

setup() {
	rig_setup
	update=$HF_FAULT_BIN/atomic-update
	plain=$HF_BIN/atomic-update
	changed=(-k append -o old -n record)
	adds=(sh -c "cat; cat '$here/record'")
}

@test "changes a file once or not at all after a fault at every call" {
	rig faultloop -t "$every" "${changed[@]}" "$update" f "${adds[@]}"
	rig faultloop -t "$every" -l "${changed[@]}" "$update" f "${adds[@]}"
}

@test "creates a file with --init, or does not, after a fault at every call" {
	rig faultloop -t "$every" -n new "$update" --init x f \
		sh -c "cat >/dev/null; cat '$here/new'"
}

@test "--backup and --print survive a fault at every call" {
	rig faultloop -t "$every" -b '~' "${changed[@]}" "$update" -b f "${adds[@]}"
	rig faultloop -t "$every" "${changed[@]}" "$update" --print f "${adds[@]}"
}

@test "keeps a whole content when a limit on file size causes short writes" {
	rig faultloop -z "${changed[@]}" "$plain" f "${adds[@]}"
}

@test "keeps a whole content when the disk is full: tmpfs, ext4, XFS, btrfs" {
	require_loop
	for fs in tmpfs ext4 xfs btrfs; do
		rig faultloop -f "$fs" "${changed[@]}" "$plain" f "${adds[@]}"
	done
}
