/* voters.c - control records of the metadata log (facts: KIP-595, KIP-853).
 *
 * A control record's key is {version i16 = 0, type i16}; its value a message in flexible encoding whose
 * first field is its own version. */
#include "src/node/voters.h"
#include "base/say.h"
#include "protocol/batch.h"
#include "protocol/gen/control_records.h"
#include "src/config.h"

enum { LEADER_CHANGE = 2, KRAFT_VERSION = 5, VOTERS = 6, CHANGES_MAX = 4096 };

static struct rk_str
encode(const struct kp_desc *d, int16_t version, const void *msg, struct rk_arena *a)
{
	struct rk_out o;

	rk_out_init(&o, a);
	kp_write(d, version, msg, &o);
	return rk_out_flat(&o, a);
}

static void
add(struct kp_build *b, int16_t type, int64_t ms, struct rk_str value)
{
	uint8_t key[4] = { 0, 0, (uint8_t)(type >> 8), (uint8_t)type };

	kp_build_add(b, ms, (struct rk_str){ (const char *)key, 4 }, value);
}

struct rk_str
node_voters_encode(const struct raft_voters *v, struct rk_arena *a)
{
	struct kp_voters_record r;

	kp_defaults(&kp_voters_record_d, &r);
	r.voters.at = rk_arena_get(a, v->count, sizeof *r.voters.at);
	r.voters.len = (int32_t)v->count;
	for (uint32_t i = 0; i < v->count && !a->over; i++) {
		const struct raft_voter *from = &v->voter[i];
		struct kp_voters_record_voters *to = &r.voters.at[i];
		to->voter_id = from->key.id;
		to->voter_directory_id = from->key.dir;
		to->kraft_version_feature.min_supported_version = from->min_version;
		to->kraft_version_feature.max_supported_version = from->max_version;
		to->endpoints.at = rk_arena_get(a, from->ends.count + 1, sizeof *to->endpoints.at);
		to->endpoints.len = a->over ? 0 : (int32_t)from->ends.count;
		for (int32_t k = 0; k < to->endpoints.len; k++) {
			to->endpoints.at[k].name = rk_str_of(from->ends.end[k].name);
			to->endpoints.at[k].host = rk_str_of(from->ends.end[k].host);
			to->endpoints.at[k].port = from->ends.end[k].port;
		}
	}
	return a->over ? RK_STR_NULL : encode(&kp_voters_record_d, 0, &r, a);
}

static struct rk_str
leader_change(const struct raft *r, const struct raft_todo *t, struct rk_arena *a)
{
	const struct raft_set *set = raft_set_now(r);
	int16_t version = 0; /* what Kafka 4.3 writes at kraft.version 1 too, and all that its readers take */
	struct kp_leader_change_message m;

	kp_defaults(&kp_leader_change_message_d, &m);
	m.version = version;
	m.leader_id = r->self.key.id;
	m.voters.at = rk_arena_get(a, set->voters.count, sizeof *m.voters.at);
	m.granting_voters.at = rk_arena_get(a, t->granting_count + 1, sizeof *m.granting_voters.at);
	if (a->over)
		return RK_STR_NULL;
	m.voters.len = (int32_t)set->voters.count;
	m.granting_voters.len = (int32_t)t->granting_count;
	for (uint32_t i = 0; i < set->voters.count; i++) {
		m.voters.at[i].voter_id = set->voters.voter[i].key.id;
		m.voters.at[i].voter_directory_id = set->voters.voter[i].key.dir;
	}
	for (uint32_t i = 0; i < t->granting_count; i++) {
		m.granting_voters.at[i].voter_id = t->granting[i].id;
		m.granting_voters.at[i].voter_directory_id = t->granting[i].dir;
	}
	return encode(&kp_leader_change_message_d, version, &m, a);
}

struct rk_str
node_voters_batch(const struct raft *r, const struct raft_todo *t, int64_t wall_ms, struct rk_arena *a)
{
	struct kp_build b;

	rk_assert(t->control);
	kp_build_start(&b, a, t->control_base, KP_ATTR_CONTROL, wall_ms);
	if (t->tell_leader)
		add(&b, LEADER_CHANGE, wall_ms, leader_change(r, t, a));
	if (t->tell_version >= 0) {
		struct kp_kraft_version_record v;
		kp_defaults(&kp_kraft_version_record_d, &v);
		v.kraft_version = t->tell_version;
		add(&b, KRAFT_VERSION, wall_ms, encode(&kp_kraft_version_record_d, 0, &v, a));
	}
	if (t->tell_voters != NULL)
		add(&b, VOTERS, wall_ms, node_voters_encode(t->tell_voters, a));
	return kp_build_end(&b, t->control_epoch, -1, -1, -1);
}

