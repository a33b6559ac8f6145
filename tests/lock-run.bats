#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lock-run: one lock, one command. Sets, slots and inheritance are in lock-sets.bats, signals in
# lock-signals.bats.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkfifo go at
}

@test "runs the command, with its arguments, input, output and exit status" {
	run -0 lock-run l printf '<%s>' a 'b  c' '' -n
	[ "$output" = '<a><b  c><><-n>' ]
	run -7 lock-run l sh -c 'exit 7'
	[ "$(echo in | lock-run l cat)" = in ]
	run -0 lock-run l -- echo -- x
	[ "$output" = '-- x' ]
	[ -e l ] && [ ! -s l ]
}

@test "-c runs a string with the shell, before and after the lock" {
	export SHELL=/bin/sh
	run -5 lock-run l -c 'exit 5'
	run -5 lock-run l --command 'exit 5'
	run -5 lock-run -c 'exit 5' l
	run -5 lock-run --command='exit 5' l
	run -0 lock-run -c 'echo $0' 9
	[ "$output" = /bin/sh ] && [ -e 9 ]
	SHELL=$BASH run -0 lock-run l -c 'echo $BASH_VERSION'
	[ -n "$output" ]
	run -64 lock-run l -c
	one_line lock-run "$output"
	run -64 lock-run l -c a b
	one_line lock-run "$output"
	run -64 lock-run -c true l true
	one_line lock-run "$output"
}

@test "exits with 127 when the command is not found, with 126 when it cannot be run" {
	run -127 lock-run l nonesuch
	[ "${lines[0]}" = "lock-run: cannot run 'nonesuch': No such file or directory" ]
	run -127 lock-run l ./none/such
	run -126 lock-run l /
	one_line lock-run "$output"
	run -127 lock-run -F l nonesuch
	[ "${lines[0]}" = "lock-run: cannot run 'nonesuch': No such file or directory" ]
	run -126 lock-run -F l /
	echo 'exit 3' >script && chmod +x script
	run -3 lock-run l ./script
	flock -n l true
}

@test "excludes flock(1), and is excluded by it, in every mode" {
	hold lock-run l
	run -1 flock -n l true
	run -1 flock -sn l true
	run -75 lock-run -n l true
	run -75 lock-run -sn l true
	let_go
	flock -n l true
	hold flock l
	run -75 lock-run -n l true
	run -75 lock-run -sn l true
	let_go
	hold lock-run -s l
	flock -sn l true
	lock-run -sn l true
	run -1 flock -n l true
	run -75 lock-run -n l true
	run -75 lock-run -xn l true
	run -75 lock-run -en l true
	let_go
	hold flock -s l
	run -75 lock-run -n l true
	lock-run --shared -n l true
	let_go
}

@test "waits until the lock is free, and is woken at once" {
	hold flock l
	bg lock-run l touch done
	await waits $!
	[ ! -e done ]
	echo >go
	wait $!
	[ -e done ]
}

@test "limits the wait by --timeout, --nonblock and HOLDFAST_TIMEOUT, with the status of -E" {
	hold flock l
	run -75 lock-run -w 0.05 l true
	[[ ${lines[0]} == "lock-run: cannot lock 'l' within 50ms: held by PID "* ]]
	[[ ${lines[0]} == *'read x <go'* ]]
	one_line lock-run "$output"
	run -75 lock-run -n l true
	[[ ${lines[0]} == "lock-run: cannot lock 'l': held by PID "* ]]
	run -75 lock-run -w 0 l true
	run -75 lock-run --wait=20ms l true
	run -75 lock-run --nb l true
	run -75 lock-run --nonblocking l true
	run -9 lock-run -n -E 9 l true
	run -0 lock-run -n --conflict-exit-code 0 l false
	HOLDFAST_TIMEOUT=20ms run -75 lock-run l true
	HOLDFAST_TIMEOUT=1h run -75 lock-run -n l true
	run -75 lock-run -qn l true
	[ -z "$output" ]
	exec 9>l
	run -75 lock-run -n 9
	[[ ${lines[0]} == "lock-run: cannot lock 'descriptor 9, $PWD/l': held by "* ]]
	run -4 lock-run -w 20ms -E 4 9
	let_go
}

@test "limits the wait for the lock, not the command" {
	run -0 lock-run -w 10ms l sh -c 'sleep 0.1; echo whole'
	[ "$output" = whole ]
}

