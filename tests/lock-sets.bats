#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lock-run: several locks, inherited ones, slots, and lock files that go away.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkfifo go at
}

# Run "$2"... $1 times, until one fails.
repeat() {
	local n times=$1
	shift
	for ((n = 0; n < times; n++)); do "$@" || return; done
}

# Each of $1 processes runs "$3"... $2 times; all have to succeed.
at_once() {
	local processes=$1 times=$2 i pids=()
	shift 2
	for ((i = 0; i < processes; i++)); do
		bg repeat "$times" "$@"
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
}

increment='read n <count; echo $((n + 1)) >count'

@test "counts 8 x 50 contended increments exactly" {
	echo 0 >count
	at_once 8 50 lock-run l sh -c "$increment"
	[ "$(cat count)" = 400 ]
}

@test "counts exactly when lock-run and flock(1) contend" {
	echo 0 >count
	at_once 4 25 flock l sh -c "$increment" &
	local others=$!
	at_once 4 25 lock-run l sh -c "$increment"
	wait $others
	[ "$(cat count)" = 200 ]
}

@test "holds all locks of a set, shared and exclusive as requested" {
	hold lock-run --file a -s --file b --file c -x --file d
	run -1 flock -sn a true
	flock -sn b true
	run -1 flock -n b true
	flock -sn c true
	run -1 flock -n c true
	run -1 flock -sn d true
	let_go
	flock -n a flock -n b flock -n c flock -n d true
}

@test "a timeout names the requested limit, not the rest of it after earlier locks" {
	bg lock-run --dotlock d sleep 60
	local other=$!
	await test -e d
	hold lock-run a
	bg lock-run -w 2 --file a --dotlock d true
	local waiter=$!
	await waits $waiter
	let_go
	ends_with 75 $waiter
	grep "cannot lock '[ad]' within 2s: held by PID " log
	kill $other
	wait $other || :
}

@test "takes all locks or none: a busy one keeps no other locked" {
	hold flock b
	run -75 lock-run -n --file a --file b --file c true
	[[ ${lines[0]} == "lock-run: cannot lock 'b': held by "* ]]
	flock -n a flock -n c true
	let_go
}

@test "sets in opposite order never deadlock" {
	at_once 2 60 lock-run -w 20 --file a --file b true &
	local others=$!
	at_once 2 60 lock-run -w 20 --file b --file a true
	wait $others
}

@test "takes two names of one file for one lock, exclusive if either is" {
	touch l
	ln l hard
	ln -s l soft
	hold lock-run -s --file l -x --file hard -s --file soft --file ./l
	run -1 flock -sn l true
	let_go
	run -64 lock-run --file l --slots 2 --file hard true
	[[ ${lines[0]} == "lock-run: cannot lock both "*": they are one file" ]]
}

@test "a nested lock-run of the same lock goes on" {
	run -0 lock-run l lock-run -n l lock-run -n "$PWD/l" echo inside
	[ "$output" = inside ]
	run -0 lock-run l lock-run -sn l echo inside
	[ "$output" = inside ]
	run -0 lock-run -s l lock-run -sn l echo inside
	[ "$output" = inside ]
	run -0 lock-run -F l lock-run -nF l echo inside
	[ "$output" = inside ]
	run -0 lock-run --file a --file b lock-run -n --file b --file c lock-run -n --file a \
		--file c echo inside
	[ "$output" = inside ]
	run -0 lock-run --fcntl l lock-run -n --fcntl l echo inside
	[ "$output" = inside ]
	run -0 timeout 10 lock-run --fcntl a lock-run b lock-run --fcntl a echo inside
	[ "$output" = inside ]
	run -0 timeout 10 bash -c 'exec 9>a; lock-run --fcntl 9; lock-run --fcntl a echo inside'
	[ "$output" = inside ]
	run -0 lock-run dir lock-run -n dir echo inside
	flock -n l true
}

@test "the outer lock-run still holds the lock after a nested one ends" {
	run -0 lock-run l sh -c 'lock-run l true; flock -n l true || echo held'
	[ "$output" = held ]
	run -0 lock-run -s l sh -c 'lock-run -s l true; flock -n l true || flock -sn l echo shared'
	[ "$output" = shared ]
}

@test "refuses at once an exclusive lock under an inherited shared one" {
	run -64 timeout 10 lock-run -s l lock-run l true
	[[ ${lines[0]} == "lock-run: cannot lock 'l': it is already held shared by "* ]]
	run -64 timeout 10 lock-run -s l lock-run -n l true
	run -64 timeout 10 lock-run --fcntl -s l lock-run --fcntl l true
	run -64 timeout 10 lock-run --slots 2 l lock-run l true
}

