#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# sqlite-queue: jobs, each of them one worker's at a time, until it is done.

bats_require_minimum_version 1.5.0
load rig/stores

setup() {
	stores_setup
}

teardown() {
	stores_teardown
}

# claim [options] DB: sets id, token, attempt and payload.
claim() {
	sqlite-queue claim "$@" >claimed
	read -r id token attempt <claimed
	payload=$(tail -n +2 claimed)
}

@test "add prints the number; claim adds token, attempt and payload; done removes the job" {
	[ "$(sqlite-queue add s.db 'one  job')" = 1 ]
	claim s.db
	[ "$id/$attempt/$payload" = '1/1/one  job' ]
	run -1 sqlite-queue claim s.db
	[ -z "$output" ]
	run -0 sqlite-queue done --token "$token" s.db "$id"
	[ -z "$(sqlite-queue list s.db)" ]
	# a number is not used again
	[ "$(sqlite-queue add s.db more)" = 2 ]
}

@test "serves jobs by priority, then by age; P0 before P1 (store/Q2)" {
	sqlite-queue add --priority 1 s.db p1-old
	sqlite-queue add --priority 0 s.db p0-old
	sqlite-queue add --priority 1 s.db p1-new
	sqlite-queue add --priority -5 s.db first
	sqlite-queue add s.db p0-new
	run -0 sqlite-queue work s.db -- sh -c 'cat; echo'
	[ "$output" = $'first\np0-old\np0-new\np1-old\np1-new' ]
}

@test "a released job keeps its age (store/Q2)" {
	sqlite-queue add s.db a b >/dev/null
	claim s.db
	sqlite-queue release --token "$token" s.db "$id"
	claim s.db
	[ "$payload/$attempt" = a/2 ]
}

@test "separates the queues of one database" {
	sqlite-queue add --queue mail s.db m
	sqlite-queue add s.db d
	claim --queue mail s.db
	[ "$payload" = m ]
	run -1 sqlite-queue claim --queue mail s.db
	run -1 sqlite-queue claim --queue none s.db
	claim s.db
	[ "$payload" = d ]
	[ "$(sqlite-queue list --queue mail s.db | wc -l)" = 1 ]
	[ "$(sqlite-queue list s.db | wc -l)" = 2 ]
}

@test "three workers with three free jobs each get one, none twice" {
	seq 3 | sqlite-queue add --each-line s.db >/dev/null
	race 3 sh -c 'sqlite-queue claim -w 60s --json s.db >>got'
	[ "$(sort -u statuses)" = 0 ]
	[ "$(jq .id got | sort -n)" = $'1\n2\n3' ]
	[ "$(jq .token got | sort -u | wc -l)" = 3 ]
}

@test "fifty workers with fifty free jobs each get one, none twice" {
	seq 50 | sqlite-queue add --each-line s.db >/dev/null
	race 50 sh -c 'sqlite-queue claim -w 60s --json s.db >>got'
	[ "$(sort -u statuses)" = 0 ]
	[ "$(jq .id got | sort -n)" = "$(seq 50)" ]
	[ "$(jq .token got | sort -u | wc -l)" = 50 ]
}

@test "adds 10 x 20 jobs, and ten workers do each of them once" {
	local i
	race_begin
	for i in {1..10}; do
		racer sh -c "for n in \$(seq 20); do
			sqlite-queue add -w 60s s.db $i.\$n || exit; done"
	done
	race_end
	[ "$(sort -u statuses)" = 0 ]
	[ "$(sqlite-queue list s.db | wc -l)" = 200 ]
	race 10 sqlite-queue work -w 60s s.db -- sh -c 'echo "$HOLDFAST_JOB" >>did'
	[ "$(sort -u statuses)" = 0 ]
	[ "$(sort -n did)" = "$(seq 200)" ]
	[ -z "$(sqlite-queue list s.db)" ]
}

