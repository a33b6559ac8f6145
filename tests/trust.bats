#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# Files that another user puts beside a target: they can disable a fast path, and never change the
# outcome. The users are real, by number: in no user database, which is the harder case.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	chmod 755 . ..
	mkfifo go at
	chmod 666 go at
	umask 022
}

EVE=41001 BOB=41002

as() { setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; }

# A directory in which all users can make files, with root's file log, which only root can write.
sticky() {
	mkdir -m 1777 d
	printf 'old\n' >d/log
	chmod "${1:-644}" d/log
}

# forge USER ARGUMENT...: as this user, a spool or batch in d; its maker lives until the test ends.
forge() {
	mkfifo "in.$BATS_TEST_NUMBER.${#forged[@]}"
	exec {keep}<>"in.$BATS_TEST_NUMBER.${#forged[@]}"
	rm -f made
	python3 "$HF_TOP/tests/rig/forge.py" -u "$1" "${@:2}" \
		<"in.$BATS_TEST_NUMBER.${#forged[@]}" >made 2>&1 3>&- {keep}>&- &
	forged+=($!)
	await test -s made
	[ "$(cat made)" = made ]
}
forged=()

end_forgers() {
	local pid
	for pid in "${forged[@]}"; do kill "$pid" 2>/dev/null || :; done
	forged=()
}

teardown() {
	end_forgers
	[ ! -d "$BATS_TEST_TMPDIR/disk" ] || umount -l "$BATS_TEST_TMPDIR/disk"
}

# The tool of the fault build, if a mend is taken out.
tool() {
	if [ -n "${without-}" ]; then
		HOLDFAST_WITHOUT=$without "$HF_FAULT_BIN/$1" "${@:2}"
	else
		"$1" "${@:2}"
	fi
}

# The function succeeds, and fails with the mend taken out.
needs() {
	without='' "$2"
	rm -rf d
	end_forgers
	without=$1
	run "$2"
	without=
	[ "$status" != 0 ]
}

forged_spool() {
	sticky
	forge $EVE d/.holdfast.log.spool open $'root ALL: forged\n' || return
	tool atomic-append -t honest d/log || return
	[ "$(cat d/log)" = $'old\nhonest' ]
}

@test "appends no record that an untrusted user put into a spool" {
	require_other_user
	needs trust forged_spool
}

@test "names the spool and its owner, once" {
	require_other_user
	sticky
	forge $EVE d/.holdfast.log.spool open x
	run --separate-stderr atomic-append --each-line d/log <<<$'a\nb'
	[ "$status" = 0 ]
	[ "$(cat d/log)" = $'old\na\nb' ]
	[ "$(grep -c "^atomic-append: ignoring '.holdfast.log.spool' beside 'd/log', of user $EVE" \
		<<<"$stderr")" = 1 ]
	run --separate-stderr atomic-append -q -t c d/log
	[ -z "$stderr" ]
}

forged_batch() {
	sticky
	seq 1000 >d/log
	forge $EVE d/.holdfast.log.batch in-place "$(cat d/log; echo more)" || return
	tool atomic-append -t honest d/log || return
	[ "$(cat d/log)" = "$(seq 1000; echo honest)" ]
}

@test "does not truncate the file by an untrusted user's batch" {
	require_other_user
	needs trust forged_batch
}

linked_batch() {
	sticky
	python3 "$HF_TOP/tests/rig/forge.py" -n log -t d/log -m 644 d/once in-place $'old\nx' \
		</dev/null
	ln d/once d/.holdfast.log.batch
	tool atomic-append -t honest d/log || return
	[ "$(cat d/log)" = $'old\nhonest' ]
}

@test "does not trust a file that has other names" {
	needs trust linked_batch
}

@test "does not trust a batch that was moved from another file's name" {
	require_other_user
	sticky 666
	forge $EVE -n other d/.holdfast.log.batch in-place $'old\nx'
	atomic-append -t honest d/log
	[ "$(cat d/log)" = $'old\nhonest' ]
}

# Some process waits for the lock of d/log.
waits_for_log() { grep -q -e "-> .*:$(stat -c %i d/log) " /proc/locks; }

