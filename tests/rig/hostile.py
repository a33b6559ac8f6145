#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""hostile.py [-a] [-t TOOL] [-n NAME] [-p PLANT] [-s SCENE] [-l] [-v] PAGE

The hostile neighbour, as a table: every tool, every name beside its target, everything that another
user can put there, in every kind of directory. PAGE (docs/security.md) has the table of the cells
that end otherwise than with 0. Needs root and a mount namespace; the users are of that namespace
only.

    -a      every cell; else a sample in which each pair of a tool, a name, a plant and a scene is
    -t, -n, -p, -s  only what fits this pattern (fnmatch); of a scene: DIRECTORY/CALLER
    -l      list the cells
    --names compare the names that the tools use, as strace(1) sees them, with the page's table
    -v      report every cell

In each cell the following must hold:

    H1  The call does its work and exits with 0; or with the status that PAGE says, and changes
        nothing. Never with 75: trying again cannot help.
    H2  It ends within its -w and a second.
    H3  That user receives no content of the record, by no file, link, FIFO or socket; and no
        content of that user's comes into the target.
    H4  The target of a planted link is neither changed nor created. The tool's target is open to
        no more users than before.
    H5  No file is left but the planted ones.

Where the planter may write the target (a scene that is `trusted`), a lock or a forged spool of
theirs may cost more: they could do the same to the target. There only the end within the time and
the whole record are judged. So it is with an index.lock such as Git makes: it is a lock.
"""

import argparse
import fnmatch
import itertools
import json
import os
import random
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from hostile_cell import BOTH, CALLERS, EVE, PLANTS, SCENES, Cell
from hostile_planter import Remote
from hostile_stores import tools
from hostile_tools import Wrong
from hostile_world import check_names, enter, make_templates

WORKERS = 2
TRIES = 3  # of a cell that ran over its time: the machine may have been busy


def cells():
    for tool in tools():
        inside = tool.in_repository
        for name, _ in tool.names:
            for plant in PLANTS:
                if not plant.fits(name) or \
                        (plant.kind == "nothing" and name != tool.names[0][0]):
                    continue
                for scene in SCENES:
                    if scene.repository != inside:
                        continue
                    for caller in CALLERS:
                        if scene.name == "not theirs to write" and plant.kind != "nothing":
                            continue
                        yield Cell(tool, name, plant, scene, caller)


def sample(everything):
    """Cells in which each pair of factors is that is a pair in any."""
    def pairs_of(cell):
        return frozenset(itertools.combinations(enumerate(cell.factors()), 2))

    shuffled = [(cell, pairs_of(cell)) for cell in everything]
    random.Random(1).shuffle(shuffled)
    wanted = set().union(*(pairs for _, pairs in shuffled))
    for least in (6, 4, 2, 1):
        for cell, pairs in shuffled:
            if len(pairs & wanted) >= least:
                wanted -= pairs
                yield cell


class Row:
    """A row of the page: cells that end otherwise."""

    def __init__(self, line, columns):
        self.line, self.met = line, False
        self.patterns = [[word.strip() for word in re.split(r"; ", column)]
                         for column in columns[:4]]
        self.status = int(re.match(r"\d+", columns[4]).group())

    def matches(self, cell):
        factors = cell.factors()
        return all(any(word == "any" or fnmatch.fnmatch(factor, word) or
                       (i == 3 and fnmatch.fnmatch(cell.scene.name, word)) for word in words)
                   for i, (factor, words) in enumerate(zip(factors, self.patterns)))


def read_page(path):
    rows, inside = [], False
    with open(path, encoding="utf-8") as page:
        for line in page:
            inside = inside and not line.startswith("#") or "<!-- hostile -->" in line
            columns = [column.strip().replace("`", "") for column in line.strip().split("|")[1:-1]]
            if inside and len(columns) == 6 and columns[4][:1].isdigit():
                rows.append(Row(line.strip(), columns))
    return rows


def expected(rows, cell):
    for row in rows:
        if row.matches(cell):
            return row.status
    return 0


def try_cell(cell, base, planter, rows):
    """"void", "ok", or what is wrong."""
    for attempt in range(TRIES):
        try:
            if not cell.prepare(f"{base}.{attempt}", planter):
                return "void"
            cell.try_it(planter, expected(rows, cell))
            return "ok"
        except Wrong as wrong:
            said = cell.err.decode(errors="replace").split("\n")[0]
            if not str(wrong).startswith("H2: it has taken") or attempt == TRIES - 1:
                return f"{wrong}" + (f"\n        {said}" if said else "")
        finally:
            planter.collect()
            cell.clean()
    return None


def work(number, chosen, rows, out):
    planter = Remote(EVE, EVE, [BOTH])
    for i, cell in enumerate(chosen):
        begun = time.monotonic()
        try:
            result = try_cell(cell, f"/mnt/scene/{number}.{i}", planter, rows)
        except Exception as error:  # the rig itself: reported as the cell's result
            result = f"the rig: {error!r}"
            cell.clean()
        out.write(json.dumps([str(cell), result, getattr(cell, "status", None),
                              round(time.monotonic() - begun, 2)]) + "\n")
        out.flush()
    planter.close()


def run(chosen, rows, verbose):
    """The results, of all workers."""
    pipes = []
    for number in range(WORKERS):
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(read)
            with open(write, "w", encoding="utf-8") as out:
                work(number, chosen[number::WORKERS], rows, out)
            os._exit(0)
        os.close(write)
        pipes.append(open(read, encoding="utf-8"))
    results = {}
    for pipe in pipes:
        for line in pipe:
            name, result, status, seconds = json.loads(line)
            results[name] = result
            if verbose:
                print(f"{seconds:5.2f} s, {status}: {name}: {result}", flush=True)
    for _ in pipes:
        if os.wait()[1] != 0:
            results["a worker"] = "it has failed"
    return results


def choose(args, rows):
    patterns = (args.tool, args.name, args.plant, args.scene)

    def fits(cell):
        return all(fnmatch.fnmatch(factor, pattern)
                   for factor, pattern in zip(cell.factors(), patterns))

    everything = list(cells())
    chosen = list(filter(fits, everything if args.all else sample(everything)))
    everything = list(filter(fits, everything))
    names = {str(cell) for cell in chosen}
    for row in rows:
        fitting = [cell for cell in everything if row.matches(cell)]
        if fitting and not any(str(cell) in names for cell in fitting):
            chosen.append(fitting[0])
            names.add(str(fitting[0]))
    return chosen


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-a", "--all", action="store_true")
    for short, long in (("-t", "--tool"), ("-n", "--name"), ("-p", "--plant"), ("-s", "--scene")):
        parser.add_argument(short, long, default="*")
    parser.add_argument("-l", "--list", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--names", action="store_true")
    parser.add_argument("page")
    args = parser.parse_args()
    args.page = os.path.realpath(args.page)
    rows = read_page(args.page)
    chosen = choose(args, rows)
    if args.list:
        print(*chosen, sep="\n")
        return 0
    enter()
    Cell.made, Cell.dead = "/mnt/scene/made", 0
    with subprocess.Popen(("true",)) as ended:
        Cell.dead = ended.pid
    make_templates(Cell.made)
    if args.names:
        return check_names(args.page)
    results = run(chosen, rows, args.verbose)
    wrong = {name: result for name, result in results.items() if result not in ("ok", "void")}
    for name, result in sorted(wrong.items()):
        print(f"{name}\n    {result}")
    tried = {str(cell): cell for cell in chosen if results.get(str(cell)) != "void"}
    idle = [row for row in rows if any(row.matches(cell) for cell in chosen) and
            not any(row.matches(cell) for cell in tried.values())]
    for row in idle:
        print(f"no cell is what the page says: {row.line}")
    void = sum(result == "void" for result in results.values())
    print(f"{len(results) - void} cells, {len(wrong)} wrong, {void} where nothing could be planted")
    return 1 if wrong or idle or len(results) < len(chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
