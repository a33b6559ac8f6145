#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# The ordinary programs, killed and failed at every system call that strace(1) sees.

bats_require_minimum_version 1.5.0
load rig/rig

setup() {
	rig_setup
	calls=kill,EIO,ENOSPC
}

@test "atomic-write survives a fault at every system call, with standard input" {
	rig faultloop -s "$calls" "${replaced[@]}" "$HF_BIN/atomic-write" f
	rig faultloop -s "$calls" "${created[@]}" "$HF_BIN/atomic-write" f
	rig faultloop -s "$calls" -l -b '~' "${replaced[@]}" "$HF_BIN/atomic-write" -b f
}

@test "atomic-write survives a fault at every system call, with a command's output" {
	rig faultloop -s "$calls" -o old -n new "$HF_BIN/atomic-write" f cat "$here/new"
}

@test "atomic-append survives a fault at every system call" {
	rig faultloop -s "$calls" "${appended[@]}" "$HF_BIN/atomic-append" f
	rig faultloop -s "$calls" -k append "${created[@]}" "$HF_BIN/atomic-append" f
	rig faultloop -s "$calls" "${each_line[@]}" "$HF_BIN/atomic-append" --each-line f
}

@test "atomic-append --in-place survives a fault at every system call" {
	rig faultloop -s "$calls" "${in_place[@]}" "$HF_BIN/atomic-append" --in-place f
}

@test "atomic-update survives a fault at every system call" {
	rig faultloop -s "$calls" -k append -o old -n record "$HF_BIN/atomic-update" f \
		sh -c "cat; cat '$here/record'"
}
