/* snapshot.c - Kafka's checkpoint files: the whole image as record batches, and what a new cluster begins with.
 *
 *	control batch   SnapshotHeader, and from kraft.version 1 on KRaftVersion and Voters
 *	data batches    features (metadata.version first), brokers, controllers, topics each with its partitions,
 *	                configs, quotas, producer ids, ACLs, SCRAM credentials, tokens
 *	control batch   SnapshotFooter
 *
 * Offsets count from 0 in the file itself; the leader epoch of every batch is the snapshot's. */
#include "src/meta/image.h"
#include "base/say.h"
#include "protocol/batch.h"
#include "protocol/desc.h"
#include "protocol/gen/control_records.h"

enum { HEADER = 3, FOOTER = 4, KRAFT_VERSION = 5, VOTERS = 6, CHUNK_BYTES = 1 << 20, ARENA_MAX = 64 << 20 };

struct out {
	struct rk_env *env;
	struct rk_file *file;
	uint64_t pos;
	int64_t offset, now_ms, last_ms; /* last_ms: what the header says */
	int32_t epoch;
	int16_t version;          /* metadata.version */
	struct rk_arena arena;    /* of the batch at hand */
	struct rk_arena scratch;
	struct kp_build build;
	enum rk_err err;          /* sticky */
};

static void
begin(struct out *o, int16_t attr)
{
	rk_arena_reset(&o->arena);
	kp_build_start(&o->build, &o->arena, o->offset, attr, o->now_ms);
}

static void
finish(struct out *o)
{
	if (o->build.count == 0 || o->err != RK_OK)
		return;
	o->offset += o->build.count;
	struct rk_str batch = kp_build_end(&o->build, o->epoch, -1, -1, -1);
	o->err = batch.len < 0 ? RK_NO_MEMORY : rk_file_write(o->file, o->pos, batch.at, (uint32_t)batch.len);
	o->pos += batch.len < 0 ? 0 : (uint64_t)batch.len;
	o->build.count = 0;
}

static void
control(struct out *o, int16_t type, struct rk_str value)
{
	char key[4];

	rk_put16(key, 0);
	rk_put16(key + 2, (uint16_t)type);
	if (value.len < 0)
		o->err = RK_NO_MEMORY;
	if (o->err == RK_OK)
		kp_build_add(&o->build, o->now_ms, (struct rk_str){ key, 4 }, value);
}

static void
add(struct out *o, int16_t type, const void *record)
{
	if (o->err != RK_OK)
		return;
	rk_arena_reset(&o->scratch);
	struct rk_str value = meta_frame(type, meta_record_version(type, o->version), record, &o->scratch, &o->scratch);
	if (value.len < 0) {
		o->err = RK_NO_MEMORY;
		return;
	}
	kp_build_add(&o->build, o->now_ms, RK_STR_NULL, value);
	if (o->build.len >= CHUNK_BYTES) {
		finish(o);
		begin(o, 0);
	}
}

static void
head(struct out *o, int64_t last_ms, int16_t kraft_version, struct rk_str voters)
{
	struct kp_snapshot_header_record h = { .version = 0, .last_contained_log_timestamp = last_ms };
	struct kp_kraft_version_record k = { .version = 0, .kraft_version = kraft_version };

	begin(o, KP_ATTR_CONTROL);
	control(o, HEADER, meta_bytes(&kp_snapshot_header_record_d, 0, &h, &o->scratch));
	if (kraft_version > 0) {
		control(o, KRAFT_VERSION, meta_bytes(&kp_kraft_version_record_d, 0, &k, &o->scratch));
		if (voters.len >= 0)
			control(o, VOTERS, voters);
	}
	finish(o);
}

static void
foot(struct out *o)
{
	struct kp_snapshot_footer_record f = { .version = 0 };

	finish(o);
	begin(o, KP_ATTR_CONTROL);
	control(o, FOOTER, meta_bytes(&kp_snapshot_footer_record_d, 0, &f, &o->scratch));
	finish(o);
}

/* --- what of the image */

