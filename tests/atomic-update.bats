#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# atomic-update: read, change, replace, and no other process writes in between.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	echo 1 >n
}

# The rest must exit with $1, say why in one line, and leave no files.
refused() {
	local wanted=$1
	shift
	run --separate-stderr "-$wanted" "$@"
	echo "$stderr"
	one_line atomic-update "$stderr"
	no_litter
}

add() {
	atomic-update "$@" awk '{ print $1 + 1 }'
}

@test "runs the command on the file, and replaces the file with its output" {
	atomic-update n awk '{ print $1 + 1 }'
	[ "$(cat n)" = 2 ]
	atomic-update n -- sed s/2/3/
	atomic-update n -c 'cat; echo 4'
	atomic-update -c 'cat; echo 5' n
	[ "$(cat n)" = $'3\n4\n5' ]
	printf 'a\0b' >n
	atomic-update n cat
	[ "$(od -An -c n | tr -s ' ')" = ' a \0 b' ]
	no_litter
}

@test "leaves the file when the command fails or prints nothing" {
	run --separate-stderr atomic-update n sh -c 'cat; echo half; exit 3'
	[ "$status" = 3 ]
	[ "$stderr" = "atomic-update: 'n' is left as it was: the command exited with 3" ]
	run -143 atomic-update -q n sh -c 'echo half; kill -TERM $$'
	refused 127 atomic-update n ./no-such-command
	refused 126 atomic-update n ./n
	refused 65 atomic-update n true
	[ "$(cat n)" = 1 ]
	atomic-update --allow-empty n true
	[ -f n ] && [ ! -s n ]
	no_litter
}

@test "exits with 66 when the file is absent, unless --init gives the first content" {
	refused 66 atomic-update g cat
	[[ $stderr == *'--init TEXT'* ]]
	[ ! -e g ]
	[ "$(add --init 0 --print g)" = 1 ]
	[ "$(add --init 0 --print g)" = 2 ]
	atomic-update --init '' h wc -c
	[ "$(tr -d ' ' <h)" = 1 ]
	atomic-update --init "$(printf 'a\nb')" i cat
	[ "$(cat i)" = $'a\nb' ]
	refused 1 atomic-update --init 0 --if-match=absent g cat
	run -0 atomic-update --init 0 --if-match=absent j cat
	refused 73 atomic-update --init 0 nowhere/k cat
	atomic-update --init 0 --parents nowhere/k cat
	[ "$(cat nowhere/k)" = 0 ]
}

@test "50 increments add up to 50, and --print prints 50 different numbers" {
	local i
	for i in {1..50}; do
		add --print n >"out.$i" &
		pids[i]=$!
	done
	for i in {1..50}; do wait "${pids[i]}"; done
	[ "$(cat n)" = 51 ]
	[ "$(cat out.* | sort -n | tr '\n' ' ')" = "$(seq -s ' ' 2 51) " ]
	no_litter
}

@test "50 increments add up when the file is absent at first" {
	local i round
	for round in 1 2 3; do
		for i in {1..50}; do
			add --init 0 --print "g$round" >"out.$i" &
			pids[i]=$!
		done
		for i in {1..50}; do wait "${pids[i]}"; done
		[ "$(cat "g$round")" = 50 ]
		[ "$(cat out.* | sort -n | tr '\n' ' ')" = "$(seq -s ' ' 50) " ]
	done
	no_litter
}

@test "runs the command again on the new content when another process creates the file first" {
	mkfifo ready go
	atomic-update --init 0 --print g sh -c '
		read n; echo "$n" >>seen; echo >ready; read x <go; echo $((n + 1))' >out &
	loser=$!
	read -r x <ready
	add --init 0 g
	echo >go
	read -r x <ready
	echo >go
	wait "$loser"
	[ "$(cat g out seen)" = $'2\n2\n0\n1' ]
	no_litter
}

@test "runs the command again when a plain mv replaces the file" {
	mkfifo ready go
	atomic-update n sh -c '
		read n; echo "$n" >>seen; echo >ready; read x <go; echo $((n + 1))' &
	update=$!
	read -r x <ready
	echo 70 >m
	mv m n
	echo >go
	read -r x <ready
	echo >go
	wait "$update"
	[ "$(cat n seen)" = $'71\n1\n70' ]
	no_litter
}

@test "locks the file itself, and the command does not inherit the lock" {
	mkfifo ready go
	atomic-update n sh -c 'ls -l /proc/self/fd >fds; echo >ready; read x <go; cat' &
	update=$!
	read -r x <ready
	run -1 flock -n n true
	refused 75 atomic-update -n n cat
	[[ $stderr == *'held by PID '*'atomic-update n '* ]]
	refused 75 atomic-update -w 0.05 n cat
	run -9 atomic-update -n -E 9 n cat
	# only the standard three, the pipe's other ends, and the descriptors of ls
	[ "$(grep -c '/n$' fds)" = 1 ]
	grep -q ' 0 -> .*/n$' fds
	echo >go
	wait "$update"
	[ "$(cat n)" = 1 ]
	flock -n n true
}

@test "refuses a nested update of the same file, and does not deadlock" {
	run --separate-stderr atomic-update n sh -c 'cat; atomic-update n cat'
	[ "$status" = 64 ]
	[[ $stderr == *'n.lock'* ]]
	[ "$(cat n)" = 1 ]
	run --separate-stderr flock n sh -c 'atomic-update n cat; exit $?'
	[ "$status" = 64 ]
	one_line atomic-update "$stderr"
}

