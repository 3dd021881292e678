/* crash.c - a mapped file that is not what it was: say which, and the way out, before the end.
 *
 * LMDB reads its file through a mapping. A damaged page sends it to places past the file's end, a failed disk
 * to pages that cannot be read; the kernel answers both with SIGBUS. Nothing can be saved then, but the operator
 * must hear the file's name: /proc/self/maps knows it from the address. Only calls that are safe in a signal
 * handler are made here. */
#include <fcntl.h>
#include <signal.h>
#include "src/host/world.h"

enum { LINE = PATH_MAX + 128 };

static void
put(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static bool
hex(const char **p, uintptr_t *v)
{
	const char *from = *p;

	for (*v = 0;; (*p)++)
		if (**p >= '0' && **p <= '9')
			*v = *v * 16 + (uintptr_t)(**p - '0');
		else if (**p >= 'a' && **p <= 'f')
			*v = *v * 16 + (uintptr_t)(**p - 'a' + 10);
		else
			return *p > from;
}

/* The path in a line of /proc/self/maps ("from-to rights offset device inode path") that covers addr, or NULL. */
static const char *
path_of(const char *line, uintptr_t addr)
{
	uintptr_t from, to;

	if (!hex(&line, &from) || *line++ != '-' || !hex(&line, &to) || addr < from || addr >= to)
		return NULL;
	return strchr(line, '/');
}

/* Reads the maps line by line; line has LINE bytes. */
static const char *
mapped_file(uintptr_t addr, char *line)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	const char *path = NULL;
	uint32_t n = 0;
	char c;

	while (fd >= 0 && path == NULL && read(fd, &c, 1) == 1)
		if (c == '\n') {
			line[n] = '\0';
			path = path_of(line, addr);
			n = 0;
		} else if (n < LINE - 1) {
			line[n++] = c;
		}
	if (fd >= 0)
		close(fd);
	return path;
}

static void
on_bus_error(int sig, siginfo_t *info, void *context)
{
	static char line[LINE];
	const char *path = mapped_file((uintptr_t)info->si_addr, line);

	(void)sig;
	(void)context;
	if (path == NULL)
		return; /* the handler is gone: the same access now ends the process as it should */
	put("FATAL ");
	put(path);
	put(" is damaged, or its disk fails: a part of it that should be there cannot be read. ");
	if (strstr(path, "/image/") != NULL)
		put("It can be removed: it is rebuilt from the newest snapshot and the log.\n");
	else if (strstr(path, "/log.mdb") != NULL)
		put("Do not delete it alone (this node's vote is in it): if the quorum has other voters, remove this "
		    "one from it, format the directory anew (rookery-storage format) and add it again; if it is the "
		    "only voter, restore the directory from a backup.\n");
	else
		put("Check the disk, and restore the file from a backup.\n");
	_exit(1);
}

void
host_crash_setup(void)
{
	struct sigaction a = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_RESETHAND };

	sigemptyset(&a.sa_mask);
	(void)sigaction(SIGBUS, &a, NULL);
}