@test "30 readers during writes see whole jobs, and leave no files" {
	local i
	sqlite-queue add s.db first >/dev/null
	race_begin
	for i in {1..30}; do
		racer sh -c 'sqlite-queue list --json s.db | jq -e .id >/dev/null'
		racer sh -c 'sqlite-queue add -w 60s s.db job >/dev/null'
	done
	race_end
	[ "$(sort -u statuses)" = 0 ]
	[ "$(sqlite-queue list s.db | wc -l)" = 31 ]
}

@test "takes over an expired claim with a larger token (store/Q1, store/Q3)" {
	local old
	at 1000000000 sqlite-queue add s.db job
	at 1000000000 sqlite-queue claim --ttl 10s s.db >claimed
	read -r id old _ <claimed
	run -1 at 1009999999 sqlite-queue claim s.db
	run -0 at 1010000000 sqlite-queue claim --ttl 10s s.db
	read -r id token attempt <<<"$output"
	((token > old && attempt == 2))
	local verb
	for verb in renew done release; do
		run -1 at 1010000001 sqlite-queue $verb --token "$old" s.db "$id"
		[[ ${lines[0]} == *"it is claimed with token $token" ]]
	done
	run -0 at 1010000001 sqlite-queue done --token "$token" s.db "$id"
	run -1 at 1010000001 sqlite-queue done --token "$token" s.db "$id"
	[[ $output == *'there is no such job, or it is done' ]]
}

@test "refuses an expired token, even if no other process has claimed the job (store/Q4)" {
	at 1000000000 sqlite-queue add s.db job
	at 1000000000 sqlite-queue claim --ttl 10s s.db >claimed
	read -r id token _ <claimed
	run -0 at 1009999999 sqlite-queue renew --ttl 10s --token "$token" s.db "$id"
	local verb
	for verb in renew done release; do
		run -1 at 1019999999 sqlite-queue $verb --token "$token" s.db "$id"
		[[ $output == *'its lease has expired' ]]
	done
	[[ $(at 1019999999 sqlite-queue list s.db) == *$'\texpired\t'* ]]
}

@test "refuses another process's token, and a missing one (store/Q4)" {
	sqlite-queue add s.db job
	claim s.db
	run -1 sqlite-queue done --token $((token + 1)) s.db "$id"
	run -64 sqlite-queue done s.db "$id"
	run -64 sqlite-queue done --token 0 s.db "$id"
	run -1 sqlite-queue done --token "$token" s.db 99
	sqlite-queue release --token "$token" s.db "$id"
	run -1 sqlite-queue done --token "$token" s.db "$id"
	[[ $output == *'no process has claimed it' ]]
}

@test "after its last attempt a job is dead, until it is retried or purged (store/Q5)" {
	sqlite-queue add --max-attempts 2 s.db job
	claim s.db
	sqlite-queue release --token "$token" s.db "$id"
	claim s.db
	sqlite-queue release --token "$token" s.db "$id"
	run -1 sqlite-queue claim s.db
	[[ $(sqlite-queue list s.db) == $'1\tdead\t0\t2/2\t'* ]]
	run -1 sqlite-queue done --token "$token" s.db "$id"
	[[ $output == *'it is dead' ]]
	run -0 sqlite-queue retry s.db 1
	run -1 sqlite-queue retry s.db 1
	claim s.db
	[ "$attempt" = 1 ]
	sqlite-queue release --token "$token" s.db "$id"
	claim s.db
	sqlite-queue release --token "$token" s.db "$id"
	[ "$(sqlite-queue purge --older-than 1h s.db)" = 0 ]
	[ "$(sqlite-queue purge --queue other s.db)" = 0 ]
	[ "$(sqlite-queue purge s.db)" = 1 ]
	[ -z "$(sqlite-queue list s.db)" ]
}

@test "counts the attempts of a job whose workers die (store/Q5)" {
	at 1000000000 sqlite-queue add --max-attempts 2 s.db job
	at 1000000000 sqlite-queue claim --ttl 1s s.db
	at 1001000000 sqlite-queue claim --ttl 1s s.db
	run -1 at 1002000000 sqlite-queue claim --ttl 1s s.db
	[[ $(sqlite-queue list s.db) == *$'\tdead\t'* ]]
}