@test "works without standard input and output, and refuses wrong calls" {
	# the command's input is the file, whatever ours is
	atomic-update n awk '{ print $1 + 1 }' <&-
	atomic-update n sh -c 'read x; echo $((x + 1))' >&- 2>&-
	[ "$(cat n)" = 3 ]
	refused 74 sh -c 'exec atomic-update --print n cat >&-'
	run --separate-stderr sh -c "atomic-update --print n awk '{ print \$1 + 1 }' >/dev/full"
	[ "$status" = 76 ]
	one_line atomic-update "$stderr"
	[ "$(cat n)" = 4 ]
	refused 64 atomic-update
	refused 64 atomic-update n
	refused 64 atomic-update n --
	refused 64 atomic-update -w nonsense n cat
	mkfifo p
	mkdir d
	ln -s loop loop
	refused 65 atomic-update p cat
	refused 65 atomic-update d cat
	refused 65 atomic-update /dev/null cat
	refused 73 atomic-update loop cat
	refused 73 atomic-update n/x cat
}

@test "follows links, accepts long names, and keeps attributes" {
	local long
	long=$(printf 'x%.0s' {1..255})
	ln -s n link
	add link
	[ "$(cat n)" = 2 ]
	[ -L link ]
	ln n other
	refused 65 add n
	add --break-links n
	[ "$(cat n other)" = $'3\n2' ]
	add --init 0 "$long"
	add "$long"
	add --init 0 $'two\nlines'
	[ "$(cat "$long" $'two\nlines')" = $'2\n1' ]
	chmod 640 n
	setfattr -n user.note -v kept n
	add -b n
	[ "$(stat -c %a n) $(getfattr --only-values -n user.note n)" = '640 kept' ]
	[ "$(cat n n~)" = $'4\n3' ]
	no_litter
}

@test "validates, compares and prints the new content" {
	refused 65 atomic-update --validate 'grep -q good "$1"' n cat
	atomic-update --validate 'grep -q good "$1"' n echo good
	inode=$(stat -c %i n)
	[ "$(atomic-update --skip-same --print n cat)" = good ]
	[ "$(stat -c %i n)" = "$inode" ]
	[ "$(atomic-update --skip-same -v n cat 2>&1)" = \
		"atomic-update: 'n' is the same already" ]
}

@test "refuses a file that may be written but not read" {
	require_other_user
	cp "$HF_BIN/atomic-update" tool
	chmod 755 tool
	chmod 777 .
	chmod 222 n
	run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups ./tool n cat
	[ "$status" = 77 ]
	one_line atomic-update "$stderr"
	[ "$(cat n)" = 1 ]
	no_litter
}

@test "works without /proc" {
	require_mount
	run unshare -m sh -c 'mount -t tmpfs none /proc && atomic-update n sed s/1/2/ &&
		atomic-update --init 0 g cat'
	[ "$status" = 0 ]
	[ "$(cat n g)" = $'2\n0' ]
}

@test "passes a signal on to the command, and dies of the signal that kills it" {
	mkfifo ready
	atomic-update n sh -c 'echo half; echo >ready; exec sleep 60' &
	update=$!
	read -r x <ready
	kill -TERM "$update"
	status=0
	wait "$update" || status=$?
	[ "$status" = 143 ]
	[ "$(cat n)" = 1 ]
	flock -n n true
	no_litter
}

@test "killed at every call, has added one or nothing" {
	local i calls status before
	HOLDFAST_FAULT_LOG=log "$HF_FAULT_BIN/atomic-update" n awk '{ print $1 + 1 }'
	calls=$(wc -l <log)
	[ "$calls" -gt 20 ]
	for ((i = 1; i <= calls; i++)); do
		before=$(cat n)
		status=0
		HOLDFAST_FAULT=$i:kill "$HF_FAULT_BIN/atomic-update" n awk '{ print $1 + 1 }' \
			2>/dev/null || status=$?
		[ "$status" = 137 ]
		[[ $(cat n) == "$before" || $(cat n) == $((before + 1)) ]]
	done
	before=$(cat n)
	add n
	[ "$(cat n)" = $((before + 1)) ]
	no_litter
}

@test "gives up after some turns when the command itself replaces FILE" {
	echo 1 >turns
	run -75 --separate-stderr timeout 20 atomic-update n sh -c \
		'echo >>turns; echo 5 >m; mv m n; cat n'
	[[ ${stderr_lines[0]} == *"'n' is replaced each time by a program without its lock" ]]
	[[ ${stderr_lines[1]} == '  '*'standard output'* ]]
	[ "$(wc -l <turns)" = 11 ]
	[ "$(cat n)" = 5 ]
	run -9 timeout 20 atomic-update -E 9 n sh -c 'cp n m; mv m n; cat n'
	no_litter
}

@test "runs without findings under sanitizers" {
	PATH=$HF_ASAN_BIN:$PATH
	add n
	add --init 0 --print -b --mode=600 g
	run -3 atomic-update n sh -c 'exit 3'
	run -66 atomic-update h cat
	[ "$(cat n g)" = $'2\n1' ]
}
