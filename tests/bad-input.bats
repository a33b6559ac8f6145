#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# Databases, repositories and places that are not as they should be: each tool that finds one
# reports it and the remedy, changes nothing, and leaves it as it was.

bats_require_minimum_version 1.5.0
load rig/common

nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'

setup() {
	cd "$BATS_TEST_TMPDIR"
	export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@x
	export GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@x
}

teardown() {
	! mountpoint -q "$BATS_TEST_TMPDIR/net" || umount -l "$BATS_TEST_TMPDIR/net"
	rm -rf "${open:-}"
}

# Go to a directory that every user may enter.
go_public() {
	open=$(mktemp -d /tmp/holdfast-bad.XXXXXX)
	chmod 777 "$open"
	cd "$open"
}

# a.db in the directory d, afresh, with journal mode $1 and one row.
make_db() {
	rm -rf d
	mkdir d
	chmod 777 d
	sqlite3 d/a.db "PRAGMA journal_mode=$1; CREATE TABLE t(a); INSERT INTO t VALUES ('x')" >&2
}

rows() { sqlite3 -cmd '.timeout 10000' "${1-d/a.db}" 'SELECT count(*) FROM t'; }

# Byte $1 of d/a.db becomes $2.
patch_db() { printf "$2" | dd of=d/a.db bs=1 seek="$1" conv=notrunc status=none; }

# A writer dies in the middle: hot.db has 500 rows "x", and half of them are "y" until its journal
# is rolled back.
make_hot() {
	rm -f hot.db*
	python3 -c '
import os, signal, sqlite3
c = sqlite3.connect("hot.db", isolation_level=None)
c.execute("PRAGMA cache_size=5")
c.execute("CREATE TABLE t(a)")
c.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 500)
c.execute("BEGIN")
c.execute("UPDATE t SET a = ?", ("y" * 500,))
os.kill(os.getpid(), signal.SIGKILL)' || [ $? = 137 ]
	[ -s hot.db-journal ]
}

@test "rolls a hot journal back when it opens the database, and leaves it otherwise" {
	local sql="SELECT count(*), sum(a LIKE 'x%') FROM t"
	make_hot
	[ "$(sqlite-run hot.db "$sql")" = '500|500' ]
	[ ! -e hot.db-journal ]
	make_hot
	[ "$(sqlite-run --read hot.db "$sql")" = '500|500' ]
	make_hot
	[ "$(lock-run --sqlite-freeze hot.db sqlite3 hot.db "$sql")" = '500|500' ]
	make_hot
	sqlite-backup hot.db copy.db
	[ "$(sqlite3 copy.db "$sql")" = '500|500' ]
	make_hot
	atomic-record --sqlite hot.db --sql "INSERT INTO t VALUES ('x')"
	[ "$(sqlite3 hot.db "$sql")" = '501|501' ]
	make_hot
	sqlite-once hot.db key
	[ "$(sqlite3 hot.db "$sql")" = '500|500' ]
	make_hot
	lock-status --sqlite hot.db
	lock-run --sqlite hot.db test -s hot.db-journal
	run -65 atomic-write hot.db <<<x
	[[ $output == *'its -journal file has content'* ]]
	[ "$(sqlite3 hot.db "$sql")" = '500|500' ]
}

@test "exits with 77 when it may not roll a hot journal back" {
	require_other_user
	go_public
	make_hot
	run -77 $nobody "$HF_BIN/sqlite-run" --read hot.db 'SELECT count(*) FROM t'
	[[ $output == *'a writer died in it'*'cannot be recovered'* ]]
	[ -s hot.db-journal ]
}

