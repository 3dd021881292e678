/* core_help.c - see core_help.h. */
#include "tests/core_help.h"
#include <sys/stat.h>
#include "base/mem.h"
#include "src/meta/image.h"

struct broker b;
void (*broker_made)(struct core *);
static const struct st_meta meta = {
    .version = 1, .node_id = 1, .cluster_id = "abc", .directory_id = {{9}}};

static void
silent(void *arg, enum rk_level level, const char *line)
{
	(void)arg;
	if (getenv("TALK") != NULL)
		fprintf(stderr, "%d %s\n", (int)level, line);
}

int
broker_claims(const char *name, const TTest *const *claim, size_t count, void (*begin)(void), void (*end)(void))
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, begin, end);
	tcase_set_timeout(t, 60);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(t, claim[i]);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}

void
broker_world(struct broker *x, const struct st_meta *m)
{
	memset(x, 0, sizeof *x);
	posix_world_init(&x->w);
	posix_scratch(x->path);
	rk_arena_init(&x->arena, 256 << 20);
	ck_assert_int_eq(st_meta_write(&x->w.env, x->path, m), RK_OK);
}

void
broker_load(struct core *c)
{
	ck_assert_int_eq(core_load(c, t_image), RK_OK);
}

void
broker_start(void)
{
	ck_assert_int_eq(st_dir_open(&b.w.env, b.path, &meta, &b.dir, &b.how), RK_OK);
	b.core = core_new(&b.w.env, t_conf, &b.timers, 1, &b.dir, &b.how, 1);
	if (broker_made != NULL)
		broker_made(b.core);
	broker_load(b.core);
}

void
broker_begin(void)
{
	t_start();
	t_bootstrap();
	rk_say_to(silent, NULL, RK_TRACE);
	broker_world(&b, &meta);
	broker_start();
}

static void
stopped(void *arg, enum rk_err err)
{
	(void)arg;
	b.stopped = true;
	b.stop_err = err;
}

void
broker_stop(void)
{
	b.stopped = false;
	core_stop(b.core, 7, stopped, NULL);
	for (int i = 0; i < 10 && !b.stopped; i++) {
		posix_pump(&b.w);
		rk_timers_run(&b.timers, b.w.now_ms);
	}
	ck_assert(b.stopped);
	ck_assert_int_eq(b.stop_err, RK_OK);
	core_free(b.core);
	st_dir_close(b.dir);
	b.core = NULL;
}

void
broker_crash(void)
{
	posix_forget(&b.w);
	core_free(b.core);
	st_dir_free(b.dir);
	broker_start();
}

void
broker_gone(struct broker *x)
{
	posix_forget(&x->w);
	if (x->core != NULL) {
		core_free(x->core);
		st_dir_free(x->dir);
	}
	ck_assert_uint_eq(x->timers.count, 0);
	rk_timers_free(&x->timers);
	ck_assert_uint_eq(x->w.files, 0);
	rk_arena_free(&x->arena);
	posix_remove(x->path);
}

void
broker_end(void)
{
	broker_gone(&b);
	t_stop();
}

struct core *t_also;

static void
heard(int16_t type, const void *record)
{
	struct meta_view v;

	meta_view_begin(t_image, &v);
	if (b.core != NULL)
		core_heard(b.core, &v, type, record);
	if (t_also != NULL)
		core_heard(t_also, &v, type, record);
	meta_view_end(&v);
}

void
committed(int16_t type, const void *record)
{
	t_begin();
	meta_plan_add(&t_plan, type, record);
	t_commit();
	heard(type, record);
}

static struct rk_uuid
id_of(uint8_t id)
{
	struct rk_uuid u;

	memset(u.id, id, sizeof u.id);
	return u;
}

void
topic_is(const char *name, uint8_t id, int32_t partitions)
{
	topic_of(name, id, partitions, (const int32_t[]){1}, 1);
}

void
topic_of(const char *name, uint8_t id, int32_t partitions, const int32_t *replicas, int32_t count)
{
	struct kp_topic_record t = {.name = rk_str_of(name), .topic_id = id_of(id)};
	struct rk_uuid dir[8];
	int32_t list[8];

	for (int32_t i = 0; i < count; i++) {
		list[i] = replicas[i];
		dir[i] = (struct rk_uuid){{(uint8_t)(8 + replicas[i])}};
	}

	committed(KP_TOPIC_RECORD, &t);
	for (int32_t i = 0; i < partitions; i++) {
		struct kp_partition_record p;
		kp_defaults(&kp_partition_record_d, &p);
		p.partition_id = i;
		p.topic_id = t.topic_id;
		p.replicas.at = p.isr.at = list;
		p.replicas.len = p.isr.len = count;
		p.directories.at = dir;
		p.directories.len = count;
		p.leader = list[0];
		p.leader_epoch = p.partition_epoch = 0;
		committed(KP_PARTITION_RECORD, &p);
	}
}

