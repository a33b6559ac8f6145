#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# atomic-record while its place changes: directories that are moved or removed, a full disk,
# attributes, limits, branches that are switched.

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

@test "looks a directory up again that is moved while the record waits" {
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

@test "exits with 75 when the directory is removed while it waits, or recreates it with --parents" {
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

@test "does not take a file for absent that appears while the record waits for its locks" {
	hold lock-run --git repo
	atomic-record --sqlite db --git repo -m m --if-match absent --write repo/notes/y=src \
		--sql 'INSERT INTO t VALUES (1)' >out 2>&1 3>&- &
	recorder=$!
	await waits "$recorder"
	echo other >repo/notes/y
	let_go
	ends_with 1 "$recorder"
	[ "$(rows)" = 0 ]
	[ "$(cat repo/notes/y)" = other ]
}

@test "looks a directory up again that is moved just before the COMMIT" {
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

@test "writes to the directory at its new place when it is moved after the COMMIT" {
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

@test "refuses chattr +i and +a before the COMMIT" {
	require_root
	local what flag

	command -v chattr
	for flag in i a; do
		for what in repo/notes/k repo/notes repo/.git repo/.git/index \
			repo/.git/refs/heads/main repo/.git/refs/heads; do
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

@test "raises the limit on descriptors for itself, but not for its Git" {
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

@test "near the limit on descriptors does all of a record or nothing" {
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

# A record of a line in `ledger`, which the branches main and other have with other content, is
# stopped before its call $1, in $recorder.
two_branches() {
	echo main >repo/ledger
	git -C repo add ledger
	git -C repo commit -qm main
	git -C repo checkout -q -b other
	echo other >repo/ledger
	git -C repo commit -qam other
	git -C repo checkout -q main
}
line_stopped_at() {
	HOLDFAST_FAULT="$1:stop" "$HF_FAULT_BIN/atomic-record" --sqlite db --git repo -m rec \
		--append repo/ledger=src >out 2>&1 3>&- &
	recorder=$!
	await is_stopped "$recorder"
}

@test "waits for a git checkout that has released index.lock and not yet moved HEAD" {
	two_branches
	# as git checkout has done by then
	git -C repo read-tree -m -u HEAD other
	[ "$(cat repo/ledger)" = other ]
	# and it lives: known by its name and arguments, in that worktree
	cp "$(command -v cat)" git
	exec 9<>go
	(cd repo && exec ../git - checkout <&9) 3>&- &
	local checkout=$!
	run -75 atomic-record -w 300ms --sqlite db --git repo -m rec --append repo/ledger=src
	[[ $output == *'is about to switch or reset'* ]]
	atomic-record -w 20s --sqlite db --git repo -m rec --append repo/ledger=src >out 2>&1 3>&- &
	recorder=$!
	git -C repo symbolic-ref HEAD refs/heads/other
	kill "$checkout"
	wait "$recorder"
	[ "$(git -C repo show main:ledger)" = main ]
	[ "$(git -C repo show other:ledger)" = $'other\nline' ]
	[ -z "$(git -C repo status --porcelain)" ]
}

@test "does not commit to a branch that is switched before the COMMIT" {
	two_branches
	git -C repo branch -f other main
	for call in fsync#{1..20}; do
		line_stopped_at "$call"
		compgen -G 'repo/.holdfast.ledger.*.record' && break
		kill -CONT "$recorder"
		wait "$recorder"
		git -C repo reset -q --hard other
	done
	[ "$(git -C repo rev-parse main)" = "$(git -C repo rev-parse other)" ]
	git -C repo symbolic-ref HEAD refs/heads/other
	kill -CONT "$recorder"
	wait "$recorder"
	[ "$(git -C repo show main:ledger)" = main ]
	[ "$(git -C repo show other:ledger)" = $'main\nline' ]
	[ -z "$(git -C repo status --porcelain)" ]
}

@test "recreates a commit that a reset took out of its branch" {
	local tip

	two_branches
	tip=$(git -C repo rev-parse main)
	echo more >repo/notes/k
	git -C repo commit -qam more
	git -C repo tag more
	# after the ref's rename: its directory's sync
	for call in fsync#{1..40}; do
		git -C repo reset -q --hard more
		line_stopped_at "$call"
		git -C repo log -1 --format=%s main | grep -qx rec && break
		kill -CONT "$recorder"
		wait "$recorder"
	done
	[ "$(git -C repo log -1 --format=%s main)" = rec ]
	# a git reset that had read the branch before
	git -C repo update-ref refs/heads/main "$tip"
	kill -CONT "$recorder"
	wait "$recorder"
	[ "$(git -C repo log --format=%s main | head -n 2)" = $'rec\nmain' ]
	git -C repo show main:ledger | grep -q line
	[ "$(git -C repo status --porcelain ledger)" = '' ]
}

@test "reports a commit whose branch was reset and left, and does not recreate it" {
	local tip

	two_branches
	tip=$(git -C repo rev-parse main)
	for call in fsync#{1..40}; do
		line_stopped_at "$call"
		git -C repo log -1 --format=%s main | grep -qx rec && break
		kill -CONT "$recorder"
		wait "$recorder"
		git -C repo reset -q --hard "$tip"
	done
	git -C repo update-ref refs/heads/main "$tip"
	git -C repo symbolic-ref HEAD refs/heads/other
	kill -CONT "$recorder"
	wait "$recorder"
	grep "'refs/heads/main' was reset, and is not checked out any more: it lacks commit" out
	[ "$(git -C repo rev-parse main)" = "$tip" ]
}

@test "holds HEAD.lock and the branch's lock only briefly, and during no sync" {
	git -C repo commit -q --allow-empty -m second
	strace -f -o log -e trace=linkat,unlinkat,fsync,fdatasync,renameat,renameat2 \
		atomic-record -q --sqlite db --git repo -m rec --append repo/notes/k=src
	sed -n '/linkat.*"HEAD.lock"/,/unlinkat.*"HEAD.lock"/p' log >held
	grep -q 'linkat.*"main.lock"' held
	grep -q "renameat.*\"main\"" held
	! grep -q sync held
	[ ! -e repo/.git/HEAD.lock ]
}
