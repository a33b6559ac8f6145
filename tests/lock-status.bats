#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# lock-status: every kind of lock, its holder and the reasons; it takes no lock itself.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkfifo up down
}

# hold COMMAND...: it runs in the background, says on `up` when it holds, and ends at `down`.
hold() {
	"$@" sh -c 'echo >up; read -r _ <down' 3>&- &
	holder=$!
	read -r _ <up
}

# flock(1) takes the lock, on a descriptor of the shell's, and ends.
hold_by_heir() {
	{ flock 9 && sh -c 'echo >up; read -r _ <down' & } 9>>"$1" 3>&-
	holder=$!
	read -r _ <up
}

let_go() {
	echo >down
	wait "$holder"
}

# state PATH: "kind state", one a line.
state() { lock-status --json "$@" | jq -r '"\(.kind) \(.state)"'; }

@test "shows whether a lock file is free or held, its holders and its waiter" {
	run -0 lock-status L
	[[ ${lines[0]} == KIND*STATE*PID*SINCE*WAIT*COMMAND*PATH ]]
	[[ ${lines[1]} == absent*free*L ]]
	hold lock-run L
	run -0 lock-status L
	[[ ${lines[1]} =~ ^flock\ +held\ +"$holder"\ \+1\ .*\ 0\ \ lock-run\ L\ sh.*L$ ]]
	[[ ${lines[2]} == *'locked by flock(2)'* ]]
	lock-run L true 3>&- &
	local waiter=$!
	waited_for() { lock-status --json L | jq -e '.waiters | length == 1'; }
	await waited_for
	run -0 lock-status -v L
	[[ ${lines[1]} == *" $holder "*' 1  lock-run L sh'* ]]
	[[ ${lines[2]} == *'sh -c echo >up'* ]]
	[[ ${lines[3]} == *waits*" $waiter "*'lock-run L true'* ]]
	lock-status --json L | jq -e --argjson p "$holder" '
		.kind == "flock" and .path == "L" and (.mine | not) and
		.holders[0].pid == $p and .holders[0].via == "taken" and .holders[0].fd >= 64 and
		.holders[1].via == "inherited" and .holders[0].mode == "exclusive" and
		(.holders[0].since | fromdate) <= now and
		(.waiters[0].command | startswith("lock-run L true")) and
		(.reasons | length) > 0 and (.verdict | startswith("held"))'
	let_go
	wait
	[ "$(state L)" = 'file free' ]
}

@test "disturbs no other process: lock-run -n always succeeds beside it" {
	lock-status --watch=10ms L >seen 3>&- &
	local looker=$! i
	await test -s seen
	for i in {1..200}; do lock-run -n L true; done
	kill "$looker"
	wait "$looker" || [ $? = 143 ]
}

@test "names the child that holds the lock of a dead process" {
	require_first_pid_namespace
	hold_by_heir L
	run -0 lock-status --json L
	jq -e '.state == "held" and ([.holders[].via] | unique) == ["inherited"] and
		any(.holders[]; .command | startswith("sh -c echo >up")) and
		any(.reasons[]; test("PID [0-9]+ took it and is dead"))' <<<"$output"
	run -0 lock-status -v L
	[[ $output == *'sh -c echo >up'* ]]
	run -0 lock-status
	[[ $output == *"$PWD/L"* ]]
	let_go
}

@test "shows fcntl locks of both types, with their ranges and modes" {
	: >F
	python3 -c '
import fcntl, os, struct
f = open("F", "r+"); fcntl.lockf(f, fcntl.LOCK_EX, 5, 10)
g = open("G", "w+"); fcntl.fcntl(g, 37, struct.pack("hhqqi", fcntl.F_RDLCK, 0, 7, 0, 0))
open("up", "w").close(); open("down").read()' 3>&- &
	cat up
	lock-status --json F | jq -e --argjson p $! '.kind == "posix" and .state == "held" and
		.holders == [.holders[0]] and .holders[0].pid == $p and
		.holders[0].start == 10 and .holders[0].last == 14'
	lock-status --json G | jq -e --argjson p $! '.kind == "ofd" and .holders[0].pid == $p and
		.holders[0].start == 7 and .holders[0].last == null and
		.holders[0].mode == "shared"'
	: >down
	wait
}

