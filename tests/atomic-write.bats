#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# atomic-write: the whole new content or the whole old one, and a status that says which.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	echo old >f
}

# Run the rest with standard input $1; it must exit with $2, say why in one line, leave nothing.
refused() {
	local input=$1 wanted=$2
	shift 2
	run --separate-stderr bash -c 'exec "$@" <<<"$0"' "$input" "$@"
	echo "$stderr"
	[ "$status" = "$wanted" ]
	one_line atomic-write "$stderr"
	no_litter
}

# Run as a user who has only the rights that the modes give. The tool is copied, since its own
# directory may be closed to others.
as_nobody() {
	cp "$HF_BIN/atomic-write" tool
	chmod 755 tool
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# Succeed if a process holds flock(2) on file $1.
is_locked() {
	grep -q "FLOCK .*WRITE .*:$(stat -c %i "$1") " /proc/locks
}

# Hold flock on file $1 until there is a byte in the fifo go.
hold() {
	mkfifo go
	flock "$1" sh -c 'read x <go' &
	holder=$!
	await is_locked "$1"
}

let_go() {
	echo >go
	wait "$holder"
}

@test "writes standard input to the file: a pipe, a file, and the rest of a file" {
	printf 'a\0b' | atomic-write f
	[ "$(od -An -c f | tr -s ' ')" = ' a \0 b' ]
	printf 'one\ntwo\n' >in
	atomic-write f <in
	cmp in f
	{ head -c 4 >/dev/null; atomic-write f; } <in
	[ "$(cat f)" = two ]
	atomic-write new <in
	cmp in new
	no_litter
}

@test "writes a command's output to the file only if the command succeeds" {
	atomic-write f echo new
	[ "$(cat f)" = new ]
	atomic-write f -- printf '%s\n' -n
	[ "$(cat f)" = -n ]
	atomic-write -c 'echo a; echo b' f
	[ "$(cat f)" = $'a\nb' ]
	atomic-write f -c 'echo c'
	[ "$(cat f)" = c ]
	run --separate-stderr atomic-write f -- sh -c 'echo half; exit 3'
	[ "$status" = 3 ]
	[ "$stderr" = "atomic-write: 'f' is left as it was: the command exited with 3" ]
	run -143 atomic-write -q f sh -c 'echo half; kill -TERM $$'
	run -127 atomic-write f ./no-such-command
	run -126 atomic-write f ./f
	[ "$(cat f)" = c ]
	no_litter
}

@test "a background process of the command does not write to the file afterwards" {
	mkfifo go
	atomic-write f sh -c '(read x <go; echo late) >/dev/null & echo early'
	echo >go
	[ "$(cat f)" = early ]
}

@test "--from accepts a file and a FIFO, and FILE itself without damage" {
	echo new >in
	atomic-write --from in f
	cmp in f
	atomic-write --from f f
	cmp in f
	mkfifo p
	echo piped >p &
	atomic-write --from p f
	wait
	[ "$(cat f)" = piped ]
	refused '' 66 atomic-write --from nowhere f
	refused '' 65 atomic-write --from . f
	refused '' 64 atomic-write --from in f echo x
	[ "$(cat f)" = piped ]
}

@test "refuses an empty result without --allow-empty" {
	run --separate-stderr bash -c 'false | atomic-write f'
	[ "$status" = 65 ]
	one_line atomic-write "$stderr"
	[ "$(cat f)" = old ]
	run -65 atomic-write f true
	run -65 atomic-write absent </dev/null
	[ ! -e absent ]
	atomic-write --allow-empty f </dev/null
	[ -f f ] && [ ! -s f ]
	no_litter
}

@test "does not take an input that cannot be read for an empty one" {
	run --separate-stderr sh -c 'atomic-write --allow-empty f <&-'
	[ "$status" = 66 ]
	[ "$stderr" = 'atomic-write: standard input is closed' ]
	run --separate-stderr atomic-write --allow-empty f <.
	[ "$status" = 65 ]
	run --separate-stderr env HOLDFAST_FAULT=splice#1:EIO "$HF_FAULT_BIN/atomic-write" \
		--allow-empty f < <(echo new)
	[ "$status" = 74 ]
	[ "$(cat f)" = old ]
}

@test "accepts closed output unless it has something to print" {
	echo new | atomic-write f >&- 2>&-
	[ "$(cat f)" = new ]
	run --separate-stderr bash -c 'echo newer | atomic-write --print f >&-'
	[ "$status" = 74 ]
	one_line atomic-write "$stderr"
	[ "$(cat f)" = new ]
	[ "$(echo newer | atomic-write --print f)" = newer ]
	# too late to take it back
	run --separate-stderr bash -c 'echo newest | atomic-write --print f >/dev/full'
	[ "$status" = 76 ]
	one_line atomic-write "$stderr"
	[ "$(cat f)" = newest ]
}

@test "reports a bad path in one line, and changes nothing" {
	refused new 73 atomic-write nowhere/f
	refused new 64 atomic-write ''
	refused new 65 atomic-write .
	mkdir d
	refused new 65 atomic-write d
	refused new 65 atomic-write d/
	refused new 73 atomic-write f/x
	mkfifo fifo
	refused new 65 atomic-write fifo
	refused new 65 atomic-write /dev/null
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'
	refused new 65 atomic-write sock
	ln -s loop loop
	refused new 73 atomic-write loop
	refused new 64 atomic-write "$(printf 'x%.0s' {1..256})"
	refused new 64 atomic-write
	[ "$(cat f)" = old ]
	[ -p fifo ] && [ -d d ] && [ -L loop ] && [ -c /dev/null ]
}

@test "accepts odd names: 255 bytes, newlines, dashes, bytes that are not UTF-8" {
	local name long
	long=$(printf 'x%.0s' {1..255})
	for name in "$long" $'a\nb\n' ./-f $'\xff\xfe' ' ' '*'; do
		echo one | atomic-write "$name"
		echo two | atomic-write "$name"
		[ "$(cat -- "$name")" = two ]
	done
	no_litter
	mkfifo $'fi\nfo'
	refused new 65 atomic-write $'fi\nfo'
	[ "$stderr" = "atomic-write: refusing to replace 'fi\\nfo': it is a FIFO" ]
}

@test "refuses invalid durations and options before it reads anything" {
	local bad
	for bad in -1 1x '' 1h1h 99999999999999999999 nan; do
		refused new 64 atomic-write -w "$bad" f
	done
	refused new 64 atomic-write --mode=u+q f
	refused new 64 atomic-write --sync=most f
	refused new 64 atomic-write --if-match=abc f
	refused new 64 atomic-write --backup= f
	refused new 64 atomic-write --backup=/x f
	refused new 64 atomic-write --symlink= f
	refused new 64 atomic-write --symlink=x f echo
	refused new 64 atomic-write --symlink=x --mode=600 f
	refused new 64 atomic-write -c echo f echo
	[ "$(cat f)" = old ]
}

@test "follows symbolic links, creates their targets, or replaces them" {
	mkdir d
	ln -s d/target link
	echo one | atomic-write link
	[ "$(cat d/target)" = one ]
	echo two | atomic-write link
	[ "$(cat d/target)" = two ]
	[ -L link ]
	no_litter d
	echo three | atomic-write --no-follow link
	[ ! -L link ]
	[ "$(cat link d/target)" = $'three\ntwo' ]
	atomic-write --symlink elsewhere link
	[ "$(readlink link)" = elsewhere ]
	atomic-write --symlink else/where link
	[ "$(readlink link)" = else/where ]
	no_litter
}

@test "keeps mode, owner, ACL and extended attributes" {
	require_root
	chmod 2751 f
	chown 1:2 f
	chmod 6751 f
	setfacl -m u:3:rw,g:4:r f
	setfattr -n user.note -v kept f
	local before
	before=$(stat -c '%a %u %g' f; getfacl -n f; getfattr -d f)
	echo new | atomic-write f
	[ "$(cat f)" = new ]
	[ "$(stat -c '%a %u %g' f; getfacl -n f; getfattr -d f)" = "$before" ]
}

@test "gives a new file the mode of the umask or of the directory's default ACL" {
	umask 027
	echo new | atomic-write g
	[ "$(stat -c %a g)" = 640 ]
	mkdir d
	setfacl -d -m u:3:rwx,g::rx d
	echo new | atomic-write d/g
	touch d/h
	diff <(getfacl -ncE d/g) <(getfacl -ncE d/h)
	# and an old one there keeps the mode that it has
	setfacl -b d/h
	chmod 604 d/h
	echo new | atomic-write d/h
	[ "$(getfacl -ncE d/h)" = $'user::rw-\ngroup::---\nother::r--\n' ] ||
		[ "$(getfacl -ncE d/h)" = $'user::rw-\ngroup::---\nother::r--' ]
	echo new | atomic-write --mode=g+w,o= d/h
	[ "$(stat -c %a d/h)" = 620 ]
	echo new | atomic-write --mode=444 g
	[ "$(stat -c %a g)" = 444 ]
	echo newer | atomic-write g
	[ "$(stat -c %a g)" = 444 ]
}

@test "clears setuid when the owner cannot be kept" {
	require_other_user
	chmod 777 .
	chmod 6755 f
	echo new | as_nobody ./tool f
	[ "$(cat f)" = new ]
	[ "$(stat -c '%a %u %g' f)" = '755 65534 65534' ]
	no_litter
}

@test "exits with 77 without permission, and writes a file that it may write but not read" {
	require_other_user
	chmod 755 .
	run --separate-stderr as_nobody ./tool f <<<new
	[ "$status" = 77 ]
	one_line atomic-write "$stderr"
	mkdir -m 700 d
	run -77 as_nobody ./tool d/f <<<new
	mkdir -m 777 e
	echo secret >e/f
	chmod 000 e/f
	run --separate-stderr as_nobody ./tool e/f <<<new
	[ "$status" = 77 ]
	one_line atomic-write "$stderr"
	[ "$(cat f e/f)" = $'old\nsecret' ]
	# a file that may be written but not read is still its own lock
	chmod 222 e/f
	echo new | as_nobody ./tool e/f
	[ "$(cat e/f)" = new ]
	no_litter e
}

@test "refuses a read-only file system, and a file that is a mount point" {
	require_mount
	mkdir d
	echo old >d/f
	run --separate-stderr unshare -m sh -c '
		mount --bind d d && mount -o remount,bind,ro d && echo new | atomic-write d/f'
	[ "$status" = 73 ]
	one_line atomic-write "$stderr"
	echo other >g
	run --separate-stderr unshare -m sh -c '
		mount --bind g f && echo new | atomic-write f'
	[ "$status" = 73 ]
	one_line atomic-write "$stderr"
	[[ $stderr == *'mount point'* ]]
	[ "$(cat f g d/f)" = $'old\nother\nold' ]
	no_litter
	no_litter d
}

@test "exits with 74 when the disk is full, and keeps the old content" {
	require_mount
	mkdir d
	run --separate-stderr unshare -m sh -c '
		mount -t tmpfs -o size=64k none d && echo old >d/f || exit 99
		head -c 1000000 /dev/zero | atomic-write d/f
		status=$?
		cat d/f; ls -A d
		exit $status'
	[ "$status" = 74 ]
	[ "$output" = $'old\nf' ]
	[ "$stderr" = "atomic-write: cannot write 'd/f': No space left on device
  the old content is kept" ]
	# and a limit on the size of files
	run --separate-stderr bash -c 'trap "" XFSZ; ulimit -f 100
		head -c 1000000 /dev/zero | atomic-write f'
	[ "$status" = 74 ]
	[ "$(cat f)" = old ]
	no_litter
}

@test "works without /proc" {
	require_mount
	run unshare -m sh -c '
		mount -t tmpfs none /proc && echo new | atomic-write f &&
		echo new | atomic-write g && atomic-write h echo new'
	[ "$status" = 0 ]
	[ "$(cat f g h)" = $'new\nnew\nnew' ]
	run --separate-stderr unshare -m sh -c '
		mount -t tmpfs none /proc && echo newer | atomic-write --validate true f'
	[ "$status" = 69 ]
	one_line atomic-write "$stderr"
	# a kernel that links an open file only by way of it
	run --separate-stderr unshare -m sh -c '
		mount -t tmpfs none /proc &&
		echo newer | HOLDFAST_FAULT=linkat#1:ENOENT "$HF_FAULT_BIN/atomic-write" f'
	[ "$status" = 69 ]
	[[ $stderr == *'/proc is not mounted'* ]]
	[ "$(cat f)" = new ]
	no_litter
}

@test "breaks hard links only with --break-links" {
	ln f other
	refused new 65 atomic-write f
	[[ $stderr == *'2 hard links'* ]]
	[[ $stderr != *interrupted* ]]
	echo new | atomic-write --break-links f
	[ "$(cat f other)" = $'new\nold' ]
}

@test "refuses a live SQLite database, but not one that is closed" {
	rm f
	mkfifo go said
	python3 - <<'PY' &
import sqlite3
db = sqlite3.connect("f")
db.execute("CREATE TABLE t (x)")
db.commit()
open("said", "w").write("open\n")
open("go").read()
PY
	read -r x <said
	refused new 65 atomic-write f
	[[ $stderr == *'live SQLite database (PID '*'python3'*'has it open)'* ]]
	echo >go
	wait
	touch f-wal
	echo new | atomic-write f
	[ "$(cat f)" = new ]
}

@test "--backup keeps the old content, through a crash too" {
	echo new | atomic-write -b f
	[ "$(cat f f~)" = $'new\nold' ]
	echo newer | atomic-write --backup=.orig f
	[ "$(cat f f.orig f~)" = $'newer\nnew\nold' ]
	# killed between the backup and the replacement
	run -137 sh -c 'echo newest |
		HOLDFAST_FAULT=renameat2#2:kill "$HF_FAULT_BIN/atomic-write" -b f'
	[ "$(cat f f~)" = $'newer\nnewer' ]
	run -65 atomic-write f <<<other
	[[ $output == *"one is 'f~', as a backup that was interrupted leaves it"* ]]
	echo newest | atomic-write -b f
	[ "$(cat f f~)" = $'newest\nnewer' ]
	no_litter
}

@test "a command, and that of --validate, inherits no descriptor" {
	descriptor_lister list.py
	python3 list.py >always
	atomic-write --validate 'python3 list.py >validated' f python3 list.py
	diff always validated
	diff always f
}

@test "checks the old content with --if-match, and keeps an equal file with --skip-same" {
	local sha inode
	sha=$(sha256sum f | cut -d ' ' -f 1)
	refused new 1 atomic-write --if-match=absent f
	[ "${stderr_lines[0]}" = "atomic-write: 'f' has changed: it exists" ]
	refused new 1 atomic-write --if-match="${sha//[0-9]/0}" f
	refused new 1 atomic-write --if-match="$sha" nowhere
	[ ! -e nowhere ]
	echo new | atomic-write --if-match="${sha^^}" f
	echo new | atomic-write --if-match=absent g
	[ "$(cat f g)" = $'new\nnew' ]
	inode=$(stat -c %i f)
	echo new | atomic-write --skip-same f
	[ "$(stat -c %i f)" = "$inode" ]
	[ "$(echo new | atomic-write --skip-same -v f 2>&1)" = \
		"atomic-write: 'f' is the same already" ]
	echo newer | atomic-write --skip-same f
	[ "$(cat f)" = newer ]
}

@test "one of many concurrent creators succeeds" {
	local i won=0
	for i in {1..20}; do
		echo "$i" | atomic-write -q --if-match=absent g 2>/dev/null &
		pids[i]=$!
	done
	for i in {1..20}; do
		if wait "${pids[i]}"; then won=$((won + 1)); winner=$i; fi
	done
	[ "$won" = 1 ]
	[ "$(cat g)" = "$winner" ]
	no_litter
}

@test "--validate sees the new content before any other process" {
	refused '{"a": ' 65 atomic-write --validate 'python3 -m json.tool "$1" 2>/dev/null' f
	echo '{"a": 1}' | atomic-write --validate 'python3 -m json.tool "$1" >/dev/null' f
	[ "$(cat f)" = '{"a": 1}' ]
	[ "$(echo new | atomic-write --print --validate 'echo said' f 2>said)" = new ]
	[ "$(cat said)" = said ]
	# a signal for all of us ends us too
	run -143 bash -c 'echo x | atomic-write --validate "kill -TERM \$\$" f'
}

@test "--parents creates directories, and -v says what was done" {
	echo new | atomic-write --parents a/b/c/f
	[ "$(cat a/b/c/f)" = new ]
	[ "$(echo new | atomic-write -v f 2>&1)" = "atomic-write: 'f' is replaced" ]
}

@test "waits for a locked file, up to the time limit" {
	hold f
	refused new 75 atomic-write -w 0.05 f
	[[ $stderr == *"held by PID "*flock* ]]
	refused new 75 atomic-write -n f
	run -9 atomic-write -n -E 9 f <<<new
	HOLDFAST_TIMEOUT=0 run -75 atomic-write f <<<new
	[ "$(cat f)" = old ]
	echo new | atomic-write f &
	writer=$!
	await grep -q -e "-> FLOCK .*:$(stat -c %i f) " /proc/locks
	[ "$(cat f)" = old ]
	let_go
	wait "$writer"
	[ "$(cat f)" = new ]
}

@test "does not count the time that the input takes as part of the wait" {
	hold f
	mkfifo in
	atomic-write -w 0.2 f <in 2>said &
	writer=$!
	exec 9>in
	sleep 0.3
	begin=${EPOCHREALTIME/./}
	echo new >&9
	exec 9>&-
	status=0
	wait "$writer" || status=$?
	[ "$status" = 75 ]
	((${EPOCHREALTIME/./} - begin >= 200000))
	let_go
}

@test "refuses a file that an ancestor has locked, and names the remedy" {
	run --separate-stderr flock f sh -c 'echo new | atomic-write f; exit $?'
	[ "$status" = 64 ]
	one_line atomic-write "$stderr"
	[[ $stderr == *"f.lock"* ]]
	[ "$(cat f)" = old ]
	flock f.lock sh -c 'echo new | atomic-write f'
	[ "$(cat f)" = new ]
}

@test "a reader always finds the whole content of one writer" {
	local i
	head -c 100000 /dev/zero | tr '\0' 0 >f
	python3 - >torn 2>&1 <<'PY' &
import os
while not os.path.exists("stop"):
    data = open("f", "rb").read()
    if len(data) != 100000 or data != data[:1] * 100000:
        print("torn:", len(data), data[:1], data[-1:])
        break
PY
	reader=$!
	for i in {1..60}; do
		head -c 100000 /dev/zero | tr '\0' $((i % 10)) | atomic-write --sync=none f
	done
	touch stop
	wait "$reader"
	[ ! -s torn ]
	no_litter
}

@test "loses no content of either when atomic-append runs concurrently" {
	local i
	for i in {1..25}; do
		echo old >f
		atomic-append -t appended f &
		one=$!
		echo written | atomic-write f &
		two=$!
		wait "$one" && wait "$two"
		[ "$(head -n 1 f)" = written ]
		[ "$(tail -n +2 f)" = '' ] || [ "$(tail -n +2 f)" = appended ]
		atomic-append -t later f
		[ "$(tail -n 1 f)" = later ]
	done
	no_litter
}

# A run that is killed by the fault $1.
killed() {
	run -137 sh -c 'echo killed | HOLDFAST_FAULT=$0 "$HF_FAULT_BIN/atomic-write" f' "$1:kill"
}

@test "removes the leftovers of a killed run" {
	local call
	for call in renameat2#1 linkat#1 fsync#1 fsync#2; do
		killed "$call"
		[[ $(cat f) == old || $(cat f) == killed ]]
	done
	killed renameat2#1
	[ -e .holdfast.f.tmp ]
	echo new | atomic-write f
	[ "$(cat f)" = new ]
	no_litter
	# without unnamed files
	killed openat#2:EOPNOTSUPP,renameat2#1
	[ -n "$(find . -name '.holdfast.f.*.tmp')" ]
	echo newer | HOLDFAST_FAULT=openat#2:EOPNOTSUPP "$HF_FAULT_BIN/atomic-write" f
	[ "$(cat f)" = newer ]
	no_litter
	# for a target that was removed since
	killed renameat2#1
	[ -e .holdfast.f.tmp ]
	rm f
	echo new | atomic-write f
	no_litter
}

@test "exits with 76 when the directory cannot be synced after the rename" {
	run --separate-stderr bash -c 'echo new |
		HOLDFAST_FAULT=fsync#2:EIO "$HF_FAULT_BIN/atomic-write" f'
	[ "$status" = 76 ]
	one_line atomic-write "$stderr"
	[ "$(cat f)" = new ]
	run --separate-stderr bash -c 'echo newer |
		HOLDFAST_FAULT=fsync#1:EIO "$HF_FAULT_BIN/atomic-write" f'
	[ "$status" = 74 ]
	[ "$(cat f)" = new ]
	no_litter
}

@test "syncs the file before it links it, and the directory after the rename" {
	calls() {
		rm -f log
		echo new | HOLDFAST_FAULT_LOG=log "$HF_FAULT_BIN/atomic-write" "$@"
		awk '$2 ~ /^(fsync|linkat|renameat2)$/ { printf "%s ", $2 }' log
	}
	[ "$(calls f)" = 'fsync linkat renameat2 fsync ' ]
	[ "$(calls absent)" = 'fsync linkat fsync ' ]
	[ "$(calls --sync=data f)" = 'fsync linkat renameat2 ' ]
	[ "$(calls --sync=none f)" = 'linkat renameat2 ' ]
	[ "$(calls --skip-same f)" = 'fsync fsync ' ]
}

@test "passes a signal on to the command, and dies of the signal that kills it" {
	mkfifo ready
	atomic-write f sh -c 'echo half; echo >ready; exec sleep 60' &
	writer=$!
	read -r x <ready
	kill -TERM "$writer"
	status=0
	wait "$writer" || status=$?
	[ "$status" = 143 ]
	[ "$(cat f)" = old ]
	no_litter
}

@test "streams a large content in 8 MiB of memory" {
	run bash -c 'ulimit -v 8192; head -c 100M /dev/zero | atomic-write --sync=none f'
	[ "$status" = 0 ]
	[ "$(stat -c %s f)" = 104857600 ]
	run bash -c 'ulimit -v 8192; atomic-write --sync=none --from f g'
	[ "$status" = 0 ]
	cmp f g
	rm f g
}

@test "writes 5 GB of input" {
	require_loop
	# compressed: zeros then cost no 5 GB of anybody's disk
	truncate -s 1G image
	mkfs.btrfs -q image
	mkdir d
	run unshare -m sh -c '
		mount -o loop,compress-force=zstd:1 image d || exit 99
		(head -c 5000000000 /dev/zero; echo end) | atomic-write --sync=none d/f
		echo $? $(stat -c %s d/f) $(tail -c 4 d/f) $(ls -A d)
		umount d'
	[ "$output" = '0 5000000004 end f' ]
}

@test "reports a limit on file size as an error, and lets commands receive SIGXFSZ" {
	local tool
	for tool in 'write f' 'write f cat' 'append f' 'update f cat big'; do
		head -c 5000 /dev/zero >big
		run --separate-stderr bash -c "ulimit -f 1; atomic-$tool <big"
		[ "$status" = 74 ]
		[[ $stderr == *'File too large'* ]]
		[ "$(cat f)" = old ]
	done
	run bash -c 'ulimit -f 1; atomic-write f sh -c "head -c 5000 /dev/zero >g"'
	[ "$status" = 153 ]
}

@test "refuses the names of side files as FILE" {
	local tool
	for tool in 'write .holdfast.f.tmp echo' 'append -t x .holdfast.f.spool' \
		'update --init=x .holdfast.f.batch cat'; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr atomic-$tool
		[ "$status" = 65 ]
		[[ $stderr == *'is a name that holdfast reserves for its own files' ]]
	done
	ln -s .holdfast.f.bak link
	run -65 atomic-write link echo new
	run -65 atomic-write --symlink f .holdfast.g.tmp
	no_litter
	[ "$(cat f)" = old ]
	run -0 lock-run .holdfast.f.lock true
}

@test "runs without findings under sanitizers" {
	PATH=$HF_ASAN_BIN:$PATH
	echo one | atomic-write -b --mode=g+w --validate 'cat "$1" >/dev/null' f
	atomic-write --print f echo two
	run -3 atomic-write f sh -c 'exit 3'
	run -65 atomic-write f </dev/null
	atomic-write --symlink f l
	[ "$(cat l)" = two ]
}
