#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lock-run --dotlock: beside lockfile(1) and dotlockfile(1), and leftovers of dead processes.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# The record of a holder that was killed, in file $1.
leave_dead() {
	lock-run --dotlock "$1" sh -c 'kill -9 $PPID; exec true' || :
	await_unlocked "$1"
	[ -e "$1" ]
}

# Wait until no process has file $1 locked.
await_unlocked() { flock -w 20 "$1" true; }

# change FILE KEY VALUE: in a record.
change() { sed -i "s/^$2 .*/$2 $3/" "$1"; }

@test "holds the dotlock while the command runs, and removes it afterwards" {
	run lock-run --dotlock x sh -c 'head -n 1 x; echo $PPID'
	[ "$status" = 0 ]
	[ "${lines[0]}" = "${lines[1]}" ]
	[ ! -e x ]
	no_litter
}

@test "exits with the command's status, and reports a lost dotlock" {
	run -7 lock-run --dotlock x sh -c 'exit 7'
	[ ! -e x ]
	run --separate-stderr -0 lock-run --dotlock x rm x
	[[ $stderr == "lock-run: dotlock 'x' was lost"* ]]
}

@test "a nested lock-run goes on under the same dotlock" {
	run -0 lock-run --dotlock x lock-run -n --dotlock ./x echo inner
	[ "$output" = inner ]
	run -75 lock-run -o --dotlock x lock-run -n --dotlock x true
}

@test "refuses wrong calls with 64" {
	run -64 lock-run -F --dotlock x true
	run -64 lock-run -s --dotlock x true
	run -64 lock-run --remove --dotlock x true
	run -64 lock-run --slots 2 --dotlock x true
	run -64 lock-run --dotlock x
	[ ! -e x ]
}

@test "refuses a path that is not a dotlock, and leaves it" {
	ln -s nowhere link
	mkfifo fifo
	mkdir dir
	run -65 lock-run --dotlock link true
	[[ ${lines[0]} == *'symbolic link'* ]]
	[ ! -e nowhere ]
	run -65 lock-run --dotlock fifo true
	run -65 lock-run --dotlock dir true
	run -73 lock-run --dotlock no/such true
	run -65 lock-run --dotlock /dev/null true
}

@test "excludes procmail's lockfile, and is excluded by it" {
	lockfile x
	run -75 lock-run -w 0.05 --dotlock x true
	rm -f x
	run -0 lock-run --dotlock x sh -c 'lockfile -0 -r0 x 2>/dev/null; echo $?'
	[ "$output" = 73 ]
	lockfile x
	mkfifo said
	exec 9<>said
	lock-run -v --dotlock x echo taken >out 2>&9 &
	local line
	read -r line <&9 # a second into the wait, it says so
	rm -f x
	wait $!
	[ "$(cat out)" = taken ]
}

@test "excludes dotlockfile, and is excluded by it" {
	dotlockfile -p -l x
	run -75 lock-run -w 0.05 --dotlock x true
	[[ $output == *'lives'* ]]
	dotlockfile -u x
	run -0 lock-run --dotlock x sh -c 'dotlockfile -r 0 -p -l x; echo $?
		dotlockfile -r 0 -l x; echo $?'
	[ "$output" = $'4\n4' ]
	[ ! -e x ]
}

@test "takes over in 20 ms from a dead PID, a reused PID and an earlier boot" {
	require_first_pid_namespace
	stale_dead() { leave_dead "$1"; }
	stale_plain() { dead_pid >"$1"; }
	stale_used() { leave_dead "$1"; sed -i "1s/.*/$$/" "$1"; change "$1" start 1; }
	stale_boot() {
		leave_dead "$1"
		sed -i "1s/.*/$$/" "$1"
		change "$1" boot 00000000-0000-4000-8000-000000000000
	}
	taken_over() {
		stale_$kind x
		ms=$(urgently; took lock-run -w 10 --dotlock x true)
		[ ! -e x ]
	}
	local kind
	for kind in dead plain used boot; do
		quick 21 taken_over
		echo "$kind: $ms ms"
	done
	no_litter
}

@test "never takes over a PID of another namespace or host" {
	leave_dead x
	cp x record
	change x pidns 1
	run -75 lock-run -w 0.1 --dotlock x true
	local pid
	pid=$(head -n 1 record)
	[[ ${lines[0]} == *"another PID namespace: PID $pid of host '$(hostname)' "* ]]
	cp record x
	change x boot 00000000-0000-4000-8000-000000000000
	change x host $'els\e[31mewhere'
	run -75 lock-run -w 0.1 --dotlock x true
	[[ ${lines[0]} == *": PID $pid of host 'els"*"where' may still live: it is not this host" ]]
	[[ $output != *$'\e'* ]]
	[ -e x ]
}