@test "a delayed job is not due earlier" {
	at 1000000000 sqlite-queue add --delay 10s s.db job
	run -1 at 1009999999 sqlite-queue claim s.db
	[[ $(at 1009999999 sqlite-queue list s.db) == *$'\tdelayed\t'* ]]
	run -0 at 1010000000 sqlite-queue claim s.db
	read -r id token attempt <<<"$output"
	at 1010000000 sqlite-queue release --delay 1s --token "$token" s.db "$id"
	run -1 at 1010999999 sqlite-queue claim s.db
	run -0 at 1011000000 sqlite-queue claim s.db
}

@test "accepts any bytes in payloads: from arguments, from standard input, each line" {
	local bytes=$'two\nlines, "quotes", it\'s\n\n'
	sqlite-queue add s.db "$bytes" -- >/dev/null
	claim s.db
	sqlite-queue claim s.db >/dev/null
	tail -n +2 claimed | cmp - <(printf %s "$bytes")
	head -c 1000000 /dev/urandom >blob
	sqlite-queue add s.db <blob
	sqlite-queue claim s.db >claimed
	tail -n +2 claimed | cmp - blob
	[ "$(printf 'a\n\nb' | sqlite-queue add --each-line s.db | wc -l)" = 2 ]
	printf 'a\0b' | sqlite-queue add --priority -1 s.db >/dev/null
	[ "$(sqlite-queue claim --json s.db | jq -r .payload_hex)" = 610062 ]
	[ "$(sqlite-queue claim --json s.db | jq -r .payload)" = a ]
}

@test "refuses an empty payload without --allow-empty" {
	run -65 sqlite-queue add s.db ''
	[ "${lines[0]}" = 'sqlite-queue: the payload is empty' ]
	run -65 sqlite-queue add s.db </dev/null
	run -65 sqlite-queue add s.db a ''
	[ -z "$(sqlite-queue list s.db)" ]
	run -0 sqlite-queue add --allow-empty s.db </dev/null
	claim s.db
	[ -z "$payload" ]
}

@test "add wakes claim --wait at once" {
	woken() {
		sqlite-queue claim --wait 60s s.db >claimed &
		waiter=$!
		await_watcher "$waiter"
		local start=${EPOCHREALTIME/./}
		sqlite-queue add s.db job
		ends_with 0 "$waiter"
		ms=$(since "$start")
		[[ $(tail -n +2 claimed) = job ]]
	}
	quick 900 woken
}

@test "another program's INSERT wakes claim --wait" {
	sqlite-queue add s.db job >/dev/null
	sqlite-queue claim s.db >/dev/null
	woken() {
		sqlite-queue claim --wait 60s s.db >claimed &
		waiter=$!
		await_watcher "$waiter"
		local start=${EPOCHREALTIME/./}
		sqlite3 -cmd '.timeout 10000' s.db "INSERT INTO holdfast_job
			(queue, priority, state, due, added, attempts, most, payload) VALUES
			(CAST('default' AS BLOB), 0, 0, 0, 0, 0, 0, CAST('theirs' AS BLOB))"
		ends_with 0 "$waiter"
		ms=$(since "$start")
		[[ $(tail -n +2 claimed) = theirs ]]
	}
	quick 900 woken
}

@test "claim --wait wakes when a claim expires, and when a job is due" {
	runs_out() {
		local start=${EPOCHREALTIME/./}
		sqlite-queue add s.db job >/dev/null
		sqlite-queue claim --ttl 300ms s.db >/dev/null
		run -0 sqlite-queue claim --wait 60s --ttl 1h s.db
		ms=$(since "$start")
		((ms >= 300))
	}
	is_due() {
		local start=${EPOCHREALTIME/./}
		sqlite-queue add --delay 300ms s.db job >/dev/null
		run -0 sqlite-queue claim --wait 60s --ttl 1h s.db
		ms=$(since "$start")
		((ms >= 300))
	}
	quick 1200 runs_out
	quick 1200 is_due
}

