#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lock-run --git: the turnstile, Gits that run without it, and the leftovers of dead ones.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkfifo go at
	export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@x
	git init -q repo
	# Git 2.47 leaves it to a process of its own, which has maintenance.lock for an instant
	git -C repo config maintenance.auto false
	echo 1 >repo/file
	git -C repo add file
	git -C repo commit -qm first
}

# A hook of repository $1 that says when it runs, and ends when it is let go.
slow_hook() {
	printf '#!/bin/sh\necho >%s/at; read x <%s/go\n' "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR" \
		>"$1/.git/hooks/pre-commit"
	chmod +x "$1/.git/hooks/pre-commit"
}

# A `git commit -a` that is in its hook, with its PID in holder.
commit_slowly() {
	slow_hook repo
	echo "$RANDOM" >>repo/file
	bg git -C repo commit -qam slow
	holder=$!
	hear
	[ -e repo/.git/index.lock ]
}

# Kill a git add while it holds index.lock: it waits for a FIFO's content.
kill_add() {
	local pid
	git -C repo config filter.slow.clean "echo >$PWD/at; cat"
	echo 'slow* filter=slow' >repo/.git/info/attributes
	mkfifo feed
	echo x >repo/slow
	git -C repo config filter.slow.clean "echo >$PWD/at; cat $PWD/feed"
	bg git -C repo add slow
	pid=$!
	hear
	kill -9 "$pid"
	wait "$pid" || :
	[ -e repo/.git/index.lock ]
	# the filter is no Git, and may live on
	exec 9<>feed 9>&-
}

count() { git -C "$1" rev-list --count HEAD; }

# The leftover of a dead one is no obstacle. On a busy machine not every process is inspected in
# time, and then the lock is left.
to_be_had() { await lock-run -n "$@" true; }

# The same for lock-break: it exits with 0, sooner or later, and $output is all that it printed.
breaks() {
	local end=$((SECONDS + 60)) all=

	until run lock-break "$@" && [ "$status" = 0 ]; do
		[[ $output == *'not every process'* ]]
		((SECONDS < end))
		all+=$(grep '"moved"' <<<"$output" || :)$'\n'
	done
	output=$(grep . <<<"$all$output")
}

in_quarantine() { compgen -G "repo/.git/holdfast/quarantine/$1.*" >/dev/null; }

@test "twenty commits take turns, and none fails" {
	local i pids=()
	for ((i = 0; i < 20; i++)); do
		bg lock-run -w 60 --git repo sh -c "echo $i >repo/$i && git -C repo add $i &&
			git -C repo commit -qm $i"
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(count repo)" = 21 ]
	[ ! -s log ]
	git -C repo fsck
	[ -z "$(git -C repo status --porcelain)" ]
}

@test "all names of a repository are one lock, which worktrees share" {
	git -C repo worktree add -q ../linked
	mkdir repo/dir
	ln -s repo/dir alias
	hold lock-run --git repo
	local name
	for name in repo/dir repo/.git alias linked repo/.git/worktrees/linked; do
		run -75 lock-run -n --git "$name" true
		[[ $output == *"cannot lock '$name': held by PID "* ]]
	done
	let_go
	lock-run -n --git linked --git repo --git alias --git linked true
	[ -e repo/.git/holdfast/turnstile ]
	[ -z "$(git -C repo status --porcelain -uall)" ]
}

@test "respects each worktree's own index.lock" {
	require_first_pid_namespace
	git -C repo worktree add -q ../linked
	bg sh -c 'exec 9>repo/.git/index.lock; echo >at; read x <go'
	holder=$!
	hear
	lock-run -n --git linked true
	run -75 lock-run -n --git repo true
	run -75 lock-run -n --git linked --git repo true
	[[ $output == *"cannot lock 'repo': index.lock is held: it is open for writing"* ]]
	let_go
	to_be_had --git linked --git repo
	in_quarantine index.lock
}

@test "accepts a bare repository, a submodule, SHA-256, and an unknown extension" {
	git clone -q --bare repo bare
	lock-run -n --git bare true
	[ -e bare/holdfast/turnstile ]
	git -C repo -c protocol.file.allow=always submodule --quiet add "$PWD/bare" sub
	lock-run -n --git repo/sub true
	[ -e repo/.git/modules/sub/holdfast/turnstile ]
	git init -q --object-format=sha256 new
	git -C new config core.repositoryFormatVersion 1
	git -C new config extensions.neverHeardOf true
	lock-run -n --git new true
}

