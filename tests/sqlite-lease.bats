#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# sqlite-lease: one holder a name, until it is released or runs out; tokens that only grow.

bats_require_minimum_version 1.5.0
load rig/stores

setup() {
	stores_setup
}

teardown() {
	stores_teardown
}

@test "acquire prints a token, and no other process gets the name until it is released" {
	local token
	token=$(sqlite-lease acquire s.db ticket)
	((token > 0))
	run -75 sqlite-lease acquire -n s.db ticket
	local held="sqlite-lease: cannot acquire 'ticket' in 's.db': held by '"
	[[ ${lines[0]} =~ ^"$held".*:[0-9]+"' " ]]
	[[ ${lines[0]} =~ " (token $token) for 5"[0-9]s$ ]]
	run -0 sqlite-lease acquire -n s.db other
	run -0 sqlite-lease release --token "$token" s.db ticket
	run -0 sqlite-lease acquire -n s.db ticket
	((output > token))
}

@test "of 50 racers one gets the name (store/E1)" {
	race 50 sqlite-lease acquire -w 60s --wait 0 s.db ticket
	[ "$(grep -c '^0$' statuses)" = 1 ]
	[ "$(grep -c '^75$' statuses)" = 49 ]
}

# The test of a ticket store: as many free tickets as takers, which start together; each tries one
# after the other until it gets one.
barrier() {
	local i
	race_begin
	for ((i = 0; i < $1; i++)); do
		racer sh -c 'for t in $(seq "$1" | shuf); do
			sqlite-lease acquire --wait 0 --as "$2" s.db "ticket $t" >/dev/null 2>&1 &&
				echo "$t" >>got && exit
			[ $? = 75 ] || exit
		done; exit 75' sh "$1" "$i"
	done
	race_end
}

@test "three takers with three free tickets each get one, none twice" {
	barrier 3
	[ "$(sort -u statuses)" = 0 ]
	[ "$(sort -n got)" = $'1\n2\n3' ]
}

@test "fifty takers with fifty free tickets each get one, none twice" {
	barrier 50
	[ "$(sort -u statuses)" = 0 ]
	[ "$(sort -n got)" = "$(seq 50)" ]
}

@test "acquires several names together, with one token, or none of them (store/E2)" {
	local token
	token=$(sqlite-lease acquire s.db a b c)
	[ "$(sqlite-lease list s.db | cut -f 1,3)" = "$(printf '%s\t'"$token"'\n' a b c)" ]
	run -75 sqlite-lease acquire -n s.db d b
	run -0 sqlite-lease release --token "$token" s.db a b
	run -1 sqlite-lease release --token "$token" s.db c a
	[[ ${lines[0]} == "sqlite-lease: cannot release 'a' in 's.db': no process "* ]]
	[[ ${lines[0]} == *' holds it any more' ]]
	[ "$(sqlite-lease list s.db | cut -f 1)" = c ]
}

@test "two holders that want two names in opposite order do not deadlock" {
	local i
	race_begin
	for i in {1..10}; do
		racer sh -c 't=$(sqlite-lease acquire -w 60s s.db a b) &&
			sqlite-lease release --token "$t" s.db a b'
		racer sh -c 't=$(sqlite-lease acquire -w 60s s.db b a) &&
			sqlite-lease release --token "$t" s.db b a'
	done
	race_end
	[ "$(sort -u statuses)" = 0 ]
}

@test "a wrong holder can neither renew nor release (store/E4)" {
	local token
	token=$(sqlite-lease acquire --as alice s.db ticket)
	run -1 sqlite-lease release --token $((token + 1)) s.db ticket
	[ "$output" = \
		"sqlite-lease: cannot release 'ticket' in 's.db': held by 'alice' (token $token)" ]
	run -1 sqlite-lease release --as bob s.db ticket
	run -1 sqlite-lease renew --as bob s.db ticket
	run -1 sqlite-lease renew --as alice --token $((token + 1)) s.db ticket
	run -1 sqlite-lease release -q --as bob s.db ticket
	[ -z "$output" ]
	run -64 sqlite-lease release s.db ticket
	run -75 sqlite-lease acquire -n --as alice s.db ticket
	run -0 sqlite-lease renew --as alice s.db ticket
	run -0 sqlite-lease release --as alice --token "$token" s.db ticket
}

