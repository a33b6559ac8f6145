# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2034,SC2154
#
# For bats files that drive the rigs. `load rig/rig`, then in setup: rig_setup.

# An empty directory with what the scenarios are made of: no size is a multiple of a block's, each
# is more than one block.
rig_setup() {
	cd "$BATS_TEST_TMPDIR" || return
	seq 5000 >old
	seq 2000 2900 >new
	seq 3000 5900 >record
	chmod 640 old new record
	replaced=(-o old -n new -i new)
	created=(-n new -i new)
	appended=(-k append -o old -n record -i record)
	in_place=(-k in-place -o old -n record -i record)
	each_line=(-k lines -o old -n record -i record)
	here=$PWD every=kill,EIO,ENOSPC,EINTR,ENOSPC+
}

# Run a rig; it succeeds, and the test shows what it said if it does not.
rig() {
	run "$HF_RIG/$1" "${@:2}"
	echo "$output"
	[ "$status" = 0 ]
}

# rig_named_rule OLD|'' TOOL...: the rule by which this tool, at a file f of OLD's content or none,
# learns that unnamed files (O_TMPFILE) are not available: then it makes more calls, since it
# searches for leftovers of others.
rig_named_rule() {
	local old=$1 k calls usual

	shift
	usual=$(rig_calls "$old" '' "$@") || return
	for k in {1..20}; do
		calls=$(rig_calls "$old" "openat#$k:EOPNOTSUPP" "$@" 2>/dev/null) || continue
		((calls > usual)) || continue
		echo "openat#$k:EOPNOTSUPP"
		return 0
	done
	return 1
}

# How many calls it makes under this rule, if it succeeds.
rig_calls() {
	rm -rf named
	mkdir named
	[ -z "$1" ] || cp "$1" named/f
	(
		cd named || return
		HOLDFAST_FAULT=$2 HOLDFAST_FAULT_LOG=$here/named/log "${@:3}" <../new
	) || return
	wc -l <named/log
}