@test "refuses a directory that is not a repository" {
	mkdir none
	run -66 lock-run --git none true
	run -66 lock-run --git absent true
	run -66 lock-run --git go true
	echo 'gitdir: nowhere' >none/.git
	run -66 lock-run --git none true
	run -64 lock-run --git '' true
}

@test "refuses at once an index.lock that Git cannot have made, and leaves it" {
	local make kind

	for make in 'ln -s file' 'ln -s nowhere' mkfifo mkdir 'python3 -c "import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])"'; do
		eval "$make repo/.git/index.lock"
		kind=$(stat -c %F repo/.git/index.lock)
		for how in --git --git-freeze; do
			run -65 timeout 20 lock-run -w 10 $how repo true
			[[ $output == *"/.git/index.lock' is not a regular file"* ]]
			run -65 timeout 20 lock-run -n $how repo true
		done
		[ "$(stat -c %F repo/.git/index.lock)" = "$kind" ]
		rm -r repo/.git/index.lock
	done
	lock-run -n --git repo true
}

@test "reports an unreadable repository as an I/O error, and its lock not as a dotlock" {
	local n inject=readlink:error=EIO
	git -C repo worktree add -q ../linked
	# the path, the file .git, and its target
	for n in 1 2; do
		run -74 strace -o /dev/null -e trace=readlink -e inject=$inject:when=$n+ \
			lock-status --git linked
		[[ ${lines[0]} == "lock-status: cannot look for a Git repository at 'linked': "* ]]
	done
	for n in fstatat#1 fstatat#2 read#1 openat#1; do
		HOLDFAST_FAULT=$n:EIO run -74 "$HF_FAULT_BIN/lock-status" --git linked
		HOLDFAST_FAULT=$n:EIO GIT_DIR=linked/.git run -74 "$HF_FAULT_BIN/lock-break" \
			--git linked
	done
	commit_slowly
	touch -d '1 hour ago' repo/.git/index.lock
	for n in {1..10}; do
		HOLDFAST_FAULT=$n:EIO "$HF_FAULT_BIN/lock-break" repo/.git/index.lock || :
		[ -e repo/.git/index.lock ]
	done
	let_go
}

# lock-run is refused, and names $holder. On a busy machine not every process is inspected in time:
# then it is refused without a name.
names_holder() {
	run lock-run -n --git repo true
	echo "$status" >>statuses
	[[ ${lines[0]} == *"index.lock is held: PID $holder (git "*'could have made it, lives' ]]
}

@test "waits for a git commit -a whose hook sleeps, stopped or not" {
	commit_slowly
	await names_holder
	[ "$(sort -u statuses)" = 75 ]
	kill -STOP "$holder"
	run -75 lock-run -w 300ms --git repo true
	run -75 lock-break repo/.git/index.lock
	kill -CONT "$holder"
	bg lock-run -w 60 --git repo git -C repo log -1 --format=after-%s
	local waiter=$!
	let_go
	wait "$waiter"
	grep -x after-slow log
	[ ! -e repo/.git/holdfast/quarantine ]
}

@test "holds nothing while it waits for an external index.lock" {
	sqlite3 db 'CREATE TABLE t (x)'
	commit_slowly
	bg lock-run -w 60 --file f --sqlite db --git repo true
	local waiter=$!
	for _ in {1..20}; do
		flock -w 5 f true && flock -w 5 db-turnstile true &&
			flock -w 5 repo/.git/holdfast/turnstile true
	done
	let_go
	wait "$waiter"
}

@test "moves a killed git add's index.lock aside at once" {
	require_first_pid_namespace
	kill_add
	local ms
	ms=$(urgently; took lock-run -w 20 --git repo git -C repo status)
	[ "$ms" -lt 1000 ]
	[ ! -e repo/.git/index.lock ]
	in_quarantine index.lock
	git -C repo fsck
}

