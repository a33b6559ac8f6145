#!/bin/sh
# SPDX-License-Identifier: ISC
# shellcheck disable=SC3013
#
# holdfast.sh: holdfast for shell scripts, in place of a private concurrency.sh.
#
#	. holdfast.sh
#
#	write_atomic FILE TEXT		FILE is the old text or the new one, whole
#	append_atomic FILE TEXT		TEXT at FILE's end, all of it or none, nothing lost
#	sqlite_with_retry DB [SQL]	one transaction, again only while the database is busy
#	escape_sql TEXT			for '…' in SQL
#	acquire_git_lock FILE [SECS]	the lock on FILE, held by this shell
#	release_git_lock FILE		release it, if this shell holds it
#	with_lock LOCK COMMAND…		a command or a function of this shell, under a lock
#	detect_stale_lock PATH [SECS]	return 0 if the owner of this lock file or directory is dead
#	clean_stale_lock PATH [SECS]	move it aside, if that is proved
#
# holdfast.sh(7) has arguments, return values and examples. It works in dash, bash, ksh93, mksh,
# busybox ash and zsh, under set -e, -u and -o pipefail, and evaluates no text of the caller's.
#
# How a lock is held. The shell itself opens FILE, and lock-run takes flock(2) on the open file
# through a duplicate: ksh93 and mksh pass none of their descriptors to a command. So
#
#   H1  The lock is held as long as the descriptor is open. A shell that exits, in whatever way,
#       holds nothing. A command that it was running has the descriptor too (not in ksh93 and mksh);
#       then the lock is held until the command exits as well, since it may still use the file.
#   H2  A release unlocks the open file, and with it every copy of the descriptor. A background
#       process of the shell does not keep the lock.
#   H3  A process releases only locks that it took itself. A subshell has the variables of its
#       parent, not its locks.
#   H4  If FILE exists, it is not opened for creation (a sticky directory may forbid that). It is
#       never written to or truncated, and must still have its name after it is locked.
#   H5  No descriptor of the script is replaced: a number is free if /proc/self/fd does not have it.
#       A file that the script has opened under our number since then is left alone.
#
# Variables and functions whose names begin with _holdfast are this file's own. POSIX has no local
# variables: values that are needed after a command of the caller are in positional parameters.

# Where the tools are: in PATH as it is now, else beside this file.
_holdfast_bin=$(command -v lock-run) || _holdfast_bin='@BINDIR@/lock-run'
case $_holdfast_bin in
/*) ;;
*/*) _holdfast_bin=$PWD/$_holdfast_bin ;;
*) _holdfast_bin='' ;; # a function or an alias of the caller's
esac
_holdfast_bin=${_holdfast_bin%lock-run}

