#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# The parsers of files on disk, fed with mutations of valid content. The same ones each time: `make
# fuzz` searches for others.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# fuzz FUZZER RUNS: it ends, and no promise is broken.
fuzz() {
	"$HF_TOP/tests/fuzz/seeds" "$1" corpus
	[ -n "$(ls corpus)" ]
	# files that are made and removed a thousand times a second need no disk
	[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
	run "$HF_BUILD/fuzz/fuzz/$1" -seed=1 -runs="$2" -max_len=6000 -timeout=10 \
		-artifact_prefix=./ corpus
	echo "$output" | tail -n 40
	[ "$status" = 0 ]
	[[ $output == *'DONE'* ]]
}

@test "no parser reads beyond its input, or accepts invalid input" { fuzz parsers 300000; }
@test "a spool or batch of any sizes and offsets doubles and loses no record" { fuzz spool 4000; }
@test "the rows of an intent are parsed as documented, or refused" { fuzz intent 8000; }
@test "a damaged Git index is never taken for a whole one" { fuzz index 40000; }
@test "Git's small files and holdfast's beside them are read within bounds" { fuzz notes 6000; }
@test "counts every line of a file of statistics once" { fuzz stats 60000; }
