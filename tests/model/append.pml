/* SPDX-License-Identifier: ISC */
/*
 * The group commit of appends (lib/append/README.md, lib/spool/README.md).
 *
 * N appenders have a record each. An appender that finds the target locked hands its record over,
 * and waits. An appender that gets the lock checks the state of its record, recovers the batch of a
 * dead leader, and leads. The first may be killed at any step, or fail. The second may time out; an
 * appender that learns that nothing was done may begin again with the same record. All replace the
 * target, except the one that -DIN_PLACE=WHO names: it writes after the target's end. In the end
 * one more appender runs, which is neither killed nor fails. With -DUPDATE another process replaces
 * the target by a copy once, as atomic-update does: under the target's lock, after recovery.
 *
 * A file is its content, as a set of records, and the process that has it locked. A file that no
 * process has open and that has no name is used again, as another file of the same number. The
 * directory has four names, of which the target's alone must be durable. Every atomic step is one
 * system call, or several of which no other process sees the parts. "Soon" is a lock that is tried
 * for a while: that may fail whenever another process has it.
 *
 * Asserted:
 *	- an acknowledged record is in the target, and would be after a power cut (append/P2);
 *	- no record is there twice, no acknowledged one goes, and none that was refused is there;
 *	- no record is in two leaders' hands (append/P1), and no process leads over a batch that is
 *	  not recovered (append/P3);
 *	- no process waits indefinitely: all that were not killed learn their outcome, and no lock
 *	  is left over.
 *
 * Errors to be found: -DDONE_FIRST (DONE is marked before the rename), -DNO_SYNC (or before the
 * directory is synced), -DPREPARED_LATE (PREPARED is marked after the rename), -DNO_SETTLE (a
 * dead leader's batch is discarded unchecked), -DJUST_GIVE_UP (an owner gives up without
 * withdrawing), -DCLOSED_LATE (owners are checked before CLOSED is marked), -DNO_JUDGE (they
 * are not checked), -DLOOK_ONCE (an owner that sees no leader's mark does not check the
 * state again), -DLATE_MARK (the leader's mark is taken after CLOSED is marked), -DUPDATE
 * -DONLY_LOCKS (the process that replaces the target does not recover).
 */

#ifndef N
#define N 3
#endif
#define ALL (N + 1)
#define FREE 255
#define NONE 255
#define NOBODY 254
#define DEAD 253
#ifdef UPDATE
#define FILES (ALL + 3)
#else
#define FILES (ALL + 2)
#endif
#define BIT(who) (1 << (who))

#ifndef IN_PLACE
#define IN_PLACE NONE
#endif

mtype = { OPEN, CLOSED, PREPARED, WRITING, DONE, ABANDONED }; /* WRITING: IN_PLACE */
mtype = { LOCKED, SETTLED, LATE };
mtype = { UNSETTLED }; /* the leader died: the holder of the target's lock decides */

/* files that are, were or will be the target */
byte path = 0, d_path = 0, tmp = NONE; /* the target's name, also as durable; the temporary one */
byte has[FILES], d_has[FILES];	       /* which records */
bool torn[FILES];		       /* a part of one after them */
byte flk[FILES];		       /* the process that has it locked */

/* spools */
byte spool = NONE, batch = NONE; /* names */
mtype state[FILES];
byte owned[FILES]; /* records whose owners want them */
byte in[FILES];	   /* records in the batch */
byte place[FILES]; /* WRITING, PREPARED: the target as it was */
byte fresh[FILES]; /* PREPARED: the new file */
byte sflk[FILES];
byte leader[FILES]; /* the process with the leader's mark */

/* what each appender has open */
byte target[ALL + 1], new[ALL + 1], ticket[ALL + 1], work[ALL + 1]; /* the last: -DUPDATE's */

byte acked, refused, unknown;
byte hands;		  /* records in a leader's hands */
byte victim = NONE;	  /* DEAD: the first was killed; NOBODY: it will not be */
bool hurried;		  /* a submitter has lost patience */

#define IS_NAMED(s) (spool == (s) || batch == (s))

