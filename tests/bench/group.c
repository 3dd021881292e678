/* group.c - the members of consumer groups, a connection each, in one thread: too light to be what is measured.
 *
 *	group classic  HOST:PORT GROUP members=200 again=60
 *		a classic group forms, then rebalances that many times. A rebalance: every member joins again, the leader
 *		first, each with other metadata; until the last SyncGroup is answered
 *	group consumer HOST:PORT GROUP members=200 again=20 FROM TO
 *		a KIP-848 group takes topic FROM, then all subscribe to the other one, and so on; each topic has a
 *		partition a member. Until all have their partition in one epoch and the server has answered the
 *		heartbeat that says so. A member heartbeats 10 ms after its last answer, at once when it has
 *		something to say
 *	group idle     HOST:PORT PREFIX groups=100 members=50 seconds=10
 *		forms classic groups one after the other; each member heartbeats once; then all for so many seconds
 *
 * One line of key=value pairs on stdout behind each step (formed, done); before the next it waits for a line on
 * stdin, so that whoever started it can look at the server in between. Times in ms; client_ms is this program's own
 * CPU time a rebalance. Versions: JoinGroup 5, SyncGroup 3, Heartbeat 3, ConsumerGroupHeartbeat 1. An error that does
 * not belong to it ends the program. */
#include "tests/bench/wire.h"

enum { JOIN = 11, HEARTBEAT = 12, SYNC = 14, CONSUMER = 68, ID_MAX = 128, MEMBER_ID_REQUIRED = 79, BEAT_US = 10000 };
enum { LONG = 60000000 }; /* µs: nothing takes that long */

struct conn {
	int fd;
	uint8_t *in;
	uint32_t have, size;
};
static struct conn *conn;
static int conns, ep;

/* An answer being read: it begins behind the correlation id. */
struct cur {
	const uint8_t *p, *end;
};

static void
stop(const char *what, int error)
{
	fprintf(stderr, "group: %s: %d\n", what, error);
	exit(1);
}

static const uint8_t *
skip(struct cur *c, size_t n)
{
	const uint8_t *p = c->p;
	if ((size_t)(c->end - p) < n)
		stop("an answer is too short by", (int)(n - (size_t)(c->end - p)));
	c->p += n;
	return p;
}
static int
g16(struct cur *c)
{
	return (int16_t)rk_get16(skip(c, 2));
}
static int
g32(struct cur *c)
{
	return (int32_t)rk_get32(skip(c, 4));
}
static uint32_t
guv(struct cur *c)
{
	uint32_t n = 0, shift = 0, b;
	do {
		b = *skip(c, 1);
		n |= (b & 127) << shift;
		shift += 7;
	} while (b >= 128 && shift < 32);
	return n;
}
static void
gs(struct cur *c, char *to)
{
	int n = g16(c);
	if (n >= ID_MAX)
		stop("a string is too long", n);
	if (n > 0)
		memcpy(to, skip(c, (size_t)n), (size_t)n);
	to[n < 0 ? 0 : n] = '\0';
}

/* The coordinator loads, or is not there yet: to be asked again, a minute long. */
static bool
not_yet(int error)
{
	static int64_t until;

	if (error != 14 && error != 15 && error != 16)
		return false;
	if (until == 0)
		until = now_us() + LONG;
	if (now_us() > until)
		stop("no coordinator within a minute: error", error);
	usleep(1000);
	return true;
}

/* Asks for the group's coordinator, which makes its topic where there is none. */
static void
coordinator(const char *group)
{
	int fd = dial(true), error;
	do {
		uint32_t n;
		head(10, 1);
		ps(group);
		p8(0);
		end();
		if (!send_all(fd, buf, len))
			fail("send");
		uint8_t size[4], answer[1024];
		if (!read_all(fd, size, 4) || (n = rk_get32(size)) > sizeof answer || !read_all(fd, answer, n))
			fail("FindCoordinator");
		struct cur c = {answer + 8, answer + n};
		error = g16(&c);
	} while (not_yet(error));
	if (error != 0)
		stop("FindCoordinator", error);
	close(fd);
}

static void
dial_all(int n)
{
	conns = n;
	conn = calloc((size_t)n, sizeof *conn);
	ep = epoll_create1(0);
	for (int i = 0; i < n; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
		conn[i].fd = dial(true);
		conn[i].size = 512;
		conn[i].in = malloc(conn[i].size);
		epoll_ctl(ep, EPOLL_CTL_ADD, conn[i].fd, &e);
	}
}

static void
tell(int i)
{
	end();
	if (!send_all(conn[i].fd, buf, len))
		fail("send");
}