@test "refuses bad durations, sizes and numbers in one line with 64" {
	local value
	for value in -1 abc '' 1h30 5x 1e3 0x10 nan ' 1' '1 ' 9999999999999999999 300y; do
		run -64 lock-run -w "$value" l true
		one_line lock-run "$output"
		[ -z "$value" ] || HOLDFAST_TIMEOUT=$value run -64 lock-run l true
		one_line lock-run "$output"
	done
	for value in -1 256 abc '' 99999999999999999999; do
		run -64 lock-run -E "$value" l true
		one_line lock-run "$output"
	done
	for value in -1 abc '' 1X 8E 99999999999999999999; do
		run -64 lock-run --start "$value" l true
		one_line lock-run "$output"
		run -64 lock-run --length "$value" l true
		one_line lock-run "$output"
	done
	for value in 0 -1 abc '' 10001; do
		run -64 lock-run --slots "$value" l true
		one_line lock-run "$output"
	done
	[ ! -e l ]
}

@test "refuses options that exclude each other in one line with 64" {
	local words
	while read -ra words; do
		run -64 lock-run "${words[@]}"
		one_line lock-run "$output"
	done <<-EOF
		l
		--
		-x
		--file l
		--file l --
		-u l true
		-u --file l true
		-oF l true
		-F --remove l true
		--remove 9
		--remove . true
		--fd 9 --file l true
		--fd x true
		--slots 2 9
		--slots 2 --fcntl l true
		--slots 2 --file l --slots 2 --file m true
		--slots 2 . true
		--fcntl . true
		--nonesuch l true
		99999999999
		1x
	EOF
	run -64 lock-run
	one_line lock-run "$output"
	run -64 lock-run '' true
	one_line lock-run "$output"
	[ ! -e l ]
}

@test "takes a single number for a descriptor, and with a command for a file" {
	exec 9>l
	lock-run 9
	run -1 flock -n l true
	lock-run 9
	lock-run -u 9
	flock -n l true
	lock-run -s 9
	flock -sn l true
	run -1 flock -n l true
	lock-run --unlock --fd 9
	flock -n l true
	lock-run 4 true
	[ -f 4 ]
	run -65 lock-run 8
	[ "$output" = 'lock-run: cannot lock descriptor 8: it is not open' ]
	run -65 lock-run -u 8
	run -65 bash -c 'lock-run 0 <&-'
	run -65 bash -c 'lock-run 1 >&-'
}

@test "--fd runs a command under a descriptor's lock, which stays with the descriptor" {
	exec 9>l
	run -0 lock-run --fd 9 sh -c 'test -e /proc/self/fd/9; flock -n l true || echo locked'
	[ "$output" = locked ]
	run -1 flock -n l true
	run -5 lock-run --fd 9 -c 'exit 5'
	run -1 lock-run -o --fd 9 sh -c 'test -e /proc/self/fd/9'
	run -0 lock-run --fd 9 lock-run -n l echo inherited
	[ "$output" = inherited ]
}

@test "--fcntl, --start and --length lock fcntl ranges, which flock does not see" {
	hold lock-run --fcntl l
	run -75 lock-run --fcntl -n l true
	run -75 lock-run --fcntl -w 20ms l true
	[[ ${lines[0]} == "lock-run: cannot lock 'l': held by "* ]]
	run -75 lock-run --start 5 --length 1 -n l true
	flock -n l true
	run -1 python3 -c 'import fcntl; fcntl.lockf(open("l", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB)'
	bg lock-run --fcntl l touch done
	await waits -1
	[ ! -e done ]
	let_go
	wait $!
	[ -e done ]
	hold lock-run --start 1K --length 1KB l
	lock-run -n --start 0 --length 1024 l true
	lock-run -n --start 2024 l true
	run -75 lock-run -n --start 2023 l true
	let_go
	exec 9<l
	run -65 lock-run --fcntl 9
	one_line lock-run "$output"
	lock-run --fcntl -s 9
	run -75 lock-run --fcntl -n l true
	lock-run --fcntl -u 9
	lock-run --fcntl -n l true
	[ ! -s l ]
}

@test "the command inherits the lock at descriptor 64 or above, but not with -o" {
	run -0 lock-run l sh -c 'cd /proc/self/fd; for n in *; do readlink $n; done | grep "/l$"'
	run -0 lock-run l sh -c 'echo $HOLDFAST_LOCKS; readlink /proc/self/fd/$HOLDFAST_LOCKS'
	[ "${lines[0]}" -ge 64 ]
	[[ ${lines[1]} == */l ]]
	run -0 lock-run -o l sh -c 'echo $HOLDFAST_LOCKS; ls -l /proc/self/fd | grep -c "/l$"; true'
	[ "${lines[*]}" = 0 ]
	lock-run l sh -c 'sleep 60 3>&- & echo $! >pid'
	run -75 lock-run -n l true
	kill "$(cat pid)"
	lock-run l true
	lock-run -o l sh -c 'sleep 60 3>&- & echo $! >pid'
	lock-run -n l true
	kill "$(cat pid)"
}