void
node_voters_self(const struct conf *c, struct rk_uuid dir, struct raft_voter *v)
{
	*v = (struct raft_voter){ .key = { c->node_id, dir }, .min_version = 0, .max_version = 1 };
	for (uint32_t i = 0; i < c->listener_count && v->ends.count < RAFT_ENDS_MAX; i++) {
		const struct conf_listener *l = &c->listener[i];
		struct raft_end *e = &v->ends.end[v->ends.count];
		if (!l->is_controller)
			continue;
		bool told = l->advertised_host != NULL && l->advertised_host[0] != '\0';
		const char *host = told ? l->advertised_host : l->host;
		snprintf(e->name, sizeof e->name, "%s", l->name);
		snprintf(e->host, sizeof e->host, "%s", host);
		e->port = (uint16_t)(told && l->advertised_port > 0 ? l->advertised_port : l->port);
		v->ends.count++;
	}
}

/* --- reading */

struct found {
	struct rk_arena *arena;
	struct raft_change *at;
	uint32_t count;
	bool bad;
};

static void
found_voters(struct found *f, struct raft_change *c, struct rk_str value)
{
	struct kp_voters_record r;
	struct raft_voters *v = rk_arena_get(f->arena, 1, sizeof *v);

	if (v == NULL || kp_read(&kp_voters_record_d, 0, value.at, (size_t)value.len, f->arena, &r, NULL) != RK_OK
	    || r.voters.len > RAFT_VOTERS_MAX) {
		f->bad = true;
		return;
	}
	v->count = (uint32_t)r.voters.len;
	for (int32_t i = 0; i < r.voters.len; i++) {
		const struct kp_voters_record_voters *from = &r.voters.at[i];
		struct raft_voter *to = &v->voter[i];
		to->key = (struct raft_key){ from->voter_id, from->voter_directory_id };
		to->min_version = from->kraft_version_feature.min_supported_version;
		to->max_version = from->kraft_version_feature.max_supported_version;
		to->ends.count = (uint32_t)rk_min(from->endpoints.len, RAFT_ENDS_MAX);
		for (uint32_t k = 0; k < to->ends.count; k++) {
			rk_str_copy(to->ends.end[k].name, sizeof to->ends.end[k].name, from->endpoints.at[k].name);
			rk_str_copy(to->ends.end[k].host, sizeof to->ends.end[k].host, from->endpoints.at[k].host);
			to->ends.end[k].port = from->endpoints.at[k].port;
		}
	}
	c->voters = v;
}

/* Adds what one control record changes; offset is the record's, or -1 for a snapshot's. */
static void
found_record(struct found *f, const struct kp_record *r, int64_t offset)
{
	struct raft_change *c = &f->at[f->count];
	int16_t type = r->key.len >= 4 ? (int16_t)rk_get16(r->key.at + 2) : -1;
	struct kp_kraft_version_record v;

	if ((type != VOTERS && type != KRAFT_VERSION) || f->count == CHANGES_MAX)
		return;
	*c = (struct raft_change){ .offset = offset, .version = -1 };
	if (type == VOTERS) {
		found_voters(f, c, r->value);
	} else if (kp_read(&kp_kraft_version_record_d, 0, r->value.at, (size_t)rk_max(r->value.len, 0), f->arena, &v, NULL)
	    == RK_OK) {
		c->version = v.kraft_version;
	} else {
		f->bad = true;
	}
	f->count++;
}

static void
found_batches(struct found *f, struct rk_str bytes, bool snapshot)
{
	for (int32_t at = 0; at < bytes.len && !f->bad;) {
		const char *b = bytes.at + at;
		struct kp_records_iter it;
		struct kp_record r;
		if (kp_batch_check(b, (size_t)(bytes.len - at)) != RK_OK) {
			f->bad = true;
			return;
		}
		if (kp_batch_attr(b) & KP_ATTR_CONTROL) {
			kp_records_start(&it, b, NULL, 0);
			while (kp_records_next(&it, &r))
				found_record(f, &r, snapshot ? -1 : r.offset);
		}
		at += (int32_t)kp_batch_bytes(b);
	}
}

