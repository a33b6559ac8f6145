/* SPDX-License-Identifier: ISC */

/* The same for the other back end. */
#define HF_TEST_PLUMBING
#include "test_repo.c"
