# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2034,SC2154
#
# Functions for many bats files: messages, leftovers, locks that are held, waits for others. `load
# rig/common`; a file that uses hold or hear also has `mkfifo go at` in setup.

# shellcheck source=tests/rig/require.bash
source "${BASH_SOURCE[0]%/*}/require.bash"

# one_line TOOL TEXT: one message line that begins with the tool's name, then indented advice only.
one_line() {
	local line
	local -a said

	mapfile -t said <<<"$2"
	[[ ${said[0]} == "$1: "* ]] || return
	for line in "${said[@]:1}"; do
		[[ $line == '  '* || $line == "Try '$1 --help' for more information." ]] || return
	done
}

# Nothing of a tool's own is left in a directory ($1, or this one), or below it.
no_litter() {
	[ -z "$(find "${1:-.}" -name '.holdfast.*')" ]
}

# A PID that no process has.
dead_pid() { (exec sh -c 'echo $$'); }

# Milliseconds that the command takes.
took() {
	local start=${EPOCHREALTIME/./}

	"$@" >&2
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

# quick MS FUNCTION: FUNCTION puts fewer than MS milliseconds into $ms, at least once. Many tries,
# since an ordinary user cannot be scheduled before the machine's other work; a FUNCTION that is
# slow by itself is slow in all of them.
quick() {
	for _ in {1..60}; do
		"$2"
		((ms >= $1)) || return 0
	done
	return 1
}

# In a subshell: schedule it before other processes, if that is permitted.
urgently() { chrt -f -p 1 "$BASHPID" 2>/dev/null || :; }

# Milliseconds since $1, a time of EPOCHREALTIME without its point.
since() { echo $(((${EPOCHREALTIME/./} - $1) / 1000)); }

# The words of a list in the Makefile, one a line.
list() { make -s -C "$HF_TOP" BUILD="$HF_BUILD" "print-$1" | tr ' ' '\n'; }

# Both lists, sorted, are the same.
same() { diff <(sort -u <<<"$1") <(sort -u <<<"$2"); }

# Wait until "$@" succeeds: for a change that sends no event.
await() {
	local end=$((SECONDS + 20))

	until "$@"; do
		((SECONDS < end)) || return 1
	done
}

# Wait until a process writes a line into the FIFO `at`.
hear() { timeout 20 sh -c 'read -r line <at'; }

# In the background, without bats's descriptor 3: bats would wait for each process that has it.
bg() { "$@" >>log 2>&1 3>&- & }

# Start "$@" followed by a command that reports when it runs, and ends at let_go.
hold() {
	bg "$@" sh -c 'echo >at; read x <go'
	holder=$!
	hear
}

let_go() {
	echo >go
	wait "$holder"
}

# Start the tool "$2"... with the faults $1, one of which is a stop; return when it is stopped, with
# its PID in $tool.
stop_at() {
	HOLDFAST_FAULT=$1 "$HF_FAULT_BIN/$2" "${@:3}" >>log 2>&1 3>&- &
	tool=$!
	await is_stopped "$tool"
}

# Let $tool go on; its exit status is in $status.
go_on() {
	kill -CONT "$tool"
	status=0
	wait "$tool" || status=$?
}

# A process that locks nothing creates $2 again while the tool after it, "$@", is stopped before
# call $1. The new file is never moved; the tool's status is in $status.
made_anew_at() {
	local lock=$2 tool before

	stop_at "$1:stop" "${@:3}"
	rm "$lock"
	echo $$ >"$lock"
	before=$(stat -c %z "$lock")
	go_on
	[ "$(stat -c %z "$lock")" = "$before" ]
}
is_stopped() { [ "$(ps -o state= "$1")" = T ]; }

# A Python program in file $1 that prints, each on a line, the descriptors above 2 that it was
# started with, sorted.
descriptor_lister() {
	cat >"$1" <<-'END'
		import os
		def is_open(n):
		    try:
		        os.fstat(n)
		    except OSError:
		        return False
		    return n > 2
		print(*filter(is_open, range(1024)), sep="\n")
	END
}

# In directory $1, a process that is called $2, until it is let go. Its first thread has ended, and
# for /proc/PID it has no files, no directory and no words any more. $3 is Python that it runs
# before.
leaderless() {
	ln -sf "$(python3 -c 'import sys; print(sys.executable)')" "$2"
	bg env -C "$1" "$PWD/$2" -c "
import ctypes, threading
${3-}
go = '$PWD/go'
threading.Thread(target=lambda: open(go).read()).start()
ctypes.CDLL(None).pthread_exit(None)"
	holder=$!
	await has_no_leader "$holder"
}
has_no_leader() { [ "$(ps -o state= "$1")" = Z ]; }

# Process $1 (-1: one that the kernel does not name) waits for a lock, in the kernel's records.
waits() { grep -q -e "-> [A-Z]* *ADVISORY *[A-Z]* $1 " /proc/locks; }

# ends_with STATUS PID: that child does, sooner or later; 128 + n is a death by signal n.
ends_with() {
	local ended=0

	wait "$2" || ended=$?
	[ "$ended" = "$1" ]
}
