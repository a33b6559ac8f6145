#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Print every message that the C files and shell scripts named can give, one a line, sorted.

An inserted value is printed as "…". Advice is left out, and so is the text of the system.
"""

import re
import sys

# Which argument is the format.
FORMAT = {
    "hf_fail": 2,
    "hf_fail_errno": 1,
    "hf_fail_errno_as": 2,
    "hf_cli_usage": 1,
    "hf_cli_notice": 1,
    "hf_record_locks_report": 1,
    "hf_notice": 0,
    "hf_wait_notice_say": 1,
    "snprintf": 2,  # where it is the notice of a wait
}
CALL = re.compile(r"\b(%s)\s*\(" % "|".join(FORMAT))
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|/\*.*?\*/|.', re.S)
CONVERSION = re.compile(r"%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|j|z|t|L)?[a-zA-Z]")

# The same in shell: fail STATUS "message", and without a status.
SHELL_CALL = re.compile(
    r"\b(?:_holdfast_(say|usage)|fail|warn|note|usage)\s+(?:\d+\s+)?(\"(?:[^\"\\]|\\.)*\"|'[^']*')")
EXPANSION = re.compile(r"\$(?:\w+|\{[^}]*\}|\([^)]*\))")


def arguments(text):
    """The arguments of the call after whose parenthesis text begins, as lists of tokens."""
    found, depth = [[]], 0
    for token in TOKEN.findall(text):
        if token in ")]}" and depth == 0:
            return found
        if token == "," and depth == 0:
            found.append([])
            continue
        depth += (token in "([{") - (token in ")]}")
        found[-1].append(token)
    return found


def strings(tokens):
    """The string literals among the tokens; adjacent ones, with or without a macro's name
    between them, as one."""
    found, gap = [], "?"
    for token in tokens:
        if not token.startswith('"'):
            gap += token
        elif re.fullmatch(r"\s*\w*\s*", gap):
            found[-1] += ("…" if gap.strip() else "") + token[1:-1]
            gap = ""
        else:
            found.append(token[1:-1])
            gap = ""
    return found


def messages(text):
    for call in CALL.finditer(text):
        listed = arguments(text[call.end():])
        where = FORMAT[call.group(1)]
        if where < len(listed):
            for string in strings(listed[where]):
                if call.group(1) == "snprintf" and not string.startswith("waiting for "):
                    continue
                plain = CONVERSION.sub("…", string.replace("%%", "%")).strip()
                yield re.sub(r"\\(.)", r"\1", plain)


def shell_messages(text):
    for call in SHELL_CALL.finditer(text):
        plain = EXPANSION.sub("…", call.group(2)[1:-1]).replace("\\", "")
        if plain != "usage: …":
            yield "usage: " + plain if call.group(1) == "usage" else plain


def main():
    found = set()
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            text = file.read()
            found.update((messages if name.endswith(".c") else shell_messages)(text))
    print("\n".join(sorted(found - {"…"})))


main()
