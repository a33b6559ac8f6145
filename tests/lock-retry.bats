#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lock-retry: a command again while it is busy, each time with its whole input.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	# busy N STATUS: exits with STATUS the first N times, then 0; its input goes to in.TRY
	cat >busy <<-'EOF'
		#!/bin/sh
		try=$(($(cat tries 2>/dev/null || echo 0) + 1))
		echo "$try" >tries
		cat >in.$try
		[ "$try" -gt "$1" ] || exit "${2:-75}"
	EOF
	chmod +x busy
}

teardown() {
	mountpoint -q full && umount full || true
}

# Print the status of "$@" as wait(2) returns it: negative for a signal.
ends_as() {
	python3 -c 'import subprocess, sys; print(subprocess.call(sys.argv[1:]))' "$@"
}

@test "runs a command that is not busy once, with its own arguments and exit status" {
	run -0 lock-retry printf '<%s>' a 'b  c' '' -n
	[ "$output" = '<a><b  c><><-n>' ]
	run -3 lock-retry sh -c 'echo once >>runs; exit 3'
	run -0 lock-retry -- sh -c 'echo once >>runs'
	[ "$(wc -l <runs)" = 2 ]
	run -0 lock-retry -c 'echo "$0"; echo two words'
	[[ $output == *'two words' ]]
}

@test "runs a busy command again until it is not busy" {
	run -0 lock-retry ./busy 5 </dev/null
	[ -z "$output" ]
	[ "$(cat tries)" = 6 ]
}

@test "takes only the statuses of --on for busy" {
	run -5 lock-retry ./busy 3 5 </dev/null
	[ "$(cat tries)" = 1 ]
	rm tries
	run -0 lock-retry --on 5,6 ./busy 3 6 </dev/null
	rm tries
	run -75 lock-retry --on 5,6 ./busy 3 </dev/null
	[ "$(cat tries)" = 1 ]
}

@test "--tries limits the number of tries, and the last status is returned" {
	run -75 lock-retry --tries 3 ./busy 5 </dev/null
	[ "$(cat tries)" = 3 ]
	one_line lock-retry "$output"
	local gave_up='lock-retry: gave up after 3 tries in '
	[[ ${lines[0]} =~ ^"$gave_up"[0-9.]+m?s": './busy' exits 75"$ ]]
	run -9 lock-retry --on 9 --tries 1 -c 'exit 9'
	[[ $output =~ ^"lock-retry: gave up after 1 try in "[0-9.]+[a-z]+": 'exit 9' exits 9"$ ]]
}

@test "-w limits the total time, and no try begins after it" {
	local start=${EPOCHREALTIME/./}
	run -75 lock-retry -w 1s sh -c 'echo >>runs; exit 75'
	(($(since "$start") >= 1000))
	(($(since "$start") < 8000))
	local gave_up="lock-retry: gave up after $(wc -l <runs) tries in "
	[[ $output =~ ^"$gave_up"[0-9.]+"s: 'sh' exits 75"$ ]]
	(($(wc -l <runs) > 3))

	start=${EPOCHREALTIME/./}
	HOLDFAST_TIMEOUT=100ms run -75 lock-retry sh -c 'exit 75'
	(($(since "$start") >= 100))
	(($(since "$start") < 8000))
}

@test "-w never ends the command" {
	run -0 lock-retry -w 50ms sh -c 'sleep 0.3; echo done'
	[ "$output" = 'done' ]
}

@test "--backoff and HOLDFAST_BACKOFF set the length of the sleeps" {
	run -75 lock-retry -w 1s --backoff 1h,1h -c 'echo >>runs; exit 75'
	# the only sleep is clipped to the limit
	[ "$(wc -l <runs)" = 2 ]
	HOLDFAST_BACKOFF=1h,1h run -75 lock-retry -w 1s -c 'echo >>runs; exit 75'
	[ "$(wc -l <runs)" = 4 ]
}

@test "gives every try a file from the same offset" {
	printf '123456789' >input
	{ head -c 3 >/dev/null; lock-retry ./busy 2; } <<<123456789
	local try
	for try in 1 2 3; do [ "$(cat in.$try)" = 456789 ]; done
	# in the end the file has the offset at which the last try left it
	[ "$({ lock-retry sh -c 'head -c 4 >/dev/null'; cat; } <input)" = 56789 ]
}

@test "gives every try all of a pipe, as much as the try reads" {
	seq 400000 >all
	seq 400000 | lock-retry ./busy 2
	local try
	for try in 1 2 3; do cmp all in.$try; done
	seq 400000 |
		lock-retry sh -c 'head -n 1; cat tries >/dev/null; rm tries; exit 75' >out || true
	rm -f tries
	cat >partly <<-'EOF'
		#!/bin/sh
		test -e once && exec cat
		touch once
		head -c 100000 >/dev/null
		exit 75
	EOF
	chmod +x partly
	seq 400000 | lock-retry ./partly | cmp - all
}

