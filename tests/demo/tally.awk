# SPDX-License-Identifier: ISC
#
# awk -f tally.awk list journal/* ledger count notes/*
#
# Compares the acknowledged records with those that are there. Prints for notes, lines and counts:
#
#	KIND ACKNOWLEDGED FOUND LOST TORN DOUBLED UNASKED
#
# found	    acknowledged records that are there whole; a note counts as found if any attempt at it
#	    is there whole, since a later attempt may replace an earlier one
# lost	    acknowledged, and not found
# torn	    what is there and is no whole record
# doubled   one attempt is there twice
# unasked   whole records of attempts that were never acknowledged: in flight at a kill
#
# Files are read in one piece, so that a missing newline is seen.

BEGIN {
	RS = "\001"
}

FILENAME == "list" {
	count = split($0, entries, "\n") - 1
	for (i = 1; i <= count; i++) {
		split(entries[i], field, "\t")
		text[field[1]] = field[1] " " field[2] " " field[3] " " field[4]
		body[field[1]] = "# " field[1] " " field[2] "\n\n" field[4] "\n\nin: " field[3]
	}
}

FILENAME ~ /^journal\// {
	count = split($0, entries, "\n")
	for (i = 1; i <= count; i++) {
		if (split(entries[i], field, " ") != 5 || field[5] != ".")
			continue # cut short by death
		if (field[1] == "try")
			tried[field[2], field[4]] = field[3]
		else
			acknowledged[field[2], field[4]] = field[3]
	}
}

FILENAME == "ledger" {
	count = split($0, entries, "\n")
	if (entries[count] != "")
		torn["line"]++
	for (i = 1; i < count; i++) {
		id = entries[i]
		sub(/ .*/, "", id)
		name = tried["line", id]
		if (name == "" || entries[i] != id " " text[name] " " id)
			torn["line"]++
		else if (there["line", id]++)
			doubled["line"]++
	}
}

FILENAME == "count" {
	number_is = $0
}

FILENAME ~ /^notes\// {
	id = $0
	sub(/\n.*/, "", id)
	name = tried["note", id]
	if (FILENAME == "notes/" name && $0 == id "\n" body[name] "\n\n-- " id "\n")
		whole[name] = id
}

function add_up(kind, key, part) {
	for (key in tried) {
		split(key, part, SUBSEP)
		if (part[1] != kind)
			continue
		tries[kind]++
		if (key in acknowledged) {
			told[kind]++
			if (kind == "note" ? tried[key] in whole : key in there)
				found[kind]++
		} else if (kind == "note" ? whole[tried[key]] == part[2] : key in there)
			unasked[kind]++
	}
}

function print_row(kind) {
	print kind "s", told[kind] + 0, found[kind] + 0, told[kind] - found[kind], torn[kind] + 0,
		doubled[kind] + 0, unasked[kind] + 0
}

END {
	for (i = 1; i < ARGC; i++) {
		if (ARGV[i] ~ /^notes\/./ && !(substr(ARGV[i], 7) in whole))
			torn["note"]++
	}
	add_up("note")
	add_up("line")
	add_up("count")

	# The counter is one record for all: it shows how many, not which.
	if (number_is !~ /^[0-9]+\n$/)
		torn["count"] = 1
	n = number_is + 0
	found["count"] = n < told["count"] ? n : told["count"] + 0
	unasked["count"] = n > told["count"] ? n - told["count"] : 0
	if (n > tries["count"]) {
		doubled["count"] = n - tries["count"]
		unasked["count"] -= doubled["count"]
	}

	print_row("note")
	print_row("line")
	print_row("count")
}
