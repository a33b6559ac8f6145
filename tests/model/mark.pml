/* SPDX-License-Identifier: ISC */
/*
 * The mark of a record's append (lib/record/README.md): equal records, kills, a power cut, and
 * other programs that append to FILE, rotate it, and restore a copy of it.
 *
 * All lines are equal, so that no content shows whose line it is. Two recorders append one line
 * each. The first to be killed may be killed at any step. Another program appends a line under
 * FILE's lock, by a replacement, at any time. A third one moves FILE away, and a fourth puts a copy
 * of FILE, as it was at the start, in its place; neither locks. In the end a recorder runs that
 * is not disturbed.
 *
 * A file is an inode with a number of lines. A directory has three names: FILE, the rotated file,
 * and the mark. What is in the directory may reach the disk at any time, and does so at a sync. An
 * exchange that finds another file than the locked one is undone in the same step: the window in
 * which a kill may come in between is the one that lib/record/README.md describes.
 *
 * Asserted: in the end all files together have one line for each row, each line of the other
 * program, and those that were there, but for what the restored copy lacks; what was acknowledged
 * has its row; nothing is unfinished.
 *
 * Errors to be found: -DBY_CONTENT (done, if FILE has more lines than before), -DNO_MARK_SYNC (the
 * mark is not durable before the COMMIT), -DMARK_LATE (the mark is made after the COMMIT),
 * -DRENAME (a plain rename over FILE), -DUNLINK_FIRST (recovery removes the mark before it makes
 * its own), -DUSE_CONTENT (recovery takes what the mark has), -DFORGET_FIRST (the intent is deleted
 * before the rename is durable), -DOTHERS_CLEAN (the other program removes the mark), -DNO_CORRECT
 * (recovery does not say what it replaces), -DREPLACE_ABSENT (what has taken an absent FILE's name
 * is replaced).
 */

#define NONE 0
#define MOST 14

byte lines[MOST];
byte inodes = 1; /* the last that was made */
byte file = NONE, rotated = NONE, mark = NONE;
byte d_file = NONE, d_rotated = NONE, d_mark = NONE;
short d_wanted; /* of the lines that others have put into the directory as it is durable */

bool intent, d_intent;
byte seen, d_seen, seen_lines, d_seen_lines;
byte rows, d_rows, acked;

short wanted;	  /* lines that are there for other reasons than rows */
bool turn, flocked; /* flocked: FILE is locked, by its inode */
byte locked = NONE;
bool killed, cut;

inline sync_dir()
{
	d_file = file; d_rotated = rotated; d_mark = mark; d_wanted = wanted
}

inline sync_db()
{
	d_intent = intent; d_seen = seen; d_seen_lines = seen_lines; d_rows = rows
}

inline make_inode(n)
{
	inodes++; lines[inodes] = n
}

#define STEP(what)                                                                                 \
	atomic {                                                                                   \
		if                                                                                 \
		:: cut != born -> goto gone                                                        \
		:: else -> what                                                                    \
		fi                                                                                 \
	};                                                                                         \
	if                                                                                         \
	:: atomic { mortal && !killed -> killed = true }; goto died                                \
	:: true                                                                                    \
	fi

#define LINES_OF(inode) ((inode) == NONE -> 0 : lines[inode])

