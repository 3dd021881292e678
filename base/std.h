/* std.h - forced into every file: the words this program may use.
 *
 * Outside base, src/host, src/cmd and tests the clock, chance, the heap, files and sockets are
 * poisoned (RK_PURE): ask rk_env, an arena or a pool, or be handed it. */
#ifndef RK_STD_H
#define RK_STD_H
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/types.h>

#define rk_must_use __attribute__((warn_unused_result))
#define rk_countof(a) (sizeof(a) / sizeof *(a))
#define rk_format(f, a) __attribute__((format(printf, f, a)))
/* The struct that embeds member m at p. */
#define rk_of(p, type, m) ((type *)(void *)((char *)(p) - offsetof(type, m)))

/* Prints what, the last events of the ring, and aborts. Never returns. */
void rk_die(const char *file, int line, const char *what) __attribute__((noreturn));
/* What must hold, in release builds too: a broken one is our bug, never the peer's. */
#define rk_assert(x) ((x) ? (void)0 : rk_die(__FILE__, __LINE__, #x))

static inline int64_t
rk_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t
rk_max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

#ifdef RK_PURE
#pragma GCC poison time gettimeofday clock_gettime rand random srand getenv
#pragma GCC poison malloc calloc realloc free strdup strndup asprintf
#pragma GCC poison open read write pread pwrite fsync fdatasync close socket send recv
#pragma GCC poison fopen fclose fread fwrite unlink rename
#endif
#endif
