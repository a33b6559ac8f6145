#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# The parsers, fed with a million mutations of what they know. The same ones each time: what is to
# be found by others is looked for by `make fuzz`.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# Seeds: the parser's number, and what it understands.
seeds() {
	mkdir corpus
	lock-run --dotlock d cp d record
	{ printf '\0'; cat record; } >corpus/record
	printf '\0  4711\n' >corpus/plain
	{ printf '\1'; echo '12: -> FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF'; } >corpus/locks
	printf '\2'1h30m10.5s >corpus/duration
	printf '\3a\tb\xc3\xa9\x9b\n' >corpus/name
	printf '\0041.5MiB' >corpus/size
	{
		printf '\6'
		printf 'holdfast-stats-1 1764067323412 lock-run 4711 file taken 1 12 34 0 /a\\x20b'
	} >corpus/stats
	{ printf '\5'; sha256sum record | cut -c-64 | tr -d '\n'; } >corpus/hash
}

@test "no parser reads beyond its input, or understands what it should not" {
	seeds
	run "$HF_BUILD/fuzz/fuzz/parsers" -seed=1 -runs=300000 -max_len=6000 -timeout=10 \
		-artifact_prefix=./ corpus
	echo "$output" | tail -n 40
	[ "$status" = 0 ]
	[[ $output == *'DONE'* ]]
}