@test "respects a holder in a PID namespace, which in turn takes over from its own dead processes" {
	require_pid_namespace
	mkfifo up down
	unshare -p -f --mount-proc lock-run --dotlock x sh -c 'echo >up; read x <down' &
	local outer=$!
	read -r _ <up
	run -75 lock-run -w 0.1 --dotlock x true
	echo >down
	wait $outer
	# from inside the one outside is not to be seen, and is named as its record does
	lock-run --dotlock z sh -c 'unshare -p -f --mount-proc env -u HOLDFAST_LOCKS \
		lock-run -n --dotlock z true || :' >said 2>&1
	[[ $(<said) =~ "you may not see, by its record PID "[0-9]+" of host '$(hostname)'" ]]
	unshare -p -f --mount-proc lock-run --dotlock x sh -c 'kill -9 $PPID' || :
	unshare -p -f --mount-proc sh -c 'lock-run --dotlock y sh -c "kill -9 \$PPID"
		flock y true; lock-run -w 20 --dotlock y echo over' >out 2>/dev/null
	[ "$(cat out)" = over ]
}

@test "takes over when the same PID is reused in the namespace, as the start time differs" {
	require_pid_namespace
	cat >again <<-'END'
		echo 99 >/proc/sys/kernel/ns_last_pid
		lock-run --dotlock x sh -c 'kill -9 $PPID; exec true'
		flock x true
		pid=$(head -n 1 x)
		sleep 0.05 # start times are counted in hundredths
		while :; do
			echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
			sleep 100 &
			[ $! = "$pid" ] && break
			kill $!
		done
		[ -d "/proc/$pid" ] && lock-run -n --dotlock x echo over
	END
	run unshare -p -f --mount-proc timeout 20 sh again
	[[ $output == *over ]]
}

@test "does not move a dotlock that was recreated after it was judged (lock/D4)" {
	require_first_pid_namespace
	dead_pid >x
	made_anew_at linkat#1 x lock-run -n --dotlock x true
	[ "$status" = 75 ]
	[ "$(cat x)" = $$ ]
}

@test "leaves a dotlock that is recreated during a takeover to its new holder (lock/D4)" {
	local faults inode

	mkfifo go at
	# exchanged, and exchanged back; moved aside where nothing can be exchanged, and put back
	for faults in renameat2#1:stop renameat2#1:EINVAL,renameat2#2:stop; do
		dead_pid >x
		stop_at "$faults" lock-run -n --dotlock x touch ran
		rm x
		hold lock-run --dotlock x
		inode=$(stat -c %i x)
		go_on
		[ "$status" = 75 ]
		[ ! -e ran ]
		[ "$(stat -c %i x)" = "$inode" ]
		run -75 lock-run -n --dotlock x true
		let_go
		[ ! -e x ]
		no_litter
	done
}

@test "leaves a dotlock that is created while another one is put back to its creator (lock/D4)" {
	local inode

	dead_pid >x
	stop_at renameat2#1:stop,renameat2#2:stop lock-run -n --dotlock x true
	rm x
	echo $$ >x
	kill -CONT "$tool"
	# exchanged with a file that is not the stale one, and about to be exchanged back
	await sh -c '[ "$(head -n 1 x)" != '$$' ]'
	await is_stopped "$tool"
	rm x
	lockfile x
	inode=$(stat -c %i x)
	go_on
	[ "$status" = 75 ]
	[ "$(stat -c %i x)" = "$inode" ]
	rm -f x
	no_litter
}

@test "waiters back off while another process's takeover is stopped, and take over later" {
	require_first_pid_namespace
	local tool

	dead_pid >x
	HOLDFAST_FAULT=renameat2#1:stop "$HF_FAULT_BIN/lock-run" --dotlock x true >>log 2>&1 3>&- &
	tool=$!
	await is_stopped "$tool"
	# a process that locks nothing, and dies
	rm x
	dead_pid >x
	run -75 strace -f -o calls -e trace=linkat lock-run -w 1 --dotlock x true
	[[ $output == *"cannot lock 'x' within 1s: it is being taken over by PID $tool "*stopped* ]]
	grep -q linkat calls
	(($(grep -c linkat calls) < 200))
	kill -CONT "$tool"
	wait "$tool"
	[ ! -e x ]
	no_litter
}

