#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# make install and uninstall, and programs that use the installed library.

bats_require_minimum_version 1.5.0

hf_make() { make -s -C "$HF_TOP" BUILD="$HF_BUILD" "$@"; }

# Installed once for all tests, under a prefix and again under DESTDIR.
setup_file() {
	export PREFIX=$BATS_FILE_TMPDIR/prefix STAGE=$BATS_FILE_TMPDIR/stage
	hf_make install PREFIX="$PREFIX" >/dev/null
	hf_make install DESTDIR="$STAGE" PREFIX=/usr >/dev/null
	export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	tools=$(hf_make print-MAN1)
	examples=$(hf_make print-EXAMPLES)
}

# Compile example $1 against the installed files, into ./$1.
compile() {
	cc -Wall -Wextra -Werror -o "$1" "$HF_TOP/docs/examples/$1.c" \
		$(pkg-config --cflags --libs holdfast)
}

# A program that uses the library must wait for a lock no longer than its limit, and replace a file.
try_example() {
	export LD_LIBRARY_PATH=$1
	echo old >note
	run ./lock-and-write note.lock 1s note 'new text'
	[ "$status" = 0 ]
	[ "$(cat note)" = 'new text' ]
	# 75 while another process holds the lock, and the file is as it was
	coproc flock note.lock sh -c 'echo held; read -r end' 3>&-
	read -r -u "${COPROC[0]}"
	run ./lock-and-write note.lock 50ms note 'newer text'
	kill "$COPROC_PID"
	[ "$status" = 75 ]
	[[ $output == *note.lock* ]]
	[ "$(cat note)" = 'new text' ]
}

@test "the example compiles against the installed shared library, and runs" {
	compile lock-and-write
	ldd lock-and-write | grep -F libholdfast.so.0
	try_example "$PREFIX/lib"
}

@test "the example compiles against the installed static library, and runs" {
	cc -o lock-and-write "$HF_TOP/docs/examples/lock-and-write.c" \
		$(pkg-config --cflags holdfast) "$PREFIX/lib/libholdfast.a" \
		$(pkg-config --static --libs-only-l holdfast | sed s/-lholdfast//)
	run ldd lock-and-write
	[[ $output != *libholdfast* ]]
	try_example /nonexistent
}

@test "every example compiles" {
	for example in $examples; do compile "$example"; done
}

@test "a program is built against a staged installation as its sysroot" {
	unset PKG_CONFIG_PATH
	export PKG_CONFIG_LIBDIR=$STAGE/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$STAGE
	compile lock-and-write
	try_example "$STAGE/usr/lib"
}

@test "the headers do not hide system headers" {
	printf '#include <%s>\n' err.h holdfast.h >a.c
	echo 'int main(void) { errx(0, "x"); }' >>a.c
	cc -Wall -Werror -c a.c $(pkg-config --cflags holdfast)
}

@test "every installed header compiles on its own, in C11 too" {
	for header in "$PREFIX"/include/holdfast/*.h; do
		echo "#include <holdfast/${header##*/}>" >a.c
		cc -std=gnu11 -Wall -Wextra -Werror -c a.c $(pkg-config --cflags holdfast)
	done
}

@test "installed tools print their version, and pkg-config prints the same" {
	local version
	version=$(pkg-config --modversion holdfast)
	[ -n "$version" ]
	for tool in $tools; do
		run "$PREFIX/bin/$tool" --version
		[ "$status" = 0 ]
		[ "$output" = "$tool from holdfast $version" ]
	done
}

@test "neither the core tools nor the library load libsqlite3 or libgit2" {
	tools=$(hf_make print-CORE_TOOLS)
	for file in $(printf "$PREFIX/bin/%s " $tools) "$PREFIX/lib/libholdfast.so.0"; do
		[ -x "$file" ]
		run ldd "$file"
		[[ $output == *libc.so* || $output == *'not a dynamic executable'* ]]
		[[ $output != *sqlite* && $output != *git2* ]]
	done
}

@test "each tool has its manual page and three completions" {
	for tool in $tools; do
		[ -s "$PREFIX/share/man/man1/$tool.1" ]
		[ -s "$PREFIX/share/bash-completion/completions/$tool" ]
		grep -q "^#compdef .*\<$tool\>" "$PREFIX/share/zsh/site-functions/_holdfast"
		[ -s "$PREFIX/share/fish/vendor_completions.d/$tool.fish" ]
	done
	[ -s "$PREFIX/share/man/man7/holdfast.7" ]
}

@test "an installation is complete under umask 077, and can be repeated" {
	umask 077
	hf_make install PREFIX="$PWD/p" >/dev/null
	hf_make install PREFIX="$PWD/p" >/dev/null
	run find p -not -perm -444 -o -type d -not -perm -555
	[ "$output" = '' ]
	hf_make uninstall PREFIX="$PWD/p" >/dev/null
	[ ! -e p ]
}

@test "DESTDIR may contain spaces and quotes, but PREFIX no spaces" {
	local stage="$PWD/a b's \"stage\" *"
	hf_make install DESTDIR="$stage" PREFIX=/usr >/dev/null
	[ "$(ls)" = "${stage##*/}" ]
	[ "$(find "$stage" | sed "s|^.*stage\" \*||" | sort)" = \
		"$(find "$STAGE" | sed "s|^$STAGE||" | sort)" ]
	"$stage/usr/bin/lock-run" l true
	rm l
	hf_make uninstall DESTDIR="$stage" PREFIX=/usr >/dev/null
	[ -z "$(ls -A "$stage")" ]
	run -2 hf_make install PREFIX="$PWD/p q"
	[[ $output == *'PREFIX must not hold spaces'* ]]
}

@test "uninstall removes everything that install created, and nothing else" {
	mkdir -p d/usr/bin d/usr/share/man/man1 d/usr/lib
	echo mine >d/usr/share/man/man1/mine.1
	find d | sort >before
	hf_make install DESTDIR="$PWD/d" PREFIX=/usr >/dev/null
	[ -x d/usr/bin/lock-run ]
	hf_make uninstall DESTDIR="$PWD/d" PREFIX=/usr >/dev/null
	find d | sort | diff before -
}
