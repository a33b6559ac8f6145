#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# make with other compilers and flags, with libraries that cannot be linked statically,
# and without the packages that building needs.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	built=$PWD/built
}

build() { make -C "$HF_TOP" -j"$(nproc)" BUILD="$built" "$@" 2>&1; }

# A program $1, found earlier than the system's, that runs the commands $2.
program() {
	mkdir -p programs
	printf '#!/bin/sh\n%s\n' "$2" >"programs/$1"
	chmod +x "programs/$1"
}

# The tools are built so without a warning, and work.
works() {
	run -0 build tools scripts "$@"
	[[ $output != *warning:* ]]
	"$HF_TOP/tests/smoke" "$built/bin"
	rm -r "$built"
}

@test "builds with -O3 without a warning, and the tools work" {
	works CFLAGS=-O3
}

@test "builds with link-time optimisation without a warning, and the tools work" {
	works CFLAGS='-O2 -flto=auto'
}

@test "builds with clang without a warning, and the tools work" {
	works CC=clang
}

@test "builds with Debian's flags and all hardening without a warning, and the tools work" {
	local flags=() name

	export DEB_BUILD_MAINT_OPTIONS=hardening=+all
	for name in CFLAGS CPPFLAGS LDFLAGS; do
		flags+=("$name=$(dpkg-buildflags --get $name)")
	done
	works "${flags[@]}"
}

@test "links SQLite and libgit2 statically where it can" {
	[[ $(ldd "$HF_BIN/sqlite-run") != *libsqlite3* ]]
	[[ $(ldd "$HF_BIN/atomic-record") != *lib@(sqlite3|git2)* ]]
	run -0 build "$built/lib/sqlite.libs" "$built/lib/git2.libs"
	[[ $output == *"sqlite.libs: static: "*sqlite3* ]]
	[[ $output == *"git2.libs: static: git2 "* || $output == *"git2.libs: static: "*' git2 '* ]]
}

@test "links the shared library otherwise, and prints the reason" {
	run -0 build PKG_CONFIG=false "$built/lib/sqlite.libs"
	[[ $output == *"sqlite.libs: shared: sqlite3 (not static: "* ]]
	[ "$(cat "$built/lib/sqlite.libs")" = -lsqlite3 ]
	# an incomplete answer
	program pkg-config 'echo -lgit2'
	PATH=$PWD/programs:$PATH run -0 build "$built/lib/git2.libs"
	[[ $output == *"git2.libs: shared: git2 sqlite3 z (not static: "*undefined* ]]
	[ "$(cat "$built/lib/git2.libs")" = '-lsqlite3 -lgit2 -lz' ]
	# an answer that names a missing library, as that of another package may
	program pkg-config "$(command -v pkg-config) \"\$@\"; echo -lno-such-library"
	rm -r "$built"
	PATH=$PWD/programs:$PATH run -0 build "$built/lib/sqlite.libs"
	[[ $output == *"sqlite.libs: static: "* ]]
}

@test "make names missing packages, and so does make deps" {
	mkdir programs
	for tool in bash sh make mkdir touch printf grep sed dirname nproc id env; do
		ln -s "$(command -v $tool)" programs/
	done
	PATH=$PWD/programs run -2 build tools
	[[ $output == *'Packages are missing: gcc '*' libbsd-dev '*'"make deps"'* ]]
	[[ $output != *'not found'* ]]
	PATH=$PWD/programs run -2 make -C "$HF_TOP" BUILD="$built" deps
	[[ $output == *'apt-get install '*' bats '*' gcc '* ]]
	[ ! -e "$built" ]
}
