#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# Deadlocks through keepers (lock-acquire): each script waits for a lock of another one's keeper.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkfifo at
	count=0
}

# A script that runs $1, is heard of, waits until all have come so far, runs $2, and leaves its
# status in a file of its own.
member() {
	count=$((count + 1))
	mkfifo go$count
	cat >m$count <<-END
		#!/bin/bash
		$1 || exit 99
		echo >at
		read x <go$count
		$2
		echo \$? >ended$count
	END
	chmod +x m$count
	bg ./m$count
	hear
}

# Let them deadlock. The statuses, sorted, are in $statuses, the seconds in $took.
meet() {
	local i start=$SECONDS

	for ((i = 1; i <= count; i++)); do echo >go$i; done
	wait
	took=$((SECONDS - start))
	statuses=$(cat ended* | sort -n | tr '\n' ' ')
}

# One timed out early, with a message that names a keeper and its owner; the others went on.
one_gave_up() {
	[ "$statuses" = "$(printf '0 %.0s' $(seq $((count - 1))))75 " ]
	((took < 8))
	[ "$(grep -c 'deadlock: ' log)" = 1 ]
	grep -q 'deadlock: it is held by PID .*(lock-acquire, for PID .*), a keeper' log
	grep -q 'held by .*, the keeper of .*, this command.s own ancestor$' log
	one_line "${1:-lock-run}" "$(grep -A 2 'deadlock' log)"
}

keep() { echo "h=\$(lock-acquire --owner \$\$ $*)"; }

@test "ends a deadlock of two scripts whose keepers hold what the other waits for" {
	member "$(keep EA)" 'lock-run -w 30 EB true'
	member "$(keep EB)" 'lock-run -w 30 EA true'
	meet
	one_gave_up
}

@test "the youngest of three in a cycle is the victim" {
	member "$(keep EA)" 'lock-run -w 30 EB true'
	member "$(keep EB)" 'lock-run -w 30 EC true'
	member "$(keep EC)" 'lock-run -w 30 EA true'
	meet
	one_gave_up
}

@test "ends a deadlock between a keeper and an ordinary lock-run" {
	member "$(keep EA)" 'lock-run -w 30 EB true'
	member true 'lock-run EB sh -c "echo >at; read x <go; lock-run -w 30 EA true"'
	mkfifo go
	echo >go2
	hear
	echo >go
	echo >go1
	wait
	[ "$(cat ended1 ended2 | sort -n | tr '\n' ' ')" = '0 75 ' ]
	[ "$(grep -c 'deadlock: ' log)" = 1 ]
	grep -q 'keeper' log
}

@test "ends a deadlock in which lock-acquire waits while its script's keeper holds a lock" {
	member "$(keep EA)" 'h2=$(lock-acquire --owner $$ -w 30 EB)'
	member "$(keep EB)" 'h2=$(lock-acquire --owner $$ -w 30 EA)'
	meet
	one_gave_up lock-acquire
}

@test "ends a deadlock over dotlocks that keepers hold" {
	member "$(keep --dotlock DA)" 'lock-run -w 30 --dotlock DB true'
	member "$(keep --dotlock DB)" 'lock-run -w 30 --dotlock DA true'
	meet
	one_gave_up
	[ ! -e DA ] && [ ! -e DB ]
}

@test "ends a deadlock of an owner further up and a waiter further down" {
	member 'h=$(sh -c "lock-acquire --owner $$ EA")' \
		'bash -c "bash -c \"lock-run -w 30 EB true; exit \\\$?\"; exit \$?"'
	member "$(keep EB)" 'lock-run -w 30 EA true'
	meet
	one_gave_up
}

@test "ends a deadlock when the owner becomes the waiting command" {
	member "$(keep EA)" 'exec lock-run -w 30 EB sh -c "echo 0 >ended1"'
	member "$(keep EB)" 'lock-run -w 30 EA true'
	echo >go1
	echo >go2
	# the first, as an older process, goes on
	wait
	[ "$(cat ended1 ended2)" = $'0\n75' ]
	[ "$(grep -c 'deadlock: ' log)" = 1 ]
	grep -q 'a keeper, whose owner waits for' log
}

@test "a process outside of a cycle goes on waiting, however many locks keepers hold" {
	member "$(keep EA)" 'lock-run -w 30 EB true'
	member "$(keep EB)" 'lock-run -w 2 EC true'
	mkfifo go
	bg lock-run EC sh -c 'echo >at; read x <go'
	hear
	echo >go1
	echo >go2
	await test -e ended2
	[ "$(cat ended2)" = 75 ]
	await test -e ended1
	[ "$(cat ended1)" = 0 ]
	echo >go
	wait
	! grep -q 'deadlock' log
}
