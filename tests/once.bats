#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# Each acknowledged line exactly once, over a file and its rotated predecessors: ordinary builds
# under SIGKILL at random instants (tests/rig/stress.c); records of equal lines; and a leader of
# appends and an atomic-record, killed at each of their calls, while another program changes the
# file before the waiters reach it (tests/rig/once.py).
#
# With EVERY=1 in the environment, each mixture runs five times for 30 s, and must show at least 200
# deaths of a process that held the lock and 50 recovered batches; and the loops leave nothing out.

bats_require_minimum_version 1.5.0
load rig/rig
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	export GIT_CONFIG_NOSYSTEM=1
	git config --global user.name n
	git config --global user.email n@example.org
	git config --global init.defaultBranch main
}

# Print a line of a table, and show it while the tests run, too.
row() {
	echo "$*"
	[ -z "${EVERY-}" ] || echo "# $*" >&3
}

# -------------------------------------------------------------------------------------------------
# Random instants

# stress OPTION...: killed at random. Five runs differ in which lines are equal.
stress() {
	local lines

	if [ -z "${EVERY-}" ]; then
		run "$HF_RIG/stress" -s 3 -D 3 -n 3 -x "$@" "$HF_BIN"
		row "$output"
		[ "$status" = 0 ]
		return
	fi
	for lines in '-n 3 -x' '-n 3 -x' '-n 1 -x' '-n 0' '-n 3'; do
		# shellcheck disable=SC2086
		run "$HF_RIG/stress" -s 30 -D 200 -B 50 $lines "$@" "$HF_BIN"
		row "$output"
		[ "$status" = 0 ] || return
	done
}

@test "appends in place: each line is there once" {
	stress -m iiiiiiii -r 300
}

@test "appends: each line is there once" {
	stress -m aaaaaaaa -r 300
}

@test "appends in place and by replacement: each line is there once" {
	stress -m iiiiaaaa -r 300
}

@test "appends and atomic-update: each line is there once" {
	stress -m iiiaauuu -r 300
}

@test "appends and atomic-write --if-match: each line is there once" {
	stress -m iiiaawww -r 300
}

@test "appends and atomic-record: each line is there once" {
	stress -m iiaarrrr -r 300
}

@test "all tools that change a file, and records with commits: each line is there once" {
	stress -m iiaauwrr -r 300
	stress -m iiaauwgg -r 300
}

@test "appends and records, while a copy replaces the file: each line is there once" {
	stress -m aaaarrrr -r 500 -c 150
}

@test "finds wrong lines in the same run when recovery is left out" {
	HOLDFAST_WITHOUT=settle run "$HF_RIG/stress" -m iiiaauuu -s "${EVERY:+2}5" -r 300 -n 0 \
		"$HF_FAULT_BIN"
	row "$output"
	[ "$status" = 1 ]
	[[ $output == *WRONG* ]]
}

# -------------------------------------------------------------------------------------------------
# Concurrent records

# recorders N GIT EQUAL: N concurrent runs, at a ledger that is absent, with Git or not, of equal
# lines or not: all succeed, and every line is there.
recorders() (
	local i n=$1 git=()

	rm -rf r
	mkdir r
	cd r || return
	if [ "$2" = git ]; then
		git init -q .
		git=(--git . -m record)
	fi
	for ((i = 1; i <= n; i++)); do
		echo "line $([ "$3" = equal ] || echo "$i")" >"../line.$i"
		record "$i" "${git[@]}" 3>&- &
	done
	wait
	cat said ../line.* >&2
	[ "$(sort -u status.*)" = 0 ]
	[ "$(cat status.* | wc -l)" = "$n" ]
	cat ../line.* | sort | diff - <(sort led)
	[ -z "$(atomic-record --recover --dry-run --json --sqlite db)" ]
	if [ "$2" = git ]; then
		[ "$(git rev-list --count HEAD)" = "$n" ]
		git show HEAD:led | diff - led
		[ -z "$(git status --porcelain led)" ]
	fi
	no_litter
)
record() {
	local status=0

	atomic-record -q -w 60 --sqlite db --append "led=../line.$1" "${@:2}" 2>>said || status=$?
	echo $status >"status.$1"
}

@test "concurrent records in an absent ledger succeed, and every line is there" {
	local n git lines round rounds=1
	[ -z "${EVERY-}" ] || rounds=20
	for n in 8 20; do
		for git in git none; do
			for lines in equal different; do
				for ((round = 1; round <= rounds; round++)); do
					rm -f line.*
					recorders "$n" "$git" "$lines"
				done
				row "$n recorders, Git: $git, $lines lines: $rounds rounds"
			done
		done
	done
}

# -------------------------------------------------------------------------------------------------
# Known instants

# once N WHAT...: tests/rig/once.py at every N-th place, on an ext4 in memory: the cost of a sync
# does not matter, but the file system must reuse a free inode number.
once() {
	local n=${EVERY:-$1}

	run unshare -m sh -c '
		mount -t tmpfs none . && cd "$PWD" && truncate -s 300M image &&
			mkfs.ext4 -q image && mkdir disk && mount -o loop image disk && cd disk &&
			exec "$@"' sh "$HF_TOP/tests/rig/once.py" -e "1/$n" "${@:2}"
	row "$output"
	[ "$status" = 0 ]
}

@test "keeps each line once when a leader is killed and another program precedes the waiters" {
	require_loop
	once 3 leader
}

@test "keeps each line once when the file changes before a dead leader's waiter checks again" {
	require_loop
	once 9 waiter
}

@test "keeps each line once when a record is killed and the file changes before recovery" {
	require_loop
	once 3 record
}

@test "keeps each line once when an equal line is appended between a kill and recovery" {
	require_loop
	once 31 -v syscalls
}

@test "finds wrong lines in the loops when recovery is left out" {
	require_loop
	HOLDFAST_WITHOUT=settle run -1 once 5 leader
	[[ $output == *WRONG* ]]
}