handed_over() {
	local appender ended=0
	sticky 600
	forge $EVE d/.holdfast.log.spool open || return
	hold flock d/log
	tool atomic-append -w 5 -t 'password=hunter2' d/log 3>&- &
	appender=$!
	await waits_for_log || return
	if grep -q hunter2 d/.holdfast.log.spool; then
		kill "$appender"
		wait "$appender" || :
		let_go
		return 1
	fi
	let_go
	wait "$appender" || return
	[ "$(cat d/log)" = $'old\npassword=hunter2' ]
}

@test "hands no record over to an untrusted user" {
	require_other_user
	needs trust handed_over
}

# Beside any file that user $EVE creates, the tool does its work, soon, and reports what it ignores.
planted() {
	local what=$1 made=$2 holder=
	shift 2
	rm -rf d
	sticky 600
	case $made in
	locked)
		as $EVE flock -F d/.holdfast.log."$what" sh -c 'echo >at; read x <go' 3>&- &
		holder=$!
		hear
		;;
	fifo) as $EVE mkfifo -m 666 d/.holdfast.log."$what" ;;
	directory) as $EVE mkdir -p d/.holdfast.log."$what"/x ;;
	link) as $EVE ln -s /etc/passwd d/.holdfast.log."$what" ;;
	damaged)
		python3 "$HF_TOP/tests/rig/forge.py" -u $EVE -d d/.holdfast.log."$what" open x \
			</dev/null
		;;
	esac
	status=0
	timeout 5 "$@" >said 2>&1 || status=$?
	[ -z "$holder" ] || let_go || :
	[ "$status" = 0 ] || {
		echo "$what $made, $*: $status: $(cat said)"
		return 1
	}
	[ ! -s said ] || grep -q "ignoring '.holdfast.log.$what' beside" said
}

@test "is not affected by another user's FIFO, link, directory, locked or damaged file" {
	require_other_user
	local made what
	for made in locked fifo directory link damaged; do
		for what in spool batch append tmp; do
			planted $what $made atomic-append -w 2 -t new d/log
			[ "$(cat d/log)" = $'old\nnew' ]
			planted $what $made atomic-append -w 2 --in-place -t new d/log
			[ "$(cat d/log)" = $'old\nnew' ]
			planted $what $made atomic-update -w 2 d/log sed s/old/new/
			[ "$(cat d/log)" = new ]
		done
		for what in batch tmp bak; do
			planted $what $made atomic-write -w 2 -b d/log echo new
			[ "$(cat d/log d/log~)" = $'new\nold' ]
		done
		planted tmp $made atomic-write -w 2 --symlink new d/log
		[ "$(readlink d/log)" = new ]
		planted dot $made lock-run -w 2 --dotlock d/lock -- true
		planted queue $made lock-run -w 2 --dotlock d/lock -- true
	done
}

@test "finds its own leftover under another name when the usual one is planted" {
	require_other_user
	local n what
	{ head -c 600000 /dev/zero | tr '\0' x && echo; } >big
	for what in batch tmp; do
		for n in {1..99}; do
			rm -rf d
			sticky 600
			as $EVE mkfifo d/.holdfast.log.$what
			HOLDFAST_FAULT=$n:kill "$HF_FAULT_BIN/atomic-append" -q --in-place d/log \
				<big 2>/dev/null && break
			atomic-append -q -t next d/log
			[ "$(grep -v xx d/log)" = $'old\nnext' ]
			[ "$(grep -c xx d/log)" -lt 2 ]
			[ "$(find d -name '.holdfast.*')" = d/.holdfast.log.$what ]
		done
		((n > 20 && n < 99))
		for n in {1..99}; do
			rm -rf d
			sticky 600
			as $EVE mkfifo d/.holdfast.log.$what
			HOLDFAST_FAULT=$n:kill "$HF_FAULT_BIN/atomic-write" -qb d/log <big \
				2>/dev/null && break
			atomic-write -qb d/log echo next
			[ "$(cat d/log)" = next ]
			[ "$(find d -name '.holdfast.*')" = d/.holdfast.log.$what ]
		done
		((n > 20 && n < 99))
	done
}

