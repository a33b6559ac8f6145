#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# atomic-record: files, rows and a commit, or nothing. The invariants cited are those of
# lib/record/README.md.

bats_require_minimum_version 1.5.0
load rig/require

setup() {
	cd "$BATS_TEST_TMPDIR"
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
	git init -q -b main repo
	cd repo
	git config user.name N
	git config user.email n@x
	mkdir notes
	echo first >ledger
	echo other >notes/other
	git add ledger notes/other
	git commit -qm first
	sqlite3 ../db 'PRAGMA journal_mode=WAL' >/dev/null
	sqlite3 ../db 'CREATE TABLE t(n INTEGER PRIMARY KEY, name UNIQUE)'
	db=$BATS_TEST_TMPDIR/db
	lock-run --git . true # makes .git/holdfast, so that later files are the record's
	echo "a note" >../note
	echo "a line" >../line
}

rows() { sqlite3 "$db" 'SELECT count(*) FROM t'; }
commits() { git rev-list --count HEAD; }
intents() { sqlite3 "$db" 'SELECT count(*) FROM holdfast_intent'; }

# A whole record of name $1, and further arguments.
record() {
	atomic-record --sqlite "$db" --git . -m "record $1" --write "notes/$1=../note" \
		--append ledger=../line --sql "INSERT INTO t(name) VALUES ('$1')" "${@:2}"
}

# The record changed nothing: all is as after setup, except for the user's own changes.
nothing_done() {
	[ "$(rows)" = 0 ]
	[ "$(commits)" = 1 ]
	[ "$(cat ledger)" = first ]
	[ ! -e notes/a ]
	[ ! -e .git/index.lock ]
	[ -z "$(find . -name '.holdfast.*')" ]
	git fsck --strict --no-dangling
}

# Kill a run at its first call named $1 after the COMMIT. It leaves the row, the intent, and the
# results of earlier calls.
killed_at() {
	local n

	cp -r . ../before
	cp "$db" ../db.before
	for n in {1..20}; do
		rm -rf "$BATS_TEST_TMPDIR/repo" "$db" "$db"-*
		cp -r ../before "$BATS_TEST_TMPDIR/repo"
		cp ../db.before "$db"
		cd "$BATS_TEST_TMPDIR/repo"
		HOLDFAST_FAULT="$1#$n:kill" run -137 "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
			--git . -m 'record a' --write notes/a=../note --append ledger=../line \
			--sql "INSERT INTO t(name) VALUES ('a')"
		[ "$(rows)" = 0 ] || break
	done
	[ "$(rows)" = 1 ]
	[ "$(intents)" = 1 ]
}

@test "records a note, a line, a row and a commit" {
	echo mine >mine
	git add mine
	run -0 record a
	[[ $output =~ ^1\ [0-9a-f]{40}$ ]]
	[ "${output#* }" = "$(git rev-parse HEAD)" ]
	[ "$(cat notes/a)" = 'a note' ]
	[ "$(cat ledger)" = $'first\na line' ]
	[ "$(rows)" = 1 ]
	[ "$(intents)" = 0 ]
	[ "$(git log -1 --format=%s)" = 'record a' ]
	trailer=$(git log -1 --format='%(trailers:key=Holdfast-Record)')
	[[ $trailer =~ ^Holdfast-Record:\ [0-9a-f]{32} ]]
	[ "$(git show --name-only --format= HEAD)" = $'ledger\nnotes/a' ]
	# record/R8
	[ "$(git status --porcelain)" = 'A  mine' ]
	git fsck --strict --no-dangling
}

@test "prints JSON with --json" {
	run -0 record a --json
	[ "$(jq -r .commit <<<"$output")" = "$(git rev-parse HEAD)" ]
	[ "$(jq -r .rowid <<<"$output")" = 1 ]
	[[ $(git log -1 --format=%B) == *"$(jq -r .id <<<"$output")"* ]]
}

@test "takes nothing back when standard output cannot be written" {
	record b >/dev/full 2>../said || status=$?
	[ "$status" = 76 ]
	grep 'recorded, but' ../said
	[ "$(git log -1 --format=%s)" = 'record b' ]
}

@test "records files and rows without a repository" {
	run -0 atomic-record --sqlite "$db" --write ../f=../note --append ../g=../line \
		--sql "INSERT INTO t(name) VALUES ('a')"
	[ "$output" = 1 ]
	[ "$(cat ../f)" = 'a note' ]
	[ "$(cat ../g)" = 'a line' ]
	[ "$(rows)" = 1 ]
	[ "$(intents)" = 0 ]
}

@test "recreates an incomplete object, and renews the date of a complete one" {
	local oid object

	oid=$(git hash-object ../note)
	object=.git/objects/${oid:0:2}/${oid:2}
	mkdir -p "${object%/*}"
	: >"$object"
	: >.git/objects/tmp_obj_holdfast
	record a
	[ "$(git cat-file blob "$oid")" = 'a note' ]
	[ ! -e .git/objects/tmp_obj_holdfast ]
	git fsck --strict --no-dangling
	# a complete object stays the same file, with a new date
	touch -d 2001-01-01 "$object"
	local inode
	inode=$(stat -c %i "$object")
	record b
	[ "$(stat -c %i "$object")" = "$inode" ]
	[ "$(stat -c %Y "$object")" -gt 1000000000 ]
}

@test "records rows alone without files, and creates no table" {
	run -0 atomic-record --sqlite "$db" --sql "INSERT INTO t(name) VALUES ('a'), ('b')"
	[ "$output" = 2 ]
	[ "$(rows)" = 2 ]
	run ! intents
}

@test "records without SQL, and creates an absent database" {
	run -0 atomic-record --sqlite ../new --git . -m m --write notes/a=../note
	[[ $output =~ ^0\ [0-9a-f]{40}$ ]]
	[ "$(sqlite3 ../new 'PRAGMA journal_mode')" = wal ]
}

@test "runs several statements, in the order given, in one transaction" {
	echo "UPDATE t SET name = name || 'z';" >../script
	atomic-record --sqlite "$db" --sql "INSERT INTO t(name) VALUES ('a')" --sql-file ../script \
		--sql "UPDATE t SET name = name || 'y'"
	[ "$(sqlite3 "$db" 'SELECT name FROM t')" = azy ]
	echo "INSERT INTO t(name) VALUES ('b'); INSERT INTO t(name) VALUES ('c')" |
		atomic-record --sqlite "$db" --sql-file -
	[ "$(rows)" = 3 ]
	# the third fails
	run -65 atomic-record --sqlite "$db" --sql "DELETE FROM t; INSERT INTO t(name) \
		VALUES ('d'); INSERT INTO absent VALUES (1)"
	[[ $output == *'no such table'* ]]
	[ "$(rows)" = 3 ]
}

@test "binds values, and never pastes them into the SQL" {
	atomic-record --sqlite "$db" --sql 'INSERT INTO t(name) VALUES (:a)' \
		--sql 'INSERT INTO t(name) VALUES (@b)' -p "a=x'); DROP TABLE t; --" -p b:int=5
	[ "$(sqlite3 "$db" "SELECT name FROM t WHERE typeof(name) = 'text'")" = \
		"x'); DROP TABLE t; --" ]
	[ "$(rows)" = 2 ]
	run -64 atomic-record --sqlite "$db" --sql 'INSERT INTO t(name) VALUES (:a)'
	run -64 atomic-record --sqlite "$db" --sql 'INSERT INTO t(name) VALUES (:a)' -p a=1 -p b=2
	run -64 atomic-record --sqlite "$db" --sql 'SELECT 1' -p a:int=many
	run -64 atomic-record --sqlite "$db" --write f=../note -p a=1
	[ "$(rows)" = 2 ]
}

