#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# The protocols as models: spin(1) goes through every order of their steps. A model that finds
# nothing shows something only if it finds the errors that are put into it.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# explore MODEL [-DVARIANT...]: leaves what the search says in $output.
explore() {
	local model=$HF_TOP/tests/model/$1.pml
	shift
	spin "$@" -a "$model" >/dev/null
	cc -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c
	run timeout 120 ./pan -m200000
	[[ $output != *'max search depth too small'* ]]
	[[ $output != *'out of memory'* ]]
}

holds() {
	explore "$@"
	[[ $output == *'errors: 0'* ]]
	# it is no model of nothing
	[ "$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' <<<"$output")" -gt 100000 ]
}

fails() {
	explore "$@"
	[[ $output == *'assertion violated'* ]]
}

@test "dotlock: never two holders, PATH never empty while one holds, nobody left waiting" {
	holds dotlock
}

@test "dotlock: a program that breaks the rule does not make two holders" {
	holds dotlock -DFOREIGN
}

@test "dotlock: found, if nobody looks again after locking" {
	fails dotlock -DNO_RECHECK
}

@test "dotlock: found, if it is judged without the lock" {
	fails dotlock -DNO_FLOCK
}

@test "dotlock: found, if the stale one is removed and then the new one linked" {
	fails dotlock -DNO_FLOCK -DUNLINK
}

@test "record: row, file, index and commit agree, whatever happens; nothing of the user's is lost" {
	holds record
}

@test "record: found, if the ref comes before the index" {
	fails record -DREF_FIRST
}

@test "record: found, if the intent is deleted before the ref is moved" {
	fails record -DFORGET_FIRST
}

@test "record: found, if the file comes before the COMMIT" {
	fails record -DFILE_FIRST
}

@test "record: found, if the ref is moved without a look" {
	fails record -DNO_SWAP
}

@test "record: found, if the file or the COMMIT is not synced" {
	fails record -DNO_SYNC
	fails record -DLAZY_COMMIT
}

@test "record: found, if two recover at a time" {
	fails record -DNO_TURNSTILE
}

@test "keeper: no lock lost, none left for ever, no two who work" {
	holds keeper
}

@test "keeper: found, if the starter's early death is not looked for" {
	fails keeper -DNO_PARENT_CHECK
}

@test "keeper: found, if the handle need not be known" {
	fails keeper -DNO_LEAVE
}

@test "keeper: found, if release is said before it is done" {
	fails keeper -DSAY_FIRST
}

@test "keeper: found, if what was lent is unlocked" {
	fails keeper -DUNLOCK
}