@test "refuses to write a database whose mode, directory or file system is read only" {
	require_other_user
	require_mount
	go_public
	local mode
	for mode in delete wal; do
		make_db $mode
		chmod 444 d/a.db
		run -77 $nobody "$HF_BIN/sqlite-run" d/a.db "INSERT INTO t VALUES ('y')"
		[[ $output == *'it is read only'* ]]
		[ "$($nobody "$HF_BIN/sqlite-run" --read d/a.db 'SELECT a FROM t')" = x ]
		run -77 $nobody "$HF_BIN/atomic-record" --sqlite d/a.db \
			--sql "INSERT INTO t VALUES ('y')"
		one_line atomic-record "$output"
		make_db $mode
		chmod 755 d
		chmod 666 d/a.db
		run -77 $nobody "$HF_BIN/sqlite-run" d/a.db "INSERT INTO t VALUES ('y')"
		[[ $output == *'cannot make turnstile'* ]]
		run -77 $nobody "$HF_BIN/lock-run" --sqlite d/a.db true
		run -77 $nobody "$HF_BIN/sqlite-once" d/a.db key
		chmod 000 d/a.db
		run -77 $nobody "$HF_BIN/sqlite-run" d/a.db "INSERT INTO t VALUES ('y')"
		run -77 $nobody "$HF_BIN/sqlite-run" --read d/a.db 'SELECT 1'
		[[ $output == *'Permission denied'* ]]
		[ "$(rows)" = 1 ]
		make_db $mode
		run ! unshare -m sh -c 'mount --bind d d && mount -o remount,ro,bind d || exit
			sqlite-run d/a.db "INSERT INTO t VALUES (1)"'
		one_line sqlite-run "$output"
		[ "$(rows)" = 1 ]
	done
}

@test "works in every journal mode" {
	local mode
	for mode in delete truncate persist memory off wal; do
		make_db $mode
		sqlite-run d/a.db "PRAGMA journal_mode=$mode; INSERT INTO t VALUES ('y')"
		lock-run --sqlite d/a.db sqlite3 d/a.db "INSERT INTO t VALUES ('y')"
		lock-run --sqlite-freeze d/a.db true
		sqlite-once d/a.db key
		atomic-record --sqlite d/a.db --sql "INSERT INTO t VALUES ('y')"
		[ "$(rows)" = 4 ]
		sqlite-check d/a.db
	done
}

@test "reports a connection in exclusive locking mode as busy, and names it" {
	local mode
	mkfifo go at
	for mode in delete wal; do
		make_db $mode
		bg python3 -c '
import sqlite3
c = sqlite3.connect("d/a.db", isolation_level=None)
c.execute("PRAGMA locking_mode=exclusive")
c.execute("INSERT INTO t VALUES (1)")
open("at", "w").write("\n")
open("go").read()'
		holder=$!
		hear
		run -75 sqlite-run -w 0.1 d/a.db 'INSERT INTO t VALUES (2)'
		[[ $output == *"PID $holder "* ]]
		run -75 sqlite-run -w 0.1 --read d/a.db 'SELECT 1 FROM t'
		run -75 lock-run -n --sqlite d/a.db true
		[[ $output == *"PID $holder "* ]]
		let_go
		sqlite-run d/a.db 'INSERT INTO t VALUES (2)'
		[ "$(rows)" = 3 ]
	done
}

@test "refuses a database of a newer SQLite, and reads it where its version allows that" {
	# a writer must know more than a reader
	make_db delete
	patch_db 18 '\003'
	run -77 sqlite-run d/a.db 'INSERT INTO t VALUES (2)'
	[[ $output == *'a newer SQLite made it'* ]]
	[ "$(sqlite-run --read d/a.db 'SELECT a FROM t')" = x ]
	# the version that a reader must know
	patch_db 19 '\003'
	run -65 sqlite-run d/a.db 'INSERT INTO t VALUES (2)'
	[[ $output == *'a newer SQLite made it'* ]]
	run -65 sqlite-run --read d/a.db 'SELECT 1 FROM t'
	# its schema
	make_db delete
	patch_db 47 '\011'
	run -65 sqlite-run d/a.db 'INSERT INTO t VALUES (2)'
	[[ $output == *'unsupported file format'* ]]
	run -65 atomic-record --sqlite d/a.db --sql 'INSERT INTO t VALUES (2)'
}

@test "reports damage in the middle of a database, and changes nothing" {
	make_db delete
	sqlite3 d/a.db 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)
		INSERT INTO t SELECT printf("%060d", i) FROM n'
	dd if=/dev/urandom of=d/a.db bs=4096 seek=100 count=3 conv=notrunc status=none
	cp d/a.db before
	local tool
	for tool in 'sqlite-run d/a.db' 'atomic-record --sqlite d/a.db --sql'; do
		run -65 $tool "UPDATE t SET a = a || 'x'"
		[[ $output == *'malformed'*'copy the database'* ]]
	done
	run -65 sqlite-run --read d/a.db 'SELECT sum(length(a)) FROM t'
	run -65 sqlite-check d/a.db
	[[ $output == *'damaged'* ]]
	run -65 sqlite-backup d/a.db copy.sql
	[ ! -e copy.sql ]
	cmp before d/a.db
}

