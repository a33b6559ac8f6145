#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# The protocols as models: spin(1) goes through every order of their steps. A model that finds
# nothing shows something only if it finds the errors that are put into it.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# explore -On MODEL [-DVARIANT...]: leaves what the search says in $output. Where an error is found
# soon, compiling takes longer than searching.
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

stands_still() {
	explore -O1 "$@"
	[[ $output == *'invalid end state'* && $output == *'errors: 1'* ]]
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

@test "mark: each equal record is there once, beside appends, rotation and restored copies" {
	holds mark
	holds mark -DABSENT
	holds mark -DRESTORE
}

@test "mark: found, if an append is known by its content, or the mark's content is used" {
	fails mark -DBY_CONTENT
	fails mark -DUSE_CONTENT
}

@test "mark: found, if the mark is not durable, or not there, before the COMMIT" {
	fails mark -DNO_MARK_SYNC
	fails mark -DMARK_LATE
}

@test "mark: found, if the intent is deleted before the new file is durable" {
	fails mark -DFORGET_FIRST
}

@test "mark: found, if the mark is removed by recovery, or by another program" {
	fails mark -DUNLINK_FIRST
	fails mark -DOTHERS_CLEAN
}

@test "mark: found, if a file that was moved away or created is replaced all the same" {
	fails mark -DRENAME
	fails mark -DABSENT -DREPLACE_ABSENT
}

@test "mark: found, if recovery does not correct the intent" {
	fails mark -DNO_CORRECT
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

@test "append: what is acknowledged is in, once, and durable; nobody waits for ever" {
	holds append
}

@test "append: so it is if one writes in place, and the others replace" {
	holds append -DIN_PLACE=0
}

@test "append: found, if DONE is marked before the rename, or before the sync" {
	fails append -DDONE_FIRST
	fails append -DNO_SYNC
}

@test "append: found, if PREPARED is marked after the rename" {
	fails append -DPREPARED_LATE
}

@test "append: beside a process that replaces the file, too, which settles first" {
	holds append -DUPDATE -DN=2
	holds append -DUPDATE -DN=2 -DIN_PLACE=0
}

@test "append: found, if that process does not settle" {
	fails append -DUPDATE -DN=2 -DONLY_LOCKS
	fails append -DUPDATE -DN=2 -DONLY_LOCKS -DIN_PLACE=0
}

@test "append: found, if an owner judges a dead leader's work by the state that it saw before" {
	fails append -DLOOK_ONCE
}

@test "append: found, if the leader's mark is taken after CLOSED is marked" {
	fails append -DLATE_MARK
}

@test "append: found, if the next leader does not settle" {
	fails append -DNO_SETTLE
}

@test "append: found, if an owner gives up after handing over" {
	fails append -DJUST_GIVE_UP
}

@test "append: found, if owners are looked for before CLOSED is marked, or not at all" {
	fails append -DCLOSED_LATE
	fails append -DNO_JUDGE
}

@test "exchange: a log that is rotated does not come back, and another program's file is not lost" {
	explore -O1 exchange
	[[ $output == *'errors: 0'* ]]
}

@test "exchange: found, if it is a rename after a last look" {
	fails exchange -DRENAME
}

@test "exchange: found, if what was exchanged is not looked at, or not put back" {
	fails exchange -DNO_CHECK
	fails exchange -DNOT_BACK
}

@test "lockset: all parts at one instant, and no deadlock with a Git whose hook waits" {
	holds lockset
}

@test "lockset: so it is if the foreign parts are taken" {
	holds lockset -DFREEZE
}

@test "lockset: a deadlock, if turnstiles are held while the foreign lock is waited for" {
	stands_still lockset -DHOLD_AND_WAIT
}

@test "lockset: a deadlock, if the order is that of the names" {
	stands_still lockset -DBY_NAME
}

@test "lockset: a deadlock, if a nested one waits against the order" {
	stands_still lockset -DNO_REFUSAL
}

@test "lockset: a deadlock, if the database is kept while index.lock is waited for" {
	stands_still lockset -DFREEZE -DKEEP_FOREIGN
}

@test "lockset: found, if what was given back is not taken again" {
	fails lockset -DGO_ON
}

@test "lockset: found, if an index.lock is moved without proof" {
	fails lockset -DBY_AGE
}
