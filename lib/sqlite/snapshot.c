/* SPDX-License-Identifier: ISC */
#include "sqlite/snapshot.h"

#include "sqlite/dump.h"
#include "sqlite/fd_vfs.h"

static enum hf_status write_text(struct hf_db *db, int fd, const char *leave_out,
				 struct hf_err *err)
{
	struct hf_deferred out = {.fd = fd + 1};
	enum hf_status status = hf_dump(db, leave_out, &out, err);

	if (status == HF_OK)
		status = hf_deferred_flush_stream(&out, err);
	out.fd = 0; /* owned by the caller */
	hf_deferred_free(&out);
	return status;
}

enum hf_status hf_db_snapshot(struct hf_db *db, int fd, bool as_text, const char *leave_out,
			      struct hf_err *err)
{
	bool begins = !hf_db_in_transaction(db);
	enum hf_status status = begins ? hf_db_begin_read(db, err) : HF_OK;

	if (status != HF_OK)
		return status;
	status = as_text ? write_text(db, fd, leave_out, err)
			 : hf_sqlite_image(hf_db_sql(db), fd, leave_out, err);
	if (begins)
		hf_db_rollback(db);
	return status;
}
