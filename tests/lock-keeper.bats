#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# lock-acquire, lock-renew, lock-release: locks that are kept between the steps of a script.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkfifo go at
}

# lock-acquire $1 has a keeper, whose PID is in a file then.
starts_keeper() { tr -d ' ' <"/proc/$1/task/$1/children" >keeper && [ -s keeper ]; }

# Process $1 is gone, or is a zombie.
ended() { [ ! -e "/proc/$1" ] || [[ "$(cat "/proc/$1/stat" 2>/dev/null)" == *') Z'* ]]; }

# The keeper of handle $1.
keeper_of() { echo "$1" | cut -d - -f 2; }

# A script in file $1, of the lines of standard input; a new file, since a shell may still read the
# old one.
script() {
	rm -f "$1"
	{ echo '#!/bin/bash'; cat; } >"$1"
	chmod +x "$1"
}

# A script that owns a keeper with the options "$@", says so, and waits until it is let go.
own() {
	script owner <<-END
		h=\$(lock-acquire --owner \$\$ $*) || exit
		echo \$h >handle
		echo >at
		read x <go
	END
	bg ./owner
	owner=$!
	hear
	handle=$(cat handle)
}

@test "holds a lock from one step to another, and releases it" {
	h=$(lock-acquire --owner $$ L)
	[[ $h =~ ^k1-[0-9]+-[0-9]+-[0-9]+-[0-9a-f]{16}$ ]]
	run -1 flock -n L true
	lock-release "$h"
	flock -n L true
}

@test "works in dash, in a function and under timeout" {
	run -0 dash -c 'h=$(lock-acquire --owner $$ L) || exit
		flock -n L true && echo free
		lock-release $h && flock -n L echo free again'
	[ "$output" = 'free again' ]
	run -0 sh -c 'f() { lock-acquire --owner $$ L 2>&1; }
		h=$(f); flock -n L true || echo held; lock-release "$h"'
	[ "$output" = held ]
	run -0 sh -c 'h=$(timeout 5 lock-acquire --owner $$ L); flock -n L true || echo held'
	[ "$output" = held ]
	flock -w 20 L true
}

@test "takes all or none of a set, in one order, shared ones too" {
	own -s --file a -x --file b --dotlock d
	run -1 flock -n a true
	flock -sn a true
	run -1 flock -sn b true
	[ "$(head -n 1 d)" = "$(keeper_of "$handle")" ]
	run -75 lock-acquire --owner none --ttl 1m -n --file c --dotlock d
	[[ $output == *"cannot lock 'd'"* ]]
	flock -n c true
	lock-release "$handle"
	[ ! -e d ]
	flock -n a flock -n b true
	echo >go
}

@test "exits with 75, or the status of -E, when busy, and names the holder and its owner" {
	own L
	run -75 --separate-stderr lock-acquire --owner $$ -w 30ms L
	[ "$output" = '' ]
	local holder="PID $(keeper_of "$handle") (lock-acquire, for PID $owner (owner))"
	[[ $stderr == "lock-acquire: cannot lock 'L' within 30ms: held by $holder, running "* ]]
	run -3 lock-acquire --owner $$ -n -E 3 L
	run -75 lock-acquire -q --owner $$ -n L
	[ "$output" = '' ]
	run -75 lock-run -n L true
	[[ $output == *"for PID $owner (owner)"* ]]
	echo >go
	wait $owner
	flock -w 20 L true
}

@test "frees the lock and removes the dotlock when the owner is killed" {
	own --file L --dotlock D
	kill -KILL "$owner"
	flock -w 20 L true
	await test ! -e D
	run -1 lock-release "$handle"
	[[ $output == 'lock-release: the lock was lost earlier: its keeper, PID '* ]]
	run -1 lock-renew "$handle"
}

@test "release reports a lost lock when the keeper is killed" {
	own L
	kill -KILL "$(keeper_of "$handle")"
	flock -w 20 L true
	run -1 lock-release "$handle"
	[[ $output == *'was lost earlier'* ]]
	echo >go
}

# $1 tools $2 of this test have asked, and wait for the answer.
ask() {
	local self=$BASHPID

	[ "$(ps -o state=,comm= --ppid "$self" | grep -cx "S $2")" = "$1" ]
}

