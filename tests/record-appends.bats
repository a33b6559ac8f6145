#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# The appends of atomic-record: each record appends its line once, even if equal lines exist.
# The invariants cited are those of lib/record/README.md.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
	mkdir scene
	cd scene
	echo line >../line
	sqlite3 db 'PRAGMA journal_mode=WAL; CREATE TABLE t(i)' >/dev/null
}

repository() {
	git init -q -b main .
	git config user.name N
	git config user.email n@x
	echo '/db*' >.gitignore
	git add .gitignore
	git commit -qm first
}

rows() { sqlite3 db 'SELECT count(*) FROM t'; }
intents() { sqlite3 db 'SELECT count(*) FROM holdfast_intent'; }
lines() { cat led* | grep -c '^line$'; }
marks() { find . -name '.holdfast.led.*.record' | wc -l; }

# A record of one line, by the tool $1.
append() {
	"$1/atomic-record" --sqlite db --append led=../line --sql 'INSERT INTO t VALUES (1)' \
		"${@:2}"
}

# Kill such a record before its first call named $1 after the COMMIT.
killed_at() {
	local n

	cp -r . ../before
	for n in {1..20}; do
		rm -rf ../scene/* ../scene/.holdfast* ../scene/.git
		cp -r ../before/. .
		HOLDFAST_FAULT="$1#$n:kill" run -137 append "$HF_FAULT_BIN" "${@:2}"
		[ "$(rows)" = 0 ] || break
	done
	[ "$(rows) $(intents)" = '1 1' ]
	rm -rf ../before
}

# $1 concurrent runs append the same line to a ledger that is absent; $3 and on are further
# arguments. All succeed, and each line is there.
crowd() {
	local pid status=0
	local -a pids=()

	for _ in $(seq "$1"); do
		append "$2" -q -w 100s "${@:3}" 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
	echo "status $status, $(rows) rows, $(lines) lines, $(marks) marks"
	[ "$status $(rows) $(lines) $(marks) $(intents)" = "0 $1 $1 0 0" ]
}

@test "records of equal lines exclude each other at an absent ledger" {
	for _ in {1..4}; do
		crowd 8 "$HF_BIN"
		rm led
		sqlite3 db 'DELETE FROM t'
	done
	crowd 20 "$HF_BIN"
}

@test "records of equal lines exclude each other at an absent ledger, with commits" {
	repository
	crowd 8 "$HF_BIN" --git . -m x
	[ -z "$(git status --porcelain)" ]
	[ "$(git rev-list --count HEAD)" = 9 ]
	[ "$(git show HEAD:led | grep -c line)" = 8 ]
}

@test "appends to a file that is created between the last check and the rename" {
	HOLDFAST_FAULT='renameat2#1:stop' "$HF_FAULT_BIN/atomic-record" --sqlite db \
		--append led=../line --sql 'INSERT INTO t VALUES (1)' 3>&- &
	await is_stopped $!
	[ "$(rows)" = 1 ]
	echo line >led
	kill -CONT $!
	wait $!
	[ "$(lines) $(intents) $(marks)" = '2 0 0' ]
}

@test "does not take another program's equal line after a crash for its own (record/M2)" {
	echo first >led
	killed_at renameat2
	atomic-append -t line led
	run -0 atomic-record --recover --sqlite db
	[ "$(cat led)" = $'first\nline\nline' ]
	[ "$(intents) $(marks)" = '0 0' ]
}

@test "does not repeat an append when the file is restored, cut or moved since (record/M2)" {
	local way
	local -a ways=('cp ../old led' 'mv ../old led' ': >led' 'mv led led.1' 'sed -i s/i/o/ led')

	for way in "${ways[@]}"; do
		rm -rf led* ../old
		sqlite3 db 'DELETE FROM t'
		echo first >led
		cp led ../old
		killed_at unlinkat
		[ "$(cat led)" = $'first\nline' ]
		eval "$way"
		cat led* >../wanted
		run -0 atomic-record --recover --sqlite db
		cat led* | cmp - ../wanted
		[ "$(intents) $(marks)" = '0 0' ]
		[ ! -e led.record-* ]
	done
}

@test "appends once to a rotated file under its old name (record/M2)" {
	echo first >led
	killed_at renameat2
	mv led led.1
	atomic-record -q --recover --sqlite db
	[ "$(cat led.1) $(cat led)" = 'first line' ]
	[ "$(intents) $(marks)" = '0 0' ]
}

@test "records neither lose nor double a line while the ledger is rotated" {
	local pid status=0
	local -a pids=()

	echo head >led
	for _ in {1..8}; do
		(for _ in {1..5}; do append "$HF_BIN" -q -w 100s || exit; done) 3>&- &
		pids+=($!)
	done
	for k in {1..4}; do
		await test -e led
		mv led "led.$k"
	done
	for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
	[ "$status $(rows) $(lines) $(intents) $(marks)" = '0 40 40 0 0' ]
}

@test "a file that is moved away just before the exchange takes no content with it" {
	echo line >led
	HOLDFAST_FAULT='renameat2#1:stop' "$HF_FAULT_BIN/atomic-record" --sqlite db \
		--append led=../line --sql 'INSERT INTO t VALUES (1)' 3>&- &
	await is_stopped $!
	mv led led.1
	kill -CONT $!
	wait $!
	[ "$(cat led.1) $(cat led)" = 'line line' ]
	[ "$(intents) $(marks)" = '0 0' ]
}

@test "detects a mark that another program removed if the file is the same (record/M7)" {
	echo first >led
	killed_at renameat2
	rm .holdfast.led.*.record
	run -0 atomic-record --recover --sqlite db
	[[ $output == *"mark beside '$PWD/led' was removed"* ]]
	[ "$(cat led)" = $'first\nline' ]
}

@test "reports an unknowable outcome, and saves the text beside the file (record/M7)" {
	echo first >led
	killed_at renameat2
	rm .holdfast.led.*.record
	echo more >>led
	run -0 atomic-record --recover --sqlite db
	[[ $output == *"cannot tell whether '$PWD/led' has the record"* ]]
	[ "$(cat led)" = $'first\nmore' ]
	[ "$(cat led.record-*)" = line ]
	[ "$(intents)" = 0 ]
}

@test "does not take an exchanged directory for the old one (record/M7)" {
	mkdir logs
	echo first >logs/led
	HOLDFAST_FAULT='renameat2#1:kill' run -137 "$HF_FAULT_BIN/atomic-record" --sqlite db \
		--append logs/led=../line
	mv logs old
	mkdir logs
	echo first >logs/led
	run -0 atomic-record --recover --sqlite db
	[ "$(cat logs/led.record-*)" = line ]
	[ "$(cat logs/led)" = first ]
}

@test "ignores another user's mark (record/M6)" {
	require_root
	local mark

	echo first >led
	chmod 1777 .
	killed_at unlinkat
	mark=$(ls .holdfast.led.*.record)
	rm "$mark"
	setpriv --reuid 12345 --regid 12345 --clear-groups sh -c "echo x >'$mark'"
	chmod 755 .
	run -0 atomic-record --recover --sqlite db
	[[ $output == *"ignoring '$mark'"* ]]
	[ "$(cat led)" = $'first\nline' ]
	# and the next record uses another name
	append "$HF_BIN" -q
	[ "$(lines)" = 2 ]
	[ "$(cat "$mark")" = x ]
}

@test "the next record of the database removes a mark without an intent (record/M5)" {
	echo first >led
	sqlite3 db 'PRAGMA journal_mode=DELETE' >/dev/null
	HOLDFAST_FAULT='fsync#1:kill' run -137 append "$HF_FAULT_BIN"
	[ "$(rows) $(marks)" = '0 1' ]
	append "$HF_BIN" -q
	[ "$(rows) $(lines) $(marks)" = '1 1 0' ]
}

@test "an unfinished record keeps its mark beside later ones (record/M5)" {
	repository
	echo first >led
	git add led
	git commit -qm led
	killed_at renameat2 --git . -m a
	rm -f .git/index.lock
	git checkout -q -b elsewhere
	append "$HF_BIN" -q --git . -m b
	append "$HF_BIN" -q --git . -m c
	[ "$(cat led) $(marks) $(intents)" = $'first\nline\nline 1 1' ]
	git checkout -q main
	run -0 atomic-record --recover --sqlite db
	[ "$(git show main:led) $(marks) $(intents)" = $'first\nline 0 0' ]
	[ -z "$(git status --porcelain)" ]
}

@test "exits with 74, without a row, when recovery of another record fails (record/R5)" {
	local n outcomes=

	echo first >led
	sqlite3 db 'PRAGMA journal_mode=DELETE' >/dev/null
	killed_at renameat2
	cp -r . ../before
	# SQLite's own syncs: two transactions of the recovery, and the COMMIT
	for n in {1..16}; do
		rm -rf ../scene/* ../scene/.holdfast*
		cp -r ../before/. .
		run strace -f -qq -o /dev/null -e trace=fdatasync \
			-e "inject=fdatasync:error=EIO:when=$n" \
			"$HF_BIN/atomic-record" -q --sqlite db --append led=../line \
			--sql 'INSERT INTO t VALUES (1)'
		[[ $status:$(rows) == @(0:2|74:1|76:2) ]]
		outcomes+="$status "
	done
	[[ $outcomes == *0*74*76* ]]
}

@test "leaves no mark of a discarded record" {
	local id

	echo first >led
	killed_at renameat2
	id=$(sqlite3 db 'SELECT id FROM holdfast_intent')
	atomic-record -q --recover --drop "$id" --sqlite db
	[ "$(cat led) $(marks)" = 'first 0' ]
	append "$HF_BIN" -q
	[ "$(lines)" = 1 ]
}

@test "finishes an unfinished record of version 1 by its hashes" {
	local old fresh

	append "$HF_BIN" -q
	rm led
	echo first >led
	old=$(sha256sum <led)
	fresh=$(printf 'first\nline\n' | sha256sum)
	for column in mark seen place; do
		sqlite3 db "ALTER TABLE holdfast_intent_file DROP COLUMN $column"
	done
	sqlite3 db "INSERT INTO holdfast_intent(id, version, created, uid, author_time,
			author_offset, committer_time, committer_offset)
		VALUES ('0123456789abcdef0123456789abcdef', 1, 1700000000, 0, 0, 0, 0, 0);
		INSERT INTO holdfast_intent_file VALUES ('0123456789abcdef0123456789abcdef', 0, 1,
		'$PWD/led', 420, CAST('line' || char(10) AS BLOB), '${old%% *}', 6, '${fresh%% *}')"
	[[ $(atomic-record --recover --dry-run --sqlite db || :) == 01234567* ]]
	run -0 append "$HF_BIN"
	[ "$(cat led)" = $'first\nline\nline' ]
	[ "$(intents)" = 0 ]
}

@test "recovers a dead append in place before a record, and the reverse" {
	# the leader has written a part of its record
	echo first >led
	HOLDFAST_FAULT='write#3:kill' "$HF_FAULT_BIN/atomic-append" --in-place -t 'torn' led || :
	if [ "$(cat led)" = first ]; then printf to >>led; fi
	append "$HF_BIN" -q
	grep -qx line led
	! grep -qx 'to' led
	[ "$(grep -c '^line$' led)" = 1 ]
	no_litter_of_appends
	# and a record that waits for its recovery
	rm led
	sqlite3 db 'DELETE FROM t'
	echo first >led
	killed_at renameat2
	atomic-append --in-place -t line led
	HOLDFAST_FAULT='fdatasync#1:kill' "$HF_FAULT_BIN/atomic-append" --in-place -t line led || :
	atomic-record -q --recover --sqlite db
	[ "$(cat led)" = $'first\nline\nline\nline' ]
	[ "$(intents) $(marks)" = '0 0' ]
	no_litter
}

@test "recovers a dead append in a file before it replaces or removes the file" {
	local change
	for change in --write=led=../line --remove=led; do
		echo first >led
		HOLDFAST_FAULT='fdatasync#1:kill' run -137 \
			"$HF_FAULT_BIN/atomic-append" --in-place -t line led
		[ -e .holdfast.led.batch ]
		atomic-record -q --sqlite db "$change"
		no_litter
	done
	[ ! -e led ]
}

no_litter_of_appends() { [ -z "$(find . -name '.holdfast.led.*' ! -name '*.spool')" ]; }
