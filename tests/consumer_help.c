/* consumer_help.c - see consumer_help.h. */
#include "tests/consumer_help.h"

static struct core_coord *coord;

struct client c[CLIENTS];

static void
attach(struct core *core)
{
	coord = core_coord_new(core, core_group_kind());
}

void
begin(void)
{
	broker_made = attach;
	broker_begin();
	topic_is("__consumer_offsets", 1, 4);
	topic_is("t", 0x11, 4);
	topic_is("u", 0x12, 3);
	pass(1), pass(1);
	memset(c, 0, sizeof c);
	for (size_t i = 0; i < CLIENTS; i++) {
		rk_arena_init(&c[i].arena, 64 << 20);
		snprintf(c[i].id, sizeof c[i].id, "m%d", (int)i);
		c[i].topics = "t";
		c[i].version = 1;
	}
}

void
over(void)
{
	broker_end();
	for (size_t i = 0; i < CLIENTS; i++)
		rk_arena_free(&c[i].arena);
	broker_made = NULL;
}

struct core_shard *
shard(void)
{
	struct core_shard *s;

	ck_assert_int_eq(core_coord_find(coord, rk_lit("g"), &s), RK_OK);
	return s;
}

struct core_group *
group(void)
{
	return core_group_get(core_shard_state(shard()), rk_lit("g"));
}

struct core_consumers *
state(void)
{
	ck_assert_int_eq(group()->kind, CORE_GROUP_CONSUMER);
	return group()->consumers;
}

struct core_consumer *
member(struct client *x)
{
	return core_consumer_get(state(), rk_str_of(x->id));
}

void
answered(struct core_group_asker *a)
{
	struct client *x = rk_of(a, struct client, ask);

	ck_assert(x->waits && !x->told);
	x->told = true;
	x->waits = false;
}

void
ask(struct client *x)
{
	ck_assert(!x->waits);
	x->told = false;
	x->waits = true;
	x->ask = (struct core_group_asker){ .done = answered, .arena = &x->arena, .client_id = rk_lit("app"),
		.client_host = rk_lit("/127.0.0.1"), .version = (int16_t)x->version, .line = x->line + 1 };
}

void
done(struct client *x, bool later)
{
	if (!later)
		answered(&x->ask);
	settle();
	for (int i = 0; i < 5 && !x->told; i++)
		pass(1);
	ck_assert(x->told);
}

/* --- what a client reads */
static int
which(struct rk_uuid u)
{
	ck_assert(u.id[0] == 0x11 || u.id[0] == 0x12);
	return u.id[0] - 0x11;
}

static void
hear(struct client *x)
{
	if (x->beat.assignment == NULL)
		return;
	memset(x->is_to, 0, sizeof x->is_to);
	for (int32_t i = 0; i < x->beat.assignment->topic_partitions.len; i++) {
		struct kp_consumer_group_heartbeat_res_assignment_topic_partitions *t
		    = &x->beat.assignment->topic_partitions.at[i];
		for (int32_t k = 0; k < t->partitions.len; k++)
			x->is_to[which(t->topic_id)][t->partitions.at[k]] = true;
	}
}

/* It stops reading what it is not to read, and starts what it is to. */
void
obey(struct client *x)
{
	memcpy(x->reads, x->is_to, sizeof x->reads);
}

int
count(struct client *x)
{
	int n = 0;

	for (int i = 0; i < 2 * PARTS; i++)
		n += x->is_to[i / PARTS][i % PARTS];
	return n;
}

/* No partition is read by two. */
void
alone(void)
{
	for (int i = 0; i < 2 * PARTS; i++) {
		int readers = 0;
		for (int k = 0; k < CLIENTS; k++)
			readers += c[k].reads[i / PARTS][i % PARTS];
		ck_assert_int_le(readers, 1);
	}
}

static void
fill_names(struct client *x, struct kp_consumer_group_heartbeat_req *q)
{
	q->subscribed_topic_names.at = rk_arena_get(&x->arena, 4, sizeof(struct rk_str));
	q->subscribed_topic_names.len = 0;
	for (const char *p = x->topics; *p != '\0'; p++)
		if (*p != ' ')
			q->subscribed_topic_names.at[q->subscribed_topic_names.len++] = (struct rk_str){ p, 1 };
}

