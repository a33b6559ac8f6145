#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lock-run --sqlite: the turnstile, and external programs that write without it.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkfifo go at
	sqlite3 db 'CREATE TABLE t (x)'
}

# A Python program in a write transaction of $1, for as long.
write_foreign() {
	bg python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
db.execute("INSERT INTO t VALUES (0)")
open("at", "w").write("\n")
open("go").read()
db.execute("COMMIT")' "$1"
	holder=$!
	hear
}

count() { sqlite3 "$1" 'SELECT count(*) FROM t'; }

@test "twenty commands write in turn, and none fails" {
	local i pids=()
	for ((i = 0; i < 20; i++)); do
		bg lock-run -w 60 --sqlite db sqlite3 db "INSERT INTO t VALUES ($i)"
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(count db)" = 20 ]
	[ ! -s log ]
	[ ! -s db-turnstile ]
}

@test "all names of a database are one lock" {
	mkdir dir real
	mv db real
	ln -s ../real/db dir/link
	ln -s real alias
	hold lock-run --sqlite real/db
	run -75 lock-run -n --sqlite dir/link true
	[[ $output == *"'dir/link': held by PID "* ]]
	run -75 lock-run -n --sqlite alias/../real/./db true
	run -75 lock-run -n --sqlite alias/db true
	let_go
	lock-run -n --sqlite dir/link --sqlite alias/db --sqlite real/db true
	[ "$(find . -name '*-turnstile')" = ./real/db-turnstile ]
}

@test "locks a database that does not exist, and refuses one in an absent directory" {
	lock-run --sqlite new.db sqlite3 new.db 'CREATE TABLE t (x)'
	[ "$(count new.db)" = 0 ]
	ln -s later.db dangling
	lock-run --sqlite dangling sqlite3 dangling 'CREATE TABLE t (x)'
	[ -e later.db-turnstile ]
	run -73 lock-run --sqlite absent/db true
	run -64 lock-run --sqlite :memory: true
	run -65 lock-run --sqlite /dev/null true
	mkdir dir
	run -65 lock-run --sqlite dir true
}

@test "waits for an external writer, with a journal and with a log" {
	local mode
	for mode in delete wal; do
		sqlite3 db "PRAGMA journal_mode=$mode" >&2
		write_foreign db
		run -75 lock-run -n --sqlite db true
		[[ ${lines[0]} == *"'db': held by PID $holder ("*python3*', which writes to it' ]]
		run -75 lock-run -w 50ms --sqlite db true
		# its last close, after the commit, may take SQLite's lock once more
		bg lock-run --sqlite db sh -c '
			sqlite3 -cmd ".timeout 9000" db "INSERT INTO t VALUES (1)" && echo done'
		let_go
		wait $!
	done
	[ "$(count db)" = 4 ]
	[ "$(grep -c done log)" = 2 ]
}

@test "holds nothing while it waits for an external writer" {
	write_foreign db
	bg lock-run --file f --sqlite db true
	local waiter=$!
	# the turnstile and the file are free whenever one comes
	for _ in {1..20}; do flock -w 5 f true && flock -w 5 db-turnstile true; done
	let_go
	wait $waiter
}

@test "notices that a writer is killed" {
	write_foreign db
	bg lock-run -w 20 --sqlite db sqlite3 db 'INSERT INTO t VALUES (1)'
	local waiter=$!
	kill -9 "$holder"
	wait "$waiter"
	[ "$(count db)" = 1 ]
}

@test "does not wait for readers and idle connections" {
	sqlite3 db 'PRAGMA journal_mode=wal' >&2
	bg python3 -c '
import sqlite3
db = sqlite3.connect("db", isolation_level=None)
db.execute("BEGIN")
db.execute("SELECT * FROM t").fetchall()
open("at", "w").write("\n")
open("go").read()'
	holder=$!
	hear
	lock-run -n --sqlite db sqlite3 db 'INSERT INTO t VALUES (1)'
	# one process, that has it open and reads it
	[[ $(lock-status --sqlite db) != *\ +1* ]]
	let_go
}

@test "goes on when nested; with -s several hold the lock, and no writer" {
	run -0 lock-run --sqlite db lock-run -n --sqlite ./db echo inner
	[ "$output" = inner ]
	run -75 lock-run -o --sqlite db lock-run -n --sqlite db true
	hold lock-run -s --sqlite db
	lock-run -n -s --sqlite db true
	run -75 lock-run -n --sqlite db true
	let_go
}

