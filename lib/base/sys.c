/* SPDX-License-Identifier: ISC */
#include "base/sys.h"

#include <errno.h>

void hf_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		sys_close(fd);
	errno = saved;
}

#ifdef HF_FAULTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum call_id {
#define ID(result, name, parameters, arguments) CALL_##name,
	HF_SYSCALLS(ID)
#undef ID
		CALLS
};

static const char *const call_name[CALLS] = {
#define NAME(result, name, parameters, arguments) #name,
	HF_SYSCALLS(NAME)
#undef NAME
};

static const struct {
	const char *name;
	int errnum;
} errors[] = {
	{"EIO", EIO},
	{"ENOSPC", ENOSPC},
	{"EINTR", EINTR},
	{"EACCES", EACCES},
	{"EROFS", EROFS},
	{"EDQUOT", EDQUOT},
	{"EXDEV", EXDEV},
	{"EPERM", EPERM},
	{"EMFILE", EMFILE},
	{"EOPNOTSUPP", EOPNOTSUPP},
	{"EAGAIN", EAGAIN},
	{"ENOLCK", ENOLCK},
	{"EINVAL", EINVAL},
	{"ENOENT", ENOENT},
	{"ENOMEM", ENOMEM},
	{"EBUSY", EBUSY},
	{"EADDRINUSE", EADDRINUSE},
};

static atomic_ulong total, count[CALLS];

void hf_fault_reset(void)
{
	atomic_store(&total, 0);
	for (int i = 0; i < CALLS; i++)
		atomic_store(&count[i], 0);
}

void hf_fault_forked(void)
{
	atomic_store(&total, 1000);
}

bool hf_fault_without(const char *mend)
{
	const char *names = getenv("HOLDFAST_WITHOUT");
	size_t len = strlen(mend);

	for (; names && *names; names = strchrnul(names, ','), names += *names == ',')
		if (strncmp(names, mend, len) == 0 && (names[len] == ',' || !names[len]))
			return true;
	return false;
}

static void log_call(unsigned long n, const char *name)
{
	const char *path = getenv("HOLDFAST_FAULT_LOG");
	char line[64];
	int fd, len;

	if (!path || (fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666)) < 0)
		return;
	len = snprintf(line, sizeof(line), "%lu %s\n", n, name);
	if (write(fd, line, (size_t)len) != len)
		abort();
	close(fd);
}

/* Return true if the rule "[NAME#]N[+]:ACTION" applies to this call; *action is its last part. */
static bool rule_matches(const char *rule, const char *name, unsigned long n_all,
			 unsigned long n_name, const char **action)
{
	unsigned long n = n_all, wanted;
	const char *hash = strchr(rule, '#'), *end = strchrnul(rule, ',');
	char *rest;

	if (hash && hash < end) {
		size_t len = (size_t)(hash - rule);

		if (strlen(name) != len || strncmp(rule, name, len) != 0)
			return false;
		rule = hash + 1;
		n = n_name;
	}
	wanted = strtoul(rule, &rest, 10);
	if (*rest == '+' ? n < wanted : n != wanted)
		return false;
	*action = strchr(rest, ':');
	if (!*action || *action > end)
		abort();
	++*action;
	return true;
}

/* Return true if the call must not be made; *failed says whether it fails with errno. */
static bool apply_rules(enum call_id id, bool *failed)
{
	int saved = errno;
	unsigned long n_all = atomic_fetch_add(&total, 1) + 1;
	unsigned long n_name = atomic_fetch_add(&count[id], 1) + 1;
	const char *action, *rule = getenv("HOLDFAST_FAULT");

	log_call(n_all, call_name[id]);
	*failed = false;
	for (; rule && *rule; rule = strchrnul(rule, ','), rule += *rule == ',') {
		size_t len;

		if (!rule_matches(rule, call_name[id], n_all, n_name, &action))
			continue;
		len = strcspn(action, ",");
		if (len == 4 && strncmp(action, "kill", len) == 0)
			kill(getpid(), SIGKILL);
		if (len == 4 && strncmp(action, "stop", len) == 0) {
			kill(getpid(), SIGSTOP);
			continue;
		}
		if (len == 4 && strncmp(action, "skip", len) == 0)
			return errno = saved, true;
		for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
			if (strlen(errors[i].name) == len &&
			    strncmp(action, errors[i].name, len) == 0) {
				errno = errors[i].errnum;
				return *failed = true;
			}
		}
		abort();
	}
	errno = saved;
	return false;
}

#define DEFINE(result, name, parameters, arguments)                                                \
	result sys_##name parameters                                                               \
	{                                                                                          \
		bool failed;                                                                       \
                                                                                                   \
		if (apply_rules(CALL_##name, &failed)) {                                           \
			int error = errno;                                                         \
                                                                                                   \
			/* a close(2) that fails has closed the descriptor */                      \
			if (CALL_##name == (int)CALL_close && (name arguments) < 0)                \
				error = errno;                                                     \
			errno = error;                                                             \
			return failed ? -1 : 0;                                                    \
		}                                                                                  \
		return name arguments;                                                             \
	}
HF_SYSCALLS(DEFINE)

#endif
