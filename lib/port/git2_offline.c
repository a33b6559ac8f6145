/* SPDX-License-Identifier: ISC */
/*
 * libgit2 without its network, for tools that are linked with it statically.
 *
 * The shared library needs eighteen others (TLS, SSH, Kerberos, HTTP). To load them takes longer at
 * each start than all the work of atomic-record. These tools never fetch or push. The functions
 * below replace those through which libgit2 1.5 to 1.9 enters its network code, with mbedTLS or
 * OpenSSL, so that the linker needs none of it. They are internal to the library, not its
 * interface: the Makefile tests whether they fit the installed libgit2, and otherwise uses the
 * shared library.
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
