/* SPDX-License-Identifier: ISC */
/*
 * The keeper's protocol (keeperd/keeper_start.h).
 *
 * A STARTER (lock-acquire) makes the KEEPER, which takes the lock, says so, and serves until it is
 * over. The starter may be killed at any step, the OWNER at any time. A RELEASER asks once the
 * handle is known. BORROWERS, below the owner, ask for a copy of the descriptor and work under it.
 * RIVALS want the lock. One lock, by flock(2): it is held as long as a copy of the description that
 * took it is open. Every atomic step is one system call.
 *
 * Asserted:
 *	- never two processes work, and none works without the lock (keeperd/K6);
 *	- after "released" the keeper holds nothing (keeperd/K3);
 *	- the keeper releases only a lock that is over (no lock lost);
 *	- a dead process does not wait: the keeper of a dead starter leaves the queue
 *	  (keeperd/K2);
 *	- in the end, if the keeper still holds, its owner lives, the handle is known, and no
 *	  process has asked for release (keeperd/K2, keeperd/K4: no lock left indefinitely); and
 *	  if the keeper is gone, the lock is free.
 *
 * Errors to be found: -DNO_PARENT_CHECK (no check whether the starter died before its death
 * could be reported), -DNO_LEAVE (the keeper is on its own once it has said that it holds),
 * -DSAY_FIRST (it says "released", and then releases), -DUNLOCK (a lent descriptor is unlocked, not
 * closed).
 */

#ifndef B
#define B 2
#endif
#define R 2

bool starter = true, owner = true, keeper = false;	/* alive */
bool told = false;	/* the keeper learns of the starter's death (PR_SET_PDEATHSIG) */
bool answered = false;	/* it was said that the lock is held */
bool known = false;	/* the handle is printed */
bool left = false;	/* the keeper has learned so */
bool asked = false, replied = false;
bool serving = false;
byte copies = 0;	/* of the description that the keeper took the lock by */
bool locked = false;	/* that description holds it */
bool kept = false;	/* the keeper has its copy */
byte rival = 255;	/* another process that has the lock */
bool forever = false;	/* a rival does not give it back */
byte working = 0;
byte ended = 0;

#define FREE (!locked && rival == 255)
#define OVER (!owner || asked || (!starter && !left))

inline give_back()
{
	atomic {
		assert(OVER);
		kept = false;
		copies--;
#ifdef UNLOCK
		locked = false
#else
		if :: copies == 0 -> locked = false :: else fi
#endif
	}
}

proctype Keeper()
{
	bool dies = false;

	told = true;
#ifndef NO_PARENT_CHECK
	if :: !starter -> goto end :: else fi;
#else
	/* only a death from here on is reported */
	if :: !starter -> told = false :: else fi;
#endif
	/* waits in the queue, until the starter's death is reported */
end_waits:
	if
	:: atomic { FREE -> locked = true; kept = true; copies = 1 }
	:: told && !starter -> goto end
	fi;
	told = false;
#ifndef NO_PARENT_CHECK
	if :: !starter -> give_back(); goto end :: else fi;
#endif
	serving = true;
	answered = true;
end_serve: /* it may sleep indefinitely */
	do
	:: !owner -> break
	:: asked -> break
#ifndef NO_LEAVE
	:: !starter && !left -> break
#endif
	od;
	serving = false;
#ifdef SAY_FIRST
	if :: asked -> replied = true :: else fi;
	give_back();
#else
	give_back();
	if :: asked -> replied = true :: else fi;
#endif
end:
	keeper = false
}

/* Killed anywhere, or at its end. */
proctype Starter()
{
	keeper = true;
	run Keeper();
end_waits:
	if
	:: answered
	:: !keeper && !answered -> goto end
	:: goto end
	fi;
	if :: known = true :: goto end fi;
	if :: left = true :: goto end fi;
end:
	starter = false
}

proctype Owner()
{
	if
	:: owner = false
	:: true
	fi
}

proctype Releaser()
{
end_waits:
	if
	:: known ->
		if
		:: atomic { serving -> asked = true };
			if
			:: replied -> assert(!kept)
			:: !keeper && !replied
			fi
		:: !keeper
		:: true /* it does not */
		fi
	:: !starter && !known
	fi
}

/* Below the owner: with the owner it may die, or work on. */
proctype Borrower()
{
	bool has = false;

	if
	:: atomic { serving && kept && owner -> copies++; has = true }
	:: true
	fi;
	if
	:: has ->
		atomic { working++; assert(locked && rival == 255) };
		atomic { assert(locked && rival == 255); working-- };
		atomic {
			copies--;
			if :: copies == 0 -> locked = false :: else fi
		}
	:: else
	fi;
	ended++
}

proctype Rival(byte me)
{
	if
	:: atomic { FREE -> rival = me };
		atomic { working++; assert(working == 1) };
		if
		:: working--; rival = 255
		:: forever = true;
end_holds:		false
		fi
	:: true
	fi;
	ended++
}

init {
	byte i = 0;

	atomic {
		run Starter();
		run Owner();
		run Releaser();
		do
		:: i < B -> run Borrower(); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < R -> run Rival(i); i++
		:: else -> break
		od
	}
	/* everything has happened that will */
	(timeout);
	assert(forever || (ended == B + R && rival == 255 && working == 0));
	assert(starter || serving || !keeper);
	assert(!kept || (owner && known && !asked));
	assert(keeper || !locked)
}