@test "refuses SQL that begins or ends a transaction" {
	run -65 record a --sql 'COMMIT'
	nothing_done
	run -65 record a --sql 'ROLLBACK; SELECT 1'
	nothing_done
	record a --sql "SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; RELEASE s"
	[ "$(rows)" = 1 ]
}

@test "enforces foreign keys unless --no-foreign-keys is given" {
	sqlite3 "$db" 'CREATE TABLE c(t REFERENCES t(n))'
	run -65 record a --sql 'INSERT INTO c VALUES (99)'
	nothing_done
	record a --sql 'INSERT INTO c VALUES (99)' --no-foreign-keys
}

@test "accepts standard input as a source once" {
	echo piped | atomic-record --sqlite "$db" --write f=-
	[ "$(cat f)" = piped ]
	run -64 atomic-record --sqlite "$db" --write f=- --sql-file - <../note
	[[ $output == *'once only'* ]]
}

@test "splits PATH=SRC at the last =" {
	atomic-record --sqlite "$db" --write a=b=../note
	[ "$(cat a=b)" = 'a note' ]
	atomic-record --sqlite "$db" --write c=/dev/fd/4 4<../note
	[ "$(cat c)" = 'a note' ]
	run -64 atomic-record --sqlite "$db" --write nothing
}

@test "removes a file" {
	run -0 atomic-record --sqlite "$db" --git . -m gone --remove notes/other
	[ ! -e notes/other ]
	[ "$(git show --name-status --format= HEAD)" = $'D\tnotes/other' ]
	[ -z "$(git status --porcelain)" ]
	run -66 atomic-record --sqlite "$db" --git . -m gone --remove notes/other
}

@test "compares the old content with --if-match" {
	run -1 atomic-record --sqlite "$db" --git . -m m --if-match absent --write ledger=../note
	nothing_done
	sum=$(sha256sum ledger)
	run -0 atomic-record --sqlite "$db" --git . -m m --if-match "${sum%% *}" \
		--write ledger=../note --if-match absent --write notes/a=../note
	run -64 atomic-record --sqlite "$db" --write f=../note --if-match absent
}

@test "refuses an empty source without --allow-empty" {
	: >../empty
	run -65 atomic-record --sqlite "$db" --write f=../empty
	[[ $output == *allow-empty* ]]
	atomic-record --sqlite "$db" --allow-empty --write f=../empty
	[ -e f ] && [ ! -s f ]
}

@test "keeps modes, and commits them" {
	chmod 750 ledger
	git commit -qam x
	record a
	[ "$(stat -c %a ledger)" = 750 ]
	[[ $(git ls-tree HEAD ledger) == 100755* ]]
	[[ $(git ls-tree HEAD notes/a) == 100644* ]]
	[ -z "$(git status --porcelain)" ]
}

@test "follows a symbolic link, and commits its target" {
	ln -s ledger link
	atomic-record --sqlite "$db" --git . -m m --append link=../line
	[ -L link ]
	[ "$(git show --name-only --format= HEAD)" = ledger ]
}

@test "creates missing directories with --parents" {
	run -73 atomic-record --sqlite "$db" --git . -m m --write a/b/c=../note
	atomic-record --sqlite "$db" --git . -m m --parents --write a/b/c=../note
	[ "$(git show HEAD:a/b/c)" = 'a note' ]
}

@test "refuses a request that cannot succeed before it changes anything" {
	local status
	refused() {
		status=$1
		shift
		run "-$status" atomic-record --sqlite "$db" --git . -m m \
			--sql "INSERT INTO t(name) VALUES ('a')" "$@"
		nothing_done
	}
	refused 65 --write /tmp/outside=../note
	refused 65 --write .git/config=../note
	refused 65 --write notes=../note
	refused 64 --write f=../note --append ./f=../line
	refused 66 --write f=../nothing
	ln -s /tmp out
	refused 65 --write out/f=../note
	echo '*.o' >.git/info/exclude
	refused 65 --write f.o=../note
	ln ledger ../hard
	refused 65 --append ledger=../line
	rm ../hard
	mkfifo fifo
	refused 65 --write fifo=../note
	refused 65 --write f=../note -m ' '
	git checkout -q --detach
	git update-ref --no-deref refs/heads/x HEAD
	git checkout -q main
	echo x >.git/MERGE_HEAD
	git rev-parse HEAD >.git/MERGE_HEAD
	refused 65 --write f=../note
}

@test "refuses before the commit point a file that it could not write after it (record/R2)" {
	require_other_user
	require_mount
	local dir path

	for dir in .git .git/objects .git/refs/heads .git/logs/HEAD .git/logs/refs/heads/main \
		notes; do
		path=$PWD/$dir
		run unshare -m sh -ec 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"
			shift; exec "$@"' sh "$path" atomic-record --sqlite "$db" --git . -m m \
			--write notes/a=../note --append ledger=../line \
			--sql "INSERT INTO t(name) VALUES ('a')"
		[[ $status == 73 || $status == 74 ]]
		nothing_done
		run ! intents
	done
	# and for another user
	chmod 755 "$BATS_TEST_TMPDIR" .
	chown -R nobody . ../db*
	chown nobody ..
	for dir in .git .git/objects .git/refs/heads .git/logs/HEAD .git/logs/refs/heads/main \
		notes; do
		chown root "$dir"
		run runuser -u nobody -- "$HF_BIN/atomic-record" --sqlite "$db" --git . \
			-m m --write notes/a=../note --append ledger=../line \
			--sql "INSERT INTO t(name) VALUES ('a')"
		[ "$status" = 77 ]
		chown nobody "$dir"
	done
	run ! intents
	[ "$(rows)" = 0 ]
}

@test "says what to do when the identity is missing" {
	git config --unset user.name
	git config --unset user.email
	HOME=/nonexistent GIT_AUTHOR_NAME='' run -65 record a
	[[ $output == *'git config'*user.email* ]]
	nothing_done
}

@test "refuses wrong calls with 64" {
	run -64 atomic-record
	run -64 atomic-record --sqlite "$db"
	run -64 atomic-record --sqlite "$db" --git . --write f=../note
	run -64 atomic-record --sqlite "$db" -m m --write f=../note
	run -64 atomic-record --sqlite "$db" --git . -m m --sql 'SELECT 1'
	run -64 atomic-record --sqlite "$db" --write f=../note operand
	run -64 atomic-record --dry-run --sqlite "$db" --write f=../note
	run -64 atomic-record --recover --sqlite "$db" --write f=../note
	nothing_done
}

@test "refuses the live database as one of the files" {
	cp ../db live
	run -65 atomic-record --sqlite live --git . -m m --write live=../note
	[[ $output == *'live database'* ]]
	run -65 atomic-record --sqlite live --git . -m m --write live-wal=../note
}

@test "refuses a file that is no database and damaged intents, and leaves newer intents" {
	echo nothing >../text
	run -65 atomic-record --sqlite ../text --git . -m m --write notes/a=../note
	[ ! -e notes/a ]
	record x >/dev/null
	sqlite3 "$db" "INSERT INTO holdfast_intent(id, version, created, uid)
		VALUES ('0123456789abcdef0123456789abcdef', 99, 0, 0)"
	run -0 record a
	[[ $output == *'newer holdfast'* ]]
	sqlite3 "$db" 'UPDATE holdfast_intent SET version = 1, uid = -5'
	run -65 record b
	[[ $output == *'cannot understand'* ]]
}

@test "records in a worktree, on a detached HEAD and on an unborn branch" {
	git worktree add -q ../wt
	cd ../wt
	record a
	[ "$(git log -1 --format=%s)" = 'record a' ]
	[ "$(git -C ../repo log -1 --format=%s)" = first ]
	[ -z "$(git status --porcelain)" ]
	git checkout -q --detach
	record b
	[ "$(git log -1 --format=%s HEAD)" = 'record b' ]
	[ "$(git log -1 --format=%s wt)" = 'record a' ]
	git init -q -b trunk ../unborn
	cd ../unborn
	git config user.name N
	git config user.email n@x
	record c --parents
	[ "$(git log --format=%s trunk)" = 'record c' ]
}

