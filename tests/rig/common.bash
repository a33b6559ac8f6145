# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2034,SC2154
#
# For bats files that hold locks and wait for others. `load rig/common`; who holds or hears also has
# `mkfifo go at` in setup.

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

# Nothing of a tool's own is left in a directory ($1, or this one).
no_litter() {
	[ -z "$(find "${1:-.}" -maxdepth 1 -name '.holdfast.*')" ]
}

# Until "$@" succeeds: for what tells nobody when it happens.
await() {
	local end=$((SECONDS + 20))

	until "$@"; do
		((SECONDS < end)) || return 1
	done
}

# Somebody writes a line into the FIFO `at`, sooner or later.
hear() { timeout 20 sh -c 'read -r line <at'; }

# In the background, out of bats's way: it would wait for whoever has its descriptors.
bg() { "$@" >>log 2>&1 3>&- & }

# Start "$@" with a command behind it that says when it runs, and ends when it is let go.
hold() {
	bg "$@" sh -c 'echo >at; read x <go'
	holder=$!
	hear
}

let_go() {
	echo >go
	wait "$holder"
}

# Process $1 (-1: one that the kernel does not name) waits for a lock, in the kernel's records.
waits() { grep -q -e "-> [A-Z]* *ADVISORY *[A-Z]* $1 " /proc/locks; }

# ends_with STATUS PID: that child does, sooner or later; 128 + n is a death by signal n.
ends_with() {
	local ended=0

	wait "$2" || ended=$?
	[ "$ended" = "$1" ]
}
