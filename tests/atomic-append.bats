#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# atomic-append: whole records, all of them, once.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	mountpoint -q full && umount full || true
}

# Until $1 processes wait for the lock of file $2 in the kernel.
await_waiters() {
	local inode end=$((SECONDS + 20))
	inode=$(stat -c %i "$2")
	until [ "$(grep -c -e "-> FLOCK .*:$inode " /proc/locks)" -ge "$1" ]; do
		((SECONDS < end)) || return 1
	done
}

# Until file $1 holds the records of $2 owners: the spool counts them in its size.
await_spool() {
	local end=$((SECONDS + 20))
	until [ "$(grep -ac "$2" ".holdfast.$1.spool" 2>/dev/null)" -ge 1 ]; do
		((SECONDS < end)) || return 1
	done
}

@test "appends a record from standard input, from -t, and from lines" {
	printf 'a\0b' | atomic-append f
	[ "$(od -An -c f | tr -s ' ')" = ' a \0 b' ]
	atomic-append -t 'two words' f
	printf 'x\ny' | atomic-append --each-line f
	[ "$(tail -c +4 f)" = $'two words\nx\ny' ]
	no_litter
}

@test "keeps the inode with --in-place, and replaces it otherwise" {
	echo old >f
	local before
	before=$(stat -c %i f)
	atomic-append --in-place -t new f
	[ "$(stat -c %i f)" = "$before" ]
	[ "$(cat f)" = $'old\nnew' ]
	atomic-append -t newer f
	[ "$(stat -c %i f)" != "$before" ]
	[ "$(cat f)" = $'old\nnew\nnewer' ]
	no_litter
}

@test "appends 20 records of each of 20 writers, and a reader never sees a part of one" {
	local mode i
	for mode in '' --in-place; do
		rm -f f
		: >f
		if [ -z "$mode" ]; then
			python3 - f >torn 2>&1 <<'PY' &
import os, sys
end = b"-end\n"
while not os.path.exists("stop"):
    data = open(sys.argv[1], "rb").read()
    if data and not data.endswith(end):
        print("torn:", data[-80:])
        break
PY
			reader=$!
		fi
		for i in {1..20}; do
			(for j in {1..20}; do
				# shellcheck disable=SC2086
				atomic-append $mode -t "$i.$j-$(printf '%0100d' 0)-end" f || exit
			done) &
			pids[i]=$!
		done
		for i in {1..20}; do wait "${pids[i]}"; done
		if [ -z "$mode" ]; then
			touch stop
			wait "$reader"
			[ ! -s torn ]
		fi
		[ "$(wc -l <f)" = 400 ]
		[ "$(grep -c -- '-end$' f)" = 400 ]
		[ "$(cut -d- -f1 f | sort -u | wc -l)" = 400 ]
		no_litter
	done
}

@test "creates an absent file once, with 20 appenders at a time" {
	local i
	for i in {1..20}; do
		atomic-append -t "$i" f &
		pids[i]=$!
	done
	for i in {1..20}; do wait "${pids[i]}"; done
	[ "$(sort -n f | tr '\n' ' ')" = "$(seq -s ' ' 20) " ]
	no_litter
}

@test "appends the records of all waiters together, in the order of their arrival" {
	echo old >f
	mkfifo go at
	hold flock f
	for i in 1 2 3 4 5; do
		atomic-append -t "record $i" f &
		pids[i]=$!
		await_waiters "$i" f
		await_spool f "record $i"
	done
	let_go
	for i in 1 2 3 4 5; do wait "${pids[i]}"; done
	[ "$(cat f)" = $'old\nrecord 1\nrecord 2\nrecord 3\nrecord 4\nrecord 5' ]
	no_litter
}

@test "withdraws the record when the wait times out" {
	echo old >f
	mkfifo go at
	hold flock f
	run --separate-stderr atomic-append -w 0.2 -t late f
	[ "$status" = 75 ]
	[[ $stderr == "atomic-append: cannot lock 'f' within 200ms: held by PID "*flock* ]]
	run atomic-append -n -t never f
	[ "$status" = 75 ]
	let_go
	atomic-append -t next f
	[ "$(cat f)" = $'old\nnext' ]
	no_litter
}