@test "accepts a parameter of 1 GB, and refuses a larger one" {
	(($(awk '/^MemAvailable/ { print $2 }' /proc/meminfo) > 4000000)) || skip 'needs 4 GB free'
	make_db wal
	truncate -s 1000000001 over
	run -65 sqlite-run -p v:blobfile=over d/a.db 'INSERT INTO t VALUES (:v)'
	[[ $output == *"'over' is too large"*'1,000,000,000 bytes' ]]
	truncate -s 1000000000 over
	[ "$(sqlite-run -p v:blobfile=over d/a.db 'SELECT length(:v)')" = 1000000000 ]
	# a value may be so large, but not together with its row
	run -65 sqlite-run -p v:blobfile=over d/a.db 'INSERT INTO t VALUES (:v)'
	[[ $output == *'too big'*'1,000,000,000 bytes' ]]
	run -71 bash -c 'ulimit -v 500000 && sqlite-run -p v:blobfile=over d/a.db "SELECT :v"'
	[[ $output == *'Cannot allocate memory' ]]
	[ "$(rows)" = 1 ]
}

# A repository r, and a record of a file, a line and a row for it.
make_repository() {
	rm -rf r db
	git init -q -b main r
	mkdir r/notes
	echo 1 >r/notes/a
	echo 1 >r/f
	echo note >note
	git -C r add .
	git -C r commit -qm first
	echo 2 >r/f
	git -C r commit -qam second
	sqlite3 db 'CREATE TABLE t(a)'
}

record() {
	atomic-record --sqlite db --git r -m m --write r/notes/n=note --append r/f=note \
		--sql 'INSERT INTO t VALUES (1)'
}

# After the command $2 in r, the record exits with $1, and changes nothing.
refuses() {
	make_repository
	(cd r && eval "$2") >&2
	local before
	before=$(cat r/f)
	run "-$1" record
	one_line atomic-record "$output"
	[[ $output == *"${3-}"* ]]
	[ ! -e r/notes/n ]
	[ "$(cat r/f)" = "$before" ]
	[ "$(rows db)" = 0 ]
	[ -z "$(find r -name '*.lock')" ]
	run -0 atomic-record --recover --sqlite db
	[ "$(rows db)" = 0 ]
}

# The file of object $1.
object() {
	local id
	id=$(git rev-parse "$1")
	echo ".git/objects/${id:0:2}/${id:2}"
}

@test "a record in a damaged repository is refused before it changes anything" {
	refuses 66 'echo garbage >.git/HEAD' 'no Git repository'
	refuses 66 'rm -r .git/objects' 'no Git repository'
	refuses 65 'echo garbage >.git/index' 'index'
	refuses 65 'echo garbage >.git/refs/heads/main' 'corrupt'
	refuses 65 'git rev-parse HEAD | tr 0-9a-f a-f0-9 >.git/refs/heads/main' 'refs/heads/main'
	refuses 65 'rm "$(object HEAD)"' 'not found'
	refuses 65 'rm -f "$(object HEAD^{tree})"' 'not found'
	refuses 65 'rm -f "$(object HEAD:notes)"' 'not found'
	refuses 69 'echo "[[[" >.git/config' 'bad config'
}

@test "a record is refused during a merge, cherry-pick, revert, bisect or rebase" {
	refuses 65 'git rev-parse HEAD >.git/MERGE_HEAD' 'a merge is under way'
	refuses 65 'git rev-parse HEAD >.git/CHERRY_PICK_HEAD' 'a cherry-pick is under way'
	refuses 65 'git rev-parse HEAD >.git/REVERT_HEAD' 'a revert is under way'
	refuses 65 'git bisect start; git bisect bad' 'a bisect is under way'
	refuses 65 'git checkout -qb side HEAD^; echo 3 >f; git commit -qam 3
		git rebase main || :' 'a rebase is under way'
}

