/* export_metadata.c - rookery export-metadata: the metadata log out of LMDB, as Apache Kafka keeps it.
 *
 * The folder it writes is a __cluster_metadata-0 of Kafka's: segments, checkpoints (those there are, and one of
 * everything the log says), quorum-state and leader-epoch-checkpoint. Kafka's kafka-dump-log and
 * kafka-metadata-shell read it; put in the place of the original it lets Apache Kafka start on this node's
 * directories. What no quorum has committed yet is in it too, as it is in the log. */
#include "protocol/batch.h"
#include "src/cmd/format.h"
#include "src/cmd/posix.h"
#include "storage/mlog.h"
#include <sys/stat.h>

enum { LANE = 1, SEGMENT_BYTES = 1 << 30, PIECE_BYTES = 8 << 20, KRAFT_VERSION = 5, VOTERS = 6 };

static const struct cmd_opt opts[] = {
	{ "config", CMD_TEXT, CMD_REQUIRED, 'c', 0, "CONFIG", NULL, 
		"The node's properties file. The node must not be running." },
	{ "output", CMD_TEXT, CMD_REQUIRED, 'o', 0, "DIR", NULL, "The folder to write; it is made, and must be empty." },
};

struct export {
	const struct cmd_args *args;
	struct rk_env *env;
	const char *to;
	char from[PATH_MAX];
	struct st_mlog *log;
	struct meta_image *image;
	struct rk_arena arena;  /* of one piece */
	struct rk_arena kept;
	struct rk_file *segment;
	uint64_t pos;
	int64_t last_ms;
	int16_t kraft_version;
	struct rk_str voters;   /* the latest, in kept */
	uint32_t segments, checkpoints;
};

#define JOIN(buf, ...) ((size_t)snprintf(buf, sizeof buf, __VA_ARGS__) < sizeof buf)

/* What a control batch says of the quorum is kept for the checkpoint. */
static void
look_control(struct export *x, const uint8_t *batch)
{
	struct kp_records_iter it;
	struct kp_record r;
	struct kp_kraft_version_record k;

	kp_records_start(&it, batch, NULL, 0);
	while (kp_records_next(&it, &r)) {
		int16_t type = r.key.len == 4 ? (int16_t)rk_get16(r.key.at + 2) : -1;
		if (type == VOTERS)
			x->voters = rk_arena_str(&x->kept, r.value);
		if (type == KRAFT_VERSION && r.value.len > 0 && kp_read(&kp_kraft_version_record_d, 0, r.value.at,
		    (size_t)r.value.len, &x->kept, &k, NULL) == RK_OK)
			x->kraft_version = k.kraft_version;
	}
}

static void
look(struct export *x, struct rk_str bytes)
{
	for (int32_t at = 0; at + KP_BATCH_HEAD <= bytes.len;) {
		const uint8_t *b = (const uint8_t *)bytes.at + at;
		if (kp_batch_shape(b, (size_t)(bytes.len - at)) != RK_OK)
			return;
		if ((kp_batch_attr(b) & KP_ATTR_CONTROL) != 0)
			look_control(x, b);
		x->last_ms = rk_max(x->last_ms, kp_batch_max_ms(b));
		at += (int32_t)kp_batch_bytes(b);
	}
}

static enum rk_err
roll(struct export *x, int64_t offset)
{
	char path[PATH_MAX];
	enum rk_err err = RK_OK;

	if (x->segment != NULL) {
		err = rk_file_sync_wait(x->segment);
		rk_file_drop(x->segment);
	}
	x->segment = NULL;
	x->pos = 0;
	x->segments++;
	if (err != RK_OK || !JOIN(path, "%s/%020" PRId64 ".log", x->to, offset))
		return err != RK_OK ? err : RK_KAFKA_STORAGE_ERROR;
	return rk_file_open(x->env, path, RK_OPEN_CREATE, &x->segment);
}

