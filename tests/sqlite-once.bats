#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# sqlite-once: of any number of racers one is the first; a command runs once; a filter.

bats_require_minimum_version 1.5.0
load rig/stores

setup() {
	stores_setup
}

teardown() {
	stores_teardown
}

@test "exits with 0 the first time and with 1 later, and prints nothing" {
	run -0 sqlite-once s.db key
	[ -z "$output" ]
	run -1 sqlite-once s.db key
	[ -z "$output" ]
	run -0 sqlite-once s.db other
	run -1 sqlite-once s.db key
}

@test "takes an option after DB for a key, and says so" {
	local told="follows DB, and is taken as a"

	run -0 sqlite-once s.db key --check
	[ "$output" = "sqlite-once: '--check' $told KEY: options come first" ]
	run -0 sqlite-lease acquire s.db name --ttl=5m
	[[ $output == "sqlite-lease: '--ttl=5m' $told NAME: options come first"* ]]
	run -0 sqlite-queue add s.db payload --priority
	[[ $output == "sqlite-queue: '--priority' $told PAYLOAD: options come first"* ]]
	run -0 sqlite-once s.db -1 --other -q
	[ -z "$output" ]
	run -1 sqlite-once -- s.db --check
	[ -z "$output" ]
	run -1 sqlite-once -q s.db --check
	[ -z "$output" ]
	run -0 sqlite-once s.db job -- echo --check
	[ "$output" = --check ]
}

@test "marks several keys in one step: all if all are new, or none" {
	run -0 sqlite-once s.db a b
	run -1 sqlite-once s.db c b
	run -1 sqlite-once --check s.db c
	run -0 sqlite-once s.db c c
	run -0 sqlite-once --check s.db a b c
	run -1 sqlite-once --check s.db a b d
}

@test "of 50 racers one is the first (store/O1)" {
	race 50 sqlite-once s.db key
	[ "$(grep -c '^0$' statuses)" = 1 ]
	[ "$(grep -c '^1$' statuses)" = 49 ]
	[ "$(sqlite-once --count s.db)" = 1 ]
}

@test "keeps 100 concurrent marks, with 100 readers of one key beside them" {
	local i
	sqlite-once s.db read
	race_begin
	for i in {1..100}; do
		racer sqlite-once s.db "mark $i"
		racer sqlite-once --check s.db read
	done
	race_end
	[ "$(sort statuses | uniq -c | tr -s ' ')" = ' 200 0' ]
	[ "$(sqlite-once --count s.db)" = 101 ]
}

@test "100 concurrent reads of one key without a writer write nothing" {
	sqlite-once s.db read
	local before
	before=$(ls)
	race 100 sqlite-once --check s.db read
	[ "$(sort -u statuses)" = 0 ]
	rm -f start statuses
	# SQLite's own files, empty, may stay where readers come and go
	[ ! -s s.db-wal ]
	rm -f s.db-wal s.db-shm
	[ "$(ls)" = "$before" ]
}

