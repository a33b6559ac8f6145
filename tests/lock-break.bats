#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lock-break: only a lock that is proved stale goes to quarantine.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	require_first_pid_namespace
	cd "$BATS_TEST_TMPDIR"
	mkdir locks # in which no process works
}

old() { touch -d '-10 min' "$1"; }

in_quarantine() { compgen -G "locks/.holdfast-quarantine/$1.*" >/dev/null; }

# Wait until lock-break succeeds, when no process happens to exist that it may not inspect.
await_judged() {
	local end=$((SECONDS + 20))
	until run -0 lock-break "$@"; do
		[[ $output == *'not every process'* ]]
		((SECONDS < end))
	done
}

# It is left, for this reason; ask again while a process that just starts cannot be inspected.
await_left() {
	local end=$((SECONDS + 20)) why=$1
	shift
	run lock-break "$@"
	until [[ $output == *"$why"* ]]; do
		[[ $output == *'not every process'* ]]
		((SECONDS < end))
		run lock-break "$@"
	done
	[ "$status" = 75 ]
}

@test "moves a dead PID's file into quarantine, and prints the evidence" {
	dead_pid >locks/x
	cp locks/x before
	run -0 lock-break --dry-run locks/x
	[ "${lines[0]}" = 'locks/x: stale' ]
	[[ ${lines[1]} == '  PID '*' is dead' ]]
	[ -e locks/x ]
	[ ! -e locks/.holdfast-quarantine ]
	run -0 lock-break locks/x
	[[ ${lines[2]} == '  moved to .holdfast-quarantine/x.'* ]]
	[ ! -e locks/x ]
	[ "$(stat -c %a locks/.holdfast-quarantine)" = 700 ]
	cmp before locks/.holdfast-quarantine/x.*
	run -0 lock-break locks/x
	[ "$output" = 'locks/x: there is no lock' ]
}

@test "leaves a live lock: known by its PID, by flock, or by an open file" {
	echo $$ >locks/x
	run -75 lock-break locks/x
	[[ $output == 'locks/x: held'* ]]
	dead_pid >locks/y
	run -75 flock locks/y lock-break locks/y
	[[ $output == *'flock(2)'* ]]
	exec 9>>locks/y
	run -75 lock-break locks/y
	[[ $output == *'open for writing'* ]]
	exec 9>&-
	[ -e locks/x ]
	[ -e locks/y ]
	run -0 lock-run --dotlock locks/z sh -c 'lock-break locks/z; echo $?'
	[[ $output == *held*75 ]]
}

@test "judges a lock directory by its pid file" {
	mkdir locks/d locks/e locks/f
	dead_pid >locks/d/pid
	echo $$ >locks/e/pid
	run -75 lock-break locks/d/ locks/e locks/f
	[ ! -e locks/d ]
	in_quarantine d
	[ -e locks/e ]
	[ -e locks/f ]
	[[ $output == *"without a file 'pid'"* ]]
}

@test "without a PID, judges by age if no process has the file open or works in its directory" {
	require_every_process
	: >locks/x
	printf 0 >locks/y
	await_left 'within the limit of 5m' locks/x locks/y
	old locks/x
	old locks/y
	run -75 lock-break --stale-after 1h locks/x
	await_judged --stale-after 0 locks/x locks/y
	in_quarantine x
	in_quarantine y
	: >locks/z
	touch -d '+1 hour' locks/z
	await_left future --stale-after 0 locks/z
	old locks/z
	mkfifo up down
	(cd locks && exec sh -c 'echo >../up; read x <../down') &
	read -r _ <up
	await_left 'works in its directory' locks/z
	echo >down
	wait
	await_judged locks/z
}

@test "finds a user of the file or directory whose first thread has ended" {
	require_every_process
	: >locks/z
	old locks/z
	mkfifo go
	leaderless locks worker
	await_left 'works in its directory' locks/z
	let_go
	mkdir locks/below
	leaderless locks/below holder 'kept = open("../z", "a")'
	await_left 'open for writing' locks/z
	[[ $output == *"PID $holder "* ]]
	let_go
	await_judged locks/z
}

@test "does not move a lock that was recreated after it was judged (stale/B3)" {
	dead_pid >locks/x
	made_anew_at mkdirat#1 locks/x lock-break locks/x
	[ "$status" = 75 ]
	! in_quarantine x
}

@test "puts back a lock that is recreated just before the move (stale/B3)" {
	local faults inode

	for faults in renameat2#1:stop renameat2#1:EINVAL,renameat2#2:stop; do
		dead_pid >locks/x
		stop_at "$faults" lock-break locks/x
		rm locks/x
		echo $$ >locks/x
		inode=$(stat -c %i locks/x)
		go_on
		[ "$status" = 75 ]
		[ "$(stat -c %i locks/x)" = "$inode" ]
		! in_quarantine x
		rm locks/x
	done
}

@test "leaves a lock that it cannot judge, unless --alone is given" {
	printf 'rubbish \e[31m\n' >locks/x
	old locks/x
	ln -s x locks/link
	mkfifo locks/fifo
	run -75 lock-break locks/x locks/link locks/fifo
	[[ $output == *'its first line is not a PID'* ]]
	[[ $output == *'symbolic link'* ]]
	[[ $output != *$'\e'* ]]
	run -0 lock-break --alone locks/x
	run -75 lock-break --alone locks/link locks/fifo
	[ -L locks/link ]
	echo $$ >locks/y
	old locks/y
	run -75 lock-break --alone locks/y
}

