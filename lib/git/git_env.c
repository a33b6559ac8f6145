/* SPDX-License-Identifier: ISC */
#include "git/git_env.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Variables about another repository (git rev-parse --local-env-vars), and those that are set
 * here. */
static const char *const not_inherited[] = {
	"GIT_ALTERNATE_OBJECT_DIRECTORIES",
	"GIT_CONFIG",
	"GIT_OBJECT_DIRECTORY",
	"GIT_DIR",
	"GIT_WORK_TREE",
	"GIT_IMPLICIT_WORK_TREE",
	"GIT_GRAFT_FILE",
	"GIT_INDEX_FILE",
	"GIT_NO_REPLACE_OBJECTS",
	"GIT_REPLACE_REF_BASE",
	"GIT_PREFIX",
	"GIT_SHALLOW_FILE",
	"GIT_COMMON_DIR",
	"GIT_QUARANTINE_PATH",
	"GIT_GLOB_PATHSPECS",
	"GIT_NOGLOB_PATHSPECS",
	"GIT_ICASE_PATHSPECS",
};

static const char *const fixed[] = {
	"GIT_TERMINAL_PROMPT=0",
	"GIT_EDITOR=:",
	"LANGUAGE=en",
};

static bool is_variable(const char *setting, const char *variable)
{
	size_t len = strlen(variable);

	return strncmp(setting, variable, len) == 0 && setting[len] == '=';
}

static bool is_inherited(const char *setting, const struct hf_git_env *env)
{
	for (size_t i = 0; i < sizeof(not_inherited) / sizeof(not_inherited[0]); i++)
		if (is_variable(setting, not_inherited[i]))
			return false;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (strncmp(setting, fixed[i], strcspn(fixed[i], "=") + 1) == 0)
			return false;
	for (int i = 0; i < env->made_count; i++)
		if (strncmp(setting, env->made[i], strcspn(env->made[i], "=") + 1) == 0)
			return false;
	return true;
}

static void set_variable(struct hf_git_env *env, bool *failed, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void set_variable(struct hf_git_env *env, bool *failed, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (*failed || vasprintf(&env->made[env->made_count], format, args) < 0)
		*failed = true;
	else
		env->made_count++;
	va_end(args);
}

static void set_ident(struct hf_git_env *env, bool *failed, const char *role,
		      const struct hf_commit_ident *who)
{
	int minutes;

	if (!who)
		return;
	minutes = abs(who->offset);
	set_variable(env, failed, "GIT_%s_NAME=%s", role, who->name);
	set_variable(env, failed, "GIT_%s_EMAIL=%s", role, who->email);
	set_variable(env, failed, "GIT_%s_DATE=@%lld %c%02d%02d", role, (long long)who->time,
		     who->offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

bool hf_git_env_make(const struct hf_git *git, struct hf_git_env *env)
{
	size_t n = 0, count = 0;
	bool failed = false;

	*env = (struct hf_git_env){0};
	if (!git->repo->by_cwd)
		set_variable(env, &failed, "GIT_DIR=%s", git->repo->gitdir);
	if (!git->repo->by_cwd && git->repo->workdir[0])
		set_variable(env, &failed, "GIT_WORK_TREE=%s", git->repo->workdir);
	if (git->index)
		set_variable(env, &failed, "GIT_INDEX_FILE=%s/%s", git->repo->gitdir, git->index);
	set_variable(env, &failed, "GIT_LITERAL_PATHSPECS=%d", !git->by_name);
	set_ident(env, &failed, "AUTHOR", git->author);
	set_ident(env, &failed, "COMMITTER", git->committer);
	while (environ[count])
		count++;
	env->list = calloc(count + sizeof(fixed) / sizeof(fixed[0]) + HF_GIT_ENV_SET + 1,
			   sizeof(*env->list));
	if (failed || !env->list)
		return false;
	for (char **setting = environ; *setting; setting++)
		if (is_inherited(*setting, env))
			env->list[n++] = *setting;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		env->list[n++] = (char *)fixed[i];
	for (int i = 0; i < env->made_count; i++)
		env->list[n++] = env->made[i];
	return true;
}

void hf_git_env_free(struct hf_git_env *env)
{
	for (int i = 0; i < env->made_count; i++)
		free(env->made[i]);
	free(env->list);
}
