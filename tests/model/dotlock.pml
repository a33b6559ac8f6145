/* SPDX-License-Identifier: ISC */
/*
 * The dotlock's protocol (holdfast/lock_dot.h), and a breaker that follows its rule
 * (stale/lock_break.h).
 *
 * One PATH names an inode or nothing. CONTENDERS take it, work, and give it back, and then are gone
 * as a process that ends; one of them may be killed at any step, and if that is while it works, the
 * command that it runs lives on with the inherited lock. A BREAKER checks, and moves aside a lock
 * that it proves stale. With -DFOREIGN, in their place, a program breaks the rule: as
 * dotlockfile(1) does, it removes a stale record without locking it, makes its own, and removes any
 * file there.
 *
 * An inode is a record: its maker, and the process that has it locked. Each contender makes two at
 * most, one that it links and one more for a second try, and inode 0 is of a dead process. Every
 * atomic step is one system call.
 *
 * Asserted:
 *	- never two processes work (lock/D2, lock/D3);
 *	- while one works, PATH names its record (lock/D4, and the answer of hf_dot_lost());
 *	- in the end all that were not killed have worked, and no flock is left over.
 *
 * Errors to be found: -DNO_RECHECK (no check after the lock whether PATH still names it, nor of
 * the exchanged file), -DNO_FLOCK (judged without the lock), -DUNLINK (taken over by unlink and
 * link, after a judgement without the lock).
 */

#define N 3
#define BREAKER N
#define FOREIGNER (N + 1)
#define NOBODY 255
#define NONE 255
#define INODES (1 + 2 * N + 1)

byte path = 0;		  /* the inode that PATH names */
byte lock[INODES];	  /* the process that has it locked */
byte maker[INODES];	  /* the process whose PID the record has */
bool dead[N + 2];	  /* the process is gone */
bool killed = false;	  /* one at most */
byte working = 0;
byte done = 0;

inline unlock_all(who)
{
	byte k;
	k = 0;
	do
	:: k < INODES -> if :: lock[k] == who -> lock[k] = NOBODY :: else fi; k++
	:: else -> break
	od
}

/* The maker of inode i is dead: what evidence says. */
#define stale(i) (maker[i] == NOBODY || (maker[i] != NOBODY && dead[maker[i]]))

/* A process may be killed between any two calls. */
#ifdef FOREIGN
#define NAMED true /* the rule is broken: only two working processes are an error */
#else
#define NAMED (path == mine)
#endif

#define MAY_DIE if :: atomic { !killed -> killed = true }; goto died :: true fi