@test "a background child does not keep the turnstile locked" {
	lock-run --sqlite db sh -c 'exec >&- 2>&- 3>&-; (echo >at; read x <go) & echo $! >pid'
	hear
	kill -0 "$(cat pid)"
	lock-run -n --sqlite db true
	echo >go
}

@test "a killed lock-run's turnstile stays locked until its command ends" {
	bg lock-run --sqlite db sh -c 'kill -9 $PPID; echo >at; read x <go'
	hear
	run -75 lock-run -n --sqlite db true
	echo >go
	lock-run -w 20 --sqlite db true
}

@test "recreates a turnstile that is deleted while it is held" {
	hold lock-run --sqlite db
	bg lock-run --sqlite db sh -c 'sqlite3 db "INSERT INTO t VALUES (1)"'
	local waiter=$!
	rm db-turnstile
	lock-run -w 20 --sqlite db true
	let_go
	wait "$waiter"
	[ "$(count db)" = 1 ]
}

@test "a turnstile that another process recreates and holds during lock or creation is busy" {
	local faults

	: >db-turnstile
	stop_at flock#1:stop lock-run -n --sqlite db true
	rm db-turnstile
	hold lock-run --sqlite db
	go_on
	[ "$status" = 75 ]
	let_go
	# the maker, with and without unnamed files, and without RENAME_NOREPLACE
	for faults in linkat#1:stop openat#{n}:EOPNOTSUPP,renameat2#1:stop \
		openat#{n}:EOPNOTSUPP,renameat2#1:EINVAL,linkat#1:stop; do
		rm db-turnstile
		stop_at "${faults/\{n\}/$(tmpfile_open)}" lock-run -n --sqlite db true
		[ ! -e db-turnstile ]
		hold lock-run --sqlite db
		go_on
		[ "$status" = 75 ]
		let_go
		no_litter
	done
}

@test "creates no turnstile if it cannot set its owner and mode" {
	local fault

	[ "$(id -u)" = 0 ] || skip 'needs root'
	chown 65534:65534 db
	for fault in fchown#1:EIO fchown#2:EIO fchmod#1:EIO; do
		HOLDFAST_FAULT=$fault run -74 "$HF_FAULT_BIN/lock-run" --sqlite db true
		[[ $output == *"cannot make turnstile 'db-turnstile' of 'db'"* ]]
		[ ! -e db-turnstile ]
		no_litter
	done
	# an owner that may not be given is no obstacle
	HOLDFAST_FAULT=fchown#1:EPERM,fchown#2:EPERM "$HF_FAULT_BIN/lock-run" --sqlite db true
	[ "$(stat -c %a db-turnstile)" = 644 ]
}

@test "opens a turnstile on a read-only file system for reading" {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	lock-run --sqlite db true
	unshare -m sh -c 'mount --bind . . && mount -o remount,bind,ro . && cd "$PWD" &&
		exec lock-run -n --sqlite db true'
}

# Which openat() of lock-run --sqlite makes the file that becomes the turnstile?
tmpfile_open() {
	rm -f db-turnstile calls
	HOLDFAST_FAULT_LOG=$PWD/calls "$HF_FAULT_BIN/lock-run" --sqlite db true
	rm db-turnstile
	awk '$2 == "linkat" { print n; exit } $2 == "openat" { n++ }' calls
}

@test "gives the turnstile the database's owner, group and mode" {
	require_root
	chmod 660 db
	umask 077
	chgrp 1 db
	chown 2 db
	lock-run --sqlite db true
	[ "$(stat -c '%a %u %g' db-turnstile)" = '660 2 1' ]
	chmod 755 db
	rm db-turnstile
	lock-run --sqlite db true
	[ "$(stat -c '%a' db-turnstile)" = 644 ]
}

@test "refuses a file that is not a turnstile, and leaves it" {
	ln -s elsewhere db-turnstile
	run -65 lock-run --sqlite db true
	[ ! -e elsewhere ]
	rm db-turnstile
	mkfifo db-turnstile
	run -65 timeout 20 lock-run --sqlite db true
}

@test "lists the turnstile in a worktree's info/exclude once" {
	git init -q repo
	mkdir repo/data
	sqlite3 repo/data/my.db 'CREATE TABLE t (x)'
	lock-run --sqlite repo/data/my.db true
	rm repo/data/my.db-turnstile
	(cd repo/data && lock-run --sqlite my.db true)
	[ "$(grep -c turnstile repo/.git/info/exclude)" = 1 ]
	[ "$(git -C repo status --porcelain -uall)" = '?? data/my.db' ]
	(cd repo && git add data && git -c user.name=x -c user.email=x@x commit -qm x)
	[ "$(git -C repo ls-files)" = data/my.db ]
}