@test "judges dotlocks, PID files and lock directories" {
	require_first_pid_namespace
	hold lock-run --dotlock D
	lock-status --json D | jq -e --argjson p "$holder" '.kind == "dotlock" and
		.state == "held" and .holders[0].pid == $p and (.taken | fromdate) <= now'
	cp D torn
	let_go
	[ "$(state D)" = 'absent free' ]
	[ "$(state torn)" = 'dotlock stale' ]
	dotlockfile -p -l dot
	[ "$(state dot)" = 'pidfile held' ]
	lockfile -r 0 procmail
	[ "$(state procmail)" = 'dotlock unknown' ]
	dead_pid >dead
	run -0 lock-status dead
	[[ ${lines[1]} == pidfile*stale* ]]
	[[ ${lines[2]} == *'is dead' ]]
	[[ ${lines[3]} == *'lock-break moves it aside' ]]
	mkdir dir dir2
	echo $$ >dir/pid
	lock-status --json dir | jq -e --argjson p $$ '.kind == "directory" and
		.state == "held" and .holders[0].pid == $p and .holders[0].via == "evidence"'
	[ "$(state dir2)" = 'directory unknown' ]
	echo '0 boot' >nonsense
	[ "$(state nonsense)" = 'file free' ]
	echo 1764067323 >number
	[ "$(state number)" = 'file free' ]
}

@test "shows lock files with unintelligible content as unknown" {
	hold lock-run --dotlock D
	cp D whole
	let_go
	head -c 60 whole >cut
	sed '2s/1$/2/' whole >future
	sed 's/^nonce .*/nonce x/' whole >damaged
	printf '%s\nother\n' $$ >other
	printf '%s\r\n' $$ >crlf
	printf '%s \n' $$ >blank
	head -c 60 /dev/zero >zeros.lock
	for name in cut future damaged other crlf blank zeros.lock; do
		run -0 lock-status $name
		[[ ${lines[1]} == dotlock*unknown*"$name" ]]
		[[ $output == *'its owner is not known: '* ]]
		lock-status --json $name | jq -e '.kind == "dotlock" and .state == "unknown" and
			(.reasons | length) > 0 and (.holders | length) == 0'
		run -1 lock-status -q $name
		# for others it is in the way
		run -75 lock-run -n --dotlock $name true
	done
	# data, and lock files of flock(2) in which there is something
	head -c 60 /dev/zero >zeros
	echo 'version = 3' >Cargo.lock
	for name in zeros Cargo.lock; do [ "$(state $name)" = 'file free' ]; done
	hold flock zeros.lock
	[ "$(state zeros.lock)" = 'flock held' ]
	let_go
}

@test "reports that a lock file's owner is in another PID namespace or on another host" {
	require_pid_namespace
	unshare -p -f --mount-proc sh -c 'lock-run --dotlock N sh -c "cp N copy"'
	run -0 lock-status --json copy
	jq -e '.state == "unknown" and any(.reasons[]; contains("another PID namespace"))' \
		<<<"$output"
	sed 's/^host .*/host elsewhere/; s/^boot .*/boot 00000000-0000-0000-0000-000000000000/' \
		copy >far
	run -0 lock-status --json far
	jq -e '.state == "unknown" and any(.reasons[]; contains("elsewhere"))' <<<"$output"
}

@test "-q and --mine answer by the exit status" {
	run -0 lock-status -q L
	dead_pid >dead
	run -1 lock-status -q L dead
	run -1 lock-status -q --mine
	run -1 lock-status -q --mine L
	run -0 lock-run L lock-status -q --mine L
	run -0 lock-run L lock-status -q --mine
	run -1 lock-run L lock-status -q --mine L dead
	run -0 lock-run -o L lock-status -q --mine L
	run -0 lock-run -F L lock-status -q --mine L
	run -0 lock-run --dotlock D lock-status -q --mine D
	run -1 lock-run L lock-status -q L
	[ "$output" = '' ]
	hold lock-run L
	run -1 lock-status --mine L
	[ "${#lines[@]}" = 1 ]
	run -1 lock-status -q L
	let_go
	run -0 lock-run L lock-status --mine
	[[ ${lines[1]} == *'held*'*"$PWD/L" ]]
}

