#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# Databases, repositories and keepers where another user can put a file, a socket or a link in the
# way: the files of SQLite and holdfast beside a database, .git/holdfast, info/exclude, a keeper's
# names. Each mend is seen failing when it is taken out (HOLDFAST_WITHOUT, base/sys.h).

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	[ "$(id -u)" = 0 ] || skip 'needs root, to be two users'
	dir=$BATS_TEST_TMPDIR
	cd "$dir"
	# SQLite and Git go by absolute paths
	until [ "$PWD" = / ]; do
		[ "$(stat -c %a .)" != 700 ] || chmod 711 .
		cd ..
	done
	cd "$dir"
	chmod 1777 .
	mkdir bin faults
	cp "$HF_BIN"/* bin
	cp "$HF_FAULT_BIN"/* faults
	PATH=$dir/bin:$PATH
	umask 022
	mkfifo -m 666 go at
	: >log
	chmod 666 log
}

# Two users that are in no user database; Bob owns the SQLite database.
as_bob='setpriv --reuid 41001 --regid 41001 --clear-groups env HOME=/nonexistent'
as_eve='setpriv --reuid 41002 --regid 41002 --clear-groups env HOME=/nonexistent'
bob() { $as_bob "$@"; }
eve() { $as_eve "$@"; }

make_database() {
	bob sqlite-run "${1:-x.db}" 'CREATE TABLE t (a)'
	rm -f "${1:-x.db}"-*
}

rows() { bob sqlite3 "$1" 'SELECT count(*) FROM t'; }

# Eve has file $1 locked, until she is let go.
eve_locks() {
	bg $as_eve flock "$1" sh -c 'echo >at; read x <go'
	holder=$!
	hear
}

# The tools that take SQLite's own lock do their work.
all_write() {
	bob "$1/sqlite-run" -w 1 x.db 'INSERT INTO t VALUES (1)' &&
		bob "$1/sqlite-once" -w 1 x.db "key $RANDOM$RANDOM" &&
		bob "$1/sqlite-lease" -w 1 acquire --ttl 1 x.db "lease $RANDOM$RANDOM" &&
		echo job | bob "$1/sqlite-queue" -w 1 add x.db &&
		bob "$1/atomic-record" -w 1 --sqlite x.db --sql 'INSERT INTO t VALUES (2)' &&
		bob "$1/sqlite-backup" -w 1 x.db copy.db &&
		bob "$1/lock-run" -w 1 --sqlite-freeze x.db true
}

@test "does not wait for a turnstile that another user has created and locked" {
	make_database
	eve touch x.db-turnstile
	eve_locks x.db-turnstile
	run -0 all_write bin
	[[ $output == *'going on without a turnstile'* ]]
	[[ $output == *"'x.db-turnstile' of 'x.db', which belongs to user 41002"* ]]
	HOLDFAST_WITHOUT=turnstile run -75 all_write faults
	# it takes no other lock, and could not keep its promise
	run -77 bob lock-run -w 1 --sqlite x.db true
	[[ $output == *"of 'x.db', which belongs to user 41002: that user may not write"* ]]
	run -77 lock-run -w inf --sqlite x.db true
	run -77 bob lock-acquire -w 1 --owner $$ --sqlite x.db
	HOLDFAST_WITHOUT=turnstile run -75 bob faults/lock-run -w 1 --sqlite x.db true
	let_go
	eve rm x.db-turnstile
	bob lock-run --sqlite x.db true
	[ "$(stat -c %u x.db-turnstile)" = 41001 ]
	[ "$(rows x.db)" = 2 ]
}

@test "ignores a turnstile name that is not a file, or has other names" {
	local make
	make_database
	export -f bob all_write
	export as_bob
	for make in 'mkfifo x.db-turnstile' 'mkdir x.db-turnstile' \
		'ln -s /etc/passwd x.db-turnstile' 'ln -s nowhere x.db-turnstile' \
		'touch y; ln y x.db-turnstile'; do
		eve sh -c "$make"
		run -0 timeout 20 bash -c 'all_write bin'
		run -77 bob timeout 20 lock-run -w 1 --sqlite x.db true
		eve rm -r x.db-turnstile
	done
	[ ! -e nowhere ]
	# a mistake of its own user
	bob mkdir x.db-turnstile
	run -65 bob lock-run -w 1 --sqlite x.db true
	[[ $output == *"which belongs to user 41001: it is not a regular file"* ]]
	bob sqlite-run x.db 'INSERT INTO t VALUES (1)'
}

@test "creates a database whose turnstile's name is taken" {
	eve touch new.db-turnstile
	eve_locks new.db-turnstile
	bob sqlite-run -w 1 new.db 'CREATE TABLE t (a); INSERT INTO t VALUES (1)'
	[ "$(rows new.db)" = 1 ]
	[ "$(bob sqlite3 new.db 'PRAGMA journal_mode')" = wal ]
	let_go
}

# Bob's sqlite-run, which has ignored Eve's turnstile, stops before it takes SQLite's lock. In the
# meantime the turnstile is recreated, and a command holds it. $1: the mend that is taken out.
passes_then_meets() {
	local pid n
	make_database
	eve touch x.db-turnstile
	bob env HOLDFAST_FAULT_LOG="$dir/calls" faults/sqlite-run x.db 'SELECT 1' 2>/dev/null
	# the last fstat before the last fstatat, which is the second check
	n=$(awk '$2 == "fstat" { f++ } $2 == "fstatat" { n = f } END { print n }' calls)
	# shellcheck disable=SC2086
	bg $as_bob env HOLDFAST_FAULT="fstat#$n:stop" HOLDFAST_WITHOUT="$1" \
		faults/sqlite-run -w 20 x.db 'INSERT INTO t VALUES (1)'
	pid=$!
	await is_stopped "$pid"
	eve rm x.db-turnstile
	bg $as_bob lock-run --sqlite x.db sh -c 'echo >at; read x <go
		sqlite3 x.db "SELECT count(*) FROM t" >seen'
	holder=$!
	hear
	kill -CONT "$pid"
	writer=$pid
}

@test "respects a turnstile that replaces the ignored one after the first check" {
	passes_then_meets ''
	await waits "$writer"
	let_go
	wait "$writer"
	[ "$(cat seen)" = 0 ]
	[ "$(rows x.db)" = 1 ]
}

@test "without the second check, a write intervenes" {
	passes_then_meets turnstile_recheck
	wait "$writer"
	let_go
	[ "$(cat seen)" = 1 ]
}

@test "finishes a record when the ignored turnstile is removed during it" {
	local pid
	make_database
	eve touch x.db-turnstile
	echo note >src
	bob sh -c 'echo old >note'
	bg $as_bob env HOLDFAST_FAULT='renameat2#1:stop' faults/atomic-record --sqlite x.db \
		--write note=src --sql 'INSERT INTO t VALUES (1)'
	pid=$!
	await is_stopped "$pid"
	eve rm x.db-turnstile
	kill -CONT "$pid"
	wait "$pid"
	[ "$(cat note)" = note ]
	[ "$(rows x.db)" = 1 ]
	run -0 bob atomic-record --recover --dry-run --sqlite x.db
	[ -z "$output" ]
}

@test "every user who may write to the database may hold its turnstile: by mode, group or ACL" {
	make_database
	setfacl -m u:41002:rw x.db
	eve sqlite-run x.db 'INSERT INTO t VALUES (1)'
	[ "$(stat -c %u x.db-turnstile)" = 41002 ]
	# Bob is not its owner, nor is Bob's group that of the file
	# shellcheck disable=SC2046
	[ "$(echo $(getfacl -cnp x.db-turnstile))" = "user::rw- user:41001:rw- user:41002:rw- \
group::--- group:41001:r-- mask::rw- other::r--" ]
	bob sqlite-run x.db 'INSERT INTO t VALUES (1)'
	eve_locks x.db-turnstile
	run -75 root_runs -w 0.1
	let_go
	lock-run -n --sqlite x.db true
}
root_runs() { lock-run "$@" --sqlite x.db true; }

@test "opens the turnstile to no user to whom the database is closed" {
	make_database
	setfacl -m u:41002:rw x.db
	[ "$(stat -c %a x.db)" = 664 ]
	bob lock-run --sqlite x.db true
	# the group's bits are the mask: the group itself may read
	[ "$(getfacl -cp x.db-turnstile)" = "$(getfacl -cp x.db)" ]
	rm x.db-turnstile
	setfacl -b x.db
	setfacl -d -m u:41002:rw .
	bob lock-run --sqlite x.db true
	[[ $(getfacl -cp x.db-turnstile) != *41002* ]]
	[ "$(stat -c %a x.db-turnstile)" = 644 ]
	# its mode follows
	chmod 600 x.db
	HOLDFAST_WITHOUT=turnstile_mode bob faults/lock-run --sqlite x.db true
	[ "$(stat -c %a x.db-turnstile)" = 644 ]
	bob lock-run --sqlite x.db true
	[ "$(stat -c %a x.db-turnstile)" = 600 ]
}

@test "a user who may only read the database creates no turnstile" {
	make_database
	run -77 eve lock-run -s --sqlite x.db true
	[ ! -e x.db-turnstile ]
	HOLDFAST_WITHOUT=turnstile eve faults/lock-run -s --sqlite x.db true
	[ -e x.db-turnstile ]
	rm x.db-turnstile
	bob lock-run --sqlite x.db true
	eve lock-run -s --sqlite x.db true
}

# Eve's log of x.db, which adds the row 66, or her journal, which takes all rows away. In eve/.
eve_writes_log() {
	mkdir -p eve
	chown 41002 eve
	eve cp x.db eve/x.db
	eve python3 - <<-'END'
		import shutil, sqlite3
		db = sqlite3.connect("eve/x.db", isolation_level=None)
		db.execute("PRAGMA journal_mode=WAL")
		db.execute("INSERT INTO t VALUES (66)")
		shutil.copy("eve/x.db-wal", "eve/wal")
		shutil.copy("eve/x.db-shm", "eve/shm")
		db.execute("DELETE FROM t")
	END
	eve sqlite3 eve/x.db 'PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE;
		INSERT INTO t VALUES (66)' >/dev/null
	eve python3 - <<-'END'
		import struct
		db = open("eve/x.db", "rb").read()
		size = struct.unpack(">H", db[16:18])[0]
		pages = len(db) // size
		journal = bytearray(512)
		magic = bytes.fromhex("d9d505f920a163d7")
		struct.pack_into(">8sIIIII", journal, 0, magic, pages, 7, pages, 512, size)
		for n in range(pages):
		    page = db[n * size:(n + 1) * size]
		    total = 7 + sum(page[i] for i in range(size - 200, 0, -200))
		    journal += struct.pack(">I", n + 1) + page + struct.pack(">I", total)
		open("eve/journal", "wb").write(journal)
	END
}

has_row_66() {
	[ "$(bob sqlite3 'file:x.db?immutable=1' 'SELECT count(*) FROM t WHERE a = 66')" = 1 ]
}

@test "does not replay a log or journal that another user has put beside a database" {
	local tool suffix
	make_database
	bob sqlite3 x.db 'PRAGMA journal_mode=DELETE' >/dev/null
	eve_writes_log
	cp -p x.db before
	for suffix in wal journal; do
		eve cp "eve/$suffix" "x.db-$suffix"
		eve chmod 666 "x.db-$suffix"
		for tool in 'sqlite-run x.db "SELECT * FROM t"' \
			'sqlite-run --read x.db "SELECT * FROM t"' \
			'sqlite-run x.db "INSERT INTO t VALUES (1)"' 'sqlite-check x.db' \
			'sqlite-backup x.db copy' 'sqlite-once x.db key' \
			'sqlite-once --check x.db key' \
			'sqlite-lease list x.db' 'sqlite-queue claim x.db' \
			'atomic-record --sqlite x.db --sql "INSERT INTO t VALUES (1)"' \
			'atomic-record --recover --sqlite x.db' \
			'lock-run --sqlite-freeze x.db true'; do
			run -77 bob timeout 20 sh -c "$tool"
			[[ $output == *"'x.db-$suffix' beside it belongs to user 41002"* ]]
			run -77 timeout 20 sh -c "$tool"
			cmp x.db before
		done
		# by another name of the database, beside which nothing lies
		ln -s "$dir/x.db" eve/link
		chown -h 41001 eve/link
		run -77 bob sqlite-run eve/link 'SELECT * FROM t'
		rm eve/link
		# which only then fails to remove the journal
		HOLDFAST_WITHOUT=sqlite_beside,sql_guard run \
			bob faults/sqlite-run -q x.db 'SELECT 1'
		has_row_66
		rm -f x.db-*
		cp -p before x.db
	done
}

@test "does not replay a log that is put there between the check and the open" {
	local n
	make_database
	eve_writes_log
	bob env HOLDFAST_FAULT_LOG="$dir/calls" faults/sqlite-run x.db 'SELECT 1'
	rm -f x.db-*
	# the check closes the database and its directory; then SQLite opens the log
	n=$(awk '$2 == "close" { c++ } $2 == "openat" && c >= 2 { print $1; exit }' calls)
	cp -p x.db before
	plant() { # WITHOUT
		bg $as_bob env HOLDFAST_FAULT="$n:stop" HOLDFAST_WITHOUT="$1" \
			faults/sqlite-run -q x.db 'INSERT INTO t VALUES (1)'
		local pid=$!
		await is_stopped "$pid"
		eve cp eve/wal x.db-wal
		eve chmod 666 x.db-wal
		kill -CONT "$pid"
		status=0
		wait "$pid" || status=$?
	}
	plant ''
	[ "$status" = 77 ]
	grep "'x.db-wal' beside it belongs to user 41002" log
	rm x.db-wal
	[ "$(rows x.db)" = 0 ]
	rm -f x.db-*
	plant sql_guard
	[ "$status" = 0 ]
	rm -f x.db-*
	has_row_66
}

@test "refuses to create a database beside another user's log" {
	make_database
	eve_writes_log
	eve cp eve/wal new.db-wal
	run -77 bob sqlite-run new.db 'CREATE TABLE t (a)'
	[[ $output == *"'new.db-wal' beside it belongs to user 41002"* ]]
}

@test "refuses a trusted user's log that others may write, and replays one that they may read" {
	make_database
	bob sqlite3 x.db 'PRAGMA journal_mode=DELETE' >/dev/null
	eve_writes_log
	cp eve/journal x.db-journal
	chown 41001 x.db-journal
	chmod 666 x.db-journal
	run -77 bob sqlite-run x.db 'SELECT 1'
	[[ $output == *"users who may not write the file may write it"* ]]
	chmod 600 x.db
	chmod 644 x.db-journal
	bob sqlite-run x.db 'SELECT 1'
	has_row_66
}

@test "does not wait for a -journal that is a FIFO, a directory or a link" {
	local make
	make_database
	bob sqlite3 x.db 'PRAGMA journal_mode=DELETE' >/dev/null
	for make in 'mkfifo x.db-journal' 'mkdir x.db-journal' 'ln -s go x.db-journal'; do
		eve sh -c "$make"
		run -77 bob timeout 20 sqlite-run x.db 'INSERT INTO t VALUES (1)'
		[[ $output == *"beside it belongs to user 41002: it is not a regular file"* ]]
		eve rm -r x.db-journal
	done
}

@test "does not take locks on another user's -shm for a writer's" {
	make_database
	eve touch x.db-shm
	bg $as_eve python3 -c '
import fcntl
f = open("x.db-shm", "r+")
fcntl.lockf(f, fcntl.LOCK_EX, 1, 120)
open("at", "w").write("\n")
open("go").read()'
	holder=$!
	hear
	bob lock-run -n --sqlite x.db true
	HOLDFAST_WITHOUT=sqlite_beside run -75 bob faults/lock-run -n --sqlite x.db true
	let_go
}

@test "sqlite-once: another user's lock file marks nothing as running" {
	make_database
	bob sqlite-once x.db first
	eve sh -c 'touch x.db-once; chmod 666 x.db-once'
	bg $as_eve python3 -c '
import fcntl, struct
f = open("x.db-once", "r+")
fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)) # F_OFD_SETLK, all of it
open("at", "w").write("\n")
open("go").read()'
	holder=$!
	hear
	bob sqlite-once -w 1 x.db second
	run -1 bob sqlite-once -w 1 x.db second
	HOLDFAST_WITHOUT=turnstile run -75 bob faults/sqlite-once -w 0.1 x.db third
	# a command needs the file, so that it is run once
	run -77 bob sqlite-once -w 1 x.db third -- true
	[[ $output == *"'x.db-once' of 'x.db', which belongs to user 41002"* ]]
	let_go
	eve rm x.db-once
	bob sqlite-once x.db third -- true
}

make_repository() { # USER DIR
	mkdir "$2"
	chown "$1" "$2"
	setpriv --reuid "$1" --regid "$1" --clear-groups env HOME=/nonexistent sh -c "
		git init -q '$2' && mkdir -p '$2/.git/info' &&
			echo '# none' >'$2/.git/info/exclude'"
}

@test "sqlite-once: refuses a lock file that is replaced between the check and its lock" {
	local n
	make_database
	bob sqlite-once x.db first -- true
	bob env HOLDFAST_FAULT_LOG="$dir/calls" faults/sqlite-once x.db another -- true
	n=$(awk '$2 == "openat" { n = $1 } $2 == "fcntl_lock" { print n; exit }' calls)
	replace() { # WITHOUT
		bg $as_bob env HOLDFAST_FAULT="$n:stop" HOLDFAST_WITHOUT="$1" \
			faults/sqlite-once -w 2 x.db "second$1" -- true
		local pid=$!
		await is_stopped "$pid"
		bob mv x.db-once old
		bob touch x.db-once
		kill -CONT "$pid"
		status=0
		wait "$pid" || status=$?
	}
	replace ''
	[ "$status" = 77 ]
	replace once_file
	[ "$status" = 0 ]
}

@test "info/exclude: writes nothing to another user's repository, nor through a link" {
	mkdir -m 700 private
	echo 'EDITOR=vi' >private/profile
	make_repository 41002 eve
	eve sqlite3 eve/x.db 'CREATE TABLE t (a)'
	chmod 666 eve/x.db
	sqlite-run eve/x.db 'INSERT INTO t VALUES (1)'
	[ "$(cat eve/.git/info/exclude)" = '# none' ]
	# so git status shows it, until the owner uses the database
	[[ $(eve git -C eve status --short) == *'?? x.db-turnstile'* ]]
	rm eve/x.db-turnstile
	HOLDFAST_WITHOUT=exclude_owner faults/sqlite-run eve/x.db 'INSERT INTO t VALUES (1)'
	grep -x /x.db-turnstile eve/.git/info/exclude
	rm eve/x.db-turnstile
	eve ln -sf "$dir/private/profile" eve/.git/info/exclude
	sqlite-run eve/x.db 'INSERT INTO t VALUES (1)'
	rm eve/x.db-turnstile
	[ "$(cat private/profile)" = 'EDITOR=vi' ]
	HOLDFAST_WITHOUT=exclude_owner,exclude_link faults/sqlite-run eve/x.db 'SELECT 1'
	grep -x /x.db-turnstile private/profile
}

@test "info/exclude: in the own repository lists each turnstile, except for unusable names" {
	local name
	make_repository 41001 repo
	for name in 'x;id>pwned;#' $'two\nlines' '#a' ' b ' '!c'; do
		bob mkdir "repo/$name"
		bob sqlite3 "repo/$name/x.db" 'CREATE TABLE t (a)'
		bob sqlite-run "repo/$name/x.db" 'INSERT INTO t VALUES (1)'
		bob git -C repo add -- "$name/x.db"
	done
	[ "$(grep -c turnstile repo/.git/info/exclude)" = 4 ]
	[ "$(bob git -C repo status --short | grep turnstile)" = '?? "two\nlines/x.db-turnstile"' ]
	# a link that leads out, or an info/ that does
	rm -r repo/'#a'/x.db-turnstile repo/.git/info
	mkdir elsewhere
	bob ln -s "$dir/elsewhere" repo/.git/info
	bob sqlite-run 'repo/#a/x.db' 'INSERT INTO t VALUES (1)'
	[ -z "$(ls elsewhere)" ]
}

@test ".git/holdfast and its content must belong to users who may write to the repository" {
	make_repository 41001 repo
	mkdir repo/.git/holdfast
	chown 41002 repo/.git/holdfast
	chmod 777 repo/.git/holdfast
	run -77 bob lock-run -w 1 --git repo true
	[[ $output == *".git/holdfast', which belongs to user 41002: that user may not write"* ]]
	HOLDFAST_WITHOUT=git_own_dir bob faults/lock-run -w 1 --git repo true
	rm -r repo/.git/holdfast
	bob mkdir repo/.git/holdfast
	touch repo/.git/holdfast/turnstile
	chown 41002 repo/.git/holdfast/turnstile
	eve_locks repo/.git/holdfast/turnstile
	run -77 bob lock-run -w 1 --git repo true
	[[ $output == *"'turnstile' of 'repo', which belongs to user 41002"* ]]
	HOLDFAST_WITHOUT=turnstile run -75 bob faults/lock-run -w 0.1 --git repo true
	let_go
	rm repo/.git/holdfast/turnstile
	bob lock-run -w 1 --git repo true
}

@test "an inspection creates no .git/holdfast" {
	make_repository 41002 eve
	eve touch eve/.git/index.lock
	run lock-status eve/.git/index.lock
	run lock-break --dry-run --git eve
	[ ! -e eve/.git/holdfast ]
}

@test "repository identity: does not wait for a FIFO, and does not trust another user's file" {
	make_repository 41001 repo
	bob mkdir repo/.git/holdfast
	bob sh -c 'cd repo && echo a >f && git add f &&
		git -c user.name=b -c user.email=b commit -qm i'
	record() { bob timeout 20 atomic-record --sqlite r.db --git repo -m x --write repo/f=src \
		--sql 'CREATE TABLE IF NOT EXISTS t (a)'; }
	export GIT_AUTHOR_NAME=b GIT_AUTHOR_EMAIL=b GIT_COMMITTER_NAME=b GIT_COMMITTER_EMAIL=b
	echo b >src
	mkfifo repo/.git/holdfast/id
	run -77 record
	[[ $output == *"holdfast/id', which belongs to "*': it is not a regular file'* ]]
	rm repo/.git/holdfast/id
	echo 0123456789abcdef0123456789abcdef >repo/.git/holdfast/id
	chown 41002 repo/.git/holdfast/id
	run -77 record
	rm repo/.git/holdfast/id
	for make in mkdir 'ln -s nowhere' 'ln -s ../HEAD' 'python3 -c "import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])"'; do
		eval "$make repo/.git/holdfast/id"
		run -77 record
		[[ $output == *"holdfast/id', which belongs to "*': it is not a regular file'* ]]
		rm -r repo/.git/holdfast/id
	done
	mkfifo repo/.git/holdfast/durable
	run -0 record
	[ -p repo/.git/holdfast/durable ]
}

# A repository of Bob's with a commit of d/f.
make_recorded() {
	make_repository 41001 repo
	export GIT_AUTHOR_NAME=b GIT_AUTHOR_EMAIL=b GIT_COMMITTER_NAME=b GIT_COMMITTER_EMAIL=b
	bob sh -c 'cd repo && mkdir d && echo a >d/f && git add d && git commit -qm i'
	echo b >src
}

record_in() {
	bob timeout 20 atomic-record --sqlite r.db --git repo -m x --write "repo/$1=src" \
		--sql 'CREATE TABLE IF NOT EXISTS t (a)'
}

@test "a record: does not wait for a FIFO in place of ignore rules or attributes" {
	local name wanted

	make_recorded
	for name in .git/info/exclude .git/info/attributes .gitignore d/.gitignore .gitattributes \
		d/.gitattributes; do
		rm -f "repo/$name"
		mkfifo -m 666 "repo/$name"
		run -65 record_in d/new
		[[ $output == *"/repo/$name': it is not a regular file"* ]]
		# Git asks no ignore rules for a path that is tracked
		[[ $name == *attributes ]] && wanted=65 || wanted=0
		run -$wanted record_in d/f
		rm "repo/$name"
	done
	[ ! -e repo/d/new ]
	# a file off the path is not inspected, and a link to a file counts as one
	bob mkdir repo/e
	mkfifo repo/e/.gitignore
	bob sh -c 'cd repo && echo x >e/rules && ln -s ../../e/rules .git/info/exclude'
	run -0 record_in d/new
}

@test "a record: replaces index and branch although names for its new files are taken" {
	local name branch

	make_recorded
	branch=repo/.git/$(bob git -C repo symbolic-ref HEAD)
	mkdir -p "$branch~holdfast.lock/full"
	for name in index.holdfast index.holdfast.lock index.holdfast.00000000; do
		mkdir -p "repo/.git/$name/full"
	done
	run -0 record_in d/f
	run -0 record_in d/new
	[ -z "$(bob git -C repo status --porcelain -uno)" ]
	[ -d repo/.git/index.holdfast/full ]
	[ "$(ls "${branch%/*}")" = "$(printf '%s\n' "${branch##*/}"{,~holdfast.lock})" ]
	rm -r repo/.git/index.holdfast* "$branch~holdfast.lock"
	bob touch repo/.git/index.holdfast{,.lock,.00000000,.00000000.lock}
	echo c >src
	run -0 record_in d/f
	run ! compgen -G 'repo/.git/index.holdfast*'
}

