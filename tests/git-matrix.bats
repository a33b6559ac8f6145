#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# A record's commit is what `git add` and `git commit` make in the same place.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	local name

	cd "$(mktemp -d -p "$HF_TEST_DIR" m.XXXXXX)" || return
	for name in "${!GIT_@}"; do unset "$name"; done
	mkdir home
	export HOME=$PWD/home GIT_CONFIG_NOSYSTEM=1
	unset XDG_CONFIG_HOME
	git config --global user.name N
	git config --global user.email n@example.org
	git config --global init.defaultBranch main
	git config --global gc.auto 0
	echo note >src
	top=$PWD
	db=$PWD/l.db
}

repository() {
	git init -q "$1"
	cd "$1" || return
	echo base >base
	git add base
	git commit -q -m base
}

record() { atomic-record -q --sqlite "$db" --git . -m r "$@"; }

# A program $1 that signs only after a line has come through ../go, and says so in ../at.
signer() {
	mkfifo ../go ../at
	ssh-keygen -q -t ed25519 -N '' -f ../key
	cat >"$1" <<-END
		#!/bin/sh
		echo at >$top/at
		read -r line <$top/go
		exec ssh-keygen "\$@"
	END
	chmod +x "$1"
	git config commit.gpgSign true
	git config gpg.format ssh
	git config user.signingKey "$top/key.pub"
	git config gpg.ssh.program "$1"
}

@test "over a matrix of configurations and repositories, a record is what Git commits" {
	"$HF_TOP/tests/rig/git_matrix.py" "$HF_BIN/atomic-record"
}

@test "the same, if nothing is on the list of what is plain" {
	HOLDFAST_WITHOUT=plain "$HF_TOP/tests/rig/git_matrix.py" -q "$HF_FAULT_BIN/atomic-record"
}

@test "takes the author from GIT_CONFIG_GLOBAL" {
	repository r
	printf '[user]\nname = bot\nemail = bot@example.org\n' >../alt
	GIT_CONFIG_GLOBAL=$top/alt record --write n=../src
	[ "$(git log -1 --format='%an <%ae>')" = 'bot <bot@example.org>' ]
}

@test "takes no author from a file that GIT_CONFIG_GLOBAL replaces" {
	repository r
	mkdir -p "$HOME/.config/git"
	printf '[author]\nname = xdg\n' >"$HOME/.config/git/config"
	git config user.name local
	git config user.email l@x
	GIT_CONFIG_GLOBAL=/dev/null record --write n=../src
	[ "$(git log -1 --format=%an)" = local ]
	# but Git's rules for ignored files come from there
	echo '*.log' >"$HOME/.config/git/ignore"
	GIT_CONFIG_GLOBAL=/dev/null run -65 record --write n.log=../src
}

@test "takes the author from an include that depends on a remote" {
	repository r
	git remote add origin https://work.example/x/y.git
	printf '[user]\nname = work\n' >../w
	git config --global 'includeIf.hasconfig:remote.*.url:https://work.example/**.path' "$top/w"
	[ "$(git config user.name)" = work ]
	record --write n=../src
	[ "$(git log -1 --format=%an)" = work ]
}

@test "makes no unsigned commit where GIT_CONFIG_GLOBAL asks for a signature" {
	repository r
	export GIT_CONFIG_GLOBAL=$top/alt
	printf '[user]\nname = b\nemail = b@x\nsigningkey = DEADBEEF\n' >../alt
	git config --global commit.gpgSign true
	run ! git commit -q --allow-empty -m x
	run ! record --write n=../src
	[ "$(git log --format=%s)" = base ]
}

@test "changes one line of a file that has CRLF in the index" {
	repository r
	printf 'a\r\nb\r\n' >n
	git add n
	git commit -q -m crlf
	git config core.autocrlf true
	printf 'c\r\n' >../src
	record --append n=../src
	[ "$(git show --numstat --format= HEAD)" = $'1\t0\tn' ]
	git show HEAD:n | cmp - n
	[ -z "$(git status --porcelain)" ]
}

