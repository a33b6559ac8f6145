#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# Kept locks, with lock-acquire and its keeper killed, stopped and failed at every call of the fault
# table, until the keeper has released; lock-renew and lock-release likewise. A process with a
# handle has the lock until release says otherwise, and no other process has it until then.
# Afterwards the lock is free in every case.
#
# The owner is this test, which lives: nothing ends by its end.
#
# Of long loops, a sample of the calls; with EVERY=1 in the environment, all of them.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	here=$PWD
	mkfifo never
	file=L options=()
}

# Call numbers of lock-acquire, and from 1001 of its keeper, until it has released.
count_calls() {
	fresh
	HOLDFAST_FAULT_LOG=$here/calls acquire && [ "$status" = 0 ]
	lock-release "$handle"
	await_end
	cut -d ' ' -f 1 "$here/calls" | sort -nu
}

fresh() {
	rm -rf "$here/scene"
	mkdir "$here/scene"
	cd "$here/scene"
	[ ! -e "$here/template" ] || cp -R "$here/template/." .
}

# Leaves status, handle and keeper, its PID or nothing.
acquire() {
	status=0
	timeout 20 "$HF_FAULT_BIN/lock-acquire" --owner $$ -w 20 "${options[@]}" "${locks[@]}" \
		>"$here/handle" 2>"$here/said" 3>&- || status=$?
	handle=$(cat "$here/handle")
	keeper=$(cut -d - -f 2 <<<"$handle")
}

# Process $1 is in state $2, proc(5).
is_in() { [[ "$(cat "/proc/$1/stat" 2>/dev/null)" == *') '$2* ]]; }

# The keeper is gone.
await_end() {
	local end=$((SECONDS + 20))
	while [ -n "$keeper" ] && [ -e "/proc/$keeper" ]; do
		! is_in "$keeper" Z || return 0
		((SECONDS < end)) || return 1
	done
}

nothing_left() { [ -z "$(find . -name '.holdfast.*' -o -name '*.lock')" ]; }

# A process holds it; flock(1) borrows nothing. A turnstile that was never created is free.
is_held() { [ -e "$file" ] && ! flock -n "$file" true; }

# It is available and usable: nothing is frozen any more.
is_free() {
	[ ! -e "$file" ] || flock -w 20 "$file" true || return 1
	lock-run -w 20 "${locks[@]}" true || return 1
	[ ! -e D ] || return 1
	[ ! -e db ] || sqlite3 -cmd '.timeout 10000' db 'INSERT INTO t VALUES (1)' || return 1
	[ ! -e r ] || git -C r add f || return 1
	nothing_left
}

# After acquire: its status and that of release are true, and then all is free.
judge() {
	local said=$status released=0 was_held=no
	case $said in
	0)
		[ -n "$handle" ] || return 1
		! is_held || was_held=yes
		lock-release "$handle" 2>>"$here/said" || released=$?
		# released, or lost: never "lost" while it was held, but for a keeper that dies now
		case $released in
		0) [ "$was_held" = yes ] || return 1 ;;
		1) ;;
		75 | 71)
			# it received nothing, or could not answer: ask again
			released=0
			lock-release "$handle" 2>>"$here/said" || released=$?
			[ "$released" -le 1 ] || return 1
			;;
		*) return 1 ;;
		esac
		await_end || return 1
		;;
	*)
		# killed at the very end, when the handle was known already
		[ -z "$handle" ] || lock-release "$handle" 2>>"$here/said" || released=$?
		[ "$released" -le 1 ] || return 1
		;;
	esac
	is_free
}