@test "claim --wait times out" {
	run -1 sqlite-queue claim --wait 100ms s.db
	[ -z "$output" ]
	run -0 sqlite-queue add s.db job
	run -0 sqlite-queue claim --wait 100ms s.db
}

@test "each of 20 waiters gets one of 20 jobs that are added" {
	local i
	race_begin
	for i in {1..20}; do
		racer sh -c 'sqlite-queue claim --json -w 60s --wait 60s s.db >>got'
	done
	race_add() { for i in {1..20}; do sqlite-queue add -w 60s s.db "$i" >/dev/null; done; }
	racer race_add
	race_end
	[ "$(sort -u statuses)" = 0 ]
	[ "$(jq .id got | sort -n)" = "$(seq 20)" ]
}

@test "work: passes the payload as standard input, number and token in the environment" {
	sqlite-queue add s.db 'some text' >/dev/null
	run -0 sqlite-queue work s.db -- sh -c \
		'printf "%s %s %s" "$HOLDFAST_JOB" "$HOLDFAST_TOKEN" "$(cat)"'
	[ "$output" = '1 1 some text' ]
	run -0 sqlite-queue work -v -c 'cat' s.db
	[ -z "$output" ]
	sqlite-queue add s.db x >/dev/null
	run -0 sqlite-queue work -v -c 'cat' s.db
	[ "$output" = $'xsqlite-queue: job 2 is done' ]
}

@test "work: puts a failed job back, and marks it dead after its last attempt" {
	sqlite-queue add --max-attempts 2 s.db bad >/dev/null
	sqlite-queue add s.db good >/dev/null
	run -1 sqlite-queue work s.db -- grep good
	[ "${lines[0]}" = \
		'sqlite-queue: job 1, attempt 1: the command exited with 1: it waits again' ]
	[ "${lines[1]}" = 'sqlite-queue: job 1, attempt 2: the command exited with 1: it is dead' ]
	[ "${lines[2]}" = good ]
	[[ $(sqlite-queue list s.db) == $'1\tdead\t'* ]]
	sqlite-queue add --max-attempts 1 s.db other >/dev/null
	run -1 sqlite-queue work s.db -- sh -c 'kill -KILL $$'
	[[ $output == *'the command died of signal 9 (Killed): it is dead' ]]
}

@test "work --delay postpones a failed job" {
	sqlite-queue add s.db bad good >/dev/null
	run -1 sqlite-queue work --delay 1h s.db -- grep good
	[ "${#lines[@]}" = 2 ]
	[[ $(sqlite-queue list s.db) == $'1\tdelayed\t0\t1/5\t'* ]]
}

@test "work: a command that is not found counts no attempt" {
	sqlite-queue add s.db job >/dev/null
	run -127 sqlite-queue work s.db -- no-such-command
	[[ $(sqlite-queue list s.db) == $'1\twaiting\t0\t0/5\t'* ]]
}

# at_work [options]: a worker whose command waits for a line on ./go, which is its exit status.
at_work() {
	mkfifo began go
	sqlite-queue work "$@" s.db -- sh -c 'echo >began; read -r line <go; exit "$line"' &
	worker=$!
	read -r <began
}

@test "work: renews the lease while the command runs" {
	sqlite-queue add s.db job >/dev/null
	at_work --ttl 1500ms
	# longer than the claim would have lasted, and another one finds nothing
	run -1 sqlite-queue claim --wait 2s s.db
	echo 0 >go
	ends_with 0 "$worker"
	[ -z "$(sqlite-queue list s.db)" ]
}

