#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# The demo, small: its table is right, and its count notices a tool that is not.

demo=$HF_TOP/tests/demo/demo

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir tmp
	export TMPDIR=$PWD/tmp BUILD=$HF_BUILD DEMO_PACKAGES=8 DEMO_PIPELINE=4
}

# Of the row whose title is $1, the columns: acknowledged found lost torn doubled seconds.
row() {
	sed -n "s/^$1  *\([0-9. ]*\)\$/\1/p" <<<"$output" | tr -s ' '
}

# A build directory in which atomic-append runs the commands $1.
fake_append() {
	mkdir -p fake/bin
	ln -s "$HF_BIN"/* fake/bin/
	rm fake/bin/atomic-append
	printf '#!/bin/sh\nreal=%s/atomic-append\n%s\n' "$HF_BIN" "$1" >fake/bin/atomic-append
	chmod +x fake/bin/atomic-append
	export BUILD=$PWD/fake
}

bats_require_minimum_version 1.5.0
load rig/require

@test "keeps every record exactly once while appending scripts are killed" {
	DEMO_PACKAGES=60 run "$demo"
	[ "$status" = 0 ]
	[[ $(row holdfast) =~ ^180\ 180\ 0\ 0\ 0\ [0-9.]+$ ]]
	[[ $(row 'ad hoc shell') =~ ^180\ [0-9]+\ [0-9]+\ [0-9]+\ [0-9]+\ [0-9.]+$ ]]
	[[ $output =~ 180\ of\ 180\ acknowledged,\ ([0-9]+)\ killed ]]
	((BASH_REMATCH[1] > 0))
	[ -z "$(ls tmp)" ]
}

@test "keeps note, line, row and commit in agreement while recording scripts are killed" {
	DEMO_PIPELINE=16 DEMO_PACKAGES=16 run "$demo"
	[ "$status" = 0 ]
	[[ $output =~ atomic-record\ +16\ +16\ +16\ +16\ +0\ +0\ +[0-9.]+ ]]
	[[ $output =~ flock\ sqlite3\ git\ +[0-9]+\ +[0-9]+\ +[0-9]+ ]]
	[ -z "$(ls tmp)" ]
}

@test "detects a tool that leaves out the row" {
	fake_append 'exec "$real" "$@"'
	rm fake/bin/atomic-record
	printf '#!/bin/sh\n%s/atomic-record "$@" && sqlite3 db "DELETE FROM t WHERE rowid = 1"\n' \
		"$HF_BIN" >fake/bin/atomic-record
	chmod +x fake/bin/atomic-record
	run "$demo"
	[ "$status" = 1 ]
}

@test "detects a tool that loses records" {
	fake_append 'exit 0'
	run "$demo"
	[ "$status" = 1 ]
	[[ $(row holdfast) == '24 16 8 0 0 '* ]]
}

@test "detects a tool that doubles records" {
	fake_append '"$real" "$@" && "$real" "$@"'
	run "$demo"
	[ "$status" = 1 ]
	[[ $(row holdfast) =~ ^24\ 24\ 0\ 0\ [1-9] ]]
}

@test "detects a tool that tears records" {
	fake_append '"$real" -t "${2%?}" ledger'
	run "$demo"
	[ "$status" = 1 ]
	[[ $(row holdfast) =~ ^24\ 16\ 8\ [1-9][0-9]*\ 0 ]]
}

@test "ends when the tool always fails" {
	fake_append 'exit 74'
	run "$demo"
	[ "$status" = 1 ]
	[[ $output == *'gave up on the line of '* ]]
	[ -z "$(ls tmp)" ]
}

@test "records the project's commits when dpkg has no list" {
	require_mount
	mkdir -p project/tests
	cp -r "$HF_TOP/tests/demo" project/tests/
	git -C project init -q
	git -C project config user.name N
	git -C project config user.email e@x
	for i in 1 2 3; do
		git -C project commit -q --allow-empty -m "change $i"
	done
	run unshare -m sh -c 'mount -t tmpfs none /var/lib/dpkg && exec project/tests/demo/demo'
	[ "$status" = 0 ]
	[[ $output == *'share 3 commits of '*/project:* ]]
	[[ $(row holdfast) == '9 9 0 0 0 '* ]]
}

@test "leaves no process and no file when a signal ends it" {
	mkfifo lines
	DEMO_PACKAGES=400 "$demo" >lines 3>&- &
	pid=$!
	exec 5<lines
	until [[ ${line:-} == *acknowledged,* ]]; do read -r line <&5; done
	dir=$(echo "$TMPDIR"/holdfast-demo.*)
	[ -d "$dir" ]
	kill -TERM $pid
	wait $pid || status=$?
	[ "$status" = 143 ]
	[ -z "$(ls tmp)" ]
	run ! grep -qsz "^HOLDFAST_DEMO=$dir\$" /proc/[0-9]*/environ
}

@test "refuses bad input" {
	DEMO_PACKAGES=many run "$demo"
	[ "$status" = 64 ]
	BUILD=$PWD/nothing run "$demo"
	[ "$status" = 66 ]
	[[ $output == *'run make first' ]]
}
