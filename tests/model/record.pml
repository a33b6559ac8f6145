/* SPDX-License-Identifier: ISC */
/*
 * A record and its recovery (lib/record/README.md), a user who commits, SIGKILL, a
 * power cut.
 *
 * Two recorders make a record each, and finish unfinished records. A record is a row, a file
 * and a commit that has the file. One recorder may be killed at any step, and the power may be cut
 * once at any step: then each of database, files, index and branch is as it was made durable last,
 * or as it was seen last. A user commits what is in the index, on top of the branch, twice. In the
 * end a recorder runs that is not disturbed.
 *
 * The branch is a number that grows with each commit (tip), the tree at its tip (note), and what is
 * in its history (made, users). Every atomic step is one that the kernel, SQLite or Git makes
 * whole.
 *
 * Asserted:
 *	- in the end row, file, index and tip agree of each record, which has one commit, or none;
 *	- a record that was acknowledged is there (record/R5);
 *	- no commit of the user's is gone but by a power cut;
 *	- nothing is unfinished.
 *
 * Errors to be found: -DREF_FIRST (the ref before the index), -DFORGET_FIRST (the intent is deleted
 * before the ref is moved), -DFILE_FIRST (the file before the COMMIT), -DNO_SWAP (the ref is moved
 * without a look), -DNO_SYNC (the file is not synced before the ref is), -DLAZY_COMMIT (the COMMIT
 * is not synced), -DNO_TURNSTILE (two at a time).
 */

#define N 2
#define NONE 255
#define USER 9

/* as seen, and as durable */
bool row[N], d_row[N];
byte intent = NONE, d_intent = NONE;
bool file[N], d_file[N];
bool idx[N], d_idx[N];
byte tip, d_tip, made[N], d_made[N], users, d_users;
bool note[N], d_note[N];

byte turn = NONE, ilock = NONE; /* the holder; both are free when it is dead */
bool acked[N];
byte committed; /* by the user, and not lost by a power cut */
byte power = 0; /* how often it was cut */
bool killed = false;

/* One step of a recorder, which is dead if the power was cut since it began. */
#define STEP(what)                                                                                 \
	atomic {                                                                                   \
		if                                                                                 \
		:: power != born -> goto gone                                                      \
		:: else -> what                                                                    \
		fi                                                                                 \
	};                                                                                         \
	if                                                                                         \
	:: atomic { mortal && !killed -> killed = true }; goto died                                \
	:: true                                                                                    \
	fi

inline sync_ref()
{
	d_tip = tip; d_users = users;
	d_made[0] = made[0]; d_made[1] = made[1];
	d_note[0] = note[0]; d_note[1] = note[1]
}

inline sync_db()
{
	d_intent = intent; d_row[0] = row[0]; d_row[1] = row[1]
}

