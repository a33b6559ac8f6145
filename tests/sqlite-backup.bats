#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# sqlite-backup: one state of the database, whole, while other processes write.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	sqlite3 a.db 'pragma journal_mode=wal; create table t(a, b)' >/dev/null
}

# A connection that stays open, so that the newest rows are in the log only.
keep_open() {
	mkfifo in
	sqlite3 a.db <in >out &
	exec 8>in
	echo "insert into t values('new', 1); select 'done';" >&8
	until grep -qx done out; do :; done
}

everything() {
	sqlite3 a.db "create table k(id integer primary key autoincrement, b, g as (b || 'x'));
		insert into k(b) values('it''s'), (null), (0.1), (x'00ff'), (1e999), (-1e999),
			(cast(x'610062' as text)), ('two' || char(10) || 'lines'), (''), (x'');
		delete from k where id = 2;
		create table w(k primary key, v) without rowid;
		insert into w values('z', 1), ('a', 2);
		create table [odd \"name](\"a b\", 'c''d');
		insert into [odd \"name] values(1, 2);
		create virtual table f using fts5(x);
		insert into f values('hello world');
		create view v as select * from t;
		create trigger tr instead of insert on v begin insert into t values(new.a, 0); end;
		create trigger tk after insert on k begin insert into t values('trigger', 0); end;
		create index i on k(b) where b is not null;
		analyze; pragma user_version = 5; pragma application_id = 77"
}

@test "the copy has the newest rows, and needs no log" {
	keep_open
	sqlite-backup a.db copy.db
	[ -s a.db-wal ]
	mkdir elsewhere && mv copy.db elsewhere
	[ "$(sqlite3 elsewhere/copy.db 'pragma integrity_check; select a from t')" = $'ok\nnew' ]
	[ "$(sqlite3 elsewhere/copy.db 'pragma journal_mode')" = delete ]
	[ "$(ls elsewhere)" = copy.db ]
	exec 8>&-
	wait
}

@test "a reader does not checkpoint, and leaves nothing behind" {
	sqlite3 a.db "insert into t values(1, 1)"
	sqlite-backup a.db copy.db
	[ "$(ls)" = $'a.db\ncopy.db' ]
}

@test "the SQL text recreates the same database, and the same text" {
	everything
	sqlite-backup a.db a.sql
	sqlite3 b.db <a.sql
	sqlite-run c.db <a.sql
	sqlite-backup b.db b.sql
	sqlite-backup --sql c.db c
	cmp a.sql b.sql
	cmp a.sql c
	local db
	for db in b.db c.db; do
		[ "$(sqlite3 "$db" 'pragma integrity_check')" = ok ]
		[ "$(sqlite3 "$db" "select rowid from f where f match 'hello'")" = 1 ]
		[ "$(sqlite3 "$db" "insert into v values(7, 7); select a from t")" = 7 ]
		[ "$(sqlite3 "$db" 'insert into k(b) values(1) returning id')" = 11 ]
		[ "$(sqlite3 "$db" 'pragma user_version; pragma application_id')" = $'5\n77' ]
	done
	[ "$(sqlite3 a.db 'select quote(b), typeof(b), g from k')" = \
		"$(sqlite3 b.db 'select quote(b), typeof(b), g from k where id < 11')" ]
}

@test "the image equals the database, table by table" {
	everything
	sqlite-backup a.db copy.db
	diff <(sqlite3 a.db .dump) <(sqlite3 copy.db .dump)
	[ "$(sqlite3 copy.db 'pragma integrity_check')" = ok ]
}

@test "each copy is one state while four writers run" {
	sqlite3 a.db "insert into t values(0, 0), (0, 0)"
	local i writers=()
	for i in 1 2 3 4; do
		while [ ! -e stop ]; do
			sqlite-run -w 60 a.db 'update t set a = a + 1'
		done &
		writers+=($!)
	done
	for i in {1..10}; do
		sqlite-backup -w 60 a.db copy.db
		[ "$(sqlite3 copy.db 'pragma integrity_check')" = ok ]
		[ "$(sqlite3 copy.db 'select count(distinct a) from t')" = 1 ]
		sqlite-backup -w 60 a.db copy.sql
		[ "$(grep -c '^INSERT INTO "t"' copy.sql)" = 2 ]
		[ "$(grep '^INSERT INTO "t"' copy.sql | sort -u | wc -l)" = 1 ]
	done
	: >stop
	wait "${writers[@]}"
}

@test "gives a new copy the database's mode, and keeps the mode of an old copy" {
	chmod 600 a.db
	sqlite-backup a.db copy.db
	[ "$(stat -c %a copy.db)" = 600 ]
	chmod 640 copy.db
	sqlite-backup -b a.db copy.db
	[ "$(stat -c %a copy.db)" = 640 ]
	[ -s copy.db~ ]
	sqlite-backup --mode 644 a.db other.db
	[ "$(stat -c %a other.db)" = 644 ]
}

@test "a failure leaves the old copy" {
	echo old >copy.db
	run -65 sqlite-backup --validate false a.db copy.db
	run -66 sqlite-backup absent.db copy.db
	head -c 5000 /dev/urandom >noise
	run -65 sqlite-backup noise copy.db
	[ "$(cat copy.db)" = old ]
	run -64 sqlite-backup a.db a.db
	[ "$output" = "sqlite-backup: cannot copy 'a.db' to 'a.db': they are the same file" ]
	ln -s a.db link
	run -64 sqlite-backup link a.db
	run -64 sqlite-backup a.db
	run -64 sqlite-backup a.db b.db c.db
	run -73 sqlite-backup a.db no/where
	# onto a database that is in use
	keep_open
	sqlite3 other.db 'create table o(a)'
	run -65 sqlite-backup other.db a.db
	[[ $output == *'it is a live SQLite database'* ]]
	exec 8>&-
	wait
}

@test "a full disk leaves the old copy" {
	sqlite3 a.db "insert into t values(1, zeroblob(300000))"
	echo old >copy.db
	run -74 bash -c 'ulimit -f 100; sqlite-backup a.db copy.db'
	run -74 bash -c 'ulimit -f 100; sqlite-backup a.db copy.sql'
	[ "$(cat copy.db)" = old ]
	[ ! -e copy.sql ]
}

@test "reports a damaged page" {
	sqlite3 a.db "insert into t select value, hex(randomblob(200))
		from generate_series(1, 2000); pragma journal_mode=delete" >/dev/null
	dd if=/dev/urandom of=a.db bs=4096 seek=20 count=1 conv=notrunc status=none
	run -65 sqlite-backup a.db copy.sql
	[[ ${lines[0]} == *'database disk image is malformed' ]]
	[[ $output == *'.recover'* ]]
}

@test "does not read the log or the journal of another database into the copy" {
	local beside
	sqlite3 a.db "insert into t values('mine', 1)"
	for beside in wal journal; do
		sqlite3 other.db "pragma journal_mode=wal; create table o(x)" >/dev/null
		[ "$beside" = wal ] || sqlite3 other.db 'pragma journal_mode=delete' >/dev/null
		# it dies before it has put its changes into the database
		(ulimit -c 0 && exec python3 -c '
import os, signal, sqlite3
c = sqlite3.connect("other.db", isolation_level=None)
c.execute("pragma cache_size=1")
c.execute("begin immediate")
c.execute("insert into o values(randomblob(100000))")
if os.path.exists("other.db-wal"):
    c.execute("commit")
os.kill(os.getpid(), signal.SIGKILL)') || true
		[ -s "other.db-$beside" ]
		rm other.db
		run -65 sqlite-backup a.db other.db
		[[ ${lines[0]} == *"'other.db': it has the -$beside file of another database" ]]
		[ ! -e other.db ]
		sqlite-backup --sql a.db other.db
		rm "other.db" "other.db-$beside"
		sqlite-backup a.db other.db
		[ "$(sqlite3 other.db 'select a from t')" = mine ]
		rm -f other.db*
	done
}