# Between reading the link and following it, its owner puts another file there.
exchanged_link() {
	local n writer
	sticky
	mkdir d/private
	echo config >d/private/config
	echo theirs >d/shared
	chmod 666 d/shared
	as $EVE ln -s private/config d/out
	(
		cd d || return
		HOLDFAST_FAULT_LOG=../calls HOLDFAST_FAULT= "$HF_FAULT_BIN/atomic-write" out \
			</dev/null
	) 2>/dev/null || :
	n=$(grep -n readlinkat calls | head -1 | cut -d : -f 1)
	rm calls
	cd d || return
	HOLDFAST_WITHOUT=$without HOLDFAST_FAULT=$((n + 1)):stop "$HF_FAULT_BIN/atomic-write" \
		out <<<root 3>&- 2>/dev/null &
	writer=$!
	cd ..
	await is_stopped $writer
	as $EVE sh -c 'rm d/out && ln d/shared d/out' || as $EVE rm d/out
	[ -e d/out ] || ln d/shared d/out
	kill -CONT $writer
	wait $writer || :
	[ "$(cat d/private/config)" = config ]
}

@test "follows a symbolic link only if a trusted user owned the link that it read" {
	require_other_user
	# the check before the rename would notice it, too
	needs link_fd,atomic_place exchanged_link
}

@test "follows no link of a user that the namespace does not map" {
	require_other_user
	sticky
	chmod 777 d && chmod +t d
	chown $BOB d
	ln -s log d/out
	chown -h $EVE d/out
	run unshare -U --map-root-user "$HF_BIN/atomic-write" d/out <<<new
	[ "$status" = 77 ]
	[ "$(cat d/log)" = old ]
}

spool_of_a_reader() {
	local appender
	mkdir d
	echo old >d/log
	hold flock d/log
	tool atomic-append -w 5 -t one d/log 3>&- &
	appender=$!
	await test -e d/.holdfast.log.spool
	[ "$(stat -c %a d/.holdfast.log.spool)" = 600 ]
	run as $EVE cat d/.holdfast.log.spool
	[ "$status" != 0 ]
	let_go
	wait "$appender"
}

@test "lets no reader of the file open its spool" {
	spool_of_a_reader
}

@test "a directory's default ACL does not open a spool" {
	local appender
	mkdir d
	echo old >d/log
	chmod 664 d/log
	setfacl -d -m u:$EVE:rwx d
	hold flock d/log
	atomic-append -w 5 -t one d/log 3>&- &
	appender=$!
	await test -e d/.holdfast.log.spool
	run as $EVE cat d/.holdfast.log.spool
	[ "$status" != 0 ]
	let_go
	wait "$appender"
	run as $EVE sh -c 'echo x >>d/log'
	[ "$status" != 0 ]
	[ "$(cat d/log)" = $'old\none' ]
}

# Appenders wait for a leader, while another process has the lock of the spool or the batch.
locked_by_another() {
	local name=$1 call=$2 leader waiter
	mkdir d
	echo old >d/log
	HOLDFAST_FAULT=$call:stop "$HF_FAULT_BIN/atomic-append" -t leader d/log 3>&- &
	leader=$!
	await is_stopped $leader
	timeout 20 atomic-append -w 10 -t waiter d/log 3>&- &
	waiter=$!
	await test -e d/.holdfast.log.spool
	if [ "$name" = batch ]; then
		kill -CONT $leader
		await test -e d/.holdfast.log.batch
		await is_stopped $leader
	fi
	flock -F d/.holdfast.log."$name" sh -c 'echo >at; read x <go' 3>&- &
	holder=$!
	hear
	kill -CONT $leader
	wait $leader
	wait $waiter
	echo >go
	wait $holder
	[ "$(sort d/log)" = $'leader\nold\nwaiter' ]
	atomic-append -t next d/log
	no_litter d
}

@test "does not wait for a spool that another process has locked" {
	locked_by_another spool 'copy_file_range#1'
	rm -rf d
	locked_by_another batch 'copy_file_range#1:stop,fsync#1'
}

