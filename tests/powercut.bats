#!/usr/bin/env bats
# serial
# SPDX-License-Identifier: ISC
#
# The power is cut at every call of atomic-write, atomic-append and atomic-update, on ext4, XFS and
# btrfs: old or new, and new if the tool had said so. And each sync left out must show.

bats_require_minimum_version 1.5.0
load rig/require
load rig/rig

# Each file system, and each way to cut its power (tests/rig/disk.h).
cuts=('ext4 nolog' 'ext4 log' 'ext4 copy' 'xfs nolog' 'xfs log' 'xfs copy' 'btrfs copy' 'btrfs log')

setup() {
	require_loop
	rig_setup
	write=$HF_FAULT_BIN/atomic-write
	append=$HF_FAULT_BIN/atomic-append
	update=$HF_FAULT_BIN/atomic-update
}

# Run a rig under all of them, at once; all succeed.
under_every_cut() {
	local cut pid pids=() failed=0
	for cut in "${cuts[@]}"; do
		"$HF_RIG/$1" -f "${cut% *}" -c "${cut#* }" "${@:2}" >"said.${cut/ /.}" 2>&1 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
	cat said.*
	[ "$failed" = 0 ]
}

# Leave out each sync in turn, and write the results to the file "mutations".
leave_out() {
	under_every_cut powercut -m "$@" >mutations || {
		cat mutations
		return 1
	}
	echo "seen, of $*:"
	grep SEEN mutations
}

# That sync $1 ("2 of 3") was left out is seen on file system $2 (a pattern).
seen() {
	grep -q "^mutation [^ ]* $2 [a-z]*: sync $1 .*: SEEN" mutations
}

@test "atomic-write: replaces and creates a file whole or not at all" {
	under_every_cut powercut "${replaced[@]}" "$write" f
	under_every_cut powercut "${created[@]}" "$write" f
}

@test "atomic-write: works through a symbolic link, with a backup" {
	under_every_cut powercut -l -b '~' "${replaced[@]}" "$write" -b f
}

@test "atomic-write: --symlink and --parents survive a power cut" {
	under_every_cut powercut -o old -n new "$write" --symlink "$here/new" f
	under_every_cut powercut -p a/b/f "${created[@]}" "$write" --parents a/b/f
}

@test "atomic-write: replaces a file whole without unnamed files" {
	local rule
	rule=$(rig_named_rule old "$write" f)
	under_every_cut powercut -B "$rule" "${replaced[@]}" "$write" f
}

@test "atomic-write: replaces a file whole when btrfs commits between the calls" {
	for call in linkat#1 renameat2#1 fsync#1 fsync#2; do
		rig powercut -f btrfs -c copy -C "$call" "${replaced[@]}" "$write" f
	done
	for call in linkat#1 fsync#1 fsync#2; do
		rig powercut -f btrfs -c copy -C "$call" "${created[@]}" "$write" f
	done
}

@test "atomic-append: appends to a file, and to a new one" {
	under_every_cut powercut "${appended[@]}" "$append" f
	under_every_cut powercut -k append "${created[@]}" "$append" f
}

@test "atomic-append --in-place: appends to a file, and to a new one" {
	under_every_cut powercut "${in_place[@]}" "$append" --in-place f
	under_every_cut powercut -k in-place "${created[@]}" "$append" --in-place f
}

@test "atomic-append --in-place: removes a part of the record that is on the disk" {
	seq 100000 160000 >large
	under_every_cut powercut -w "${in_place[@]}" "$append" --in-place f
	under_every_cut powercut -y -k in-place -o old -n large -i large "$append" --in-place f
}

@test "atomic-append --in-place: recovers after a run that was killed halfway" {
	seq 500000 -3 300000 >large
	under_every_cut powercut -F large "${in_place[@]}" "$append" --in-place f
}

@test "atomic-append --each-line: keeps acknowledged lines" {
	under_every_cut powercut "${each_line[@]}" "$append" --each-line f
}

@test "atomic-append: five together survive when the leader is stopped or killed" {
	under_every_cut groupfault -t kill,stop "$append" f
	under_every_cut groupfault -k in-place -t kill,stop "$append" --in-place f
}

@test "atomic-update: changes a file once or not at all" {
	under_every_cut powercut -k append -o old -n record "$update" f \
		sh -c "cat; cat '$here/record'"
}

@test "detects a sync left out of atomic-write or atomic-append on every file system" {
	leave_out "${replaced[@]}" "$write" f
	for fs in ext4 xfs btrfs; do
		seen '1 of 2' $fs
		seen '2 of 2' $fs
	done
	leave_out "${created[@]}" "$write" f
	for fs in ext4 xfs btrfs; do
		seen '1 of 2' $fs
		seen '2 of 2' $fs
	done
	leave_out "${appended[@]}" "$append" f
	for fs in ext4 xfs btrfs; do
		seen '1 of 2' $fs
		seen '2 of 2' $fs
	done
}

@test "detects a sync left out of atomic-append --in-place" {
	seq 100000 160000 >large
	# the batch file: its content; its name; then the record
	leave_out -y -k in-place -o old -n large -i large "$append" --in-place f
	for fs in ext4 xfs btrfs; do seen '1 of 3' $fs; done
	# ext4 and XFS keep the order of all names and sizes, so that whatever makes a torn record
	# durable has made the name durable before; btrfs does not, if it commits before the name
	leave_out -C linkat#1 -y -k in-place -o old -n large -i large "$append" --in-place f
	seen '2 of 3' btrfs
	leave_out "${in_place[@]}" "$append" --in-place f
	for fs in ext4 xfs btrfs; do seen '3 of 3' $fs; done
}

@test "detects a sync left out where a torn record is cut off" {
	seq 500000 -3 300000 >large
	leave_out -F large "${in_place[@]}" "$append" --in-place f
	seen '1 of 4' btrfs
}

@test "detects a sync left out where a dead leader's work is finished" {
	run "$HF_RIG/groupfault" -v -f btrfs -c copy -t kill -o fsync#1:skip "$append" f
	grep 'kill at call [0-9]* (fsync): WRONG: appender 1 exited 0' <<<"$output"
	run "$HF_RIG/groupfault" -v -f btrfs -c copy -k in-place -t kill -o fdatasync#1:skip \
		"$append" --in-place f
	grep 'kill at call [0-9]* (fdatasync): WRONG: appender 1 exited 0' <<<"$output"
}