@test "reports to an ordinary user what is not permitted" {
	require_other_user
	chmod 755 . ..
	mkdir -m 1777 sticky
	dead_pid >sticky/x
	: >sticky/y
	old sticky/y
	chmod 600 sticky/y
	local nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
	run -77 $nobody "$HF_BIN/lock-break" sticky/x
	[[ $output == *"cannot move 'sticky/x' aside"* ]]
	run -75 $nobody "$HF_BIN/lock-break" sticky/y
	[[ $output == *'may not be read'* ]]
	[ -e sticky/x ]
	[ -e sticky/y ]
}

# $1: a directory in which the names of the quarantine are taken, each by something else.
take_names() {
	local theirs=$1/.holdfast-quarantine
	ln -s ../elsewhere "$theirs"
	mkdir "$theirs.1"
	chown 65534 "$theirs.1"
	: >"$theirs.2"
	mkfifo "$theirs.3"
	ln -s ../absent "$theirs.4"
}

@test "does not use another user's quarantine, but the next name" {
	local n
	require_root
	chmod 755 . ..
	mkdir -m 777 open
	mkdir elsewhere
	take_names open
	dead_pid >open/x
	HOLDFAST_WITHOUT=quarantine_names run -77 "$HF_FAULT_BIN/lock-break" open/x
	[ -e open/x ]
	for n in x y; do
		dead_pid >open/$n
		run -0 lock-break open/$n
		[[ $output == *"moved to .holdfast-quarantine.5/$n."* ]]
		[ ! -e open/$n ]
	done
	compgen -G 'open/.holdfast-quarantine.5/x.*'
	[ "$(stat -c %a open/.holdfast-quarantine.5)" = 700 ]
	[ -z "$(find elsewhere open/.holdfast-quarantine.1 -mindepth 1)" ]
	[ ! -e absent ]
	[ ! -e open/.holdfast-quarantine.6 ]
	# and none is left
	chown 65534 open/.holdfast-quarantine.5
	touch open/.holdfast-quarantine.{6..9}
	dead_pid >open/x
	run -77 lock-break open/x
	[[ $output == *'is a directory of yours'* ]]
	[ -e open/x ]
}

@test "refuses an option after a PATH, and breaks nothing" {
	dead_pid >x
	run -64 lock-break x --dry-run
	[[ ${lines[0]} == *"'--dry-run' follows a PATH: options come first"* && -e x ]]
	run -0 lock-break -- x --dry-run
	[[ ! -e x && $output == *'--dry-run: there is no lock' ]]
}

@test "prints JSON with --json, and nothing with -q" {
	dead_pid >locks/x
	echo $$ >locks/$'y"\n\\'
	run -75 lock-break --json locks/x locks/$'y"\n\\' locks/z
	python3 -c '
import json, sys
x, y, z = map(json.loads, sys.stdin)
assert x["state"] == "moved" and x["pid"] > 0 and "dead" in x["reasons"][0], x
assert x["quarantine"].startswith(".holdfast-quarantine/x."), x
assert y["state"] == "held" and z["state"] == "absent", (y, z)
' <<<"$output"
	dead_pid >locks/x
	run -0 lock-break -q locks/x
	[ "$output" = '' ]
}

@test "refuses wrong calls and invalid paths" {
	run -64 lock-break
	run -64 lock-break --stale-after -1 x
	run -66 lock-break --git .
	run -73 lock-break no/such
	[[ $output != *--parents* ]]
	run -64 lock-break ''
	dead_pid >locks/x
	run -73 lock-break no/such locks/x
	[ ! -e locks/x ]
	local name
	name=$(printf 'n%.0s' {1..255})
	dead_pid >"locks/$name"
	run -0 lock-break "locks/$name"
	[ ! -e "locks/$name" ]
}

@test "with eight breakers and eight takers, one at a time has the lock" {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		lock-break -q locks/x &
		lock-run --dotlock locks/x sh -c 'echo in >>log; echo out >>log' &
	done
	dead_pid >locks/y && mv -n locks/y locks/x || :
	wait
	# no two were in at the same time
	[ "$(grep -c in log)" = 8 ]
	[ "$(paste -sd ' ' log)" = "$(printf 'in out %.0s' {1..8} | sed 's/ $//')" ]
}

@test "does not take a plain PID for dead that may be of an outer PID namespace (stale/E3)" {
	require_pid_namespace
	echo $$ >x
	run -75 unshare -p -f --mount-proc lock-break x
	[[ $output == *"may belong to a PID namespace that is not visible"* ]]
	run -75 unshare -p -f --mount-proc lock-run -n --dotlock x true
	[[ $output == *'it is unknown'* ]]
	# a visible process is alive; an invisible one counts as dead with --alone
	run -75 unshare -p -f --mount-proc sh -c 'echo $$ >y; lock-break --alone y'
	[[ $output == *lives* ]]
	run -0 unshare -p -f --mount-proc lock-break --alone x
	[ ! -e x ]
}
