#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# sqlite-run: one transaction, all or nothing, in its turn.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	sqlite3 a.db 'pragma journal_mode=wal; create table t(a unique, b)' >/dev/null
}

teardown() {
	# a process that waits at a FIFO after a failed test finds its other end closed
	exec 8>&-
	[ ! -p go ] || : <>go
	wait
	sqlite3 -cmd '.timeout 10000' a.db 'pragma integrity_check' | grep -qx ok
}

# An external program checkpoints when it ends, and has the database locked for that instant.
count() { sqlite3 -cmd '.timeout 10000' "${1-a.db}" 'select count(*) from t'; }

# A program that knows nothing of turnstiles writes to a.db until a line comes by descriptor 8.
foreign_writer() {
	mkfifo told go
	python3 -c '
import sqlite3, sys
c = sqlite3.connect("a.db", isolation_level=None)
c.execute("BEGIN IMMEDIATE")
c.execute("INSERT INTO t VALUES (\"foreign\", 0)")
open("told", "w").close()
open("go").readline()
c.execute("COMMIT")' &
	exec 8<>go
	: <told
}

@test "runs all of the SQL, or nothing of it" {
	sqlite-run a.db 'insert into t values(1, 2); insert into t values(3, 4)'
	[ "$(count)" = 2 ]
	run -65 --separate-stderr sqlite-run a.db \
		'select 1; insert into t values(5, 6); insert into t values(1, 1); select 2'
	[ "$output" = '' ]
	[[ $stderr == "sqlite-run: cannot run line 1, column 39 of the SQL in 'a.db': UNIQUE"* ]]
	[ "$(count)" = 2 ]
}

@test "prints line and column in a message" {
	run -65 sqlite-run a.db <<-'END'
		select 1;
		-- a comment; with a semicolon
		insert into t values(1, 1);
		select a, nil from t;
	END
	[[ $output == *'run line 4, column 11 of the SQL in '*': no such column: nil' ]]
	[ "$(count)" = 0 ]
	run -65 sqlite-run a.db 'select * from nowhere'
	[[ $output == *'no such table: nowhere' ]]
}

@test "runs standard input once, as a whole" {
	seq 2000 | sed 's/.*/insert into t values(&, 0);/' | sqlite-run a.db
	[ "$(count)" = 2000 ]
	run -65 sqlite-run a.db </dev/null
	[ "${lines[0]}" = "sqlite-run: there is no SQL to run in 'a.db'" ]
	run -65 sqlite-run a.db ' ; -- nothing'
	run -66 bash -c 'sqlite-run a.db <&-'
	run -65 sqlite-run a.db < <(printf 'select 1;\0select 2')
	[[ ${lines[0]} == *'NUL byte in line 1, column 10' ]]
}

@test "creates a database in WAL mode, and keeps the mode of an existing one" {
	sqlite-run new.db 'create table t(a)'
	[ "$(sqlite3 new.db 'pragma journal_mode')" = wal ]
	[ ! -e new.db-wal ]
	: >empty.db
	sqlite-run empty.db 'create table t(a)'
	[ "$(sqlite3 empty.db 'pragma journal_mode')" = wal ]
	sqlite3 old.db 'create table t(a)'
	sqlite-run old.db 'insert into t values(1)'
	[ "$(sqlite3 old.db 'pragma journal_mode')" = delete ]
	sqlite-run --wal old.db 'insert into t values(2)'
	[ "$(sqlite3 old.db 'pragma journal_mode')" = wal ]
	[ "$(count old.db)" = 2 ]
}

