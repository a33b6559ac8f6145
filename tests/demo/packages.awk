# SPDX-License-Identifier: ISC
#
# The installed packages of /var/lib/dpkg/status: name, version, section and summary, tabs between.

BEGIN {
	RS = ""
	FS = "\n"
	OFS = "\t"
}

/\nStatus: install ok installed/ {
	split("", value)
	for (i = 1; i <= NF; i++) {
		if ($i !~ /^[A-Z][A-Za-z-]*: ./)
			continue
		key = $i
		sub(/:.*/, "", key)
		value[key] = substr($i, length(key) + 3)
		gsub(/\t/, " ", value[key])
	}
	if (!seen[value["Package"]]++)
		print value["Package"], or_none(value["Version"]), or_none(value["Section"]),
			or_none(value["Description"])
}

function or_none(text) {
	return text == "" ? "none" : text
}