# mksh has no builtin printf, and the arguments of a program have a limit.
_holdfast_print=''
case $(command -v printf) in
*/*) _holdfast_print=$(command -v print) || : ;;
esac

# A subshell of ksh93 is no process, and knows itself by a number.
_holdfast_subshell=''
# shellcheck disable=SC2016
if [ -n "${KSH_VERSION-}" ] && (eval ': "${.sh.subshell}"') 2>/dev/null; then
	_holdfast_subshell=numbered
fi

_holdfast_tool() {
	_holdfast_name=$1
	shift
	"${_holdfast_bin-}$_holdfast_name" "$@"
}

_holdfast_say() {
	printf '%s\n' "holdfast.sh: $1" >&2
}

# Report a wrong call.
_holdfast_usage() {
	_holdfast_say "usage: $1"
	return 64
}

# To the caller's log, if it is a function: there are programs of that name, and a builtin of zsh.
# That log may itself use what is here.
_holdfast_log() {
	[ -z "${_holdfast_logging-}" ] || return 0
	case $(LC_ALL=C type log 2>/dev/null || :) in
	*' is a function'* | *' is a shell function'*)
		_holdfast_logging=1
		log "$1" "$2" || :
		_holdfast_logging=
		;;
	esac
}

# $1 on standard output, as it is.
_holdfast_text() {
	case ${_holdfast_print-} in
	print) print -nr -- "$1" ;;
	*) printf %s "$1" ;;
	esac
}

# ------------------------------------------------------------------------------------------------
# Files

# Log the failure $2 of a tool, whose exit status is $1. 76 differs from the others: the change is
# done, and a retry would append twice.
_holdfast_failed() {
	_holdfast_log ERROR "$2"
	[ "$1" = 76 ] || return 1
	return 76
}

# write_atomic FILE TEXT: returns 0; 1 if FILE is as it was; 76 if it is replaced, but could be lost
# in a power cut. Makes missing directories.
write_atomic() {
	[ $# = 2 ] || { _holdfast_usage 'write_atomic FILE TEXT'; return; }
	if _holdfast_text "$2" | _holdfast_tool atomic-write --parents --allow-empty -- "$1"; then
		_holdfast_log DEBUG "Atomic write successful: $1"
	else
		_holdfast_failed $? "Failed to write atomically: $1"
	fi
}

# append_atomic FILE TEXT: the same, without the directories. No newline is added to TEXT.
append_atomic() {
	[ $# = 2 ] || { _holdfast_usage 'append_atomic FILE TEXT'; return; }
	if _holdfast_text "$2" | _holdfast_tool atomic-append --allow-empty -- "$1"; then
		_holdfast_log DEBUG "Atomic append successful: $1"
	else
		_holdfast_failed $? "Failed to append atomically: $1"
	fi
}

# ------------------------------------------------------------------------------------------------
# SQLite

# sqlite_with_retry DB [SQL]: SQL, or all of standard input, as one transaction. Returns the status
# of sqlite-run(1), 75 if the database was busy all the time. Standard output has the rows, so the
# caller's log is sent to standard error.
sqlite_with_retry() {
	case $# in
	1) _holdfast_tool sqlite-run -- "$1" ;;
	2)
		if [ ${#2} -le 30000 ]; then
			_holdfast_tool sqlite-run -- "$1" "$2"
		else
			# in bytes it could be more than an argument can hold
			_holdfast_text "$2" | _holdfast_tool sqlite-run -- "$1"
		fi
		;;
	*) _holdfast_usage 'sqlite_with_retry DB [SQL]' ;;
	esac && return
	set -- $?
	_holdfast_log ERROR "SQLite failed with status $1" >&2
	return "$1"
}

# escape_sql TEXT: prints TEXT with every single quote doubled, and a newline.
escape_sql() {
	case ${1-} in
	*\'*) _holdfast_text "$1" | LC_ALL=C sed "s/'/''/g" && echo ;;
	*) _holdfast_text "${1-}" && echo ;;
	esac
}

# ------------------------------------------------------------------------------------------------
# Locks. Inside, FILE is an absolute path.

_holdfast_absolute() {
	case $1 in
	/*) _holdfast_file=$1 ;;
	*) _holdfast_file=$PWD/$1 ;;
	esac
}

# Set _holdfast_pid: $$ is the same in a subshell, this is not.
_holdfast_self() {
	IFS=' ' read -r _holdfast_pid _holdfast_rest </proc/self/stat || _holdfast_pid=$$
	# shellcheck disable=SC2016
	[ -z "${_holdfast_subshell-}" ] ||
		eval '_holdfast_pid=${_holdfast_pid}.${.sh.subshell}'
}

# Set _holdfast_n to the descriptor by which this process holds the lock on FILE, or fail.
_holdfast_find() {
	_holdfast_self
	for _holdfast_n in 7 6 5 8 4 9 3; do
		eval "_holdfast_held=\${_holdfast_held_$_holdfast_n-}"
		# shellcheck disable=SC2154
		case $_holdfast_held in
		"$_holdfast_pid $1") return 0 ;;
		"$_holdfast_pid "*) [ ! "$1" -ef "/proc/self/fd/$_holdfast_n" ] || return 0 ;;
		esac
	done
	return 1
}

# Set _holdfast_n to a free descriptor. One digit is what every shell can do; those that scripts
# like to use come last.
_holdfast_free() {
	for _holdfast_n in 7 6 5 8 4 9 3; do
		[ -e "/proc/self/fd/$_holdfast_n" ] || return 0
	done
	_holdfast_say "cannot lock '$1': descriptors 3 to 9 are all in use"
	return 71
}

# Open FILE as descriptor N. Shells end over a redirection of exec that fails, but not over one of
# `command exec`; zsh has no such `command`, and does not end.
_holdfast_open() {
	if [ -n "${ZSH_VERSION-}" ]; then
		set -- "$1" "$2" exec
	else
		set -- "$1" "$2" 'command exec'
	fi
	if [ -d "$2" ] || { [ -f "$2" ] && [ -r "$2" ]; }; then
		eval "$3 $1<\"\$2\""
	elif [ -f "$2" ] || [ ! -e "$2" ]; then
		eval "$3 $1>>\"\$2\""
	else
		_holdfast_say "cannot lock '$2': it is neither a file nor a directory"
		return 65
	fi
}

_holdfast_close() {
	eval "_holdfast_held_$1=; exec $1<&-"
}

# Hold the lock on FILE, waiting at most SECS. Returns the status of lock-run(1). TURN counts from 1
# how often FILE was not what it had been when it was locked.
_holdfast_take() {
	_holdfast_free "$1" || return
	set -- "$1" "$2" "$_holdfast_n" "${3:-1}"
	_holdfast_open "$3" "$1" || return
	_holdfast_tool lock-run -w "$2" 3 3<&"$3" || {
		set -- $? "$3"
		_holdfast_close "$2"
		return "$1"
	}
	if [ "$1" -ef "/proc/self/fd/$3" ]; then
		_holdfast_self
		eval "_holdfast_held_$3=\"\$_holdfast_pid \$1\""
		return 0
	fi
	# removed or replaced while we waited: the others lock another file now
	_holdfast_close "$3"
	if [ "$4" = 10 ]; then
		_holdfast_say "cannot lock '$1': it is replaced all the time"
		return 75
	fi
	_holdfast_take "$1" "$2" $(($4 + 1))
}

# Release the lock that _holdfast_find has found for FILE.
_holdfast_give() {
	set -- "$1" "$_holdfast_n"
	if [ -e "$1" ] && [ ! "$1" -ef "/proc/self/fd/$2" ]; then
		# FILE was replaced, or the script has used our number: neither is ours to touch
		eval "_holdfast_held_$2="
		return 0
	fi
	_holdfast_tool lock-run -u 3 3<&"$2" || :
	_holdfast_close "$2"
}

# acquire_git_lock FILE [SECS=10]: returns 0 when this shell holds the lock on FILE, 1 if not. Any
# file will do. One that is absent is created, but not its directory.
acquire_git_lock() {
	case $# in
	1 | 2) _holdfast_absolute "$1" ;;
	*)
		_holdfast_usage 'acquire_git_lock FILE [SECS]'
		return
		;;
	esac
	if _holdfast_find "$_holdfast_file" || _holdfast_take "$_holdfast_file" "${2:-10}"; then
		_holdfast_log DEBUG "Acquired git lock (flock): $1"
	else
		_holdfast_log ERROR "Failed to acquire git lock: $1"
		return 1
	fi
}

# release_git_lock FILE: returns 0, also if there was nothing to release, so that a trap can
# call it.
release_git_lock() {
	[ $# = 1 ] || { _holdfast_usage 'release_git_lock FILE'; return; }
	_holdfast_absolute "$1"
	if _holdfast_find "$_holdfast_file"; then
		_holdfast_give "$_holdfast_file"
		_holdfast_log DEBUG "Released git lock (flock): $1"
	else
		_holdfast_log WARN "This shell has no git lock to release: $1"
	fi
}

# with_lock LOCK COMMAND [ARGUMENT…]: returns COMMAND's status, or lock-run's (75: busy) if it was
# not run. Under set -e a COMMAND that fails ends the shell, and so the lock.
with_lock() {
	[ $# -ge 2 ] || { _holdfast_usage 'with_lock LOCK COMMAND [ARGUMENT…]'; return; }
	_holdfast_absolute "$1"
	shift
	if _holdfast_find "$_holdfast_file"; then
		"$@"
		return
	fi
	_holdfast_take "$_holdfast_file" "${HOLDFAST_TIMEOUT:-10}" || return
	_holdfast_under "$_holdfast_file" "$@"
}

# Run COMMAND, and release FILE's lock.
_holdfast_under() {
	_holdfast_run "$@"
	set -- $? "$1"
	! _holdfast_find "$2" || _holdfast_give "$2"
	return "$1"
}

_holdfast_run() {
	shift
	"$@"
}

# ------------------------------------------------------------------------------------------------
# Locks whose existence is the lock

# Set _holdfast_judged to the line that lock-break OPTION prints for PATH.
_holdfast_judge() {
	_holdfast_judged=$(_holdfast_tool lock-break "$@") || :
}

# detect_stale_lock PATH [SECS=300]: returns 0 if PATH is a PID file, a dotlock or a lock directory
# with a file `pid`, and its owner is dead; or it names no owner, no process uses it, and it is
# older than SECS. Returns 1 if it is held, cannot be judged, or does not exist.
detect_stale_lock() {
	case $# in
	1 | 2) _holdfast_judge --dry-run --json --stale-after "${2:-300}" -- "$1" ;;
	*)
		_holdfast_usage 'detect_stale_lock PATH [SECS]'
		return
		;;
	esac
	case $_holdfast_judged in
	*'"state":"stale"'*) _holdfast_log WARN "Stale lock detected: $1" ;;
	*) return 1 ;;
	esac
}

# clean_stale_lock PATH [SECS=300]: moves it into .holdfast-quarantine beside it. Returns 0 if it
# did, 1 if there was nothing stale.
clean_stale_lock() {
	case $# in
	1 | 2) _holdfast_judge --json --stale-after "${2:-300}" -- "$1" ;;
	*)
		_holdfast_usage 'clean_stale_lock PATH [SECS]'
		return
		;;
	esac
	case $_holdfast_judged in
	*'"state":"moved"'*) _holdfast_log INFO "Successfully cleaned stale lock: $1" ;;
	*) return 1 ;;
	esac
}

# ------------------------------------------------------------------------------------------------
# Other functions that such libraries have.

# validate_severity WORD: prints 1 to 5; 3 for what is neither that nor low, medium, high, critical.
validate_severity() {
	case ${1-} in
	[1-5]) echo "$1" ;;
	low) echo 2 ;;
	high) echo 4 ;;
	critical) echo 5 ;;
	*) echo 3 ;;
	esac
}

# validate_confidence WORD: prints a number from 0 to 1; 0.7 for what is neither that nor low,
# medium, high.
validate_confidence() {
	case ${1-} in
	low) echo 0.3 ;;
	medium) echo 0.6 ;;
	high) echo 0.85 ;;
	*[!0-9.]* | *.*.* | *.) echo 0.7 ;;
	0 | 1 | 0.*) echo "$1" ;;
	1.*[!0]*) echo 0.7 ;;
	1.*) echo "$1" ;;
	*) echo 0.7 ;;
	esac
}

# For the scripts that a bash script starts.
if [ -n "${BASH_VERSION-}" ]; then
	export _holdfast_bin
	# shellcheck disable=SC3045
	export -f write_atomic append_atomic sqlite_with_retry escape_sql acquire_git_lock \
		release_git_lock with_lock detect_stale_lock clean_stale_lock validate_severity \
		validate_confidence _holdfast_tool _holdfast_say _holdfast_usage _holdfast_log \
		_holdfast_text _holdfast_failed _holdfast_absolute _holdfast_self _holdfast_find \
		_holdfast_free _holdfast_open _holdfast_close _holdfast_take _holdfast_give \
		_holdfast_under _holdfast_run _holdfast_judge
fi