# The image of the database in HEAD, opened elsewhere.
image() { git show HEAD:image.db >../image && sqlite3 ../image "$1"; }

@test "--remove leaves a file that is replaced after it was checked" {
	# stopped before it puts the ledger in place, and then removes the note
	HOLDFAST_FAULT=renameat2#1:stop "$HF_FAULT_BIN/atomic-record" --sqlite "$db" --git . \
		-m gone --sql "INSERT INTO t(name) VALUES ('a')" --append ledger=../line \
		--remove notes/other >../said 2>&1 3>&- &
	until [ "$(ps -o state= $!)" = T ]; do :; done
	[ "$(rows)" = 1 ]
	echo mine >../new
	mv ../new notes/other
	kill -CONT $!
	status=0
	wait $! || status=$?
	cat ../said
	[ "$status" = 76 ]
	grep "notes/other' was .* in the meantime" ../said
	[ "$(cat notes/other)" = mine ]
	atomic-record --recover --sqlite "$db"
	[ "$(cat notes/other)" = mine ]
	[ "$(tail -n 1 ledger)" = 'a line' ]
	[ "$(intents)" = 0 ]
	[ -z "$(git ls-tree --name-only HEAD notes/other)" ]
}

@test "--snapshot: the image in HEAD has the newest row, and no intent" {
	record a --snapshot image.db
	[ "$(image 'SELECT name FROM t')" = a ]
	[ "$(image 'PRAGMA integrity_check')" = ok ]
	[ "$(image 'PRAGMA journal_mode')" = delete ]
	record b --snapshot image.db
	[ "$(image 'SELECT group_concat(name) FROM t')" = a,b ]
	[ "$(image 'SELECT count(*) FROM holdfast_intent')" = 0 ]
	[ "$(stat -c %a image.db)" = 644 ]
	[ "$(intents)" = 0 ]
	[ -z "$(git status --porcelain)" ]
	record c --snapshot dump.sql
	git show HEAD:dump.sql | sqlite3 ../from-dump
	[ "$(sqlite3 ../from-dump 'SELECT group_concat(name) FROM t')" = a,b,c ]
	[[ $(git show HEAD:dump.sql) != *holdfast* ]]
	cp "$db" live
	run -65 atomic-record --sqlite live --git . -m m --snapshot live
	# killed after the COMMIT, before the image is there
	HOLDFAST_FAULT='renameat2#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
		--git . -m 'record d' --snapshot image.db --sql "INSERT INTO t(name) VALUES ('d')"
	[ "$(rows)" = 4 ]
	[ "$(intents)" = 1 ]
	[ "$(image 'SELECT group_concat(name) FROM t')" = a,b ]
	atomic-record --recover --sqlite "$db"
	[ "$(image 'SELECT group_concat(name) FROM t')" = a,b,c,d ]
	rm -f live*
	[ -z "$(git status --porcelain)" ]
}

@test "--snapshot does not read the log of another database into the image" {
	local beside

	for beside in wal journal; do
		echo log >"image.db-$beside"
		run -65 record a --snapshot image.db
		[[ $output == *"'image.db': it has the -$beside file of another database"* ]]
		[ ! -e image.db ]
		nothing_done
		rm "image.db-$beside"
	done
	record a --snapshot image.db
	[ "$(image 'SELECT name FROM t')" = a ]
}

@test "keeps a snapshot that another user has changed since, and its commit (record/V1)" {
	local n

	record a --snapshot image.db
	# killed between COMMIT and the files
	for n in {1..30}; do
		HOLDFAST_FAULT="renameat2#$n:kill" run -137 "$HF_FAULT_BIN/atomic-record" \
			--sqlite "$db" --git . -m 'record b' --snapshot image.db \
			--sql "INSERT INTO t(name) VALUES ('b')"
		[ "$(rows)" = 1 ] || break
	done
	[ "$(rows)" = 2 ]
	rm -f .git/index.lock
	echo theirs >image.db
	run -0 atomic-record --recover --sqlite "$db"
	[[ $output == *"image.db' was changed in the meantime, and is kept"* ]]
	[ "$(cat image.db)" = theirs ]
	[ "$(image 'SELECT group_concat(name) FROM t')" = a,b ]
	# without a repository
	HOLDFAST_FAULT='renameat2#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" \
		--sqlite "$db" --snapshot image.db --sql "INSERT INTO t(name) VALUES ('c')"
	echo again >image.db
	run -0 atomic-record --recover --sqlite "$db"
	[ "$(cat image.db)" = again ]
	[ "$(sqlite3 image.db.record-* 'SELECT group_concat(name) FROM t')" = a,b,c ]
	[ "$(intents)" = 0 ]
}

@test "recognizes its own snapshot although the database has changed since (record/V4)" {
	local n

	record a --snapshot image.db
	cp -r . ../before
	cp "$db" ../db.before
	# killed when the image is in place, and not in the index
	for n in {1..30}; do
		rm -rf "$BATS_TEST_TMPDIR/repo" "$db" "$db"-*
		cp -r ../before "$BATS_TEST_TMPDIR/repo"
		cp ../db.before "$db"
		cd "$BATS_TEST_TMPDIR/repo"
		HOLDFAST_FAULT="renameat2#$n:kill" run -137 "$HF_FAULT_BIN/atomic-record" \
			--sqlite "$db" --git . -m 'record b' --snapshot image.db \
			--sql "INSERT INTO t(name) VALUES ('b')"
		[ "$(sqlite3 image.db 'SELECT count(*) FROM t')" = 1 ] || break
	done
	[ "$(intents)" = 1 ]
	sqlite3 "$db" "INSERT INTO t(name) VALUES ('c')"
	run -0 atomic-record --recover --sqlite "$db"
	[[ $output != *'changed in the meantime'* ]]
	[ "$(image 'SELECT group_concat(name) FROM t')" = a,b ]
	[ -z "$(git status --porcelain)" ]
}

# Start $1 runs of atomic-record concurrently: every record is there.
crowd() {
	local pids=() i
	for ((i = 1; i <= $1; i++)); do
		record "n$i" -w 100s >/dev/null 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(rows)" = "$1" ]
	[ "$(git log --format=%s | grep -c '^record n')" = "$1" ]
	[ "$(ls notes | grep -c '^n')" = "$1" ]
	[ "$(grep -cx 'a line' ledger)" = "$1" ]
	[ -z "$(git status --porcelain)" ]
	git fsck --strict --no-dangling
	[ "$(sqlite3 "$db" 'PRAGMA integrity_check')" = ok ]
}

@test "20 concurrent runs lose nothing" {
	crowd 20
}

@test "50 concurrent runs lose nothing" {
	crowd 50
}

@test "20 runs beside a git commit -a whose hook waits for the database do not deadlock" {
	cat >.git/hooks/pre-commit <<-END
		#!/bin/sh
		exec sqlite3 -cmd '.timeout 60000' '$db' 'BEGIN IMMEDIATE; COMMIT'
	END
	chmod +x .git/hooks/pre-commit
	(
		for i in {1..10}; do
			echo "$i" >>notes/other
			# Git refuses if index.lock exists, or the branch has moved since
			until git commit -qam "users $i" 2>/dev/null; do :; done
		done
	) 3>&- &
	users=$!
	for i in {1..20}; do
		record "n$i" -w 100s >/dev/null 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}" $users; do wait "$pid"; done
	[ "$(rows)" = 20 ]
	[ "$(git log --format=%s | grep -c '^record n')" = 20 ]
	[ "$(git log --format=%s | grep -c '^users')" = 10 ]
	[ "$(git show HEAD:notes/other | tail -n 1)" = 10 ]
	git fsck --strict --no-dangling
}

