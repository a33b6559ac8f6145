/* SPDX-License-Identifier: ISC */
/*
 * The functions that the tools need of musl, and of a libbsd that was built with glibc.
 *
 * Some system calls have no function in musl. Their declarations are in this directory, where the
 * compiler finds them before musl's own headers.
 *
 * musl reserves signal 34 for a purpose that the tools do not have. For a command 34 is SIGRTMIN,
 * which is forwarded like any other signal. So the two functions of musl that leave 34 out of a set
 * are replaced here.
 *
 * The tools use setmode(3) of libbsd.a and SHA-256 of libmd.a. Both need only POSIX functions, and
 * setmode(3) the table of glibc's isdigit(). arc4random(3) needs much more, so it is here.
 */
#include <bsd/stdlib.h>
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int renameat2(int from, const char *old, int to, const char *new, unsigned int flags)
{
	return (int)syscall(SYS_renameat2, from, old, to, new, flags);
}

int statx(int dir, const char *path, int flags, unsigned int mask, struct statx *st)
{
	return (int)syscall(SYS_statx, dir, path, flags, mask, st);
}

static unsigned long bit(int signo, size_t *word)
{
	const unsigned int bits = 8 * sizeof(long), n = (unsigned int)signo - 1;

	*word = n / bits;
	return 1UL << n % bits;
}

int sigaddset(sigset_t *set, int signo)
{
	size_t word;
	unsigned long mask = bit(signo, &word);

	if (signo < 1 || signo >= NSIG) {
		errno = EINVAL;
		return -1;
	}
	set->__bits[word] |= mask;
	return 0;
}

/* All but 32 and 33, which are glibc's. */
int sigfillset(sigset_t *set)
{
	sigemptyset(set);
	for (int signo = 1; signo < NSIG; signo++)
		if (signo != 32 && signo != 33)
			sigaddset(set, signo);
	return 0;
}

int pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

const unsigned short **__ctype_b_loc(void);

/* glibc's _ISdigit, for each of -128 to 255. */
const unsigned short **__ctype_b_loc(void)
{
	enum { DIGIT = __BYTE_ORDER == __BIG_ENDIAN ? 1 << 3 : 1 << 11 };
	static const unsigned short classes[128 + 256] = {
		[128 + '0'] = DIGIT, [128 + '1'] = DIGIT, [128 + '2'] = DIGIT, [128 + '3'] = DIGIT,
		[128 + '4'] = DIGIT, [128 + '5'] = DIGIT, [128 + '6'] = DIGIT, [128 + '7'] = DIGIT,
		[128 + '8'] = DIGIT, [128 + '9'] = DIGIT,
	};
	static const unsigned short *table = classes + 128;

	return &table;
}

/* The name of strtol(3) in glibc since 2.38, for the prefix of base 2 in C23. setmode(3) reads base
 * 8. */
long __isoc23_strtol(const char *text, char **end, int base);

long __isoc23_strtol(const char *text, char **end, int base)
{
	return strtol(text, end, base);
}

uint32_t arc4random(void)
{
	uint32_t n;

	while (getrandom(&n, sizeof(n), 0) != sizeof(n))
		if (errno != EINTR)
			abort();
	return n;
}

/* Draw again if the remainder of 2^32 would favour small numbers. */
uint32_t arc4random_uniform(uint32_t bound)
{
	uint32_t n;

	do {
		n = arc4random();
	} while (bound && n < -bound % bound);
	return bound ? n % bound : 0;
}