static void
fill_reads(struct client *x, struct kp_consumer_group_heartbeat_req *q)
{
	q->topic_partitions.at = rk_arena_get(&x->arena, 2, sizeof *q->topic_partitions.at);
	q->topic_partitions.len = 2;
	for (int t = 0; t < 2; t++) {
		struct kp_consumer_group_heartbeat_req_topic_partitions *o = &q->topic_partitions.at[t];
		memset(o->topic_id.id, 0x11 + t, sizeof o->topic_id.id);
		o->partitions.at = rk_arena_get(&x->arena, PARTS, sizeof(int32_t));
		for (int32_t i = 0; i < PARTS; i++)
			if (x->reads[t][i])
				o->partitions.at[o->partitions.len++] = i;
	}
}

int
send_beat(struct client *x, int32_t epoch, bool all)
{
	struct kp_consumer_group_heartbeat_req q;

	kp_defaults(&kp_consumer_group_heartbeat_req_d, &q);
	kp_defaults(&kp_consumer_group_heartbeat_res_d, &x->beat);
	ask(x);
	q.group_id = rk_lit("g");
	q.member_id = rk_str_of(x->id);
	q.member_epoch = epoch;
	q.instance_id = rk_str_of(x->instance);
	if (all) {
		q.rebalance_timeout_ms = 20000;
		fill_names(x, &q);
		q.subscribed_topic_regex = rk_str_of(x->regex);
		q.server_assignor = rk_str_of(x->assignor);
		fill_reads(x, &q);
		if (epoch == 0)
			q.topic_partitions.len = 0;
	}
	done(x, core_consumer_heartbeat(shard(), &x->ask, &q, &x->beat));
	x->code = x->beat.error_code;
	if (x->code == 0)
		x->epoch = x->beat.member_epoch;
	hear(x);
	return x->code;
}

void
join(struct client *x)
{
	memset(x->reads, 0, sizeof x->reads);
	memset(x->is_to, 0, sizeof x->is_to);
	ck_assert_int_eq(send_beat(x, 0, true), 0);
	obey(x);
	alone();
}

/* It says what it reads, and hears what it is to read. */
int
beat(struct client *x)
{
	obey(x);
	int code = send_beat(x, x->epoch, true);
	if (code == 0)
		obey(x);
	alone();
	return code;
}

void
beats(int rounds)
{
	for (int i = 0; i < rounds; i++)
		for (int k = 0; k < CLIENTS; k++)
			if (c[k].epoch > 0)
				ck_assert_int_eq(beat(&c[k]), 0);
}

void
leave(struct client *x)
{
	memset(x->reads, 0, sizeof x->reads);
	memset(x->is_to, 0, sizeof x->is_to);
	ck_assert_int_eq(send_beat(x, -1, false), 0);
	x->epoch = 0;
}

int
refusal(enum rk_err err)
{
	return rk_err_wire(err);
}

/* Everything of a group that is in records, as text. */
static struct rk_str
picture(void)
{
	struct rk_str s = rk_arena_print(&b.arena, "%d %d %" PRId64 " %" PRId64 " %d owners %d names %d", state()->epoch,
	    state()->target_epoch, state()->hash, state()->target_ms, state()->count, state()->owners.count,
	    state()->names.count);

	for (int i = 0; i < CLIENTS; i++) {
		struct core_consumer *m = member(&c[i]);
		if (m == NULL)
			continue;
		s = rk_arena_print(&b.arena, "%.*s; %s %d/%d state %d of %d topics by %.*s:", s.len, s.at, c[i].id, m->at.epoch,
		    m->at.previous, m->at.state, m->says.subscribed_topic_names.len, m->says.subscribed_topic_regex.len,
		    m->says.subscribed_topic_regex.at);
		const struct core_parts *p[3] = { &m->at.has, &m->at.leaves, &m->target };
		for (int k = 0; k < 3; k++)
			for (int32_t n = 0; n < p[k]->count; n++)
				s = rk_arena_print(&b.arena, "%.*s %d:%x-%d@%d", s.len, s.at, k, p[k]->at[n].topic.id[0],
				    p[k]->at[n].index, p[k]->at[n].epoch);
	}
	return s;
}

void
survives(void)
{
	settle();
	struct rk_str before = picture();
	broker_crash();
	pass(1), pass(1);
	struct rk_str after = picture();
	ck_assert_msg(rk_str_eq(before, after), "\n%.*s\n%.*s", before.len, before.at, after.len, after.at);
}
