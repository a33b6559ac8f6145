#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# atomic-append, killed and failed at every call of the fault table: alone, and one of five that
# append together.

bats_require_minimum_version 1.5.0
load rig/require
load rig/rig

setup() {
	rig_setup
	append=$HF_FAULT_BIN/atomic-append
	plain=$HF_BIN/atomic-append
	group=kill,EIO,ENOSPC,EINTR,ENOSPC+,stop,stopkill
}

@test "alone, replaces the file: survives a fault at every call" {
	rig faultloop -t "$every" "${appended[@]}" "$append" f
	rig faultloop -t "$every" -l "${appended[@]}" "$append" f
}

@test "alone, creates the file: survives a fault at every call" {
	rig faultloop -t "$every" "${created[@]}" -k append "$append" f
}

@test "alone, appends in place: survives a fault at every call" {
	rig faultloop -t "$every" "${in_place[@]}" "$append" --in-place f
	rig faultloop -t "$every" "${created[@]}" -k in-place "$append" --in-place f
}

@test "--each-line: survives a fault at every call" {
	rig faultloop -t "$every" "${each_line[@]}" "$append" --each-line f
}

@test "without unnamed files: survives a fault at every call" {
	local rule
	rule=$(rig_named_rule old "$append" f)
	rig faultloop -B "$rule" -t "$every" "${appended[@]}" "$append" f
}

@test "five append together: the leader is killed, stopped, or fails" {
	rig groupfault -p 0 -t "$group" "$append" f
}

@test "five append together: a waiter is killed, stopped, or fails" {
	rig groupfault -p 1 -t "$group" "$append" f
	rig groupfault -p 3 -t "$group" "$append" f
}

@test "five append together in place: the leader is killed, stopped, or fails" {
	rig groupfault -k in-place -p 0 -t "$group" "$append" --in-place f
}

@test "five append together in place: a waiter is killed, stopped, or fails" {
	rig groupfault -k in-place -p 2 -t "$group" "$append" --in-place f
}

@test "five append together with a short time limit: the leader or a waiter is killed or stopped" {
	rig groupfault -u -p 0 -t stop,stopkill "$append" -w 0.03 f
	rig groupfault -u -p 2 -t kill,stop,stopkill "$append" -w 0.03 f
	rig groupfault -u -k in-place -p 0 -t stop,stopkill "$append" -w 0.03 --in-place f
}

@test "keeps whole records when a limit on file size causes short writes" {
	rig faultloop -z "${appended[@]}" "$plain" f
	rig faultloop -z "${in_place[@]}" "$plain" --in-place f
	rig faultloop -z "${each_line[@]}" "$plain" --each-line f
}

@test "keeps whole records when the disk is full: tmpfs, ext4, XFS, btrfs" {
	require_loop
	for fs in tmpfs ext4 xfs btrfs; do
		rig faultloop -f "$fs" "${appended[@]}" "$plain" f
		rig faultloop -f "$fs" "${in_place[@]}" "$plain" --in-place f
		rig faultloop -f "$fs" "${each_line[@]}" "$plain" --each-line f
	done
}
