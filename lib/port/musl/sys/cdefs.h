/* SPDX-License-Identifier: ISC */
/* The headers of libbsd and libmd include this, and musl has none. */
#ifndef __BEGIN_DECLS
#define __BEGIN_DECLS
#define __END_DECLS
#endif
