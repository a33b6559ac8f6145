#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# The power is cut while sqlite-run, sqlite-once, sqlite-queue and sqlite-lease work:
# acknowledged changes are there, and none is there twice (tests/rig/stores.py).
#
# A sample of the calls; with EVERY=1 in the environment, all of them, which takes ten minutes.

bats_require_minimum_version 1.5.0
load rig/require

setup() {
	cd "$BATS_TEST_TMPDIR"
	require_loop
}

# The disk is in memory.
stores() {
	run unshare -m sh -c 'mount -t tmpfs none . && cd "$PWD" && exec "$@"' sh \
		"$HF_TOP/tests/rig/stores.py" "$@"
	echo "$output"
	[ "$status" = 0 ]
}

@test "keeps acknowledged changes over a power cut: ext4" { stores -e "1/${EVERY:-41}" ext4; }
@test "keeps acknowledged changes over a power cut: XFS" { stores -e "1/${EVERY:-41}" xfs; }
@test "keeps acknowledged changes over a power cut: btrfs" { stores -e "1/${EVERY:-41}" btrfs; }

@test "detects a sync left out of each command" {
	stores -m ext4
	[ -z "${EVERY:-}" ] || { stores -m xfs && stores -m btrfs; }
}
