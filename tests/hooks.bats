#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# holdfast-hooks: install, uninstall, status, beside all kinds of hooks that are there.

bats_require_minimum_version 1.5.0
load rig/require

setup() {
	cd "$BATS_TEST_TMPDIR"
	export GIT_CONFIG_GLOBAL=$PWD/global GIT_CONFIG_NOSYSTEM=1 GIT_EDITOR=true
	git config --global user.name me
	git config --global user.email me@example.org
	git config --global init.defaultBranch main
	git config --global core.fsync none
	git init -q repo
	cd repo
	hooks=.git/hooks
}

# An executable hook $1: a script whose text is standard input.
hook() {
	{
		echo '#!/bin/sh'
		cat
	} >"$1"
	chmod +x "$1"
}

# Print the state of a hook directory: names, modes, owners, times, links and content.
state() {
	(cd "$1" && find . -printf '%p %y %m %u %i %n %T@ %l\n' | sort | grep -v '^\. ' &&
		find . -type f -exec sha256sum {} + | sort)
}

commits() { git rev-list --count HEAD 2>/dev/null || echo 0; }

@test "installs and uninstalls in a fresh repository, and repeats both without change" {
	state $hooks >before
	run -1 holdfast-hooks status
	[[ $output == *'pre-commit: not installed'*'pre-push: not installed'* ]]
	run -0 holdfast-hooks install
	[[ $output == *'pre-commit: installed'*'pre-push: installed'* ]]
	run -0 holdfast-hooks install
	[[ $output == *'pre-commit: is installed already'* ]]
	run -0 holdfast-hooks status
	[ -x $hooks/pre-commit ]
	[ ! -e $hooks.before-holdfast ]
	git commit -qm one --allow-empty
	[ "$(commits)" = 1 ]
	run -0 holdfast-hooks uninstall .
	state $hooks | diff before -
	run -0 holdfast-hooks uninstall
	[[ $output == *'is not installed'* ]]
	run -1 holdfast-hooks status
}

@test "keeps an existing hook, runs it first under its own name, and restores it unchanged" {
	mkdir tools
	hook $hooks/pre-commit <<-'END'
		echo "$0 $*" >>"$(git rev-parse --show-toplevel)/log"
		. "${0%/*}/beside"
		cd "${0%/*}/../.." && ls tools >/dev/null || exit 4
		[ ! -e fail ] || exit 3
	END
	echo 'echo sourced >>log' >$hooks/beside
	chmod 741 $hooks/pre-commit
	touch -d '2001-01-01 01:01:01' $hooks/pre-commit
	hook tools/push <<<'cat >>log; echo "$(basename "$0") $*" >>log'
	ln -s ../../tools/push $hooks/pre-push
	git init -q --bare ../remote
	git remote add origin ../remote
	state $hooks >before
	run -0 holdfast-hooks install
	[[ $output == *'runs first'* ]]
	run -0 holdfast-hooks status
	[[ $output == *'.git/hooks.before-holdfast/pre-commit runs first'* ]]
	git commit -qm one --allow-empty
	[ "$(sed 's|.*/||' log)" = $'pre-commit \nsourced' ]
	touch fail
	run -1 git commit -qm two --allow-empty
	[ "$(commits)" = 1 ]
	git push -q origin main
	[[ $(tail -n 2 log) == "refs/heads/main $(git rev-parse HEAD) refs/heads/main "* ]]
	[ "$(tail -n 1 log)" = 'pre-push origin ../remote' ]
	run -0 holdfast-hooks uninstall
	state $hooks | diff before -
	[ ! -e $hooks.before-holdfast ]
	# not executable: Git does not run it, nor do we
	rm fail
	chmod -x $hooks/pre-commit
	state $hooks >before
	rm log
	holdfast-hooks -q install
	git commit -qm two --allow-empty
	[ ! -e log ]
	run -0 holdfast-hooks status
	[[ $output == *'does not run'* ]]
	holdfast-hooks -q uninstall
	state $hooks | diff before -
}

@test "completes an installation that was interrupted between keeping the old hook and the stub" {
	hook $hooks/pre-commit <<<'echo old >>log'
	state $hooks >before
	mkdir $hooks.before-holdfast
	ln $hooks/pre-commit $hooks.before-holdfast/pre-commit
	git commit -qm one --allow-empty
	holdfast-hooks install
	git commit -qm two --allow-empty
	[ "$(cat log)" = $'old\nold' ]
	holdfast-hooks uninstall
	state $hooks | diff before -
}