@test "lists an unfinished record, and finishes it" {
	killed_at renameat2
	[ "$(cat ledger)" = first ]
	run -1 --separate-stderr atomic-record --recover --dry-run --sqlite "$db"
	[[ $output == *refs/heads/main* ]]
	[[ $output == *notes/a* ]]
	run -1 atomic-record --recover --dry-run --json --sqlite "$db"
	[ "$(jq -r '.files[1]' <<<"$output")" = ledger ]
	run -0 atomic-record --recover --sqlite "$db"
	[[ $output == *'is finished: commit'* ]]
	[ "$(cat ledger)" = $'first\na line' ]
	[ "$(git log -1 --format=%s)" = 'record a' ]
	[ -z "$(git status --porcelain)" ]
	run -0 atomic-record --recover --dry-run --sqlite "$db"
	[ -z "$output" ]
}

@test "finishes an unfinished record before the next one" {
	killed_at renameat2
	run -0 --separate-stderr record b
	[ "$(git log --format=%s)" = $'record b\nrecord a\nfirst' ]
	[ "$(cat ledger)" = $'first\na line\na line' ]
	[ "$(rows)" = 2 ]
	[ -z "$(git status --porcelain)" ]
}

@test "loses no commit that a user makes between crash and recovery, and no record" {
	killed_at renameat2
	echo users >>notes/other
	rm -f .git/index.lock
	git commit -qam users
	atomic-record --recover --sqlite "$db"
	[ "$(git log --format=%s)" = $'record a\nusers\nfirst' ]
	[ "$(git show HEAD:notes/other)" = $'other\nusers' ]
	[ "$(git show HEAD:notes/a)" = 'a note' ]
	[ -z "$(git status --porcelain)" ]
}

@test "keeps a user's later commit of the record's own path (record/V2)" {
	killed_at renameat2
	echo theirs >notes/a
	rm -f .git/index.lock
	git add notes/a
	git commit -qm users
	run -0 atomic-record --recover --sqlite "$db"
	[[ $output == *'was changed in the meantime, and is kept'* ]]
	[ "$(cat notes/a)" = theirs ]
	[ "$(git show HEAD:notes/a)" = theirs ]
	[ "$(git show HEAD~1:notes/a)" = 'a note' ]
	[ "$(git log -1 --format=%s HEAD~1)" = 'record a' ]
	[ "$(git log -1 --format=%s HEAD~2)" = users ]
	[ -z "$(git status --porcelain)" ]
}

@test "keeps lines that others have appended and committed since (record/V2)" {
	killed_at linkat
	[ ! -e notes/a ]
	rm -f .git/index.lock
	echo theirs >>ledger
	git commit -qam users
	atomic-record --recover --sqlite "$db"
	[ "$(cat ledger)" = $'first\ntheirs\na line' ]
	[ "$(git show HEAD:ledger)" = "$(cat ledger)" ]
	[ -z "$(git status --porcelain)" ]
}

@test "without a repository, keeps a file that was changed since (record/V1)" {
	echo old >f
	HOLDFAST_FAULT='renameat2#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
		--write f=../note --sql "INSERT INTO t(name) VALUES ('a')"
	echo theirs >f
	run -0 atomic-record --recover --sqlite "$db"
	[ "$(cat f)" = theirs ]
	[ "$(cat f.record-*)" = 'a note' ]
	[ "$(intents)" = 0 ]
}

@test "leaves a record whose branch is not checked out (record/V3)" {
	killed_at linkat
	rm -f .git/index.lock
	git checkout -q -b elsewhere
	run -1 atomic-record --recover --sqlite "$db"
	[[ $output == *'refs/heads/main'*'is not checked out'* ]]
	[ "$(git log --format=%s)" = first ]
	[ ! -e notes/a ]
	# others go on
	record b
	[ "$(git log -1 --format=%s)" = 'record b' ]
	git checkout -q main
	atomic-record --recover --sqlite "$db"
	[ "$(git log --format=%s main)" = $'record a\nfirst' ]
}

@test "leaves a record whose branch was deleted until it is discarded (record/V3)" {
	local id

	killed_at linkat
	rm -f .git/index.lock
	git checkout -q -b elsewhere
	git branch -qD main
	run -0 --separate-stderr record b
	id=$(sqlite3 "$db" 'SELECT substr(id, 1, 8) FROM holdfast_intent')
	# it prints the command to type
	[[ $stderr == *"atomic-record --recover --drop $id --sqlite '$db'"* ]]
	run -64 atomic-record --recover --drop x --sqlite "$db"
	run -64 atomic-record --drop "$id" --sqlite "$db"
	run -66 atomic-record --recover --drop 00000000 --sqlite "$db"
	[ "$(intents)" = 1 ]
	run -0 --separate-stderr atomic-record --recover --drop "$id" --sqlite "$db"
	[[ $output == *"$id"*refs/heads/main*notes/a*ledger* ]]
	[[ $stderr == *"'$db.record-$id'"* ]]
	[ "$(intents)" = 0 ]
	# record/D1, record/D3
	[ "$(rows)" = 2 ]
	[ "$(stat -c %a "$db.record-$id")" = 700 ]
	[ "$(cat "$db.record-$id/1-a")" = 'a note' ]
	[ "$(cat "$db.record-$id/2-ledger")" = 'a line' ]
	grep -q 'record a' "$db.record-$id/record"
	[ ! -e notes/a ]
	run -0 --separate-stderr record c
	[ -z "$stderr" ]
	git fsck --strict --no-dangling
}

@test "names an unfinished record that blocks the next one, and can discard it" {
	local id

	killed_at linkat
	rm -f .git/index.lock
	id=$(sqlite3 "$db" 'SELECT substr(id, 1, 8) FROM holdfast_intent')
	HOLDFAST_FAULT='fsync#1+:EIO' run -74 "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
		--git . -m m --write ledger=../note
	[[ $output == *"cannot finish record $id, which comes first"*"--drop $id"* ]]
	atomic-record --recover --drop "$id" --sqlite "$db"
	record b
}

@test "does not discard a record whose content cannot be saved durably (record/D1)" {
	local id n failed=0

	killed_at renameat2
	id=$(sqlite3 "$db" 'SELECT substr(id, 1, 8) FROM holdfast_intent')
	for n in {1..20}; do
		HOLDFAST_FAULT="fsync#$n:EIO" run "$HF_FAULT_BIN/atomic-record" --recover \
			--drop "$id" --sqlite "$db"
		[ "$(intents)" = 1 ] || break
		[ "$status" = 74 ]
		failed=$((failed + 1))
	done
	((failed >= 6))
	[ "$status" = 0 ]
	[ "$(cat "$db.record-$id/1-a")" = 'a note' ]
}

@test "saves a discarded record under another name when the usual name is taken" {
	local id n

	killed_at renameat2
	id=$(sqlite3 "$db" 'SELECT substr(id, 1, 8) FROM holdfast_intent')
	mkdir elsewhere
	ln -s "$PWD/elsewhere" "$db.record-$id"
	mkdir -m 755 "$db.record-$id.1"
	: >"$db.record-$id.2"
	HOLDFAST_WITHOUT=drop_names run -77 "$HF_FAULT_BIN/atomic-record" --recover --drop "$id" \
		--sqlite "$db"
	touch "$db.record-$id."{3..9}
	run -77 atomic-record --recover --drop "$id" --sqlite "$db"
	[ "$(intents)" = 1 ]
	rm "$db.record-$id."{3..9}
	run -0 --separate-stderr atomic-record --recover --drop "$id" --sqlite "$db"
	[[ $stderr == *"'$db.record-$id.3'"* ]]
	[ "$(intents)" = 0 ]
	[ "$(stat -c %a "$db.record-$id.3")" = 700 ]
	[ "$(cat "$db.record-$id.3/1-a")" = 'a note' ]
	[ -z "$(find elsewhere "$db.record-$id.1" -mindepth 1)" ]
}