@test "work: ends the command when its lease is lost, and the job is not done (store/W2)" {
	sqlite-queue add s.db job >/dev/null
	mkfifo began
	sqlite-queue work --ttl 500ms s.db -- sh -c 'echo >began; exec sleep 60' 2>said &
	worker=$!
	read -r <began
	kill -STOP "$worker"
	run -0 sqlite-queue claim --wait 60s --ttl 1h s.db
	read -r id token attempt <<<"$output"
	kill -CONT "$worker"
	ends_with 1 "$worker"
	local died='the command died of signal 15 (Terminated): its lease was lost'
	[ "$(cat said)" = "sqlite-queue: job 1, attempt 1: $died" ]
	run -0 sqlite-queue done --token "$token" s.db "$id"
}

@test "work: passes a signal on; the job waits again without a lost attempt (store/W3)" {
	sqlite-queue add s.db one two >/dev/null
	at_work
	kill -TERM "$worker"
	ends_with 143 "$worker"
	[[ $(sqlite-queue list s.db) == $'1\twaiting\t0\t0/5\t'*$'\n2\twaiting\t'* ]]
}

@test "work: waits for a command that ignores the signal, then starts no other (store/W3)" {
	sqlite-queue add s.db one two >/dev/null
	mkfifo began go
	sqlite-queue work s.db -- sh -c 'trap "" TERM; echo >began; read -r line <go' &
	worker=$!
	read -r <began
	kill -TERM "$worker"
	echo >go
	ends_with 143 "$worker"
	[[ $(sqlite-queue list s.db) == $'2\twaiting\t0\t0/5\t'* ]]
}

@test "work: an idle worker ends at once (store/W3)" {
	sqlite-queue work --wait inf s.db -- true &
	worker=$!
	await_watcher "$worker"
	kill -TERM "$worker"
	ends_with 143 "$worker"
}

@test "work: a worker that waits for the database ends at once (store/W3)" {
	mkfifo to
	sqlite-queue add s.db job >/dev/null
	sqlite3 s.db <to &
	local stranger=$!
	exec 8>to
	echo "begin immediate; select 'held';
.shell touch held" >&8
	until [ -e held ]; do :; done
	sqlite-queue work -w inf s.db -- true 8>&- &
	worker=$!
	# it has tried, and given the turnstile back
	until [ -d "/proc/$worker/fd" ] && ls -l "/proc/$worker/fd" | grep -q s.db-shm &&
		flock -n s.db-turnstile true; do :; done
	kill -TERM "$worker"
	ends_with 143 "$worker"
	kill -0 "$stranger"
	# and a worker that waits for the turnstile
	exec 7>>s.db-turnstile
	flock 7
	sqlite-queue work -w inf s.db -- true 7>&- 8>&- &
	worker=$!
	await waits "$worker"
	kill -TERM "$worker"
	ends_with 143 "$worker"
	exec 7>&- 8>&-
	wait "$stranger"
	[ "$(sqlite-queue list s.db | cut -f2,4)" = $'waiting\t0/5' ]
}

@test "work: a killed worker's job stays claimed until its lease expires (store/W4)" {
	sqlite-queue add s.db job >/dev/null
	at_work --ttl 2s
	kill -KILL "$worker"
	ends_with 137 "$worker"
	run -1 sqlite-queue claim s.db
	run -0 sqlite-queue claim --wait 60s s.db
	[[ $output == '1 2 2'* ]]
	echo 0 >go
}

@test "work --wait takes jobs as they arrive" {
	mkfifo did
	sqlite-queue work --wait inf s.db -- sh -c 'cat >did' &
	worker=$!
	local i
	for i in 1 2 3; do
		sqlite-queue add s.db "job $i" >/dev/null
		[ "$(cat did)" = "job $i" ]
	done
	kill "$worker"
	ends_with 143 "$worker"
}