@test "leaves a hook that was changed since or is not its own, and reports it" {
	hook $hooks/pre-commit <<<'echo old >>log'
	holdfast-hooks install
	echo '# mine' >>$hooks/pre-commit
	cp $hooks/pre-commit changed
	run -1 holdfast-hooks status
	[[ $output == *'changed since'* ]]
	run -1 holdfast-hooks uninstall
	[[ $output == *"'$PWD/$hooks/pre-commit' was changed since"* ]]
	run -1 holdfast-hooks install
	cmp changed $hooks/pre-commit
	# another program's hook in its place: both stay
	rm $hooks/pre-commit
	hook $hooks/pre-commit <<<'echo new >>log'
	run -1 holdfast-hooks install
	[[ $output == *'both '* ]]
	run -1 holdfast-hooks uninstall
	[ -e $hooks.before-holdfast/pre-commit ]
	# removed: the kept one comes back
	rm $hooks/pre-commit
	run -0 holdfast-hooks uninstall
	git commit -qm one --allow-empty
	[ "$(cat log)" = old ]
}

@test "runs beside pre-commit and lefthook, which move its hook away, and undoes both" {
	hook $hooks/pre-commit <<<'echo old >>log'
	cp -p $hooks/pre-commit old
	holdfast-hooks -q install
	mv $hooks/pre-commit $hooks/pre-commit.legacy
	hook $hooks/pre-commit <<<'"$0.legacy" "$@" && echo framework >>log'
	git commit -qm one --allow-empty
	[ "$(cat log)" = $'old\nframework' ]
	run -0 holdfast-hooks status
	[[ $output == *pre-commit.legacy* ]]
	holdfast-hooks uninstall
	cmp old $hooks/pre-commit.legacy
	git commit -qm two --allow-empty
	[ "$(wc -l <log)" = 4 ]
	rm $hooks/pre-commit.legacy
	holdfast-hooks -q install
	mv $hooks/pre-commit $hooks/pre-commit.old
	hook $hooks/pre-commit <<<'echo lefthook >>log'
	run -1 holdfast-hooks status
	[[ $output == *'moved to pre-commit.old'* ]]
	holdfast-hooks uninstall
	[[ $(cat $hooks/pre-commit.old) == *framework* ]]
	holdfast-hooks -q install
	git commit -qm three --allow-empty
	[ "$(tail -n 1 log)" = lefthook ]
}

@test "works with husky, whose hooks are found by their own name in a relative core.hooksPath" {
	mkdir -p .husky/_ sub
	echo '*' >.husky/_/.gitignore
	# as husky 9 has it: one script for all hooks, which runs the user's of that name
	cat >.husky/_/h <<-'END'
		#!/usr/bin/env sh
		n=$(basename "$0")
		s=$(dirname "$(dirname "$0")")/$n
		[ ! -f "$s" ] && exit 0
		sh -e "$s" "$@"
	END
	hook .husky/_/pre-commit <<<'. "${0%/*}/h"'
	echo 'echo user >>log' >.husky/pre-commit
	git config core.hooksPath .husky/_
	git add .husky
	git commit -qm one
	(cd sub && holdfast-hooks install)
	run -0 git status --porcelain --untracked-files=all -- .husky
	[ "$output" = '' ]
	git commit -qm two --allow-empty
	[ "$(cat log)" = $'user\nuser' ]
	# a hook that the stub silences is reported
	git config --unset core.hooksPath
	run -1 holdfast-hooks status
	git config core.hooksPath .husky/_
	# husky rewrites its files
	hook .husky/_/pre-commit <<<'. "${0%/*}/h"'
	run -1 holdfast-hooks status
	holdfast-hooks install
	git commit -qm three --allow-empty
	[ "$(wc -l <log)" = 3 ]
	holdfast-hooks uninstall
	[ ! -e .husky/_.before-holdfast ]
	[ "$(sed -n 2p .husky/_/pre-commit)" = '. "${0%/*}/h"' ]
}

@test "leaves hooks that others share unless --shared is given" {
	mkdir ../all .githooks
	git config --global core.hooksPath "$PWD/../all"
	run -65 holdfast-hooks install
	[[ $output == *'for all repositories, by the global'* ]]
	[ -z "$(ls ../all)" ]
	run -0 holdfast-hooks install --shared .
	[ -x ../all/pre-commit ]
	git commit -qm one --allow-empty
	holdfast-hooks uninstall
	[ -z "$(ls ../all)" ]
	# set in this repository, but the hooks are files of the tree
	hook .githooks/pre-commit <<<'echo tree >>log'
	git add .githooks
	git config core.hooksPath .githooks
	run -65 holdfast-hooks install
	[[ $output == *'is in the tree'* ]]
	holdfast-hooks --shared install
	git commit -qm two
	[ "$(cat log)" = tree ]
	holdfast-hooks uninstall
	git diff --exit-code
	# switched off
	git config core.hooksPath /dev/null
	run -65 holdfast-hooks install
	[[ $output == *'switched off'* ]]
}