@test "refuses a lock that an ancestor holds and does not pass on" {
	run -64 timeout 10 lock-run -o l lock-run l true
	[[ ${lines[0]} == "lock-run: cannot lock 'l': it is held by this command's own ancestor"* ]]
	run -64 timeout 10 bash -c 'exec 9>l; flock 9; lock-run l true'
	run -64 timeout 10 flock l lock-run l true
	run -75 lock-run -o l lock-run -n l true
}

@test "waits for a lock of a shell that waits for another child" {
	exec 9>l
	flock 9
	lock-run -v -w 60 l touch ran 2>log 9>&- 3>&- &
	# Both checks, at 25 ms and after a second, find this shell waiting for a child.
	timeout 20 sh -c 'until grep -q "waiting for" log; do :; done'
	flock -u 9
	wait $!
	[ -e ran ]
	exec 9>&-
}

@test "refuses a lock of the surrounding shell in a pipeline" {
	exec 9>l
	flock 9
	run -64 timeout 20 bash -c 'set -o pipefail; lock-run l true 9>&- | cat; exit $?'
	exec 9>&-
}

@test "a stale or forged environment proves no lock" {
	hold flock l
	local forged
	exec 70<l 71>other
	flock 71
	for forged in 70 71 70,71 99 abc '' 70,abc -1 99999999999999 ,,, 70x; do
		HOLDFAST_LOCKS=$forged run -75 lock-run -n l true
	done
	exec 70<&-
	HOLDFAST_LOCKS=71 run -75 lock-run -n l true
	let_go
}

@test "HOLDFAST_LOCKS names inherited locks, also over two levels, and nothing with -o" {
	run -0 lock-run a lock-run b sh -c 'for n in $(echo $HOLDFAST_LOCKS | tr , " "); do
		readlink /proc/self/fd/$n; done'
	[ "${lines[*]##*/}" = 'a b' ]
	HOLDFAST_LOCKS=64,65,abc run -0 lock-run a sh -c 'echo $HOLDFAST_LOCKS'
	[ "$(tr , '\n' <<<"$output" | sort -u)" = 64 ]
}

@test "exits with 69 when an inherited lock cannot be proved without /proc" {
	require_mount
	run -69 unshare -m sh -c 'lock-run l sh -c "mount -t tmpfs none /proc; lock-run l true"'
	[[ ${lines[0]} == "lock-run: cannot lock 'l': "*'/proc'* ]]
	run -0 unshare -m sh -c 'mount -t tmpfs none /proc; lock-run l echo no need'
	[ "$output" = 'no need' ]
}

@test "a command inherits the descriptors of the locks, and no others" {
	local locks

	descriptor_lister list.py
	python3 list.py >always
	sqlite3 db 'CREATE TABLE t (x)'
	git init -q r
	for locks in l '--slots 2 l' '--fcntl l' '--dotlock d' '--sqlite db' '--git r' \
		'--sqlite-freeze db' '--git-freeze r' \
		'--file l --file m --dotlock d --sqlite db --git r'; do
		lock-run $locks sh -c 'echo "$HOLDFAST_LOCKS" >locks; exec python3 list.py' >found
		diff <(cat always <(tr , '\n' <locks) | sort -n) found
		lock-run -o $locks python3 list.py >found
		diff <(sort -n always) found
	done
}

@test "--slots: at most N commands run at once, each with its own number" {
	# a slot's number makes a directory: only one at a time can
	at_once 6 10 lock-run --slots 2 l sh -c 'mkdir "slot$HOLDFAST_SLOT" &&
		echo "$HOLDFAST_SLOT" >>slots && rmdir "slot$HOLDFAST_SLOT"'
	[ "$(wc -l <slots)" = 60 ]
	[ "$(sort -u slots | tr -d '\n')" = 01 ]
	[ ! -s l ]
}

@test "--slots: all slots taken is busy, and an exclusive lock excludes all slots" {
	mkfifo go2
	hold lock-run --slots 2 l
	bg lock-run --slots 2 l sh -c 'echo >at; read x <go2'
	local second=$!
	hear
	run -75 lock-run -n --slots 2 l true
	[ "${lines[0]}" = "lock-run: cannot lock a slot of 'l': all 2 are taken" ]
	run -75 lock-run -w 30ms --slots 2 l true
	run -75 lock-run -n l true
	run -1 flock -n l true
	run -0 lock-run -n --slots 3 l sh -c 'echo $HOLDFAST_SLOT'
	[ "$output" = 2 ]
	let_go
	run -0 lock-run -n --slots 2 l sh -c 'echo $HOLDFAST_SLOT'
	[ "$output" = 0 ]
	echo >go2
	wait $second
	hold lock-run l
	run -75 lock-run -n --slots 2 l true
	[[ ${lines[0]} == "lock-run: cannot lock 'l': held by "* ]]
	let_go
}