@test "a git commit that is killed in its hook frees a waiter" {
	require_first_pid_namespace
	commit_slowly
	bg lock-run -w 20 --git repo git -C repo status
	local waiter=$!
	kill -9 "$holder"
	wait "$waiter"
	in_quarantine index.lock
	echo >go
}

@test "a Git that started later or works elsewhere does not keep a dead one's lock alive" {
	require_first_pid_namespace
	git init -q other
	slow_hook other
	touch other/a
	git -C other add a
	bg git -C other commit -qm a
	holder=$!
	hear
	touch repo/.git/index.lock
	to_be_had --git repo
	in_quarantine index.lock
	let_go
}

@test "takes a Git whose first thread has ended for alive" {
	require_first_pid_namespace
	leaderless repo git
	touch repo/.git/index.lock
	run -75 lock-run -n --git repo true
	[[ $output == *"PID $holder "*"could have made it, lives"* ]]
	[ -e repo/.git/index.lock ]
	let_go || :
	lock-run -n --git repo true
	in_quarantine index.lock
}

@test "considers that a child that started later may hold maintenance.lock (gitlock/U3)" {
	require_first_pid_namespace
	touch -d '-10 min' repo/.git/objects/maintenance.lock
	commit_slowly
	run -75 lock-break repo/.git/objects/maintenance.lock
	[[ $output == *"PID $holder "*"could have made it, lives"* ]]
	let_go
	run -0 lock-break repo/.git/objects/maintenance.lock
}

@test "leaves the lock of a repository that is moved while it is judged (gitlock/G6)" {
	require_first_pid_namespace
	local tool
	commit_slowly
	bg env HOLDFAST_FAULT=pread#1:stop "$HF_FAULT_BIN/lock-break" repo/.git/index.lock
	tool=$!
	await is_stopped "$tool"
	mv repo old
	git init -q repo
	kill -CONT "$tool"
	ends_with 75 "$tool"
	grep -q "was moved in the meantime" log
	[ -e old/.git/index.lock ]
	let_go || : # Git does not bear that
}

# One lock-run, stopped at call $1 for as long as it takes until another Git holds index.lock. Fails
# if it was not stopped.
other_git_at() {
	local run status=0 after

	commit_slowly
	HOLDFAST_FAULT="$1:stop" "$HF_FAULT_BIN/lock-run" -n --git repo true >>log 2>&1 3>&- &
	run=$!
	until [ "$(ps -o state= $run)" = T ]; do
		kill -0 $run 2>/dev/null || break
	done
	after=$(ticks)
	let_go
	if ! kill -0 $run 2>/dev/null; then
		wait $run || [ $? = 75 ]
		return 1
	fi
	await later_than "$after"
	commit_slowly
	kill -CONT $run
	wait $run || status=$?
	[ -e repo/.git/index.lock ] && [ "$status" = 75 ] || echo "$1: $status" >>stolen
	let_go
}

# Start times are counted in these.
ticks() { awk '{ printf "%d\n", $1 * 100 }' /proc/uptime; }
later_than() { [ "$(ticks)" -gt "$1" ]; }

@test "does not take another Git's index.lock for the one that it saw (lock/X3)" {
	local call n stopped=0

	for call in fstatat openat fstat; do
		for n in {1..40}; do
			other_git_at "$call#$n" || break
			stopped=$((stopped + 1))
		done
	done
	[ "$stopped" -gt 10 ]
	[ ! -e stolen ] || { cat stolen && false; }
	run -1 in_quarantine index.lock
	git -C repo fsck
}

@test "leaves the lock of a live process that it may not inspect" {
	require_other_user
	local dir user
	dir=$(mktemp -d /tmp/holdfast-git.XXXXXX)
	cp -R repo "$dir"
	cp "$(command -v lock-run)" "$dir"
	touch "$dir/repo/.git/index.lock"
	chown -R 65534 "$dir"
	chown 1 "$dir/repo/.git/index.lock"
	chmod -R a+rX "$dir"
	bg sh -c "exec setpriv --reuid=1 --clear-groups git -C $dir hash-object --stdin <go"
	local git=$!
	exec 9>go
	until [ "$(cat /proc/$git/comm)" = git ]; do :; done
	cd "$dir"
	user='setpriv --reuid=65534 --clear-groups'
	run -75 $user ./lock-run -n --git repo true
	[[ $output == *"PID $git could have made it, and may not be inspected"* ]]
	[ -e repo/.git/index.lock ]
	exec 9>&-
	wait "$git"
	cd / && rm -r "$dir"
}