@test "a record works in a shallow clone, and is refused in a bare repository" {
	make_repository
	mv r full
	git clone -q --depth 1 "file://$PWD/full" r
	record
	[ "$(git -C r show HEAD:notes/n)" = note ]
	git -C r fsck
	git -C r push -q origin main:recorded
	[ "$(git -C full log --format=%s recorded | head -n 2)" = $'m\nsecond' ]
	rm -rf r
	git clone -q --bare full r
	mkdir r/notes
	echo 2 >r/f
	run -65 record
	[[ $output == *'bare repository'* ]]
	[ "$(cat r/f)" = 2 ]
}

@test "hidepid: an ordinary user's locks work, and a hidden process does not count as dead" {
	require_other_user
	require_mount
	go_public
	cat >script <<-'END'
		h=$(lock-acquire --owner $$ L) && ! flock -n L true && echo held
		lock-run -n L echo nested
		lock-status -q L || echo told
		lock-release "$h" && flock -n L echo free
		git init -q r
		: >r/.git/index.lock
		lock-run -n --git r echo never
		lock-break --git r
		[ -e r/.git/index.lock ] && echo left
		sqlite3 db 'CREATE TABLE t(a)'
		lock-run --sqlite db sqlite3 db 'INSERT INTO t VALUES (1)'
		lock-run --sqlite-freeze db sqlite3 db 'SELECT count(*) FROM t'
	END
	run -0 timeout 60 unshare -m sh -c 'mount -t proc -o hidepid=2 proc /proc && HOME=$PWD \
		exec setpriv --reuid=65534 --regid=65534 --clear-groups bash ./script'
	[[ $output == $'held\nnested\ntold\nfree\n'* ]]
	[[ $output == *'not every process may be inspected'*$'\nleft\n1' ]]
}

@test "on a possible network file system proves no lock stale, and says so" {
	require_fuse
	mkdir real net
	bindfs -o attr_timeout=0 real net
	cd net
	sqlite3 a.db 'CREATE TABLE t(a)'
	run -1 sqlite-check a.db
	[[ $output == *'it is on a network file system'*'keep it on a local disk'* ]]
	sqlite-run a.db 'INSERT INTO t VALUES (1)'
	[ "$(rows a.db)" = 1 ]
	lock-run --dotlock x cp x ../record
	sed 's/^boot .*/boot 00000000-0000-4000-8000-000000000000/' ../record >x
	run -75 lock-run -n --dotlock x true
	[[ $output == *'a network file system'* ]]
	run -75 lock-break x
	[ -e x ]
	git init -q r
	: >r/.git/index.lock
	run -75 lock-run -n --git r true
	run -75 lock-break --git r
	[ -e r/.git/index.lock ]
	lock-run L true
	echo new | atomic-write f
	echo more | atomic-append f
	[ "$(cat f)" = $'new\nmore' ]
	no_litter
}

@test "an empty path: every tool exits with 64, and creates nothing" {
	local tool
	mkdir empty
	cd empty
	while read -r tool; do
		run -64 bash -c "$tool"
		[[ $output == *'an empty '*'check whether a variable is unset'* ]]
	done <<-'END'
		lock-run "" true
		lock-run --dotlock "" true
		lock-run --sqlite "" true
		lock-run --git "" true
		lock-acquire --owner none --ttl 1m ""
		lock-status ""
		lock-break ""
		echo x | atomic-write ""
		echo x | atomic-append ""
		atomic-update "" cat
		sqlite-run "" "SELECT 1"
		sqlite-backup "" copy
		sqlite-check ""
		sqlite-once "" key
		sqlite-lease acquire "" name
		sqlite-queue add "" x
		atomic-record --sqlite "" --sql "SELECT 1"
	END
	[ -z "$(ls -A)" ]
}

@test "counts the hard links of the file system, not those in the kernel's cache" {
	require_fuse
	mkdir real net
	bindfs -o attr_timeout=60,entry_timeout=60 real net
	cd net
	for _ in {1..10}; do
		echo new | atomic-write f
		atomic-append -t more f
	done
	[ "$(cat f)" = $'new\nmore' ]
	ln f g
	run -65 atomic-append -t never f
	[[ $output == *'2 hard links'* ]]
	# without the kernel's knowledge
	rm ../real/g
	atomic-append -t last f
	echo newest | atomic-write f
	[ "$(cat f)" = newest ]
	no_litter
}