@test "runs no program that another user's repository configures" {
	make_repository 41002 eve
	eve sh -c 'cd eve && echo a >f && git add f &&
		git -c user.name=e -c user.email=e commit -qm i'
	printf '#!/bin/sh\ntouch %s/ran\n' "$dir" >evil
	chmod 755 evil
	mkdir evils
	cp evil evils/pre-commit
	eve sh -c "cd eve && git config core.fsmonitor $dir/evil &&
		git config core.hooksPath $dir/evils && git config filter.x.clean $dir/evil &&
		git config gpg.program $dir/evil &&
		git config commit.gpgsign true && git config core.pager $dir/evil &&
		echo '* filter=x' >.gitattributes && sqlite3 x.db 'CREATE TABLE t (a)'"
	chmod 666 eve/x.db
	export GIT_AUTHOR_NAME=r GIT_AUTHOR_EMAIL=r GIT_COMMITTER_NAME=r GIT_COMMITTER_EMAIL=r
	rm -f ran
	eve git -C eve status >/dev/null
	[ -e ran ]
	rm ran
	sqlite-check eve/x.db || :
	sqlite-run eve/x.db 'INSERT INTO t VALUES (1)'
	lock-run --git eve true
	lock-status --git eve || :
	lock-break --git eve
	echo b >src
	run -77 atomic-record --sqlite r.db --git eve -m x --write eve/f=src \
		--sql 'CREATE TABLE t (a)'
	[[ $output == *'another user owns it'* ]]
	[ "$(cat eve/f)" = a ]
	[ ! -e ran ]
}