@test "works when the hook directory is a symbolic link or absent" {
	rm -r $hooks
	holdfast-hooks install
	git commit -qm one --allow-empty
	holdfast-hooks uninstall
	[ ! -e $hooks ]
	mkdir -p ../tools/hooks
	hook ../tools/run <<<'echo "link $(basename "$0")" >>log'
	ln -s ../run ../tools/hooks/pre-commit
	ln -s "$PWD/../tools/hooks" $hooks
	state ../tools/hooks >before
	holdfast-hooks install
	[ -L $hooks ]
	git commit -qm two --allow-empty
	[ "$(cat log)" = 'link pre-commit' ]
	holdfast-hooks uninstall
	state ../tools/hooks | diff before -
	[ "$(ls ../tools)" = $'hooks\nrun' ]
}

@test "installs into a worktree's repository, and refuses a bare one" {
	git commit -qm one --allow-empty
	git worktree add -q ../tree
	(cd ../tree && holdfast-hooks install)
	[ -x $hooks/pre-commit ]
	run -0 holdfast-hooks status
	git -C ../tree commit -qm two --allow-empty
	git init -q --bare ../bare
	run -65 holdfast-hooks install ../bare
	[[ $output == *'bare repository'* ]]
	run -65 holdfast-hooks install .git
	run -66 holdfast-hooks install ..
	run -66 holdfast-hooks install ../nowhere
	# the repository that a hook is in is not taken for DIR's
	git init -q ../other
	GIT_DIR=$PWD/.git run -0 holdfast-hooks install ../other
	[ -x ../other/.git/hooks/pre-commit ]
}

@test "exits with 77 when it may not write into the hook directory" {
	require_other_user
	local dir=$PWD
	while [[ $dir == */holdfast-tests.*/* ]]; do
		dir=${dir%/*}
		chmod a+x "$dir"
	done
	chown -R 65534 .
	chown 0 $hooks
	run -77 setpriv --reuid=65534 --clear-groups holdfast-hooks install
	[[ $output == *"may not write into"* ]]
	[ ! -e $hooks/pre-commit ]
	[ ! -e $hooks.before-holdfast ]
}

@test "installs hooks by configuration if Git supports them" {
	# this Git's own answer decides
	if git -c hook.x.event=pre-commit -c hook.x.command=true hook list pre-commit; then
		configured=1
	else
		# it does not support them: use a git that says that it does
		mkdir ../bin
		hook ../bin/git <<-END
			case "\$*" in
			*'hook list pre-commit') echo holdfast-probe ;;
			*) exec $(command -v git) "\$@" ;;
			esac
		END
		export PATH=$PWD/../bin:$PATH
	fi
	hook $hooks/pre-commit <<<'echo old >>log'
	state $hooks >before
	cp .git/config ../config
	run -0 holdfast-hooks install
	[[ $output == *'by configuration'* ]]
	state $hooks | diff before -
	[ "$(git config hook.holdfast-pre-commit.event)" = pre-commit ]
	eval "$(git config hook.holdfast-pre-commit.command)"
	run -0 holdfast-hooks status
	run -0 holdfast-hooks install
	[ -z "${configured-}" ] || git commit -qm one --allow-empty
	run -0 holdfast-hooks uninstall
	cmp ../config .git/config
	state $hooks | diff before -
}

@test "a hook whose tool is gone reports that and lets the commit pass" {
	mkdir -p p/bin p/share
	cp "$HF_BIN"/holdfast* "$HF_BIN"/lock-run "$HF_BIN"/atomic-write p/bin
	cp -r "$HF_BUILD/share/holdfast" p/share
	p/bin/holdfast-hooks install
	rm -r p
	PATH=/usr/bin:/bin run -0 git commit -qm one --allow-empty
	[[ $output == *'not there any more'* ]]
}

@test "refuses wrong calls with 64" {
	run -64 holdfast-hooks
	run -64 holdfast-hooks nonsense
	run -64 holdfast-hooks install one two
	run -64 holdfast-hooks --nonsense install
	run -64 holdfast-hooks --ver
	run -64 holdfast-hooks -x install
	run -64 holdfast-hooks run
	run -64 holdfast-hooks run post-commit
	run -1 holdfast-hooks --verb status
	run -0 holdfast-hooks --vers
}
