/* SPDX-License-Identifier: ISC */
#include "git/index_check.h"

#include "hf_test.h"

enum { HEAD = 12 };

/* As git makes it, with one file in it. */
static size_t made_by_git(unsigned char bytes[4096], const char *options)
{
	char command[512];
	size_t size;
	FILE *file;

	snprintf(command, sizeof(command),
		 "rm -rf r && git init -q %s r && echo a >r/a && git -C r add a", options);
	assert_int_equal(system(command), 0);
	file = fopen("r/.git/index", "r");
	assert_non_null(file);
	size = fread(bytes, 1, 4096, file);
	fclose(file);
	assert_true(size >= HEAD + HF_SHA1 && size <= 4095);
	return size;
}

static enum hf_status judge(const void *bytes, size_t size, size_t oid_size, const char *why)
{
	struct hf_repo repo = {.gitdir = "/r", .workdir = "/r", .oid_size = oid_size};
	FILE *file = fopen("index", "w");
	enum hf_status status;
	struct hf_err err;

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
	repo.git = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	repo.gitdir = get_current_dir_name();
	status = hf_index_check(&repo, "index", &err);
	if (status != HF_OK) {
		assert_non_null(strstr(err.message, why));
		assert_non_null(strstr(err.advice, "git -C '/r' reset"));
	}
	free(repo.gitdir);
	close(repo.git);
	return status;
}

static void an_index_of_git_is_whole(void **state)
{
	unsigned char bytes[4096];
	size_t size = made_by_git(bytes, "");

	(void)state;
	assert_int_equal(judge(bytes, size, HF_SHA1, ""), HF_OK);
	/* index.skipHash */
	memset(bytes + size - HF_SHA1, 0, HF_SHA1);
	assert_int_equal(judge(bytes, size, HF_SHA1, ""), HF_OK);
	size = made_by_git(bytes, "--object-format=sha256");
	assert_int_equal(judge(bytes, size, HF_SHA256, ""), HF_OK);
	bytes[HEAD] ^= 1;
	assert_int_equal(judge(bytes, size, HF_SHA256, "checksum"), HF_DATA);
}

static void an_absent_index_is_whole(void **state)
{
	struct hf_repo repo = {.git = AT_FDCWD, .gitdir = ".", .oid_size = HF_SHA1};
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_index_check(&repo, "absent", &err), &err);
}

static void each_bit_counts(void **state)
{
	unsigned char bytes[4096];
	size_t size = made_by_git(bytes, "");

	(void)state;
	for (size_t i = 0; i < size; i++) {
		bytes[i] ^= 1;
		assert_int_equal(judge(bytes, size, HF_SHA1, "is damaged"), HF_DATA);
		bytes[i] ^= 1;
	}
	for (size_t n = 0; n < size; n++)
		assert_int_equal(judge(bytes, n, HF_SHA1, "is damaged"), HF_DATA);
}

static void a_damaged_shared_index_is_refused(void **state)
{
	static const char split[] = "cp r/.git/index . && cp r/.git/sharedindex.* .";
	unsigned char bytes[4096];
	FILE *file;
	size_t size;

	(void)state;
	made_by_git(bytes, "");
	assert_int_equal(system("git -C r update-index --split-index"), 0);
	assert_int_equal(system(split), 0);
	file = fopen("index", "r");
	assert_non_null(file);
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_int_equal(judge(bytes, size, HF_SHA1, ""), HF_OK);
	assert_int_equal(system("chmod u+w sharedindex.* && truncate -s -1 sharedindex.*"), 0);
	assert_int_equal(judge(bytes, size, HF_SHA1, "is damaged"), HF_DATA);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_index_of_git_is_whole),
	cmocka_unit_test(an_absent_index_is_whole),
	cmocka_unit_test(each_bit_counts),
	cmocka_unit_test(a_damaged_shared_index_is_refused),
};
HF_TEST_MAIN(tests)