static void
feature(struct out *o, struct rk_str name, int16_t level)
{
	struct kp_feature_level_record r = { .name = name, .feature_level = level };

	add(o, KP_FEATURE_LEVEL_RECORD, &r);
}

static void
features(struct out *o, const struct meta_view *v)
{
	struct st_cursor c;
	struct rk_str mv = rk_lit("metadata.version");

	if (meta_feature(v, mv) > 0)
		feature(o, mv, meta_feature(v, mv));
	for (bool more = st_cursor_begin(&c, v->txn, META_FEATURE, rk_lit(""), rk_lit("")); more; more = st_cursor_next(&c))
		if (!rk_str_eq(c.key, mv))
			feature(o, c.key, (int16_t)rk_get16(c.value.at));
	st_cursor_end(&c);
}

/* Every row of a table is a record, behind skip bytes of ours. */
static void
rows(struct out *o, const struct meta_view *v, uint32_t table, struct rk_str prefix, int16_t type, int32_t skip)
{
	const struct kp_desc *d = meta_record_desc(type);
	struct rk_arena a;
	struct st_cursor c;

	rk_arena_init(&a, ARENA_MAX);
	for (bool more = st_cursor_begin(&c, v->txn, table, prefix, prefix); more && o->err == RK_OK;
	    more = st_cursor_next(&c)) {
		rk_arena_reset(&a);
		void *msg = rk_arena_get(&a, 1, d->size);
		struct rk_str row = { c.value.at + skip, c.value.len - skip };
		if (msg == NULL || !meta_row_read(d, row, &a, msg))
			o->err = RK_NO_MEMORY;
		else
			add(o, type, msg);
	}
	st_cursor_end(&c);
	rk_arena_free(&a);
}

static void
topics(struct out *o, const struct meta_view *v)
{
	struct meta_topics w;

	for (bool more = meta_topics_begin(&w, v, rk_lit("")); more && o->err == RK_OK; more = meta_topics_next(&w)) {
		struct kp_topic_record r = { .name = w.topic.name, .topic_id = w.topic.id };
		struct rk_str prefix = { (const char *)w.topic.id.id, 16 };
		add(o, KP_TOPIC_RECORD, &r);
		rows(o, v, META_PARTITION, prefix, KP_PARTITION_RECORD, 0);
	}
	meta_topics_end(&w);
}

static void
body(struct out *o, const void *arg)
{
	const struct meta_view *v = arg;
	struct rk_str all = rk_lit("");
	struct kp_producer_ids_record ids = { .broker_id = -1, .broker_epoch = -1 };

	features(o, v);
	rows(o, v, META_BROKER, all, KP_REGISTER_BROKER_RECORD, 8);
	rows(o, v, META_CONTROLLER, all, KP_REGISTER_CONTROLLER_RECORD, 0);
	topics(o, v);
	rows(o, v, META_CONFIG, all, KP_CONFIG_RECORD, 0);
	rows(o, v, META_QUOTA, all, KP_CLIENT_QUOTA_RECORD, 0);
	ids.next_producer_id = meta_next_producer_id(v);
	if (ids.next_producer_id > 0)
		add(o, KP_PRODUCER_IDS_RECORD, &ids);
	rows(o, v, META_ACL, all, KP_ACCESS_CONTROL_ENTRY_RECORD, 0);
	rows(o, v, META_SCRAM, all, KP_USER_SCRAM_CREDENTIAL_RECORD, 0);
	rows(o, v, META_TOKEN, all, KP_DELEGATION_TOKEN_RECORD, 0);
}

/* The folder's entry must survive too. */
static enum rk_err
settle(struct rk_env *env, struct rk_file *f, const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	rk_assert(slash != NULL && slash != path && (size_t)(slash - path) < sizeof dir);
	enum rk_err err = rk_file_sync_wait(f);
	if (err == RK_OK)
		err = rk_file_rename(f, path);
	rk_str_copy(dir, sizeof dir, (struct rk_str){ path, (int32_t)(slash - path) });
	return err == RK_OK ? rk_dir_sync(env, dir) : err;
}

/* What stands between the head and the foot. */
typedef void filler(struct out *, const void *arg);

