#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# The protocols as models: spin(1) goes through every order of their steps. A model that finds
# nothing shows something only if it finds the errors that are put into it.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# explore -On MODEL [-DVARIANT...]: leaves the output of the search in $output. If an error is
# found soon, compiling takes longer than searching.
explore() {
	local optimise=$1 model=$HF_TOP/tests/model/$2.pml
	shift 2
	spin "$@" -a "$model" >/dev/null
	cc "$optimise" -w -DSAFETY -DCOLLAPSE -o pan pan.c
	run timeout 120 ./pan -m200000
	[[ $output != *'max search depth too small'* ]]
	[[ $output != *'out of memory'* ]]
}

holds() {
	explore -O2 "$@"
	[[ $output == *'errors: 0'* ]]
	# it is no model of nothing
	[ "$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' <<<"$output")" -gt 100000 ]
}

fails() {
	explore -O0 "$@"
	[[ $output == *'assertion violated'* ]]
}

deadlocks() {
	explore -O1 "$@"
	[[ $output == *'invalid end state'* && $output == *'errors: 1'* ]]
}

@test "dotlock: never two holders, PATH never empty while one holds, every waiter is served" {
	holds dotlock
}

@test "dotlock: a program that breaks the rule does not lead to two holders" {
	holds dotlock -DFOREIGN
}

@test "dotlock: finds an error if the path is not rechecked after locking" {
	fails dotlock -DNO_RECHECK
}

@test "dotlock: finds an error if the file is judged without the lock" {
	fails dotlock -DNO_FLOCK
}

@test "dotlock: finds an error if the stale one is removed before the new one is linked" {
	fails dotlock -DNO_FLOCK -DUNLINK
}

@test "record: row, file, index and commit always agree, and no change of the user's is lost" {
	holds record
}

@test "record: finds an error if the ref is moved before the index" {
	fails record -DREF_FIRST
}

@test "record: finds an error if the intent is deleted before the ref is moved" {
	fails record -DFORGET_FIRST
}

@test "record: finds an error if the file is changed before the COMMIT" {
	fails record -DFILE_FIRST
}

@test "record: finds an error if the ref is moved without a comparison" {
	fails record -DNO_SWAP
}

@test "record: finds an error if the file or the COMMIT is not synced" {
	fails record -DNO_SYNC
	fails record -DLAZY_COMMIT
}

@test "record: finds an error if two processes recover concurrently" {
	fails record -DNO_TURNSTILE
}

@test "mark: appends each equal record once, beside appends, rotation and restored copies" {
	holds mark
	holds mark -DABSENT
	holds mark -DRESTORE
}

@test "mark: finds an error if content identifies an append, or the mark's content is used" {
	fails mark -DBY_CONTENT
	fails mark -DUSE_CONTENT
}

@test "mark: finds an error if the mark is absent or not durable before the COMMIT" {
	fails mark -DNO_MARK_SYNC
	fails mark -DMARK_LATE
}

@test "mark: finds an error if the intent is deleted before the new file is durable" {
	fails mark -DFORGET_FIRST
}

@test "mark: finds an error if recovery or another program removes the mark" {
	fails mark -DUNLINK_FIRST
	fails mark -DOTHERS_CLEAN
}

@test "mark: finds an error if a file that was moved away or created is replaced" {
	fails mark -DRENAME
	fails mark -DABSENT -DREPLACE_ABSENT
}

@test "mark: finds an error if recovery does not correct the intent" {
	fails mark -DNO_CORRECT
}

@test "keeper: no lock is lost or held indefinitely, and never two processes work" {
	holds keeper
}

@test "keeper: finds an error if an early death of the starter is not checked" {
	fails keeper -DNO_PARENT_CHECK
}

@test "keeper: finds an error if the handle need not be known" {
	fails keeper -DNO_LEAVE
}

@test "keeper: finds an error if the release is reported before it is done" {
	fails keeper -DSAY_FIRST
}

@test "keeper: finds an error if a lent descriptor is unlocked" {
	fails keeper -DUNLOCK
}

@test "append: acknowledged records are in once and durable, and no process waits indefinitely" {
	holds append
}

@test "append: the same holds if one appender writes in place and the others replace" {
	holds append -DIN_PLACE=0
}

@test "append: finds an error if DONE is marked before the rename, or before the sync" {
	fails append -DDONE_FIRST
	fails append -DNO_SYNC
}

@test "append: finds an error if PREPARED is marked after the rename" {
	fails append -DPREPARED_LATE
}

@test "append: the same holds beside a process that replaces the file and recovers first" {
	holds append -DUPDATE -DN=2
	holds append -DUPDATE -DN=2 -DIN_PLACE=0
}

@test "append: finds an error if that process does not recover" {
	fails append -DUPDATE -DN=2 -DONLY_LOCKS
	fails append -DUPDATE -DN=2 -DONLY_LOCKS -DIN_PLACE=0
}

@test "append: finds an error if a submitter judges a dead leader's work by an outdated state" {
	fails append -DLOOK_ONCE
}

@test "append: finds an error if the leader's mark is taken after CLOSED is marked" {
	fails append -DLATE_MARK
}

@test "append: finds an error if the next leader does not recover" {
	fails append -DNO_SETTLE
}

@test "append: finds an error if a submitter withdraws after handing over" {
	fails append -DJUST_GIVE_UP
}

@test "append: finds an error if submitters are checked before CLOSED is marked, or not at all" {
	fails append -DCLOSED_LATE
	fails append -DNO_JUDGE
}

@test "exchange: a rotated log does not come back, and another program's file is not lost" {
	explore -O1 exchange
	[[ $output == *'errors: 0'* ]]
}

@test "exchange: finds an error if a last check and a rename replace the exchange" {
	fails exchange -DRENAME
}

@test "exchange: finds an error if the exchanged file is not checked, or not put back" {
	fails exchange -DNO_CHECK
	fails exchange -DNOT_BACK
}

@test "lockset: all parts are held at one instant, without a deadlock with a Git hook" {
	holds lockset
}

@test "lockset: the same holds if the external locks are taken" {
	holds lockset -DFREEZE
}

@test "lockset: finds a deadlock if turnstiles are held during a wait for an external lock" {
	deadlocks lockset -DHOLD_AND_WAIT
}

@test "lockset: finds a deadlock if the order is that of the names" {
	deadlocks lockset -DBY_NAME
}

@test "lockset: finds a deadlock if a nested process waits against the order" {
	deadlocks lockset -DNO_REFUSAL
}

@test "lockset: finds a deadlock if the database is kept during a wait for index.lock" {
	deadlocks lockset -DFREEZE -DKEEP_FOREIGN
}

@test "lockset: finds an error if released locks are not taken again" {
	fails lockset -DGO_ON
}

@test "lockset: finds an error if an index.lock is moved without proof" {
	fails lockset -DBY_AGE
}
