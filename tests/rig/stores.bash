# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2034,SC2154
#
# For bats files about stores: races, a clock that is set, a foreign writer. `load rig/stores`, then
# in setup: stores_setup, in teardown: stores_teardown. It brings rig/common with it.

load rig/common

stores_setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

# No process is left, also after a test that failed: a process that waits at a FIFO finds its other
# end closed. Every database is sound after every test.
stores_teardown() {
	local db job fifo

	foreign_writer_ends
	for job in $(jobs -p); do kill "$job" 2>/dev/null || :; done
	for fifo in *; do [ ! -p "$fifo" ] || : <>"$fifo"; done
	for db in "$BATS_TEST_TMPDIR"/*.db; do
		[ -e "$db" ] || continue
		[ "$(sqlite3 -cmd '.timeout 10000' "$db" 'PRAGMA integrity_check')" = ok ] || return
	done
}

# at MICROSECONDS TOOL...: with the clock stopped at that time.
at() {
	HOLDFAST_FAULT_CLOCK=$1 "$HF_FAULT_BIN/$2" "${@:3}"
}

# race N COMMAND...: N of it, from one barrier; their exit statuses, one a line, are in ./statuses.
# With different ones: race_begin; racer COMMAND... (any number); race_end.
race() {
	local i

	race_begin
	for ((i = 0; i < $1; i++)); do racer "${@:2}"; done
	race_end
}

race_begin() {
	rm -f start statuses
	mkfifo start
	: >statuses
	racers=()
}

# It waits at the barrier until race_end opens the other end.
racer() {
	{
		: <start
		status=0
		"$@" || status=$?
		echo "$status" >>statuses
	} &
	racers+=($!)
}

race_end() {
	exec 4>start
	wait "${racers[@]}"
	exec 4>&-
}

# A transaction of another program's on DB, until foreign_writer_ends.
foreign_writer() {
	mkfifo writes ends
	python3 - "$1" <<-'END' &
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[1], isolation_level=None)
		db.execute("BEGIN IMMEDIATE")
		open("writes", "w").close()
		open("ends").read()
		db.execute("COMMIT")
	END
	writer=$!
	: <writes
}

foreign_writer_ends() {
	[ -n "${writer:-}" ] || return 0
	: >ends
	wait "$writer"
	writer=
	rm -f writes ends
}

# await_watcher PID: until that process sleeps in its wait for a change.
await_watcher() {
	local end=$((SECONDS + 20))

	until readlink "/proc/$1/fd/"* 2>/dev/null | grep -q inotify &&
		[ "$(cut -d ' ' -f 3 "/proc/$1/stat")" = S ]; do
		((SECONDS < end)) || return 1
	done
}

# deaf DB TOOL...: the tool's output cannot be written, and when the tool learns that, another
# process has the turnstile of DB and keeps it. The tool's status; 1 if it waits for more than 20 s.
deaf() {
	python3 -c '
import fcntl, os, subprocess, sys
turnstile, tool = open(sys.argv[1] + "-turnstile"), sys.argv[2:]
r, w = os.pipe()
os.set_blocking(w, False)
try:
    while True:
        os.write(w, b"x" * 4096)
except BlockingIOError:
    os.set_blocking(w, True)
p = subprocess.Popen(tool, stdout=w)
os.close(w)
while "pipe" not in open(f"/proc/{p.pid}/wchan").read():
    assert p.poll() is None
fcntl.flock(turnstile, fcntl.LOCK_EX)
os.close(r)
try:
    sys.exit(p.wait(timeout=20))
except subprocess.TimeoutExpired:
    p.kill()
    sys.exit(1)' "$@"
}