@test "proves nothing from another PID namespace" {
	require_first_pid_namespace
	require_pid_namespace
	commit_slowly
	run -75 unshare -p -f --mount-proc lock-run -n --git repo true
	let_go
	touch repo/.git/index.lock
	run -75 unshare -p -f --mount-proc lock-run -n --git repo true
	[[ $output == *'not every process may be inspected from here'* ]]
	to_be_had --git repo
}

@test "is refused in a hook that runs under index.lock, instead of waiting" {
	printf '#!/bin/sh\nlock-run --git . true\n' >repo/.git/hooks/pre-commit
	chmod +x repo/.git/hooks/pre-commit
	echo 2 >repo/file
	run timeout 20 git -C repo commit -qam second
	[ "$status" = 1 ]
	[[ $output == *"index.lock is held by this command's own ancestor, PID "* ]]
	# where the lock is around the commit, the hook goes on under it
	lock-run --git repo git -C repo commit -qam second
	[ "$(count repo)" = 2 ]
}

@test "ignores the GIT_DIR of a hook" {
	git init -q other
	GIT_DIR=$PWD/other/.git lock-run --git repo true
	[ -e repo/.git/holdfast/turnstile ]
	[ ! -e other/.git/holdfast ]
}

@test "--git-freeze: no Git changes the index, and nothing is left" {
	run -0 lock-run --git-freeze repo sh -c '
		echo 2 >repo/new; git -C repo add new || echo refused
		git -C repo status --porcelain'
	[[ $output == *refused*'?? new'* ]]
	[ ! -e repo/.git/index.lock ]
	git -C repo add new
	hold lock-run --git-freeze repo
	run -75 lock-run -n --git repo true
	run -75 lock-run -n --git-freeze repo true
	let_go
	run -0 lock-run --git-freeze repo --git repo lock-run -n --git-freeze repo echo nested
	[ "$output" = nested ]
	run -64 lock-run -s --git-freeze repo true
	run -64 lock-run -F --git-freeze repo true
}

@test "a killed lock-run's freeze lasts until its command ends, and its leftover is then moved" {
	bg lock-run --git-freeze repo sh -c 'kill -9 $PPID; echo >at; read x <go'
	hear
	run -75 lock-run -n --git repo true
	run -1 flock -n repo/.git/index.lock true
	echo >go
	lock-run -w 20 --git repo git -C repo status
	in_quarantine index.lock
}

@test "refuses to wait for a database under a repository's lock" {
	sqlite3 db 'CREATE TABLE t (x)'
	lock-run --git repo lock-run --sqlite db true
	hold lock-run --sqlite db
	run -64 timeout 20 lock-run --git repo lock-run --sqlite db true
	[[ $output == *"cannot wait for 'db'"* ]]
	run -64 timeout 20 lock-run --git-freeze repo lock-run --sqlite db true
	run -75 lock-run --git repo lock-run -n --sqlite db true
	let_go
	# the same if the turnstile is free and the database is busy
	bg python3 -c '
import sqlite3
db = sqlite3.connect("db", isolation_level=None)
db.execute("BEGIN IMMEDIATE")
open("at", "w").write("\n")
open("go").read()'
	holder=$!
	hear
	run -64 timeout 20 lock-run --git repo lock-run --sqlite db true
	let_go
}

@test "refuses to wait for a database while a keeper holds the repository's lock" {
	sqlite3 db 'CREATE TABLE t (x)'
	kept() { timeout 20 bash -c "h=\$(lock-acquire --owner \$\$ $1 repo) || exit; $2"; }
	kept --git 'lock-run --sqlite db true'
	hold lock-run --sqlite db
	run -64 kept --git 'lock-run --sqlite db true'
	[[ $output == *"cannot wait for 'db': it is busy, and this command runs under the lock"* ]]
	run -64 kept --git-freeze 'lock-acquire --owner $$ -w inf --sqlite db; exit'
	run -64 kept --git 'sqlite-run db "SELECT 1"'
	run -75 kept --git 'lock-run -n --sqlite db true'
	let_go
	# the same if the turnstile is free and the database is busy
	bg python3 -c '
import sqlite3
db = sqlite3.connect("db", isolation_level=None)
db.execute("BEGIN IMMEDIATE")
open("at", "w").write("\n")
open("go").read()'
	holder=$!
	hear
	run -64 kept --git 'lock-run --sqlite db true'
	run -64 kept --git 'sqlite-run db "INSERT INTO t VALUES (1)"'
	let_go
}