static enum rk_err
to_file(struct out *o, const char *path, int16_t kraft_version, struct rk_str voters, filler *fill, const void *arg)
{
	char part[PATH_MAX];

	if ((size_t)snprintf(part, sizeof part, "%s.part", path) >= sizeof part)
		return RK_KAFKA_STORAGE_ERROR;
	o->err = rk_file_open(o->env, part, RK_OPEN_CREATE, &o->file);
	if (o->err != RK_OK)
		return o->err;
	o->err = rk_file_truncate(o->file, 0);
	rk_arena_init(&o->arena, ARENA_MAX);
	rk_arena_init(&o->scratch, ARENA_MAX);
	if (o->err == RK_OK) {
		head(o, o->last_ms, kraft_version, voters);
		begin(o, 0);
		fill(o, arg);
		foot(o);
	}
	rk_arena_free(&o->arena);
	rk_arena_free(&o->scratch);
	if (o->err == RK_OK)
		o->err = settle(o->env, o->file, path);
	rk_file_drop(o->file);
	return o->err;
}

enum rk_err
meta_snapshot_write(struct rk_env *env, const struct meta_view *v, const char *path, int64_t last_ms,
    int16_t kraft_version, struct rk_str voters)
{
	struct out o = { .env = env, .now_ms = last_ms, .last_ms = last_ms };

	meta_applied(v, &o.epoch);
	int16_t version = meta_feature(v, rk_lit("metadata.version"));
	o.version = version > 0 ? version : meta_supported[0].min;
	return to_file(&o, path, kraft_version, voters, body, v);
}

static void
seeds(struct out *o, const void *arg)
{
	for (const struct meta_seed *s = arg; s->record != NULL; s++)
		add(o, s->type, s->record);
}

enum rk_err
meta_write_bootstrap(struct rk_env *env, const char *path, const struct meta_seed *list, int64_t now_ms)
{
	struct out o = { .env = env, .now_ms = now_ms }; /* no log is behind it: the header's time is 0 */

	return to_file(&o, path, 0, RK_STR_NULL, seeds, list);
}

static void
nothing(struct out *o, const void *arg)
{
	(void)o;
	(void)arg;
}

enum rk_err
meta_write_voters(struct rk_env *env, const char *path, int16_t kraft_version, const struct kp_voters_record *voters,
    int64_t now_ms)
{
	struct out o = { .env = env, .now_ms = now_ms, .last_ms = now_ms };
	struct rk_arena a;

	rk_arena_init(&a, 1u << 20);
	struct rk_str bytes = meta_bytes(&kp_voters_record_d, 0, voters, &a);
	enum rk_err err = bytes.len < 0 ? RK_NO_MEMORY : to_file(&o, path, kraft_version, bytes, nothing, NULL);
	rk_arena_free(&a);
	return err;
}

/* --- loading */

static enum rk_err
load(struct meta_apply *ap, const uint8_t *p, uint32_t len)
{
	struct rk_arena copy;
	struct kp_records_iter it;
	struct kp_record kr;
	struct meta_record r;
	enum rk_err err = RK_OK;

	rk_arena_init(&copy, ARENA_MAX);
	for (uint32_t at = 0; at < len && err == RK_OK; at += (uint32_t)kp_batch_bytes(p + at)) {
		err = kp_batch_check(p + at, len - at);
		if (err == RK_OK && (kp_batch_attr(p + at) & KP_ATTR_CODEC) != 0)
			err = RK_CORRUPT_MESSAGE;
		if (err != RK_OK)
			break;
		if ((kp_batch_attr(p + at) & KP_ATTR_CONTROL) != 0)
			continue;
		kp_records_start(&it, p + at, NULL, 0);
		while (err == RK_OK && kp_records_next(&it, &kr)) {
			rk_arena_reset(&copy);
			err = meta_unframe(kr.value, &copy, &r);
			if (err == RK_OK)
				err = meta_apply_record(ap, &r, kr.value);
		}
		if (err == RK_OK && it.bad)
			err = RK_CORRUPT_MESSAGE;
	}
	rk_arena_free(&copy);
	return err == RK_TRUNCATED ? RK_CORRUPT_MESSAGE : err;
}

