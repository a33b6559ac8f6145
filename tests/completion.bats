#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shellcheck disable=SC2016
#
# Completion in bash, zsh and fish, asked of the shells themselves. complete LINE prints what the
# end of the line can become, one a line; the cases are the same for all three.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	mkdir files && cd files
	mkdir odd-dir
	touch odd-file other
	mkdir commands
	printf '#!/bin/sh\n' | tee commands/odd-command >commands/odd-comma
	chmod +x commands/*
	export PATH=$PWD/commands:$PATH
}

setup() {
	cd "$BATS_FILE_TMPDIR/files"
	completions=$HF_TOP/completions
	tools=$(make -s -C "$HF_TOP" BUILD="$HF_BUILD" print-MAN1)
}

# The words of the line as readline has them, with "=" between some; the function that
# bash-completion would call, called.
complete_bash() {
	bash --norc -c '
		. /usr/share/bash-completion/bash_completion
		. "$1/holdfast.bash"
		complete -W odd-argument odd-command
		compopt() { :; } # readline is not there
		COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9 COMP_KEY=9
		read -ra COMP_WORDS <<<"${2//=/ = }"
		[[ $2 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		tool=${COMP_WORDS[0]}
		function=$(complete -p "$tool" | sed "s/.*-F \([^ ]*\) .*/\1/")
		"$function" "$tool" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf "%s\n" "${COMPREPLY[@]}"' bash "$completions" "$1" | sed 's/ $//' | sort -u
}

# Type a line into a terminal: a pipe reports the matches that completion adds.
complete_zsh() {
	mkfifo answer
	cat >.zshrc <<-'END'
		fpath=($COMPLETIONS $fpath)
		autoload -U compinit
		compinit -u -d $PWD/zcompdump
		compadd() {
			local -a matched
			if (( ! $@[(I)-(O|A|D)] )); then
				builtin compadd -O matched "$@"
				print -rl -- $matched >answer
			fi
			builtin compadd "$@"
		}
		_odd() { compadd odd-argument }
		compdef _odd odd-command
		finish() { print -r -- . >answer }
		zle -N finish
		bindkey '^I' list-choices
		bindkey '^]' finish
		print -r -- . >answer
	END
	timeout 60 zsh -fc '
		zmodload zsh/zpty
		exec 3<>answer
		until_dot() {
			while IFS= read -u 3 -r line && [[ $line != . ]]; do print -r -- $line; done
		}
		zpty shell "TERM=dumb ZDOTDIR=$PWD COMPLETIONS=$1 exec zsh -di"
		until_dot
		zpty -wn shell "$2"$'"'\t\x1d'"'
		until_dot
		zpty -d shell' zsh "$completions" "$1" | sort -u
	rm -f answer .zshrc
}

