/* SPDX-License-Identifier: ISC */
/*
 * libgit2 without its network: for tools that are linked with it statically.
 *
 * As a shared library it brings eighteen others along (TLS, SSH, Kerberos, HTTP), which cost more
 * at each start than all that atomic-record does. Nothing is ever fetched or pushed by these tools.
 * So here are the few functions by which libgit2 1.5 enters its network code, and with them the
 * linker needs no more of it. They are the library's own, and not its interface: the Makefile tries
 * whether this fits the libgit2 that is there, and takes the shared one if not.
 */

#include <stdbool.h>

int git_mbedtls_stream_global_init(void);
int git_mbedtls__set_cert_location(const char *file, const char *dir);
int git_mbedtls_stream_new(void **out, const char *host, const char *port);
int git_mbedtls_stream_wrap(void **out, void *in, const char *host);
int git_transport_ssh_global_init(void);
int git_transport_ssh_with_paths(void **out, void *owner, void *paths);
int git_smart_subtransport_ssh(void **out, void *owner, void *param);
int git_smart_subtransport_http(void **out, void *owner, void *param);
int git_smart_subtransport_git(void **out, void *owner, void *param);

extern bool git_http__expect_continue;
bool git_http__expect_continue;

static int nothing(void **out)
{
	*out = 0;
	return -1;
}

int git_mbedtls_stream_global_init(void)
{
	return 0;
}

int git_mbedtls__set_cert_location(const char *file, const char *dir)
{
	return file || dir ? -1 : 0;
}

int git_mbedtls_stream_new(void **out, const char *host, const char *port)
{
	return host && port ? nothing(out) : -1;
}

int git_mbedtls_stream_wrap(void **out, void *in, const char *host)
{
	return in && host ? nothing(out) : -1;
}

int git_transport_ssh_global_init(void)
{
	return 0;
}

int git_transport_ssh_with_paths(void **out, void *owner, void *paths)
{
	return owner && paths ? nothing(out) : -1;
}

int git_smart_subtransport_ssh(void **out, void *owner, void *param)
{
	return owner || param ? nothing(out) : -1;
}

int git_smart_subtransport_http(void **out, void *owner, void *param)
{
	return owner || param ? nothing(out) : -1;
}

int git_smart_subtransport_git(void **out, void *owner, void *param)
{
	return owner || param ? nothing(out) : -1;
}