proctype recorder(bool mortal; bool records)
{
	byte mine, staged, old;
	bool born, finishing, own = false, over;

again:
	/* the turnstile, and FILE's lock; an absent FILE is looked at again */
	atomic {
		!turn && (file == NONE || locked != file);
		turn = true; locked = file; mine = file; born = cut
	};
	atomic {
		if
		:: cut != born -> goto gone
		:: else
		fi;
		if
		:: intent -> finishing = true
		:: !intent && records -> finishing = false; records = false
		:: else ->
			/* it was finished, by this recorder or the next one */
			if :: own -> acked++; own = false :: else fi;
			goto leave
		fi
	};
	if
	:: finishing -> goto recover
	:: else
	fi;

	STEP(make_inode(LINES_OF(mine) + 1); staged = inodes);
#ifndef MARK_LATE
	STEP(mark = staged);
#ifndef NO_MARK_SYNC
	STEP(sync_dir());
#endif
#endif
	STEP(rows++; intent = true; seen = mine; seen_lines = LINES_OF(mine); sync_db();
		own = true);
#ifdef MARK_LATE
	STEP(mark = staged);
#endif
	goto apply;

recover:
	atomic {
		if
		:: cut != born -> goto gone
		:: else
		fi;
		if
#ifdef BY_CONTENT
		:: LINES_OF(file) > seen_lines -> goto done
#else
		:: mark == NONE -> goto done
		:: mark != NONE && mark == seen -> mark = NONE; goto done
#endif
		:: else
		fi
	};
#ifndef USE_CONTENT
	STEP(make_inode(LINES_OF(mine) + 1); staged = inodes);
#ifndef NO_CORRECT
	if
	:: mine != seen -> STEP(seen = mine; seen_lines = LINES_OF(mine); sync_db())
	:: else
	fi;
#endif
#ifdef UNLINK_FIRST
	STEP(mark = NONE);
#endif
	STEP(mark = staged);
#endif

apply:
	over = false;
	if
	:: mine == NONE ->
		STEP(
			if
#ifdef REPLACE_ABSENT
			:: true -> file = mark; mark = NONE
#else
			:: file == NONE -> file = mark; mark = NONE
			:: else -> over = true
#endif
			fi)
	:: else ->
		STEP(over = (file != mine));
		if
		:: over -> skip
		:: else ->
#ifdef RENAME
			STEP(file = mark; mark = NONE)
#else
			STEP(
				if
				:: file == NONE -> over = true
				:: file != NONE && file != mine -> over = true
				:: else -> old = file; file = mark; mark = old
				fi);
			if
			:: over -> skip
			:: else -> STEP(mark = NONE)
			fi
#endif
		fi
	fi;
	if
	:: over ->
		/* all is given back, and it is done as recovery does it */
		atomic {
			if
			:: cut != born -> goto gone
			:: else -> if :: locked == mine -> locked = NONE :: else fi; turn = false
			fi
		};
		goto again
	:: else
	fi;

done:
#ifdef FORGET_FIRST
	STEP(intent = false; sync_db());
	STEP(sync_dir());
#else
	STEP(sync_dir());
	STEP(intent = false; sync_db());
#endif
	atomic {
		if
		:: cut != born -> goto gone
		:: else -> if :: own -> acked++; own = false :: else fi;
			if :: locked == mine -> locked = NONE :: else fi; turn = false
		fi
	};
	if
	:: finishing -> goto again
	:: else -> goto gone
	fi;

leave:
	/* a mark without an intent: the next record removes it */
	atomic {
		if
		:: cut == born ->
			if :: locked == mine -> locked = NONE :: else fi; turn = false
		:: else
		fi
	};
	goto gone;
died:
	atomic {
		if
		:: cut == born ->
			if :: locked == mine -> locked = NONE :: else fi; turn = false
		:: else
		fi
	};
gone:
	skip
}

/* Appends a line, and is never killed; what it does is durable at once. */
proctype other()
{
	byte at;

	atomic { file == NONE || locked != file; at = file };
	atomic {
		/* the lock, and its work under it, are one step here: other lockers wait */
		if
		:: file == at && (file == NONE || locked != file) ->
			make_inode(LINES_OF(file) + 1); file = inodes; wanted++;
#ifdef OTHERS_CLEAN
			mark = NONE;
#endif
			sync_dir()
		:: else
		fi
	}
}

proctype rotate()
{
	if
	:: atomic { file != NONE -> rotated = file; file = NONE }
	:: true
	fi
}

/* A copy, made when there was one line, is put in FILE's place. */
proctype restore()
{
	if
	:: atomic {
		file != NONE && lines[file] > 0 ->
		wanted = wanted + 1 - lines[file];
		make_inode(1); file = inodes; sync_dir()
	}
	:: true
	fi
}

proctype power()
{
	if
	:: true
	:: atomic {
		cut = true; turn = false; locked = NONE;
		if :: intent = d_intent; seen = d_seen; seen_lines = d_seen_lines; rows = d_rows
		:: true
		fi;
		if :: file = d_file; rotated = d_rotated; mark = d_mark; wanted = d_wanted
		:: true
		fi;
		sync_db(); sync_dir()
	}
	fi
}

init {
	atomic {
#ifndef ABSENT
		make_inode(1); file = inodes; wanted = 1;
#endif
		sync_dir();
		run recorder(true, true);
		run recorder(true, true);
#ifdef RESTORE
		run restore();
#else
		run rotate();
#endif
		run other();
		run power()
	}
	_nr_pr == 1;
	run recorder(false, false);
	_nr_pr == 1;
	assert(!intent);
	assert(acked <= rows);
	assert(LINES_OF(file) + LINES_OF(rotated) == wanted + rows)
}