@test "two loops that name the locks in opposite order never deadlock" {
	sqlite3 db 'CREATE TABLE t (x)'
	loop() {
		local i
		for ((i = 0; i < 300; i++)); do timeout 60 lock-run "$@" true || return; done
	}
	bg loop --sqlite db --git repo --file f
	local first=$!
	bg loop --file f --git repo --sqlite db
	local second=$!
	wait "$first"
	wait "$second"
}

@test "lock-run beside a git commit -a whose hook waits for the database does not deadlock" {
	sqlite3 db 'CREATE TABLE t (x)'
	cat >repo/.git/hooks/pre-commit <<-'END'
		#!/bin/sh
		[ -n "$FOREIGN" ] || exit 0
		lock-run -w 60 --sqlite ../db sqlite3 ../db 'INSERT INTO t VALUES (0)'
	END
	chmod +x repo/.git/hooks/pre-commit
	local i pids=()
	for ((i = 1; i <= 20; i++)); do
		# 128: an external commit came first; release the locks, and take them again
		bg lock-retry --on 128 -w 60 lock-run -w 60 --git repo --sqlite db sh -c "
			echo $i >repo/$i && git -C repo add $i &&
			git -C repo commit -q --allow-empty -m $i &&
			sqlite3 db 'INSERT INTO t VALUES ($i)'"
		pids+=($!)
		((i % 5)) || bg foreign "$i" && pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(sqlite3 db 'SELECT count(*) FROM t WHERE x > 0')" = 20 ]
	[ "$(git -C repo log --format=%s | grep -c '^[0-9]')" = 20 ]
	git -C repo fsck
}

# An external commit, which Git may refuse if another one came first.
foreign() {
	echo "$1" >>repo/file
	FOREIGN=1 timeout 60 git -C repo commit -qam foreign || [ $? != 124 ]
}

# Every lock that Git makes, made by hand.
make_all() {
	local name
	all=(index HEAD packed-refs config config.worktree shallow next-index-4194000 gc.pid
		refs/heads/main refs/heads/a/b logs/HEAD info/sparse-checkout
		objects/maintenance objects/info/commit-graph
		objects/info/commit-graphs/commit-graph-chain
		objects/pack/multi-pack-index objects/info/alternates reftable/tables.list
		worktrees/linked/index worktrees/linked/HEAD)
	for name in "${all[@]}"; do
		mkdir -p "$(dirname "repo/.git/$name")"
		touch "repo/.git/$name.lock"
	done
}