needs_helper() { command -v sqlite-run >&2 || skip 'no sqlite-run here'; }

@test "--sqlite-freeze: nothing can write until the command ends" {
	needs_helper
	run -0 lock-run --sqlite-freeze db sh -c '
		sqlite3 db "INSERT INTO t VALUES (1)" || echo refused
		lock-run -n --sqlite db echo nested
		lock-run -n --sqlite-freeze db echo frozen'
	[[ $output == *refused*nested*frozen ]]
	sqlite3 db 'INSERT INTO t VALUES (1)'
	[ "$(count db)" = 1 ]
	hold lock-run --sqlite-freeze db --sqlite ./db
	run -75 lock-run -n --sqlite-freeze db true
	let_go
	run -64 lock-run -s --sqlite-freeze db true
	run -64 lock-run -F --sqlite-freeze db true
	run -66 lock-run --sqlite-freeze absent true
	[ ! -e absent-turnstile ]
	head -c 4096 /dev/zero >zeros
	run -65 lock-run --sqlite-freeze zeros true
}

@test "--sqlite-freeze waits for an external writer first" {
	needs_helper
	write_foreign db
	run -75 lock-run -n --sqlite-freeze db true
	bg lock-run -w 20 --sqlite-freeze db sh -c 'sqlite3 db "SELECT count(*) FROM t"'
	let_go
	wait $!
	grep -x 1 log
}

@test "--sqlite-freeze lasts until the command of a killed lock-run ends, not a background child" {
	needs_helper
	bg lock-run --sqlite-freeze db sh -c 'kill -9 $PPID; echo >at; read x <go'
	hear
	run ! sqlite3 db 'INSERT INTO t VALUES (1)'
	echo >go
	lock-run -w 20 --sqlite db sqlite3 db 'INSERT INTO t VALUES (1)'
	lock-run --sqlite-freeze db sh -c 'exec >&- 2>&- 3>&-; (echo >at; read x <go) &'
	hear
	lock-run -n --sqlite db sqlite3 db 'INSERT INTO t VALUES (2)'
	echo >go
	[ "$(count db)" = 2 ]
}