@test "exits with 76 when it discards a record and standard output cannot be written" {
	local id

	killed_at renameat2
	id=$(sqlite3 "$db" 'SELECT substr(id, 1, 8) FROM holdfast_intent')
	run -76 sh -c 'atomic-record --recover --drop "$1" --sqlite "$2" >/dev/full' sh "$id" "$db"
	[[ $output == *'discarded, but standard output cannot be written'* ]]
	[ "$(intents)" = 0 ]
}

@test "leaves and reports a record of another repository (record/V3)" {
	killed_at renameat2
	git init -q -b main ../second
	cd ../second
	git config user.name N
	git config user.email n@x
	run -0 --separate-stderr record b --parents
	[[ $stderr == *'of another repository'* ]]
	[ "$(intents)" = 1 ]
	run -1 atomic-record --recover --sqlite "$db" --git .
	run -0 atomic-record --recover --sqlite "$db"
	[ "$(git -C ../repo log -1 --format=%s)" = 'record a' ]
}

@test "finishes a record in a repository that was moved when --git names it (record/V3)" {
	killed_at renameat2
	mv ../repo ../moved
	cd ../moved
	run -1 atomic-record --recover --sqlite "$db"
	run -0 atomic-record --recover --sqlite "$db" --git .
	[ "$(git log -1 --format=%s)" = 'record a' ]
	[ -z "$(git status --porcelain)" ]
}

@test "does not trust an intent in a database that others may write to (record/V5)" {
	HOLDFAST_FAULT='renameat2#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
		--write ledger=../note --sql "INSERT INTO t(name) VALUES ('a')"
	chmod 666 "$db"
	run -1 atomic-record --recover --sqlite "$db"
	[[ $output == *'other users may write to the database, but not to'* ]]
	[ "$(cat ledger)" = first ]
	chmod 600 "$db"
	atomic-record --recover --sqlite "$db"
	[ "$(cat ledger)" = 'a note' ]
}

@test "leaves an intent that names the database, or a path out of the repository (record/V6)" {
	killed_at renameat2
	sqlite3 "$db" "UPDATE holdfast_intent_file SET path = '../db' WHERE number = 0"
	run -1 atomic-record --recover --sqlite "$db"
	sqlite3 "$db" "UPDATE holdfast_intent_file SET path = '.git/config' WHERE number = 0"
	run -1 atomic-record --recover --sqlite "$db"
	[ "$(sqlite3 "$db" 'PRAGMA integrity_check')" = ok ]
	git fsck
}

@test "creates no directory outside of the repository, nor in .git (record/V5)" {
	local path

	killed_at linkat
	mkdir ../outside
	ln -s ../outside link
	for path in ../outside/made/x link/made/x .git/made/x; do
		sqlite3 "$db" "UPDATE holdfast_intent_file SET path = '$path' WHERE number = 0"
		run -1 atomic-record --recover --sqlite "$db"
	done
	[ -z "$(ls ../outside)" ]
	[ ! -e .git/made ]
}

@test "trusts an intent only if all its database's writers can write the repository (record/V5)" {
	local dir=$BATS_TEST_TMPDIR/shared

	require_root
	killed_at linkat
	# that user's database, or one that all users can write to, or replace
	chown 12345 "$db"
	run -1 atomic-record --recover --sqlite "$db"
	[[ $output == *'other users may write to the database'* ]]
	chown 0 "$db"
	chmod 666 "$db"
	run -1 atomic-record --recover --sqlite "$db"
	chmod 644 "$db"
	mkdir "$dir"
	mv "$db"* "$dir"
	chmod 777 "$dir"
	run -1 atomic-record --recover --sqlite "$dir/db"
	[ "$(commits)" = 1 ]
	[ ! -e notes/a ]
	chmod 755 "$dir"
	atomic-record --recover --sqlite "$dir/db"
	[ "$(cat notes/a)" = 'a note' ]
}

@test "takes a copy of the repository for another one while both exist (record/V3)" {
	record z
	sqlite3 "$db" 'DELETE FROM t'
	killed_at linkat
	cp -a . ../copy
	cd ../copy
	run -1 atomic-record --recover --sqlite "$db" --git .
	[[ $output == *'of another repository'* ]]
	[ ! -e notes/a ]
	atomic-record --recover --sqlite "$db"
	[ "$(git log -1 --format=%s)" = 'record z' ]
	[ "$(git -C ../repo log -1 --format=%s)" = 'record a' ]
}

@test "does not write the intent to temporary tables of the same names (record/R1)" {
	record z
	HOLDFAST_FAULT='renameat2#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
		--sql 'CREATE TEMP TABLE holdfast_intent AS SELECT * FROM holdfast_intent;
			CREATE TEMP TABLE holdfast_intent_file AS
			SELECT * FROM holdfast_intent_file' --write ledger=../note
	[ "$(intents)" = 1 ]
	atomic-record --recover --sqlite "$db"
	[ "$(cat ledger)" = 'a note' ]
}

@test "refuses SQL that makes the transaction unsafe" {
	local mode

	sqlite3 "$db" 'PRAGMA journal_mode=DELETE' >/dev/null
	for mode in journal_mode=OFF main.journal_mode=MEMORY locking_mode=EXCLUSIVE \
		'"journal_mode"=OFF' "[main] . 'journal_mode' (OFF)"; do
		run -65 atomic-record --sqlite "$db" --sql "INSERT INTO t(name) VALUES ('a'); \
			PRAGMA $mode"
		[[ $output == *"make the transaction unsafe"* ]]
	done
	[ "$(rows)" = 0 ]
}

@test "refuses a branch that cannot be created before it changes anything" {
	git branch a
	git symbolic-ref HEAD refs/heads/a/b
	run -65 record a
	[[ $output == *'refs/heads/a/b'*"beside 'refs/heads/a'"* ]]
	[ "$(rows)" = 0 ]
	git symbolic-ref HEAD refs/heads/main
	nothing_done
}

@test "accepts names that look like options, with Git's plumbing too" {
	local name

	record a --write ./-x=../note
	git config core.repositoryFormatVersion 1
	git config extensions.worktreeConfig true
	for name in -y --abbrev; do
		atomic-record --sqlite "$db" --git . -m m --write "./$name=../note"
		atomic-record --sqlite "$db" --git . -m m --append "./$name=../line"
	done
	[ -z "$(git status --porcelain)" ]
	git fsck --strict --no-dangling
}

# Wait until strace's log ../calls reports that the program of strace $1 is stopped: proc(5) shows a
# traced program as stopped at every call. $stopped is its PID. Fails if it ends earlier.
await_stopped() {
	until stopped=$(sed -n 's/^\([0-9]*\) .*stopped by SIGSTOP.*/\1/p' ../calls) &&
		[ -n "$stopped" ]; do
		kill -0 "$1" || return
	done 2>/dev/null
}

@test "recreates the objects that a git gc --prune=now removes between commit point and ref" {
	local n child

	record z
	for n in {1..30}; do
		rm -f ../calls
		strace -f -qq -o ../calls -e trace=renameat,renameat2 \
			-e inject=renameat:signal=STOP:when="$n" \
			"$HF_BIN/atomic-record" --sqlite "$db" --git . -m "record $n" \
			--write "notes/$n=../note" --append ledger=../line \
			--sql "INSERT INTO t(name) VALUES ('$n')" >../said 2>&1 3>&- &
		await_stopped $! || break
		child=$stopped
		if [ "$(rows)" -gt 1 ]; then
			git gc -q --prune=now
			kill -CONT "$child"
			wait $!
			break
		fi
		kill -KILL "$child"
		wait $! || :
	done
	[ "$(rows)" = 2 ]
	[ "$(git log -1 --format=%s)" = "record $n" ]
	git fsck --strict --no-dangling
	[ -z "$(git status --porcelain)" ]
}