@test "passes a pipe on as data arrives, and does not wait for its end" {
	mkfifo in out
	lock-retry cat <in >out 3>&- &
	exec 8>in 9<out
	echo one >&8
	read -r -t 20 line <&9
	[ "$line" = one ]
	echo two >&8
	read -r -t 20 line <&9
	[ "$line" = two ]
	exec 8>&- 9<&-
	wait $!

	# no process ever closes this one
	exec 8<>in
	run -4 timeout 20 lock-retry sh -c 'exit 4' <in
	run -0 timeout 20 lock-retry sh -c 'read -r x; test "$x" = a' \
		< <(echo a; exec cat <in 8>&- 3>&-)
	exec 8>&-
}

@test "passes a slow writer's last data to the second try" {
	mkfifo gate
	{
		echo first
		read -r _ <gate
		echo second
	} | lock-retry sh -c '
		test -e once && exec cat
		read -r x; touch once; echo >gate; exit 75' >out
	[ "$(cat out)" = $'first\nsecond' ]
}

@test "gives the whole input to the current try when it can no longer be kept" {
	require_mount
	seq 400000 >all
	mkdir full
	mount -t tmpfs -o size=64k none full
	TMPDIR=full run -75 lock-retry ./busy 2 < <(cat all)
	cmp all in.1
	[ ! -e in.2 ]
	[[ ${lines[0]} == 'lock-retry: standard input cannot be kept for another try' ]]
	[[ ${lines[1]} == "lock-retry: gave up after 1 try in "*": './busy' exits 75" ]]
	umount full
}

@test "leaves nothing in TMPDIR" {
	mkdir tmp
	seq 100000 | TMPDIR=tmp lock-retry ./busy 1
	[ -z "$(ls -A tmp)" ]
	rm tries
	[ "$(TMPDIR=/no/such/directory lock-retry ./busy 1 < <(echo text); cat in.2)" = text ]
}

@test "passes a terminal, /dev/null and a closed input to the command itself" {
	run -0 script -qec 'lock-retry test -t 0' /dev/null
	run -0 lock-retry sh -c 'test /dev/stdin -ef /dev/null' </dev/null
	run -0 sh -c "exec lock-retry sh -c '! test -e /proc/self/fd/0' <&-"
	run -0 sh -c "exec lock-retry sh -c '! test -e /proc/self/fd/1' >&-"
}

@test "does not retry a command that cannot be run" {
	run -127 lock-retry --on 127 ./absent
	[ "$output" = "lock-retry: cannot run './absent': No such file or directory" ]
	: >plain
	run -126 lock-retry --on 126 ./plain
	[ "$output" = "lock-retry: cannot run './plain': Permission denied" ]
}

@test "ends when a signal kills the command, and dies of the same signal" {
	[ "$(ends_as lock-retry --on 137,9 sh -c 'echo >>runs; kill -KILL $$')" = -9 ]
	[ "$(wc -l <runs)" = 1 ]
}

@test "passes a signal to the command once; between tries the signal ends lock-retry" {
	mkfifo at go
	exec 8<>go
	lock-retry bash -c \
		'trap "echo t >>signals" TERM; echo >at; until read -r; do :; done; exit 6' \
		<go 3>&- &
	local pid=$!
	timeout 20 sh -c 'read -r x <at'
	kill -TERM $pid
	await test -s signals
	echo >&8
	wait $pid && false || [ $? = 6 ]
	[ "$(wc -l <signals)" = 1 ]

	# a command that exits as busy after the signal is not retried
	lock-retry bash -c 'trap "exit 75" TERM; echo >>once; echo >at; until read -r; do :; done' \
		<go 3>&- &
	pid=$!
	timeout 20 sh -c 'read -r x <at'
	kill -TERM $pid
	wait $pid && false || [ $? = 143 ]
	[ "$(wc -l <once)" = 1 ]

	lock-retry --backoff 1h,1h -w inf -c 'echo >>runs; exit 75' 3>&- &
	pid=$!
	await test -s runs
	kill -TERM $pid
	wait $pid && false || [ $? = 143 ]
}

@test "many concurrent runs share a lock that only its existence marks" {
	local i
	echo 0 >count
	for i in $(seq 12); do
		(
			lock-retry -q --on 1 -w 60 -c 'mkdir lock 2>/dev/null' || exit
			echo $(($(cat count) + 1)) >count
			rmdir lock
		) 3>&- &
	done
	wait
	[ "$(cat count)" = 12 ]
}

@test "reports wrong calls in one line" {
	local words
	while read -r words; do
		run -64 eval "lock-retry $words"
		one_line lock-retry "$output"
	done <<-'EOF'

		--
		-w 5
		-w soon true
		-w -1 true
		-w 99999999999h true
		--tries 0 true
		--tries x true
		--on '' true
		--on 256 true
		--on 1,,2 true
		--on -1 true
		--backoff 1s true
		--backoff 2s,1s true
		--no-such-option true
		-c true true
	EOF
	HOLDFAST_BACKOFF=x run -64 lock-retry true
	one_line lock-retry "$output"
	HOLDFAST_TIMEOUT=x run -64 lock-retry true
	one_line lock-retry "$output"
}

@test "-v prints each retry, -q only errors" {
	run -0 lock-retry -v ./busy 1 </dev/null
	[ "$output" = "lock-retry: './busy' exits 75: trying again" ]
	run -75 lock-retry -q --tries 1 -c 'exit 75'
	[[ $output == 'lock-retry: gave up after 1 try '* ]]
}