# Stop a leader that has taken the waiter's record, at call $1. $2: the waiter's -w.
taken() {
	local call=$1 mode=${3-}
	rm -rf d
	mkdir d
	echo old >d/log
	hold flock d/log
	# shellcheck disable=SC2086
	HOLDFAST_FAULT=$call:stop "$HF_FAULT_BIN/atomic-append" $mode -w 20 -t leader d/log 3>&- &
	leader=$!
	await waits "$leader"
	# shellcheck disable=SC2086
	timeout 20 atomic-append $mode -w "$2" -t waiter d/log 2>said 3>&- &
	waiter=$!
	await grep -qs waiter d/.holdfast.log.spool
	let_go
	await is_stopped $leader
}

@test "exits with 79 and names a leader that is stopped with the record, which is in once" {
	local mode
	for mode in '' --in-place; do
		taken "$([ -n "$mode" ] && echo fdatasync || echo fsync)#1" 0.5 $mode
		ends_with 79 "$waiter"
		grep -q "cannot tell whether 'd/log' has the record: it was taken by PID $leader " \
			said
		grep -q 'which is stopped' said
		kill -CONT "$leader"
		wait "$leader"
		[ "$(sort d/log)" = $'leader\nold\nwaiter' ]
		no_litter d
	done
}

@test "the submitter writes the record when the leader dies with it, also after -w" {
	local mode
	for mode in '' --in-place; do
		taken "$([ -n "$mode" ] && echo fdatasync || echo fsync)#1" 5 $mode
		kill -KILL "$leader"
		wait "$leader" || :
		wait "$waiter"
		[ "$(grep -c waiter d/log)" = 1 ]
		no_litter d
	done
}

stopped_owner() {
	local leader first second
	mkdir d
	echo old >d/log
	hold flock d/log
	# it waits, and is stopped before it checks the state of its record
	atomic-append -w 20 -t first d/log 3>&- &
	first=$!
	await grep -qs first d/.holdfast.log.spool
	kill -STOP $first
	timeout 20 atomic-append -w 5 -t second d/log 3>&- &
	second=$!
	await grep -qs second d/.holdfast.log.spool
	let_go
	wait $second
	kill -CONT $first
	wait $first
	[ "$(sort d/log)" = $'first\nold\nsecond' ]
	no_litter d
}

@test "does not wait for a submitter that is stopped" {
	stopped_owner
}

@test "users who may both write a log share its spool, and recover each other's batches" {
	require_other_user
	local first second
	mkdir -m 2775 d
	chgrp 1500 d
	both() { setpriv --reuid "$1" --regid "$1" --groups 1500 "${@:2}"; }
	printf 'old\n' >d/log
	chgrp 1500 d/log
	chmod 664 d/log
	cd d
	flock -F log sh -c 'echo >../at; read x <../go' 3>&- &
	holder=$!
	(cd .. && hear)
	both $EVE "$HF_BIN/atomic-append" -w 20 -t eve log 2>../eve 3>&- &
	first=$!
	await grep -qs eve .holdfast.log.spool
	both $BOB "$HF_BIN/atomic-append" -w 20 -t bob log 2>../bob 3>&- &
	second=$!
	await grep -q bob .holdfast.log.spool
	echo >../go
	wait $first
	wait $second
	[ "$(sort log)" = $'bob\neve\nold' ]
	[ ! -s ../eve ] && [ ! -s ../bob ]
	printf 'old\n' >log
	both $EVE env HOLDFAST_FAULT=fdatasync#1:kill "$HF_FAULT_BIN/atomic-append" --in-place \
		-t dead log || :
	[ -e .holdfast.log.batch ]
	both $BOB "$HF_BIN/atomic-update" log sed s/old/new/ 2>../bob
	[ "$(cat log)" = $'new\ndead' ]
	[ ! -s ../bob ]
	no_litter
}