@test "without operands, prints a row for each lock of each kind, as JSON that jq accepts" {
	hold lock-run --file A --file B --dotlock C
	lock-status --json | jq -es --arg d "$PWD" 'map(select(.path // "" | startswith($d))) |
		map("\(.kind) \(.path[($d | length) + 1:])") == ["flock A", "flock B", "dotlock C"]'
	rm A
	lock-status --json | jq -es --arg p "$PWD/A" 'any(.path == $p and .deleted)'
	let_go
}

@test "escapes hostile names and commands" {
	local name=$'x"\\\n\e[31m\xff'
	hold lock-run "$name"
	lock-status --json "$name" | jq -e --arg p $'x"\\\n\e[31m' '.path | startswith($p)'
	run -0 lock-status "$name"
	[[ $output != *$'\e'* ]]
	[ "${#lines[@]}" = 3 ]
	let_go
}

@test "shows an ordinary user only permitted facts" {
	require_first_pid_namespace
	require_other_user
	chmod 755 . ..
	: >L
	hold lock-run L
	local nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
	$nobody "$HF_BIN/lock-status" --json L | jq -e --argjson p "$holder" '.state == "held" and
		.holders[0].pid == $p and .holders[0].via == "reported"'
	run -1 $nobody "$HF_BIN/lock-status" -q L
	let_go
	# the taker is dead, and the process that inherited it may not be inspected
	hold_by_heir L
	run -0 $nobody "$HF_BIN/lock-status" L
	[[ ${lines[1]} =~ held\ +\?.*\(unseen\) ]]
	[[ $output == *'a process that you may not see'* ]]
	let_go
	mkdir -m 700 closed
	run -77 $nobody "$HF_BIN/lock-status" closed/x L
	[[ $output == *"cannot read the state of 'closed/x'"* && $output == *file*free* ]]
	echo 1 >secret
	chmod 600 secret
	run -1 $nobody "$HF_BIN/lock-status" -q secret
}

@test "works when /proc is mounted with hidepid" {
	require_other_user
	require_mount
	chmod 755 . ..
	: >L
	hold lock-run L
	run -0 unshare -m sh -c '
		mount -t proc -o hidepid=2 proc /proc || exit
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$1" --json L' - \
		"$HF_BIN/lock-status"
	jq -e --argjson p "$holder" '.state == "held" and .holders[0].pid == $p and
		.holders[0].command == null and .holders[0].via == "reported"' <<<"$output"
	let_go
}

@test "exits with 69 without /proc" {
	require_mount
	run -69 unshare -m sh -c 'mount -t tmpfs none /proc && lock-status L'
	[[ $output == *'/proc is not mounted'* ]]
	run -71 sh -c 'ulimit -n 3; exec lock-status L'
	[[ $output == 'lock-status: cannot read the locks: Too many open files' ]]
}

@test "in a PID namespace, says that outer processes are not visible" {
	require_pid_namespace
	hold lock-run L
	run -0 unshare -p -f --mount-proc lock-status L
	[[ $output == *free*'outside this PID namespace'* ]]
	run -0 unshare -p -f --mount-proc lock-run M lock-status M
	[[ $output == *'held*'* ]]
	let_go
}