@test "reports at once a stale dotlock that cannot be moved because it is mounted" {
	require_first_pid_namespace
	require_mount
	dead_pid >x
	run -73 unshare -m sh -c 'mount --bind x x && exec timeout 5 lock-run --dotlock x true'
	[[ $output == *"cannot take over the stale dotlock 'x'"*busy* ]]
	no_litter
}

@test "holds a killed wrapper's lock until its command ends" {
	mkfifo up down
	lock-run --dotlock x sh -c 'kill -9 $PPID; echo >up; read x <down' &
	read -r _ <up
	run -75 lock-run -w 0.1 --dotlock x true
	[ -e x ]
	lock-run -w 20 --dotlock x echo over >out &
	local waiter=$!
	echo >down
	wait $waiter
	[ "$(cat out)" = over ]
	[ ! -e x ]
}

@test "takes a lock file without valid content as held" {
	local text
	for text in '' 0 -1 1 2147483648 99999999999999999999 '12 34' '12x' $'7\n8' $'\x01\xff'; do
		printf '%s\n' "$text" >x
		run -75 lock-run -n --dotlock x true
		[[ ${lines[0]} == "lock-run: cannot lock 'x': it is "* ]]
		[ "${#lines[@]}" = 2 ]
		[ -e x ]
	done
	head -c 300000 /dev/zero | tr '\0' 1 >x
	run -75 lock-run -n --dotlock x true
	leave_dead y
	head -c 60 y >x
	run -75 lock-run -n --dotlock x true
	change y start 99999999999
	sed -i "1s/.*/$$/" y
	run -75 lock-run -n --dotlock y true
	[[ $output == *lives* ]]
}

@test "waits for another user's dotlock, and exits with 77 if it may not take it over" {
	require_first_pid_namespace
	require_other_user
	chmod 755 . ..
	mkdir -m 1777 sticky
	dead_pid >sticky/x
	local nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
	run -77 $nobody "$HF_BIN/lock-run" -n --dotlock sticky/x true
	[[ $output == *'user 0'* ]]
	[ -e sticky/x ]
	chmod 600 sticky/x
	run -75 $nobody "$HF_BIN/lock-run" -n --dotlock sticky/x true
	[[ $output == *'may not be read'* ]]
	mkdir -m 755 closed
	run -77 $nobody "$HF_BIN/lock-run" -n --dotlock closed/x true
	[[ $output == *'make its directory writable'* ]]
	cd sticky
	no_litter
}

# With the timer that touches a dotlock every two minutes set to ten milliseconds.
soon() {
	local zero=0000000000000000 ms=8096980000000000

	strace -f -qq -o /dev/null -e trace=timerfd_settime \
		-e inject=timerfd_settime:poke_enter=@arg3="$zero$ms$zero$ms" "$@"
}

@test "touches a dotlock while its command runs, and while a keeper holds it (lock/D5)" {
	cat >until_touched <<-'END'
		touch -d '-10 min' x
		until [ "$(($(date +%s) - $(stat -c %Y x)))" -lt 60 ]; do :; done
	END
	soon timeout 20 lock-run --dotlock x sh until_touched
	mkfifo go at
	bg soon timeout 20 bash -c 'h=$(lock-acquire --owner $$ --dotlock x) && echo >at &&
		sh until_touched && echo touched && lock-release "$h"'
	hear
	wait
	[ "$(tail -n 1 log)" = touched ]
}

@test "hidepid: takes a hidden process for alive" {
	require_other_user
	require_mount
	echo $$ >x
	chmod 777 .
	chmod 755 ..
	run -75 unshare -m sh -c 'mount -t proc -o hidepid=2 proc /proc &&
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"' sh \
		"$HF_BIN/lock-run" -n --dotlock x true
	[[ $output == *'may not be inspected'* ]]
}

@test "without /proc judges only by evidence of the kernel" {
	require_mount
	leave_dead x
	run -75 unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' sh \
		"$HF_BIN/lock-run" -n --dotlock x true
	[[ ${lines[0]} == *"PID $(head -n 1 x) of host '$(hostname)' "*'boot is not known'* ]]
}

