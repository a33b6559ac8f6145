/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_BLOCKER_H
#define HF_DB_BLOCKER_H

/*
 * Find the process that blocks a process which has the database open through SQLite.
 *
 * A child process searches, since closing the examined files would release this process's locks
 * (probe/Q3). It calls no function of SQLite, reports through a pipe, and ends with _exit(). Takes
 * about a millisecond; use it for messages only. Blocks until the child has exited. If no child can
 * be forked, no process is found.
 */

#include <stdbool.h>
#include <stddef.h>

/* Write "PID 4711 (python3 …), running since 10:42:03, which writes to it" to out. readers: name a
 * reader instead of a writer. Return false if no such process is visible now. */
bool hf_db_blocker(const char *path, bool readers, char *out, size_t size);

#endif