@test "holdfast-hooks: reads and writes nothing in a repository that Git refuses" {
	make_repository 41002 eve
	eve git -C eve config core.hooksPath "$dir/planted"
	PATH=$HF_BIN:$PATH
	for command in install status uninstall; do
		run -77 holdfast-hooks "$command" eve
		[[ $output == *"another user owns the repository of '$dir/eve'"*safe.directory* ]]
	done
	cd eve
	run -77 holdfast-hooks run pre-commit
	run -77 holdfast-hooks run pre-push
	[ ! -e ../planted ]
	[ -z "$(find . -user root)" ]
}

# A keeper of Eve's for PID $2, which lends its lock on $1, and then unlocks it.
fake_keeper() {
	bg $as_eve python3 -c '
import array, fcntl, os, socket, struct, sys
path, owner = sys.argv[1], int(sys.argv[2])
st = os.stat(path)
fd = os.open(path, os.O_RDONLY)
fcntl.flock(fd, fcntl.LOCK_EX)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind("\0holdfast/lock/%x/%d/0" % (st.st_dev, st.st_ino))
s.listen(8)
start = int(open("/proc/%d/stat" % owner).read().rsplit(")", 1)[1].split()[19])
pidns = os.stat("/proc/self/ns/pid").st_ino
open("at", "w").write("\n")
while True:
    c, _ = s.accept()
    if not c.recv(4096):
        continue
    text = b"file\0" + path.encode() + b"\0" + b"x %d %d 1\0" % (st.st_dev, st.st_ino)
    answer = struct.pack("<IIQQiiQqqII", 0x31726b68, 0, pidns, 0, os.getpid(), owner, start, 0,
                         2**63 - 1, 1, len(text)) + text
    c.sendmsg([answer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
' "$1" "$2"
	holder=$!
	hear
}

@test "trusts no keeper if the user namespace maps no user" {
	unshare -U true || skip 'no user namespaces here'
	: >L
	chmod 644 L
	fake_keeper "$dir/L" $$
	run -75 bob unshare -U lock-run -w 0.5 L echo works
	[[ $output != *works* ]]
	HOLDFAST_WITHOUT=keeper_user run -0 bob unshare -U faults/lock-run -w 0.5 L echo works
	kill "$holder"
}

@test "a keeper whose name is taken uses another one, and is found by it" {
	local handle pid start
	handle=$(HOLDFAST_FAULT=bind#1:EADDRINUSE faults/lock-acquire --owner $$ L)
	run -71 env HOLDFAST_WITHOUT=keeper_name HOLDFAST_FAULT=bind#1:EADDRINUSE \
		faults/lock-acquire --owner $$ M
	IFS=- read -r _ pid start _ <<<"$handle"
	# and Eve's process listens under the first name, and answers nothing
	bg $as_eve python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind("\0holdfast/keeper/%d/%s/%s" % (os.stat("/proc/self/ns/pid").st_ino, *sys.argv[1:]))
s.listen(0)
open("at", "w").write("\n")
open("go").read()' "$pid" "$start"
	holder=$!
	hear
	lock-run -n L true
	lock-renew --ttl 1h "$handle"
	[[ $(lock-status L) == *"$pid"* ]]
	HOLDFAST_WITHOUT=keeper_name run -124 timeout 2 faults/lock-renew --ttl 1h "$handle"
	[ "$(took lock-release "$handle")" -lt 5000 ]
	flock -n L true
	let_go
}

@test "lock-release: does not take a process with a keeper's PID and another start for it" {
	local handle
	bg $as_eve python3 -c '
import os, socket, struct
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
pidns = os.stat("/proc/self/ns/pid").st_ino
s.bind("\0holdfast/keeper/%d/%d/77" % (pidns, os.getpid()))
s.listen(8)
open("handle", "w").write("k1-%d-77-%d-0123456789abcdef\n" % (os.getpid(), pidns)) \
    if os.access(".", os.W_OK) else None
open("at", "w").write("\n")
while True:
    c, _ = s.accept()
    if c.recv(4096):
        c.send(struct.pack("<IIQQiiQqqII", 0x31726b68, 0, pidns, 0, os.getpid(), 0, 0, 0, 0, 0, 0))'
	holder=$!
	hear
	handle=$(cat handle)
	run -1 lock-release "$handle"
	[[ $output == *'was lost earlier'* ]]
	HOLDFAST_WITHOUT=keeper_start run -0 faults/lock-release "$handle"
	kill "$holder"
}
