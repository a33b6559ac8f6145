# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2154,SC3013
#
# Install a hook beside an existing one. Part of holdfast-hooks, which sets tool, self, bin,
# hooks (the hook directory), kept ($hooks.before-holdfast) and common (what all worktrees share).
#
# Git has one file for each hook. An existing hook is kept, and runs first, without a difference to
# it: under its own name, which many hooks check; in a directory beside its own, so that
# `dirname "$0"`/../.. and relative links lead where they did; and with links to the files that it
# had beside it.
#
#	.git/hooks/pre-commit			a stub: runs the kept hook, and then ours
#	.git/hooks.before-holdfast/pre-commit	the kept hook: the same inode, or link
#	.git/hooks.before-holdfast/other	-> ../hooks/other
#
#   I1  At every instant a hook exists, the old one or the stub: the old one receives its second
#       name before the stub is renamed over its first.
#   I2  Uninstalling renames the kept hook back. So it is unchanged in every respect.
#   I3  A file that is neither ours nor kept is never replaced or removed. A stub that a user has
#       changed is not ours any more: its last line is the checksum of the others.

quoted() {
	printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

# The stub for HOOK, as it is installed.
stub() {
	body=$(
		cat <<-END
			#!/bin/sh
			# $tool: $1. Do not change it; \`$tool uninstall\` removes it.
			# The hook in .before-holdfast, beside this directory, runs first.
			here=\$(cd "\${0%/*}" && pwd -P) || exit
			if [ -x "\$here.before-holdfast/$1" ]; then
			        "\$here.before-holdfast/$1" "\$@" || exit
			fi
			hooks=$(quoted "$self")
			[ -x "\$hooks" ] || hooks=\$(command -v $tool) || {
			        echo '$1: $tool is not there any more, and its hook is left out' >&2
			        exit 0
			}
			exec "\$hooks" run $1 "\$@"
		END
	)
	printf '%s\n# %s\n' "$body" "$(printf '%s\n' "$body" | cksum)"
}

# Print what FILE is to HOOK: absent, ours, changed (it was ours) or other.
judge() {
	if [ ! -e "$1" ] && [ ! -L "$1" ]; then
		echo absent
	elif [ -L "$1" ] || [ ! -f "$1" ]; then
		echo other
	else
		case $(sed -n 2p <"$1") in
		"# $tool: $2. "*)
			if [ "$(tail -n 1 <"$1")" = "# $(sed '$d' <"$1" | cksum)" ]; then
				echo ours
			else
				echo changed
			fi
			;;
		*) echo other ;;
		esac
	fi
}

exists() {
	[ -e "$1" ] || [ -L "$1" ]
}

# Give HOOK its second name, with links to all files that are beside it now.
keep() {
	mkdir -p -- "$kept" || exit 73
	case $hooks in
	"$common"/*) ;;
	*) [ -e "$kept/.gitignore" ] || echo '*' >"$kept/.gitignore" ;;
	esac
	for file in "$hooks"/*; do
		name=${file##*/}
		case " $hooks_to_install " in *" $name "*) continue ;; esac
		case $name in *.sample) continue ;; esac
		exists "$kept/$name" || ln -s "../${hooks##*/}/$name" "$kept/$name" || exit 73
	done
	ln -P -- "$hooks/$1" "$kept/$1" 2>/dev/null || cp -pP -- "$hooks/$1" "$kept/$1" || exit 73
}

install_hook() {
	case $(judge "$hooks/$1" "$1") in
	ours)
		if [ "$(stub "$1")" = "$(cat "$hooks/$1")" ] && [ -x "$hooks/$1" ]; then
			note "$1: is installed already"
			return 0
		fi
		;;
	changed)
		warn "'$hooks/$1' was changed since it was installed"
		advise 'save what you have added, remove the file, and install again'
		return 1
		;;
	other)
		if ! exists "$kept/$1"; then
			keep "$1"
		elif [ ! "$kept/$1" -ef "$hooks/$1" ] && ! cmp -s "$kept/$1" "$hooks/$1"; then
			warn "both '$hooks/$1' and '$kept/$1' are there"
			advise 'another hook replaced ours: remove the one that you do not want'
			return 1
		fi
		;;
	esac
	stub "$1" | "$bin/atomic-write" --no-follow --break-links --mode 755 -- "$hooks/$1" ||
		return
	if exists "$kept/$1"; then
		note "$1: installed; '$kept/$1' runs first"
	else
		note "$1: installed"
	fi
}

# Managers that move a hook away to install their own: pre-commit (and runs it), lefthook (and does
# not).
uninstall_hook() {
	found=
	for file in "$hooks/$1" "$hooks/$1.legacy" "$hooks/$1.old"; do
		case $(judge "$file" "$1") in
		ours)
			if exists "$kept/$1"; then
				mv -f -- "$kept/$1" "$file" || exit 77
				note "$1: uninstalled; '$file' is what it was"
			else
				rm -f -- "$file" || exit 77
				note "$1: uninstalled"
			fi
			found=1
			;;
		changed)
			warn "'$file' was changed since it was installed, and stays"
			advise 'save what you have added, remove the file, and uninstall again'
			return 1
			;;
		esac
	done
	[ -z "$found" ] || return 0
	if ! exists "$kept/$1"; then
		note "$1: is not installed"
	elif exists "$hooks/$1"; then
		warn "'$hooks/$1' is not ours, and '$kept/$1' was kept: both stay"
		return 1
	else
		mv -f -- "$kept/$1" "$hooks/$1" || exit 77
		note "$1: was removed; '$hooks/$1' is what it was before"
	fi
}

# Remove the files that install made beside the hooks, if no hook is kept.
clean_up() {
	for name in $hooks_to_install; do
		! exists "$kept/$name" || return 0
	done
	if [ -d "$kept" ]; then
		for file in "$kept"/*; do
			[ ! -L "$file" ] || rm -f -- "$file"
		done
		made=$([ -e "$kept/.made" ] && echo made)
		rm -f -- "$kept/.gitignore" "$kept/.made"
		rmdir -- "$kept" || :
		[ -z "$made" ] || rmdir -- "$hooks" 2>/dev/null || :
	fi
}