@test "work -j runs several jobs concurrently" {
	mkfifo a b
	sqlite-queue add s.db a b >/dev/null
	# each waits for the other
	run -0 timeout 60 sqlite-queue work -j 2 s.db -- sh -c \
		'read -r name
		if [ "$name" = a ]; then echo >b; read -r _ <a; else read -r _ <b; echo >a; fi'
	[ -z "$(sqlite-queue list s.db)" ]
	sqlite-queue add --max-attempts 1 s.db bad >/dev/null
	run -1 sqlite-queue work -j 3 s.db -- false
}

@test "work -j: a signal ends all workers" {
	sqlite-queue work -j 3 --wait inf s.db -- true &
	worker=$!
	local pid
	three_are_there() { [ "$(pgrep -P "$worker" | wc -l)" = 3 ]; }
	await three_are_there
	for pid in $(pgrep -P "$worker"); do await_watcher "$pid"; done
	kill -TERM "$worker"
	ends_with 143 "$worker"
	run -1 pgrep -P "$worker"
}

# killed N COMMAND...: at its N-th write or sync. Fails if there are fewer.
killed() {
	local n=$1 ended=0

	shift
	strace -qq -o trace -e trace=pwrite64,fsync,fdatasync,ftruncate \
		-e inject=pwrite64,fsync,fdatasync,ftruncate:signal=KILL:when="$n" "$@" \
		>said || ended=$?
	[ $ended = 137 ]
}

@test "killed at every write, leaves a job there, claimed or done, whole or not at all" {
	local n state
	for ((n = 1; n < 50; n++)); do
		sqlite-queue add --priority 1 s.db other >/dev/null
		killed $n sqlite-queue add s.db job || break
		state=$(sqlite3 s.db \
			'SELECT count(*), payload FROM holdfast_job WHERE priority = 0')
		[[ $state == '0|' || $state == '1|job' ]]
		sqlite3 s.db 'DELETE FROM holdfast_job'
	done
	((n > 2))
	for ((n = 1; n < 50; n++)); do
		sqlite3 s.db 'DELETE FROM holdfast_job'
		sqlite-queue add s.db job >/dev/null
		killed $n sqlite-queue claim s.db || break
		state=$(sqlite3 s.db 'SELECT state, attempts, token IS NULL FROM holdfast_job')
		[[ $state == '0|0|1' || $state == '1|1|0' ]]
	done
	((n > 2))
	for ((n = 1; n < 50; n++)); do
		sqlite3 s.db 'DELETE FROM holdfast_job'
		sqlite-queue add s.db job >/dev/null
		claim s.db
		killed $n sqlite-queue done --token "$token" s.db "$id" || break
		state=$(sqlite3 s.db 'SELECT state FROM holdfast_job')
		[[ $state == '' || $state == 1 ]]
		[ -z "$state" ] || sqlite-queue done --token "$token" s.db "$id"
	done
	((n > 2))
}

@test "reports every failed write or sync; after exit status 0 the job is there" {
	local n call ended count=1 there
	sqlite-queue add s.db first >/dev/null
	for call in pwrite64:error=ENOSPC pwrite64:error=EIO fdatasync:error=EIO; do
		for n in 1 2 3 4 5; do
			ended=0
			strace -qq -o trace -e trace="${call%%:*}" -e inject="$call:when=$n" \
				sqlite-queue add s.db job >/dev/null 2>said || ended=$?
			there=$(sqlite3 s.db 'SELECT count(*) FROM holdfast_job')
			if [ "$ended" = 0 ]; then
				((there == count + 1))
			else
				[[ $(head -n 1 said) == 'sqlite-queue: '*s.db* ]]
				((there == count || ended == 76))
			fi
			count=$there
		done
	done
}

@test "a wrong call creates no database" {
	run -64 sqlite-queue
	run -64 sqlite-queue put s.db
	run -64 sqlite-queue claim
	run -64 sqlite-queue claim s.db x
	run -64 sqlite-queue done --token 1 s.db
	run -64 sqlite-queue done --token 1 s.db x
	run -64 sqlite-queue work s.db
	run -64 sqlite-queue claim --ttl 0 s.db
	run -64 sqlite-queue add --queue '' s.db x
	run -64 sqlite-queue add --each-line s.db x
	run -64 sqlite-queue add -c true s.db x
	[ ! -e s.db ]
}

