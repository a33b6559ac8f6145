/* SPDX-License-Identifier: ISC */
/*
 * libgit2 without its network, for tools that are linked with it statically.
 *
 * As a shared library it brings eighteen others along (TLS, SSH, Kerberos, HTTP), which cost more
 * at each start than all that atomic-record does. These tools never fetch or push. The functions
 * below replace those by which libgit2 1.5 to 1.9 enters its network code, with mbedTLS or with
 * OpenSSL, so that the linker needs no more of it. They are internal to the library, and not its
 * interface: the Makefile tries whether they fit the libgit2 that is installed, and uses the shared
 * one if not.
 *
 * They ignore their arguments, and so declare none. Setting up the network succeeds; using it
 * fails.
 */

#include <stdbool.h>

#define SUCCEEDS(name)                                                                             \
	int name(void);                                                                            \
	int name(void)                                                                             \
	{                                                                                          \
		return 0;                                                                          \
	}
#define FAILS(name)                                                                                \
	int name(void);                                                                            \
	int name(void)                                                                             \
	{                                                                                          \
		return -1;                                                                         \
	}

extern bool git_http__expect_continue;
bool git_http__expect_continue;

SUCCEEDS(git_mbedtls_stream_global_init)
FAILS(git_mbedtls__set_cert_location)
FAILS(git_mbedtls_stream_new)
FAILS(git_mbedtls_stream_wrap)

SUCCEEDS(git_openssl_stream_global_init)
FAILS(git_openssl__set_cert_location)
FAILS(git_openssl__add_x509_cert)
FAILS(git_openssl_stream_new)
FAILS(git_openssl_stream_wrap)

SUCCEEDS(git_transport_ssh_global_init)		/* to 1.7 */
SUCCEEDS(git_transport_ssh_libssh2_global_init) /* from 1.8 on */
FAILS(git_transport_ssh_with_paths)
FAILS(git_smart_subtransport_ssh)
FAILS(git_smart_subtransport_http)
FAILS(git_smart_subtransport_git)
