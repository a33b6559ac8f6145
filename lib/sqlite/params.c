/* SPDX-License-Identifier: ISC */
#include "sqlite/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/copy.h"
#include "base/sys.h"

enum { LARGEST = 1000000000 }; /* SQLITE_MAX_LENGTH */

struct hf_param {
	char *name;
	struct hf_db_value value;
	void *owned; /* the value's bytes if they belong to this struct */
	bool bound;
};

typedef enum hf_status reader(struct hf_param *param, const char *text, struct hf_err *err);

static enum hf_status read_text(struct hf_param *param, const char *text, struct hf_err *err)
{
	(void)err;
	param->value = HF_DB_TEXT_VALUE(text, strlen(text));
	return HF_OK;
}

static enum hf_status read_int(struct hf_param *param, const char *text, struct hf_err *err)
{
	char *end;

	errno = 0;
	param->value = HF_DB_INT_VALUE(strtoll(text, &end, 10));
	if (errno || end == text || *end || *text == ' ')
		return hf_fail(err, HF_USAGE,
			       "parameter '%s': '%s' is not a whole number of 64 bits", param->name,
			       text);
	return HF_OK;
}

static enum hf_status read_real(struct hf_param *param, const char *text, struct hf_err *err)
{
	char *end;

	param->value = (struct hf_db_value){.type = HF_DB_REAL, .r = strtod(text, &end)};
	/* SQLite has no NaN, and would make it NULL */
	if (end == text || *end || *text == ' ' || param->value.r != param->value.r)
		return hf_fail(err, HF_USAGE, "parameter '%s': '%s' is not a number", param->name,
			       text);
	return HF_OK;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at;

	at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
	return at ? (int)(at - digits) : -1;
}

static enum hf_status read_blob(struct hf_param *param, const char *text, struct hf_err *err)
{
	size_t size = strlen(text) / 2;
	unsigned char *bytes = malloc(size + 1);

	if (!bytes)
		return hf_fail_errno(err, "parameter '%s'", param->name);
	param->owned = bytes;
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			size = 0;
		else
			bytes[i] = (unsigned char)(high << 4 | low);
	}
	if (2 * size != strlen(text)) {
		hf_fail(err, HF_USAGE, "parameter '%s': '%s' is not hexadecimal", param->name,
			text);
		hf_advise(err, "two digits a byte, as 00ff; :blobfile=PATH takes a file's content");
		return HF_USAGE;
	}
	param->value = HF_DB_BLOB_VALUE(bytes, size);
	return HF_OK;
}

static enum hf_status read_null(struct hf_param *param, const char *text, struct hf_err *err)
{
	if (*text)
		return hf_fail(err, HF_USAGE, "parameter '%s': NULL has no value", param->name);
	return HF_OK;
}

static enum hf_status read_file(struct hf_param *param, const char *path, struct hf_err *err)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	enum hf_status status = HF_OK;
	struct stat st;
	size_t size = 0;

	if (fd < 0)
		return hf_fail_errno_as(err, errno == ENOENT ? HF_NOINPUT : hf_status_of(errno),
					"cannot open '%s'", path);
	/* refuse a large file before reading it; st_size says nothing for a FIFO */
	if (sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		size = (size_t)st.st_size;
	if (size <= LARGEST)
		status = hf_read_all(fd, LARGEST, &param->owned, &size, path, err);
	sys_close(fd);
	param->value = HF_DB_TEXT_VALUE(param->owned, size);
	if (size <= LARGEST)
		return status;
	hf_fail(err, HF_DATA, "parameter '%s': '%s' is too large", param->name, path);
	hf_advise(err, "a value has at most 1,000,000,000 bytes");
	return HF_DATA;
}

static enum hf_status read_blob_file(struct hf_param *param, const char *path, struct hf_err *err)
{
	enum hf_status status = read_file(param, path, err);

	param->value.type = HF_DB_BLOB;
	return status;
}