# Start a `git prune --expire=now`, which stops after it has determined the reachable objects, and
# before it removes any. $pruner is its PID.
start_pruner() {
	# the first object that it removes
	[[ $(echo 3 | git hash-object -w --stdin) == 00* ]]
	rm -f ../calls
	strace -f -qq -o ../calls -e trace=unlink,unlinkat \
		-e inject=unlink,unlinkat:signal=STOP:when=1 \
		git prune --expire=now 3>&- &
	strace_pid=$!
	await_stopped $strace_pid
	pruner=$stopped
}

end_pruner() {
	kill -CONT "$pruner"
	wait $strace_pid
}

# Stop the record of $1 after the COMMIT, when all its objects are stored and no ref leads to them.
# $recorder is its PID.
start_stopped() {
	local n before

	before=$(rows)
	for n in {1..30}; do
		HOLDFAST_FAULT="renameat2#$n:stop" "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
			--git . -m "record $1" --write "notes/$1=../note" --append ledger=../line \
			--sql "INSERT INTO t(name) VALUES ('$1')" >../said 2>&1 3>&- &
		recorder=$!
		until grep -q '^State:.*[Tt] ' "/proc/$recorder/status"; do kill -0 $recorder; done
		[ "$(rows)" = "$before" ] || return 0
		kill -KILL $recorder
		wait $recorder || :
	done
	false
}

@test "protects the objects from a git prune that has scanned before the ref moved (git/R10)" {
	local backend

	for backend in libgit2 plumbing; do
		[ $backend = libgit2 ] || by_plumbing
		start_stopped $backend
		[ "$(git log -1 --format=%s)" != "record $backend" ]
		start_pruner
		kill -CONT $recorder
		wait $recorder
		[ "$(git log -1 --format=%s)" = "record $backend" ]
		end_pruner
		git fsck --strict --no-dangling
		[ -z "$(git status --porcelain)" ]
	done
}

# Kill the record of start_stopped, and recover until the recovery dies at its first call after it
# has moved the ref. $1 is the back end.
kill_behind_ref() {
	local n head

	head=$(git rev-parse HEAD)
	kill -KILL $recorder
	wait $recorder || :
	for n in {1..30}; do
		HOLDFAST_FAULT="fsync#$n:kill" run -137 "$HF_FAULT_BIN/atomic-record" \
			--recover --sqlite "$db" --git .
		[ "$(git rev-parse HEAD)" = "$head" ] || break
	done
	[ "$(git rev-parse HEAD)" != "$head" ]
	[ "$(intents)" = 1 ]
}

@test "recovers a run killed after the ref when a git prune has scanned before it moved (git/R10)" {
	local backend recorder n=1 when

	for backend in libgit2 plumbing; do
		[ $backend = libgit2 ] || by_plumbing
		for when in before after; do
			start_stopped $backend-$when
			start_pruner
			kill_behind_ref $backend
			# it has removed objects to which the branch leads by now, or will do so
			[ $when = after ] || end_pruner
			atomic-record --recover --sqlite "$db" --git .
			[ $when = before ] || end_pruner
			n=$((n + 1))
			[ "$(intents)" = 0 ]
			[ "$(commits)" = $n ]
			[ "$(git log -1 --format=%s)" = "record $backend-$when" ]
			git fsck --strict --no-dangling
			[ -z "$(git status --porcelain)" ]
		done
	done
}

@test "recreates each object of a record that was killed after the ref (git/R10)" {
	local backend recorder n=1 what oid

	for backend in libgit2 plumbing; do
		[ $backend = libgit2 ] || by_plumbing
		for what in HEAD 'HEAD^{tree}' HEAD:notes HEAD:ledger; do
			n=$((n + 1))
			start_stopped $n
			kill_behind_ref $backend
			oid=$(git rev-parse "$what")
			# others have appended since, and changed
			echo more >>ledger
			echo other >notes/$n
			rm -f ".git/objects/${oid:0:2}/${oid:2}"
			strace -qq -o ../calls -e trace=close \
				atomic-record --recover --sqlite "$db" --git . 3>&-
			# a lock's descriptor is closed once, when the lock is released
			run -1 grep EBADF ../calls
			[ "$(intents)" = 0 ]
			[ "$(commits)" = $n ]
			git fsck --strict --no-dangling
			[ "$(git show HEAD:notes/$n)" = 'a note' ]
			git checkout -q .
			[ -z "$(git status --porcelain)" ]
		done
	done
}

@test "leaves a record killed after the ref whose objects cannot be recreated (git/R10)" {
	local recorder oid

	start_stopped a
	kill_behind_ref libgit2
	oid=$(git rev-parse HEAD:ledger)
	echo rewritten >ledger
	mv ".git/objects/${oid:0:2}/${oid:2}" ../object
	run -1 atomic-record --recover --sqlite "$db" --git .
	[[ $output == *'is left unfinished: objects of '*' are gone, and cannot be made again'* ]]
	[ "$(intents)" = 1 ]
	mv ../object ".git/objects/${oid:0:2}/${oid:2}"
	atomic-record --recover --sqlite "$db" --git .
	[ "$(intents)" = 0 ]
	git fsck --strict --no-dangling
}

@test "recreates objects that a git prune removes before the COMMIT, or exits with 75 (git/R10)" {
	local backend recorder options

	for backend in libgit2 plumbing; do
		[ $backend = libgit2 ] || by_plumbing
		for options in -n -w10s; do
			# at the first file that it gives a name, or removes
			HOLDFAST_FAULT='fsync#3:stop' "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
				--git . -m m --write "notes/$backend=../note" $options \
				3>&- 2>../said &
			recorder=$!
			until grep -q '^State:.*[Tt] ' "/proc/$recorder/status"; do
				kill -0 $recorder
			done
			git prune --expire=now
			kill -CONT $recorder
			status=0
			wait $recorder || status=$?
			[ $options = -w10s ] || [ $status = 0 ] || {
				[ $status = 75 ]
				grep "a 'git gc' or 'git prune' removes them" ../said
				[ ! -e "notes/$backend" ]
			}
		done
		[ $status = 0 ]
		git fsck --strict --no-dangling
		[ -z "$(git status --porcelain)" ]
	done
}

# Git's plumbing, and not libgit2, serves this repository.
by_plumbing() {
	git config core.repositoryFormatVersion 1
	git config extensions.worktreeConfig true
}

# Damage the index in way $1.
spoil_index() {
	local file=.git/index byte

	case $1 in
	cut) truncate -s 50 $file ;;
	emptied) : >$file ;;
	flipped)
		byte=$(od -An -tu1 -j 40 -N 1 $file)
		printf "\\x$(printf %x $((byte ^ 1)))" |
			dd of=$file bs=1 seek=40 conv=notrunc status=none
		;;
	new) printf '\0\0\0\11' | dd of=$file bs=1 seek=4 conv=notrunc status=none ;;
	directory) rm $file && mkdir $file ;;
	esac
}

mend="lock-run --git '$BATS_TEST_TMPDIR/repo' git -C '$BATS_TEST_TMPDIR/repo' reset"
mend_index() {
	mv .git/index ../spoiled
	eval "$mend -q"
	rm -r ../spoiled
}

@test "refuses a damaged index before the commit point (record/R2)" {
	local backend how

	for backend in libgit2 plumbing; do
		[ $backend = libgit2 ] || by_plumbing
		for how in cut emptied flipped new directory; do
			spoil_index $how
			run -65 record a
			[[ $output == *' index of '* ]]
			[[ $output == *"move '$PWD/.git/index' away, and"*"$mend"* ]]
			mend_index
			nothing_done
			run ! compgen -G ".git/index.holdfast*"
			run ! intents
		done
	done
	record a
	[ -z "$(git status --porcelain)" ]
	# without a checksum, as index.skipHash has it, it is sound
	truncate -s -20 .git/index
	head -c 20 /dev/zero >>.git/index
	record b
	git config core.splitIndex true
	git update-index --split-index
	record c
	truncate -s -1 .git/sharedindex.*
	run -65 record d
	[[ $output == *' index of '*' git -C'* ]]
	[ "$(rows)" = 3 ]
}

