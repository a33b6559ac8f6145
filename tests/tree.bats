#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# The rules of the tree that a machine can check: nothing is missing in the Makefile, folders
# include only lower folders, the library is silent, the symbol map and the public headers agree.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$HF_TOP"
	folders=$(list FOLDERS)
	tools=$(list TOOLS)
}

@test "the Makefile lists every file of lib, bin, tests and docs" {
	same "$(printf 'lib/%s\n' $folders include port shell holdfast.map holdfast.pc.in)" \
		"$(ls -d lib/*)"
	same "$(printf 'lib/%s.c\n' $(list CORE_MODULES) $(list UPPER_MODULES))" \
		"$(cd "$HF_TOP" && ls $(printf 'lib/%s/*.c ' $folders))"
	same "$(printf 'bin/%s.c\n' $tools)" "$(ls bin/*)"
	same "$(printf 'lib/shell/%s\n' $(list SHELL_LIBS))" "$(ls lib/shell/*)"
	same "$(printf 'tests/rig/%s.c\n' $(list RIG_MODULES) $(list RIGS))" "$(ls tests/rig/*.c)"
	same "$(printf 'tests/bench/%s.c\n' $(list BENCHES))" "$(ls tests/bench/*.c)"
	same "$(printf 'tests/fuzz/%s.c\n' $(list FUZZERS))" "$(ls tests/fuzz/*.c)"
	same "$(printf 'tests/%s.bats\n' $(list BATS_TESTS))" "$(ls tests/*.bats)"
	same "$(printf 'docs/man/%s\n' $(list MAN1 | sed 's/$/.1/') $(list MAN7 | sed 's/$/.7/'))" \
		"$(ls docs/man/*)"
	same "$(printf 'docs/%s.md\n' $(list DOCS))" "$(ls docs/*.md)"
	same "$(printf 'docs/examples/%s.c\n' $(list EXAMPLES))" "$(ls docs/examples/*)"
	same "$(printf 'hooks/%s\n' $(list SCRIPTS) $(list HOOKS))" "$(ls hooks/*)"
	same "$(printf '%s\n' $tools $(list SCRIPTS))" "$(list MAN1)"
}

@test "the top folder has nothing but what is listed here" {
	git rev-parse 2>/dev/null || skip 'not a clone'
	same "$(printf '%s\n' .ci .clang-format .gitignore CONTRIBUTING.md LICENSE Makefile NEWS \
		README.md SECURITY.md bin completions docs hooks lib tests)" \
		"$(git ls-files | cut -d / -f 1)"
}