/* An unreachable file is forgotten, and can be used again. */
inline forget()
{
	byte f, w;
	bool used, s_used;

	d_step {
		f = 0;
		do
		:: f < FILES ->
			used = f == path || f == d_path || f == tmp;
			s_used = f == spool || f == batch;
			w = 0;
			do
			:: w <= ALL ->
				used = used || target[w] == f || new[w] == f;
				s_used = s_used || ticket[w] == f || work[w] == f;
				w++
			:: else -> break
			od;
			if
			:: !used ->
				has[f] = 0; d_has[f] = 0; flk[f] = FREE;
				/* a batch does not take a later file of this number for it */
				w = 0;
				do
				:: w < FILES ->
					if :: place[w] == f -> place[w] = NONE :: else fi;
					if :: fresh[w] == f -> fresh[w] = NONE :: else fi;
					w++
				:: else -> break
				od
			:: else
			fi;
			if
			:: !s_used ->
				state[f] = 0; owned[f] = 0; in[f] = 0; place[f] = 0; fresh[f] = 0;
				sflk[f] = FREE; leader[f] = FREE
			:: else
			fi;
			f++
		:: else -> break
		od;
		f = 0; w = 0; used = false; s_used = false
	}
}

/* A spool that is free. */
inline new_spool(s)
{
	s = 0;
	do
	:: state[s] == 0 -> break
	:: else -> s++
	od
}

/* A new file with these records, locked. */
inline new_file(who, records)
{
	byte n, k;

	n = 0;
	do
	:: n < FILES ->
		k = 0;
		do
		:: k <= ALL && target[k] != n && new[k] != n -> k++
		:: else -> break
		od;
		if
		:: k > ALL && n != path && n != d_path && n != tmp -> break
		:: else -> n++
		fi
	od;
	has[n] = records;
	d_has[n] = records;
	flk[n] = who;
	new[who] = n;
	n = 0; k = 0
}

/* The target's name leads to another file. */
inline rename_to(f)
{
	assert((has[path] & ~has[f]) == 0);
	path = f
}

inline sync_directory()
{
	d_path = path
}

inline acknowledge(who)
{
	assert((d_has[d_path] & has[path]) & BIT(who));
	acked = acked | BIT(who)
}

/* Its owner's mark is taken off a record that was handed over. */
inline disown(who)
{
#ifndef NO_JUDGE
	owned[ticket[who]] = owned[ticket[who]] & ~BIT(who)
#else
	skip /* no process checks for it */
#endif
}

inline close_all(who)
{
	target[who] = NONE; new[who] = NONE; ticket[who] = NONE; work[who] = NONE;
	forget()
}

inline unlock_targets(who)
{
	if :: target[who] != NONE && flk[target[who]] == who -> flk[target[who]] = FREE :: else fi;
	if :: new[who] != NONE && flk[new[who]] == who -> flk[new[who]] = FREE :: else fi
}

/* A leader that dies has done nothing, unless it has marked that it might have. */
inline unlock_spools(who)
{
	if
	:: ticket[who] != NONE ->
		disown(who);
		if :: sflk[ticket[who]] == who -> sflk[ticket[who]] = FREE :: else fi
	:: else
	fi;
	if
	:: work[who] != NONE && sflk[work[who]] == who -> sflk[work[who]] = FREE
	:: else
	fi;
	if
	:: work[who] != NONE && leader[work[who]] == who ->
		if
		:: batch != work[who] || state[work[who]] == CLOSED ->
			hands = hands & ~in[work[who]]
		:: else
		fi;
		leader[work[who]] = FREE
	:: else
	fi
}

inline mark(what)
{
	state[work[me]] = what;
	if
	:: what == DONE || what == ABANDONED -> hands = hands & ~in[work[me]]
	:: else
	fi
}

/* Under the target's lock. Only a program that does not settle makes a target that is neither of
 * the two that a dead leader's batch names. */
inline settle_batch()
{
	if
	:: atomic { batch == NONE -> assert(tmp == NONE) }
	:: atomic { batch != NONE -> work[me] = batch };
		atomic {
			leader[work[me]] == FREE ->
				assert(batch == work[me]);
				leader[work[me]] = me
		};
#ifdef NO_SETTLE
		atomic { mark(ABANDONED) };
#else
		if
		:: state[work[me]] == PREPARED ->
			if
			:: path == fresh[work[me]] -> sync_directory(); atomic { mark(DONE) }
			:: path == place[work[me]] -> atomic { mark(ABANDONED) }
			:: else -> assert(false)
			fi
		:: state[work[me]] == WRITING ->
			assert(path == place[work[me]]);
			if
			:: torn[path] -> torn[path] = false; atomic { mark(ABANDONED) }
			:: !torn[path] && (has[path] & in[work[me]]) ->
				d_has[path] = has[path];
				atomic { mark(DONE) }
			:: else -> atomic { mark(ABANDONED) }
			fi
		:: state[work[me]] == DONE
		:: else -> atomic { mark(ABANDONED) }
		fi;
#endif
		tmp = NONE;
		batch = NONE;
		atomic { leader[work[me]] = FREE; work[me] = NONE; forget() }
	fi
}