proctype recorder(byte me; bool mortal; bool records)
{
	byte r, seen, born;
	bool finishing;

	atomic {
#ifndef NO_TURNSTILE
		turn == NONE;
		turn = me;
#endif
		born = power
	};
	/* index.lock: the user has it while reading the index */
	atomic {
		if
		:: power != born -> goto gone
		:: power == born && (ilock == NONE || ilock == me) -> ilock = me
#ifdef NO_TURNSTILE
		:: power == born && ilock != NONE && ilock != USER -> ilock = me
#endif
		fi
	};
next:
	atomic {
		if
		:: power != born -> goto gone
		:: else
		fi;
		if
		:: intent != NONE -> r = intent; finishing = true
		:: intent == NONE && records -> r = me; finishing = false; records = false
		:: else -> goto leave
		fi
	};
	if
	:: finishing -> goto redo
	:: else
	fi;
#ifdef FILE_FIRST
	STEP(file[r] = true);
	STEP(d_file[r] = true);
#endif
	/* the commit point, record/R1 */
#ifdef LAZY_COMMIT
	STEP(row[r] = true; intent = r);
#else
	STEP(row[r] = true; intent = r; sync_db());
#endif

redo:
	/* is there a commit of it? Then all else is done, record/R3 */
	atomic {
		if
		:: power != born -> goto gone
		:: else
		fi;
		if
		:: finishing && made[r] > 0 -> goto forget
		:: else
		fi
	};
	STEP(file[r] = true);
#ifdef FORGET_FIRST
	STEP(intent = NONE; sync_db());
#endif
#ifndef REF_FIRST
	STEP(idx[r] = true);
#endif
	/* these are synced at the same time, and either may be first */
	if
	:: true
#ifndef NO_SYNC
		-> STEP(d_file[r] = true)
#endif
#ifndef REF_FIRST
		; STEP(d_idx[0] = idx[0]; d_idx[1] = idx[1])
#endif
#ifndef REF_FIRST
	:: true -> STEP(d_idx[0] = idx[0]; d_idx[1] = idx[1])
#ifndef NO_SYNC
		; STEP(d_file[r] = true)
#endif
#endif
	fi;
again:
	STEP(seen = tip);
	/* upon another process's tip: that is durable first */
	atomic {
		if
		:: power != born -> goto gone
		:: else
		fi;
		if
#ifndef NO_SWAP
		:: tip != seen -> goto again
		:: tip == seen -> sync_ref(); tip++; made[r]++; note[r] = true
#else
		:: tip == seen -> tip++; made[r]++; note[r] = true
		:: tip != seen -> tip = seen + 1; users = users - (tip - seen > 0 -> 1 : 0);
			made[r]++; note[r] = true
#endif
		fi
	};
	STEP(sync_ref());
#ifdef REF_FIRST
	STEP(idx[r] = true);
	STEP(d_idx[0] = idx[0]; d_idx[1] = idx[1]);
#endif

forget:
	/* not durable: a power cut may bring the intent back */
	STEP(intent = (intent == r -> NONE : intent));
	atomic {
		if
		:: power != born -> goto gone
		:: else -> if :: r == me && me < N && !finishing -> acked[me] = true :: else fi
		fi
	};
	goto next;

leave:
	atomic {
		if :: ilock == me && power == born -> ilock = NONE :: else fi;
		if :: turn == me && power == born -> turn = NONE :: else fi
	};
	goto gone;

died:
	/* the kernel frees the turnstile; index.lock names its dead maker */
	atomic {
		if :: ilock == me && power == born -> ilock = NONE :: else fi;
		if :: turn == me && power == born -> turn = NONE :: else fi
	};
gone:
	skip
}

/* `git commit`: looks at the index under index.lock, and moves the ref from the tip it has seen. */
proctype user()
{
	byte n = 0, seen, born;
	bool tree[N];

	do
	:: n < 2 ->
		n++;
		atomic {
			ilock == NONE -> born = power; seen = tip;
			tree[0] = idx[0]; tree[1] = idx[1]
		};
		atomic {
			if
			:: power == born && tip == seen ->
				tip++; users++; committed++;
				note[0] = tree[0]; note[1] = tree[1]
			:: else /* it reports so */
			fi
		}
	:: break
	od
}

/* What was not synced may have reached the disk all the same. */
proctype cut()
{
	if
	:: true
	:: atomic {
		power++; turn = NONE; ilock = NONE;
		if :: row[0] = d_row[0]; row[1] = d_row[1]; intent = d_intent :: true fi;
		if :: file[0] = d_file[0] :: true fi;
		if :: file[1] = d_file[1] :: true fi;
		if :: idx[0] = d_idx[0]; idx[1] = d_idx[1] :: true fi;
		if
		:: tip = d_tip; committed = committed - (users - d_users); users = d_users;
			made[0] = d_made[0]; made[1] = d_made[1];
			note[0] = d_note[0]; note[1] = d_note[1]
		:: true
		fi;
		sync_db();
		d_file[0] = file[0]; d_file[1] = file[1];
		d_idx[0] = idx[0]; d_idx[1] = idx[1];
		sync_ref()
	}
	fi
}

init {
	byte i = 0;

	atomic {
		run recorder(0, true, true);
		run recorder(1, true, true);
		run user();
		run cut()
	}
	_nr_pr == 1;
	run recorder(N, false, false);
	_nr_pr == 1;
	assert(intent == NONE);
	assert(users == committed);
	do
	:: i < N ->
		assert(row[i] == file[i]);
		assert(row[i] == idx[i]);
		assert(row[i] == note[i]);
		assert(made[i] == (row[i] -> 1 : 0));
		assert(!acked[i] || row[i]);
		i++
	:: else -> break
	od
}