@test "every module has a header, and every unit test tests a module of that folder" {
	local module name test bad=
	for module in $(list CORE_MODULES) $(list UPPER_MODULES); do
		name=${module##*/}
		[[ $name = dotlock ]] && name=lock_dot
		[[ -e lib/$module.h || -e lib/include/holdfast/$name.h ]] || bad+="$module.c "
	done
	for test in $(list UNIT_TESTS); do
		[ -e "lib/${test/\/test_//}.c" ] || bad+="$test.c "
	done
	echo "$bad"
	[ -z "$bad" ]
	[ -z "$(ls $(printf 'lib/%s/*.[ch] ' $folders) | sed 's|.*/||' | sort | uniq -d)" ]
}

# The folder of a public header: that of the module it declares.
folder_of() {
	local name=$1
	[ "$name" != lock_dot ] || name=dotlock
	name=$(ls lib/*/"$name".c)
	name=${name%/*}
	echo "${name#lib/}"
}

# The folders that the files $2… of folder $1 include, each once.
included_by() {
	local folder=$1 header
	shift
	{
		sed -n 's|^#include "\([a-z0-9]*\)/.*\.h"$|\1|p' "$@"
		for header in $(sed -n 's|^#include <holdfast/\([a-z0-9_]*\)\.h>.*|\1|p' "$@"); do
			folder_of "$header"
		done
	} | sort -u | grep -vx "$folder" || :
}

@test "a folder includes only lower folders, exactly those that its README.md lists" {
	local below=' ' folder included bad= headers header listed
	for folder in $folders; do
		headers=
		for header in $(list PUBLIC_HEADERS | grep -vx holdfast); do
			[ "$(folder_of "$header")" != "$folder" ] ||
				headers+=" lib/include/holdfast/$header.h"
		done
		included=$(included_by "$folder" lib/"$folder"/*.[ch] $headers)
		listed=$(sed -n 's/^May include: \(.*\)\.$/\1/p' lib/"$folder"/README.md)
		[ -n "$listed" ] || bad+="$folder/README.md lists nothing"$'\n'
		same "$included" "$(tr -d ' ' <<<"${listed/nothing of lib\//}" | tr , '\n')" ||
			bad+="$folder: README.md and the includes differ"$'\n'
		for included in $included; do
			[[ $below = *" $included "* ]] || bad+="$folder includes $included"$'\n'
		done
		below+="$folder "
	done
	echo "$bad"
	[ -z "$bad" ]
}

@test "an invariant has one number, in the README.md of its folder, and every citation has one" {
	local defined cited bad
	defined=$(grep -oE '\*\*[a-z]+/[A-Z][0-9]+\*\*' lib/*/README.md | tr -d '*')
	[ -n "$defined" ]
	bad=$(sed 's|^[^:]*:||' <<<"$defined" | sort | uniq -d)
	bad+=$(grep -vE '^lib/([a-z]+)/README.md:\1/' <<<"$defined") || :
	# a bold number in the middle of a line is a citation, and needs no asterisks
	bad+=$(grep -nE '[^- ] *\*\*[a-z]+/[A-Z][0-9]+\*\*' lib/*/README.md) || :
	cited="\\<($(echo $folders | tr ' ' '|'))/[A-Z][0-9]+\\>"
	bad+=$(grep -rnoE "$cited" lib bin hooks tests docs |
		grep -vE ":($(sed 's/^[^:]*://' <<<"$defined" | paste -sd '|'))\$") || :
	echo "$bad"
	[ -z "$bad" ]
}

# The lines in which one of the project's former words is used. A process is "it", a person "they";
# the rest are a module, a layer, the tree, a header comment; for memory, the capacity.
former_words() {
	grep -nwiE 'he|his|him|himself|rooms?|floors?|houses?|essays?' "$@" |
		grep -v "jq '.*| floor'"
}

@test "texts use plain technical English: no person in place of a process, no private metaphor" {
	local files found
	echo 'a process and its room' >"$BATS_TEST_TMPDIR/example"
	[ -n "$(former_words "$BATS_TEST_TMPDIR/example")" ]
	files=$(find Makefile ./*.md lib bin hooks tests docs completions -type f \
		! -path tests/tree.bats ! -path 'tests/fuzz/*/*')
	found=$(former_words /dev/null $files) || :
	echo "$found"
	[ -z "$found" ]
}

# The lines with a word that is dated, or that hides which process or user acts. Name the actor.
# Write "in the meantime", "concurrently"; "recreate"; "indefinitely"; "so that … not".
vague_words() {
	grep -HnwiE 'meanwhile|nobody|somebody|whoever|anew|for ever|lest' "$@"
}

@test "messages, pages and headers name the actor: no nobody, whoever, meanwhile or made anew" {
	local files found
	echo '"%s is made anew"' >"$BATS_TEST_TMPDIR/example.c"
	[ "$(vague_words "$BATS_TEST_TMPDIR/example.c")" = \
		"$BATS_TEST_TMPDIR/example.c:1:\"%s is made anew\"" ]
	files=$(find Makefile NEWS ./*.md lib bin hooks completions docs -type f)
	found=$(vague_words $files) || :
	echo "$found"
	[ -z "$found" ]
}

@test "docs/architecture.md shows every folder" {
	local folder
	for folder in $folders; do
		grep -q "(../lib/$folder/README.md)" docs/architecture.md || {
			echo "docs/architecture.md: no link to $folder"
			false
		}
	done
}

# The functions of these files, one a line, in which one of each of two expressions is found.
functions_with() {
	awk -v first="$1" -v second="$2" '
		/^[a-z].*\(/ { name = $0 }
		/^}/ {
			if (body ~ first && body ~ second) print FILENAME ": " name
			body = ""
		}
		{ body = body $0 "\n" }' "${@:3}"
}

@test "only side_file opens side files, and tempfile opens those that it has just created" {
	local names='hf_target_side[(]|hf_side_name[(]|hf_side_next[(]' open='openat[(]' found
	printf '%s\n' 'static int f(void)' '{' 'sys_openat(dir, hf_target_side(t, "x", n), 0, 0);' \
		'}' >"$BATS_TEST_TMPDIR/example.c"
	[ -n "$(functions_with "$names" "$open" "$BATS_TEST_TMPDIR/example.c")" ]
	found=$(functions_with "$names" "$open" lib/*/*.c |
		grep -v -e '^lib/base/side_file.c: ' -e '^lib/base/tempfile.c: .*open_named(') || :
	echo "$found"
	[ -z "$found" ]
	# no other module knows how the names are made
	[ "$(grep -l '"[.]holdfast[.]' lib/*/*.c bin/*.c)" = lib/base/path.c ]
}

@test "the library never prints and never exits" {
	run nm -u "$HF_BUILD/lib/libholdfast.a"
	[ "$status" = 0 ]
	[[ $output == *" fsync"* ]]
	local printers='v?f?printf|f?puts|f?putc|putchar|perror|stdout|stderr|v?warnx?|v?errx?|exit'
	! grep -E " (__)?($printers)(_chk)?\$" <<<"$output"
}

@test "libholdfast.so exports what the public headers declare and its symbol map lists" {
	local symbols headers declared
	headers=$(list PUBLIC_HEADERS | sed 's|.*|lib/include/holdfast/&.h|')
	same "$(cc -I lib/include -MM lib/include/holdfast/holdfast.h |
		grep -o 'lib/include/holdfast/[a-z_]*\.h')" "$headers"
	symbols=$(nm -D --defined-only --without-symbol-versions "$HF_BUILD/lib/libholdfast.so.0" |
		awk '$2 != "A" { print $3 }')
	sed 's/.*/#include "&"/' <<<"$headers" |
		cc -std=gnu17 -I. -I lib/include -xc -fsyntax-only \
			-aux-info "$BATS_TEST_TMPDIR/declared" -
	declared=$(grep -v ' \*/ static' "$BATS_TEST_TMPDIR/declared" |
		grep -o '\<hf_[a-z0-9_]* (' | tr -d ' (')
	declared+=$'\n'$(sed -n 's/^extern .*\<\(hf_[a-z0-9_]*\);$/\1/p' $headers)
	same "$symbols" "$declared"
	same "$symbols" "$(sed -n 's/^\t\(hf_.*\);$/\1/p' lib/holdfast.map)"
}

@test "the core tools load no library, and only the tools that need it load SQLite or libgit2" {
	local tool
	for tool in $(list CORE_TOOLS); do
		run ldd "$HF_BIN/$tool"
		[[ $output == *'not a dynamic executable'* ]]
	done
	for tool in $(list DB_TOOLS); do
		run ldd "$HF_BIN/$tool"
		[[ $output != *libgit2* ]]
	done
}

@test "only lib/sqlite includes sqlite3.h, and one header of lib/git includes git2.h" {
	[ "$(grep -rl '^#include <sqlite3' lib bin | grep -v '^lib/sqlite/')" = '' ]
	[ "$(grep -rl '^#include <git2' lib bin)" = lib/git/git2_open.h ]
	same "$(grep -rl '^#include "git/git2_open' lib bin)" \
		"$(printf 'lib/git/git2_%s.c\n' backend open objects index)"
}
@test "shell scripts pass shellcheck" {
	local scripts
	scripts=$(grep -rlE '^#!.*[/ ](ba|da|k)?sh$|^# shellcheck shell=' \
		.ci hooks lib tests completions | grep -v '\.bats$')
	[ -n "$scripts" ]
	shellcheck -x $scripts
}

@test "sources carry the licence, and lines fit 100 columns" {
	local file bad
	local files
	files=$(find lib bin hooks tests completions -type f ! -name '*.pc.in' ! -name '*.md')
	bad=$(for file in Makefile $files; do
		head -n 3 "$file" | grep -q 'SPDX-License-Identifier: ISC' ||
			echo "$file: no licence line"
		# zsh wants its list of tools on one line
		expand "$file" | LC_ALL=C.UTF-8 grep -nE '.{101}|[[:blank:]]$' |
			grep -v '^[0-9]*:#compdef ' | sed "s|^|$file:|"
	done)
	echo "$bad"
	[ -z "$bad" ]
}

@test "tests/run counts a file that cannot be run, or reported, as failed" {
	cd "$BATS_TEST_TMPDIR"
	export BUILD=$HF_BUILD
	printf '#!/bin/sh\necho 1..1\necho ok 1 - x\n' >passes
	chmod +x passes
	run -0 "$HF_TOP/tests/run" passes
	[ "${lines[-1]}" = '1 passed, 0 failed, 0 skipped' ]
	run -1 "$HF_TOP/tests/run" passes missing missing.bats
	[ "${lines[-1]}" = '1 passed, 2 failed, 0 skipped' ]
	# nothing can be written: its output, its report, its counts
	BUILD=$PWD/nothing-to-copy
	run -1 bash -c 'trap "" XFSZ; ulimit -f 0; exec "$HF_TOP/tests/run" ./passes 2>&1'
	[ "${lines[-1]}" = '0 passed, 1 failed, 0 skipped' ]
}

@test "tests/run ends the processes that a test leaves, keepers too" {
	cd "$BATS_TEST_TMPDIR"
	# bats would take a line that begins with the word for a test of this file
	sed 's/^ *it/@test/' >left.bats <<-'END'
		it "leaves a keeper and a sleeper" {
			lock-acquire --owner none --ttl 1h "$BATS_TEST_TMPDIR/l" >&2
			(cd / && exec sleep 1000 >/dev/null 2>&1 3>&-) &
			false
		}
	END
	BUILD=$HF_BUILD run -1 "$HF_TOP/tests/run" left.bats
	[[ $output == *'left 2 processes running'* ]]
}

@test "every mend that can be taken out has a row in tests/mends, which names one test" {
	local mend file title bad=
	same "$(grep -rhoE 'HF_WITHOUT\([a-z_]+\)' lib/*/*.c | sed 's/.*(\(.*\))/\1/')" \
		"$(tests/mends -l | cut -d ' ' -f 1)"
	while read -r mend file title; do
		[ "$file" != - ] || continue
		[ "$(grep -cE "^@test .*${title% itself}" "tests/$file.bats")" = 1 ] ||
			bad+="$mend "
	done < <(tests/mends -l)
	[ -z "$bad" ] || { echo "no test, or several: $bad"; return 1; }
}