static const struct {
	const char *name;
	reader *read;
} types[] = {
	{"text", read_text}, {"int", read_int},	  {"real", read_real},		{"blob", read_blob},
	{"null", read_null}, {"file", read_file}, {"blobfile", read_blob_file},
};

static reader *find_type(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strlen(types[i].name) == size && memcmp(types[i].name, name, size) == 0)
			return types[i].read;
	return NULL;
}

static struct hf_param *find_param(const struct hf_params *params, const char *name)
{
	for (size_t i = 0; i < params->count; i++)
		if (strcmp(params->list[i].name, name) == 0)
			return &params->list[i];
	return NULL;
}

static enum hf_status not_a_parameter(const char *text, struct hf_err *err)
{
	hf_fail(err, HF_USAGE, "'%s' is not NAME[:TYPE]=VALUE", text);
	hf_advise(err, "TYPE is text, int, real, blob, null, file or blobfile");
	return HF_USAGE;
}

enum hf_status hf_params_add(struct hf_params *params, const char *text, struct hf_err *err)
{
	const char *equals = strchrnul(text, '='), *colon;
	struct hf_param *param;
	reader *read = read_text;
	size_t name;

	colon = memrchr(text, ':', (size_t)(equals - text));
	if (colon)
		read = find_type(colon + 1, (size_t)(equals - colon - 1));
	name = (size_t)((colon ? colon : equals) - text);
	if (!read || name == 0 || (!*equals && read != read_null))
		return not_a_parameter(text, err);
	param = hf_array_add(&params->list, &params->count, sizeof(*param));
	if (param)
		param->name = strndup(text, name);
	if (!param || !param->name)
		return hf_fail_errno(err, "parameter '%s'", text);
	if (find_param(params, param->name) != param)
		return hf_fail(err, HF_USAGE, "parameter '%s' is given twice", param->name);
	return read(param, *equals ? equals + 1 : "", err);
}

/* Return true for a parameter that is not in the SQL: "?7" alone makes seven parameters. */
static bool is_gap(struct hf_sqlite_stmt *stmt, int i)
{
	int count = hf_sqlite_stmt_parameters(stmt);
	const char *name = NULL;

	while (i < count && !(name && *name == '?'))
		name = hf_sqlite_stmt_parameter(stmt, ++i);
	return name && *name == '?';
}

enum hf_status hf_params_bind(struct hf_params *params, struct hf_sqlite_stmt *stmt,
			      struct hf_err *err)
{
	int count = hf_sqlite_stmt_parameters(stmt);

	for (int i = 1; i <= count; i++) {
		const char *in_sql = hf_sqlite_stmt_parameter(stmt, i);
		struct hf_param *param;
		enum hf_status status;
		char number[16];

		snprintf(number, sizeof(number), "%d", i);
		param = find_param(params, in_sql ? in_sql + 1 : number);
		if (!param) {
			if (!in_sql && is_gap(stmt, i))
				continue;
			hf_fail(err, HF_USAGE,
				"the SQL has a parameter %s%s, and no -p gives its value",
				in_sql ? "" : "?", in_sql ? in_sql : number);
			hf_advise(err, "-p %s=VALUE", in_sql ? in_sql + 1 : number);
			return HF_USAGE;
		}
		status = hf_sqlite_stmt_bind(stmt, i, &param->value, err);
		if (status != HF_OK)
			return status;
		param->bound = true;
	}
	return HF_OK;
}

enum hf_status hf_params_check(const struct hf_params *params, struct hf_err *err)
{
	for (size_t i = 0; i < params->count; i++)
		if (!params->list[i].bound)
			return hf_fail(err, HF_USAGE, "the SQL has no parameter '%s'",
				       params->list[i].name);
	return HF_OK;
}

void hf_params_again(struct hf_params *params)
{
	for (size_t i = 0; i < params->count; i++)
		params->list[i].bound = false;
}

void hf_params_free(struct hf_params *params)
{
	for (size_t i = 0; i < params->count; i++) {
		free(params->list[i].name);
		free(params->list[i].owned);
	}
	free(params->list);
	*params = (struct hf_params){0};
}
