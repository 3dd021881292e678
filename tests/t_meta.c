/* t_meta.c - see t_meta.h. */
#include "tests/t_meta.h"
#include "protocol/batch.h"
#include "protocol/desc.h"
#include "protocol/gen/broker_heartbeat.h"
#include "protocol/gen/broker_registration.h"

struct meta_image *t_image;
struct conf *t_conf;
struct rk_arena t_arena;
struct meta_plan t_plan;
struct rk_str t_batch;
char t_dir[64];
static uint64_t chances;
static int64_t end;
static struct conf_notes notes;
static struct rk_arena note_arena;

static uint64_t
chance(struct rk_env *e)
{
	(void)e;
	chances++;
	return rk_hash(&chances, sizeof chances, 7);
}

static int64_t
now(struct rk_env *e)
{
	(void)e;
	return 1000;
}

/* A snapshot is written through the world: here, straight to the file system. */
struct plain {
	struct rk_file head;
	int fd;
	char path[PATH_MAX];
};

static enum rk_err
file_open(struct rk_env *e, const char *path, enum rk_open how, struct rk_file **out)
{
	struct plain *f = calloc(1, sizeof *f);

	f->head.env = e;
	snprintf(f->path, sizeof f->path, "%s", path);
	f->fd = open(path, how == RK_OPEN_READ ? O_RDONLY : O_RDWR | (how == RK_OPEN_CREATE ? O_CREAT : 0), 0644);
	*out = &f->head;
	if (f->fd >= 0)
		return RK_OK;
	free(f);
	return RK_NOT_FOUND;
}

static void
file_drop(struct rk_file *f)
{
	close(rk_of(f, struct plain, head)->fd);
	free(rk_of(f, struct plain, head));
}

static enum rk_err
file_write(struct rk_file *f, uint64_t pos, const void *p, uint32_t len)
{
	ssize_t n = pwrite(rk_of(f, struct plain, head)->fd, p, len, (off_t)pos);

	return n == (ssize_t)len ? RK_OK : RK_KAFKA_STORAGE_ERROR;
}

static enum rk_err
file_truncate(struct rk_file *f, uint64_t len)
{
	return ftruncate(rk_of(f, struct plain, head)->fd, (off_t)len) == 0 ? RK_OK : RK_KAFKA_STORAGE_ERROR;
}

static enum rk_err
file_sync(struct rk_file *f)
{
	return fsync(rk_of(f, struct plain, head)->fd) == 0 ? RK_OK : RK_KAFKA_STORAGE_ERROR;
}

static enum rk_err
file_rename(struct rk_file *f, const char *to)
{
	return rename(rk_of(f, struct plain, head)->path, to) == 0 ? RK_OK : RK_KAFKA_STORAGE_ERROR;
}

static enum rk_err
dir_sync(struct rk_env *e, const char *path)
{
	(void)e;
	(void)path;
	return RK_OK;
}

static const struct rk_world world = { .now_ms = now, .wall_ms = now, .chance = chance, .file_open = file_open,
	.file_drop = file_drop, .file_write = file_write, .file_truncate = file_truncate, .file_sync_wait = file_sync,
	.file_rename = file_rename, .dir_sync = dir_sync };
struct rk_env t_env = { &world };

