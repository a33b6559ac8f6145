/* SPDX-License-Identifier: ISC */
/*
 * Replacing a file by one that was made from its content (atomic/publish.h, hf_publish_exchange()),
 * while another program, which takes no lock, moves that file away, puts its own one there, or
 * both. The first may be killed at any step; then the next run removes the temporary name.
 *
 * A file is a set of records: OLD of the file that is replaced, NEW of the one that replaces it,
 * and THEIRS of the other program's. Each step is one system call.
 *
 * Asserted:
 *	- a log that was moved away does not come back: the old records are not under two names.
 *	  This can only happen if the other program has put a file there as well, all in the last
 *	  instant, and the first is killed before it has put that back;
 *	- if the first begins again, the other program's file is there, and the new records nowhere.
 *
 * Errors to be found: -DRENAME (by a rename, after a last look), -DNO_CHECK (it is not looked at
 * what was exchanged), -DNOT_BACK (what was exchanged is removed whatever it is).
 */

#define NONE 0
#define OLD 1
#define NEW 2
#define THEIRS 3
#define HAS_OLD(f) ((f) == OLD || (f) == NEW)

byte path = OLD, tmp = NEW, moved = NONE;
bool put = false;      /* the other program has put its file there */
bool killed = false, done = false, overtaken = false;
byte t;

inline exchange()
{
	atomic { t = path; path = tmp; tmp = t; t = NONE }
}

/* A log that is rotated must not be under the target's name as well. */
#define COMES_BACK (HAS_OLD(moved) && HAS_OLD(path))

proctype replacer()
{
	{
	if
	:: path != OLD -> goto other
	:: else
	fi;
#ifdef RENAME
	atomic { path = tmp; tmp = NONE };
	done = true;
	goto end;
#endif
	atomic {
		if
		:: path == NONE -> goto other
		:: else -> exchange()
		fi
	};
#ifndef NO_CHECK
	if
	:: tmp == OLD
	:: else ->
#ifndef NOT_BACK
		atomic {
			if
			:: path == NONE -> goto replaced /* it cannot be given back */
			:: else -> exchange()
			fi
		};
		if
		:: tmp != NEW ->
			atomic { if :: path != NONE -> exchange() :: else fi }
		:: else
		fi;
#endif
		goto other
	fi;
#endif
replaced:
	tmp = NONE;
	done = true;
	goto end;
other:
	atomic { tmp = NONE; overtaken = true };
end:
	skip
	} unless { killed };
	skip
}

proctype program()
{
	if
	:: atomic { path != NONE -> moved = path; path = NONE }
	:: true
	fi;
	if
	:: atomic { path = THEIRS; put = true }
	:: true
	fi
}

proctype killer()
{
	if
	:: atomic { !done && !overtaken -> killed = true }
	:: true
	fi
}

init {
	atomic { run replacer(); run program(); run killer() }
	_nr_pr == 1;
	tmp = NONE; /* the next run */
	assert(!COMES_BACK || (killed && put));
	assert(!overtaken || (path != NEW && moved != NEW));
	assert(!overtaken || !put || path == THEIRS);
	assert(!overtaken || path == OLD || moved == OLD || put)
}
