#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# atomic-record beside what others do to its place: directories that are moved or removed, a full
# disk, attributes, limits, branches that are switched.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkfifo go at
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
	git init -q -b main repo
	git -C repo config user.name N
	git -C repo config user.email n@x
	mkdir repo/notes
	echo first >repo/notes/k
	git -C repo add notes
	git -C repo commit -qm first
	sqlite3 db 'PRAGMA journal_mode=WAL; CREATE TABLE t(i)' >/dev/null
	echo line >src
}

rows() { sqlite3 db 'SELECT count(*) FROM t'; }

# In the background, a record of a note and a line in notes/, which waits for the repository.
record_waits() {
	hold lock-run --git repo
	atomic-record --sqlite db --git repo -m m --write repo/notes/y=src \
		--append repo/notes/k=src --sql 'INSERT INTO t VALUES (1)' "$@" >out 2>&1 3>&- &
	recorder=$!
	await waits "$recorder"
}

@test "a directory that is moved while the record waits is looked for again" {
	record_waits
	mv repo/notes old
	mkdir repo/notes
	cp old/k repo/notes/k
	let_go
	wait "$recorder"
	[ "$(cat repo/notes/k)" = $'first\nline' ]
	[ "$(cat repo/notes/y)" = line ]
	[ "$(ls old)" = k ]
	[ -z "$(git -C repo status --porcelain)" ]
}

@test "a directory that is removed while the record waits: 75, or it is made with --parents" {
	record_waits -w 3s
	rm -r repo/notes
	let_go
	ends_with 75 "$recorder"
	grep 'directory of .* was removed' out
	[ "$(rows)" = 0 ]
	git -C repo checkout -q .
	record_waits --parents
	rm -r repo/notes
	let_go
	wait "$recorder"
	[ "$(cat repo/notes/y repo/notes/k)" = $'line\nline' ]
	[ "$(rows)" = 1 ]
}

# Stop a record of a line before its call $1, in a shell's background.
stopped_at() {
	HOLDFAST_FAULT="$1:stop" "$HF_FAULT_BIN/atomic-record" --sqlite db --append notes/k=src \
		--sql 'INSERT INTO t VALUES (1)' 3>&- &
	recorder=$!
	await is_stopped "$recorder"
}

@test "a directory that is moved just before the COMMIT is looked for again" {
	mkdir notes
	echo first >notes/k
	# the mark has its name
	stopped_at fsync#1
	[ "$(rows)" = 0 ]
	mv notes old
	mkdir notes
	echo other >notes/k
	kill -CONT "$recorder"
	wait "$recorder"
	[ "$(cat notes/k)" = $'other\nline' ]
	[ "$(cat old/k)" = first ]
	no_litter old
	no_litter notes
	[ "$(rows)" = 1 ]
}

@test "a directory that is moved after the COMMIT gets the record where it is" {
	mkdir notes
	echo first >notes/k
	stopped_at renameat2#1
	[ "$(rows)" = 1 ]
	mv notes old
	kill -CONT "$recorder"
	wait "$recorder"
	[ "$(cat old/k)" = $'first\nline' ]
	[ ! -e notes ]
}

@test "chattr +i and +a are refused before the COMMIT" {
	local what flag

	command -v chattr
	for flag in i a; do
		for what in repo/notes/k repo/notes repo/.git repo/.git/index repo/.git/refs/heads/main \
			repo/.git/refs/heads; do
			chattr +$flag $what
			run atomic-record --sqlite db --git repo -m m --append repo/notes/k=src \
				--sql 'INSERT INTO t VALUES (1)'
			chattr -$flag $what
			echo "$what +$flag: $status $output"
			[ "$status" = 77 ] || [ "$status" = 73 ]
			[ "$(rows) $(git -C repo rev-list --count HEAD)" = '0 1' ]
			[ -z "$(git -C repo status --porcelain)" ]
		done
	done
	chattr +a repo/.git/logs/HEAD
	run atomic-record --sqlite db --git repo -m m --append repo/notes/k=src
	chattr -a repo/.git/logs/HEAD
	[ "$status" = 0 ]
}

@test "the limit on descriptors is raised, for the record but not for its Git" {
	local i
	local -a files=()

	for i in {1..300}; do files+=(--write "repo/d$((i % 20))/f$i=src"); done
	echo 'f1 filter=f' >repo/.gitattributes
	git -C repo config filter.f.clean 'ulimit -n >../limit; cat'
	(
		ulimit -Sn 100
		atomic-record -q --parents --sqlite db --git repo -m m "${files[@]}"
	)
	[ "$(git -C repo ls-files | wc -l)" = 301 ]
	[ "$(cat limit)" = 100 ]
	# the hard limit is refused before anything is done
	(
		ulimit -n 100
		run -71 atomic-record --parents --sqlite db --git repo -m m --sql \
			'INSERT INTO t VALUES (1)' "${files[@]//f/g}"
	)
	[ "$(rows) $(git -C repo rev-list --count HEAD)" = '0 2' ]
	no_litter
}

@test "near the limit on descriptors a record is done or refused, never half done" {
	local n ok=0 refused=0

	for n in {12..70..2}; do
		(
			ulimit -n "$n"
			run atomic-record --sqlite db --git repo -m m --append repo/notes/k=src \
				--sql 'INSERT INTO t VALUES (1)'
			echo "$n: $status $output"
			echo "$status" >status
		)
		status=$(cat status)
		[ "$status" != 76 ]
		if [ "$status" = 0 ]; then ok=$((ok + 1)); else refused=$((refused + 1)); fi
		[ "$(rows) $(grep -c line repo/notes/k || :)" = "$ok $ok" ]
	done
	((ok && refused))
}