@test "leaves the whole record out when the waiter is killed" {
	echo old >f
	mkfifo go at
	hold flock f
	atomic-append -t victim f &
	victim=$!
	await_spool f victim
	atomic-append -t survivor f &
	survivor=$!
	await_spool f survivor
	kill -KILL "$victim"
	wait "$victim" || true
	echo >go
	wait "$holder" "$survivor"
	[ "$(cat f)" = $'old\nsurvivor' ]
	no_litter
}

@test "hands a large record over through a file" {
	echo old >f
	head -c 3000000 /dev/urandom >big
	for mode in '' --in-place; do
		cp f before
		# shellcheck disable=SC2086
		atomic-append $mode f <big
		cmp f <(cat before big)
	done
	no_litter
}

@test "loses nothing when atomic-write and atomic-append change the same file" {
	atomic-write f <<<"begin"
	for i in {1..20}; do
		atomic-append -t "a$i" f &
		atomic-update f sh -c "cat; echo u$i" &
	done
	wait
	[ "$(wc -l <f)" = 41 ]
	[ "$(sort -u f | wc -l)" = 41 ]
}

# Until process $1 is stopped.
await_stop() {
	local end=$((SECONDS + 20))
	until grep -q '^State:.T' "/proc/$1/status"; do
		((SECONDS < end)) || return 1
	done
}

# Append $2 in the background, stopped at call $1; the rest are options. Sets stopped.
append_stopped() {
	HOLDFAST_FAULT="$1:stop" "$HF_FAULT_BIN/atomic-append" "${@:3}" -t "$2" f &
	stopped=$!
	await_stop "$stopped"
}

@test "restarts when the target is replaced, renamed or removed during the append" {
	echo old >f
	append_stopped linkat#1 record
	echo other >g
	mv g f
	kill -CONT "$stopped"
	wait "$stopped"
	[ "$(cat f)" = $'other\nrecord' ]
	append_stopped linkat#1 again
	mv f f.1
	kill -CONT "$stopped"
	wait "$stopped"
	[ "$(cat f)" = again ]
	[ "$(cat f.1)" = $'other\nrecord' ]
	append_stopped openat#4 third --in-place
	mv f f.2
	kill -CONT "$stopped"
	wait "$stopped"
	[ "$(cat f f.2)" = $'third\nagain' ]
	no_litter
}

@test "does not wait for an appender that is stopped while it hands its record over" {
	echo old >f
	mkfifo go at
	hold flock f
	atomic-append -t first f &
	first=$!
	await_waiters 1 f
	append_stopped pwrite#1 second
	let_go
	wait "$first"
	[ "$(cat f)" = $'old\nfirst' ]
	atomic-append -n -t third f
	kill -CONT "$stopped"
	wait "$stopped"
	[ "$(cat f)" = $'old\nfirst\nthird\nsecond' ]
	no_litter
}

@test "waits only until its deadline for a leader that is stopped at the end" {
	echo old >f
	append_stopped fsync#2 lead
	run atomic-append -w 0.3 -t other f
	[ "$status" = 75 ]
	kill -CONT "$stopped"
	wait "$stopped"
	[ "$(cat f)" = $'old\nlead' ]
	no_litter
}

# Kill a leader with fault $1 and options $4… there, with another appender's record in its batch,
# after removing the side file $2. The other appender must exit with $3.
robbed() {
	local point=$1 side=$2 wanted=$3 lead wait holder
	shift 3
	echo old >f
	mkfifo go at
	hold flock f
	HOLDFAST_FAULT=$point:stop "$HF_FAULT_BIN/atomic-append" "$@" -t lead f &
	lead=$!
	await_waiters 1 f
	atomic-append "$@" -w 5 -t other f &
	wait=$!
	await_waiters 2 f
	await_spool f other
	let_go
	await_stop "$lead"
	rm ".holdfast.f.$side" go at
	kill -KILL "$lead"
	wait "$lead" || true
	# an appender in an endless loop never ends
	timeout 20 tail --pid="$wait" -f /dev/null || kill -KILL "$wait"
	status=0
	wait "$wait" || status=$?
	[ "$status" = "$wanted" ]
}

@test "does not report its record as written when the stopped leader's spool is removed" {
	robbed renameat2#2 append 0
	[ "$(cat f)" = $'old\nother' ]
	no_litter
}

