# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2154
#
# Functions that the hooks share. The hook sets $hook and $index before it sources this file.
#
# How a hook waits. The `git commit` that runs the hook may hold index.lock, and a script may have
# taken Git's lock around it (lock-run --git). In the order of locks SQLite comes before Git: a
# process that holds Git's lock and waits for a database can deadlock with a recorder that takes
# them in the right order. So
#
#   K1  a hook tries without waiting, and waits only if that Git holds no index.lock;
#   K2  a tool that refuses to wait because it inherited a Git lock counts as busy;
#   K3  a busy database is left as it is, with a warning: no commit fails for the order of locks;
#   K4  the hook holds no lock when it exits.

# File names are names, not patterns.
export GIT_LITERAL_PATHSPECS=1

warn() {
	printf '%s\n' "$hook: $1" >&2
}

advise() {
	printf '  %s\n' "$1" >&2
}

# Git checks the owner of the repository before it runs a hook (safe.directory). If a user runs a
# hook by hand, git prints its refusal here, and the configuration of the repository is not used.
git rev-parse --git-dir >/dev/null || exit 77

# Refuse the commit, or push.
refuse() {
	exit 1
}

# Run a tool without the variables by which Git names its index and repository to a hook: the tool
# works on a database, or on the repository that its options name.
clean() (
	# shellcheck disable=SC2046
	unset $(git rev-parse --local-env-vars)
	exec "$@"
)

# Return 0 if the Git that runs this hook holds index.lock. `commit -a` has the new index there, and
# `commit -- PATH` in next-index-PID.lock beside it.
git_holds_index() {
	case ${index##*/} in
	*.lock) return 0 ;;
	*) return 1 ;;
	esac
}

# try TOOL ARGUMENT…: K1 and K2. Set $said to its output and error output.
try() {
	tool=$1
	shift
	said=$(clean "$tool" -n "$@" 2>&1 </dev/null)
	status=$?
	if [ $status = 75 ] && ! git_holds_index; then
		said=$(clean "$tool" "$@" 2>&1 </dev/null)
		status=$?
		[ $status != 64 ] || status=75
	fi
	return $status
}

# Set $database to the path that the configuration names. Return 1 if it is absent.
configured_database() {
	database=$(git config --type=path holdfast.database) || return 1
	[ -n "$database" ] && [ -e "$database" ]
}

# Print the path of this repository, for an option --git.
this_repository() {
	if [ -e .git ]; then
		echo .
	else
		git rev-parse --absolute-git-dir
	fi
}

# Return 0 if a record is committed to $database and not yet to Git; 1 if none is, or, with a
# warning, if that is unknown.
unfinished_record() {
	try atomic-record --recover --dry-run --sqlite "$database" --git "$(this_repository)"
	case $? in
	0) return 1 ;;
	1) return 0 ;;
	75)
		warn "'$database' is busy: cannot tell whether a record in it is unfinished"
		;;
	*)
		warn "cannot tell whether a record in '$database' is unfinished"
		advise "$said"
		;;
	esac
	return 1
}
