/* say.c - the operator's lines on stderr, and words to the service manager. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "src/host/world.h"

static bool journal; /* stderr goes to systemd's journal, which adds the time itself */

static const char *const level_name[] = { "TRACE", "DEBUG", "INFO ", "WARN ", "ERROR", "FATAL" };
static const int syslog_level[] = { 7, 7, 6, 4, 3, 2 };

/* One write(2) a line, so that lines of several threads do not mix. */
static void
line_out(void *arg, enum rk_level level, const char *line)
{
	char text[2300];
	struct timespec t;
	struct tm tm;
	int n;

	(void)arg;
	if (journal) {
		n = snprintf(text, sizeof text, "<%d>%s\n", syslog_level[level], line);
	} else {
		clock_gettime(CLOCK_REALTIME, &t);
		localtime_r(&t.tv_sec, &tm);
		n = snprintf(text, sizeof text, "[%04d-%02d-%02d %02d:%02d:%02d,%03ld] %s %s\n", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, t.tv_nsec / 1000000,
		    level_name[level], line);
	}
	if (n > 0)
		(void)!write(STDERR_FILENO, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

void
host_say(enum rk_level least)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	journal = stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0
	    && st.st_dev == dev && st.st_ino == ino;
	rk_say_to(line_out, NULL, least);
}

/* A datagram to the socket that NOTIFY_SOCKET names; a leading @ is an abstract name. */
void
host_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (path == NULL || strlen(path) >= sizeof to.sun_path || strlen(path) < 2)
		return;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	memcpy(to.sun_path, path, strlen(path));
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
}