static enum rk_err
write_log(struct export *x, const struct st_mlog_info *info)
{
	int64_t at = info->start;
	enum rk_err err = roll(x, at);

	while (err == RK_OK && at < info->end) {
		struct rk_str bytes;
		rk_arena_reset(&x->arena);
		err = st_mlog_read(x->log, at, info->end, PIECE_BYTES, &x->arena, &bytes);
		if (err != RK_OK || bytes.len == 0)
			break;
		if (x->pos > 0 && x->pos + (uint64_t)bytes.len > SEGMENT_BYTES)
			err = roll(x, at);
		if (err == RK_OK)
			err = rk_file_write(x->segment, x->pos, bytes.at, (uint32_t)bytes.len);
		x->pos += (uint64_t)bytes.len;
		look(x, bytes);
		if (err == RK_OK)
			err = meta_apply(x->image, (const uint8_t *)bytes.at, (uint32_t)bytes.len, NULL, NULL);
		struct meta_view v;
		meta_view_begin(x->image, &v);
		at = meta_applied(&v, NULL);
		meta_view_end(&v);
	}
	if (x->segment != NULL) {
		enum rk_err synced = rk_file_sync_wait(x->segment);
		rk_file_drop(x->segment);
		err = err != RK_OK ? err : synced;
	}
	return err;
}

struct copying {
	struct export *x;
	enum rk_err err;
	const struct st_mlog_info *info;
};

/* Every checkpoint goes over; the one that the log starts behind is what the image begins with. */
static void
copy_checkpoint(void *arg, const char *name, bool is_dir)
{
	struct copying *c = arg;
	struct export *x = c->x;
	char path[PATH_MAX];
	struct rk_str text;
	long long end;
	int epoch, len = 0;

	if (is_dir || c->err != RK_OK || sscanf(name, "%20lld-%10d.checkpoint%n", &end, &epoch, &len) != 2 ||
	    len == 0 || name[len] != '\0')
		return;
	rk_arena_reset(&x->arena);
	if (!JOIN(path, "%s/%s", x->from, name) || (c->err = rk_env_slurp(x->env, path, &x->arena, &text)) != RK_OK)
		return;
	if (JOIN(path, "%s/%s", x->to, name))
		c->err = rk_env_spill(x->env, path, text.at, (uint32_t)text.len);
	x->checkpoints++;
	if (end == c->info->start)
		look(x, text);
	if (c->err == RK_OK && end > 0 && end == c->info->start)
		c->err = meta_snapshot_load(x->image, (const uint8_t *)text.at, (uint32_t)text.len, end, epoch);
}

static enum rk_err
write_snapshot(struct export *x)
{
	char path[PATH_MAX];
	struct meta_view v;
	int32_t epoch;
	enum rk_err err = RK_OK;

	meta_view_begin(x->image, &v);
	int64_t end = meta_applied(&v, &epoch);
	if (end > 0 && JOIN(path, "%s/%020" PRId64 "-%010" PRId32 ".checkpoint", x->to, end, epoch) &&
	    access(path, F_OK) != 0) {
		err = meta_snapshot_write(x->env, &v, path, x->last_ms, x->kraft_version, x->voters);
		x->checkpoints++;
		printf("%s\n", path);
	}
	meta_view_end(&v);
	return err;
}

/* The small files beside the log, in Kafka's formats. */
static enum rk_err
write_state(struct export *x, const struct st_mlog_info *info)
{
	char path[PATH_MAX], dir[RK_UUID_TEXT];
	struct rk_str text = rk_arena_print(&x->kept, "0\n%u\n", info->epochs);
	enum rk_err err = RK_KAFKA_STORAGE_ERROR;

	for (uint32_t i = 0; i < info->epochs; i++)
		text = rk_arena_print(&x->kept, "%.*s%d %" PRId64 "\n", (int)text.len, text.at, info->epoch[i].epoch,
		    info->epoch[i].start);
	if (text.len > 0 && JOIN(path, "%s/leader-epoch-checkpoint", x->to))
		err = rk_env_spill(x->env, path, text.at, (uint32_t)text.len);
	text = x->kraft_version > 0 ? rk_arena_print(&x->kept, "{\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
	    "\"votedDirectoryId\":\"%s\",\"data_version\":1}", info->vote.leader, info->vote.epoch, info->vote.voted,
	    rk_uuid_text(info->vote.voted_dir, dir)) :
	    rk_arena_print(&x->kept, "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
	    "\"appliedOffset\":0,\"currentVoters\":[],\"data_version\":0}",
	    info->vote.leader, info->vote.epoch, info->vote.voted);
	if (err == RK_OK && text.len > 0 && JOIN(path, "%s/quorum-state", x->to))
		err = rk_env_spill(x->env, path, text.at, (uint32_t)text.len);
	static const char id[] = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ";
	if (err == RK_OK && JOIN(path, "%s/partition.metadata", x->to))
		err = rk_env_spill(x->env, path, id, sizeof id - 1);
	return err;
}