@test "accepts any bytes in a key: newlines, quotes, a leading dash, invalid UTF-8, 1 MB" {
	local keys=($'two\nlines' "it's" '"; DROP TABLE holdfast_once; --' '-n' '--check'
		$'\xff\xfe' 'NULL' '1' '1.0' ' 1' $'a\tb' 'ä' 'Ä')
	local key
	for key in "${keys[@]}"; do run -0 sqlite-once s.db "$key"; done
	for key in "${keys[@]}"; do run -1 sqlite-once s.db "$key"; done
	[ "$(sqlite-once --count s.db)" = ${#keys[@]} ]
	# the kernel takes 128 kB in one argument; a line may be longer
	key=$(head -c 100000 /dev/zero | tr '\0' x)
	run -0 sqlite-once s.db "$key"
	run -1 sqlite-once s.db "$key"
	run -0 sqlite-once s.db "${key}y"
	head -c 1000000 /dev/zero | tr '\0' x >large
	[ "$(sqlite-once --filter s.db <large | wc -c)" = 1000001 ]
	[ "$(sqlite-once --filter s.db <large | wc -c)" = 0 ]
	{ cat large; echo y; } >larger
	[ "$(sqlite-once --filter s.db <larger | wc -c)" = 1000002 ]
}

@test "refuses an empty key, also in place of a command, and creates nothing" {
	run -64 sqlite-once s.db ''
	[ "${lines[0]}" = 'sqlite-once: an empty KEY: check whether a variable is unset' ]
	run -64 sqlite-once s.db a ''
	run -64 sqlite-once s.db
	run -64 sqlite-once s.db -- true
	run -64 sqlite-once ''
	run -64 sqlite-once
	[ ! -e s.db ]
}

@test "refuses options that exclude each other" {
	run -64 sqlite-once --check --forget s.db a
	run -64 sqlite-once --filter s.db a
	run -64 sqlite-once --null s.db a
	run -64 sqlite-once --older-than 1s s.db a
	run -64 sqlite-once --check s.db a -- true
	run -64 sqlite-once -c true s.db a -- true
	run -64 sqlite-once --ttl 0 s.db a
	[ "${lines[0]}" = 'sqlite-once: --ttl: the time must be longer than 0' ]
	run -64 sqlite-once --ttl -1 s.db a
	[ ! -e s.db ]
}

@test "a mark expires when now >= expires (store/O3)" {
	at 1000000000 sqlite-once --ttl 10s s.db key
	run -1 at 1000000000 sqlite-once s.db key
	run -1 at 1009999999 sqlite-once s.db key
	run -0 at 1009999999 sqlite-once --check s.db key
	run -1 at 1010000000 sqlite-once --check s.db key
	[ "$(at 1009999999 sqlite-once --count s.db)" = 1 ]
	[ "$(at 1010000000 sqlite-once --count s.db)" = 0 ]
	run -0 at 1010000000 sqlite-once --ttl 10s s.db key
	run -1 at 1019999999 sqlite-once s.db key
	run -0 at 1020000000 sqlite-once s.db key
	# without a TTL it never expires
	run -1 at 9000000000000000000 sqlite-once s.db key
	run -0 at 9000000000000000000 sqlite-once --ttl 15000w s.db far
	run -0 at 9000000000000000 sqlite-once --check s.db far
}

@test "of 20 racers for an expired mark one is the first" {
	at 1000000000 sqlite-once --ttl 1ms s.db key
	race 20 at 1000001000 sqlite-once s.db key
	[ "$(grep -c '^0$' statuses)" = 1 ]
}

@test "writing removes expired marks" {
	seq 1000 | at 1000000000 sqlite-once --ttl 1s --filter s.db >/dev/null
	seq 2000 3000 | at 1000000000 sqlite-once --ttl 1h --filter s.db >/dev/null
	seq 4000 4499 | at 2000000000 sqlite-once --filter s.db >/dev/null
	[ "$(sqlite3 s.db 'SELECT count(*) FROM holdfast_once')" = 1501 ]
}

@test "--purge removes expired marks, --older-than old ones, and both print the number" {
	at 1000000000 sqlite-once s.db old
	at 1000000000 sqlite-once --ttl 1s s.db gone
	at 5000000000 sqlite-once s.db new
	at 5000000000 sqlite-once --ttl 1h s.db later
	[ "$(at 6000000000 sqlite-once --purge s.db)" = 0 ] # the writers have taken it away
	[ "$(at 6000000000 sqlite-once --purge --older-than 5001s s.db)" = 0 ]
	[ "$(at 6000000000 sqlite-once --purge --older-than 5000s s.db)" = 1 ]
	run -1 at 6000000000 sqlite-once --check s.db old
	run -0 at 6000000000 sqlite-once --check s.db new later
	[ "$(at 8600000000 sqlite-once --purge s.db)" = 1 ]
	[ "$(sqlite-once --purge --older-than 0 s.db)" = 1 ]
	[ "$(sqlite-once --count s.db)" = 0 ]
}

@test "--purge removes many marks in steps" {
	seq 25000 | at 1000000000 sqlite-once --ttl 1s --filter s.db >/dev/null
	seq 25001 35000 | at 1000000000 sqlite-once --filter s.db >/dev/null
	[ "$(at 1001000000 sqlite-once --purge s.db)" = 25000 ]
	[ "$(sqlite-once --count s.db)" = 10000 ]
}

@test "--forget lets a key be new again" {
	sqlite-once s.db a b
	run -0 sqlite-once --forget s.db a x
	run -1 sqlite-once --forget s.db a x
	run -0 sqlite-once s.db a
	run -1 sqlite-once s.db b
}

@test "a query creates no database" {
	run -1 sqlite-once --check none.db key
	[ -z "$output" ]
	[ "$(sqlite-once --count none.db)" = 0 ]
	[ ! -e none.db ]
}

@test "runs COMMAND the first time, and marks its success" {
	run -0 sqlite-once s.db job -- sh -c 'echo ran "$1"' sh 'a  b'
	[ "$output" = 'ran a  b' ]
	run -1 sqlite-once s.db job -- sh -c 'echo ran'
	[ -z "$output" ]
	run -0 sqlite-once -c 'echo "two words"' s.db other
	[ "$output" = 'two words' ]
	run -1 sqlite-once s.db job
}

@test "leaves no mark when COMMAND fails, dies or cannot be run" {
	run -3 sqlite-once s.db job -- sh -c 'exit 3'
	run -127 sqlite-once s.db job -- no-such-command
	run -143 sqlite-once s.db job -- sh -c 'kill $$'
	run -1 sqlite-once --check s.db job
	run -0 sqlite-once s.db job -- true
	run -0 sqlite-once --check s.db job
}

@test "of 20 racers one runs COMMAND, and the others wait for the outcome (store/O5)" {
	race 20 sqlite-once s.db job -- sh -c 'echo x >>ran'
	[ "$(wc -l <ran)" = 1 ]
	[ "$(grep -c '^0$' statuses)" = 1 ]
	[ "$(grep -c '^1$' statuses)" = 19 ]
}

@test "if COMMAND fails the next one runs it, until one succeeds (store/O5)" {
	race 10 sqlite-once s.db job -- sh -c 'echo x >>ran; [ "$(wc -l <ran)" -ge 4 ]'
	[ "$(wc -l <ran)" = 4 ]
	[ "$(grep -c '^0$' statuses)" = 1 ]
	[ "$(grep -c '^1$' statuses)" = 9 ]
}

# hold DB KEY: sqlite-once runs a command that is at work until `let_go`.
hold() {
	mkfifo began go
	sqlite-once "$@" -- sh -c 'echo >began; read line <go; exit "$line"' &
	holder=$!
	read -r <began
}

let_go() {
	echo "$1" >go
}

@test "marking a key whose command runs waits for it, up to the limit of -w (store/O6)" {
	hold s.db job
	run -75 sqlite-once -n s.db job
	local run_by="sqlite-once: cannot mark 'job' in 's.db': its command is run by "
	[[ ${lines[0]} = "${run_by}PID $holder (sqlite-once s.db job -- sh "*'), running since '* ]]
	run -75 sqlite-once -n s.db job -- true
	run -75 sqlite-once -w 50ms s.db x job
	run -9 sqlite-once -n -E 9 s.db job -- true
	run -0 sqlite-once -n s.db another
	run -1 sqlite-once --check s.db job
	sqlite-once s.db job &
	waiter=$!
	let_go 0
	wait "$holder"
	ends_with 1 "$waiter"
}

@test "when the command fails, the waiter is the first (store/O6)" {
	hold s.db job
	sqlite-once s.db job &
	waiter=$!
	let_go 4
	ends_with 4 "$holder"
	ends_with 0 "$waiter"
	run -1 sqlite-once s.db job
}

@test "a filter waits for the command of its line, too (store/O6)" {
	hold s.db b
	printf '%s\n' a b c | sqlite-once --filter s.db >out &
	waiter=$!
	let_go 0
	wait "$waiter"
	[ "$(cat out)" = $'a\nc' ]
}

@test "a killed run leaves no mark and no lock (store/O5)" {
	hold s.db job
	kill -KILL "$holder" # the wrapper alone: the command works on
	run -75 sqlite-once -n s.db job
	let_go 0
	run -0 sqlite-once s.db job
}

@test "a nested run with the same key does not wait for itself" {
	run -0 timeout 20 sqlite-once s.db job -- sqlite-once s.db job -- echo inner
	[ "$output" = inner ]
	run -1 sqlite-once s.db job
}

@test "passes signals on to COMMAND" {
	mkfifo began
	sqlite-once s.db job -- sh -c \
		'trap "exit 7" TERM; echo >began; while :; do sleep 0.01; done' &
	holder=$!
	read -r <began
	kill "$holder"
	ends_with 7 "$holder"
}

@test "--filter passes on lines never seen before, in order (store/F1, store/F3)" {
	[ "$(printf '%s\n' b a b c a | sqlite-once --filter s.db)" = $'b\na\nc' ]
	[ "$(printf '%s\n' d a e b | sqlite-once --filter s.db)" = $'d\ne' ]
	# an empty line is a line; the last one gets its newline
	printf '\n\nx' | sqlite-once --filter s.db >out
	[ "$(od -An -c out | tr -d ' ')" = '\nx\n' ]
	run -1 sqlite-once s.db x
}

@test "--filter --null accepts NUL-separated names" {
	printf 'a\nb\0c\0a\nb\0d' | sqlite-once --filter -0 s.db >out
	printf 'a\nb\0c\0d\0' | cmp - out
}

@test "--filter passes on each line when it arrives" {
	mkfifo in out
	sqlite-once --filter s.db <in >out &
	filter=$!
	exec 5>in 6<out
	for word in one two three; do
		printf '%s\n' again "$word" >&5
		[ $word != one ] || read -r -t 20 -u 6 line
		read -r -t 20 -u 6 line
		[ "$line" = $word ]
		[ "$(sqlite-once --count s.db)" -gt 1 ]
	done
	exec 5>&-
	ends_with 0 "$filter"
	exec 6<&-
}

@test "ten filters of the same 20,000 lines pass each line once (store/F1)" {
	local i
	seq 20000 | shuf >lines
	race_begin
	for i in {1..10}; do racer sh -c "sqlite-once --filter s.db <lines >out.$i"; done
	race_end
	[ "$(sort -u statuses)" = 0 ]
	cat out.* | sort -n | cmp - <(seq 20000)
}

@test "a filter marks a line before writing it; --at-least-once repeats unmarked ones (store/F2)" {
	# the write fails, and the marks of the batch stay, or do not
	run -74 sh -c 'printf "a\n" | sqlite-once --filter full.db >/dev/full'
	run -0 sqlite-once --check full.db a
	run -74 sh -c 'printf "a\n" | sqlite-once --filter --at-least-once least.db >/dev/full'
	[[ ${lines[0]} == *"standard output"*"No space left on device" ]]
	[ "${lines[1]}" = '  0 lines were read before, and 0 passed on' ]
	run -1 sqlite-once --check least.db a
	[ "$(printf '%s\n' a b a | sqlite-once --filter --at-least-once least.db)" = $'a\nb' ]
	[ "$(printf '%s\n' a b a | sqlite-once --filter --at-least-once least.db)" = '' ]
}

@test "a filter whose reader is stopped does not block the database (store/F4)" {
	mkfifo out
	seq 100000 | sqlite-once --filter s.db >out &
	exec 6<out
	read -r -u 6
	# its batch is marked, and it sits in write(2)
	run -0 sqlite-once -w 20s s.db other
	cat <&6 >/dev/null
	exec 6<&-
}

@test "keeps its tables among the user's own, in a database in rollback mode" {
	sqlite3 own.db 'CREATE TABLE t(a); INSERT INTO t VALUES (1)'
	run -0 sqlite-once own.db key
	run -1 sqlite-once own.db key
	[ "$(sqlite3 own.db 'SELECT a FROM t; PRAGMA journal_mode')" = $'1\ndelete' ]
	race 20 sqlite-once own.db more
	[ "$(grep -c '^0$' statuses)" = 1 ]
	# the same store by another name
	ln -s own.db link.db
	run -1 sqlite-once link.db key
}

@test "refuses another program's database, and leaves it as it is (store/S1, store/S2)" {
	sqlite3 geo.db 'PRAGMA application_id = 1196444487; CREATE TABLE t(a)'
	sqlite3 same.db 'CREATE TABLE Holdfast_Once(a, b)'
	sqlite3 view.db 'CREATE VIEW holdfast_once AS SELECT 1 AS key'
	sqlite-once newer.db key
	sqlite3 newer.db 'ALTER TABLE holdfast_once ADD COLUMN more'
	echo 'not a database, but a text that is long enough to be taken for one at first' >text
	local db sum
	for db in geo.db same.db view.db newer.db text; do
		sum=$(sha256sum <$db)
		run -65 sqlite-once $db key
		[[ ${lines[0]} == "sqlite-once: "*"$db"* ]]
		run -65 sqlite-once $db key -- touch ran
		[ "$(sha256sum <$db)" = "$sum" ]
	done
	run -65 sqlite-once geo.db key
	local refused="sqlite-once: 'geo.db' is refused as a store: "
	[ "${lines[0]}" = "${refused}it is another program's database (application_id 1196444487)" ]
	run -65 sqlite-once --check same.db key
	[ "${lines[0]}" = "${refused/geo/same}its 'holdfast_once' is not holdfast's" ]
	[ ! -e ran ]
}

@test "waits for a database that another process writes to, up to the limit of -w" {
	sqlite-once s.db a
	foreign_writer s.db
	run -75 sqlite-once -w 100ms s.db b
	[[ ${lines[0]} == "sqlite-once: "*"'s.db'"* ]]
	run -75 sqlite-once -q -n s.db b
	[ -z "$output" ]
	run -0 sqlite-once --check s.db a
	sqlite-once s.db b &
	waiter=$!
	foreign_writer_ends
	ends_with 0 "$waiter"
}

@test "10 x 20 marks: 200 rows, no error" {
	local i
	race_begin
	for i in {1..10}; do
		racer sh -c "for n in \$(seq 20); do sqlite-once s.db $i.\$n || exit; done"
	done
	race_end
	[ "$(sort -u statuses)" = 0 ]
	[ "$(sqlite-once --count s.db)" = 200 ]
}

@test "a killed run leaves both of its keys marked, or none" {
	local i status left
	for i in {1..30}; do
		status=0
		HOLDFAST_FAULT=$i:kill "$HF_FAULT_BIN/sqlite-once" s.db "a$i" "b$i" || status=$?
		left=$(sqlite3 s.db "SELECT count(*) FROM holdfast_once WHERE key IN
			(CAST('a$i' AS BLOB), CAST('b$i' AS BLOB))" 2>/dev/null || echo 0)
		[ "$left" = 0 ] || [ "$left" = 2 ]
		[ "$status" != 0 ] || [ "$left" = 2 ]
	done
	run -0 sqlite-once s.db last
}
