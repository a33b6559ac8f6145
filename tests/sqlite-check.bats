#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# sqlite-check: its findings, and that it does not disturb other processes.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	sqlite3 a.db 'pragma journal_mode=wal; create table t(a, b)' >/dev/null
}

# A log that no process has open: its writer was killed.
leave_log() {
	python3 -c '
import os, signal, sqlite3
c = sqlite3.connect("a.db")
c.execute("INSERT INTO t VALUES (1, 1)")
c.commit()
os.kill(os.getpid(), signal.SIGKILL)' || [ $? = 137 ]
	[ -s a.db-wal ]
}

@test "reports a sound database" {
	run -0 sqlite-check a.db
	[ "${lines[-1]}" = 'a.db: sound, journal mode wal' ]
	run -0 sqlite-check -q a.db
	[ "$output" = '' ]
	[ "$(sqlite-check --json a.db | jq -r .state,.journal_mode,.wal_bytes)" = $'sound\nwal\n0' ]
	[ "$(ls)" = a.db ]
}

@test "reports a log that a dead process left, keeps it, and empties it with --fix" {
	leave_log
	local before
	before=$(stat -c %s,%Y a.db a.db-wal)
	run -1 sqlite-check a.db
	[[ ${lines[0]} == 'finding: a log of '*' bytes was left by a process that died' ]]
	[ "$(stat -c %s,%Y a.db a.db-wal)" = "$before" ]
	run -0 sqlite-check --fix a.db
	[ ! -s a.db-wal ]
	[ "$(sqlite3 a.db 'select * from t')" = '1|1' ]
}

@test "lists the processes that have the database open, which are no finding" {
	mkfifo in
	sqlite3 a.db <in >out &
	exec 8>in
	echo "insert into t values(1, 1); begin; select 'reads', count(*) from t;" >&8
	until grep -q reads out; do :; done
	run -0 sqlite-check a.db
	[[ $output == *"note: PID $! (sqlite3 a.db"*', which reads it'* ]]
	sqlite-run a.db 'insert into t values(2, 2)'
	run -75 sqlite-check -w 0.1 --fix a.db
	[ "${lines[0]}" = "sqlite-check: cannot empty the log of 'a.db': it is still read" ]
	exec 8>&-
	wait
}

@test "reports rows without their parents, and unfinished records" {
	sqlite3 a.db 'create table p(id integer primary key); create table c(p references p);
		insert into c values(1), (2);
		create table holdfast_intent(id); insert into holdfast_intent values(1)'
	run -1 sqlite-check a.db
	[[ $output == *"finding: 2 rows of 'c' refer to rows of 'p' that are not there"* ]]
	[[ $output == *'finding: 1 records are not finished'*'atomic-record --recover'* ]]
}

@test "reports hard links, and a database that Git tracks" {
	git init -q .
	git add a.db
	ln a.db other
	GIT_DIR=/nonexistent run -1 sqlite-check a.db
	[[ $output == *'finding: it has 2 hard links'* ]]
	[[ $output == *"finding: Git tracks 'a.db'"* ]]
	git rm -q --cached a.db
	rm other
	run -0 sqlite-check a.db
}

@test "reports damage and the remedy, and changes nothing" {
	sqlite3 a.db "insert into t select value, hex(randomblob(200))
		from generate_series(1, 2000); pragma journal_mode=delete" >/dev/null
	dd if=/dev/zero of=a.db bs=4096 seek=20 count=1 conv=notrunc status=none
	cp a.db before
	run -65 sqlite-check --fix a.db
	[[ ${lines[0]} == 'damage: '* ]]
	[[ $output == *'.recover'* ]]
	[ "${lines[-1]}" = 'a.db: damaged, journal mode delete' ]
	cmp a.db before
}

@test "refuses a file that is no database, or is absent" {
	head -c 5000 /dev/urandom >noise
	run -65 sqlite-check noise
	[ "${lines[0]}" = "sqlite-check: cannot open 'noise': it is not a SQLite database" ]
	run -66 sqlite-check absent
	run -66 sqlite-check no/where
	run -65 sqlite-check .
	run -64 sqlite-check
	run -64 sqlite-check a.db b.db
}

@test "rolls a hot journal back" {
	sqlite3 a.db 'pragma journal_mode=delete; insert into t values(1, 1)' >/dev/null
	python3 -c '
import os, signal, sqlite3
c = sqlite3.connect("a.db", isolation_level=None)
c.execute("PRAGMA cache_size=5")
c.execute("BEGIN")
c.executemany("INSERT INTO t VALUES (?, ?)", ((i, "x" * 1000) for i in range(500)))
os.kill(os.getpid(), signal.SIGKILL)' || [ $? = 137 ]
	[ -s a.db-journal ]
	run -0 sqlite-check a.db
	[[ $output == *'note: a writer died in the middle; what it had done is rolled back'* ]]
	[ "$(sqlite3 a.db 'select count(*) from t')" = 1 ]
}