@test "prints rows as list, CSV, JSON and table" {
	sqlite3 a.db "insert into t values(1, 'x,y'), (2.5, null), (x'00ff', 'é\"' || char(10)),
		('', 1e999)"
	local sql='select a, b from t order by rowid'
	[ "$(sqlite-run a.db 'select 1, 2.0, null, 1e100, 0.1')" = '1|2.0||1e+100|0.1' ]
	[ "$(sqlite-run --separator , --null - --header a.db 'select 1 as one, null')" = \
		$'one,null\n1,-' ]
	sqlite-run --csv --header a.db "$sql" >csv
	printf 'a,b\n1,"x,y"\n2.5,\n\0\377,"é""\n"\n"",Inf\n' | cmp - csv
	sqlite-run --json a.db "$sql; select 1 where 0; create temp table u(v)" >json
	[ "$(cat json)" = '[{"a":1,"b":"x,y"},
{"a":2.5,"b":null},
{"a":"00ff","b":"é\"\n"},
{"a":"","b":1e999}]
[]' ]
	[ "$(sqlite-run --table a.db "$sql")" = 'a     b
----  ----
   1  x,y
 2.5
00ff  é"\n
       Inf' ]
	sql="select cast(x'61ff62' as text) as x"
	[ "$(sqlite-run --json a.db "$sql" | jq -r '.[].x')" = 'a�b' ]
}

@test "binds values with their type" {
	local evil="'); drop table t; --"
	sqlite-run -p v="$evil" -p n:int=5 a.db 'insert into t values(:v, @n)'
	[ "$(sqlite3 a.db 'select a from t where b = 5')" = "$evil" ]
	[ "$(sqlite-run -p a:int=-9223372036854775808 -p b:real=1e3 -p c:blob=00fF -p d:null -p e= \
		a.db "select typeof(:a), typeof(:b), hex(:c), typeof(:d), typeof(:e)")" = \
		'integer|real|00FF|null|text' ]
	[ "$(sqlite-run -p 1=x -p 2:int=7 a.db 'select ?1, ?2, ?1')" = 'x|7|x' ]
	[ "$(sqlite-run -p 1=x -p 2=y a.db 'select ?, ?')" = 'x|y' ]
	printf 'a\0b' >file
	[ "$(sqlite-run -p f:blobfile=file -p g:file=file a.db \
		'select hex(:f), typeof(:f), length(:g), typeof($g)')" = '610062|blob|1|text' ]
	[ "$(sqlite-run -p x=1 a.db 'select :x; select :x')" = $'1\n1' ]
}

@test "refuses a missing, unknown or wrong parameter" {
	run -64 sqlite-run a.db 'insert into t values(:v, 1)'
	[ "${lines[0]}" = 'sqlite-run: the SQL has a parameter :v, and no -p gives its value' ]
	run -64 sqlite-run -p v=1 -p w=2 a.db 'insert into t values(:v, 1)'
	[ "$output" = "sqlite-run: the SQL has no parameter 'w'" ]
	[ "$(count)" = 0 ]
	local bad
	for bad in v =1 v:int=x v:int=9223372036854775808 v:real=nan v:blob=0 v:blob=0g v:null=1 \
		v:time=3 ':int=1'; do
		run -64 sqlite-run -p "$bad" a.db 'select :v'
	done
	run -64 sqlite-run -p v=1 -p v=2 a.db 'select :v'
	run -66 sqlite-run -p v:file=absent a.db 'select :v'
	truncate -s 1000000001 large
	run -65 sqlite-run -p v:blobfile=large a.db 'select :v'
	[[ $output == *"'large' is too large"* ]]
}

@test "ignores transaction control in a dump, and refuses it elsewhere" {
	sqlite3 a.db 'insert into t values(1, 2)'
	sqlite3 a.db .dump | sqlite-run copy.db
	[ "$(count copy.db)" = 1 ]
	local sql
	for sql in 'insert into t values(3, 3); commit; insert into t values(4, 4)' \
		'insert into t values(3, 3); rollback' \
		'begin; insert into t values(3, 3); end; select 1' \
		'insert into t values(3, 3); begin' 'begin; begin'; do
		run -65 --separate-stderr sqlite-run a.db "$sql"
		[[ $output = '' && $stderr == *'transaction'* ]]
	done
	[ "$(count)" = 1 ]
	sqlite-run a.db 'savepoint s; insert into t values(3, 3); rollback to s; release s;
		insert into t values(4, 4)'
	[ "$(sqlite3 a.db 'select group_concat(a) from t')" = 1,4 ]
	run -65 sqlite-run a.db 'insert or rollback into t values(5, 5), (1, 1)'
	[ "$(count)" = 2 ]
}

@test "runs leading PRAGMA and VACUUM before the transaction" {
	sqlite-run a.db 'create table p(id integer primary key); create table c(p references p)'
	run -65 sqlite-run a.db 'insert into c values(7)'
	[[ $output == *'FOREIGN KEY constraint failed' ]]
	sqlite-run a.db 'pragma foreign_keys=off; insert into c values(7)'
	sqlite-run --no-foreign-keys a.db 'insert into c values(8)'
	[ "$(sqlite-run a.db 'pragma journal_mode=delete; select count(*) from c')" = $'delete\n2' ]
	sqlite-run a.db 'vacuum'
	run -65 sqlite-run a.db 'select 1; vacuum'
	[[ $output == *'cannot VACUUM from within a transaction'* ]]
	# these are part of it
	run -65 sqlite-run a.db 'pragma user_version=7; select nil'
	[ "$(sqlite3 a.db 'pragma user_version')" = 0 ]
	sqlite-run a.db 'pragma user_version=7'
	[ "$(sqlite3 a.db 'pragma user_version')" = 7 ]
}

@test "--read waits for no writer, and writes nothing" {
	foreign_writer
	[ "$(sqlite-run -n --read a.db 'select count(*) from t')" = 0 ]
	run -77 sqlite-run --read a.db 'insert into t values(1, 1)'
	[[ $output == *"'a.db': it writes, and --read only reads"*'omit --read' ]]
	echo >&8
	wait
	[ "$(sqlite-run --read a.db 'select count(*) from t')" = 1 ]
	run -66 sqlite-run --read absent.db 'select 1'
	[ ! -e absent.db ]
	[ ! -e a.db-wal ]
	local sql
	for sql in 'pragma query_only=off; insert into t values(2, 2)' \
		'select 1; pragma "query_only" (0); insert into t values(2, 2)' \
		"pragma [main] . 'journal_mode' = delete" 'pragma locking_mode=exclusive' \
		'pragma wal_checkpoint'; do
		run -77 sqlite-run --read a.db "$sql"
		[[ $output == *"'a.db': it writes, and --read only reads"*'omit --read' ]]
	done
	[ "$(sqlite-run --read a.db 'pragma journal_mode; select count(*) from t')" = $'wal\n1' ]
}

@test "waits for an external writer, and names it" {
	foreign_writer
	run -75 sqlite-run -w 0.1 a.db 'insert into t values(1, 1)'
	[[ ${lines[0]} == *"'a.db': another program has it locked, namely PID $! ("*python3* ]]
	[[ ${lines[0]} == *', which writes to it' ]]
	run -75 sqlite-run -n a.db 'insert into t values(1, 1)'
	echo 'insert into t values(2, 2)' | sqlite-run -w 60 a.db &
	local writer=$!
	# no process holds the turnstile while it waits
	until flock -n a.db-turnstile true; do :; done
	echo >&8
	wait "$writer"
	[ "$(count)" = 2 ]
}

@test "runs at once under lock-run --sqlite" {
	lock-run --sqlite a.db sqlite-run -n a.db 'insert into t values(1, 1)'
	run -75 lock-run --sqlite a.db env -u HOLDFAST_LOCKS sqlite-run -n a.db \
		'insert into t values(2, 2)'
	[ "$(count)" = 1 ]
}

@test "a signal ends an endless statement, which is rolled back" {
	local signal status
	sqlite-run a.db 'select 1'
	for signal in INT TERM HUP; do
		(
			trap - INT
			exec sqlite-run a.db "insert into t values(1, 1);
				with recursive n(i) as (select 1 union all select i + 1 from n)
				select max(i) from n"
		) 2>/dev/null &
		while flock -n a.db-turnstile true; do :; done
		kill -"$signal" $!
		status=0
		wait $! || status=$?
		[ "$status" = $((128 + $(kill -l "$signal"))) ]
		[ "$(count)" = 0 ]
	done
}

@test "writes much output through a file, and accepts a closed pipe" {
	[ "$(sqlite-run a.db "insert into t values(1, 1); with recursive n(i) as
		(select 1 union all select i + 1 from n limit 300000)
		select i, 'xxxxxxxxxx' from n" |
		tail -n 1)" = '300000|xxxxxxxxxx' ]
	run -0 bash -c "sqlite-run a.db 'insert into t values(2, 2); select 1' | true"
	run -76 bash -c "sqlite-run a.db 'insert into t values(3, 3); select 1' >/dev/full"
	[[ $output == *'is committed; only its output is lost' ]]
	[ "$(count)" = 3 ]
	TMPDIR=/nonexistent run -74 sqlite-run a.db "insert into t values(4, 4);
		select zeroblob(2000000)"
	[ "$(count)" = 3 ]
}

@test "refuses a file that is not a database" {
	printf 'this is some text, and no database, however long it may be\n%.0s' {1..9} >text
	run -65 sqlite-run text 'select 1'
	[ "${lines[0]}" = "sqlite-run: cannot open 'text': it is not a SQLite database" ]
	run -65 sqlite-run . 'select 1'
	run -73 sqlite-run no/where.db 'select 1'
	run -64 sqlite-run :memory: 'select 1'
	run -64 sqlite-run '' 'select 1'
	run -64 sqlite-run
	run -64 sqlite-run a.db 'select 1' more
	sqlite-run file:odd?mode=ro 'create table t(a)'
	[ -s 'file:odd?mode=ro' ]
}

@test "--hold takes SQLite's own lock until standard input ends" {
	mkfifo in
	sqlite-run --hold a.db <in >out &
	exec 8>in
	until [ -s out ]; do :; done
	[ "$(cat out)" = held ]
	run -5 sqlite3 a.db "insert into t values(1, 1)"
	[ "$(sqlite-run --hold a.db </dev/null)" = \
		"75 cannot write to 'a.db': another program has it locked" ]
	exec 8>&-
	wait
	sqlite3 a.db "insert into t values(1, 1)"
	run -66 sqlite-run --hold absent.db </dev/null
	[ "$output" = "66 cannot open 'absent.db': No such file or directory" ]
}

@test "40 concurrent writers lose nothing, nor does one that reads first" {
	sqlite3 a.db 'create table n(v); insert into n values(0)'
	local i
	for i in {1..40}; do
		for j in 1 2 3; do
			sqlite-run -w 60 a.db 'update n set v = (select v from n) + 1' ||
				echo "$i" >>failed
		done &
	done
	wait
	[ ! -e failed ]
	[ "$(sqlite3 a.db 'select v from n')" = 120 ]
}

@test "is durable and enforces foreign keys unless an option says otherwise" {
	local sql='pragma foreign_keys; pragma journal_mode'
	[ "$(sqlite-run a.db "$sql")" = $'1\nwal' ]
	[ "$(sqlite-run a.db 'pragma synchronous')" -ge 2 ]
	[ "$(sqlite-run --sync data a.db 'pragma synchronous')" -ge 1 ]
	[ "$(sqlite-run --sync none a.db 'pragma synchronous')" = 0 ]
	[ "$(sqlite-run --no-foreign-keys a.db "$sql")" = $'0\nwal' ]
}

@test "the second writer waits for the first, and both succeed" {
	mkfifo go at
	lock-run --sqlite a.db sh -c "echo >at; read x <go
		sqlite-run a.db 'insert into t values(1, 1)'" 3>&- &
	read -r _ <at
	run -75 sqlite-run -w 1 a.db 'insert into t values(0, 0)'
	[[ ${lines[0]} == *"'a.db' within 1s: held by PID "* ]]
	sqlite-run -w 60 a.db 'insert into t values(2, 2)' &
	local second=$!
	until grep -q -e "-> FLOCK *ADVISORY *WRITE $second " /proc/locks; do :; done
	echo >go
	wait "$second"
	[ "$(sqlite3 a.db 'select group_concat(a) from t')" = 1,2 ]
}

@test "retries only when the database is busy" {
	local sql
	for sql in 'select nil' 'insert into t values(1, 1), (1, 1)' 'selec'; do
		HOLDFAST_STATS=$PWD/tries run -65 timeout 20 sqlite-run -w 60 a.db "$sql"
	done
	[ "$(wc -l <tries)" = 3 ]
	[ "$(count)" = 0 ]
}

@test "30 concurrent readers do not wait for a writer, and see only committed rows" {
	sqlite3 a.db 'insert into t values(1, 1)'
	foreign_writer
	local i pids
	for _ in 1 2 3; do
		pids=()
		for i in {1..30}; do
			sqlite-run -w 20 --read a.db 'select count(*), group_concat(a) from t' \
				>"read.$i" 3>&- 8>&- &
			pids+=($!)
		done
		# none waits for the writer; but closing the database locks all of it briefly
		for i in "${pids[@]}"; do wait "$i"; done
	done
	# no other process sees uncommitted rows
	[ "$(sort -u read.*)" = '1|1' ]
	echo >&8
	wait
	[ "$(count)" = 2 ]
}

@test "ten writers and five readers: none is locked out, and no reader sees half a job" {
	sqlite3 a.db 'create table job(n integer primary key, status, result, cluster);
		create table event(job references job)'
	local i pids=()
	writer() {
		local n
		for ((n = $1 * 20; n < $1 * 20 + 20; n++)); do
			sqlite-run -w 60 -p n:int=$n a.db "insert into job(n) values(:n);
				insert into event values(:n)" || return
			sqlite-run -w 60 -p n:int=$n a.db "update job set status = 'done'
				where n = :n" || return
		done
	}
	# one and the same job, three columns, side by side
	updater() {
		local n
		for n in {1..10}; do
			sqlite-run -w 60 -p n:int=$n a.db "update job set $1 = :n where n = -1" ||
				return
		done
	}
	reader() {
		local both
		for _ in {1..20}; do
			both=$(sqlite-run --read a.db 'select (select count(*) from job
				where n >= 0), (select count(*) from event)') || return
			[ "${both%|*}" = "${both#*|}" ] || return
		done
	}
	sqlite3 a.db 'insert into job(n) values(-1)'
	for i in {0..9}; do writer "$i" & pids+=($!); done
	for i in status result cluster; do updater $i & pids+=($!); done
	for i in {1..5}; do reader & pids+=($!); done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(sqlite3 a.db "select count(*) from job where status = 'done'")" = 200 ]
	[ "$(sqlite3 a.db 'select status, result, cluster from job where n = -1')" = '10|10|10' ]
}

@test "does not repeat a VACUUM INTO when an external writer delays the rest" {
	foreign_writer
	sqlite-run -w 60 a.db "vacuum into 'copy.db'; pragma user_version;
		insert into t values(2, 2)" >out &
	local writer=$!
	until [ -s copy.db ] && flock -n a.db-turnstile true; do :; done
	echo >&8
	wait "$writer"
	[ "$(cat out)" = 0 ]
	[ "$(count)" = 2 ]
	[ "$(count copy.db)" = 0 ]
}

@test "creates a WAL database even while another program has it locked" {
	rm a.db
	mkfifo told go
	python3 -c '
import sqlite3
c = sqlite3.connect("a.db", isolation_level=None)
c.execute("begin exclusive")
open("told", "w").close()
open("go").readline()
c.execute("rollback")' &
	exec 8<>go
	: <told
	sqlite-run -w 60 a.db 'create table t(a)' &
	local maker=$!
	until [ -e a.db-turnstile ] && flock -n a.db-turnstile true; do :; done
	echo >&8
	wait "$maker"
	[ "$(sqlite3 a.db 'pragma journal_mode')" = wal ]
}

@test "the cost of a long script is that of its statements" {
	local i
	# SQLite would copy all that is left of it for each: a minute for these, else 0.2 s
	{
		for ((i = 0; i < 20000; i++)); do echo "insert into t values($i, 0);"; done
		head -c 16000000 /dev/zero | tr '\0' ' '
	} >script
	timeout 30 sqlite-run a.db <script
	[ "$(count)" = 20000 ]
}

# An external program that has $1 locked, for readers too, until a line comes by descriptor 8.
foreign_exclusive() {
	mkfifo told go
	python3 -c '
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("begin exclusive")
open("told", "w").close()
open("go").readline()
c.execute("commit")' "$1" &
	exec 8<>go
	: <told
}

@test "a reader waits for a commit of a database with a rollback journal (sqlite/D4)" {
	sqlite3 a.db 'pragma journal_mode=delete' >/dev/null
	foreign_exclusive a.db
	run -75 sqlite-run --read -w 0.2 a.db 'select 1'
	[[ $output == *"cannot open 'a.db': another program has it locked, namely PID $!"* ]]
	run -75 sqlite-backup -w 0.2 a.db copy.db
	[[ $output == *'namely PID'* ]]
	sqlite-run --read -w 60 a.db 'select count(*) from t' >out &
	local reader=$!
	until ls -l "/proc/$reader/fd" 2>/dev/null | grep -q a.db; do :; done
	echo >&8
	wait "$reader"
	[ "$(cat out)" = 0 ]
}

@test "waits for a busy attached database, and runs everything again (sqlite/R2)" {
	sqlite3 b.db 'create table t(a)'
	foreign_exclusive b.db
	sqlite-run -w 60 a.db "attach 'b.db' as b; insert into t values(1, 1);
		insert into b.t values(1); select 'once'" >out &
	local writer=$!
	# no process holds the turnstile while it waits
	until ls -l "/proc/$writer/fd" 2>/dev/null | grep -q a.db &&
		flock -n a.db-turnstile true; do :; done
	echo >&8
	wait "$writer"
	[ "$(cat out) $(count) $(count b.db)" = 'once 1 1' ]
}