# faults FAULTS [N]: each call, each fault; every N-th time only, where there is no EVERY=1.
faults() {
	local n fault runs=0 lost=0 place=0 step=${EVERY:-${2:-1}}
	local -a calls
	mapfile -t calls < <(count_calls)
	((${#calls[@]} > 20))
	for n in "${calls[@]}"; do
		for fault in $1; do
			((++place % step == 0)) || continue
			fresh
			HOLDFAST_FAULT=$n:$fault acquire
			((runs += 1))
			((lost += status != 0)) || :
			judge || {
				echo "call $(grep "^$n " "$here/calls"), $fault: status $status"
				cat "$here/said"
				ls -la
				false
			}
		done
	done
	echo "$runs runs, $lost refused or killed"
	((lost > 0))
}

@test "a file lock survives a fault at every call" {
	locks=(--file L)
	faults 'kill EIO ENOMEM EINTR EAGAIN'
}

@test "a file lock and a dotlock survive a fault at every call" {
	locks=(--file L --dotlock D)
	faults 'kill EIO EINTR'
}

# Run "$@" while the keeper, where it stops, is continued.
continued() {
	local ended=0
	while [ -e "/proc/$keeper" ] && ! is_in "$keeper" Z; do
		! is_in "$keeper" T || kill -CONT "$keeper"
		read -r -t 0.01 <>"$here/never" || :
	done 3>&- &
	"$@" || ended=$?
	wait $!
	return $ended
}

# keeperd/K2: at every call the keeper is stopped, its starter killed, and the keeper continued.
@test "frees every lock when the starter is killed at any call of the keeper (keeperd/K2)" {
	locks=(--file L --dotlock D)
	local n starter end left=0
	local -a calls
	mapfile -t calls < <(count_calls | awk '$1 > 1000')
	((${#calls[@]} > 20))
	for n in "${calls[@]}"; do
		fresh
		keeper=''
		HOLDFAST_FAULT=$n:stop "$HF_FAULT_BIN/lock-acquire" --owner $$ "${locks[@]}" \
			>"$here/handle" 2>"$here/said" 3>&- &
		starter=$!
		end=$((SECONDS + 20))
		until [ -n "$keeper" ] && is_in "$keeper" T; do
			# once it has said that it holds, it may stop without its starter
			[ -s "$here/handle" ] && ! is_in $starter '[RSDT]' && break
			read -r keeper _ <"/proc/$starter/task/$starter/children" || :
			((SECONDS < end))
		done 2>/dev/null
		kill -KILL $starter 2>/dev/null || :
		status=0
		wait $starter 2>/dev/null || status=$?
		handle=$(cat "$here/handle")
		keeper=${keeper:-$(cut -d - -f 2 <<<"$handle")}
		if [ "$status" = 0 ]; then
			# it is to stop when it is asked, or gives back
			continued judge
			continue
		fi
		kill -CONT "$keeper"
		await_end
		is_free
		((left += 1))
	done
	((left > 20))
}

database() {
	mkdir "$here/template"
	sqlite3 "$here/template/db" 'CREATE TABLE t (x)'
	file=db-turnstile
}

repository() {
	git init -q "$here/template/r"
	echo >"$here/template/r/f"
	file=r/.git/holdfast/turnstile
}

@test "the lock of a database survives a fault at every call" {
	database
	locks=(--sqlite db)
	faults 'kill EIO EINTR' 7
}

@test "a frozen database survives a fault at every call, of the helper too" {
	database
	locks=(--sqlite-freeze db)
	faults 'kill EIO EINTR' 7
}

@test "the lock of a repository survives a fault at every call" {
	repository
	locks=(--git r)
	faults 'kill EIO EINTR' 7
}

@test "a frozen repository survives a fault at every call" {
	repository
	locks=(--git-freeze r)
	faults 'kill EIO EINTR' 7
}

# A live keeper does what it was asked, or does not; the lock is held all the time, and
# never said to be lost.
@test "lock-renew renews or changes nothing after a fault at every call" {
	locks=(--file L --dotlock D) options=(--ttl 1h)
	local n fault ended done=0 not=0
	for n in 1 2 3 4 5; do
		for fault in kill EIO ENOSPC EINTR EAGAIN; do
			fresh
			acquire
			ended=0
			HOLDFAST_FAULT=$n:$fault "$HF_FAULT_BIN/lock-renew" --ttl 9h "$handle" \
				2>"$here/said" || ended=$?
			is_held && [ "$(head -n 1 D)" = "$keeper" ]
			case $ended in
			0) [ "$(ttl)" -gt 30000 ] && ((done += 1)) ;;
			71 | 74 | 75 | 137) ((not += 1)) ;;
			*) false ;;
			esac || {
				echo "call $n, $fault: status $ended, ttl $(ttl)"
				cat "$here/said"
				false
			}
			lock-renew --ttl 9h "$handle"
			[ "$(ttl)" -gt 30000 ]
			judge
		done
	done
	echo "$done done, $not not"
	((done > 0 && not > 0))
}

# Seconds that are left to it.
ttl() { lock-status --json "$file" | jq '.holders[0].keeper.left | floor'; }

@test "lock-release succeeds only if the locks are free, after a fault at every call (keeperd/K3)" {
	locks=(--file L --dotlock D)
	local n fault ended freed=0 not=0
	for n in 1 2 3 4 5; do
		for fault in kill EIO ENOSPC EINTR EAGAIN; do
			fresh
			acquire
			ended=0
			HOLDFAST_FAULT=$n:$fault "$HF_FAULT_BIN/lock-release" "$handle" \
				2>"$here/said" || ended=$?
			case $ended in
			# keeperd/K3
			0) ! is_held && [ ! -e D ] && ((freed += 1)) ;;
			71 | 74 | 75 | 137) ((not += 1)) ;;
			*) false ;;
			esac || {
				echo "call $n, $fault: status $ended"
				cat "$here/said"
				false
			}
			# if it does not know, it learns the outcome when it asks again
			ended=0
			lock-release "$handle" 2>"$here/said" || ended=$?
			[ "$ended" -le 1 ]
			await_end
			is_free
		done
	done
	echo "$freed freed, $not not"
	((freed > 0 && not > 0))
}