/* Reads what is there; true: a whole answer is in c->in. One request is under way, so nothing is behind it. */
static bool
whole(struct conn *c)
{
	ssize_t k = recv(c->fd, c->in + c->have, c->size - c->have, MSG_DONTWAIT);
	if (k < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (k <= 0)
		fail("the server closed a connection");
	c->have += (uint32_t)k;
	if (c->have < 4)
		return false;
	uint32_t want = rk_get32(c->in) + 4;
	if (want > c->size && (c->in = realloc(c->in, c->size = want)) == NULL)
		fail("memory");
	return c->have == want;
}

/* Waits for answers at most that long, and hands each whole one out. */
static void
hear(int64_t us, void (*heard)(int i, struct cur c))
{
	struct timespec t = {us / 1000000, us % 1000000 * 1000};
	struct epoll_event ev[256];
	int n = epoll_pwait2(ep, ev, 256, &t, NULL);

	if (n == 0 && us >= 1000000)
		stop("no answer within s", (int)(us / 1000000));
	for (int k = 0; k < n; k++) {
		struct conn *c = &conn[ev[k].data.u32];
		if (!whole(c))
			continue;
		struct cur a = {c->in + 8, c->in + c->have};
		c->have = 0;
		heard((int)ev[k].data.u32, a);
	}
}

/* --- classic groups */
struct classic {
	char id[ID_MAX];
	bool joined, leads;
	int generation, size; /* of the group that it joined */
};
static struct classic *of;                                 /* the members of the group at hand */
static int first, count, leader, rounds, joined, answered; /* its first connection, members, ... */
static int newest, small;  /* its newest generation; the last one that somebody was missing from */
static bool full;          /* the leader of the newest has heard of everybody */
static char name[ID_MAX];

static void
join(int i)
{
	of[i].joined = false;
	head(JOIN, 5);
	ps(name);
	p32(45000);
	p32(60000);
	ps(of[i].id);
	p16(-1);
	ps("consumer");
	p32(1);
	ps("range");
	p32(2 + 4 + 3 + 4 + 4);
	p16(0); /* what it subscribes to, and user data: the round */
	p32(1);
	ps("t");
	p32(4);
	p32(rounds);
	tell(first + i);
}

/* Joins again who is in a generation that somebody was missing from, as any client would. */
static void
heard_join(int at, struct cur c)
{
	int i = at - first, was = small, error, generation, size;
	char lead[ID_MAX], me[ID_MAX];
	struct classic *m = &of[i];

	skip(&c, 4);
	error = g16(&c);
	generation = g32(&c);
	gs(&c, me);
	gs(&c, lead);
	gs(&c, me);
	if (error != 0 && error != MEMBER_ID_REQUIRED && !not_yet(error))
		stop("JoinGroup", error);
	if (me[0] != '\0')
		snprintf(m->id, sizeof m->id, "%s", me);
	if (error != 0) {
		join(i);
		return;
	}
	size = g32(&c);
	*m = (struct classic){.joined = true, .leads = strcmp(me, lead) == 0, .generation = generation, .size = size};
	memcpy(m->id, me, sizeof me);
	joined++;
	if (generation > newest) {
		newest = generation;
		full = false;
	}
	full |= m->leads && generation == newest && size == count;
	small = (int)rk_max(small, m->leads && size < count ? generation : newest - 1);
	for (int k = small > was ? 0 : i; k < (small > was ? count : i + 1); k++)
		if (of[k].joined && of[k].generation <= small) {
			joined--;
			join(k);
		}
}

static void
sync_group(int i)
{
	head(SYNC, 3);
	ps(name);
	p32(of[i].generation);
	ps(of[i].id);
	p16(-1);
	p32(of[i].leads ? count : 0);
	for (int k = 0; of[i].leads && k < count; k++) {
		ps(of[k].id);
		p32(2 + 4 + 3 + 4 + 4 + 4);
		p16(0);
		p32(1);
		ps("t");
		p32(1);
		p32(k);
		p32(-1);
	}
	tell(first + i);
}

/* SyncGroup's answer and Heartbeat's: a throttle time, an error. */
static void
heard_done(int at, struct cur c)
{
	(void)at;
	skip(&c, 4);
	int error = g16(&c);
	if (error != 0)
		stop("SyncGroup or Heartbeat", error);
	answered++;
}

static void
rebalance(void)
{
	rounds++;
	newest = small = joined = answered = 0;
	full = false;
	join(leader);
	for (int i = 0; i < count; i++)
		if (i != leader)
			join(i);
	while (!full || joined < count)
		hear(LONG, heard_join);
	for (int i = 0; i < count; i++)
		if (of[i].leads)
			leader = i;
	for (int i = 0; i < count; i++)
		sync_group(i);
	while (answered < count)
		hear(LONG, heard_done);
}

static void
group_of(const char *prefix, int k, int at, int members)
{
	snprintf(name, sizeof name, k < 0 ? "%s" : "%s-%d", prefix, k);
	first = at;
	count = members;
	leader = rounds = 0;
	of = calloc((size_t)members, sizeof *of);
}

/* --- figures */
static int64_t
cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

/* The line is whole: the next step begins when somebody says so. */
static void
step(void)
{
	char line[64];
	printf("\n");
	fflush(stdout);
	if (fgets(line, sizeof line, stdin) == NULL)
		exit(0);
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void
print_times(int64_t *us, int n, int64_t cpu)
{
	qsort(us, (size_t)n, sizeof *us, by_value);
	int64_t mid = (us[(n - 1) / 2] + us[n / 2]) / 2;
	printf("done=%d median_ms=%.3f max_ms=%.3f client_ms=%.3f", n, (double)mid / 1000, (double)us[n - 1] / 1000,
	    (double)cpu / 1000 / n);
}

static int
classic(int argc, char **argv)
{
	int n = (int)opt(argc, argv, "members", 200), again = (int)opt(argc, argv, "again", 60);
	int64_t *us = calloc((size_t)again + 1, sizeof *us);

	dial_all(n);
	group_of(argv[3], -1, 0, n);
	int64_t began = now_us();
	rebalance();
	printf("formed_ms=%.3f", (double)(now_us() - began) / 1000);
	step();
	int64_t cpu = cpu_us();
	for (int k = 0; k < again; k++) {
		began = now_us();
		rebalance();
		us[k] = now_us() - began;
	}
	print_times(us, again, cpu_us() - cpu);
	step();
	return 0;
}

static int64_t beats;
static int
idle(int argc, char **argv)
{
	int groups = (int)opt(argc, argv, "groups", 100), n = (int)opt(argc, argv, "members", 50);
	struct classic **all = calloc((size_t)groups, sizeof *all);
	int64_t until = 0;

	dial_all(groups * n);
	for (int k = 0; k < groups; k++) {
		group_of(argv[3], k, k * n, n);
		all[k] = of;
		rebalance();
	}
	for (int64_t round = 0; round == 0 || now_us() < until; round++) {
		for (int k = 0; k < groups; k++) {
			snprintf(name, sizeof name, "%s-%d", argv[3], k);
			answered = 0;
			for (int i = 0; i < n; i++) {
				head(HEARTBEAT, 3);
				ps(name);
				p32(all[k][i].generation);
				ps(all[k][i].id);
				p16(-1);
				tell(k * n + i);
			}
			while (answered < n)
				hear(LONG, heard_done);
			beats += n;
		}
		if (round == 0) {
			printf("formed=%d", groups * n);
			step();
			beats = 0;
			until = now_us() + opt(argc, argv, "seconds", 10) * 1000000;
		}
	}
	printf("done=%" PRId64, beats);
	step();
	return 0;
}

/* --- KIP-848. What a member owns is kept as the server wrote it: requests say it in the same bytes. */
enum { OWNED_MAX = 4096 };
struct modern {
	char id[40];
	uint8_t owned[OWNED_MAX];
	uint32_t owned_len;
	int epoch;
	bool says; /* the server has not answered yet the heartbeat that says what it owns */
};
static struct modern *mo;
static const char *wanted;                      /* the topic */
static uint8_t old_topic[16];                   /* the id of the one that all come from */
static int waits, *later, later_head, later_len; /* heartbeats under way; members whose time has not come, in order */
static int64_t *due;

static void
pc(const void *s, size_t n)
{
	rk_assert(n < 127);
	p8((int)n + 1);
	memcpy(buf + len, s, n);
	len += n;
}

static void
beat(int i, bool subscribes, bool owns)
{
	struct modern *m = &mo[i];

	head(CONSUMER, 1);
	p8(0); /* tags */
	pc(name, strlen(name));
	pc(m->id, strlen(m->id));
	p32(m->epoch);
	p16(0); /* no instance id, no rack */
	p32(subscribes ? 60000 : -1);
	p8(subscribes ? 2 : 0);
	if (subscribes)
		pc(wanted, strlen(wanted));
	p16(0); /* no expression, no assignor */
	if (owns) {
		memcpy(buf + len, m->owned, m->owned_len);
		len += m->owned_len;
	} else {
		p8(0);
	}
	p8(0);
	m->says = owns;
	waits++;
	tell(i);
}

static void
wait_more(int i)
{
	int at = (later_head + later_len++) % count;
	later[at] = i;
	due[at] = now_us() + BEAT_US;
}

/* The list of a topic's partitions of an answer, as bytes. */
static const uint8_t *
parts_of(struct cur *c, uint32_t *n)
{
	const uint8_t *from = c->p;
	for (uint32_t topics = guv(c); topics > 1; topics--) {
		skip(c, 16);
		skip(c, 4 * (size_t)(guv(c) - 1));
		skip(c, 1);
	}
	*n = (uint32_t)(c->p - from);
	return from;
}

static void
heard_consumer(int i, struct cur c)
{
	struct modern *m = &mo[i];
	uint32_t n;

	waits--;
	skip(&c, 5); /* tags, throttle */
	int error = g16(&c);
	for (int k = 0; k < 2; k++) { /* message, member */
		uint32_t size = guv(&c);
		skip(&c, size > 0 ? size - 1 : 0);
	}
	m->epoch = g32(&c);
	skip(&c, 4);
	if (not_yet(error)) {
		m->epoch = 0;
		beat(i, true, true);
		return;
	}
	if (error != 0)
		stop("ConsumerGroupHeartbeat", error);
	m->says = false;
	if ((int8_t)*skip(&c, 1) < 0) {
		wait_more(i);
		return;
	}
	const uint8_t *told = parts_of(&c, &n);
	if (n > OWNED_MAX)
		stop("an assignment is too long", (int)n);
	if (n == m->owned_len && memcmp(told, m->owned, n) == 0) {
		wait_more(i);
		return;
	}
	memcpy(m->owned, told, n);
	m->owned_len = n;
	beat(i, false, true);
}

/* All in one epoch, all have said what they own, and that is each partition of the new topic once. */
static bool
settled(bool *seen)
{
	const uint8_t *topic = NULL;
	int sum = 0;

	for (int i = 0; i < count; i++)
		if (mo[i].says || mo[i].epoch != mo[0].epoch || mo[i].owned_len < 2)
			return false;
	rk_assert(count > 0);
	memset(seen, 0, (size_t)count);
	for (int i = 0; i < count; i++) {
		struct cur c = {mo[i].owned, mo[i].owned + mo[i].owned_len};
		for (uint32_t topics = guv(&c); topics > 1; topics--) {
			const uint8_t *id = skip(&c, 16);
			if (memcmp(id, old_topic, 16) == 0 || (topic != NULL && memcmp(id, topic, 16) != 0))
				return false;
			topic = id;
			for (uint32_t k = guv(&c); k > 1; k--) {
				int part = g32(&c);
				if (part < 0 || part >= count || seen[part])
					return false;
				seen[part] = true;
				sum++;
			}
			skip(&c, 1);
		}
	}
	if (sum == count)
		memcpy(old_topic, topic, 16);
	return sum == count;
}

/* All subscribe to that topic and to no other. Returns how long it took. */
static int64_t
move(const char *topic)
{
	bool *seen = calloc((size_t)count, sizeof *seen);
	int64_t began = now_us();

	wanted = topic;
	later_len = 0;
	for (int i = 0; i < count; i++)
		beat(i, true, true);
	while (!settled(seen)) {
		int64_t now = now_us();
		if (now - began > 2 * LONG)
			stop("the group does not settle within s", 2 * LONG / 1000000);
		for (; later_len > 0 && due[later_head] <= now; later_len--, later_head = (later_head + 1) % count)
			beat(later[later_head], false, false);
		hear(later_len > 0 ? due[later_head] - now : 500000, heard_consumer);
	}
	int64_t us = now_us() - began;
	while (waits > 0) /* nobody is left in the middle of a question */
		hear(LONG, heard_consumer);
	free(seen);
	return us;
}

static int
consumer(int argc, char **argv)
{
	int n = (int)opt(argc, argv, "members", 200), again = (int)opt(argc, argv, "again", 20);
	int64_t *us = calloc((size_t)again + 1, sizeof *us);

	dial_all(n);
	snprintf(name, sizeof name, "%s", argv[3]);
	count = n;
	mo = calloc((size_t)n, sizeof *mo);
	later = calloc((size_t)n, sizeof *later);
	due = calloc((size_t)n, sizeof *due);
	for (int i = 0; i < n; i++) {
		snprintf(mo[i].id, sizeof mo[i].id, "member-%d-%d", (int)getpid(), i);
		mo[i].owned[0] = 1; /* an empty list */
		mo[i].owned_len = 1;
	}
	printf("formed_ms=%.3f", (double)move(argv[argc - 2]) / 1000);
	step();
	int64_t cpu = cpu_us();
	for (int k = 0; k < again; k++)
		us[k] = move(argv[argc - 1 - k % 2]);
	print_times(us, again, cpu_us() - cpu);
	step();
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc < 4 || !place(argv[2]) || strlen(argv[3]) > 60 || (strcmp(argv[1], "consumer") == 0 && argc < 6)) {
		fprintf(stderr, "usage: group classic|consumer|idle HOST:PORT GROUP [key=value]... [FROM TO]\n");
		return 2;
	}
	buf = malloc(1 << 20);
	coordinator(argv[3]);
	if (strcmp(argv[1], "classic") == 0)
		return classic(argc, argv);
	if (strcmp(argv[1], "consumer") == 0)
		return consumer(argc, argv);
	return idle(argc, argv);
}