@test "--slots: a waiter gets the first free slot, also when its holder is killed" {
	bg lock-run --slots 1 l sh -c 'echo $$ >pid; echo >at; exec sleep 60'
	hear
	bg lock-run --slots 1 l touch done
	local waiter=$!
	bg lock-run --slots 1 l touch done2
	local second=$!
	await waits -1 # at the gate, after the first
	[ ! -e done ]
	kill -KILL "$(cat pid)"
	wait $waiter
	wait $second
	[ -e done ] && [ -e done2 ]
}

@test "--slots: a slot of a killed lock-run stays taken until its command ends" {
	bg lock-run --slots 1 l sh -c 'echo >at; read x <go'
	hear
	kill -KILL $!
	wait $! || true
	run -75 lock-run -n --slots 1 l true
	echo >go
	lock-run --slots 1 l true
}

@test "--slots: nested runs share the parent's slot, and divide the slots of an exclusive lock" {
	run -0 timeout 10 lock-run --slots 1 l lock-run --slots 1 l sh -c 'echo $HOLDFAST_SLOT'
	[ "$output" = 0 ]
	run -0 timeout 10 lock-run l lock-run --slots 1 l lock-run m lock-run --slots 1 l echo deep
	[ "$output" = deep ]
	run -0 timeout 20 lock-run l sh -c '
		alone="mkdir slot\$HOLDFAST_SLOT && rmdir slot\$HOLDFAST_SLOT"
		for i in 1 2 3 4 5 6; do lock-run --slots 2 l -c "$alone" & done
		wait; lock-run -n --slots 2 l echo end'
	[ "$output" = end ]
}

@test "--slots: refuses a file that it cannot write and a directory; allows two slotted locks" {
	require_other_user
	chmod 755 .
	install -m 644 /dev/null l
	run -77 setpriv --reuid 65534 --clear-groups "$HF_BIN/lock-run" --slots 2 l true
	[[ ${lines[1]} == '  slots need a file '* ]]
	mkdir dir
	run -64 lock-run --slots 2 dir true
	run -0 lock-run --slots 2 --file a --file b \
		sh -c 'flock -sn a flock -sn b true || echo $HOLDFAST_SLOT'
	[ "$output" = 0 ]
	printf '#!/bin/sh\n' >script && chmod +x script
	lock-run script ./script
	run -126 lock-run --slots 2 script ./script
	[[ ${lines[1]} == *'lock another file' ]]
}

@test "--remove removes the lock file, and the target of a link" {
	run -3 lock-run --remove l sh -c 'exit 3'
	[ ! -e l ]
	run -127 lock-run --remove l nonesuch
	[ ! -e l ]
	ln -s target link
	lock-run --remove link true
	[ -L link ] && [ ! -e target ]
	lock-run --remove --file a --file b true
	[ ! -e a ] && [ ! -e b ]
	run -0 lock-run --remove l rm l
	[ -z "$output" ]
	run -0 lock-run --remove l sh -c 'mv l old; echo mine >l; flock -n l true'
	[ ! -e l ]
}

@test "--remove leaves a file that another process uses" {
	hold lock-run -s l
	lock-run -s --remove l true
	[ -e l ]
	let_go
	lock-run l lock-run --remove l true
	[ -e l ]
	lock-run --remove l sh -c 'sleep 60 >log 2>&1 3>&- & echo $! >pid'
	[ -e l ]
	kill "$(cat pid)"
}

@test "--remove leaves a lock file that another process has recreated and holds" {
	local call

	for call in flock#2 fcntl_lock#1; do
		stop_at "$call:stop" lock-run --remove l touch ran
		[ -e ran ]
		rm l ran
		hold lock-run l
		go_on
		[ "$status" = 0 ]
		run -1 flock -n l true
		let_go
	done
}

@test "a nested lock on another object does not replace one that a third process holds" {
	hold lock-run --fcntl --start 10 --length 10 l
	run -75 lock-run --fcntl --start 10 --length 10 m \
		lock-run -n --fcntl --start 10 --length 10 l true
	run -75 lock-run --fcntl --start 20 --length 10 l \
		lock-run -n --fcntl --start 15 --length 10 l true
	let_go
	hold lock-run --slots 1 l
	run -75 lock-run --slots 1 m lock-run -n --slots 1 l true
	let_go
	hold lock-run l
	run -75 lock-run m lock-run -n l true
	run -75 lock-run --fcntl l lock-run -n l true
	run -75 lock-run --dotlock l.lock lock-run -n l true
	let_go
	hold lock-run --dotlock l.lock
	run -75 lock-run m lock-run -n --dotlock l.lock true
	run -75 lock-run --dotlock m.lock lock-run -n --dotlock l.lock true
	let_go
}

@test "--remove by all: 8 x 25 increments are exact, and no file is left" {
	echo 0 >count
	at_once 8 25 lock-run --remove l sh -c "$increment"
	[ "$(cat count)" = 200 ]
	[ ! -e l ]
}