@test "--sqlite-freeze spares a process that reuses the PID of a killed helper" {
	require_pid_namespace
	needs_helper
	cat >again <<-'END'
		h=$(env --ignore-signal=CHLD lock-acquire --owner none --ttl 1m --sqlite-freeze db)
		pid=$(grep -lx sqlite-run /proc/[0-9]*/comm)
		pid=${pid#/proc/} pid=${pid%/comm}
		kill -9 "$pid"
		while grep -q '^State:.[^Z]' "/proc/$pid/status"; do :; done
		echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
		sleep 100 &
		lock-release "$h"
		kill -0 $! && echo lives
	END
	run unshare -p -f --mount-proc timeout 20 sh again
	[[ $output == *"'db' was thawed"*lives ]]
}

@test "--sqlite-freeze neither waits for nor leaves a stopped helper" {
	local wait helper
	mkdir bin
	cp "$(command -v lock-run)" "$(command -v lock-acquire)" bin
	# it has started another one, which is stopped too
	printf '#!/bin/sh\nsh -c "echo \\$\\$ >inner; kill -STOP \\$\\$" & wait; :' >bin/sqlite-run
	chmod +x bin/sqlite-run
	for wait in -n '-w 100ms' '-w 3'; do
		run -75 timeout 20 bin/lock-run $wait --sqlite-freeze db true
		[[ $output == "lock-run: cannot freeze 'db': sqlite-run, PID "*", does not "* ]]
		one_line lock-run "$output"
		helper=${output#*PID }
		[ ! -e "/proc/${helper%%,*}" ]
		await sh -c '! kill -0 "$(cat inner)"'
		flock -n db-turnstile true
	done
	run -75 timeout 20 bin/lock-acquire --owner none --ttl 1m -n --sqlite-freeze db
	[[ $output == *'does not answer'* ]]
}

@test "--sqlite-freeze reports a missing helper, and one that was killed" {
	mkdir bin
	cp "$(command -v lock-run)" bin
	PATH=/usr/bin:/bin run -69 bin/lock-run --sqlite-freeze db true
	[[ $output == *'there is no sqlite-run'* ]]
	needs_helper
	run -0 --separate-stderr lock-run --sqlite-freeze db sh -c '
		read -r helper me <"/proc/$PPID/task/$PPID/children"
		kill -9 "$helper"
		until lock-run --sqlite db sqlite3 db "INSERT INTO t VALUES (1)"; do :; done'
	[[ $stderr == *"'db' was thawed"* ]]
}

@test "refuses wrong calls with 64" {
	run -64 lock-run --sqlite db
	run -64 lock-run --slots 2 --sqlite db true
	run -64 lock-run --remove --sqlite db true
	run -64 lock-run --sqlite '' true
}

@test "does not take a sibling's write for a freeze of its own (lock/Z5)" {
	run -75 lock-run --sqlite db sh -c '
		{ tail -f /dev/null & echo $! >feeder; wait; } | sqlite-run --hold db >held &
		until grep -q held held; do :; done
		lock-run -n --sqlite-freeze db echo frozen
		status=$?
		kill $(cat feeder)
		exit $status'
	[[ $output == *'writes to it'* && $output != *frozen* ]]
}

@test "the helper that holds a database frozen holds nothing else (lock/Z4)" {
	mkdir here
	run -0 lock-run outer lock-run --sqlite-freeze db sh -c '
		read -r helper me <"/proc/$PPID/task/$PPID/children"
		echo "$(readlink "/proc/$helper/cwd") $(ls -l "/proc/$helper/fd" | grep -c outer)"'
	[ "$output" = '/ 0' ]
}

# The holder puts another database in its place: $1 is its journal mode.
replace_held() {
	hold lock-run --sqlite db
	pids=()
	for i in 1 2 3; do
		bg sqlite-run -w 60 db "INSERT INTO t VALUES ($i)"
		pids+=($!)
	done
	bg sqlite-queue -w 60 add db 'a job'
	pids+=($!)
	bg atomic-record -w 60 --sqlite db --sql 'INSERT INTO t VALUES (4)'
	pids+=($!)
	for i in "${pids[@]}"; do await waits "$i"; done
	rm -f db db-wal db-shm
	sqlite3 db "PRAGMA journal_mode=$1; CREATE TABLE t (x); INSERT INTO t VALUES (100)"
	let_go
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(sqlite3 db 'SELECT group_concat(x) FROM (SELECT x FROM t ORDER BY x)')" = 1,2,3,4,100 ]
	[ "$(sqlite-queue list db | wc -l)" = 1 ]
	[ "$(sqlite3 db 'PRAGMA integrity_check')" = ok ]
}

@test "waiters write to the new database when the holder replaces it (sqlite/D6)" {
	sqlite3 db 'PRAGMA journal_mode=wal'
	replace_held wal
}

@test "waiters write to a new database with a rollback journal, too (sqlite/D6)" {
	replace_held delete
}

@test "when the holder removes the database, a waiter recreates it or reports it gone (sqlite/D6)" {
	local made gone
	hold lock-run --sqlite db
	bg sqlite-run -w 60 db 'CREATE TABLE new (x)'
	made=$!
	await waits "$made"
	bg sqlite-queue -w 60 done --token 1 db 1
	gone=$!
	await waits "$gone"
	rm db
	let_go
	wait "$made"
	# before the other has closed the database, sqlite3 may find it locked
	ends_with 1 "$gone"
	[ "$(sqlite3 db 'PRAGMA journal_mode; SELECT count(*) FROM new')" = $'wal\n0' ]
	rm db*
	sqlite3 db 'CREATE TABLE t (x)'
	hold lock-run --sqlite db
	bg sqlite-queue -w 60 done --token 1 db 1
	gone=$!
	await waits "$gone"
	rm db
	let_go
	ends_with 66 "$gone"
	[ ! -e db ]
}

@test "looks for a writer in the database that the holder has put in place (lock/W3)" {
	local waiter
	hold lock-run --sqlite db
	bg lock-run -w 60 --sqlite db sh -c 'echo it runs'
	waiter=$!
	await waits "$waiter"
	rm db
	sqlite3 db 'CREATE TABLE t (x)'
	mkfifo to
	sqlite3 db <to &
	exec 8>to
	echo "BEGIN IMMEDIATE; INSERT INTO t VALUES (1);
.shell echo >at" >&8
	hear
	let_go
	# no process holds the turnstile while it waits
	await flock -n db-turnstile true
	run -75 lock-run -n --sqlite db true
	sleep 0.1
	run ! grep -q "it runs" log
	echo 'COMMIT;' >&8
	exec 8>&-
	wait "$waiter"
	grep -q 'it runs' log
}