static void
not_empty(void *arg, const char *name, bool is_dir)
{
	(void)name;
	(void)is_dir;
	*(bool *)arg = true;
}

static int
export(struct export *x)
{
	char temp[] = "/tmp/rookery-export.XXXXXX", rm[64];
	struct copying c = { .x = x };
	bool fresh, full = false;

	if (rk_dir_make(x->env, x->to) != RK_OK || rk_dir_list(x->env, x->to, not_empty, &full) != RK_OK || full)
		return cmd_fail(x->args, "%s must be an empty folder, or one that can be made.", x->to);
	if (mkdtemp(temp) == NULL || meta_open(temp, &x->image, &fresh) != RK_OK)
		return cmd_fail(x->args, "There is no room in /tmp for the image.");
	const struct st_mlog_info *info = st_mlog_info(x->log);
	c.info = info;
	enum rk_err err = rk_dir_list(x->env, x->from, copy_checkpoint, &c);
	err = err != RK_OK ? err : c.err;
	if (err == RK_OK)
		err = write_log(x, info);
	if (err == RK_OK)
		err = write_snapshot(x);
	if (err == RK_OK)
		err = write_state(x, info);
	if (err == RK_OK)
		err = rk_dir_sync(x->env, x->to);
	meta_free(x->image);
	snprintf(rm, sizeof rm, "rm -rf %s", temp);
	if (system(rm) != 0)
		fprintf(stderr, "rookery export-metadata: %s could not be removed\n", temp);
	if (err != RK_OK)
		return cmd_fail(x->args, "%s is not complete: %s.", x->to, rk_err_text(err));
	printf("Wrote offsets %" PRId64 " to %" PRId64 " in %u segment(s) and %u checkpoint(s) to %s.\n",
	    info->start, info->end, x->segments, x->checkpoints, x->to);
	return 0;
}

static int
run(struct cmd_args *a)
{
	struct cmd_format *f = rk_new(struct cmd_format);
	struct export *x = rk_new(struct export);
	char path[PATH_MAX];
	int rc = cmd_require(a, "config", "output", NULL);

	f->args = x->args = a;
	x->env = cmd_env();
	x->voters = RK_STR_NULL;
	rk_arena_init(&f->arena, 64u << 20);
	rk_arena_init(&x->arena, 1u << 30);
	rk_arena_init(&x->kept, 64u << 20);
	if (rc == 0 && !cmd_format_config(f, cmd_text(a, "config")))
		rc = 1;
	if (rc == 0) {
		x->to = cmd_text(a, "output");
		if (!JOIN(x->from, "%s/__cluster_metadata-0", f->conf->metadata_dir) || !JOIN(path, "%s/log.mdb", x->from) ||
		    access(path, R_OK) != 0)
			rc = cmd_fail(a, "%s holds no metadata log of rookery's.", x->from);
		else if (st_mlog_open(x->env, x->from, LANE, &x->log) != RK_OK)
			rc = 1;
	}
	if (rc == 0)
		rc = export(x);
	if (x->log != NULL)
		st_mlog_close(x->log);
	conf_free(f->conf);
	rk_arena_free(&f->arena);
	rk_arena_free(&x->arena);
	rk_arena_free(&x->kept);
	rk_mem_put(f);
	rk_mem_put(x);
	return rc;
}

const struct cmd_spec cmd_export_metadata_spec = {
	.name = "export-metadata",
	.peer = "export-metadata",
	.style = CMD_ARGPARSE,
	.opt = opts,
	.count = rk_countof(opts),
	.summary = "Writes a node's metadata log in the files of Apache Kafka.",
	.about = "The folder that is written is what Apache Kafka keeps as __cluster_metadata-0. kafka-dump-log "
	    "--cluster-metadata-decoder reads its segments, kafka-metadata-shell its checkpoints. The last checkpoint holds "
	    "all that the log says.",
	.help_exit = 0,
	.bare_exit = 1,
	.run = run,
};