@test "takes a dotlock and a file lock in one set" {
	run -0 lock-run --dotlock x --file y --dotlock z sh -c 'ls; flock -n y true || echo held'
	[ "$output" = $'x\ny\nz\nheld' ]
	[ "$(ls)" = y ]
	# it does not hold the file lock while it waits for an external dotlock
	mkfifo said
	exec 9<>said
	lockfile z
	lock-run -v --file y --dotlock z true 2>&9 &
	local line
	read -r line <&9
	[[ $line == *"waiting for 'z'"* ]]
	flock -w 20 y true
	rm -f z
	wait $!
}

@test "8 x 50 contenders hold the lock one at a time" {
	echo 0 >n
	for _ in 1 2 3 4 5 6 7 8; do
		(for _ in $(seq 50); do
			lock-run --dotlock x sh -c 'read n <n; echo $((n + 1)) >n'
		done) &
	done
	wait
	[ "$(cat n)" = 400 ]
	[ ! -e x ]
	no_litter
}

# Until N processes wait for the lock of some file.
await_waiting() {
	local inodes=$2

	[ "$(grep -c -E -- "-> FLOCK .*:($inodes) " /proc/locks)" -ge "$1" ]
}

# The inodes of the dotlock and of its queue, as an expression.
inodes() { stat -c %i "$1" ".holdfast.$1.queue" 2>/dev/null | paste -sd '|'; }

@test "a background process of the command does not delay waiters" {
	mkfifo go at
	hold lock-run --dotlock x sh -c 'sleep 60 & echo $! >sleeper; exec "$@"' sh
	bg lock-run -w 20 --dotlock x sh -c 'echo had >at'
	await await_waiting 1 "$(inodes x)"
	echo >go
	hear
	kill "$(cat sleeper)"
	wait
}

@test "reports and leaves a file that blocks a takeover, and uses another name" {
	require_first_pid_namespace
	ln -s nowhere .holdfast.D.dot
	dead_pid >D
	run -0 lock-run -n --dotlock D test -e D
	[[ $output == *"ignoring '.holdfast.D.dot' beside 'D', "*': it is not a regular file' ]]
	[ -L .holdfast.D.dot ]
	[ ! -e D ]
	rm .holdfast.D.dot
	no_litter
}

@test "serves waiters in the order of their arrival, whichever process held the lock before" {
	mkfifo go at
	hold lock-run --dotlock x
	for i in 1 2 3; do
		bg lock-run --dotlock x sh -c "echo $i >>order"
		await await_waiting "$i" "$(inodes x)"
	done
	# a waiter does not count as the holder of a lock of another kind
	[ "$(lock-status --json x | jq -r .kind)" = dotlock ]
	bg lock-run --dotlock x sh -c 'echo 4 >>order; echo >at; read x <go; echo 5 >>order'
	await await_waiting 4 "$(inodes x)"
	echo >go
	hear
	# these find another file than the first ones did
	[ -e .holdfast.x.queue ]
	for i in 6 7; do
		bg lock-run --dotlock x sh -c "echo $i >>order"
		await await_waiting "$((i - 5))" "$(inodes x)"
	done
	echo >go
	wait
	[ "$(paste -sd '' order)" = 1234567 ]
	[ ! -e x ]
	no_litter
}

@test "a waiter does not make a dead process's dotlock count as held" {
	require_first_pid_namespace
	dead_pid >x
	mkfifo go at
	python3 -c 'import fcntl, struct
file = open("x")
# as lock-run marks it: F_OFD_SETLK, F_RDLCK, on the last byte but one
fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 2 ** 63 - 2, 1, 0))
open("at", "w").write("up\n"); open("go").read()' 3>&- &
	hear
	[ "$(lock-status --json x | jq -r .kind)" != ofd ]
	run -0 lock-run -n --dotlock x true
	echo >go
	wait
}

@test "the next waiter removes a queue whose waiters were all killed" {
	mkfifo go at
	hold lock-run --dotlock x
	bg lock-run --dotlock x sh -c 'echo >at; read x <go'
	await await_waiting 1 "$(inodes x)"
	bg lock-run --dotlock x true
	local last=$!
	await await_waiting 2 "$(inodes x)"
	echo >go
	hear
	[ -e .holdfast.x.queue ]
	kill -9 "$last"
	# its mark goes with it, and not before
	wait "$last" || [ $? = 137 ]
	echo >go
	wait
	no_litter
	# a leftover name, and no process that uses it
	: >.holdfast.x.queue
	lock-run --dotlock x true
	no_litter
}