@test "-F replaces itself by the command, which holds the lock" {
	lock-run -F l sh -c 'echo $$; exec sleep 60' >pid 3>&- &
	await test -s pid
	[ "$(cat pid)" = $! ]
	run -75 lock-run -n l true
	kill $!
	lock-run l true
}

@test "runs a script without #! with /bin/sh" {
	local how
	mkdir bin blocked
	echo 'echo "$0: $1, $2"' >bin/a-script
	cp bin/a-script blocked
	chmod +x bin/a-script
	for how in --verbose --no-fork; do
		run --separate-stderr lock-run $how l bin/a-script one 'two three'
		[ "$status" = 0 ]
		[ "$output" = 'bin/a-script: one, two three' ]
		PATH="$PWD/none:$PWD/blocked:$PWD/bin:$PATH" \
			run --separate-stderr lock-run $how l a-script one 'two three'
		[ "$status" = 0 ]
		[ "$output" = "$PWD/bin/a-script: one, two three" ]
		PATH="$PWD/blocked:$PATH" run --separate-stderr lock-run $how l a-script
		[ "$status" = 126 ]
		PATH="$PWD/none:$PATH" run --separate-stderr lock-run $how l a-script
		[ "$status" = 127 ]
		: >bin/empty
		chmod +x bin/empty
		run --separate-stderr lock-run $how l bin/empty
		[ "$status" = 0 ]
	done
}

@test "never changes the content of a lock file, even of a script that is its own lock" {
	cat >script <<-'EOF'
		#!/bin/sh
		[ "$LOCKED" ] || LOCKED=1 exec lock-run -n "$0" "$0" "$@"
		lock-run -n --slots 3 other true
		echo "$1"
	EOF
	chmod 755 script
	cp -p script other
	touch -d 2001-02-03 script other
	cp -p script before
	local state='%Y %Z %s %a' before
	before=$(stat -c "$state" script other)
	run -0 ./script said
	[ "$output" = said ]
	[ "$(stat -c "$state" script other)" = "$before" ]
	cmp script before
	cmp other before
}

@test "creates a lock file with mode 0666 & ~umask, and leaves an existing one as it is" {
	umask 027
	lock-run new true
	[ "$(stat -c %a new)" = 640 ]
	chmod 400 new
	lock-run new true
	[ "$(stat -c %a new)" = 400 ]
}

@test "locks a directory, a dangling link, a long name, and one with newlines" {
	mkdir dir
	hold lock-run dir
	run -1 flock -n dir true
	let_go
	ln -s target link
	lock-run link true
	[ -L link ] && [ -f target ]
	hold lock-run link
	run -75 lock-run -n target true
	let_go
	lock-run "$(printf %0255d 1)" true
	[ -e "$(printf %0255d 1)" ]
	lock-run $'a\nb' true
	[ -e $'a\nb' ]
	exec 9>$'a\nb'
	flock 9
	run -75 lock-run -n $'a\nb' true
	[[ ${lines[0]} == "lock-run: cannot lock 'a\\nb': held by "* ]]
	one_line lock-run "$output"
}

@test "locks a block device" {
	require_root
	mknod block b 7 99
	run lock-run -n block true
	[ "$status" = 0 ] || [[ $output == *"'block': No such device"* ]]
}

@test "refuses a LOCK that cannot be a lock file" {
	local lock
	mkfifo fifo
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
	for lock in fifo socket /dev/null /dev/tty; do
		run -65 timeout 10 lock-run "$lock" true
		one_line lock-run "$output"
	done
	run -73 lock-run none/l true
	[ "${lines[0]}" = "lock-run: cannot open lock file 'none/l': No such file or directory" ]
	one_line lock-run "$output"
	echo data >file
	run -73 lock-run file/l true
	one_line lock-run "$output"
	ln -s loop loop
	run -73 lock-run loop true
	one_line lock-run "$output"
	run -64 lock-run "$(printf %0256d 1)" true
	one_line lock-run "$output"
	run -64 lock-run '' true
	one_line lock-run "$output"
}

@test "reports missing permission, a read-only file system and a full one" {
	require_other_user
	require_mount
	chmod 755 . && install -d -o root -m 755 closed
	run -77 setpriv --reuid 65534 --clear-groups "$HF_BIN/lock-run" closed/l true
	one_line lock-run "$output"
	install -m 600 /dev/null secret
	run -77 setpriv --reuid 65534 --clear-groups "$HF_BIN/lock-run" secret true
	one_line lock-run "$output"
	mkdir mnt
	mount -t tmpfs -o nr_inodes=2 none mnt
	touch mnt/l
	run -74 lock-run mnt/m true
	one_line lock-run "$output"
	mount -o remount,ro mnt
	run -73 lock-run mnt/m true
	one_line lock-run "$output"
	lock-run mnt/l true
	umount mnt
}

