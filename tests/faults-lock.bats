#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# Locks, killed and failed at every call of the fault table: while the command runs no other process
# has the lock, and afterwards it is available. No held lock is broken.
#
# Of long loops, a sample of the calls; with EVERY=1 in the environment, all of them.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	here=$PWD
	run=$HF_FAULT_BIN/lock-run
	break=$HF_FAULT_BIN/lock-break
	step=1
}

# faults PREPARE JUDGE TOOL...: for each call of the tool and each fault, in an empty directory:
# prepare, run the tool with it, judge. Both find the tool's status in $status, which is
# empty during the preparation. With $step, only every $step-th time.
faults() {
	local prepare=$1 judge=$2 calls n fault runs=0 died=0 refused=0 place=0
	shift 2
	status='' fresh "$prepare"
	HOLDFAST_FAULT_LOG=$here/calls "$@" >/dev/null 2>&1 3>&- || :
	# a helper counts its own
	calls=$(sort -n "$here/calls" | tail -n 1 | cut -d ' ' -f 1)
	((calls > 3))
	for ((n = 1; n <= calls; n++)); do
		for fault in kill EIO ENOSPC EINTR; do
			((++place % ${EVERY:-$step} == 0)) || continue
			status='' fresh "$prepare"
			status=0
			HOLDFAST_FAULT=$n:$fault "$@" >"$here/said" 2>&1 3>&- || status=$?
			((runs += 1)) || :
			((died += status == 137)) || :
			((refused += status != 0 && status != 137)) || :
			"$judge" || {
				echo "call $(grep "^$n " "$here/calls"), $fault: status $status"
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
	[ ! -e "$here/template" ] || cp -R "$here/template/." .
	"$1"
}

nothing_left() { [ -z "$(find . -name '.holdfast.*' -o -name '*.lock')" ]; }

# A command that runs under lock l, or dotlock l, and leaves a mark if that is not so.
under_file='flock -n l true && echo >broken; echo >>ran'
under_dot='dotlockfile -l -r 0 l && echo >broken
	env -u HOLDFAST_LOCKS lock-run -n --dotlock l true && echo >broken
	echo >>ran'

# It was held while the command ran, and no process holds it now.
judge_file() {
	[ ! -e broken ] && [ "$status" != 0 -o -e ran ] && lock-run -w 20 l true
}

judge_dot() {
	[ ! -e broken ] && [ "$status" != 0 -o -e ran ] &&
		lock-run -w 20 --dotlock l true && [ ! -e l ] && nothing_left
}

nothing() { :; }

stale() { dead_pid >l; }

# A stale one is where it was, or in quarantine, once; a second run moves it there.
judge_break() {
	# where the first quarantine could not be opened, the next one is used
	local moved='.holdfast-quarantine*/*'
	if [ -e l ]; then
		[ -z "$(ls $moved 2>/dev/null)" ] || return 1
		await lock-break -q l || return 1
	fi
	[ ! -e l ] && [ "$(ls $moved | wc -l)" = 1 ] && [ "$(cat $moved)" = "$dead" ]
}

remembered() { dead=$(dead_pid) && echo "$dead" >l; }

held() { echo "$BASHPID" >l; }

@test "lock-run excludes others despite a fault at every call" {
	faults nothing judge_file "$run" l sh -c "$under_file"
}

@test "lock-run with two locks excludes others despite a fault at every call" {
	faults nothing judge_file "$run" --file m --file l sh -c "$under_file"
}

@test "lock-run --remove excludes others despite a fault at every call" {
	faults nothing judge_file "$run" --remove l sh -c "$under_file"
}

@test "lock-run --dotlock excludes others despite a fault at every call" {
	faults nothing judge_dot "$run" --dotlock l sh -c "$under_dot"
}

@test "lock-run --dotlock takes a stale dotlock over despite a fault at every call" {
	faults stale judge_dot "$run" --dotlock l sh -c "$under_dot"
}

@test "lock-break leaves a stale dotlock in place or moves it into quarantine" {
	faults remembered judge_break "$break" l
}

@test "lock-break never moves a dotlock that is held" {
	judge_held() { [ -e l ] && [ "$status" != 0 ]; }
	faults held judge_held "$break" l
}

database() {
	mkdir "$here/template"
	sqlite3 "$here/template/db" 'CREATE TABLE t (x)'
	step=11
}

# Under the turnstile the command writes, and under a freeze it cannot.
under_db='flock -n db-turnstile true && echo >broken
	sqlite3 db "INSERT INTO t VALUES (1)" || echo >broken
	echo >>ran'
under_frozen_db='sqlite3 db "INSERT INTO t VALUES (0)" && echo >broken
	echo >>ran'

judge_db() {
	[ "$status" != 0 -o -e ran ] && lock-run -w 20 --sqlite db true &&
		lock-run -w 20 --sqlite-freeze db true &&
		sqlite3 -cmd '.timeout 10000' db 'INSERT INTO t VALUES (2)' &&
		[ ! -e broken ] && nothing_left && rm -f ran && [ "$(echo *)" = 'db db-turnstile' ]
}

@test "lock-run --sqlite excludes others despite a fault at every call" {
	database
	faults nothing judge_db "$run" --sqlite db sh -c "$under_db"
}

@test "lock-run --sqlite-freeze keeps writers out despite a fault at every call, and its helper's" {
	database
	faults nothing judge_db "$run" --sqlite-freeze db sh -c "$under_frozen_db"
}

repository() {
	export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@x
	export GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@x
	# the repository around it must not be used
	git init -q "$here/template"
	git init -q -b main "$here/template/r"
	echo >"$here/template/r/f"
	git -C "$here/template/r" add f
	git -C "$here/template/r" commit -qm first
	step=17
}

under_git='flock -n r/.git/holdfast/turnstile true && echo >broken
	git -C r commit --allow-empty -qm x || echo >broken
	echo >>ran'
under_frozen_git='echo >>r/f; git -C r add f && echo >broken
	git -C r rev-parse -q --verify HEAD || echo >broken
	echo >>ran'

judge_git() {
	[ "$status" != 0 -o -e ran ] && usable
}

usable() {
	[ ! -e .git/holdfast ] && lock-run -w 20 --git r git -C r add f &&
		lock-run -w 20 --git-freeze r true &&
		git -C r add f && git -C r fsck --strict && [ ! -e broken ] && nothing_left
}

@test "lock-run --git excludes others despite a fault at every call" {
	repository
	faults nothing judge_git "$run" --git r sh -c "$under_git"
}

@test "lock-run --git-freeze keeps commits out despite a fault at every call" {
	repository
	faults nothing judge_git "$run" --git-freeze r sh -c "$under_frozen_git"
}

# Where the first quarantine could not be read, the next one is used.
moved() { find r/.git/holdfast/quarantine* -type f 2>/dev/null | wc -l; }

index_lock() { touch r/.git/index.lock; }

@test "lock-run --git leaves a stale index.lock in place or moves it into quarantine" {
	repository
	judge_moved() {
		[ -e r/.git/index.lock -a "$(moved)" = 0 ] ||
			[ ! -e r/.git/index.lock -a "$(moved)" = 1 ] || return 1
		judge_git && [ "$(moved)" = 1 ]
	}
	faults index_lock judge_moved "$run" --git r sh -c "$under_git"
}

stale_git_locks() { touch r/.git/{index,HEAD,config,refs/heads/main}.lock; }

judge_break_git() {
	local left
	left=$(find r/.git -name '*.lock' | wc -l)
	[ $((left + $(moved))) = 4 ] || return 1
	# on a busy machine not every process is inspected in time
	[ "$(git -C r for-each-ref --format='%(refname)')" = refs/heads/main ] &&
		await lock-break -q --git r && [ "$(moved)" = 4 ] && git -C r gc -q && usable
}

@test "lock-break --git leaves each stale lock in place or moves it into quarantine" {
	repository
	step=53
	faults stale_git_locks judge_break_git "$break" --git r
}

@test "lock-break --git never moves a lock that is held" {
	repository
	open_index_lock() { exec 9>r/.git/index.lock; }
	judge_held() { [ -e r/.git/index.lock ] && [ "$status" != 0 ] && [ "$(moved)" = 0 ]; }
	faults open_index_lock judge_held "$break" --git r
}