@test "does not wait indefinitely when the stopped leader's batch file is removed" {
	robbed renameat2#2 batch 79
	[ "$(cat f)" = old ]
	atomic-append -t next f
	[ "$(cat f)" = $'old\nnext' ]
	no_litter
	robbed fdatasync#1 batch 79 --in-place
	no_litter
}

@test "--each-line: exits with 76, not 75, when the lock is busy after some lines are in" {
	mkfifo lines go
	echo old >f
	atomic-append --each-line -n f <lines 2>err &
	lines=$!
	exec 7>lines
	echo one >&7
	until [ "$(cat f)" = $'old\none' ]; do kill -0 "$lines"; done
	# of the file that the append has put there, and not of the one before
	lock-run f sh -c 'echo >locked; read x <go' 7>&- 3>&- &
	holder=$!
	until [ -e locked ]; do kill -0 "$holder"; done
	echo two >&7
	exec 7>&-
	status=0
	wait "$lines" || status=$?
	let_go
	[ "$status" = 76 ]
	[[ $(cat err) == *'the first 1 lines of standard input are appended, and no others' ]]
	[ "$(cat f)" = $'old\none' ]
	no_litter
}

@test "in place, writes many lines with one write, so that no plain >> can write between them" {
	echo old >f
	seq -f 'line %07.0f of the log' 20000 >lines
	strace -f -e trace=write -o log atomic-append --in-place --each-line f <lines
	[ "$(grep -c 'write([0-9]*, "line ' log)" = 1 ]
	[ "$(tail -n +2 f | cmp - lines)" = '' ]
	no_litter
}

@test "in place, keeps data that another process wrote after a record that cannot be synced" {
	echo old >f
	HOLDFAST_FAULT=fdatasync#1:stop,fdatasync#1:EIO \
		"$HF_FAULT_BIN/atomic-append" --in-place -t record f 2>err &
	stopped=$!
	await_stop "$stopped"
	echo theirs >>f
	kill -CONT "$stopped"
	status=0
	wait "$stopped" || status=$?
	[ "$status" = 76 ]
	[ "$(cat f)" = $'old\nrecord\ntheirs' ]
	atomic-append --in-place -t next f
	[ "$(cat f)" = $'old\nrecord\ntheirs\nnext' ]
	no_litter
}

@test "in place, refuses a file with several names" {
	echo old >f
	ln f g
	run atomic-append --in-place -t x f
	[ "$status" = 65 ]
	one_line atomic-append "$output"
	[ "$(cat f)" = old ]
	atomic-append --in-place --break-links -t x f
	[ "$(cat g)" = $'old\nx' ]
}

@test "recovers another user's leftovers in a sticky directory, where only that user can unlink" {
	require_other_user
	mkdir -m 1777 sticky
	chmod 755 . ..
	cd sticky
	echo old >f
	chmod 666 f
	as() { setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; }
	run as 1001 env HOLDFAST_FAULT=write#1:kill "$HF_FAULT_BIN/atomic-append" \
		--in-place -t dead f
	run as 1002 timeout 10 "$HF_BIN/atomic-append" -n --in-place -t x f
	[ "$status" = 0 ]
	[ "$(cat f)" = $'old\nx' ]
	[ -e .holdfast.f.batch ]
	atomic-append --in-place -t root f
	[ "$(cat f)" = $'old\nx\nroot' ]
	no_litter
}

@test "keeps mode, owner, links and attributes" {
	require_root
	echo old >real
	chmod 640 real
	chown 1234:2345 real
	setfattr -n user.note -v kept real
	ln -s real link
	atomic-append -t new link
	[ -L link ]
	[ "$(stat -c '%a %u %g' real)" = '640 1234 2345' ]
	[ "$(getfattr --only-values -n user.note real)" = kept ]
	[ "$(cat real)" = $'old\nnew' ]
}

@test "refuses an empty record without --allow-empty" {
	echo old >f
	run atomic-append f </dev/null
	[ "$status" = 65 ]
	one_line atomic-append "$output"
	atomic-append --allow-empty f </dev/null
	atomic-append --each-line f </dev/null
	[ "$(cat f)" = old ]
}

@test "does not take closed standard input for empty input" {
	echo old >f
	run sh -c 'atomic-append --allow-empty f <&-'
	[ "$status" = 66 ]
	one_line atomic-append "$output"
	run sh -c 'atomic-append --each-line f <&-'
	[ "$status" = 66 ]
	[ "$(cat f)" = old ]
}

@test "refuses a target that is not a regular file" {
	mkdir d
	mkfifo p
	ln -s loop loop
	for target in d p /dev/null; do
		run timeout 10 atomic-append -t x "$target"
		[ "$status" = 65 ]
		one_line atomic-append "$output"
	done
	run atomic-append -t x loop
	[ "$status" = 73 ]
	one_line atomic-append "$output"
	run atomic-append -t x no/such/dir
	[ "$status" = 73 ]
	one_line atomic-append "$output"
	run atomic-append -t x ''
	[ "$status" = 64 ]
	one_line atomic-append "${lines[0]}"
}

@test "refuses wrong calls with 64" {
	run atomic-append
	[ "$status" = 64 ]
	run atomic-append a b
	[ "$status" = 64 ]
	run atomic-append --each-line -t x f
	[ "$status" = 64 ]
	for duration in -1 nonsense 1x 99999999999999999999 '' 1e3 nan 1h30; do
		run atomic-append -w "$duration" -t x f
		[ "$status" = 64 ]
		[[ ${lines[0]} == "atomic-append: "*"'$duration' is not a duration" ]]
	done
	[ ! -e f ]
}

@test "refuses a file that an ancestor has locked, and says what to do" {
	echo old >f
	run timeout 10 flock f atomic-append -t x f
	[ "$status" = 64 ]
	[[ $output == *"ancestor"* ]]
	[[ $output == *"lock 'f.lock' instead"* ]]
	exec 9<f
	flock 9
	run timeout 10 atomic-append -t x f
	[ "$status" = 64 ]
	exec 9<&-
	[ "$(cat f)" = old ]
	no_litter
}

@test "keeps the old content when the disk is full" {
	require_mount
	mkdir full
	mount -t tmpfs -o size=64k tmpfs full
	head -c 20000 /dev/zero >full/f
	head -c 50000 /dev/zero >record
	for mode in '' --in-place; do
		# shellcheck disable=SC2086
		run atomic-append $mode full/f <record
		[ "$status" = 74 ]
		one_line atomic-append "$output"
		[ "$(stat -c %s full/f)" = 20000 ]
	done
	umount full
}

@test "accepts a name of 255 bytes, and one with newlines" {
	local long=$(printf '%0255d' 0) odd=$'a\nb'
	atomic-append -t x "$long"
	atomic-append --in-place -t y "$long"
	[ "$(cat "$long")" = $'x\ny' ]
	atomic-append -t x "$odd"
	[ "$(cat "$odd")" = x ]
	chmod 755 .
	run atomic-append -t x "$odd/c"
	[ "$status" = 73 ]
	one_line atomic-append "$output"
	no_litter
}

@test "exits with 75 when the directory is removed while it waits" {
	local tool waiting status
	mkfifo go at
	echo new >input
	for tool in 'atomic-write d/f' 'atomic-append d/f' 'atomic-append --in-place d/f'; do
		mkdir d
		echo old >d/f
		hold flock d/f
		$tool <input 2>said 3>&- &
		waiting=$!
		await_waiters 1 d/f
		rm -r d
		let_go
		status=0
		wait "$waiting" || status=$?
		[ "$status" = 75 ]
		grep 'its directory was removed' said
	done
}

@test "exits with 75 when the directory is moved while it waits, and leaves it alone" {
	local tool waiting status
	mkfifo go at
	echo new >input
	for tool in 'atomic-write d/f' 'atomic-append d/f' 'atomic-update d/f cat'; do
		rm -rf moved
		mkdir d
		echo old >d/f
		hold flock d/f
		$tool <input 2>said 3>&- &
		waiting=$!
		await_waiters 1 d/f
		mv d moved
		mkdir d
		let_go
		status=0
		wait "$waiting" || status=$?
		[ "$status" = 75 ]
		grep 'its directory was moved or replaced' said
		[ "$(cat moved/f)" = old ]
		[ -z "$(ls -A d)" ]
		rmdir d
	done
}