proctype appender(byte me)
{
	mtype phase = 0, seen = 0;
	bool late = false, again = false, failed = false;

	{
	skip;
turn:
	atomic {
		unlock_targets(me);
		target[me] = path; new[me] = NONE; seen = 0; phase = 0;
		forget()
	};
	atomic {
		if
		:: flk[target[me]] == FREE -> flk[target[me]] = me; phase = LOCKED; goto look
		:: else -> if :: ticket[me] != NONE -> goto wait :: else fi
		fi
	};

publish:
	/* a new spool gets its name with the record in it */
	atomic {
		if
		:: spool == NONE ->
			new_spool(spool);
			state[spool] = OPEN;
			owned[spool] = BIT(me);
			ticket[me] = spool;
			goto wait
		:: else -> work[me] = spool
		fi
	};
	atomic {
		if
		:: sflk[work[me]] == FREE -> sflk[work[me]] = me
		:: else -> work[me] = NONE; forget(); goto wait
		fi;
		if
		:: IS_NAMED(work[me]) && state[work[me]] == OPEN ->
			owned[work[me]] = owned[work[me]] | BIT(me);
			ticket[me] = work[me]
		:: else
		fi
	};
	atomic {
		sflk[work[me]] = FREE;
		work[me] = NONE;
		forget();
		if :: ticket[me] == NONE -> goto publish :: else fi
	};

wait:
	if
	:: atomic { flk[target[me]] == FREE -> flk[target[me]] = me; phase = LOCKED; goto look }
	:: atomic {
		flk[target[me]] != FREE && (late || (me == 1 && !hurried)) ->
			late = true; hurried = true;
			goto give_up
	}
	fi;

settle:
	/* replaced while we waited? */
	atomic {
		if
		:: path != target[me] -> goto turn
		:: else
		fi
	};
	settle_batch();
	atomic { phase = SETTLED; goto look };

lead:
	/* take the spool, if it can be had */
	atomic {
		assert(batch == NONE && flk[path] == me);
		if
		:: spool == NONE -> goto no_spool
		:: else -> work[me] = spool
		fi
	};
	atomic {
		if
		:: sflk[work[me]] == FREE -> sflk[work[me]] = me
		:: else -> work[me] = NONE; forget(); goto no_spool
		fi
	};
	atomic {
		if
		:: !IS_NAMED(work[me]) || leader[work[me]] != FREE ->
			sflk[work[me]] = FREE; work[me] = NONE; forget();
			goto no_spool
		:: else
		fi;
#ifdef LATE_MARK
	};
#else
		leader[work[me]] = me
	};
#endif
	atomic {
		if
		:: state[work[me]] == OPEN ->
#ifdef CLOSED_LATE
			in[work[me]] = owned[work[me]]
#else
			mark(CLOSED)
#endif
		:: else -> leader[work[me]] = me; mark(ABANDONED); goto discard
		fi
	};
#ifdef LATE_MARK
	leader[work[me]] = me;
#endif
	sflk[work[me]] = FREE;
	/* judge */
	atomic {
#ifdef CLOSED_LATE
		mark(CLOSED);
#else
		in[work[me]] = owned[work[me]];
#endif
		assert((hands & in[work[me]]) == 0);
		hands = hands | in[work[me]];
		if :: ticket[me] == NONE || ticket[me] == work[me] -> goto gathered :: else fi
	};
	/* our own was handed over elsewhere */
	disown(me);
	atomic {
		if
		:: state[ticket[me]] == OPEN -> ticket[me] = NONE; forget()
		:: else -> mark(ABANDONED); goto leave_batch
		fi
	};
gathered:
	atomic {
		if
		:: ticket[me] == NONE ->
			assert((in[work[me]] & BIT(me)) == 0 && (hands & BIT(me)) == 0);
			in[work[me]] = in[work[me]] | BIT(me);
			hands = hands | BIT(me)
		:: else
		fi
	};
	atomic {
		if :: me == IN_PLACE -> goto in_place :: else fi;
		assert(batch == NONE); batch = work[me]; spool = NONE
	};
	/* the new file, locked, gets its temporary name */
	atomic {
		assert((has[path] & in[work[me]]) == 0);
		new_file(me, has[path] | in[work[me]]);
		assert(tmp == NONE);
		tmp = new[me]
	};
#ifndef PREPARED_LATE
	atomic { place[work[me]] = path; fresh[work[me]] = new[me]; mark(PREPARED) };
#endif
	if
	:: atomic { me == 0 && victim == NONE -> victim = NOBODY }; goto fail
	:: true
	fi;
#ifdef DONE_FIRST
	atomic { mark(DONE) };
#endif
	/* the names are exchanged; then the old file's goes */
	atomic { rename_to(new[me]); tmp = target[me] };
	tmp = NONE;
#ifdef PREPARED_LATE
	atomic { place[work[me]] = target[me]; fresh[work[me]] = new[me]; mark(PREPARED) };
#endif
#ifndef NO_SYNC
	sync_directory();
#endif
	atomic { mark(DONE) };
	goto leave_batch;

in_place:
	/* the batch says where it goes before it has its name */
	atomic {
		assert((has[path] & in[work[me]]) == 0);
		place[work[me]] = path;
		mark(WRITING)
	};
	atomic {
		assert(batch == NONE);
		batch = work[me];
		if :: spool == work[me] -> spool = NONE :: else fi
	};
#ifndef NO_SYNC
	sync_directory(); /* also of a process that replaced the target, and died */
#endif
	torn[path] = true;
	if
	:: atomic { me == 0 && victim == NONE -> victim = NOBODY; failed = true };
		torn[path] = false;
		atomic { mark(ABANDONED) };
		goto leave_batch
	:: true
	fi;
	atomic { torn[path] = false; has[path] = has[path] | in[work[me]] };
	d_has[path] = has[path];
	atomic { mark(DONE) };
	goto leave_batch;

fail:
	failed = true;
	atomic { mark(ABANDONED) };
	tmp = NONE;

leave_batch:
	/* it learns the outcome: the name goes, then the lock */
	atomic {
		if
		:: batch == work[me] -> batch = NONE
		:: else -> if :: spool == work[me] -> spool = NONE :: else fi
		fi
	};
	atomic {
		seen = state[work[me]];
		leader[work[me]] = FREE; work[me] = NONE;
		if
		:: seen == DONE -> ticket[me] = NONE; acknowledge(me)
		:: seen == ABANDONED && failed -> ticket[me] = NONE; refused = refused | BIT(me)
		:: else -> goto turn
		fi
	};
	goto leave;

discard:
	spool = NONE;
	atomic { sflk[work[me]] = FREE; leader[work[me]] = FREE; work[me] = NONE; forget() };

no_spool:
	if
	:: ticket[me] != NONE ->
		/* handed over into one that cannot be had */
		disown(me);
		atomic {
			if
			:: state[ticket[me]] == OPEN -> ticket[me] = NONE; forget()
			:: else -> goto turn
			fi
		}
	:: else
	fi;
	if
	:: me == IN_PLACE ->
		atomic {
			new_spool(work[me]);
			state[work[me]] = CLOSED;
			leader[work[me]] = me
		};
		goto gathered
	:: else
	fi;
	/* alone, no other process waits for the outcome */
	atomic {
		assert((has[path] & BIT(me)) == 0 && (hands & BIT(me)) == 0);
		new_file(me, has[path] | BIT(me));
		rename_to(new[me])
	};
	atomic {
#ifndef NO_SYNC
		sync_directory();
#endif
		acknowledge(me);
		goto leave
	};

give_up:
#ifdef JUST_GIVE_UP
	atomic {
		if :: ticket[me] != NONE -> disown(me) :: else fi;
		ticket[me] = NONE;
		forget();
		goto told_busy
	};
#endif
	phase = LATE;

look:
	/* what became of the record? No lock is needed to learn it */
	atomic {
		if
		:: ticket[me] == NONE -> seen = ABANDONED; goto looked
		:: else -> seen = state[ticket[me]]
		fi;
		if
		:: seen == DONE && !(in[ticket[me]] & BIT(me)) -> seen = ABANDONED; goto told
		:: seen == ABANDONED || (seen == DONE && (in[ticket[me]] & BIT(me))) -> goto told
		:: seen == OPEN && phase == LATE -> goto take_back
		:: seen == OPEN -> goto looked
		:: else
		fi
	};
	/* does its leader live? */
	atomic {
		if
		:: leader[ticket[me]] != FREE ->
			if
			:: phase == LATE -> goto taken
			:: else -> goto looked
			fi
		:: else
		fi
	};
	/* the mark goes after the state is final: what it is now, it stays */
	atomic {
#ifndef LOOK_ONCE
		seen = state[ticket[me]];
#endif
		if
		:: seen == CLOSED || (seen != CLOSED && !(in[ticket[me]] & BIT(me))) ->
			seen = ABANDONED
		:: else -> if :: seen != DONE && seen != ABANDONED -> seen = UNSETTLED :: else fi
		fi;
		if :: seen == UNSETTLED -> goto looked :: else -> goto told fi
	};
taken:
	/* it is waited for, or not any longer (79) */
	if
	:: atomic {
		state[ticket[me]] == DONE || state[ticket[me]] == ABANDONED ||
			leader[ticket[me]] == FREE -> goto look
	}
	:: atomic {
		disown(me); ticket[me] = NONE; unknown = unknown | BIT(me); forget();
		goto leave
	}
	fi;
take_back:
	disown(me);
	atomic {
		if
		:: state[ticket[me]] == OPEN ->
			/* the last to withdraw removes it */
			if
			:: owned[ticket[me]] == 0 && sflk[ticket[me]] == FREE &&
				spool == ticket[me] ->
				state[ticket[me]] = ABANDONED; spool = NONE
			:: else
			fi;
			seen = ABANDONED
		:: else -> goto look
		fi
	};
told:
	atomic {
		if
		:: seen == DONE -> ticket[me] = NONE; acknowledge(me); goto leave
		:: seen == ABANDONED -> disown(me); ticket[me] = NONE; forget()
		:: else
		fi
	};
looked:
	atomic {
		if
		:: phase == LOCKED -> goto settle
		:: phase == SETTLED -> goto lead
		:: phase == LATE && seen == ABANDONED -> goto told_busy
		:: else
		fi
	};
	/* the leader died with it: the next lock holder decides */
	atomic { flk[target[me]] == FREE -> goto turn };

told_busy:
	/* nothing was done; so the caller may begin again */
	if
	:: atomic { !again -> again = true; late = false; goto turn }
	:: atomic { refused = refused | BIT(me) }
	fi;

leave:
	atomic {
		unlock_targets(me);
		close_all(me);
		if :: me == 0 && victim == NONE -> victim = NOBODY :: else fi
	}
	} unless { me == 0 && victim == DEAD };
	skip
}