@test "refuses a conflicting index entry before the commit point (record/R2)" {
	local backend

	for backend in libgit2 plumbing; do
		[ $backend = libgit2 ] || by_plumbing
		HOLDFAST_FAULT='fsync#1:stop' "$HF_FAULT_BIN/atomic-record" --sqlite "$db" --git . \
			-m m --write notes/a=../note 3>&- &
		until [ "$(ps -o state= $!)" = T ]; do kill -0 $!; done
		rm -f .git/index.lock
		git update-index --add --cacheinfo "100644,$(git hash-object -w ../line),notes/a/b"
		kill -CONT $!
		status=0
		wait $! || status=$?
		[ $status = 65 ]
		git reset -q
		nothing_done
	done
}

@test "leaves a record while the index is damaged, and finishes it after the repair" {
	local backend how n=1

	for backend in libgit2 plumbing; do
		[ $backend = libgit2 ] || by_plumbing
		for how in cut flipped new; do
			n=$((n + 1))
			HOLDFAST_FAULT='renameat2#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" \
				--sqlite "$db" --git . -m "record $n" --append ledger=../line
			[ "$(intents)" = 1 ]
			spoil_index $how
			run -1 atomic-record --recover --sqlite "$db" --git .
			[[ $output == *'is left unfinished: '*' index of '* ]]
			[[ $output == *"move '$PWD/.git/index' away, and"*"$mend"* ]]
			[ "$(intents)" = 1 ]
			mend_index
			atomic-record --recover --sqlite "$db" --git .
			[ "$(intents)" = 0 ]
			[ "$(git log --format=%s | head -1)" = "record $n" ]
			[ "$(commits)" = "$n" ]
			[ "$(grep -c 'a line' ledger)" = $((n - 1)) ]
			[ -z "$(git status --porcelain)" ]
		done
	done
	git fsck --strict --no-dangling
}

@test "reports an I/O error while a git prune removes objects as an I/O error (git/R10)" {
	local recorder n staging=.git/objects/tmp_objdir-holdfast

	# without unnamed files, an object has a name where a prune sees it
	for n in {1..20}; do
		HOLDFAST_WITHOUT=unnamed HOLDFAST_FAULT="fsync#$n:stop,fsync#$((n + 1))+:EIO" \
			"$HF_FAULT_BIN/atomic-record" --sqlite "$db" --git . -m m \
			--write notes/a=../note -n 3>&- 2>../said &
		recorder=$!
		until grep -q '^State:.*[Tt] ' "/proc/$recorder/status"; do kill -0 $recorder; done
		[ ! -e $staging ] || break
		kill -KILL $recorder
		wait $recorder || :
	done
	git prune --expire=now
	[ ! -e $staging ]
	kill -CONT $recorder
	status=0
	wait $recorder || status=$?
	[ $status = 74 ]
	grep 'Input/output error' ../said
	nothing_done
}

@test "recovers and records with a rollback journal" {
	sqlite3 "$db" 'PRAGMA journal_mode=DELETE' >/dev/null
	killed_at renameat2
	record b
	[ "$(rows)" = 2 ]
	[ "$(git log --format=%s)" = $'record b\nrecord a\nfirst' ]
	[ "$(sqlite3 "$db" 'PRAGMA journal_mode')" = delete ]
}

@test "takes over a dead run's lock on the ref, in a container too (git/R7)" {
	require_pid_namespace
	cat >../inside <<-'END'
		n=0
		until [ -e .git/refs/heads/main.lock ]; do
			n=$((n + 1))
			[ $n -lt 40 ] || exit 1
			HOLDFAST_FAULT="renameat2#$n:kill" "$HF_FAULT_BIN/atomic-record" \
				--sqlite "$1" --git . -m "record $n" --write "notes/$n=../note"
		done
		exec atomic-record --recover --sqlite "$1"
	END
	run -0 unshare -pf --mount-proc sh ../inside "$db"
	[[ $output == *'is finished: commit'* ]]
	[ ! -e .git/refs/heads/main.lock ]
	[ -z "$(find .git -name '*.lock')" ]
	[ -z "$(git status --porcelain)" ]
	git fsck --strict --no-dangling
}

@test "exits with 75, and changes nothing, when the database or index.lock is busy" {
	mkfifo ../in ../out
	sqlite3 "$db" <../in >../out 3>&- &
	exec 8>../in 9<../out
	echo "BEGIN IMMEDIATE; SELECT 'begun';" >&8
	read -r line <&9
	[ "$line" = begun ]
	run -75 record a -n
	run -75 record a -w 0.2
	run -9 record a -w 0.1 -E 9
	exec 8>&- 9<&-
	wait
	nothing_done
	: >.git/index.lock
	exec 7<.git/index.lock
	run -75 record a -n
	exec 7<&-
	rm .git/index.lock
	nothing_done
	record a
}

@test "syncs a file that already has the new content but was written by others (record/R3)" {
	HOLDFAST_FAULT='renameat2#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
		--git . -m 'record a' --append ledger=../line --write notes/a=../note
	cp ../note notes/a
	strace -f -y -e trace=fsync -o ../log atomic-record --recover --sqlite "$db"
	grep -q 'fsync([0-9]*</.*/repo/notes/a>' ../log
	[ -z "$(git status --porcelain)" ]
	echo old >../old
	HOLDFAST_FAULT='renameat2#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
		--write ../old=../note --write ../alone=../line
	cp ../line ../alone
	strace -f -y -e trace=fsync -o ../log atomic-record --recover --sqlite "$db"
	grep -q 'fsync([0-9]*</.*/alone>' ../log
}

@test "does not take a copy of a repository for as durable as the original" {
	# did a record of $2 in $1 have to sync everything?
	synced() {
		(cd "$1" && HOLDFAST_FAULT_LOG=$BATS_TEST_TMPDIR/log.$1 \
			"$HF_FAULT_BIN/atomic-record" --sqlite "$db" --git . -m m \
			--write "$2=../note") && grep -q syncfs "log.$1"
	}
	cd ..
	synced repo one
	rm log.repo
	run -1 synced repo two
	cp -a repo copy
	synced copy three
	rm log.copy
	run -1 synced copy four
}

# Stop a record after the commit point until the command has run. The record stays unfinished: $1 is
# the reason.
while_asked() {
	HOLDFAST_FAULT='renameat2#1:stop' "$HF_FAULT_BIN/atomic-record" --sqlite "$db" --git . \
		-m 'record a' --append ledger=../line --write notes/a=../note 2>../said 3>&- &
	until [ "$(ps -o state= $!)" = T ]; do kill -0 $!; done
	"${@:2}"
	kill -CONT $!
	wait $! || [ $? = 76 ]
	[[ $(<../said) == *"not finished: $1"* ]]
}

@test "does not commit when the detached HEAD is on a branch by the time of the commit" {
	local how n=1

	for how in plain 'without a log' plumbing; do
		n=$((n + 1))
		git checkout -q --detach
		case $how in
		without*)
			git config core.logAllRefUpdates false
			rm .git/logs/HEAD
			;;
		plumbing) by_plumbing ;;
		esac
		while_asked "'HEAD' is 'refs/heads/main' now" git symbolic-ref HEAD refs/heads/main
		[ "$(git symbolic-ref HEAD) $(commits)" = "refs/heads/main $((n - 1))" ]
		git symbolic-ref HEAD refs/heads/gone
		git update-ref --no-deref HEAD main
		atomic-record --recover --sqlite "$db" --git .
		[ "$(commits)" = $n ]
		[ -z "$(git status --porcelain)" ]
		git branch -qf main HEAD
	done
}

