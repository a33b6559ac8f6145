# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2016,SC2154
#
# The two ways to do the same three steps. Each step finds $name, $note and $line set, works in
# the directory that all recorders share, and returns 0 if the record is to count as recorded.
# The demo shows these lines as they stand here.

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