proctype contender(byte me)
{
	byte seen, mine, out, back, made = 0;

again:
	MAY_DIE;
	mine = 1 + 2 * me + made;
	/* look; link if there is nothing */
	atomic {
		if
		:: path == NONE -> goto make
		:: else -> seen = path
		fi
	}
	MAY_DIE;
#ifndef NO_FLOCK
	/* the kernel's queue */
	atomic { lock[seen] == NOBODY -> lock[seen] = me }
	MAY_DIE;
#endif
#ifndef NO_RECHECK
	atomic {
		if
		:: path != seen ->
			/* kept in truth, until PATH is given back: here it is let go */
			if :: lock[seen] == me -> lock[seen] = NOBODY :: else fi;
			goto again
		:: else
		fi
	}
	MAY_DIE;
#endif
	/* judge: a foreigner's lives until it is given back */
	atomic {
		if
		:: stale(seen)
		:: else ->
			if :: lock[seen] == me -> lock[seen] = NOBODY :: else fi;
			path != seen || stale(seen);
			goto again
		fi
	}
	MAY_DIE;
	/* take over: the new record is locked before it has a name */
	atomic {
		assert(made < 2);
		maker[mine] = me;
		lock[mine] = me
	}
	MAY_DIE;
#ifdef UNLINK
	path = NONE;
	MAY_DIE;
	atomic {
		if
		:: path == NONE -> path = mine; goto work
		:: else -> lock[mine] = NOBODY; goto again
		fi
	}
#else
	atomic {
		if
		:: path == NONE -> /* nothing to exchange it with */
			lock[mine] = NOBODY;
			if :: lock[seen] == me -> lock[seen] = NOBODY :: else fi;
			goto again
		:: else -> out = path; path = mine
		fi
	}
	MAY_DIE;
#ifndef NO_RECHECK
	if
	:: out != seen ->
		/* not the judged one: put it back; and if it was released since, and
		 * another process has taken PATH, undo that */
		atomic {
			if
			:: path == NONE -> out = mine
			:: else -> back = path; path = out; out = back
			fi
		}
		MAY_DIE;
		atomic {
			if
			:: out != mine && path != NONE -> back = path; path = out; out = back
			:: else
			fi
		}
		MAY_DIE;
		atomic {
			lock[mine] = NOBODY;
			made++;
			if :: lock[seen] == me -> lock[seen] = NOBODY :: else fi;
			if :: made < 2 -> goto again :: else -> goto gave_up fi
		}
	:: else
	fi;
#endif
	goto work;
#endif

make:
	/* lock/D1: complete in one step, if no other process was quicker */
	atomic {
		if
		:: path == NONE -> maker[mine] = me; lock[mine] = me; path = mine
		:: else -> goto again
		fi
	}

work:
	atomic {
		working++;
		assert(working == 1);
		assert(NAMED)
	}
	/* killed here, the command may go on with the lock that it has inherited */
	if
	:: atomic { !killed -> killed = true; dead[me] = true };
		goto orphan
	:: true
	fi;
	atomic {
		assert(NAMED);
		working--
	}
	MAY_DIE;
	/* give back: look, remove, close */
	atomic {
		if :: path == mine -> path = NONE :: else fi
	}
	MAY_DIE;
	atomic { unlock_all(me); done++; dead[me] = true };
	goto end;

orphan:
	/* the command works under the inherited lock; PATH stays as it is */
	atomic {
		assert(NAMED);
		working--;
		unlock_all(me)
	};
	goto end;

gave_up:
	atomic { unlock_all(me); done++; dead[me] = true };
	goto end;

died:
	atomic { unlock_all(me); dead[me] = true };
end:
	skip
}

/* lock-break. */
proctype breaker()
{
	byte seen;
	byte n = 0;

	do
	:: n < 2 ->
		n++;
		seen = path;
		if
		:: seen == NONE -> skip
		:: else ->
			if
			:: atomic { lock[seen] == NOBODY -> lock[seen] = BREAKER };
#ifndef NO_RECHECK
				if
				:: path == seen && stale(seen) ->
#else
				if
				:: stale(seen) ->
#endif
					/* a rename: what PATH names by now */
					atomic {
						if :: path != NONE -> path = NONE :: else fi
					}
				:: else
				fi;
				lock[seen] = NOBODY
			:: lock[seen] != NOBODY -> skip
			fi
		fi
	:: else -> break
	od
}

#ifdef FOREIGN
/* Removes a stale record without locking it, makes its own by link, and gives it back. */
proctype foreigner()
{
	byte mine = INODES - 1;

	if
	:: atomic { path == 0 -> path = NONE }
	:: true
	fi;
	if
	:: atomic { path == NONE -> path = mine; maker[mine] = FOREIGNER; working++;
		    assert(working == 1) };
		/* it removes what PATH names, without looking */
		atomic { working--; path = NONE };
	:: true
	fi
}
#endif

init {
	byte i = 0;

	atomic {
		do
		:: i < INODES -> lock[i] = NOBODY; maker[i] = NOBODY; i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < N -> run contender(i); i++
		:: else -> break
		od;
#ifdef FOREIGN
		killed = true;
		run foreigner();
#else
		run breaker();
#endif
	}
	/* no process waits indefinitely, and nothing stays locked */
	_nr_pr == 1;
	assert(working == 0);
#ifdef FOREIGN
	assert(done == N);
#else
	assert(done + killed == N);
#endif
	i = 0;
	do
	:: i < INODES -> assert(lock[i] == NOBODY); i++
	:: else -> break
	od
}