@test "a request does not release if its client gave up before the keeper read it (keeperd/K3)" {
	own L
	kill -STOP "$(keeper_of "$handle")"
	await is_stopped "$(keeper_of "$handle")"
	lock-release "$handle" >>log 2>&1 3>&- &
	await ask 1 lock-release
	kill -TERM $!
	ends_with 143 $!
	kill -CONT "$(keeper_of "$handle")"
	# it hears one after the other
	lock-renew --ttl 1h "$handle"
	run -1 flock -n L true
	lock-release "$handle"
	flock -n L true
	echo >go
}

@test "the keeper answers eighty concurrent requests one after the other (keeperd/K7)" {
	own --ttl 1h L
	kill -STOP "$(keeper_of "$handle")"
	await is_stopped "$(keeper_of "$handle")"
	local pids=()
	for _ in {1..80}; do
		lock-renew "$handle" >>log 2>&1 3>&- &
		pids+=($!)
	done
	await ask 80 lock-renew
	kill -CONT "$(keeper_of "$handle")"
	for pid in "${pids[@]}"; do
		ends_with 0 "$pid"
	done
	echo >go
}

@test "TERM, HUP and INT do not end a keeper" {
	own L
	kill -TERM "$(keeper_of "$handle")"
	kill -HUP "$(keeper_of "$handle")"
	kill -INT "$(keeper_of "$handle")"
	run -1 flock -n L true
	lock-release "$handle"
	echo >go
}

@test "expires after its time to live, which lock-renew renews and changes" {
	h=$(lock-acquire --owner none --ttl 20ms L)
	flock -w 20 L true
	run -1 lock-release "$h"
	h=$(lock-acquire --owner none --ttl 1h L)
	lock-renew "$h"
	lock-renew --ttl 2h "$h"
	run -64 lock-renew --ttl inf "$h"
	run -1 flock -n L true
	lock-renew --ttl 10ms "$h"
	flock -w 20 L true
	run -1 lock-renew "$h"
	h=$(lock-acquire --owner $$ L)
	run -64 lock-renew "$h"
	[[ $output == *'has no time to live'* ]]
	lock-renew --ttl 1h "$h"
	lock-renew --ttl inf "$h"
	lock-release "$h"
}

@test "reports a dotlock that another process removed as lost" {
	h=$(lock-acquire --owner $$ --ttl 1h --dotlock D)
	lock-renew "$h"
	rm D
	run -1 lock-renew "$h"
	[[ $output == "lock-renew: dotlock 'D' was lost"* ]]
	run -1 lock-release "$h"
	[[ $output == "lock-release: dotlock 'D' was lost"* ]]
}

@test "refuses wrong calls with 64" {
	run -64 lock-acquire L
	[[ $output == *'--owner $$'* ]]
	run -64 lock-acquire --owner $$
	run -64 lock-acquire --owner none L
	run -64 lock-acquire --owner none --ttl inf L
	run -64 lock-acquire --owner $$ L --dotlock D
	[[ ${lines[0]} == *"'--dotlock' follows a LOCK"* && ! -e L ]]
	run -64 lock-acquire --owner $$ --ttl 0 L
	run -64 lock-acquire --owner 0 L
	run -64 lock-acquire --owner -1 L
	run -64 lock-acquire --owner '' L
	[[ ${lines[0]} == *"'' is neither a PID nor none" ]]
	run -64 lock-acquire --owner 99999999999 L
	run -64 lock-acquire --owner $$ --file L M
	run -64 lock-acquire --owner $$ --slots 2
	run -64 lock-acquire --owner $$ ''
	[ ! -e L ] && [ ! -e M ]
	run -64 lock-release
	run -64 lock-renew
	run -64 lock-renew --ttl 0 x
	run -64 lock-renew a b
	run -64 lock-renew x --ttl 1m
	[[ ${lines[0]} == *"'--ttl' follows a HANDLE: options come first"* ]]
}

@test "refuses an owner that is dead or not an ancestor" {
	sleep 60 3>&- &
	run -64 lock-acquire --owner $! L
	[[ $output == *'not an ancestor'* ]]
	kill $!
	wait $! || :
	run -64 lock-acquire --owner $! L
	[[ $output == *'no such process'* ]]
	[ ! -e L ]
}

@test "refuses a handle that is malformed, of another boot, or forged" {
	local handle
	for handle in '' x 4711 k1 k1-1-1-1-1 'k1-4711-1-1-9f86d081884c7d65 ' \
		"$(printf %9999s k)"; do
		run -64 lock-release "$handle"
		run -64 lock-renew "$handle"
	done
	h=$(lock-acquire --owner $$ L)
	# another start time: a keeper that is gone, whose PID is used again
	run -1 lock-release "$(awk -F - -v OFS=- '{ $3 = 1; print }' <<<"$h")"
	run -64 lock-release "${h%????}0000"
	[[ $output == *'did not issue this handle'* ]]
	run -77 lock-release "$(awk -F - -v OFS=- '{ $4 = 1; print }' <<<"$h")"
	run -1 flock -n L true
	# several: all are tried
	run -64 lock-release nonsense "$h"
	flock -n L true
}