# fish 4 also lists words that contain these letters in this order (--unlock for --no). It inserts
# them only if no word begins with them.
complete_fish() {
	local word=${1##* }

	fish --no-config -c '
		source $argv[1]/holdfast.fish
		complete -c odd-command -fa odd-argument
		complete -C $argv[2]' "$completions" "$1" |
		sed 's/\t.*//; s/^--[a-z-]*=//' | word=${word#--*=} awk \
		'index($0, ENVIRON["word"]) == 1' | sort -u
}

# complete LINE: exactly these.
gives() {
	local line=$1 wanted got
	shift
	wanted=$(printf '%s\n' "$@" | sort -u)
	got=$("complete_$shell" "$line" | sed 's|/$||' | grep -v '^$' || :)
	[ "$got" = "$wanted" ] || {
		echo "$shell: '$line' gives" $got "and not" $wanted
		return 1
	}
}

# The shell $1 completes each kind of thing.
cases() {
	shell=$1

	# options, by their long names, before the first operand only
	gives 'atomic-write --sy' --symlink --sync
	gives 'lock-run --no' --no-fork --nonblock
	gives 'atomic-append -w 5 --in' --in-place
	gives 'lock-retry --on 5 --tr' --tries
	gives 'atomic-write odd-file --sy'
	gives 'lock-run -- --no'

	# their arguments
	gives 'atomic-write --from odd-' odd-dir odd-file
	gives 'lock-run --file=odd-' odd-dir odd-file
	gives 'atomic-write --sync ' full data none
	gives 'atomic-write --sync=f' full
	gives 'atomic-write --if-match ' absent
	gives 'atomic-write --validate odd-c' odd-comma odd-command
	gives 'lock-run --timeout odd-'
	gives 'lock-run -w odd-'

	# operands: after options of every form
	gives 'atomic-append odd-' odd-dir odd-file
	gives 'lock-run odd-' odd-dir odd-file
	gives 'lock-run -nw 5 odd-' odd-dir odd-file
	gives 'lock-run -w5 --wait 5 --timeout=5 odd-' odd-dir odd-file
	gives 'lock-run --time 5 odd-' odd-dir odd-file
	gives 'atomic-write -b --backup=x odd-' odd-dir odd-file
	gives 'lock-run --wait 5 odd-' odd-dir odd-file
	gives 'sqlite-lease --holder me re' release renew
	gives 'atomic-write -- odd-' odd-dir odd-file
	gives 'atomic-append odd-file odd-'
	gives 'atomic-write --from x odd-file odd-'
	gives 'atomic-update -c x odd-file odd-'

	# verbs, and options before and after them
	gives 'sqlite-lease re' release renew
	gives 'sqlite-lease --ttl 5 re' release renew
	gives 'sqlite-queue r' release renew retry
	gives 'sqlite-queue claim --qui' --quiet
	gives 'sqlite-queue claim --queue x --wa' --wait
	gives 'sqlite-queue --ttl 5 claim odd-' odd-dir odd-file
	gives 'sqlite-queue claim --ttl 5 odd-' odd-dir odd-file
	gives 'sqlite-queue claim odd-file odd-'
	gives 'sqlite-queue work odd-file odd-c' odd-comma odd-command
	gives 'sqlite-queue work -j 2 odd-file -- odd-command ' odd-argument

	# a command where one is expected, and then the command's own completions
	gives 'lock-retry odd-c' odd-comma odd-command
	gives 'lock-run odd-file odd-c' odd-comma odd-command
	gives 'lock-run odd-file -- odd-c' odd-comma odd-command
	gives 'lock-run --file odd-file odd-c' odd-comma odd-command
	gives 'lock-run --file=odd-file -s --file=other odd-c' odd-comma odd-command
	gives 'atomic-write odd-file odd-c' odd-comma odd-command
	gives 'atomic-update --init 0 odd-file odd-c' odd-comma odd-command
	gives 'lock-run odd-file odd-command ' odd-argument
	gives 'lock-retry -w 5 --on=5 -- odd-command odd-' odd-argument
	gives 'lock-run a lock-run --file=b odd-command odd-' odd-argument
	gives 'lock-run a atomic-write --sy' --symlink --sync

	# several words, and optional parts
	gives 'holdfast-hooks ' install status uninstall
	gives 'holdfast-hooks --shared in' install
	gives 'holdfast-hooks install odd-' odd-dir
}

@test "bash completes options, their arguments, files, commands and the commands' own arguments" {
	cases bash
}

@test "zsh completes options, their arguments, files, commands and the commands' own arguments" {
	cases zsh
}

@test "fish completes options, their arguments, files, commands and the commands' own arguments" {
	cases fish
}

@test "offers every option of --help, in each shell, for each tool" {
	local tool shell options
	for tool in $tools; do
		options=$("$tool" --help | grep -oE '^  (-., |    )--[a-z-]+' | grep -o -e '--.*')
		for shell in bash zsh fish; do
			gives "$tool --" $options
		done
	done
}

@test "each completion file covers all tools" {
	same() { [ "$(tr ' ' '\n' <<<"$1" | sort)" = "$(tr ' ' '\n' <<<"$2" | sort)" ]; }
	local joined=':a; /\\$/ { N; s/ *\\\n\s*/ /; ba }'
	same "$tools" "$(sed "$joined" "$completions/holdfast.bash" |
		sed -n 's/.*complete -F _holdfast //p')"
	same "$tools" "$(sed -n '1s/#compdef //p' "$completions/_holdfast")"
	same "$tools" "$(sed "$joined" "$completions/holdfast.fish" | sed -n 's/^for tool in //p')"
}

@test "ignores a tool that is not installed" {
	run -0 fish --no-config -c 'set PATH /nonexistent; source $argv[1]' \
		"$completions/holdfast.fish"
	[ "$output" = '' ]
	PATH=/usr/bin:/bin shell=bash
	gives 'atomic-write --sy'
}