bool
node_voters_changes(const char *batch, struct rk_arena *a, struct raft_change *at, uint32_t max, uint32_t *count)
{
	struct raft_change got[8];
	struct found f = { .arena = a, .at = got };
	struct kp_records_iter it;
	struct kp_record r;

	if (!(kp_batch_attr(batch) & KP_ATTR_CONTROL))
		return true;
	kp_records_start(&it, batch, NULL, 0);
	while (kp_records_next(&it, &r) && f.count + 1 < rk_countof(got))
		found_record(&f, &r, r.offset);
	if (f.bad || it.bad || f.count + 1 >= rk_countof(got) || f.count > max - *count)
		return false;
	for (uint32_t i = 0; i < f.count; i++)
		at[(*count)++] = got[i];
	return true;
}

bool
node_voters_of(struct rk_str checkpoint, struct rk_arena *a, struct raft_change *c)
{
	struct found f = { .arena = a, .at = rk_arena_get(a, CHANGES_MAX + 2, sizeof *f.at) };

	*c = (struct raft_change){ .offset = -1, .version = 0 };
	if (f.at == NULL)
		return false;
	found_batches(&f, checkpoint, true);
	for (uint32_t i = 0; i < f.count; i++) {
		if (f.at[i].version >= 0)
			c->version = f.at[i].version;
		if (f.at[i].voters != NULL)
			c->voters = f.at[i].voters;
	}
	return !f.bad;
}

/* A checkpoint's voters: 0: not there, 1: read, -1: damaged. */
static int
from_checkpoint(struct rk_env *env, const char *folder, struct st_mlog_snap id, struct found *f)
{
	char path[PATH_MAX];
	struct rk_str bytes;

	snprintf(path, sizeof path, "%.*s/%020" PRId64 "-%010" PRId32 ".checkpoint", PATH_MAX - 64, folder, id.end, id.epoch);
	enum rk_err err = rk_env_slurp(env, path, f->arena, &bytes);
	if (err == RK_NOT_FOUND)
		return 0;
	if (err == RK_OK)
		found_batches(f, bytes, true);
	if (err == RK_OK && !f->bad)
		return 1;
	rk_say(RK_FATAL, "%s cannot be read (%s): put it back from a copy, or format the directory again.", path,
	    rk_err_name(err == RK_OK ? RK_CORRUPT_MESSAGE : err));
	return -1;
}

static void
from_config(const struct conf *c, struct found *f)
{
	struct raft_voters *v = rk_arena_get(f->arena, 1, sizeof *v);

	if (v == NULL || c->voter_count == 0)
		return;
	for (uint32_t i = 0; i < c->voter_count && i < RAFT_VOTERS_MAX; i++) {
		struct raft_voter *to = &v->voter[v->count++];
		to->key.id = c->voter[i].id;
		to->ends.count = 1;
		snprintf(to->ends.end[0].host, sizeof to->ends.end[0].host, "%s", c->voter[i].host);
		to->ends.end[0].port = (uint16_t)c->voter[i].port;
		if (c->controller_listener_names.count > 0)
			snprintf(to->ends.end[0].name, sizeof to->ends.end[0].name, "%s", c->controller_listener_names.at[0]);
	}
	f->at[f->count++] = (struct raft_change){ .offset = -1, .version = 0, .voters = v };
}

bool
node_voters_find(struct rk_env *env, const struct conf *c, struct st_mlog *log, const char *folder, struct rk_arena *a,
    struct raft_start *s)
{
	const struct st_mlog_info *info = st_mlog_info(log);
	struct found f = { .arena = a, .at = rk_arena_get(a, CHANGES_MAX + 2, sizeof *f.at) };

	if (f.at == NULL || from_checkpoint(env, folder, info->snap, &f) < 0)
		return false;
	if (f.count == 0)
		from_config(c, &f);
	for (uint32_t i = 0; i < info->controls; i++) {
		struct rk_str got;
		if (st_mlog_read(log, info->control[i], info->control[i] + 1, 1, a, &got) != RK_OK)
			return false;
		found_batches(&f, got, false);
	}
	if (f.bad)
		rk_say(RK_FATAL, "A control record of the metadata log in %s cannot be read.", folder);
	s->change = f.at;
	s->changes = f.count;
	return !f.bad;
}