@test "exits with 77 for another user's keeper, except for root" {
	require_other_user
	chmod 777 .
	chmod 755 ..
	local nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
	h=$(lock-acquire --owner $$ L)
	run -77 $nobody "$HF_BIN/lock-release" "$h"
	[[ $output == *"is another user's (user 0)"* ]]
	run -77 $nobody "$HF_BIN/lock-renew" --ttl 1 "$h"
	lock-release "$h"
	h=$($nobody "$HF_BIN/lock-acquire" --owner none --ttl 1m M)
	lock-release "$h"
	# and lends nothing to another
	h=$(lock-acquire --owner $$ L)
	run -75 timeout 10 $nobody "$HF_BIN/lock-run" -n L true
	lock-release "$h"
}

@test "refuses at once another user's command under root's keeper, and lends it nothing" {
	require_other_user
	chmod 777 .
	chmod 755 ..
	local nobody='setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all'
	script inside <<-END
		h=\$(lock-acquire --owner \$\$ L) || exit
		$nobody timeout 20 "$HF_BIN/lock-run" L echo nested
		exit \$?
	END
	run -64 ./inside
	[[ $output == *"cannot lock 'L': it is held by PID "*" for this command's own ancest"* ]]
	# another user's keeper is not trusted, although it says that it is for root's script
	script inside <<-'END'
		echo >at
		read x <go
		lock-run -w 200ms N true
		exit $?
	END
	bg ./inside
	local inside=$!
	hear
	: >N
	chmod 666 at N
	bg $nobody bash -c 'exec 9>N; flock 9; exec -a "lock-acquire, for PID $1 (inside)" \
		python3 -c "$2"' bash $inside '
import os, socket, time
st = os.fstat(9)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind("\0holdfast/lock/%x/%d/0" % (st.st_dev, st.st_ino))
s.listen()
open("at", "w").write("\n")
time.sleep(60)'
	local stranger=$!
	hear
	echo >go
	ends_with 75 $inside
	kill $stranger
	grep "cannot lock 'N' within .*: held by " log
}