@test "exits with 77 where it needs the old content and cannot open a trusted user's batch" {
	require_other_user
	mkdir -m 1777 d
	printf 'old\n' >d/log
	chown $EVE d/log
	python3 "$HF_TOP/tests/rig/forge.py" -m 600 d/.holdfast.log.batch in-place x </dev/null
	cd d
	run as $EVE "$HF_BIN/atomic-update" log sed s/old/new/
	[ "$status" = 77 ]
	[[ $output == *.holdfast.log.batch* ]]
	run as $EVE "$HF_BIN/atomic-append" -t x log
	[ "$status" = 77 ]
	[ "$(cat log)" = old ]
	as $EVE "$HF_BIN/atomic-write" log <<<new
	[ "$(cat log)" = new ]
}

# shellcheck disable=SC2016
group_lost() {
	local mode=$1 wanted=$2
	rm -rf d
	mkdir -m 755 d
	chown $EVE d
	echo secret >d/log
	chown $EVE:4 d/log
	chmod "$mode" d/log
	as $EVE env HOLDFAST_WITHOUT="$without" "${bin:-$HF_BIN}/atomic-append" -t new d/log ||
		return
	[ "$(stat -c '%a %u %g' d/log)" = "$wanted $EVE $EVE" ]
}
lost_0640() { bin=${without:+$HF_FAULT_BIN} group_lost 640 600; }

@test "clears the permissions of a group that it cannot keep" {
	require_other_user
	needs group lost_0640
	group_lost 644 644
	group_lost 664 644
	group_lost 604 600
	group_lost 2750 700
}

@test "clears the ACL entry of a group that it cannot keep, and keeps the others" {
	require_other_user
	mkdir -m 755 d
	chown $EVE d
	echo secret >d/log
	chown $EVE:4 d/log
	chmod 660 d/log
	setfacl -m u:$BOB:r d/log
	cd d
	as $EVE "$HF_BIN/atomic-append" -t new log
	[ "$(getfacl -cn log | grep -v '^$')" = "$(
		printf '%s\n' user::rw- "user:$BOB:r--" group::--- mask::rw- other::---
	)" ]
	as $BOB cat log
	run setpriv --reuid 41003 --regid $EVE --clear-groups cat log
	[ "$status" != 0 ]
	# a backup that is a copy, and a spool, likewise
	chgrp 4 log
	chmod 640 log
	as $EVE env HOLDFAST_FAULT=linkat#1:EPERM "$HF_FAULT_BIN/atomic-write" -b log <<<newer
	[ "$(getfacl -cn log~ | grep group::)" = group::--- ]
}

torn_and_updated() {
	mkdir d
	echo old >d/log
	HOLDFAST_FAULT=write#3:kill "$HF_FAULT_BIN/atomic-append" --in-place d/log <big || :
	[ -e d/.holdfast.log.batch ] || return
	tool atomic-update d/log cat || return
	atomic-append -t next d/log
	[ "$(cat d/log)" = $'old\nnext' ]
}

@test "cuts a dead append's torn tail off before it creates new content from it" {
	head -c 600000 /dev/zero | tr '\0' x >big
	needs settle torn_and_updated
}

torn_and_rotated() {
	mkdir d
	echo old >d/log
	HOLDFAST_FAULT=write#3:kill "$HF_FAULT_BIN/atomic-append" --in-place d/log <big || :
	mv d/log d/log.1
	echo new >d/log
	tool atomic-append -t next d/log || return
	[ "$(cat d/log)" = $'new\nnext' ] || return
	[ "$(cat d/log.1)" = old ] || return
	no_litter d
}

@test "cuts a dead append's torn tail off in the rotated file" {
	head -c 600000 /dev/zero | tr '\0' x >big
	needs rotated torn_and_rotated
}

# A new file has the number of the one to which a dead leader's batch belongs, and its second line
# begins as the batch does.
torn_and_recreated() {
	local inode i
	mkdir d
	echo old >d/log
	inode=$(stat -c %i d/log)
	HOLDFAST_FAULT=write#3:kill "$HF_FAULT_BIN/atomic-append" --in-place d/log <big || :
	rm d/log
	for i in {1..100}; do
		printf 'new\nxxx' >"d/$i" || return
		[ "$(stat -c %i "d/$i")" != "$inode" ] || break
	done
	[ "$(stat -c %i "d/$i")" = "$inode" ] || return
	mv "d/$i" d/log
	tool atomic-append -t next d/log || return
	[ "$(cat d/log)" = $'new\nxxxnext' ] || return
	no_litter d
}

