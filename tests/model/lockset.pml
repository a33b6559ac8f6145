/* SPDX-License-Identifier: ISC */
/*
 * Lock sets with turnstiles and external locks (holdfast/lock.h, holdfast/lockset.h,
 * docs/lock-order.md).
 *
 * Two USERS take a file, a database and a repository as a set, which one names in the opposite
 * order of the other. NESTED has the repository, and then wants the database under it. A GIT is
 * `git commit -a`: it has index.lock while its hook waits for the database, by SQLite's own lock or
 * by the turnstile first. A WRITER writes to the database, and knows nothing of all this. With
 * -DFREEZE the users take the external locks too; without, they check that no process has them.
 *
 * A lock is its holder. Either the users may time out at any wait, or never; one of them, and the
 * Git, may be killed at any step. The kernel frees all but index.lock, which then is its dead
 * maker's: it is proved stale, and the holder of the turnstile moves it. Every atomic step is
 * one system call.
 *
 * Asserted:
 *	- no deadlock: all come to their end, whichever process dies, and then nothing is held;
 *	- a user who works holds every part of its set at that instant, and is alone;
 *	- no wait for an external lock while anything is held (lock/W1, lock/X1);
 *	- only a dead one's index.lock is moved, and that under the turnstile (lock/X2).
 *
 * Errors to be found: -DHOLD_AND_WAIT (the turnstiles are kept during a wait for an external lock),
 * -DBY_NAME (the order is that in which they are named), -DNO_REFUSAL (NESTED waits against the
 * order), -DKEEP_FOREIGN (with FREEZE: the database is kept during a wait for index.lock),
 * -DGO_ON (released locks are not taken again), -DBY_AGE (an index.lock is moved without
 * proof).
 */

#define USERS 2
#define NESTED USERS
#define GIT (USERS + 1)
#define WRITER (USERS + 2)
#define ALL (USERS + 3)
#define FREE 255

/* our own locks, in their order; and those of external programs */
#define OWN 3
#define DB_TURN 1
#define REPO_TURN 2
#define DB 0
#define INDEX 1

#ifndef ROUNDS
#define ROUNDS 2
#endif

byte own[OWN], foreign[2];
bool dead[ALL];
bool killed;  /* a user was */
bool hurried; /* there are deadlines */
byte working = 0;

/* What a user takes as the n-th. */
#ifdef BY_NAME
#define PART(n) (me == 0 -> (n) : OWN - 1 - (n))
#else
#define PART(n) (n)
#endif

#define HAS_ALL(who) (own[0] == (who) && own[1] == (who) && own[2] == (who))
#define HAS_NONE(who) (own[0] != (who) && own[1] != (who) && own[2] != (who) && \
	foreign[DB] != (who) && foreign[INDEX] != (who))
#define IS_STALE (foreign[INDEX] != FREE && dead[foreign[INDEX]])

#define MAY_DIE if :: atomic { me < USERS && !killed -> killed = true; goto died } :: true fi

inline give_back_own(who)
{
	if :: own[0] == who -> own[0] = FREE :: else fi;
	if :: own[1] == who -> own[1] = FREE :: else fi;
	if :: own[2] == who -> own[2] = FREE :: else fi
}

inline give_back(who)
{
	if :: foreign[DB] == who -> foreign[DB] = FREE :: else fi;
	if :: foreign[INDEX] == who -> foreign[INDEX] = FREE :: else fi;
	give_back_own(who)
}