@test "the keeper has no terminal, pipe, directory or descriptor of the caller's" {
	exec 8<>at
	h=$(lock-acquire --owner $$ --file L --dotlock D)
	exec 8>&-
	local pid
	pid=$(keeper_of "$h")
	[ "$(readlink "/proc/$pid/cwd")" = / ]
	run -0 sh -c "for f in /proc/$pid/fd/*; do readlink \$f; done |
		grep -v -e '^socket:' -e '^anon_inode:' -e '^/dev/null$' | sort -u"
	[ "${#lines[@]}" = 3 ]
	[[ $output == *"$PWD"$'\n'* ]] # of the dotlock, to remove it
	[[ $output == *"$PWD/L"* ]]
	[ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
	[ "$(ps -o tty= -p "$pid" | tr -d ' ')" = '?' ]
	lock-release "$h"
}

@test "a waiter for a lock that a keeper holds acquires it after the release" {
	own L
	bg lock-run L touch done
	local waiter=$!
	await waits $waiter
	[ ! -e done ]
	lock-release "$handle"
	wait $waiter
	[ -e done ]
	echo >go
}

@test "leaves no process and no dotlock when it is killed or interrupted during the wait" {
	bg flock L sh -c 'echo >at; read x <go'
	hear
	local signal keeper
	for signal in KILL INT TERM; do
		bg env --default-signal=INT lock-acquire --owner $$ -w 1m --dotlock D --file L
		local starter=$!
		await starts_keeper $starter
		keeper=$(cat keeper)
		await waits "$keeper"
		kill -$signal $starter
		wait $starter || :
		await ended "$keeper"
		[ ! -e D ]
	done
	echo >go
}

@test "gives back the other locks when its keeper is ended while it waits for an external dotlock" {
	lockfile D
	bg lock-acquire --owner $$ -w 1m --dotlock D --dotlock C
	local starter=$! keeper
	await starts_keeper $starter
	keeper=$(cat keeper)
	await sh -c "readlink /proc/$keeper/fd/* | grep -q inotify"
	kill -TERM "$keeper"
	wait $starter || status=$?
	[ "$status" = 75 ]
	[ ! -e C ]
	await ended "$keeper"
	rm -f D
}

@test "holds nothing when the handle cannot be printed" {
	run -74 sh -c 'lock-acquire --owner $$ L >/dev/full'
	flock -n L true
	run -74 sh -c 'lock-acquire --owner $$ --dotlock D >&-'
	[ ! -e D ]
}

@test "a nested lock-run borrows the lock at once, and so does its command" {
	own L
	script inside <<-'END'
		h=$(lock-acquire --owner $$ --file L --dotlock D) || exit
		lock-run -n --dotlock D --file L lock-run -n L lock-run -n --dotlock D echo one
		lock-run -sn L sh -c 'flock -n L true || echo two'
		h2=$(lock-acquire --owner $$ -n L) && lock-release $h
		flock -n L true || echo three
		lock-release $h2
		flock -n L echo four
	END
	lock-release "$handle"
	run -0 timeout 20 ./inside
	[ "$output" = $'one\ntwo\nthree\nfour' ]
	[ ! -e D ]
	# a process outside does not
	own L
	run -75 lock-run -n L true
	echo >go
}

@test "a keeper that answers late still lends (keeperd/K6)" {
	script owner <<-'END'
		h=$(lock-acquire --owner $$ L) || exit
		kill -STOP "$(echo "$h" | cut -d - -f 2)"
		timeout 60 lock-run L echo nested &
		echo $! >child
		echo "$h" >handle
		echo >at
		wait $!
	END
	bg ./owner
	owner=$!
	hear
	# it has asked, and no keeper has answered
	await child_waits
	kill -CONT "$(keeper_of "$(cat handle)")"
	ends_with 0 $owner
	grep -x nested log
}
child_waits() { waits "$(tr -d ' ' <"/proc/$(cat child)/task/$(cat child)/children")"; }

@test "refuses at once an exclusive lock under a shared one" {
	run -64 timeout 10 bash -c 'h=$(lock-acquire --owner $$ -s L); lock-run L true'
	[[ $output == *'already held shared'* ]]
	run -0 timeout 10 bash -c 'h=$(lock-acquire --owner $$ -s L); lock-run -s L echo fine'
	[ "$output" = fine ]
}

@test "an atomic tool refuses a file that a keeper holds for its ancestor" {
	echo old >f
	run -64 timeout 10 bash -c 'h=$(lock-acquire --owner $$ f)
		echo new | atomic-write f; exit $?'
	[[ $output == *"held by PID "*" (lock-acquire, for PID "*"for this command's own ancest"* ]]
	[[ $output == *"lock 'f.lock' instead"* ]]
	[ "$(cat f)" = old ]
}

@test "work under a borrowed lock stays excluded when the owner dies during it" {
	local kind
	for kind in --file --dotlock; do
		script owner <<-END
			h=\$(lock-acquire --owner \$\$ $kind L) || exit
			lock-run $kind L sh -c 'echo >at; read x <go; touch done'
		END
		bg ./owner
		owner=$!
		hear
		kill -KILL $owner
		wait $owner || :
		run -75 lock-run -w 50ms $kind L true
		[ ! -e done ]
		echo >go
		run -0 lock-run -w 20 $kind L test -e done
		rm -f L done
	done
}

@test "keeps and releases an inherited lock, which is held throughout" {
	run -0 lock-run L bash -c 'h=$(lock-acquire --owner $$ L) && lock-release $h
		flock -n L true || echo held'
	[ "$output" = held ]
	# the killed one's own descriptor is closed when it is dead, and not before
	run -137 lock-run L bash -c 'h=$(lock-acquire --owner $$ L); kill -KILL $PPID
		flock -n L true || echo held; lock-release $h; exec 64>&-; flock -w 20 L echo free'
	[[ $output == held$'\n'free ]]
}

@test "keeps an inherited dotlock, and touches it" {
	run -0 lock-run --dotlock D bash -c 'h=$(lock-acquire --owner $$ --dotlock D) || exit
		cat "/proc/$(echo "$h" | cut -d - -f 2)/fdinfo/"*
		lock-release "$h"'
	[[ $output == *'it_interval: (120, 0)'* ]]
}

@test "keeps slots and ranges, and lends them" {
	own --slots 1 L
	run -75 lock-run -n --slots 1 L true
	lock-release "$handle"
	lock-run -n --slots 1 L true
	echo >go
	own --fcntl --start 5 --length 5 L
	run -75 lock-run -n --fcntl --start 9 L true
	lock-run -n --fcntl --start 10 L true
	echo >go
	script inside <<-'END'
		h=$(lock-acquire --owner $$ --slots 1 L)
		lock-run --slots 1 L sh -c 'echo slot $HOLDFAST_SLOT
			lock-run --slots 1 L echo same'
		lock-release $h
		h=$(lock-acquire --owner $$ L)
		lock-run --slots 2 L sh -c 'lock-release '$h'; lock-run L echo under exclusive'
		h=$(lock-acquire --owner $$ --fcntl --start 5 --length 5 L)
		lock-run --fcntl --start 6 --length 2 L echo range
	END
	run -0 timeout 20 ./inside
	[ "$output" = $'slot 0\nsame\nunder exclusive\nrange' ]
}

@test "a keeper's lock on another object does not replace one that a third process holds" {
	script inside <<-'END'
		h=$(lock-acquire --owner $$ "$@" --file m) || exit
		$inner true
		echo $?
		lock-release $h
	END
	kept() { run -0 env inner="lock-run -n $1" ./inside "${@:2}"; }
	hold lock-run --fcntl --start 10 --length 10 l
	kept '--fcntl --start 10 --length 10 l' --fcntl --start 20 --length 10 --file l
	[ "${lines[-1]}" = 75 ]
	kept '--fcntl --start 15 --length 10 l' --fcntl --start 20 --length 10 --file l
	[ "${lines[-1]}" = 75 ]
	kept '--fcntl --start 22 --length 8 l' --fcntl --start 20 --length 10 --file l
	[ "${lines[-1]}" = 0 ]
	let_go
	hold lock-run l
	kept l --fcntl --start 20 --length 10 --file l
	[ "${lines[-1]}" = 75 ]
	let_go
	hold lock-run --slots 1 l
	kept '--slots 1 l' -s --file l
	[ "${lines[-1]}" = 75 ]
	kept '--slots 1 l' --fcntl --start 20 --length 10 --file l
	[ "${lines[-1]}" = 75 ]
	let_go
}

@test "keeps a turnstile, and does not unlock it while it is lent" {
	script inside <<-'END'
		h=$(lock-acquire --owner $$ --sqlite DB) || exit
		lock-run -n --sqlite DB sh -c 'lock-release '$h'
			flock -n DB-turnstile true || echo held'
		flock -n DB-turnstile echo free
	END
	run -0 timeout 20 ./inside
	[ "$output" = $'held\nfree' ]
}

@test "keeps a frozen repository, lends it, and thaws it" {
	git init -q r
	script inside <<-'END'
		h=$(lock-acquire --owner $$ --git-freeze r) || exit
		git -C r add . 2>&1 | grep -q index.lock && echo frozen
		lock-run -n --git r echo under
		lock-run -n --git-freeze r sh -c 'lock-release '$h'
			lock-run -n --git-freeze r test -e r/.git/index.lock && echo still'
		lock-run -n --git r git -C r read-tree --empty && echo thawed
	END
	run -0 timeout 20 ./inside
	[ "$output" = $'frozen\nunder\nstill\nthawed' ]
}

@test "prints JSON with --json" {
	local json
	json=$(lock-acquire --json --owner $$ --ttl 1h -s --file $'a"b' -x --dotlock D)
	[ "$(jq -r '.locks[] | [.kind, .path, .mode] | join(" ")' <<<"$json")" = \
		"file $PWD/a\"b shared"$'\n'"dotlock $PWD/D exclusive" ]
	[ "$(jq ".owner == $$ and .ttl > 3500" <<<"$json")" = true ]
	[ "$(jq -r .keeper <<<"$json")" = "$(head -n 1 D)" ]
	lock-release "$(jq -r .handle <<<"$json")"
	json=$(lock-acquire --json --owner $$ L)
	[ "$(jq .ttl <<<"$json")" = null ]
}

@test "--json waits for a keeper that answers late" {
	HOLDFAST_FAULT=connect#1:stop "$HF_FAULT_BIN/lock-acquire" --json --owner none --ttl 1h L \
		>json 2>log 3>&- &
	local starter=$!
	await is_stopped $starter
	await starts_keeper $starter
	kill -STOP "$(cat keeper)"
	kill -CONT $starter
	# longer than an inspection takes
	sleep 0.5
	kill -CONT "$(cat keeper)"
	ends_with 0 $starter
	lock-release "$(jq -r .handle json)"
}

@test "many keepers are small, and unrelated locks do not wake them" {
	local -a handles=() pids=()
	local i before after
	switches() { cat "${pids[@]/%//status}" | awk '/ctxt/ { n += $2 } END { print n }'; }
	for i in {1..40}; do
		handles+=("$(lock-acquire --owner $$ L$i)")
		pids+=("/proc/$(keeper_of "${handles[-1]}")")
	done
	for i in "${pids[@]}"; do
		awk '/^Private/ { n += $2 } END { exit n >= 1024 }' "$i/smaps_rollup"
	done
	# on a busy machine some have not come to rest yet
	for _ in 1 2 3; do
		before=$(switches)
		for i in {1..40}; do lock-run M true; done
		after=$(switches)
		[ "$before" != "$after" ] || break
	done
	[ "$before" = "$after" ]
	lock-release "${handles[@]}"
}

@test "works in a PID namespace, as its first process" {
	require_pid_namespace
	run -0 unshare -p -f --mount-proc bash -c '
		h=$(lock-acquire --owner $$ L); flock -n L true || echo held
		lock-run -n L echo nested; lock-release $h; flock -n L echo free'
	[ "$output" = $'held\nnested\nfree' ]
	own L
	run -77 unshare -p -f --mount-proc lock-release "$handle"
	echo >go
}

@test "works without /proc" {
	require_mount
	run -0 unshare -m sh -c 'mount -t tmpfs none /proc
		h=$(lock-acquire --owner none --ttl 1m L); flock -n L true || echo held
		lock-release $h; flock -n L echo free'
	[ "$output" = $'held\nfree' ]
}

@test "lends a frozen database that a keeper holds (keeperd/K6)" {
	sqlite3 db 'CREATE TABLE t (x)'
	script owner <<-'END'
		h=$(lock-acquire --owner $$ --sqlite-freeze db) || exit
		lock-run -w 5 --sqlite-freeze db sh -c '
			timeout 9 lock-release '$h'
			sqlite3 db "INSERT INTO t VALUES (1)" 2>/dev/null || echo frozen'
		# the helper's parent is gone, and the helper ends by itself
		sqlite3 -cmd '.timeout 10000' db "INSERT INTO t VALUES (1)" && echo thawed
	END
	run -0 ./owner
	[ "$output" = $'frozen\nthawed' ]
}

@test "reports a frozen database as lost when its helper was killed" {
	sqlite3 db 'CREATE TABLE t (x)'
	own --sqlite-freeze db
	local helper
	helper=$(tr -d ' ' <"/proc/$(keeper_of "$handle")/task/$(keeper_of "$handle")/children")
	kill -9 "$helper"
	await ended "$helper"
	run -1 lock-release "$handle"
	[[ $output == *"'db' was thawed"* ]]
	echo >go
}

@test "a keeper's helper keeps no lock that its starter had inherited (keeperd/K1)" {
	sqlite3 db 'CREATE TABLE t (x)'
	script owner <<-'END'
		h=$(lock-run outer lock-acquire --owner $$ --sqlite-freeze db) || exit
		flock -n outer echo free
		lock-release $h
	END
	run -0 ./owner
	[ "$output" = free ]
}

@test "does not report a keeper as gone from another network namespace" {
	require_network_namespace
	own lock
	run -77 unshare -n lock-release "$handle"
	[[ $output == *'cannot be reached from here'* ]]
	run -1 lock-status -q lock
	lock-release "$handle"
	echo >go
}

@test "lends although another user has taken all names of a lock's inode (keeperd/K6)" {
	require_other_user
	: >lock
	bg python3 -c '
import os, socket
at, st, kept = open("at", "w"), os.stat("lock"), []
os.setuid(65534)
for k in range(4):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.bind("\0holdfast/lock/%x/%d/%d" % (st.st_dev, st.st_ino, k))
    s.listen()
    kept.append(s)
at.write("\n")
at.close()
while True: kept[0].accept()'
	stranger=$!
	hear
	script owner <<-'END'
		h=$(lock-acquire --owner $$ lock) || exit
		lock-run -w 5 lock echo nested
		lock-release $h
	END
	run ./owner
	kill "$stranger"
	[ "$status" = 0 ]
	[ "$output" = nested ]
}

@test "under a low limit of descriptors the keeper sleeps, and answers" {
	local h
	h=$(ulimit -n 12; lock-acquire --owner none --ttl 1h L)
	run -75 lock-run -n L true
	timeout 20 lock-release "$h"
	lock-run -n L true
}
