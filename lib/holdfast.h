/* SPDX-License-Identifier: ISC */
#ifndef HF_HOLDFAST_H
#define HF_HOLDFAST_H

/*
 * libholdfast: locks that living processes hold, and files that are replaced whole or not at all.
 *
 *	#include <holdfast.h>
 *	cc … $(pkg-config --cflags --libs holdfast)
 *
 * Each header opens with an essay on what it promises and how it is called:
 *
 *	err.h		the statuses, and the error that every call can fill
 *	clock.h		durations and deadlines
 *	lockset.h	take locks, as a set, in the one order; lock.h is the contract of a kind
 *	fd.h		hand locks on to a command, and prove an inherited one
 *	proc.h		who is a process?
 *	atomic.h	replace a file
 *	symlink.h	replace a file by a symbolic link
 *	append.h	append to a file
 *
 * The library never prints, never exits, and changes no signal's disposition, except the one that
 * lock_wait.h describes. Names that begin with hf_ and HF_ are its own.
 */

#include "append.h"
#include "atomic.h"
#include "clock.h"
#include "err.h"
#include "fd.h"
#include "input.h"
#include "lock.h"
#include "lock_dot.h"
#include "lock_file.h"
#include "lock_git.h"
#include "lock_range.h"
#include "lock_slots.h"
#include "lock_sqlite.h"
#include "lock_wait.h"
#include "lockset.h"
#include "path.h"
#include "proc.h"
#include "symlink.h"

#endif