@test "refuses a path that a sparse checkout leaves out, and keeps its content" {
	repository r
	mkdir in out
	echo 1 >in/a
	printf 'old 1\nold 2\n' >out/led
	git add .
	git commit -q -m files
	git sparse-checkout set --cone in
	run -65 record --parents --append out/led=../src
	run -65 record --parents --if-match absent --write out/led=../src
	run -65 record --parents --write out/new=../src
	[[ $output == *'not checked out'* ]]
	[ "$(git show HEAD:out/led)" = $'old 1\nold 2' ]
	[ ! -e out/led ]
	# a new file beside one that is checked out, and in a new directory there
	record --write in/b=../src
	record --parents --write in/x/y=../src
	[ "$(git show HEAD:in/x/y)" = note ]
	[ -z "$(git status --porcelain)" ]
}

@test "refuses a file that has the skip-worktree flag" {
	repository r
	git update-index --skip-worktree base
	rm base
	run -65 record --append base=../src
	[ "$(git show HEAD:base)" = base ]
}

@test "holds no lock of others while a program signs, and signs again when the branch has moved" {
	repository r
	signer "$top/sign"
	sqlite3 "$db" 'CREATE TABLE mine(x)'
	record -w 60 --append base=../src 3>&- &
	recorder=$!
	read -r line <../at
	timeout 5 sqlite3 "$db" 'INSERT INTO mine VALUES (1)'
	timeout 5 git -c commit.gpgSign=false commit -q --allow-empty -m other
	timeout 5 git checkout -q -b side
	timeout 5 git checkout -q main
	[ ! -e .git/index.lock ]
	echo go >../go
	# its parent is another one by now
	read -r line <../at
	echo go >../go
	wait $recorder
	[ "$(git log --format=%s)" = $'r\nother\nbase' ]
	git cat-file commit HEAD | grep -q '^gpgsig'
	[ -z "$(git status --porcelain)" ]
	[ "$(sqlite3 "$db" 'SELECT count(*) FROM mine')" = 1 ]
}

@test "gives up when a signing program has not ended in time" {
	repository r
	signer "$top/sign"
	record -w 1 --append base=../src 2>../said 3>&- &
	recorder=$!
	read -r line <../at
	status=0
	wait $recorder || status=$?
	echo go >../go
	[ $status = 75 ]
	grep 'has not ended in time' ../said
	[ "$(git log --format=%s)" = base ]
	[ "$(cat base)" = base ]
	[ ! -e .git/index.lock ]
}

@test "runs a filter once, without locks, and not again for the index" {
	repository r
	echo 'base filter=f' >.gitattributes
	git config filter.f.clean "sh -c 'echo run >>$top/runs; ls .git >>$top/seen; tr a-z A-Z'"
	git config filter.f.required true
	record --append base=../src
	[ "$(wc -l <../runs)" = 1 ]
	run ! grep -F index.lock ../seen
	[ "$(git show HEAD:base)" = $'BASE\nNOTE' ]
	git diff-files --quiet -- base
}

@test "a snapshot whose filter does not end is recorded, and committed later" {
	repository r
	sqlite3 "$db" 'CREATE TABLE t(x)'
	echo '*.sql filter=f' >.gitattributes
	mkfifo ../go
	git config filter.f.clean "sh -c 'read -r line <$top/go; cat'"
	# the filter outlives its git, and must not have what bats waits for
	status=0
	record -w 1 --sql 'INSERT INTO t VALUES (7)' --snapshot db.sql 2>../said 3>&- || status=$?
	[ $status = 76 ]
	grep 'has not ended in time' ../said
	[ ! -e .git/index.lock ]
	[ "$(sqlite3 "$db" 'SELECT x FROM t')" = 7 ]
	git config filter.f.clean cat
	atomic-record --recover --sqlite "$db" --git .
	git show HEAD:db.sql | grep -q 'VALUES(7)'
	exec 9<>../go
	printf '\n\n\n\n' >&9
}
