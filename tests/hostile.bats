#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# The hostile neighbour: a file that a second user puts beside a target never decides the outcome of
# the call (tests/rig/hostile.py, docs/security.md).
#
# A sample, in which each pair of a tool, a name, a plant and a place is; with EVERY=1 in the
# environment, all of it, which takes an hour.

bats_require_minimum_version 1.5.0
load rig/common

page=$HF_TOP/docs/security.md

setup() {
	cd "$BATS_TEST_TMPDIR"
	[ "$(id -u)" = 0 ] || skip 'needs root'
	unshare -m true 2>/dev/null || skip 'needs a mount namespace'
}

hostile() {
	run "$HF_TOP/tests/rig/hostile.py" ${EVERY:+-a} "$@" "$page"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *' cells, 0 wrong'* ]]
}

@test "a planted name can only disable a fast path: files" { hostile -t 'atomic-[wau]*'; }
@test "a planted name can only disable a fast path: locks" { hostile -t 'lock-*'; }
@test "a planted name can only disable a fast path: databases" { hostile -t 'sqlite-*'; }
@test "a planted name can only disable a fast path: records" { hostile -t 'atomic-record*'; }

@test "docs/security.md lists every name that the tools create or read beside a target" {
	run "$HF_TOP/tests/rig/hostile.py" --names "$page"
	echo "$output"
	[ "$status" = 0 ]
}

# The names, and beginnings of names, in string literals; the text after a % is left off. Not
# names: tables, statistics, settings, files of the build.
literals() {
	find "$HF_TOP/lib" -name '*.[ch]' -exec grep -hv '^[[:space:]]*/*\*' {} + >sources
	grep -oE '"[^" ]*"' sources | tr -d '"' | sed 's/^%s//; s/%.*//' |
		grep -E 'holdfast|^-(turnstile|once|journal|wal|shm)$|^\.record-|^info/' |
		grep -vE '^(holdfast|holdfast_.*|holdfast\.\*|holdfast-(stats|descriptor|watch).*)$'
	grep -oE 'hf_(target_side|side_[a-z]*)\([^")]*"[a-z]+"' sources | sed 's/.*"\(.*\)"/.\1/'
}

@test "docs/security.md lists every name in the library's sources" {
	local name missing=
	[ "$(literals | wc -l)" -gt 15 ]
	for name in $(literals | sort -u); do
		grep -qF -e "$name" "$page" || missing+="$name "
	done
	echo "missing: $missing"
	[ -z "$missing" ]
}