@test "does not recreate a branch that is renamed or deleted after the commit point" {
	local backend n=1

	for backend in libgit2 plumbing; do
		[ $backend = libgit2 ] || by_plumbing
		n=$((n + 1))
		while_asked "'refs/heads/main' no longer exists" git branch -m trunk
		run ! git rev-parse --verify -q main
		[ "$(git symbolic-ref HEAD) $(commits)" = "refs/heads/trunk $((n - 1))" ]
		git branch -m main
		atomic-record --recover --sqlite "$db" --git .
		[ "$(commits)" = $n ]
		[ -z "$(git status --porcelain)" ]
	done
	git fsck --strict --no-dangling
}

@test "commits to its own branch when another one is checked out after the commit point" {
	local backend n=1

	for backend in libgit2 plumbing; do
		[ $backend = libgit2 ] || by_plumbing
		n=$((n + 1))
		HOLDFAST_FAULT='renameat2#1:stop' "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
			--git . -m 'record a' --append ledger=../line 3>&- &
		until [ "$(ps -o state= $!)" = T ]; do kill -0 $!; done
		git branch topic
		git symbolic-ref HEAD refs/heads/topic
		kill -CONT $!
		wait $!
		[ "$(git rev-list --count main) $(commits)" = "$n $((n - 1))" ]
		git checkout -q main
		[ -z "$(git status --porcelain)" ]
		git branch -qD topic
	done
}

@test "umask 077 locks no user out of a repository of several users" {
	umask 077
	chmod 660 "$db"
	git init -q -b main --shared=group ../common
	cd ../common
	git config user.name N
	git config user.email n@x
	atomic-record --sqlite "$db" --git . -m m --write one=../note
	[ "$(stat -c '%a' .git/holdfast)" = "$(stat -c %a .git)" ]
	[ "$(stat -c '%a' .git/holdfast/id)" = 660 ]
	[ "$(stat -c '%a' .git/holdfast/durable)" = 660 ]
	[ -z "$(find .git -type f ! -perm -040 ! -name description ! -path '*/hooks/*')" ]
}

@test "writes nothing for a user who may write to the database by an ACL alone (record/V5)" {
	local dir=$BATS_TEST_TMPDIR/acl

	mkdir "$dir" "$dir/secret"
	chmod 700 "$dir/secret"
	cd "$dir"
	sqlite-run x.db 'CREATE TABLE t(i)'
	# an intent as such a user can make one, for a file in a directory that is closed to them
	HOLDFAST_FAULT='linkat#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite x.db \
		--write secret/keys=../note
	setfacl -m u:12345:rw x.db
	run -1 atomic-record --recover --sqlite x.db
	[[ $output == *'other users may write to the database, but not to'* ]]
	[ ! -e secret/keys ]
	# others' records go on
	atomic-record -q --sqlite x.db --write f=../note
	[ ! -e secret/keys ]
	# a directory in which they may make files themselves
	setfacl -m u:12345:rwx secret
	atomic-record -q --recover --sqlite x.db
	[ "$(cat secret/keys)" = 'a note' ]
}

@test "each member of a group finishes a record in the group's database and files (record/V5)" {
	require_root
	local dir=$BATS_TEST_TMPDIR/group

	mkdir "$dir"
	chgrp 12345 "$dir"
	chmod 2775 "$dir"
	cd "$dir"
	umask 002
	cp ../note ../line .
	# SQLite looks for the database by its whole path
	local above=$BATS_TEST_TMPDIR/below
	while [[ $above == */holdfast-tests.*/* ]]; do
		above=${above%/*}
		chmod a+x "$above"
	done
	sqlite3 x.db 'CREATE TABLE t(i)'
	chmod 664 x.db
	HOLDFAST_FAULT='renameat2#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite x.db \
		--append ledger=line
	[ "$(stat -c '%a %g' x.db)" = '664 12345' ]
	cp -r "$HF_BIN/atomic-record" .
	run -0 setpriv --reuid 23456 --regid 12345 --clear-groups \
		./atomic-record --recover --sqlite x.db
	[ "$(cat ledger)" = 'a line' ]
}

@test "distrusts a database in a sticky directory, where all can create a journal (record/V5)" {
	mkdir ../sticky ../own
	chmod 1777 ../sticky
	cd ../sticky
	sqlite-run x.db 'CREATE TABLE t(i)'
	HOLDFAST_FAULT='linkat#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite x.db \
		--write ../own/f=../note
	run -1 atomic-record --recover --sqlite x.db
	[ ! -e ../own/f ]
	chmod 755 .
	atomic-record -q --recover --sqlite x.db
	[ "$(cat ../own/f)" = 'a note' ]
}

@test "sets no setuid bit from a mode that was planted in an intent (record/V5)" {
	atomic-record -q --sqlite "$db" --write ../g=../note
	HOLDFAST_FAULT='linkat#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
		--write ../f=../note
	sqlite3 "$db" "UPDATE holdfast_intent_file SET mode = 2541" # 04755
	atomic-record -q --recover --sqlite "$db"
	[ "$(stat -c %a ../f)" = 755 ]
}

@test "names a trigger that keeps the intent, and does not wait for it" {
	atomic-record -q --sqlite "$db" --write ../f=../note
	sqlite3 "$db" 'CREATE TRIGGER keep BEFORE DELETE ON holdfast_intent
		BEGIN SELECT raise(ignore); END'
	run -76 timeout 20 atomic-record -w 1s --sqlite "$db" --write ../f=../note
	[[ $output == *'it stays'*'trigger'* ]]
	run -76 timeout 20 atomic-record -w 1s --sqlite "$db" --write ../f=../note
	[[ $output == *'is left unfinished'*'it stays'* ]]
	sqlite3 "$db" 'DROP TRIGGER keep'
	atomic-record -q --recover --sqlite "$db"
	[ "$(intents)" = 0 ]
}

@test "ends when a trigger inserts a new intent for each deleted one" {
	atomic-record -q --sqlite "$db" --write ../f=../note
	HOLDFAST_FAULT='linkat#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite "$db" \
		--write ../g=../note
	sqlite3 "$db" "CREATE TRIGGER again AFTER DELETE ON holdfast_intent BEGIN
		INSERT INTO holdfast_intent(id, version, created, uid, author_time, author_offset,
			committer_time, committer_offset)
		VALUES (lower(hex(randomblob(16))), 1, 0, 0, 0, 0, 0, 0); END"
	run -75 timeout 30 atomic-record -w 1s --recover --sqlite "$db"
	[ "$(cat ../g)" = 'a note' ]
}

@test "reports and finishes records of several repositories, under sanitizers" {
	local r

	for r in r1 r2 r3; do
		git init -q -b main "../$r"
		git -C "../$r" -c user.name=N -c user.email=n@x commit -q --allow-empty -m first
		git -C "../$r" config user.name N
		git -C "../$r" config user.email n@x
		HOLDFAST_FAULT='renameat2#3:kill' run -137 "$HF_FAULT_BIN/atomic-record" \
			--sqlite "$db" --git "../$r" -m m --append "../$r/f=../note"
	done
	[ "$(intents)" = 3 ]
	run -1 "$HF_ASAN_BIN/atomic-record" --recover --sqlite "$db" --git .
	[ "$(grep -c 'is left unfinished' <<<"$output")" = 3 ]
	run -0 "$HF_ASAN_BIN/atomic-record" --sqlite "$db" --git ../r1 -m m --append ../r1/f=../note
	[ "$(grep -c 'is left unfinished' <<<"$output")" = 2 ]
	[ "$(grep -c 'is finished' <<<"$output")" = 1 ]
	run -0 "$HF_ASAN_BIN/atomic-record" --recover --sqlite "$db"
	[ "$(intents)" = 0 ]
	for r in r1 r2 r3; do [ -z "$(git -C "../$r" status --porcelain)" ]; done
}