@test "lock-break --git moves all of Git's locks into quarantine, and Git works" {
	require_first_pid_namespace
	git -C repo worktree add -q ../linked
	make_all
	touch repo/.git/modules.lock.x
	breaks --git repo --dry-run
	[ "$(grep -c ': stale$' <<<"$output")" = ${#all[@]} ]
	[ -e repo/.git/index.lock ]
	breaks --json --git repo/.git
	[ "$(jq -r .state <<<"$output" | sort -u)" = moved ]
	[ "$(jq -r .quarantine <<<"$output" | grep -c '^holdfast/quarantine/')" = ${#all[@]} ]
	[ -z "$(find repo/.git -name '*.lock')" ]
	[ -z "$(find repo/.git/refs -name '*.lock*')" ]
	git -C repo gc -q
	git -C repo fsck
	[ "$(git -C repo for-each-ref --format='%(refname:short)')" = $'linked\nmaster' ]
	run -0 lock-break --git repo
	[ "$output" = 'repo: there is no lock' ]
}

@test "lock-break leaves a lock whose Git lives, whatever its age, even with --alone" {
	require_first_pid_namespace
	commit_slowly
	touch -d '-1 day' repo/.git/index.lock
	touch repo/.git/refs/heads/x.lock
	kill -STOP "$holder"
	run -75 lock-break --alone --stale-after 1s --git repo
	[ "$(grep -c ': held$' <<<"$output")" = 2 ]
	run -75 lock-break --alone --stale-after 1s repo/.git/index.lock
	(cd repo/.git && run -75 lock-break --alone --stale-after 1s index.lock)
	kill -CONT "$holder"
	let_go
	breaks --git repo
	[[ $output == *"refs/heads/x.lock: stale"* ]]
	[ "$(git -C repo log -1 --format=%s)" = slow ]
}

@test "lock-break --git refuses a directory without a repository, and a lock not written by Git" {
	require_first_pid_namespace
	mkdir none
	run -66 lock-break --git none
	echo mine >repo/.git/index.lock
	run -75 lock-break --git repo
	[[ $output == *'it is not what Git writes there'* ]]
	touch -d '-10 min' repo/.git/index.lock
	run -75 lock-break --git repo
	run -0 lock-break --alone --git repo
	in_quarantine index.lock
	run -64 lock-break
}

@test "reads the note X~pid.lock" {
	require_first_pid_namespace
	slow_hook repo
	git init -q other
	slow_hook other
	touch other/a
	git -C other add a
	bg git -C other commit -qm a
	holder=$!
	hear
	touch repo/.git/HEAD.lock
	echo "pid $holder" >repo/.git/HEAD~pid.lock
	run -75 lock-break --git repo
	[[ $output == *"PID $holder (git "*', which its note names, lives'* ]]
	let_go
	breaks --git repo
	in_quarantine HEAD.lock
}

@test "refuses wrong calls with 64" {
	run -64 lock-run --git repo
	run -64 lock-run --slots 2 --git repo true
	run -64 lock-run --remove --git repo true
}

@test "takes --git-dir for the repository, whatever GIT_DIR says (gitlock/G5)" {
	git init -q other
	slow_hook repo
	echo 2 >repo/file
	bg env GIT_DIR="$PWD/other/.git" git --git-dir="$PWD/repo/.git" --work-tree="$PWD/repo" \
		commit -qam slow
	holder=$!
	hear
	run -75 lock-run -n --git repo true
	run -75 lock-break --git repo
	[ -e repo/.git/index.lock ]
	let_go
	[ "$(count repo)" -eq 2 ]
}

@test "arguments that look like --git-dir do not hide a Git's repository (gitlock/G5)" {
	git init -q other
	slow_hook repo
	echo 2 >repo/file
	bg git --git-dir="$PWD/repo/.git" --work-tree="$PWD/repo" commit -qa \
		-m --git-dir="$PWD/other/.git"
	holder=$!
	hear
	run -75 lock-run -n --git repo true
	let_go
}

@test "uses the next name when the quarantine is another user's or a file" {
	local own=repo/.git/holdfast
	require_first_pid_namespace
	require_other_user
	chmod 700 repo/.git
	lock-run --git repo true
	mkdir $own/quarantine
	chown 65534 $own/quarantine
	: >$own/quarantine.1
	: >repo/.git/index.lock
	await sh -c 'HOLDFAST_WITHOUT=quarantine_names "$0/lock-break" --git repo; [ $? = 77 ]' \
		"$HF_FAULT_BIN"
	to_be_had --git repo
	compgen -G "$own/quarantine.2/index.lock.*"
	[ "$(stat -c %u:%a $own/quarantine.2)" = "$(stat -c %u:%a repo/.git)" ]
	[ -z "$(find $own/quarantine -mindepth 1)" ]
}

@test "creates files as the repository's owner, as root too and when killed" {
	require_first_pid_namespace
	require_other_user
	chown -R 65534:65534 repo
	for call in fchown fchmod renameat2; do
		run -137 strace -qq -o /dev/null -e "inject=$call:signal=KILL:when=1" \
			lock-run --git repo true
		[ ! -e repo/.git/holdfast ] ||
			[ "$(stat -c %u:%a repo/.git/holdfast)" = "$(stat -c %u:%a repo/.git)" ]
	done
	: >repo/.git/index.lock
	to_be_had --git repo
	in_quarantine index.lock
	[ "$(stat -c %u repo/.git/holdfast/quarantine)" = 65534 ]
}
