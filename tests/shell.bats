#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# holdfast.sh: every function in every shell, plain and under set -eu and pipefail.

bats_require_minimum_version 1.5.0
load rig/require

shells=(dash bash mksh ksh93 'busybox ash' zsh)

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# Run the script on standard input in every shell, each in a directory of its own: once as it is,
# once strictly. It sees `check COMMAND…` and `fails STATUS COMMAND…`.
in_every_shell() {
	local shell how dir
	{
		cat <<-'END'
			check() { "$@" || { echo "not so: $*"; exit 99; }; }
			fails() {
				fails_with=$1
				shift
				"$@" && fails_got=0 || fails_got=$?
				[ "$fails_got" = "$fails_with" ] ||
					{ echo "$* gives $fails_got, not $fails_with"; exit 99; }
			}
			. holdfast.sh
		END
		cat
		echo 'echo all done'
	} >script
	for shell in "${shells[@]}"; do
		echo >plain
		echo 'set -eu' >strict
		! $shell -c 'set -o pipefail' 2>/dev/null || echo 'set -o pipefail' >>strict
		for how in plain strict; do
			dir=${shell// /-}-$how
			mkdir "$dir"
			cat "$how" script >"$dir/script"
			(
				cd "$dir" || return
				exec timeout 60 $shell ./script </dev/null 3>&- 4>&-
			) >"$dir.out" 2>&1 && [ "$(tail -n 1 "$dir.out")" = 'all done' ] || {
				echo "$dir:"
				cat "$dir.out"
				return 1
			}
		done
	done
}

@test "write_atomic writes every text unchanged, in every shell" {
	in_every_shell <<-'END'
		odd=$(printf 'a\n\n\\n "b" '\''c'\'' $x `y` \001\033\377 %%s * \t end')
		for text in '' x "$odd" -n -e '-' '\c' '%s%n' '--help' ' two  blanks ' '!x!'; do
			write_atomic f "$text"
			printf %s "$text" >g 2>&- || /usr/bin/printf %s "$text" >g
			check cmp f g
		done
		write_atomic -x/-y 'made'
		check test "$(cat ./-x/-y)" = made
		write_atomic "$PWD/odd 'name'
		of \$file" z
		check test -f "odd 'name'
		of \$file"
		write_atomic f "no newline behind"
		check test "$(wc -c <f)" -eq 17
	END
}

@test "write_atomic writes a megabyte, and keeps the mode and the symbolic link" {
	in_every_shell <<-'END'
		x=0123456789abcdef
		x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x
		x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; x=$x$x
		check test ${#x} -ge 1048576
		: >real
		chmod 640 real
		ln -s real link
		write_atomic link "$x"
		check test "$(wc -c <real)" -eq ${#x}
		check test -L link
		check test "$(stat -c %a real)" = 640
		append_atomic link "$x"
		check test "$(wc -c <real)" -eq $((${#x} * 2))
	END
}

@test "returns 1 when it cannot write, and keeps the old content" {
	in_every_shell <<-'END'
		mkdir d
		fails 1 write_atomic d text
		fails 1 write_atomic '' text
		fails 1 append_atomic no/such text
		fails 64 write_atomic f
		fails 64 write_atomic f two words
		fails 64 append_atomic f
		check test ! -e f
	END
}

@test "append_atomic appends text unchanged, from many concurrent callers" {
	in_every_shell <<-'END'
		append_atomic f 'a
		'
		append_atomic f '-n \c "
		'
		append_atomic f ''
		check test "$(cat f)" = 'a
		-n \c "'
		for i in 1 2 3 4 5 6 7 8; do
			append_atomic g "line $i
		" &
		done
		wait
		check test "$(sort -u g | grep -c line)" = 8
		check test "$(wc -l <g)" -eq 8
	END
}

@test "escape_sql doubles quotes, and keeps all other text" {
	in_every_shell <<-'END'
		check test "$(escape_sql "it's 'so'")" = "it''s ''so''"
		check test "$(escape_sql "''")" = "''''"
		check test "$(escape_sql '-n \c \\')" = '-n \c \\'
		check test "$(escape_sql '')" = ''
		x="'23456789'"
		x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x
		y=$(escape_sql "$x
		end")
		check test ${#y} -eq $((4096 * 12 + 4))
	END
}

@test "sqlite_with_retry takes an argument or a heredoc, prints rows, reports errors" {
	in_every_shell <<-'END'
		sqlite_with_retry db 'CREATE TABLE t(x UNIQUE)'
		text="it's \\ \"so\"
		-- and \$so
		"
		id=$(sqlite_with_retry db <<-SQL
			INSERT INTO t VALUES('$(escape_sql "$text")
		');
			SELECT last_insert_rowid();
		SQL
		)
		check test "$id" = 1
		check test "$(sqlite_with_retry db 'SELECT x, 1 FROM t')" = "$text|1"
		# any other error is not a busy one: it is reported at once, and nothing changes
		fails 65 sqlite_with_retry db "INSERT INTO t VALUES(1); INSERT INTO t VALUES(1)"
		fails 65 sqlite_with_retry db 'INSERT INTO'
		fails 64 sqlite_with_retry
		check test "$(sqlite_with_retry db 'SELECT count(*) FROM t')" = 1
		x="'123456789abcdef"
		x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x
		x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; x=$x$x
		sqlite_with_retry db "INSERT INTO t VALUES('$(escape_sql "$x")')"
		check test "$(sqlite_with_retry db 'SELECT max(length(x)) FROM t')" = ${#x}
	END
}

@test "sqlite_with_retry waits for an external writer, and runs the heredoc once" {
	sqlite3 db 'CREATE TABLE t(x)'
	in_every_shell <<-'END'
		mkfifo begun end
		python3 -c '
		import sqlite3
		db = sqlite3.connect("../db", isolation_level=None)
		db.execute("BEGIN IMMEDIATE")
		open("begun", "w").close()
		open("end").read()
		db.execute("COMMIT")' &
		: <begun
		HOLDFAST_TIMEOUT=20ms
		export HOLDFAST_TIMEOUT
		fails 75 sqlite_with_retry ../db 'INSERT INTO t VALUES(0)'
		HOLDFAST_TIMEOUT=1m
		sqlite_with_retry ../db <<-SQL &
			INSERT INTO t VALUES('$PWD');
		SQL
		insert=$!
		echo >end
		wait $insert
		check test "$(sqlite3 ../db "SELECT count(*) FROM t WHERE x='$PWD'")" = 1
	END
}

@test "acquire_git_lock holds two locks at once, and release_git_lock releases only its own" {
	in_every_shell <<-'END'
		mkdir .git
		free() { lock-run -q -n "$1" true; }
		acquire_git_lock .git/lock 5
		acquire_git_lock "$PWD/other"
		fails 75 free .git/lock
		fails 75 free other
		check test ! -s .git/lock
		acquire_git_lock ./.git/../.git/lock
		release_git_lock third
		release_git_lock .git/lock
		check free .git/lock
		fails 75 free other
		release_git_lock .git/lock
		(release_git_lock other)
		fails 75 free other
		x=$(release_git_lock other)
		fails 75 free other
		release_git_lock other
		check free other
		# again and again, and many at once
		for i in 1 2 3 4 5 6 7 8 9 10; do
			acquire_git_lock .git/lock
			release_git_lock .git/lock
		done
		for i in 1 2 3 4; do acquire_git_lock lock$i; done
		for i in 1 2 3 4; do fails 75 free lock$i; done
		for i in 4 1 3 2; do release_git_lock lock$i; done
		for i in 1 2 3 4; do check free lock$i; done
	END
}

@test "acquire_git_lock times out with 1, and names the holder" {
	coproc flock held sh -c 'echo held; read -r end' 3>&-
	read -r -u "${COPROC[0]}"
	in_every_shell <<-'END'
		fails 1 acquire_git_lock ../held 0
		fails 1 acquire_git_lock ../held 0.05
		HOLDFAST_TIMEOUT=50ms
		fails 75 with_lock ../held echo WRONG
		fails 1 acquire_git_lock ../held nonsense
		fails 1 acquire_git_lock no/such/lock
		mkfifo fifo
		fails 1 acquire_git_lock fifo
		fails 64 acquire_git_lock
		acquire_git_lock .
		release_git_lock .
		check test ! -e no
	END
	grep -q "held by PID .*flock held" dash-plain.out
	run -1 grep -r WRONG ./*.out
	kill "$COPROC_PID"
}

@test "a background process of the shell does not keep the lock" {
	in_every_shell <<-'END'
		mkfifo end
		exec 3<>end
		acquire_git_lock lock
		sh -c 'read -r x <end' &
		release_git_lock lock
		check lock-run -n lock true
		with_lock lock sh -c 'sh -c "read -r x <end" & :'
		check lock-run -n lock true
		background() { sh -c 'read -r x <end' & }
		with_lock lock background
		check lock-run -n lock true
		echo >&3
		echo >&3
		echo >&3
		wait
	END
}

@test "a killed shell holds no lock" {
	local shell
	for shell in "${shells[@]}"; do
		run $shell -c '. holdfast.sh; acquire_git_lock lock && lock-run -q -n lock true
			echo $?; kill -KILL $$'
		[ "$output" = 75 ]
		lock-run -n lock true
	done
}

@test "with_lock runs commands and functions, and keeps status, variables and failures" {
	local shell
	in_every_shell <<-'END'
		one() { fails 75 lock-run -q -n lock true; count=$((count + $#)); cd /; }
		count=0 here=$PWD
		with_lock lock one 'a b' ''
		check test "$count" = 2
		check test "$PWD" = /
		cd "$here"
		check lock-run -n lock true
		fails 7 with_lock lock sh -c 'exit 7'
		check lock-run -n lock true
		check test "$(with_lock lock printf '<%s>' 'a  b' '*')" = '<a  b><*>'
		# nested: the same lock is had once, another one is another
		inner() {
			with_lock lock true
			fails 75 lock-run -q -n lock true
			with_lock more true
		}
		with_lock lock inner
		check lock-run -n lock true
		check lock-run -n more true
		fails 64 with_lock lock
	END
	# under set -e a command that fails ends the shell, be it in the middle of a function
	for shell in "${shells[@]}"; do
		run -1 $shell -ec '. holdfast.sh; middle() { false; echo WRONG; }
			with_lock lock middle; echo WRONG'
		[ "$output" = '' ]
		lock-run -n lock true
	done
}

@test "releases its lock when the lock file was replaced or removed" {
	in_every_shell <<-'END'
		acquire_git_lock lock
		rm lock
		release_git_lock lock
		acquire_git_lock lock
		mv lock gone
		acquire_git_lock other
		: >lock
		release_git_lock lock
		release_git_lock other
		check lock-run -n lock true
		check lock-run -n other true
		# the script has overwritten our descriptor, which is now its own
		acquire_git_lock lock
		exec 7>mine
		release_git_lock lock
		echo text >&7
		check test "$(cat mine)" = text
		check lock-run -n lock true
	END
}

@test "locks the new file when the lock file is replaced during the wait" {
	local shell inode
	for shell in "${shells[@]}"; do
		: >lock
		inode=$(stat -c %i lock)
		coproc flock lock sh -c 'echo held; read -r end' 3>&-
		read -r -u "${COPROC[0]}"
		$shell -c '. holdfast.sh; acquire_git_lock lock 60 && lock-run -q -n lock true
			echo $?' >out 3>&- 4>&- &
		until grep -q -e "-> FLOCK .*:$inode " /proc/locks; do :; done
		mv lock old
		: >lock
		echo >&"${COPROC[1]}"
		wait
		[ "$(cat out)" = 75 ]
	done
}

@test "uses a log function of the script, and no program of that name" {
	mkdir bin
	printf '#!/bin/sh\necho WRONG\n' >bin/log
	chmod +x bin/log
	export PATH=$PWD/bin:$PATH
	in_every_shell <<-'END'
		write_atomic f x
		log() { append_atomic log "$1 $2
		"; return 1; }
		write_atomic f x
		acquire_git_lock lock
		release_git_lock lock
		release_git_lock lock
		mkdir d
		fails 1 write_atomic d x 2>/dev/null
		check test "$(cat log)" = 'DEBUG Atomic write successful: f
		DEBUG Acquired git lock (flock): lock
		DEBUG Released git lock (flock): lock
		WARN This shell has no git lock to release: lock
		ERROR Failed to write atomically: d'
	END
	! grep WRONG ./*.out
}

@test "detect_stale_lock and clean_stale_lock accept files and directories, but never a live one" {
	require_first_pid_namespace
	in_every_shell <<-'END'
		dead=$(sh -c 'echo $$')
		echo "$dead" >file
		mkdir dir live
		echo "$dead" >dir/pid
		echo $$ >live/pid
		echo $$ >livefile
		check detect_stale_lock file
		check detect_stale_lock dir 60
		check test -e file
		fails 1 detect_stale_lock live 0
		fails 1 detect_stale_lock livefile 0
		fails 1 detect_stale_lock absent
		fails 1 clean_stale_lock live
		fails 1 clean_stale_lock livefile
		fails 1 clean_stale_lock absent
		check clean_stale_lock file
		check clean_stale_lock dir
		fails 1 clean_stale_lock dir
		check test ! -e file
		check test ! -e dir
		check test -e live
		check test -e livefile
		: >'"state":"stale"'
		fails 1 detect_stale_lock '"state":"stale"' 1h
	END
}

@test "validate_severity and validate_confidence return a valid value for any input" {
	in_every_shell <<-'END'
		for x in 1:1 5:5 low:2 medium:3 high:4 critical:5 6:3 '':3 '1;2':3; do
			check test "$(validate_severity "${x%:*}")" = "${x#*:}"
		done
		for x in 0:0 1:1 0.25:0.25 1.0:1.0 1.00:1.00 1.5:0.7 low:0.3 medium:0.6 high:0.85 \
			'':0.7 .:0.7 .5:0.7 0..1:0.7 0.:0.7 -1:0.7 '0);':0.7 10:0.7; do
			check test "$(validate_confidence "${x%:*}")" = "${x#*:}"
		done
	END
}

@test "refuses a lock that the script's parent holds, and does not wait for it" {
	local shell
	for shell in "${shells[@]}"; do
		SECONDS=0
		run -1 $shell -c '. holdfast.sh
			acquire_git_lock lock
			'"$shell"' -c ". holdfast.sh; acquire_git_lock lock 60"
			exit $?'
		[[ $output == *"ancestor"* ]]
		((SECONDS < 30))
	done
}

@test "fifty concurrent runs of an unchanged recording script with holdfast.sh lose nothing" {
	export GIT_CONFIG_GLOBAL=$PWD/global GIT_CONFIG_NOSYSTEM=1
	git config --global user.name me
	git config --global user.email me@example.org
	git config --global core.fsync none
	git init -q repo
	mkdir -p repo/scripts/lib repo/memory
	cp "$HF_TOP/tests/rig/recorder" repo/scripts/
	cp "$HF_BIN/holdfast.sh" repo/scripts/lib/concurrency.sh
	sqlite3 repo/memory/index.db 'PRAGMA journal_mode=WAL; CREATE TABLE learnings(
		id INTEGER PRIMARY KEY, type, filepath, title, summary, tags, domain, severity)'
	local i pids=()
	for i in {1..50}; do
		repo/scripts/recorder --title "It's failure $i" --domain d --severity high \
			--tags 'a,"b"' --summary $'quotes \' and "\nnewline \\' \
			>"$i.id" 2>"$i.err" 3>&- 4>&- &
		pids+=($!)
	done
	for i in {1..50}; do
		wait "${pids[i - 1]}" || { cat "$i.err"; false; }
	done
	[ "$(sort -n ./*.id)" = "$(seq 50)" ]
	[ "$(ls repo/memory/failures | wc -l)" = 50 ]
	[ "$(sqlite3 repo/memory/index.db 'SELECT count(DISTINCT title) FROM learnings')" = 50 ]
	[ "$(sqlite3 repo/memory/index.db 'PRAGMA integrity_check')" = ok ]
	[ "$(git -C repo rev-list --count HEAD)" = 50 ]
	[ "$(git -C repo ls-tree --name-only HEAD memory/failures/ | wc -l)" = 50 ]
	[ "$(wc -l <repo/memory/ledger)" = 50 ]
	git -C repo fsck
	! grep -h ERROR repo/logs/*.log
}

@test "bash passes the functions on to the bash scripts that it starts" {
	run -0 bash -c '. holdfast.sh; PATH=/usr/bin:/bin bash -euc "
		acquire_git_lock lock; write_atomic f x; release_git_lock lock"'
	[ "$(cat f)" = x ]
}

@test "finds the tools beside the library when PATH does not lead to them" {
	local shell
	for shell in "${shells[@]}"; do
		run -0 env PATH=/usr/bin:/bin $shell -euc ". '$HF_BIN/holdfast.sh'
			write_atomic f '$shell'"
		[ "$(cat f)" = "$shell" ]
	done
}
