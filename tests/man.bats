#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# The manual pages are true: options, exit statuses, variables, examples that work when they are
# typed. So are the first examples of README.md, and docs/messages.md has every message.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	man=$HF_TOP/docs/man
	tools=$(list MAN1)
	cd "$BATS_TEST_TMPDIR"
}

# The options of a page: "-w DURATION, --timeout DURATION", one a line.
page_options() {
	awk '/^\.It Fl/ {
		line = ""; glue = 1; open = 0
		for (i = 2; i <= NF; i++) {
			word = $i
			if (word == "Ar" || word == "Cm") continue
			if (word == "Ns") { glue = 1; continue }
			if (word == "Op") { word = "["; open = 1 }
			else if (word == "Fl") word = "-" $(++i)
			if (word == ",") glue = 1
			line = line (glue ? "" : " ") word
			glue = word == "["
		}
		print line (open ? "]" : "")
	}' "$1"
}

# The same of --help.
help_options() {
	"$1" --help | awk '/^  (-|    --)/ {
		sub(/^ +/, ""); sub(/  .*/, "")
		if (/^-.,/ && NF == 3) $1 = substr($1, 1, 2) " " $3 ","
		print
	}'
}

# The statuses that a page lists under EXIT STATUS.
page_statuses() {
	sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/s/^\.It \([0-9]*\)$/\1/p' "$1"
}

# The statuses that holdfast/err.h defines, and a shell's two.
statuses() {
	sed -n 's/^\tHF_[A-Z]* = \([0-9]*\),.*/\1/p' "$HF_TOP/lib/include/holdfast/err.h"
	printf '%s\n' 126 127
}

messages() { "$HF_TOP/tests/rig/messages.py" "$HF_TOP"/lib/*/*.{c,sh} "$HF_TOP"/bin/*.c \
	"$HF_TOP"/hooks/*; }

# Write the examples of page $1 to ./N/example, with its conditions before and after: the
# comments above a display,
#	.\" given: COMMAND	run before
#	.\" then: COMMAND	must succeed afterwards
#	.\" script: NAME	the display is a script, and is not typed but saved
examples() {
	awk '
	/^\.Sh / { inside = $2 == "EXAMPLES" }
	!inside { next }
	sub(/^\.\\" given: /, "") { given = $0; next }
	sub(/^\.\\" then: /, "") { then = $0; next }
	sub(/^\.\\" script: /, "") { script = $0; next }
	/^\.Bd / { dir = ++n; system("mkdir " dir); display = 1; next }
	/^\.Ed/ {
		display = 0
		print given > (dir "/given"); print then > (dir "/then")
		print script > (dir "/script"); given = then = script = ""
		next
	}
	display { sub(/^\\&/, ""); gsub(/\\e/, "\\"); print > (dir "/example") }' "$1"
}

# Type example $1 in a directory of its own.
type_example() {
	(
		cd "$1"
		local script
		script=$(cat script)
		mkdir desk && cd desk
		export HOME=$PWD
		if [ -n "$script" ]; then
			cp ../example "$script" && chmod +x "$script"
			: >../example
		fi
		cat ../given ../example ../then >../all
		timeout 60 bash -e ../all </dev/null >../output 2>&1
	) || {
		cat "$1/all" "$1/output"
		return 1
	}
}

@test "mandoc reports nothing about the pages" {
	mandoc -Tlint "$man"/*.[17] >found 2>failed || :
	cat failed >>found
	# which other pages there are is the machine's affair, and tested below
	output=$(grep -v -e 'outdated mandoc.db' -e 'referenced manual not found' found || :)
	echo "$output"
	[ -z "$output" ]
}

@test "the pages refer only to existing pages" {
	local name section
	local foreign=' dotlockfile.1 lockfile.1 '
	foreign+=' chmod.1 flock.1 sponge.1 timeout.1 fcntl.2 flock.2 rename.2 sqlite3.1 '
	sed -n 's/^\.Xr \([^ ]*\) \([1-9]\).*/\1 \2/p' "$man"/*.[17] | sort -u >refs
	[ -s refs ]
	while read -r name section; do
		[[ -e $man/$name.$section || $foreign == *" $name.$section "* ]] ||
			{ echo "$name($section)"; false; }
	done <refs
}

@test "a page lists the options of --help, with the same names for their arguments" {
	local tool
	for tool in $tools; do
		[ -n "$(help_options "$tool")" ]
		same "$(help_options "$tool")" "$(page_options "$man/$tool.1")"
	done
}

@test "--help fits 80 columns, and names COMMAND only in tools that run one" {
	local tool usage
	for tool in $tools; do
		"$tool" --help >help
		LC_ALL=C.UTF-8 run -1 grep -nE '.{81}' help
		usage=$(sed -n '/^Usage:/,/^[^U ]/p' help)
		[[ $usage == *COMMAND* || $usage == *'-c STRING'* ]] ||
			run -1 grep -nE '(^|[^=] )COMMAND' <(grep -v -e '--validate COMMAND' help)
	done
}

