# SPDX-License-Identifier: ISC
#
# Completion for bash. What a tool takes is read from its --help when it is needed:
#
#	Usage: lock-run [options] LOCK COMMAND [ARGUMENT...]
#	       lock-run [options] --file LOCK... COMMAND [ARGUMENT...]
#	  -w, --timeout DURATION        wait at most DURATION for locks …
#	      --sync full|data|none     …
#
# The name of an argument gives the kind of thing that completes it. The variables in small
# letters that these functions share are local to _holdfast.

# Fill usages with the text after "[options]", longs with the long options, and
# argument[OPTION] with what it takes: nothing, NAME, or [NAME] where that is optional.
_holdfast_help()
{
	local line names
	local usage='^(Usage:|      ) [^ ]+ (\[options\] ?)?(.*)$'
	local option='^  (-[A-Za-z0-9])?[, ]*(--[a-z-]+)?( [^ ]+|\[=[^ ]+\])?($|  )'

	while IFS= read -r line; do
		if [[ $line =~ $usage ]]; then
			usages+=("${BASH_REMATCH[3]}")
		elif [[ $line =~ $option ]]; then
			names="${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
			longs+=(${BASH_REMATCH[2]})
			line=${BASH_REMATCH[3]/#[ \[]=/[}
			for name in $names; do argument[$name]=${line# }; done
		fi
	done < <("$1" --help 2>/dev/null)
	# aliases that --help leaves out
	[[ ! -v argument[--timeout] || -v argument[--wait] ]] || argument[--wait]=DURATION
	[[ ! -v argument[--as] ]] || argument[--holder]=HOLDER
	[[ ! -v argument[--drop] ]] || argument[--discard]=ID
}

# Which option is the word $1, abbreviated perhaps? Sets name, adds it to given, and leaves in
# wanted what it takes from the next word.
_holdfast_option()
{
	local word=$1 candidate candidates=() i

	if [[ $word == --* ]]; then
		name=${word%%=*}
		for candidate in "${!argument[@]}"; do
			[[ $candidate != "$name"* ]] || candidates+=("$candidate")
		done
		[[ -v argument[$name] || ${#candidates[@]} != 1 ]] || name=${candidates[0]}
		given+=" $name "
		wanted=${argument[$name]-}
		[[ $word != *=* ]] || wanted=
	else
		for ((i = 1; i < ${#word}; i++)); do
			name=-${word:i:1}
			given+=" $name "
			wanted=${argument[$name]-}
			[[ -z $wanted ]] || break
		done
		((i >= ${#word} - 1)) || wanted=
	fi
	[[ $wanted != \[* ]] || wanted=
}

# Set verbs to the words, a blank around each, that can be the first operand and say what is done.
_holdfast_verbs()
{
	local usage

	for usage in "${usages[@]}"; do
		usage=${usage%% *}
		[[ ! $usage =~ ^[a-z]+(\|[a-z]+)*$ ]] || verbs+="${usage//|/ } "
	done
}

# Set operands to those of the usage that asks for most of what is given, and for nothing else; and
# has the verb, if there is one.
_holdfast_operands()
{
	local usage word skip fit best=-1 kinds

	for usage in "${usages[@]}"; do
		fit=0 skip='' kinds=()
		for word in $usage; do
			if [[ -n $skip ]]; then
				skip=
			elif [[ $word == -* ]]; then
				[[ $given == *" $word "* ]] || continue 2
				skip=${argument[$word]-}
				((fit += 100))
			elif [[ $word =~ ^[a-z]+(\|[a-z]+)*$ ]]; then
				if [[ -z $verb ]]; then
					word=${verbs# }
					word=${word% }
					kinds+=("${word// /|}|")
				else
					[[ "|$word|" == *"|$verb|"* ]] || continue 2
				fi
				((fit += 1))
			elif [[ $word =~ ^\[[A-Z]+\]$ ]]; then
				kinds+=("${word:1:-1}")
			elif [[ $word != \[* ]]; then
				kinds+=("${word%%[!A-Z]*}")
				((fit += 1))
			fi
		done
		if ((fit > best)); then
			best=$fit
			operands=("${kinds[@]}")
		fi
	done
}

# Complete cur as what the help calls $1.
_holdfast_argument()
{
	local kind=${1#\[}

	case ${kind%\]} in
	*'|'*)
		kind=$(tr '|' '\n' <<<"$kind" | grep -v '[A-Z]')
		COMPREPLY=($(compgen -W "$kind" -- "$cur"))
		;;
	FILE | PATH | LOCK | SRC | TARGET | DB) _filedir ;;
	PATH=SRC)
		cur=${cur##*=}
		_filedir
		;;
	DIR) _filedir -d ;;
	COMMAND) COMPREPLY=($(compgen -c -- "$cur")) ;;
	esac
}

# Complete the command that begins at words[$1]. In COMP_WORDS, "--a=b" may be three words.
_holdfast_command()
{
	local offset=0 piece i

	for ((i = 0; i < $1; i++)); do
		piece=${COMP_WORDS[offset++]}
		while [[ $piece != "${words[i]}" ]] && ((offset < ${#COMP_WORDS[@]})); do
			piece+=${COMP_WORDS[offset++]}
		done
	done
	_command_offset "$offset"
}

_holdfast()
{
	local cur prev words cword split IFS=$' \t\n'
	_init_completion -s || return

	local -A argument=()
	local usages=() longs=() operands=() given='' wanted='' verbs=' ' verb='' name i kind
	_holdfast_help "$1"
	_holdfast_verbs

	for ((i = 1; i < cword; i++)); do
		if [[ ${words[i]} != -?* ]]; then
			[[ -z $verb && $verbs == *" ${words[i]} "* ]] || break
			verb=${words[i]}
			continue
		fi
		if [[ ${words[i]} == -- ]]; then
			((i++))
			break
		fi
		_holdfast_option "${words[i]}"
		[[ -z $wanted ]] || ((i++))
	done
	if ((i > cword)); then
		_holdfast_argument "$wanted"
		return
	fi
	if ((i == cword)) && [[ ${words[i]} == -* && ${words[i - 1]} != -- ]]; then
		if $split; then
			_holdfast_option "$prev"
			_holdfast_argument "${argument[$name]-}"
		else
			COMPREPLY=($(compgen -W '${longs[*]}' -- "$cur"))
		fi
		return
	fi
	_holdfast_operands
	for kind in "${operands[@]}"; do
		if [[ $kind == COMMAND ]]; then
			[[ ${words[i]} != -- ]] || ((i++))
			((i > cword)) || [[ ${words[i]} == -c ]] || _holdfast_command "$i"
			return
		fi
		if ((i == cword)); then
			_holdfast_argument "$kind"
			return
		fi
		((i++))
	done
} && complete -F _holdfast atomic-write atomic-append atomic-update lock-run lock-retry lock-break \
	lock-acquire lock-renew lock-release lock-status holdfast-hooks \
	sqlite-run sqlite-backup sqlite-check sqlite-once sqlite-lease \
	sqlite-queue atomic-record
