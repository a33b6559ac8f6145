#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# The hooks at work: real commits of every kind, while other connections to the database are open.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_EDITOR=true
	git config --global user.name me
	git config --global user.email me@example.org
	git config --global init.defaultBranch main
	git config --global core.fsync none
	git config --global advice.diverging false
	git init -q repo
	cd repo
	echo one >file
	git add file
	git commit -qm start
	holdfast-hooks -q install
	sqlite3 app.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(x);
		INSERT INTO t VALUES(1)' >/dev/null
}

# A process that has the database open: `tell SQL` returns once it has run the SQL.
open_database() {
	coproc OTHER { exec python3 -u -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("SELECT * FROM t").fetchall()
for line in sys.stdin:
    db.execute(line)
    print("done")' "${1-app.db}" 3>&-; }
}

tell() {
	echo "$1" >&"${OTHER[1]}"
	read -r -u "${OTHER[0]}"
}

configure() {
	git config holdfast.database app.db
	git config holdfast.snapshot "$1"
}

# Print the answer of the database at REVISION:PATH, opened elsewhere.
ask() {
	git show "$1" >../image
	[ "$(sqlite3 ../image 'PRAGMA integrity_check')" = ok ]
	sqlite3 ../image "$2"
}

files() { git ls-tree -r --name-only HEAD | xargs; }

no_lock_is_left() {
	lock-run -q -n --sqlite app.db true
	[ -z "$(find .git -name '*.lock')" ]
}

@test "adds a snapshot with the newest row to every commit, and leaves the worktree clean" {
	open_database
	configure dir/snap.db
	tell 'INSERT INTO t VALUES(2)'
	git commit -qm two --allow-empty
	[ "$(ask HEAD:dir/snap.db 'SELECT group_concat(x) FROM t')" = 1,2 ]
	configure ./snap.sql
	tell 'INSERT INTO t VALUES(3)'
	echo two >file
	git commit -qam three
	[[ $(git show HEAD:snap.sql) == *'VALUES(3)'* ]]
	[ "$(git show HEAD:file)" = two ]
	[ "$(git status --porcelain)" = '?? app.db
?? app.db-shm
?? app.db-wal' ]
	tell 'INSERT INTO t VALUES(4)'
	git commit -q --amend -m three
	[[ $(git show HEAD:snap.sql) == *'VALUES(4)'* ]]
	[ "$(files)" = 'dir/snap.db file snap.sql' ]
	no_lock_is_left
	[ "$(sqlite3 app.db 'PRAGMA journal_mode')" = wal ]
}

@test "commits a whole image of a staged database that is open, and keeps the file" {
	local how
	open_database
	for how in '-m' '-am'; do
		tell "INSERT INTO t VALUES('$how')"
		git add app.db
		sha256sum app.db >../before
		git commit -q $how "$how"
		sha256sum -c --quiet ../before
		[[ $(ask HEAD:app.db 'SELECT group_concat(x) FROM t') == *"$how" ]]
	done
	[ "$(files)" = 'app.db file' ]
	# an executable one, and one whose name is odd, deep down
	mkdir 'a"b'
	sqlite3 $'a"b/x\ny *' 'PRAGMA journal_mode=WAL; CREATE TABLE t(x)' >/dev/null
	chmod +x $'a"b/x\ny *'
	tell "ATTACH '$PWD/a\"b/x' || char(10) || 'y *' AS a"
	tell 'INSERT INTO a.t VALUES(7)'
	git add a*/*
	run -0 git commit -m odd
	[ "$(ask $'HEAD:a"b/x\ny *' 'SELECT x FROM t')" = 7 ]
	[[ $(git ls-tree HEAD 'a"b/') == 100755* ]]
	[ "$(git ls-tree -rz HEAD 'a"b/' | tr -cd '\000' | wc -c)" = 1 ]
	no_lock_is_left
}

@test "takes out the side files of a database, but not those of another file" {
	open_database
	tell 'INSERT INTO t VALUES(2)'
	touch app.db-turnstile other-wal other-journal notes
	git add -A
	run -0 git commit -m all
	[[ $output == *"'app.db-wal' belongs to a database, and is taken out"* ]]
	[ "$(files)" = 'app.db file notes other-journal other-wal' ]
	[ -e app.db-wal ]
	# tracked by an earlier commit: then it goes
	git add -f app.db-wal
	git commit -qm wal --no-verify
	tell 'INSERT INTO t VALUES(3)'
	git commit -qam more
	[ "$(files)" = 'app.db file notes other-journal other-wal' ]
	[ "$(ask HEAD:app.db 'SELECT max(x) FROM t')" = 3 ]
}

@test "leaves a commit of paths as it is, with a warning, and refuses a -wal in it" {
	open_database
	configure snap.sql
	git add app.db
	git commit -qm one
	tell 'INSERT INTO t VALUES(2)'
	echo staged >file
	git add file
	run -0 git commit -m two -- app.db
	[[ $output == *"'snap.sql' is not in this commit"* ]]
	[[ $output == *"may lack its newest rows"* ]]
	[ "$(git show HEAD:file)" = one ]
	[ "$(git diff --cached --name-only)" = file ]
	git add -f app.db-wal
	run -1 git commit -m three -- app.db-wal
	[[ $output == *'is never committed'* ]]
	[ "$(git rev-list --count HEAD)" = 3 ]
	git commit -qm four
	[[ $(ask HEAD:app.db 'SELECT max(x) FROM t') == [12] ]]
	[ "$(files)" = 'app.db file snap.sql' ]
	no_lock_is_left
}

@test "works with merge, rebase, cherry-pick, stash, worktree and --no-verify" {
	open_database
	configure snap.sql
	git commit -qm one --allow-empty
	git checkout -q -b side
	echo side >file
	tell 'INSERT INTO t VALUES(2)'
	git commit -qam side
	git checkout -q main
	echo main >other
	git add other
	git commit -qm main
	run -0 git merge -q -X theirs side -m merge
	[ "$(git show HEAD:file)" = side ]
	git checkout -q -b picked HEAD~1
	git reset -q --hard
	git cherry-pick -X theirs side
	# a rebase that stops, goes on by a commit, and puts no snapshot in
	git checkout -q -b top main
	echo top >file
	git commit -qam top
	git checkout -q -b base main
	echo base >file
	git commit -qam base
	git checkout -q top
	tell 'INSERT INTO t VALUES(33)'
	run ! git rebase base
	echo solved >file
	git add file
	git commit -qm solved
	git rebase --continue
	[ "$(git show HEAD:file)" = solved ]
	[[ $(git show HEAD:snap.sql) != *'VALUES(33)'* ]]
	# stash commits without hooks
	echo stash >file
	git stash -q
	git stash pop -q
	git commit -qam stashed
	[[ $(git show HEAD:snap.sql) == *'VALUES(33)'* ]]
	tell 'INSERT INTO t VALUES(44)'
	git commit -qm unverified --no-verify --allow-empty
	[[ $(git show HEAD:snap.sql) != *'VALUES(44)'* ]]
	# a worktree has no such database: nothing is put in; with a path from the root there is
	git worktree add -q ../tree
	git -C ../tree commit -qm tree --allow-empty
	[[ $(git -C ../tree show HEAD:snap.sql) != *'VALUES(44)'* ]]
	git config holdfast.database "$PWD/app.db"
	git -C ../tree commit -qm tree --allow-empty
	[[ $(git -C ../tree show HEAD:snap.sql) == *'VALUES(44)'* ]]
	[ -z "$(git -C ../tree status --porcelain)" ]
	no_lock_is_left
	git fsck --strict
}

@test "commit -a does not wait for a busy database, but warns; commit waits" {
	sqlite3 app.db 'PRAGMA journal_mode=DELETE' >/dev/null
	open_database
	configure snap.sql
	git commit -qm one --allow-empty
	tell 'INSERT INTO t VALUES(2)'
	tell 'BEGIN EXCLUSIVE'
	echo two >file
	SECONDS=0
	HOLDFAST_TIMEOUT=1m run -0 git commit -am two
	((SECONDS < 50))
	[[ $output == *"'snap.sql' is left as it is: the database is busy"* ]]
	[ "$(git show HEAD:file)" = two ]
	[[ $(git show HEAD:snap.sql) != *'VALUES(2)'* ]]
	HOLDFAST_TIMEOUT=inf git commit -qm three --allow-empty 3>&- &
	tell 'COMMIT'
	wait $!
	[[ $(git show HEAD:snap.sql) == *'VALUES(2)'* ]]
	no_lock_is_left
}

@test "leaves no lock when the commit is aborted" {
	configure snap.sql
	echo two >file
	GIT_EDITOR=false run -1 git commit -a
	[ "$(git rev-list --count HEAD)" = 1 ]
	no_lock_is_left
	git config holdfast.snapshot app.db
	run -1 git commit -am two
	[[ $output == *"holdfast.snapshot is 'app.db' itself"* ]]
	no_lock_is_left
	# killed while the hook runs
	configure snap.sql
	mkdir .git/hooks.before-holdfast
	printf '#!/bin/sh\nkill -KILL "$(awk "{ print \$4 }" /proc/$PPID/stat)"\nexit 1\n' \
		>.git/hooks.before-holdfast/pre-commit
	chmod +x .git/hooks.before-holdfast/pre-commit
	run -137 git commit -m two --allow-empty
	no_lock_is_left
}

@test "leaves a commit alone without a configuration and without databases" {
	rm app.db*
	echo two >file
	git commit -qam two
	mkdir sub
	(cd sub && echo x >y && git add y && git commit -qm three)
	git config holdfast.database nowhere.db
	git config holdfast.snapshot snap.sql
	git commit -qm four --allow-empty
	[ "$(files)" = 'file sub/y' ]
	git init -q ../first
	cd ../first
	holdfast-hooks -q install
	echo x >x
	git add x
	git commit -qm first
}

# A record that fails between the database and Git. (A run that is killed there leaves Git's
# index.lock too, with which no user's commit reaches its hooks.)
leave_unfinished() {
	local n
	for n in {1..20}; do
		echo "text $n" >../note
		HOLDFAST_FAULT="renameat2#$n:EIO" run "$HF_FAULT_BIN/atomic-record" \
			--sqlite app.db --git . -m note --write note=../note \
			--sql 'INSERT INTO t VALUES(9)'
		[ "$status" != 76 ] || break
	done
	run -1 atomic-record --recover --dry-run --sqlite app.db --git .
}

@test "finishes an unfinished record before a commit, and refuses commit -a and push" {
	git init -q --bare ../remote
	git remote add origin ../remote
	git config holdfast.database app.db
	git push -q origin main
	leave_unfinished
	commits=$(git rev-list --count HEAD)
	run -1 git push -q origin main
	[[ $output == *'is not yet in Git'*'atomic-record --recover'* ]]
	echo two >file
	run -1 git commit -am two
	[[ $output == *'is unfinished, and cannot be finished in this commit'* ]]
	[ "$(git rev-list --count HEAD)" = "$commits" ]
	git add file
	run -1 git commit -m two
	[[ $output == *'was unfinished, and is finished now: commit again'* ]]
	[ "$(git rev-list --count HEAD)" = $((commits + 1)) ]
	git show HEAD:note | cmp - ../note
	[ "$(git diff --cached --name-only)" = file ]
	git commit -qm two
	[ "$(files)" = 'file note' ]
	git push -q origin main
	no_lock_is_left
}

@test "under Git's lock, of lock-run or a keeper, commits the snapshot or does not wait for it" {
	open_database
	configure snap.sql
	tell 'INSERT INTO t VALUES(2)'
	lock-run --git . git commit -qm two --allow-empty
	[[ $(git show HEAD:snap.sql) == *'VALUES(2)'* ]]
	tell 'INSERT INTO t VALUES(3)'
	lock-run --sqlite app.db --git . git commit -qm three --allow-empty
	[[ $(git show HEAD:snap.sql) == *'VALUES(3)'* ]]
	tell 'INSERT INTO t VALUES(4)'
	bash -ec 'h=$(lock-acquire --owner $$ --git .)
		git commit -qm four --allow-empty
		lock-release "$h"'
	[[ $(git show HEAD:snap.sql) == *'VALUES(4)'* ]]
	# a process holds the database's turnstile: no process that holds Git's lock waits for it
	mkfifo ../held ../end
	lock-run --sqlite app.db sh -c ': >../held; read -r x <../end' 3>&- &
	local holder=$!
	: <../held
	SECONDS=0
	HOLDFAST_TIMEOUT=1m lock-run --git . git commit -qm five --allow-empty
	echo two >file
	HOLDFAST_TIMEOUT=1m git commit -qam six
	((SECONDS < 50))
	echo >../end
	wait $holder
	[ "$(git rev-list --count HEAD)" = 6 ]
	no_lock_is_left
}

@test "records and users' commits beside each other neither deadlock nor lose anything" {
	local i pids=()
	configure snap.sql
	for i in {1..12}; do
		echo "$i" >"../src$i"
		atomic-record -w 60s --sqlite app.db --git . -m "record $i" \
			--write "note$i=../src$i" --sql "INSERT INTO t VALUES(100 + $i)" \
			>/dev/null 2>"../err$i" 3>&- &
		pids+=($!)
	done
	for i in {1..8}; do
		echo "$i" >file
		# Git itself does not wait for index.lock, nor for the branch
		git commit -qam "user $i" >>../user 2>&1 || :
		git commit -qm "user's other $i" --allow-empty >>../user 2>&1 || :
	done
	for i in {1..12}; do
		wait "${pids[i - 1]}" || { cat "../err$i"; false; }
	done
	git commit -qm last --allow-empty
	[ "$(git ls-tree --name-only HEAD | grep -c note)" = 12 ]
	[ "$(sqlite3 app.db 'SELECT count(*) FROM t WHERE x > 100')" = 12 ]
	[ "$(git show HEAD:snap.sql | grep -c 'VALUES(1[01][0-9])')" = 12 ]
	run -0 atomic-record --recover --dry-run --sqlite app.db --git .
	git fsck --strict
	no_lock_is_left
}
