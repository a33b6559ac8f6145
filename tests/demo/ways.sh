# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2016,SC2034,SC2154
#
# The ways to do the same: three steps each by itself, or a whole record as one. Each step finds
# $name, $note and $line set, works in the directory that all recorders share, and returns 0 if it
# is to count as recorded. The demo shows these lines as they stand here.

# Set kinds to the steps of a way. (Not by a command substitution: the killer may kill that.)
steps_of() {
	kinds=(note line count)
	case $1 in
	pipeline | byhand) kinds=(record) ;;
	esac
}

holdfast_note() {
	atomic-write notes/"$name" <<<"$note"
}
holdfast_line() {
	atomic-append -t "$line" ledger
}
holdfast_count() {
	atomic-update count awk '{ print $1 + 1 }'
}

adhoc_note() {
	cat >notes/"$name" <<<"$note"
}
adhoc_line() {
	cp ledger ledger.tmp && echo "$line" >>ledger.tmp && mv ledger.tmp ledger
}
adhoc_count() {
	n=$(cat count) && echo $((n + 1)) >count
}

pipeline_record() {
	atomic-record -q -w 60s --sqlite db --git repo -m "record $name" \
		--if-match absent --write repo/notes/"$name"=/dev/fd/4 \
		--append repo/ledger=/dev/fd/5 -p name="$name" \
		--sql 'INSERT INTO t VALUES (:name)' 4<<<"$note" 5<<<"$line"
	(($? < 2)) # 1: the note is there, and so is all else
}

byhand_record() {
	(
		flock 9
		[ ! -e repo/notes/"$name" ] || exit 0
		cat >repo/notes/"$name" <<<"$note"
		echo "$line" >>repo/ledger
		sqlite3 db "INSERT INTO t VALUES ('$name')"
		git -C repo add notes/"$name" ledger
		git -C repo commit -qm "record $name"
		true
	) 9>lock
}