proctype user(byte me)
{
	byte n = 0, busy, round = 0;

again:
	do
	:: n < OWN ->
		MAY_DIE;
		if
		:: atomic { own[PART(n)] == FREE -> own[PART(n)] = me; n++ }
		:: own[PART(n)] != FREE && hurried -> goto leave
		fi
	:: n == OWN -> break
	od;

	/* the foreign parts, at once */
	busy = DB;
	do
	:: busy <= INDEX ->
		MAY_DIE;
		atomic {
			if
			:: busy == INDEX && IS_STALE ->
				assert(own[REPO_TURN] == me);
				foreign[INDEX] = FREE
#ifdef BY_AGE
			:: busy == INDEX && foreign[INDEX] == GIT && !dead[GIT] ->
				assert(dead[foreign[INDEX]]);
				foreign[INDEX] = FREE
#endif
			:: foreign[busy] == FREE || foreign[busy] == me ->
#ifdef FREEZE
				foreign[busy] = me;
#endif
				busy++
			:: else -> goto in_the_way
			fi
		}
	:: else -> break
	od;

work:
	MAY_DIE;
	atomic {
		working++;
		assert(working == 1 && HAS_ALL(me));
#ifdef FREEZE
		assert(foreign[DB] == me && foreign[INDEX] == me)
#endif
	};
	if
	:: atomic { me < USERS && !killed -> killed = true; working--; goto died }
	:: atomic { assert(HAS_ALL(me)); working-- }
	fi;
	atomic {
		give_back(me);
		n = 0; busy = 0;
		round++;
		if :: round < ROUNDS -> goto again :: else -> goto end fi
	};

in_the_way:
#ifndef HOLD_AND_WAIT
#ifdef KEEP_FOREIGN
	atomic { give_back_own(me); n = 0 };
#else
	atomic { give_back(me); n = 0 };
	assert(HAS_NONE(me));
#endif
#endif
	MAY_DIE;
	/* that one alone */
	if
	:: foreign[busy] == FREE || (busy == INDEX && IS_STALE) ->
#ifdef GO_ON
		n = OWN;
		goto work
#else
		goto again
#endif
	:: foreign[busy] != FREE && hurried -> goto leave
	fi;

leave:
	atomic { give_back(me) };
	goto end;

died:
	/* index.lock stays */
	atomic {
		dead[me] = true;
		if :: foreign[DB] == me -> foreign[DB] = FREE :: else fi;
		give_back_own(me)
	};
end:
	skip
}

/* Against the order: what is free it may have, but it does not wait. */
proctype nested(byte me)
{
	atomic { own[REPO_TURN] == FREE -> own[REPO_TURN] = me };
#ifdef NO_REFUSAL
	atomic { own[DB_TURN] == FREE -> own[DB_TURN] = me };
#else
	atomic {
		if
		:: own[DB_TURN] == FREE -> own[DB_TURN] = me
		:: else
		fi
	};
#endif
	atomic { give_back(me) }
}

/* Does not wait for index.lock, as Git does not. */
proctype git(byte me)
{
	byte round = 0;

	do
	:: round < ROUNDS ->
		atomic {
			round++;
			if
			:: foreign[INDEX] == FREE -> foreign[INDEX] = me
			:: else -> goto next
			fi
		};
		if
		:: true -> atomic { own[DB_TURN] == FREE -> own[DB_TURN] = me }
		:: true
		:: goto died
		fi;
		atomic { foreign[DB] == FREE -> foreign[DB] = me };
		if :: true :: goto died fi;
		atomic {
			assert(foreign[DB] == me && foreign[INDEX] == me);
			foreign[DB] = FREE;
			give_back_own(me)
		};
		/* a rename: whose it is by then is not asked */
		atomic { assert(foreign[INDEX] == me); foreign[INDEX] = FREE };
next:
		skip
	:: else -> goto end
	od;
died:
	atomic {
		dead[me] = true;
		if :: foreign[DB] == me -> foreign[DB] = FREE :: else fi;
		give_back_own(me)
	};
end:
	skip
}

proctype writer(byte me)
{
	atomic { foreign[DB] == FREE -> foreign[DB] = me };
	foreign[DB] = FREE
}

init {
	byte i = 0;

	atomic {
		own[0] = FREE; own[1] = FREE; own[2] = FREE;
		foreign[DB] = FREE; foreign[INDEX] = FREE;
		if :: hurried = true :: true fi;
		do
		:: i < USERS -> run user(i); i++
		:: else -> break
		od;
		run nested(NESTED);
		run git(GIT);
		run writer(WRITER)
	}
	_nr_pr == 1;
	assert(working == 0);
	assert(own[0] == FREE && own[1] == FREE && own[2] == FREE && foreign[DB] == FREE);
	assert(foreign[INDEX] == FREE || dead[foreign[INDEX]])
}