@test "an alias means the same as the option, and has its argument" {
	run -64 lock-break --assume-alone
	[[ ${lines[0]} == 'lock-break: no PATH' ]]
	run -64 atomic-record --discard 12345678
	[[ ${lines[0]} == *'--drop goes with --recover and --sqlite alone' ]]
	sqlite-lease acquire --holder me a.db name
	[ "$(sqlite-lease list a.db | cut -f 2)" = me ]
	sqlite-queue add a.db x && sqlite-queue claim --holder=you a.db
	[[ $(sqlite-queue list --json a.db) == *'"holder":"you"'* ]]
}

@test "a page lists only exit statuses of the suite, and the overview lists all" {
	local tool
	same "$(page_statuses "$man/holdfast.7")" "$(statuses)"
	for tool in $tools; do
		[ -n "$(page_statuses "$man/$tool.1")" ]
		[ -z "$(comm -23 <(page_statuses "$man/$tool.1" | sort) <(statuses | sort))" ]
	done
}

@test "the overview lists the variables that are read or set" {
	local used
	used=$(cat "$HF_TOP"/lib/*/*.[ch] "$HF_TOP"/lib/include/holdfast/*.h \
		"$HF_TOP"/bin/*.c | grep -o '"HOLDFAST_[A-Z]*"' |
		grep -v -e FAULT -e WITHOUT | tr -d '"')
	[ -n "$used" ]
	same "$used" "$(sed -n 's/^\.It Ev \(HOLDFAST_[A-Z]*\)$/\1/p' "$man/holdfast.7")"
}

@test "the overview lists the names that are created beside a file" {
	same "$(grep -ohE '(hf_target_side\(.*|side = |side : |hf_spool_name\(.*)"[a-z]+"' \
		"$HF_TOP"/lib/*/*.c | grep -oE '[a-z]+"$' | tr -d '"')" \
		"$(sed -n 's/^\.It Pa \.holdfast\.NAME\.\([a-z]*\)$/\1/p' "$man/holdfast.7")"
}

@test "the examples work as typed" {
	require_first_pid_namespace
	local page n
	for page in "$man"/*.[17]; do
		mkdir "$(basename "$page")" && cd "$(basename "$page")"
		examples "$page"
		[ -s 1/example ]
		for n in *; do
			type_example "$n" || { echo "${page##*/}, example $n"; false; }
		done
		cd ..
	done
}

@test "the first examples of README.md work in an empty folder" {
	mkdir desk home && cd desk
	export HOME=$BATS_TEST_TMPDIR/home
	git config --global user.name me
	git config --global user.email me@example.org
	awk '/^## / { exit } sub(/^    /, "")' "$HF_TOP/README.md" >../typed
	[ "$(grep -c '^[a-z]' ../typed)" -ge 6 ]
	run -0 timeout 60 bash -e ../typed
	[ "$(cat seq)" = 1 ]
	grep -q done job.log
	[ "$(git show HEAD:notes/disk.md)" = 'The disk was full.' ]
}

@test "a dotlock in one example is not a lock file in another" {
	local lines name
	lines=$(sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$man"/lock-*.1)
	for name in $(grep -oP -- '--dotlock \K[^ )]+' <<<"$lines"); do
		lines=$(sed "s/--dotlock $name//g" <<<"$lines")
		run -1 grep -E "(lock-[a-z]*|flock|--file) (.* )?$name( |$)" <<<"$lines"
		local seen=1
	done
	[ "$seen" ]
}

@test "detects an example that fails" {
	printf '%s\n' '.Sh EXAMPLES' '.Bd -literal' 'echo a\e' '  b >f' 'false' '.Ed' \
		'.\" given: echo 1 >g' '.\" then: grep -q 2 g' '.Bd -literal' 'true' '.Ed' \
		'.\" given: echo 1 >g' '.\" then: grep -q 1 g' '.Bd -literal' 'true' '.Ed' >page
	examples page
	run ! type_example 1
	[ "$(cat 1/desk/f)" = 'a b' ]
	run ! type_example 2
	type_example 3
}

@test "docs/messages.md lists every message of the library, the tools and the scripts" {
	local all missing
	all=$(messages)
	(($(wc -l <<<"$all") > 80))
	grep -qxF "cannot lock '…'…: held by …" <<<"$all"
	[ -s "$HF_TOP/docs/messages.md" ]
	missing=$(while IFS= read -r message; do
		grep -qF -e "\`$message\`" "$HF_TOP/docs/messages.md" || echo "$message"
	done <<<"$all")
	echo "$missing"
	[ -z "$missing" ]
}

@test "docs/messages.md lists no message that the sources do not contain" {
	# texts that are not formats in a call: those of libc, and composed ones
	local all
	all=$(messages)
	run -1 grep -vxF -e "$all" <(sed -n 's/^- `\(.*\)`$/\1/p' "$HF_TOP/docs/messages.md")
	echo "$output"
}