void
t_start(void)
{
	bool fresh;

	chances = 0;
	end = 0;
	snprintf(t_dir, sizeof t_dir, "/tmp/t_meta.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(t_dir));
	ck_assert_int_eq(meta_open(t_dir, &t_image, &fresh), RK_OK);
	rk_arena_init(&t_arena, 256u << 20);
	rk_arena_init(&note_arena, 1u << 20);
	notes = (struct conf_notes){ .arena = &note_arena };
	t_conf = conf_make(NULL, 0, &notes);
}

void
t_stop(void)
{
	char rm[96];

	meta_free(t_image);
	conf_free(t_conf);
	rk_arena_free(&t_arena);
	rk_arena_free(&note_arena);
	snprintf(rm, sizeof rm, "rm -rf %s", t_dir);
	ck_assert_int_eq(system(rm), 0);
}

void
t_begin(void)
{
	rk_arena_reset(&t_arena);
	meta_plan_begin(&t_plan, t_image, &t_env, t_conf, &t_arena, end);
	meta_plan_enter(&t_plan);
}

void
t_commit(void)
{
	meta_plan_leave(&t_plan, true);
	t_batch = meta_plan_batch(&t_plan, 1, 1000);
	if (t_batch.len < 0) {
		ck_assert_uint_eq(t_plan.count, 0);
		meta_plan_abort(&t_plan);
		return;
	}
	ck_assert_int_eq(kp_batch_check(t_batch.at, (size_t)t_batch.len), RK_OK);
	end = meta_plan_end(&t_plan);
	ck_assert_int_eq(meta_plan_commit(&t_plan, end, 1), RK_OK);
}

struct rk_str
t_features(int16_t version)
{
	static const char *const f[] = { "metadata.version", "eligible.leader.replicas.version", "group.version",
		"share.version", "streams.version", "transaction.version" };
	struct kp_build b;
	struct rk_arena scratch;

	rk_arena_init(&scratch, 1u << 20);
	kp_build_start(&b, &t_arena, 0, 0, 1000);
	for (uint32_t i = 0; i < rk_countof(f); i++) {
		struct kp_feature_level_record r = { .name = rk_str_of(f[i]),
			.feature_level = i == 0 ? version : meta_default_level(f[i], version) };
		if (r.feature_level == 0)
			continue;
		kp_build_add(&b, 1000, RK_STR_NULL, meta_frame(KP_FEATURE_LEVEL_RECORD, 0, &r, &scratch, &t_arena));
	}
	rk_arena_free(&scratch);
	return kp_build_end(&b, 0, -1, -1, -1);
}

void
t_bootstrap(void)
{
	t_begin();
	struct rk_str checkpoint = t_features(30);
	ck_assert_int_eq(meta_bootstrap(&t_plan, (const uint8_t *)checkpoint.at, (uint32_t)checkpoint.len), RK_OK);
	t_commit();
}

void
t_broker(int32_t id, const char *rack)
{
	struct kp_broker_registration_req q;
	struct kp_broker_registration_res a = { 0 };
	struct kp_broker_heartbeat_req h;
	struct kp_broker_heartbeat_res b = { 0 };
	struct rk_uuid dir = { { 9, 9, 9 } };

	t_begin();
	kp_defaults(&kp_broker_registration_req_d, &q);
	q.broker_id = id;
	q.incarnation_id = rk_env_uuid(&t_env);
	q.rack = rk_str_of(rack);
	q.features.at = rk_arena_get(&t_arena, meta_supported_count, sizeof *q.features.at);
	q.features.len = (int32_t)meta_supported_count;
	for (uint32_t i = 0; i < meta_supported_count; i++) {
		q.features.at[i].name = rk_str_of(meta_supported[i].name);
		q.features.at[i].min_supported_version = meta_supported[i].min;
		q.features.at[i].max_supported_version = meta_supported[i].max;
	}
	rk_put32(dir.id + 12, (uint32_t)id);
	q.log_dirs.at = &dir;
	q.log_dirs.len = 1;
	meta_register_broker(&t_plan, 4, &q, &a);
	ck_assert_int_eq(a.error_code, 0);
	t_commit();
	t_begin();
	kp_defaults(&kp_broker_heartbeat_req_d, &h);
	h.broker_id = id;
	h.broker_epoch = a.broker_epoch;
	h.current_metadata_offset = end;
	meta_broker_heartbeat(&t_plan, 1, &h, &b);
	ck_assert_int_eq(b.error_code, 0);
	ck_assert(b.is_caught_up && !b.is_fenced);
	t_commit();
}