@test "identifies a file by more than its inode number" {
	require_loop
	# where no other process makes files, ext4 gives a number again at once
	truncate -s 8M image
	mkfs.ext4 -q image
	mkdir disk
	mount -o loop image disk
	head -c 600000 /dev/zero | tr '\0' x >disk/big
	(cd disk && needs generation torn_and_recreated)
}

# A leader in place is killed when it has written its record and another's, and before that other
# one a process that replaces the file has the lock.
replaced_between() {
	local leader between waiter
	mkdir d
	echo old >d/log
	hold flock d/log
	HOLDFAST_FAULT=fdatasync#1:stop "$HF_FAULT_BIN/atomic-append" --in-place -w 20 -t leader \
		d/log 3>&- &
	leader=$!
	await waits $leader
	HOLDFAST_WITHOUT=$without "$HF_FAULT_BIN/atomic-update" -w 20 d/log sed s/old/new/ 3>&- &
	between=$!
	await waits $between
	atomic-append --in-place -w 20 -t waiter d/log 3>&- &
	waiter=$!
	await waits $waiter
	await grep -qs waiter d/.holdfast.log.spool
	let_go
	await is_stopped $leader
	kill -KILL $leader
	wait $leader || :
	wait $between || return
	wait $waiter || return
	[ "$(sort d/log)" = $'leader\nnew\nwaiter' ] || return
	no_litter d
}

@test "does not repeat a dead leader's record after the file was replaced" {
	needs settle replaced_between
}

@test "atomic-write recovers after a dead append, and removes its files" {
	mkdir d
	echo old >d/log
	HOLDFAST_FAULT=fdatasync#1:kill "$HF_FAULT_BIN/atomic-append" --in-place -t x d/log || :
	[ -e d/.holdfast.log.batch ]
	atomic-write d/log <<<new
	[ "$(cat d/log)" = new ]
	no_litter d
}

# The file is moved away between the last check of its name and the rename.
moved_away() {
	local appender
	mkdir d
	echo old >d/log
	HOLDFAST_WITHOUT=$without HOLDFAST_FAULT=renameat2#1:stop "$HF_FAULT_BIN/atomic-append" \
		-t new d/log 3>&- &
	appender=$!
	await is_stopped $appender
	mv d/log d/log.1
	kill -CONT $appender
	wait $appender || return
	[ "$(cat d/log.1)" = old ] || return
	[ "$(cat d/log)" = new ] || return
	no_litter d
}

@test "a log that is rotated in the last instant does not come back with its old records" {
	needs exchange moved_away
}

@test "does not lose a file that another program puts there in the last instant" {
	local appender
	mkdir d
	echo old >d/log
	echo theirs >d/other
	HOLDFAST_FAULT=renameat2#1:stop "$HF_FAULT_BIN/atomic-append" -t new d/log 3>&- &
	appender=$!
	await is_stopped $appender
	mv d/other d/log
	kill -CONT $appender
	wait $appender
	[ "$(cat d/log)" = $'theirs\nnew' ]
	no_litter d
}

# The queue of a dotlock is locked by a process that is not its head.
blocked_queue() {
	local blocker waiter
	mkdir d
	hold lock-run --dotlock d/lock
	: >d/.holdfast.lock.queue
	mkfifo d/go d/at
	flock -F d/.holdfast.lock.queue sh -c 'echo >d/at; read x <d/go' 3>&- &
	blocker=$!
	read -r _ <d/at
	HOLDFAST_WITHOUT=$without "$HF_FAULT_BIN/lock-run" -w 6 --dotlock d/lock -- true 3>&- &
	waiter=$!
	await waits $waiter
	let_go
	status=0
	wait $waiter || status=$?
	echo >d/go
	wait $blocker
	[ "$status" = 0 ]
}

@test "takes a free dotlock, whichever process has the lock of its queue" {
	needs moot blocked_queue
}