@test "locks another user's lock file in a sticky directory" {
	require_root
	install -d -m 1777 sticky
	chmod 755 .
	install -o 65534 -m 666 /dev/null sticky/l
	lock-run -n sticky/l true
	[ ! -s sticky/l ]
}

@test "works with closed standard input, output and error" {
	run -0 bash -c 'lock-run l echo x <&-'
	[ "$output" = x ]
	run -0 bash -c 'lock-run l test ! -e /proc/self/fd/0 <&-'
	run -0 bash -c 'lock-run l test ! -e /proc/self/fd/1 >&-'
	run -0 bash -c 'lock-run l sh -c "echo x >out" <&- >&- 2>&-; cat out'
	[ "$output" = x ]
	run -64 bash -c 'lock-run l >&- 2>&-'
	[ ! -s l ]
}

@test "works as PID 1: exits with the command's status or signal, and reaps orphans" {
	require_pid_namespace
	run -3 unshare -pf --mount-proc lock-run l sh -c 'exit 3'
	run -143 unshare -pf --mount-proc lock-run l sh -c 'kill -TERM $$'
	# its parent ends, and then it does; without a wait(2) it would stay as a zombie
	run -0 timeout 20 unshare -pf --mount-proc lock-run l sh -c '
		(sh -c "echo \$\$ >orphan; read x <go" & exec true)
		echo >go
		while [ -e "/proc/$(cat orphan)" ]; do :; done'
}

@test "locks the new file when the lock file is replaced during the wait" {
	hold flock l
	bg lock-run l sh -c 'echo >at; read x <go'
	await waits $!
	mv -T l old && touch l
	echo >go
	hear
	run -1 flock -n l true
	flock -n old true
	echo >go
	wait
}

@test "names the holder after a second with -v, and by default only on a terminal" {
	hold flock l
	mkfifo said
	lock-run -v l true 2>said 3>&- &
	exec 8<said
	read -r line <&8
	[[ $line == "lock-run: waiting for 'l', held by PID "* ]]
	run -75 lock-run -w 1.1 l true
	[[ ${lines[0]} == *'cannot lock'* ]]
	let_go
	read -r line <&8
	[[ $line == 'lock-run: getting lock took '*' seconds' ]]
	read -r line <&8
	[ "$line" = 'lock-run: executing true' ]
}

@test "opens the file for writing when NFS refuses an exclusive lock on a read-only descriptor" {
	export HOLDFAST_FAULT_LOG=$PWD/log
	HOLDFAST_FAULT=flock#1:EIO run -0 "$HF_FAULT_BIN/lock-run" l echo ran
	[ "$output" = ran ]
	[ "$(grep -c flock log)" = 2 ]
	HOLDFAST_FAULT=flock#1+:EIO run -74 "$HF_FAULT_BIN/lock-run" l echo ran
	one_line lock-run "$output"
	HOLDFAST_FAULT=flock#1:EIO run -74 "$HF_FAULT_BIN/lock-run" -s l echo ran
	one_line lock-run "$output"
}

@test "after any failed system call, runs the command under the lock, or not at all" {
	local n fault calls
	HOLDFAST_FAULT_LOG=$PWD/log "$HF_FAULT_BIN/lock-run" l true
	calls=$(wc -l <log)
	[ "$calls" -ge 5 ]
	for ((n = 1; n <= calls; n++)); do
		for fault in EIO ENOMEM EINTR EACCES; do
			HOLDFAST_FAULT=$n:$fault run timeout 10 "$HF_FAULT_BIN/lock-run" l \
				sh -c 'unset HOLDFAST_FAULT; flock -n l true || echo ran'
			if [ "$status" = 0 ]; then
				[ "$output" = ran ]
			else
				one_line lock-run "$output"
			fi
		done
	done
}

@test "works with few descriptors" {
	run -0 bash -c 'ulimit -n 40; lock-run l sh -c "! flock -n l true && lock-run l echo inner"'
	[ "$output" = inner ]
	run -0 bash -c 'ulimit -n 8; lock-run l flock -n m echo ran'
	[ "$output" = ran ]
	run -0 bash -c 'ulimit -n 40; lock-run --dotlock l.dot echo ran'
	[ "$output" = ran ]
}

@test "--help prints every option, --version the version" {
	run -0 lock-run --help
	[[ $output == *--slots* && $output == *--remove* && $output == *--file* ]]
	run -0 lock-run --version
	[[ $output == 'lock-run from holdfast '* ]]
	run -74 bash -c 'lock-run --help >/dev/full'
}