@test "a database that does not exist has no jobs, and only add creates it" {
	run -1 sqlite-queue claim none.db
	run -0 sqlite-queue list none.db
	[ "$(sqlite-queue purge none.db)" = 0 ]
	run -1 sqlite-queue done --token 1 none.db 1
	run -0 sqlite-queue work none.db -- true
	[ ! -e none.db ]
}

@test "refuses another program's database, and adds nothing on a full disk" {
	sqlite3 geo.db 'PRAGMA application_id = 1196444487; CREATE TABLE t(a)'
	run -65 sqlite-queue add geo.db job
	sqlite3 same.db 'CREATE TABLE holdfast_job(a)'
	run -65 sqlite-queue add same.db job
	run -65 sqlite-queue list same.db
	sqlite-queue add s.db job >/dev/null
	run -74 bash -c \
		'ulimit -f 200; trap "" XFSZ; head -c 1000000 /dev/zero | sqlite-queue add s.db'
	[ "$(sqlite-queue list s.db | wc -l)" = 1 ]
}

@test "keeps marks, leases, jobs and the user's own tables in one database" {
	sqlite3 s.db 'CREATE TABLE mine(a); INSERT INTO mine VALUES(1)'
	run -0 sqlite-once s.db key
	run -0 sqlite-lease acquire s.db name
	run -0 sqlite-queue add s.db job
	[ "$(sqlite3 s.db 'SELECT a FROM mine')" = 1 ]
	[ "$(sqlite3 s.db .dump | sqlite3 copy.db && sqlite-once --count copy.db)" = 1 ]
	run -0 sqlite-queue claim copy.db
}

@test "--each-line: exits with 76, not 75, when the database is busy after some jobs" {
	local adding id

	mkfifo jobs ids
	sqlite-queue add --each-line -w 0.3 q.db <jobs >ids 2>said 3>&- &
	adding=$!
	exec 7>jobs 8<ids
	echo one >&7
	read -r id <&8
	[ "$id" = 1 ]
	foreign_writer q.db
	echo two >&7
	exec 7>&-
	ends_with 76 "$adding"
	exec 8<&-
	foreign_writer_ends
	grep -q 'the first 1 jobs are added, and no others' said
	[ "$(sqlite-queue list q.db | grep -c waiting)" = 1 ]
	# the first of them was busy: nothing was done
	foreign_writer q.db
	run -75 bash -c 'echo one | sqlite-queue add --each-line -n q.db'
	foreign_writer_ends
}

@test "gives a claim back that it cannot print, and exits with 76 for an added job" {
	run -76 bash -c 'sqlite-queue add q.db one >/dev/full'
	[[ ${lines[1]} == *'the jobs are added; only their numbers are lost' ]]
	run -76 bash -c 'printf "two\n" | sqlite-queue add --each-line q.db >/dev/full'
	run -74 bash -c 'sqlite-queue claim q.db >/dev/full'
	[[ ${lines[1]} == *'job 1 waits again' ]]
	# a pipe without a reader
	run -74 python3 -c '
import os, subprocess, sys
r, w = os.pipe()
os.close(r)
sys.exit(subprocess.call(["sqlite-queue", "claim", "q.db"], stdout=w))'
	[[ $output == *'Broken pipe'*'job 1 waits again' ]]
	run -0 sqlite-queue claim q.db
	[[ ${lines[0]} == '1 '*' 1' && ${lines[1]} == one ]]
	[ "$(sqlite-queue list q.db | cut -f1,2,4)" = $'1\tclaimed\t1/5\n2\twaiting\t0/5' ]
	# where the database is busy then, no longer than -w says
	run -76 deaf q.db sqlite-queue claim -w 200ms q.db
	[[ $output == *'job 2 is claimed, with token '*', until its lease expires' ]]
}
