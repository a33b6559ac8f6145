# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2154
#
# What the hooks have in common. The hook sets $hook and $index before it uses this.
#
# How a hook waits. Git's index.lock may be held by the very `git commit` that runs the hook, and a
# script may have taken Git's lock around it (lock-run --git). SQLite comes before Git, everywhere:
# who holds Git's lock and waits for a database can stand still against a recorder that has them in
# the right order. So
#
#   K1  a hook tries without waiting, and waits only if that Git holds no index.lock;
#   K2  a tool that refuses to wait because a Git lock is inherited counts as busy, no more;
#   K3  what is busy is left as it is, with a warning: no commit fails for the order of locks;
#   K4  no lock is held when the hook ends.

# Names of files are names, and no patterns.
export GIT_LITERAL_PATHSPECS=1

warn() {
	printf '%s\n' "$hook: $1" >&2
}

advise() {
	printf '  %s\n' "$1" >&2
}

# Git has judged the repository before it runs a hook (safe.directory). Whoever runs one by hand is
# told what Git says, and nothing of that repository's configuration counts.
git rev-parse --git-dir >/dev/null || exit 77

# The commit, or push, is refused.
refuse() {
	exit 1
}

# Run a tool that is about a database, or about this repository by name: Git has told its hooks by
# variables which index and repository they are in, and no other is to be taken for that.
clean() (
	# shellcheck disable=SC2046
	unset $(git rev-parse --local-env-vars)
	exec "$@"
)

# Does the Git that runs this hook hold index.lock? `commit -a` has the new index there, and
# `commit -- PATH` in next-index-PID.lock beside it.
git_holds_index() {
	case ${index##*/} in
	*.lock) return 0 ;;
	*) return 1 ;;
	esac
}

# try TOOL ARGUMENT…: K1 and K2. What it prints, on either output, is in $said.
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

# The database that the configuration names, as a path from here; empty if there is none.
configured_database() {
	database=$(git config --type=path holdfast.database) || return 1
	[ -n "$database" ] && [ -e "$database" ]
}

# This repository, for a tool that is told by --git.
this_repository() {
	if [ -e .git ]; then
		echo .
	else
		git rev-parse --absolute-git-dir
	fi
}

# Is there a record that is committed to $database and not yet to Git? 0 there is one; 1 there is
# none, or it could not be seen, which is said.
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