@test "expires when now >= expires, and is refused even if no process took it (store/E5)" {
	local token
	token=$(at 1000000000 sqlite-lease acquire --ttl 10s s.db ticket)
	run -75 at 1009999999 sqlite-lease acquire -n s.db ticket
	[[ $output == *' for 1ms'* ]]
	run -0 at 1009999999 sqlite-lease renew --ttl 10s --token "$token" s.db ticket
	run -0 at 1019999998 sqlite-lease renew --ttl 10s --token "$token" s.db ticket
	run -1 at 1029999998 sqlite-lease renew --ttl 10s --token "$token" s.db ticket
	[[ $output == *'no process holds it any more' ]]
	run -1 at 1029999998 sqlite-lease release --token "$token" s.db ticket
	[ -z "$(at 1029999998 sqlite-lease list s.db)" ]
	run -0 at 1029999998 sqlite-lease acquire -n s.db ticket
}

@test "a later holder's token is larger, and the old holder is refused (store/E3)" {
	local old new
	old=$(at 1000000000 sqlite-lease acquire --ttl 10s s.db ticket)
	new=$(at 1010000000 sqlite-lease acquire --ttl 10s s.db ticket)
	((new > old))
	run -1 at 1010000001 sqlite-lease renew --token "$old" s.db ticket
	run -1 at 1010000001 sqlite-lease release --token "$old" s.db ticket
	run -0 at 1010000001 sqlite-lease renew --token "$new" s.db ticket
}

@test "tokens grow over release, purge, and deletion of the row (store/S5)" {
	local last=0 token i
	for i in 1 2 3; do
		token=$(sqlite-lease acquire s.db ticket)
		((token > last))
		last=$token
		case $i in
		1) sqlite-lease release --token "$token" s.db ticket ;;
		2) sqlite3 s.db 'DELETE FROM holdfast_lease; VACUUM' ;;
		esac
	done
	# the jobs of a queue get their tokens from the same row
	sqlite-queue add s.db job
	read -r _ token _ < <(sqlite-queue claim s.db)
	((token > last))
}

@test "the release wakes a waiter" {
	local token
	token=$(sqlite-lease acquire s.db ticket)
	woken() {
		sqlite-lease acquire -w 60s s.db ticket >got &
		waiter=$!
		await_watcher "$waiter"
		local start=${EPOCHREALTIME/./}
		sqlite-lease release --token "$token" s.db ticket
		ends_with 0 "$waiter"
		ms=$(since "$start")
		(($(cat got) > token))
		token=$(cat got)
	}
	quick 900 woken
}

@test "a waiter wakes when the lease expires" {
	runs_out() {
		local start=${EPOCHREALTIME/./} token
		sqlite-lease acquire --ttl 400ms s.db ticket
		token=$(sqlite-lease acquire -w 60s s.db ticket)
		ms=$(since "$start")
		((ms >= 400))
		sqlite-lease release --token "$token" s.db ticket
	}
	quick 1300 runs_out
}

@test "-w limits the wait" {
	sqlite-lease acquire s.db ticket
	run -75 sqlite-lease acquire -w 100ms s.db ticket
	HOLDFAST_TIMEOUT=100ms run -75 sqlite-lease acquire s.db ticket
	[ "${lines[1]}" = '  wait longer with --wait' ]
}

@test "twenty waiters acquire one after another, and none is left out" {
	local token
	token=$(sqlite-lease acquire s.db ticket)
	race_begin
	local i
	for i in {1..20}; do
		racer sh -c 't=$(sqlite-lease acquire -w 60s s.db ticket) && echo "$t" >>tokens &&
			sqlite-lease release --token "$t" s.db ticket'
	done
	sqlite-lease release --token "$token" s.db ticket
	race_end
	[ "$(sort -u statuses)" = 0 ]
	# each began when the one before had ended: the tokens came in order
	[ "$(wc -l <tokens)" = 20 ]
	sort -n -c tokens
}