#ifdef UPDATE
/* It replaces the target by a copy of it. */
proctype updater(byte me)
{
again:
	atomic { target[me] = path; forget() };
	atomic { flk[target[me]] == FREE -> flk[target[me]] = me };
	atomic {
		if
		:: path != target[me] -> flk[target[me]] = FREE; goto again
		:: else
		fi
	};
#ifndef ONLY_LOCKS
	settle_batch();
#endif
	atomic { new_file(me, has[path]); torn[new[me]] = torn[path] };
	atomic { rename_to(new[me]) };
	sync_directory();
	atomic { unlock_targets(me); close_all(me) }
}
#endif

/* SIGKILL, while the first has not come to its end. The kernel closes one file after the other. */
proctype killer()
{
	if
	:: atomic { victim == NONE -> victim = DEAD; unlock_targets(0) };
		atomic { unlock_spools(0); close_all(0) }
	:: atomic { victim == NONE -> victim = DEAD; unlock_spools(0) };
		atomic { unlock_targets(0); close_all(0) }
	:: victim != NONE
	fi
}

init {
	byte i = 0;

	atomic {
		do
		:: i < FILES -> flk[i] = FREE; sflk[i] = FREE; leader[i] = FREE; i++
		:: else -> break
		od;
		i = 0;
		do
		:: i <= ALL ->
			target[i] = NONE; new[i] = NONE; ticket[i] = NONE; work[i] = NONE;
			i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < N -> run appender(i); i++
		:: else -> break
		od;
		run killer();
#ifdef UPDATE
		run updater(ALL);
#endif
	}
	_nr_pr == 1;
	run appender(N);
	_nr_pr == 1;
	atomic {
		assert(batch == NONE && tmp == NONE && hands == 0 && !torn[path]);
		assert((acked & ~d_has[d_path]) == 0);
		assert((refused & has[path]) == 0);
		i = acked | refused | unknown;
		assert(i == BIT(ALL) - 1 || victim == DEAD);
		i = 0;
		do
		:: i < FILES -> assert(flk[i] == FREE && sflk[i] == FREE && leader[i] == FREE); i++
		:: else -> break
		od
	}
}
