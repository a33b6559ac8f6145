/* SPDX-License-Identifier: ISC */
#ifndef HF_HOLDFAST_H
#define HF_HOLDFAST_H

/*
 * libholdfast: locks that living processes hold, and files that are replaced whole or not at all.
 *
 *	#include <holdfast.h>
 *	cc … $(pkg-config --cflags --libs holdfast)
 *
 * Each header begins with its purpose, its calling sequence and its guarantees:
 *
 *	holdfast/err.h		statuses, and the error that every call can fill
 *	holdfast/text.h		printable text
 *	holdfast/clock.h	durations and deadlines
 *	holdfast/lockset.h	acquire locks as a set, in one order; holdfast/lock.h is the
 *				interface of a kind of lock
 *	holdfast/fd.h		pass locks to a command, and prove an inherited one
 *	holdfast/proc.h		identify a process
 *	holdfast/atomic.h	replace a file
 *	holdfast/symlink.h	replace a file by a symbolic link
 *	holdfast/append.h	append to a file
 *
 * The library never prints, never exits, and changes no signal's disposition, except the one that
 * holdfast/lock_wait.h describes. Names that begin with hf_ and HF_ belong to it.
 */

#include <holdfast/append.h>
#include <holdfast/atomic.h>
#include <holdfast/clock.h>
#include <holdfast/err.h>
#include <holdfast/fd.h>
#include <holdfast/input.h>
#include <holdfast/lock.h>
#include <holdfast/lock_dot.h>
#include <holdfast/lock_file.h>
#include <holdfast/lock_git.h>
#include <holdfast/lock_range.h>
#include <holdfast/lock_slots.h>
#include <holdfast/lock_sqlite.h>
#include <holdfast/lock_wait.h>
#include <holdfast/lockset.h>
#include <holdfast/path.h>
#include <holdfast/proc.h>
#include <holdfast/symlink.h>
#include <holdfast/text.h>

#endif
