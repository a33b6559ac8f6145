#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lock-run under the name flock, against flock(1): the same script twice, in two fresh directories,
# must give the same output, the same messages and the same exit status.

bats_require_minimum_version 1.5.0

setup() {
	real=$(command -v flock)
	cd "$BATS_TEST_TMPDIR"
	mkdir real ours
	ln -s "$real" real/flock
	ln -s "$HF_BIN/lock-run" ours/flock
	unset SHELL
}

# run_as real|ours SCRIPT: leaves out, err and status there. Times are all alike.
run_as() {
	local status=0
	mkdir "$1/work"
	(
		cd "$1/work"
		export PATH=$BATS_TEST_TMPDIR/$1:$PATH
		exec timeout -k 1 30 bash -c "$2" </dev/null >../out 2>../err
	) || status=$?
	echo $status >"$1/status"
	sed -i -E 's/took [0-9]+\.[0-9]{6} seconds/took S seconds/' "$1/out"
	rm -rf "${1:?}/work"
}

# Each argument is a script; without arguments, each line of standard input.
same() {
	local script scripts=("$@")
	[ $# != 0 ] || mapfile -t scripts
	[ ${#scripts[@]} != 0 ]
	for script in "${scripts[@]}"; do
		run_as real "$script"
		run_as ours "$script"
		diff -u --label "flock(1): $script" real/status --label ours ours/status
		diff -u --label "flock(1): $script" real/out --label ours ours/out
		diff -u --label "flock(1): $script" real/err --label ours ours/err
	done
}

# The commands of a file descriptor 9 on l, held by another process: `held` is then true.
held='mkfifo go at; (exec 9>l; $real -x 9; echo >at; read x <go) & read x <at;'
let_go='; status=$?; echo >go; wait; exit $status'

@test "a flock(1) to compare with is installed" {
	[ -x "$real" ]
	[[ $("$real" --version) == *util-linux* ]]
	[[ $(ours/flock --version) == *holdfast* ]]
}

@test "runs a command under a file's lock as flock(1) does" {
	same <<-'EOF'
		flock l true
		flock l false
		flock l sh -c "exit 7"
		flock l echo a "b  c" ""
		flock . true
		flock l echo -n x
		flock l cat </etc/passwd
		ls; flock l ls; ls -l l | cut -c1-10
		umask 077; flock l true; ls -l l | cut -c1-10
		flock "" true
		flock -- l true
		flock l -- true
		flock /dev/null true
		ln -s to l; flock l true; ls
	EOF
}

@test "runs a string with -c as flock(1) does" {
	same <<-'EOF'
		flock l -c "echo \$0 x y"
		SHELL=/bin/bash flock l -c "echo \$0"
		SHELL= flock l -c "echo \$0"
		flock l --command "exit 5"
		flock l -c
		flock l -c a b
		flock l --command
		flock l --comm x
		SHELL=/none flock l -c x
		flock -c true l
		flock l -c ""
	EOF
}

@test "reports commands that cannot be run and files that cannot be opened as flock(1) does" {
	same <<-'EOF'
		flock l /none/there
		flock l none
		flock l /
		flock l ""
		echo "echo no interpreter line" >x; chmod +x x; flock l ./x
		echo >x; flock l ./x
		flock /none/l true
		echo >f; flock f/l true
		ln -s l l; flock l true
		flock "$(printf %0300d 1)" true
		flock $(printf %0255d 1) true; ls
	EOF
	same 'flock "a
b" true; ls'
}

@test "locks descriptors as flock(1) does" {
	same <<-'EOF'
		exec 9>l; flock 9; flock -n l true
		exec 9>l; flock 9; flock -u 9; flock -n l true
		flock 9
		flock -u 9
		flock 99999999999
		flock 2147483648
		flock -- -5
		flock 0x9
		flock " 9"
		flock +9
		flock 9x
		flock ""
		flock l
		flock 0
		flock 0 <&-
		flock 1 >&-
		flock 2 2>&-
		flock 4 true; ls
		exec 9>l; flock -s 9; flock -sn l true; flock -n l true
		exec 9<>l; flock 9; flock -s 9; flock -sn l true
		flock -u l true
		flock -5
	EOF
}

@test "the command inherits the lock, but not with -o" {
	same <<-'EOF'
		flock l sh -c "flock -n l true"
		flock l sh -c "readlink /proc/self/fd/3" | sed "s,.*/,,"
		flock -o l sh -c "test -e /proc/self/fd/3"; echo $?
	EOF
	same 'flock l sh -c "sleep 60 >&- 2>&- & echo \$!" >pid; flock -n l true; echo $?
		kill $(cat pid); flock l true'
	same 'flock -o l sh -c "sleep 60 >&- 2>&- & echo \$!" >pid; flock -n l true; echo $?
		kill $(cat pid)'
}

@test "handles conflicts, -n, -w, -E and --verbose as flock(1) does" {
	export real
	same "$held flock -n l echo no $let_go" "$held flock -n -E 9 l true $let_go" \
		"$held flock -w 0.01 l true $let_go" "$held flock -w 0 l true $let_go" \
		"$held flock --verbose -n l true $let_go" \
		"$held flock --verbose -w .01 l true $let_go" \
		"$held flock -E 0 -n l false $let_go" "$held flock -ns l true $let_go" \
		"$held flock -Fn l true $let_go" "$held exec 8>l; flock -n 8 $let_go" \
		"$held exec 8>l; flock -w .01 --verbose 8 $let_go" "$held flock -n m true $let_go" \
		"$held flock -nw 5 l true $let_go" "$held flock l echo \$(echo >go) then; wait"
}

@test "prints with --verbose what flock(1) prints without a conflict" {
	same <<-'EOF'
		flock --verbose l true
		flock --verbose l echo hi
		flock --verbose -F l echo hi
		exec 9>l; flock --verbose 9
		flock --verbose l none
		flock --verbose l true >/dev/full
		flock --version >/dev/full
		flock --verbose l true >&-
		flock --verbose -u l true
	EOF
}

@test "parses timeouts as flock(1) does" {
	same <<-'EOF'
		flock -w 1 l true
		flock -w 0.5 l true
		flock -w .5 l true
		flock -w 5. l true
		flock -w abc l true
		flock -w "" l true
		flock -w 1s l true
		flock -w "1 " l true
		flock -w " 1" l true
		flock -w +1 l true
		flock -w 1,5 l true
		flock -w . l true
		flock -w 0x10 l true
		flock -w -0 l true
		flock -w -1 l true
		flock -w -0.5 l true
		flock -w nan l true
		flock -w inf l true
		flock -w 1e18 l true
		flock -w 1e19 l true
		flock -w 1e400 l true
		flock -w 1e5000 l true
		flock -w 99999999999999999999 l true
		flock -w -1 9
	EOF
}

@test "parses -E as flock(1) does" {
	same <<-'EOF'
		flock -E 5 l true
		flock -E 256 l true
		flock -E -1 l true
		flock -E abc l true
		flock -E "" l true
		flock -E 0x10 l true
		flock -E " 5" l true
		flock -E "5 " l true
		flock -E +5 l true
		flock -E 5000000000 l true
		flock -E 99999999999999999999 l true
		flock -E -99999999999999999999 l true
	EOF
}

@test "accepts and rejects options and abbreviations as flock(1) does" {
	same <<-'EOF'
		flock
		flock -x
		flock --
		flock --foo l true
		flock -q l true
		flock --quiet l true
		flock -v l true
		flock --n l true
		flock --no l true
		flock --no- l true
		flock --non l true
		flock --nonblock l true
		flock --nb l true
		flock --nonblocking l true
		flock --ver l true
		flock --verb l true
		flock --c l true
		flock --cl l true
		flock --co 5 l true
		flock --t 1 l true
		flock --time l true
		flock --w 1 l true
		flock --sh l true
		flock --ex l true
		flock --u l true
		flock --shared=1 l true
		flock --timeout=1 l true
		flock --timeout
		flock -w
		flock --wait
		flock -E
		flock -?
		flock -oF l true
		flock -nxe l true
		flock -w1 l true
		flock -nE5 l true
		flock --conflict-exit-code 300 l true
		flock --close l true
		flock --no-fork l true
	EOF
}

@test "on a signal, exits and leaves the command running as flock(1) does" {
	same <<-'EOF'
		flock l sh -c "kill -9 \$\$"
		flock l sh -c "kill -INT \$\$"
		flock l sh -c "kill -TERM \$\$"
		flock -F l sh -c "kill -9 \$\$"
		flock -n l sh -c "kill -9 \$PPID"
		for i in 1 2 3; do flock l sh -c "echo $i; kill -INT \$PPID \$\$"; done; echo on
		trap "" INT; flock l sh -c "kill -INT \$PPID \$\$; echo on"
	EOF
	same 'mkfifo at
		flock l sh -c "echo \$\$ >at; exec sleep 60" & read child <at; kill -TERM $!
		wait $!; echo $?; flock -n l true; echo $?; kill $child; flock l true'
}

# Options that only newer versions have than some installed ones.

@test "--fcntl takes an fcntl(2) lock, not a flock(2) lock" {
	PATH=$PWD/ours:$PATH
	mkfifo go at
	flock --fcntl l sh -c 'echo >at; read x <go' >log 2>&1 3>&- &
	timeout 20 sh -c 'read -r line <at'
	run -1 flock --fcntl -n l true
	[ "$output" = '' ]
	run -1 flock --fcntl --verbose -w 0.01 l true
	[ "$output" = 'flock: timeout while waiting to get lock' ]
	run -1 flock --fcntl -sn l true
	run -0 flock -n l true
	run -0 "$real" -n l true
	run -1 python3 -c 'import fcntl; fcntl.lockf(open("l", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB)'
	echo >go
	wait
	run -0 flock --fcntl -n l true
	run -65 flock --fcntl . true
	[ "$output" = 'flock: .: Bad file descriptor' ]
	[ ! -s l ]
}

@test "--start and --length lock a range" {
	PATH=$PWD/ours:$PATH
	exec 9<>l
	flock --start 10 --length 5 9
	run -1 flock --start 14 --length 1 -n l true
	run -0 flock --start 15 -n l true
	run -0 flock --start 0 --length 10 -n l true
	run -1 flock --fcntl -n l true
	flock --fcntl --unlock 9
	run -0 flock --fcntl -n l true
	flock --start 1K --length 1KB 9
	run -0 flock --start 0 --length 1024 -n l true
	run -1 flock --start 1024 --length 1 -n l true
	run -1 flock --start 2023 --length 1 -n l true
	run -0 flock --start 2024 --length 1MiB -n l true
	run -64 flock --start 1X l true
	[ "$output" = "flock: invalid start offset: '1X'" ]
	run -64 flock --length 8E l true
	run -64 flock --length -1 l true
}

@test "--fd runs a command under a descriptor's lock" {
	PATH=$PWD/ours:$PATH
	exec 9>l
	run -0 flock --fd 9 echo hi
	[ "$output" = hi ]
	run -1 "$real" -n l true
	flock -u 9
	run -7 flock --fd 9 -c 'exit 7'
	run -7 flock --fd=9 --command 'exit 7'
	run -1 flock --fd 9 -o sh -c 'test -e /proc/self/fd/9'
	run -0 flock --fd 9
	run -65 flock --fd 8 true
	run -64 flock --command true l
	[[ $output == *"unrecognized option '--command'"* ]]
	run -64 flock --fd 9 -c true l
}