void
partition_is(uint8_t id, int32_t partition, int32_t leader, const int32_t *isr, int32_t count, bool led)
{
	struct kp_partition_change_record r;
	int32_t list[8];

	kp_defaults(&kp_partition_change_record_d, &r);
	memcpy(list, isr, (size_t)count * sizeof *isr);
	r.topic_id = id_of(id);
	r.partition_id = partition;
	r.isr.at = list;
	r.isr.len = count;
	if (led)
		r.leader = leader;
	committed(KP_PARTITION_CHANGE_RECORD, &r);
}

void
replicas_are(uint8_t id, int32_t partition, const int32_t *replicas, int32_t count)
{
	struct kp_partition_change_record r;
	struct rk_uuid dir[8];
	int32_t list[8];

	kp_defaults(&kp_partition_change_record_d, &r);
	memcpy(list, replicas, (size_t)count * sizeof *replicas);
	for (int32_t i = 0; i < count; i++)
		dir[i] = (struct rk_uuid){{(uint8_t)(8 + replicas[i])}};
	r.topic_id = id_of(id);
	r.partition_id = partition;
	r.replicas.at = list;
	r.replicas.len = r.directories.len = count;
	r.directories.at = dir;
	committed(KP_PARTITION_CHANGE_RECORD, &r);
}

static void
registered(int32_t id, bool fenced, struct rk_str rack)
{
	struct kp_register_broker_record r;
	struct kp_register_broker_record_end_points at = {
	    .name = rk_lit("PLAINTEXT"), .host = rk_lit("127.0.0.1"), .port = 9092};

	kp_defaults(&kp_register_broker_record_d, &r);
	r.broker_id = id;
	r.broker_epoch = 100 + id;
	r.fenced = fenced;
	r.rack = rack;
	r.end_points.at = &at;
	r.end_points.len = 1;
	committed(KP_REGISTER_BROKER_RECORD, &r);
}

void
broker_is(int32_t id, bool fenced)
{
	registered(id, fenced, RK_STR_NULL);
}

void
broker_in(int32_t id, const char *rack)
{
	registered(id, false, rk_str_of(rack));
}

void
topic_gone(uint8_t id)
{
	struct kp_remove_topic_record r = {.topic_id = id_of(id)};

	committed(KP_REMOVE_TOPIC_RECORD, &r);
}

void
config_is(const char *topic, const char *name, const char *value)
{
	struct kp_config_record r = {.resource_type = 2,
	    .resource_name = rk_str_of(topic),
	    .name = rk_str_of(name),
	    .value = rk_str_of(value)};

	committed(KP_CONFIG_RECORD, &r);
}

struct core_partition *
broker_part(struct broker *x, const char *topic, int32_t index)
{
	struct core_partition *p =
	    core_partition(core_topic_named(x->core, rk_str_of(topic)), index);

	ck_assert_ptr_nonnull(p);
	return p;
}

struct core_partition *
part(const char *topic, int32_t index)
{
	return broker_part(&b, topic, index);
}

struct rk_str
batch_with(int32_t count, int64_t ms, int16_t attr, const char *key)
{
	struct kp_build w;

	kp_build_start(&w, &b.arena, 0, attr, ms);
	for (int32_t i = 0; i < count; i++)
		kp_build_add(&w, ms + i, rk_str_of(key), rk_lit("value"));
	return kp_build_end(&w, -1, -1, -1, -1);
}

struct rk_str
batch_of(int32_t count, int64_t ms)
{
	return batch_with(count, ms, 0, "key");
}

struct rk_str
batch_from(int64_t producer, int16_t epoch, int32_t seq)
{
	struct kp_build w;

	kp_build_start(&w, &b.arena, 0, 0, b.w.wall_ms);
	kp_build_add(&w, b.w.wall_ms, rk_lit("k"), rk_lit("v"));
	return kp_build_end(&w, -1, producer, epoch, seq);
}

struct core_append
put(struct core_partition *p, struct rk_str batch)
{
	struct core_append a = {.acks = -1, .arena = &b.arena, .wall_ms = b.w.wall_ms};

	a.at = rk_arena_raw(&b.arena, (size_t)batch.len);
	memcpy(a.at, batch.at, (size_t)batch.len);
	a.len = batch.len;
	enum rk_err err = core_only_batch(&a, 9);
	if (err == RK_OK)
		core_append(p, &a);
	else
		a.err = err;
	return a;
}

void
broker_settle(struct broker *x)
{
	core_flush(x->core);
	while (posix_pump(&x->w) > 0)
		core_flush(x->core);
	core_flush(x->core);
}

void
settle(void)
{
	broker_settle(&b);
}

void
pass(int64_t ms)
{
	b.w.now_ms += ms;
	b.w.wall_ms += ms;
	rk_timers_run(&b.timers, b.w.now_ms);
	settle();
}

bool
is_there(const char *name)
{
	char path[PATH_MAX];
	struct stat s;

	snprintf(path, sizeof path, "%s/%s", b.path, name);
	return stat(path, &s) == 0;
}