@test "gives ideographs two columns in the table, and shortens commands before paths" {
	local line long
	long=$(printf 'x%.0s' {1..200})
	lock-run 日本 sh -c 'echo >up; read -r _ <down; : and more than is fair' 3>&- &
	holder=$!
	read -r _ <up
	echo $holder >"$long"
	echo $holder >a-path-of-20-columns
	run -0 lock-status 日本 "$long" a-path-of*
	line=$(sed 's/日/xx/g; s/本/xx/g; s/…/x/g' <<<"$output")
	mapfile -t lines <<<"$line"
	[[ ${lines[0]} == *PATH && ${lines[1]} == *'  xxxx' ]]
	[ ${#lines[0]} = ${#lines[1]} ]
	line=$(grep 'columns$' <<<"$line")
	[ ${#line} -le 80 ]
	let_go
}

@test "--watch redraws a terminal of 80 x 24 in place, fits it, and restores it" {
	local i
	for i in {1..30}; do
		echo $$ >"a-file-whose-name-is-so-long-that-no-window-is-wide-enough-$i"
	done
	echo 'set -g status off' >conf
	tmux -S tmux -f conf new-session -d -x 80 -y 24 \
		'trap : INT; echo before; lock-status --watch=20ms a-file* 2>errors
		echo "left $?"; read x'
	screen() { tmux -S tmux capture-pane -p; }
	shows() { screen | grep -q "$1" && [ "$(screen | wc -l)" = "$2" ]; }
	await shows 'more lines' 24
	[[ $(screen | head -1) == *'lock-status' ]]
	[[ $(screen | sed -n 2p) == KIND*PATH ]]
	[ "$(screen | grep -c '^pidfile  held')" = 11 ]
	[[ $(screen) != *before* ]]
	[ "$(tmux -S tmux display -p '#{cursor_flag} #{alternate_on}')" = '0 1' ]
	tmux -S tmux resize-window -x 60 -y 10
	await shows 'more lines' 10
	tmux -S tmux send-keys C-c
	await shows 'left 130' 10
	screen | grep -q before
	[ "$(tmux -S tmux display -p '#{cursor_flag} #{alternate_on}')" = '1 0' ]
	[ ! -s errors ]
	tmux -S tmux kill-server
}

@test "--watch prints blocks elsewhere, until the reader closes the pipe" {
	require_first_pid_namespace
	run -0 bash -c 'lock-status --watch=10ms L | head -8; [ "${PIPESTATUS[0]}" = 141 ]'
	[[ ${lines[0]} == *'  lock-status' ]]
	[ "$(grep -c ^absent <<<"$output")" = 2 ]
	run -0 bash -c 'lock-status --json --watch=10ms L M | head -6 | jq -es "length == 6"'
	run -74 bash -c 'lock-status --watch=10ms L >/dev/full'
}

@test "refuses wrong calls and invalid paths" {
	run -64 lock-status --watch=x L
	run -64 lock-status --watch -q L
	run -64 lock-status --no-such
	run -64 lock-status L -q
	run -0 lock-status -q -- L -q
	run -64 lock-status ''
	run -73 lock-status no/such L
	[[ $output == *"cannot read the state of 'no/such'"* && $output == *absent*free*L* ]]
	run -74 bash -c 'lock-status L >/dev/full'
}

@test "shows a keeper's owner and remaining time, and its locks as the owner's own" {
	local handle
	handle=$(lock-acquire --owner $$ --ttl 1h --file A --dotlock B)
	lock-status --json A | jq -e --argjson p $$ '.kind == "flock" and .mine and
		.holders[0].keeper.owner == $p and .holders[0].keeper.left > 3500 and
		(.taken | fromdate) <= now and any(.reasons[]; contains("PID \($p)"))'
	lock-status --json B | jq -e --argjson p $$ '.kind == "dotlock" and .mine and
		.holders[0].keeper.owner == $p'
	run -0 lock-status -q --mine A B
	setsid -f sh -c 'exec 3>&-; lock-status -q --mine A; echo $? >up'
	read -r status <up
	[ "$status" = 1 ]
	# a stopped keeper does not delay the inspection
	kill -STOP "$(lock-status --json A | jq '.holders[0].pid')"
	lock-status --json A | jq -e '.state == "held" and .holders[0].keeper == null'
	kill -CONT "$(lock-status --json A | jq '.holders[0].pid')"
	lock-release "$handle"
	handle=$(lock-acquire --owner none --ttl 1h A)
	lock-status --json A | jq -e '(.mine | not) and .holders[0].keeper.owner == null'
	lock-release "$handle"
}

# stats ARGUMENTS...: print the summary of ./stats.
stats() { lock-status --stats stats --json "$@"; }

@test "HOLDFAST_STATS: writes a line for each acquisition of each kind" {
	export HOLDFAST_STATS=stats
	lock-run L true
	run -7 lock-run L sh -c 'exit 7'
	lock-run --file L --dotlock D --fcntl true
	lock-run --slots 2 S true
	lock-run -F F true
	lock-run N lock-run -n N true # an inherited lock is no acquisition
	git init -q G
	sqlite3 B 'CREATE TABLE t(x)'
	lock-run --git G --sqlite B true
	lock-run --git-freeze G --sqlite-freeze B true
	stats | jq -es 'map({(.kind + .lock[-1:]): .taken}) | add ==
		{"rangeL": 1, "dotlockD": 1, "fileL": 2, "slotsS": 1, "fileF": 1, "fileN": 1,
		 "gitG": 1, "sqliteB": 1, "frozen-gitG": 1, "frozen-sqliteB": 1}'
	stats F | jq -e '.held.count == 0 and .waited.count == 1'
	lock-release "$(lock-acquire --owner $$ K)"
	kept() { [ "$(stats K | jq .taken)" = 1 ]; }
	await kept
	grep -q ' lock-acquire ' stats
	run ! grep -vE '^holdfast-stats-1( [^ ]+){10}$' stats
	env -u HOLDFAST_STATS lock-run Q true
	run ! grep -q '/Q$' stats
}

@test "HOLDFAST_STATS: counts contention, timeouts, busy locks and breaks" {
	require_first_pid_namespace
	export HOLDFAST_STATS=$PWD/stats
	hold lock-run L
	run -75 lock-run -n L true
	run -75 lock-run -w 10ms L true
	lock-run -w 20s L true 3>&- &
	waited_for() { lock-status --json L | jq -e '.waiters | length == 1'; }
	await waited_for
	let_go
	wait
	stats L | jq -e '.taken == 2 and .contended == 3 and .busy == 1 and .timeouts == 1 and
		.waited.max > 0 and .held.max > 0'
	dead_pid >P
	lock-run --dotlock P true
	dead_pid >Q
	lock-break -q Q
	stats P | jq -e '.taken == 1 and .breaks == 1'
	stats Q | jq -e '.taken == 0 and .breaks == 1'
}

@test "HOLDFAST_STATS: tears no line with 8 concurrent writers" {
	export HOLDFAST_STATS=stats
	local i
	for i in {1..8}; do
		for _ in {1..25}; do lock-run --file A --file B true; done &
	done
	wait
	run -0 lock-status --stats stats
	[[ ${lines[0]} == '400 lines, '* && ${lines[0]} != *skipped* ]]
	stats A | jq -e '.taken == 200'
}

@test "HOLDFAST_STATS never makes a lock fail" {
	mkfifo fifo
	ln -s target link
	mkdir dir
	local bad
	for bad in fifo link dir no/such /dev/full "$(printf 'x%.0s' {1..5000})"; do
		HOLDFAST_STATS=$bad run -3 lock-run L sh -c 'exit 3'
		[ "$output" = '' ]
	done
	[ ! -e target ]
	run -3 bash -c 'ulimit -f 0; HOLDFAST_STATS=limited lock-run L sh -c "exit 3"'
	[ "$output" = '' ]
}

@test "--stats prints text, histogram, CSV and OpenMetrics, and skips torn and other lines" {
	local name=$'a "b"\n,\\'
	HOLDFAST_STATS=stats lock-run "$name" true
	run -0 lock-status --stats stats
	[[ ${lines[0]} == '1 line, '* ]]
	HOLDFAST_STATS=stats lock-run -w 1 "$name" true
	printf 'holdfast-stats-1 12' >>stats
	HOLDFAST_STATS=stats lock-run other true
	printf 'rubbish\n' >>stats
	run -0 lock-status --stats stats
	[[ ${lines[0]} == '3 lines, '*'skipped, not of this form: 2' ]]
	[[ $output == *'taken 2, contended 0 of 2 (0%), timeouts 0, busy 0, breaks 0'* ]]
	[[ $output == *'waited  p50 '*'p95 '*'p99 '*'max '* ]]
	run -0 lock-status --stats stats --histogram other
	[[ $output == *'<= '*' 1 ####'* && $output != *'"b"'* ]]
	lock-status --stats stats --csv | python3 -c '
import csv, sys
rows = list(csv.DictReader(sys.stdin))
assert len(rows) == 2 and any(r["lock"].endswith("/a \"b\"\n,\\") and r["taken"] == "2" and
	float(r["waited_p50"]) < 10 for r in rows), rows'
	lock-status --stats stats --openmetrics | python3 -c '
import re, sys
text = sys.stdin.read()
assert text.endswith("# EOF\n")
name = r"holdfast_lock_\w+"
label = r"\{lock=\"(?:[^\"\\\n]|\\[\\\"n])*\",kind=\"file\"(?:,le=\"[0-9.+Inf]+\")?\}"
for line in text.split("\n")[:-2]:
	assert re.fullmatch(r"# (TYPE|HELP|UNIT) .*|" + name + label + r" [0-9.]+", line), line
assert re.search(r"taken_total\{lock=\"[^\n]*/a \\\"b\\\"\\n,\\\\\",kind=\"file\"\} 2\n", text)'
	lock-status --stats stats --json --histogram | jq -es '
		all(.[]; (.waited.histogram | map(.count) | add) == .waited.count)'
	run -0 lock-status --stats stats no-such
	[[ ${lines[1]} == 'none of them is for a named lock' ]]
	run -66 lock-status --stats nothing
	[[ $output == *"cannot read 'nothing'"* ]]
	run -64 lock-status --csv
	run -64 lock-status --stats stats --csv --json
	run -64 lock-status --stats stats --watch
	run -0 lock-status -q --stats stats
	[ "$output" = '' ]
}

@test "--sqlite shows the writer, the readers that pin the log, and waiters at the turnstile" {
	sqlite3 db 'pragma journal_mode=wal; create table t (x); insert into t values (1)'
	lock-status --json --sqlite db | jq -e '.kind == "sqlite" and .state == "free" and
		.holders == []'
	python3 -c '
import sqlite3, os
w = sqlite3.connect("db", isolation_level=None); r = sqlite3.connect("db", isolation_level=None)
r.execute("begin"); r.execute("select * from t").fetchall()
w.execute("begin immediate")
open("up", "w").close(); open("down").read()' 3>&- &
	cat up
	lock-status --json --sqlite db | jq -e --argjson p $! '.state == "held" and
		.holders[0].pid == $p and .holders[0].role == "writes to it" and
		any(.holders[]; .role == "reads it")'
	run -1 lock-status -q --sqlite db
	: >down
	wait
	hold lock-run --sqlite db
	lock-status --json --sqlite db | jq -es --argjson p "$holder" '
		map(.kind) == ["sqlite", "turnstile"] and .[0].state == "free" and
		.[1].state == "held" and .[1].holders[0].pid == $p'
	let_go
	run -0 lock-run --sqlite db lock-status -q --mine --sqlite db
	run -73 lock-status --sqlite no/such
}

@test "--git shows the locks of a repository, held, stale and named" {
	require_first_pid_namespace
	git init -q g
	lock-status --json --git g | jq -e '.kind == "git" and .state == "free"'
	: >g/.git/index.lock
	is_stale() {
		lock-status --json --git g | jq -e '.kind == "git" and .state == "stale" and
			(.path | endswith("/g/.git/index.lock")) and (.reasons | length) > 0'
	}
	# on a busy machine not every process is inspected in time
	await is_stale
	looks_stale() { [ "$(state g/.git/index.lock)" = 'git stale' ]; }
	await looks_stale
	[ -e g/.git/index.lock ]
	exec 9>>g/.git/index.lock
	[ "$(state g/.git/index.lock)" = 'git held' ]
	exec 9>&-
	rm g/.git/index.lock
	run -0 lock-run --git g lock-status -q --mine --git g
	mkdir none
	GIT_CEILING_DIRECTORIES=$PWD run -66 lock-status --git none
	run -64 lock-status --stats x --git g
}
