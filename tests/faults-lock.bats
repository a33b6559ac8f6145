#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# Locks, killed and failed at every call of the fault table: while the command runs nobody else has
# the lock, and afterwards it is to be had; nothing is broken that is held.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	here=$PWD
	run=$HF_FAULT_BIN/lock-run
	break=$HF_FAULT_BIN/lock-break
}

# faults PREPARE JUDGE TOOL...: for each call of the tool and each fault, in an empty directory:
# prepare, run the tool with it, judge. Both find what the tool's status was in $status, which is
# empty while it is prepared.
faults() {
	local prepare=$1 judge=$2 calls n fault runs=0 died=0 refused=0
	shift 2
	status='' fresh "$prepare"
	HOLDFAST_FAULT_LOG=$here/calls "$@" >/dev/null 2>&1 3>&- || :
	calls=$(wc -l <"$here/calls")
	((calls > 3))
	for ((n = 1; n <= calls; n++)); do
		for fault in kill EIO ENOSPC EINTR; do
			status='' fresh "$prepare"
			status=0
			HOLDFAST_FAULT=$n:$fault "$@" >"$here/said" 2>&1 3>&- || status=$?
			((runs += 1)) || :
			((died += status == 137)) || :
			((refused += status != 0 && status != 137)) || :
			"$judge" || {
				echo "call $(sed -n "${n}p" "$here/calls"), $fault: status $status"
				cat "$here/said"
				ls -la
				return 1
			}
		done
	done
	echo "$runs runs, $died killed, $refused refused"
	((died > 0))
}

fresh() {
	cd "$here"
	rm -rf scene
	mkdir scene
	cd scene
	"$1"
}

# A command that runs under lock l, or dotlock l, and leaves a mark if that is not so.
under_file='flock -n l true && echo >broken; echo >>ran'
under_dot='dotlockfile -l -r 0 l && echo >broken
	env -u HOLDFAST_LOCKS lock-run -n --dotlock l true && echo >broken
	echo >>ran'

# It was held while the command ran, and there is nobody who holds it now.
judge_file() {
	[ ! -e broken ] && [ "$status" != 0 -o -e ran ] && lock-run -w 20 l true
}

judge_dot() {
	[ ! -e broken ] && [ "$status" != 0 -o -e ran ] &&
		lock-run -w 20 --dotlock l true && [ ! -e l ] && no_litter
}

nothing() { :; }

stale() { dead_pid >l; }

# A stale one is where it was, or in quarantine, once; what is done to it again gets it there.
judge_break() {
	local moved=.holdfast-quarantine
	if [ -e l ]; then
		[ -z "$(ls "$moved" 2>/dev/null)" ] || return 1
		lock-break l >/dev/null || return 1
	fi
	[ ! -e l ] && [ "$(ls "$moved" | wc -l)" = 1 ] && [ "$(cat "$moved"/*)" = "$dead" ]
}

remembered() { dead=$(dead_pid) && echo "$dead" >l; }

held() { echo "$BASHPID" >l; }

@test "lock-run" {
	faults nothing judge_file "$run" l sh -c "$under_file"
}

@test "lock-run with two locks" {
	faults nothing judge_file "$run" --file m --file l sh -c "$under_file"
}

@test "lock-run --remove" {
	faults nothing judge_file "$run" --remove l sh -c "$under_file"
}

@test "lock-run --dotlock" {
	faults nothing judge_dot "$run" --dotlock l sh -c "$under_dot"
}

@test "lock-run --dotlock takes over a stale one" {
	faults stale judge_dot "$run" --dotlock l sh -c "$under_dot"
}


@test "lock-break: the stale one is there, or in quarantine" {
	faults remembered judge_break "$break" l
}

@test "lock-break never moves one that is held" {
	judge_held() { [ -e l ] && [ "$status" != 0 ]; }
	faults held judge_held "$break" l
}