enum rk_err
meta_snapshot_load(struct meta_image *im, const uint8_t *p, uint32_t len, int64_t end_offset, int32_t epoch)
{
	rk_assert(im->magic == META_IMAGE_MAGIC && !im->planning);
	struct meta_apply ap = { .image = im, .txn = st_write_begin(im->tables, NULL), .scratch = &im->scratch, .now = true };
	/* A broker's row keeps the offset of its record, to tell when it has caught up; every record of a snapshot
	 * lies below its end, so the last of those offsets is safe. */
	ap.offset = end_offset > 0 ? end_offset - 1 : 0;
	for (uint32_t t = 0; t < META_TABLES; t++)
		st_del_prefix(ap.txn, t, rk_lit(""));
	enum rk_err err = load(&ap, p, len);
	if (err != RK_OK) {
		st_write_abort(ap.txn);
		rk_say(RK_ERROR, "The snapshot up to offset %" PRId64 " cannot be loaded (%s). Remove the file: the next older "
		    "one, or the leader's, is taken instead.", end_offset, rk_err_name(err));
		return err;
	}
	meta_set_applied(ap.txn, end_offset, epoch);
	return st_write_commit(ap.txn);
}

/* --- the beginning of a cluster */

struct beginning {
	struct meta_plan *p;
	int16_t version, elr;
	bool min_isr;
};

static void
look(void *arg, int16_t type, int16_t version, const void *record, int64_t offset)
{
	struct beginning *b = arg;

	(void)version;
	(void)offset;
	if (type == KP_FEATURE_LEVEL_RECORD) {
		const struct kp_feature_level_record *f = record;
		if (rk_str_is(f->name, "metadata.version"))
			b->version = f->feature_level;
		if (rk_str_is(f->name, "eligible.leader.replicas.version"))
			b->elr = f->feature_level;
	}
	if (type == KP_CONFIG_RECORD) {
		const struct kp_config_record *c = record;
		b->min_isr |= c->resource_type == META_OF_BROKER && c->resource_name.len == 0 &&
		    rk_str_is(c->name, "min.insync.replicas");
	}
}

static void
replant(void *arg, int16_t type, int16_t version, const void *record, int64_t offset)
{
	struct beginning *b = arg;

	(void)version;
	(void)offset;
	meta_plan_add(b->p, type, record);
}

enum rk_err
meta_bootstrap(struct meta_plan *p, const uint8_t *checkpoint, uint32_t len)
{
	struct beginning b = { .p = p };
	struct kp_begin_transaction_record begin_r = { .name = rk_lit("Bootstrap records") };
	struct kp_end_transaction_record end_r = { 0 };
	enum rk_err err = meta_each(checkpoint, len, p->arena, look, &b);

	if (err != RK_OK)
		return err;
	if (b.version < meta_supported[0].min || b.version > meta_supported[0].max) {
		rk_say(RK_FATAL, "bootstrap.checkpoint wants metadata.version %d; this release speaks %d to %d. Format the "
		    "directory again with a --release-version in between.", b.version, meta_supported[0].min,
		    meta_supported[0].max);
		return RK_UNSUPPORTED_VERSION;
	}
	bool whole = b.version >= 13; /* before it there are no metadata transactions: one batch is atomic too */
	p->version = b.version;
	if (whole)
		meta_plan_add(p, KP_BEGIN_TRANSACTION_RECORD, &begin_r);
	err = meta_each(checkpoint, len, p->arena, replant, &b);
	if (b.elr > 0 && !b.min_isr) {
		/* With the ELR the cluster's min.insync.replicas is always said, so that every controller counts alike. */
		struct kp_config_record c = { .resource_type = META_OF_BROKER, .resource_name = rk_lit(""),
			.name = rk_lit("min.insync.replicas"), .value = meta_static_min_isr(p) };
		meta_plan_add(p, KP_CONFIG_RECORD, &c);
	}
	if (whole)
		meta_plan_add(p, KP_END_TRANSACTION_RECORD, &end_r);
	return err;
}