@test "accepts any bytes in names and holders; list prints them on one line, and as JSON" {
	sqlite-lease acquire --as $'a\n"b"' --ttl inf s.db $'it\'s\tone\n'
	run -75 sqlite-lease acquire -n s.db $'it\'s\tone\n'
	local held="sqlite-lease: cannot acquire 'it's\\tone\\n' in 's.db': held by "
	[ "${lines[0]}" = "$held'a\\n\"b\"' (token 1) for an unlimited time" ]
	[ "$(sqlite-lease list s.db)" = "it's\\tone\\n"$'\ta\\n"b"\t1\t-' ]
	[ "$(sqlite-lease list --json s.db | jq -r .name)" = $'it\'s\tone' ]
	[ "$(sqlite-lease list --json s.db | jq -c '[.holder, .token, .expires]')" = \
		'["a\n\"b\"",1,null]' ]
	run -0 sqlite-lease acquire --as "$(printf %255s x)" s.db long
	run -64 sqlite-lease acquire --as "$(printf %256s x)" s.db longer
}

@test "a wrong call creates no database" {
	run -64 sqlite-lease
	run -64 sqlite-lease take s.db a
	[ "${lines[0]}" = "sqlite-lease: 'take' is not a subcommand" ]
	run -64 sqlite-lease acquire s.db
	run -64 sqlite-lease acquire s.db ''
	run -64 sqlite-lease acquire --as '' s.db a
	run -64 sqlite-lease acquire --ttl 0 s.db a
	run -64 sqlite-lease acquire --token 1 s.db a
	run -64 sqlite-lease renew --token x s.db a
	run -64 sqlite-lease renew --token 0 s.db a
	run -64 sqlite-lease list s.db a
	[ ! -e s.db ]
	# options before the verb, too
	run -0 sqlite-lease --ttl 5m acquire s.db a
}

@test "a database that does not exist has no leases, and a query does not create it" {
	run -0 sqlite-lease list none.db
	[ -z "$output" ]
	run -1 sqlite-lease release --token 1 none.db a
	[ ! -e none.db ]
}

@test "refuses another program's database" {
	sqlite3 geo.db 'PRAGMA application_id = 1196444487; CREATE TABLE t(a)'
	run -65 sqlite-lease acquire geo.db a
	sqlite3 same.db 'CREATE TABLE holdfast_token(a)'
	run -65 sqlite-lease acquire same.db a
	[[ ${lines[0]} == *"its 'holdfast_token' is not holdfast's" ]]
	[ "$(sqlite3 same.db .tables)" = holdfast_token ]
}

@test "distinguishes a busy database from a held name" {
	sqlite-lease acquire s.db a
	foreign_writer s.db
	run -75 sqlite-lease acquire -w 50ms s.db b
	[[ ${lines[0]} != *'held by'*token* ]]
	foreign_writer_ends
	run -75 sqlite-lease acquire -w 50ms s.db a
	[[ ${lines[0]} == *"held by '"*token* ]]
}

@test "acquire removes expired leases" {
	local i
	for i in {1..30}; do at 1000000000 sqlite-lease acquire --ttl 1s s.db "$i"; done >/dev/null
	for i in {1..5}; do at 2000000000 sqlite-lease acquire s.db "new $i"; done >/dev/null
	[ "$(sqlite3 s.db 'SELECT count(*) FROM holdfast_lease')" = 5 ]
}

@test "releases the lease when its token cannot be printed" {
	run -74 bash -c 'sqlite-lease acquire l.db one two >/dev/full'
	[[ ${lines[1]} == *'nothing is held' ]]
	[ "$(sqlite-lease list l.db)" = '' ]
	sqlite-lease acquire -n l.db one two
	# where the database is busy then, no longer than -w says
	run -76 deaf l.db sqlite-lease acquire -w 200ms l.db three
	[[ $output == *'the names are held, with token '*', until the lease expires' ]]
	[[ $(sqlite-lease list l.db) == *three* ]]
}

@test "recreates a database that is removed while it waits for a lease (store/S3)" {
	local waiter
	sqlite-lease acquire l.db one
	sqlite-lease acquire --wait 60s l.db one >token &
	waiter=$!
	await_watcher "$waiter"
	# the holder of the turnstile may do so, and only that holder recreates it
	flock l.db-turnstile sh -c 'rm -f l.db l.db-wal l.db-shm; sleep 0.1; [ ! -e l.db ]'
	wait "$waiter"
	[ "$(cat token)" = 1 ]
	[ "$(sqlite3 l.db 'pragma journal_mode')" = wal ]
}
