/* image.c - the image opened, and looked through. */
#include "src/meta/image.h"
#include "base/mem.h"
#include "base/say.h"
#include "protocol/desc.h"

enum rk_err
meta_open(const char *path, struct meta_image **out, bool *fresh)
{
	struct st_tables *tables;
	enum rk_err err = st_tables_open(path, META_TABLES, &tables, fresh);

	*out = NULL;
	if (err != RK_OK)
		return err;
	struct meta_image *im = rk_new(struct meta_image);
	im->magic = META_IMAGE_MAGIC;
	im->tables = tables;
	rk_arena_init(&im->scratch, 64u << 20);
	*out = im;
	return RK_OK;
}

enum rk_err
meta_close(struct meta_image *im)
{
	rk_assert(im->magic == META_IMAGE_MAGIC && !im->planning);
	enum rk_err err = st_tables_close(im->tables);
	im->tables = NULL;
	meta_free(im);
	return err;
}

void
meta_free(struct meta_image *im)
{
	if (im == NULL)
		return;
	rk_assert(im->magic == META_IMAGE_MAGIC);
	st_tables_free(im->tables);
	rk_arena_free(&im->scratch);
	im->magic = 0;
	rk_mem_put(im);
}

void
meta_view_begin(struct meta_image *im, struct meta_view *v)
{
	rk_assert(im->magic == META_IMAGE_MAGIC);
	v->txn = st_read_begin(im->tables);
}

void
meta_view_end(struct meta_view *v)
{
	st_read_end(v->txn);
	v->txn = NULL;
}

/* --- keys */

void
meta_key_raw(struct meta_key *k, const void *p, uint32_t len)
{
	rk_assert((uint32_t)k->len + len <= sizeof k->at);
	if (len > 0)
		memcpy(k->at + k->len, p, len);
	k->len += (int32_t)len;
}

void
meta_key_i32(struct meta_key *k, int32_t v)
{
	uint8_t b[4];

	rk_put32(b, (uint32_t)v);
	meta_key_raw(k, b, 4);
}

void
meta_key_part(struct meta_key *k, struct rk_str s, uint32_t max)
{
	uint32_t len = s.len > 0 ? (uint32_t)s.len : 0;
	char hash[20];

	rk_assert(max > 32);
	if (len <= max && (len == 0 || memchr(s.at, 0, len) == NULL)) {
		meta_key_raw(k, s.at, len);
		return;
	}
	uint32_t cut = len < max - 17 ? len : max - 17;
	uint8_t *at = k->at + k->len;
	meta_key_raw(k, s.at, cut);
	for (uint32_t i = 0; i < cut; i++)
		if (at[i] == 0)
			at[i] = 1;
	snprintf(hash, sizeof hash, "\1%016" PRIx64, rk_hash(s.at, len, 0));
	meta_key_raw(k, hash, 17);
}

struct rk_str
meta_key_str(const struct meta_key *k)
{
	return (struct rk_str){ (const char *)k->at, k->len };
}

struct meta_key
meta_partition_key(struct rk_uuid topic, int32_t partition)
{
	struct meta_key k;

	k.len = 0;
	meta_key_raw(&k, topic.id, 16);
	meta_key_i32(&k, partition);
	return k;
}

struct meta_key
meta_config_prefix(int8_t type, struct rk_str resource)
{
	struct meta_key k;

	k.len = 0;
	meta_key_raw(&k, &type, 1);
	meta_key_part(&k, resource, 255);
	meta_key_raw(&k, "", 1);
	return k;
}

struct meta_key
meta_alike_key(struct rk_str name, bool whole)
{
	struct meta_key k = { .len = 0 };
	bool marked = false;

	rk_assert(name.len >= 0 && name.len <= META_TOPIC_NAME_MAX);
	meta_key_raw(&k, name.at, (uint32_t)name.len);
	for (int32_t i = 0; i < name.len; i++) {
		marked |= name.at[i] == '.' || name.at[i] == '_';
		if (name.at[i] == '.')
			k.at[i] = '_';
	}
	if (!marked)
		return (struct meta_key){ .len = 0 };
	meta_key_raw(&k, "", 1);
	if (whole)
		meta_key_raw(&k, name.at, (uint32_t)name.len);
	return k;
}

static struct rk_str
id_key(const struct rk_uuid *id)
{
	return (struct rk_str){ (const char *)id->id, 16 };
}

/* --- rows */

bool
meta_row_read(const struct kp_desc *d, struct rk_str row, struct rk_arena *a, void *out)
{
	enum rk_err err = kp_read(d, d->max, row.at, (size_t)row.len, a, out, NULL);

	if (err == RK_CORRUPT_MESSAGE || err == RK_INVALID_REQUEST)
		rk_die(__FILE__, __LINE__, "a row of the metadata image is damaged: remove the folder, it is rebuilt");
	return err == RK_OK;
}

bool
meta_topic_id(struct st_txn *x, struct rk_str name, struct rk_uuid *id, int32_t *partitions)
{
	struct rk_str row;

	if (name.len <= 0 || name.len > META_TOPIC_NAME_MAX || !st_get(x, META_NAME, name, &row))
		return false;
	rk_assert(row.len == 20);
	memcpy(id->id, row.at, 16);
	if (partitions != NULL)
		*partitions = (int32_t)rk_get32(row.at + 16);
	return true;
}

bool
meta_topic_named(const struct meta_view *v, struct rk_str name, struct meta_topic *t)
{
	if (!meta_topic_id(v->txn, name, &t->id, &t->partitions))
		return false;
	bool known = st_get(v->txn, META_TOPIC, id_key(&t->id), &t->name);
	rk_assert(known || st_failed(v->txn));
	return known;
}

bool
meta_topic_of(const struct meta_view *v, struct rk_uuid id, struct meta_topic *t)
{
	t->id = id;
	if (!st_get(v->txn, META_TOPIC, id_key(&id), &t->name))
		return false;
	return meta_topic_id(v->txn, t->name, &t->id, &t->partitions);
}

static bool
settle(struct meta_topics *w, bool found)
{
	if (!found)
		return false;
	rk_assert(w->cursor.value.len == 20);
	w->topic.name = w->cursor.key;
	memcpy(w->topic.id.id, w->cursor.value.at, 16);
	w->topic.partitions = (int32_t)rk_get32(w->cursor.value.at + 16);
	return true;
}

bool
meta_topics_begin(struct meta_topics *w, const struct meta_view *v, struct rk_str from)
{
	w->view = v;
	if (from.len > META_TOPIC_NAME_MAX)
		from.len = META_TOPIC_NAME_MAX;
	return settle(w, st_cursor_begin(&w->cursor, v->txn, META_NAME, rk_lit(""), from));
}

bool
meta_topics_next(struct meta_topics *w)
{
	return settle(w, st_cursor_next(&w->cursor));
}

void
meta_topics_end(struct meta_topics *w)
{
	st_cursor_end(&w->cursor);
}

uint64_t
meta_topics_count(const struct meta_view *v)
{
	return st_count(v->txn, META_NAME);
}

uint64_t
meta_partitions_count(const struct meta_view *v)
{
	return st_count(v->txn, META_PARTITION);
}

bool
meta_partition_get(struct st_txn *x, struct rk_uuid topic, int32_t partition, struct rk_arena *a,
    struct kp_partition_record *out)
{
	struct meta_key k = meta_partition_key(topic, partition);
	struct rk_str row;

	return st_get(x, META_PARTITION, meta_key_str(&k), &row) && meta_row_read(&kp_partition_record_d, row, a, out);
}

bool
meta_partition(const struct meta_view *v, struct rk_uuid topic, int32_t partition, struct rk_arena *a,
    struct kp_partition_record *out)
{
	return meta_partition_get(v->txn, topic, partition, a, out);
}

/* The first row of a table keyed by id with an id >= from. skip: bytes before the record. */
static bool
by_id(const struct meta_view *v, uint32_t table, int64_t from, bool exact, struct rk_str *row)
{
	struct st_cursor c;
	struct meta_key k = { .len = 0 };

	meta_key_i32(&k, (int32_t)rk_min(from, INT32_MAX));
	if (exact)
		return st_get(v->txn, table, meta_key_str(&k), row);
	*row = RK_STR_NULL;
	if (from < 0 || from > INT32_MAX)
		return false;
	bool found = st_cursor_begin(&c, v->txn, table, rk_lit(""), meta_key_str(&k));
	if (found)
		*row = c.value;
	st_cursor_end(&c);
	return found;
}

static bool
broker(const struct meta_view *v, int64_t id, bool exact, struct rk_arena *a, struct kp_register_broker_record *out)
{
	struct rk_str row;

	if (!by_id(v, META_BROKER, id, exact, &row))
		return false;
	rk_assert(row.len > 8);
	return meta_row_read(&kp_register_broker_record_d, (struct rk_str){ row.at + 8, row.len - 8 }, a, out);
}

bool
meta_broker(const struct meta_view *v, int32_t id, struct rk_arena *a, struct kp_register_broker_record *out)
{
	return broker(v, id, true, a, out);
}

bool
meta_broker_next(const struct meta_view *v, int64_t from, struct rk_arena *a, struct kp_register_broker_record *out)
{
	return broker(v, from < 0 ? 0 : from, false, a, out);
}

int64_t
meta_broker_offset(const struct meta_view *v, int32_t id)
{
	struct rk_str row;

	return by_id(v, META_BROKER, id, true, &row) ? (int64_t)rk_get64(row.at) : -1;
}

bool
meta_controller_next(const struct meta_view *v, int64_t from, struct rk_arena *a,
    struct kp_register_controller_record *out)
{
	struct rk_str row;

	return by_id(v, META_CONTROLLER, from < 0 ? 0 : from, false, &row) &&
	    meta_row_read(&kp_register_controller_record_d, row, a, out);
}

/* --- configs */

static struct kp_config_record
config_of(struct rk_str row)
{
	struct kp_config_record r;
	struct rk_arena none;

	rk_arena_init(&none, 0); /* the record has no arrays, so it needs no memory */
	bool whole = meta_row_read(&kp_config_record_d, row, &none, &r);
	rk_assert(whole);
	return r;
}

bool
meta_config(const struct meta_view *v, int8_t type, struct rk_str resource, struct rk_str name, struct rk_str *value)
{
	struct meta_key k = meta_config_prefix(type, resource);
	struct rk_str row;

	meta_key_part(&k, name, 250);
	if (!st_get(v->txn, META_CONFIG, meta_key_str(&k), &row))
		return false;
	*value = config_of(row).value;
	return true;
}

static bool
config_here(struct meta_configs *w, bool found)
{
	if (found) {
		struct kp_config_record r = config_of(w->cursor.value);
		w->name = r.name;
		w->value = r.value;
	}
	return found;
}

bool
meta_configs_begin(struct meta_configs *w, const struct meta_view *v, int8_t type, struct rk_str resource)
{
	struct meta_key k = meta_config_prefix(type, resource);

	rk_assert((size_t)k.len <= sizeof w->key);
	memcpy(w->key, k.at, (size_t)k.len);
	struct rk_str prefix = { (const char *)w->key, k.len };
	return config_here(w, st_cursor_begin(&w->cursor, v->txn, META_CONFIG, prefix, prefix));
}

bool
meta_configs_next(struct meta_configs *w)
{
	return config_here(w, st_cursor_next(&w->cursor));
}

void
meta_configs_end(struct meta_configs *w)
{
	st_cursor_end(&w->cursor);
}

bool
meta_config_resource_next(const struct meta_view *v, int8_t type, struct rk_str after, struct rk_arena *a,
    struct rk_str *out)
{
	struct st_cursor c;
	struct meta_key from = { .len = 0 };
	struct rk_str prefix = { (const char *)&type, 1 };

	if (after.len >= 0) {
		from = meta_config_prefix(type, after);
		from.at[from.len - 1] = 1; /* past all its names, which follow a zero */
	}
	bool found = st_cursor_begin(&c, v->txn, META_CONFIG, prefix, meta_key_str(&from));
	if (found)
		*out = rk_arena_str(a, config_of(c.value).resource_name);
	st_cursor_end(&c);
	return found;
}

/* --- small things */

int16_t
meta_feature(const struct meta_view *v, struct rk_str name)
{
	struct rk_str row;

	if (name.len <= 0 || name.len > 500 || !st_get(v->txn, META_FEATURE, name, &row))
		return 0;
	rk_assert(row.len == 2);
	return (int16_t)rk_get16(row.at);
}

bool
meta_feature_next(const struct meta_view *v, struct rk_str after, struct rk_arena *a, struct rk_str *name,
    int16_t *level)
{
	struct st_cursor c;

	rk_assert(after.len <= 500);
	bool found = st_cursor_begin(&c, v->txn, META_FEATURE, rk_lit(""), after);
	if (found && rk_str_eq(c.key, after))
		found = st_cursor_next(&c);
	if (found) {
		*name = rk_arena_str(a, c.key);
		*level = (int16_t)rk_get16(c.value.at);
	}
	st_cursor_end(&c);
	return found;
}

int64_t
meta_next_producer_id(const struct meta_view *v)
{
	struct rk_str row;

	return st_get(v->txn, META_NODE, rk_lit("producer"), &row) ? (int64_t)rk_get64(row.at) : 0;
}

int64_t
meta_applied(const struct meta_view *v, int32_t *epoch)
{
	struct rk_str row;
	bool found = st_get(v->txn, META_NODE, rk_lit("applied"), &row);

	if (epoch != NULL)
		*epoch = found ? (int32_t)rk_get32(row.at + 8) : 0;
	return found ? (int64_t)rk_get64(row.at) : 0;
}

void
meta_set_applied(struct st_txn *x, int64_t offset, int32_t epoch)
{
	char row[12];

	rk_put64(row, (uint64_t)offset);
	rk_put32(row + 8, (uint32_t)epoch);
	st_put(x, META_NODE, rk_lit("applied"), (struct rk_str){ row, 12 });
}

bool
meta_transaction_open(struct st_txn *x)
{
	struct rk_str row;

	return st_get(x, META_NODE, rk_lit("open"), &row);
}

bool
meta_has(const int32_t *at, int32_t len, int32_t id)
{
	for (int32_t i = 0; i < len; i++)
		if (at[i] == id)
			return true;
	return false;
}

bool
meta_has_uuid(const struct rk_uuid *at, int32_t len, struct rk_uuid id)
{
	for (int32_t i = 0; i < len; i++)
		if (rk_uuid_eq(at[i], id))
			return true;
	return false;
}

bool
meta_directory_reserved(struct rk_uuid id)
{
	static const uint8_t zeros[15];

	return memcmp(id.id, zeros, 15) == 0 && id.id[15] < 100;
}

bool
meta_directory_online(const struct rk_uuid *dirs, int32_t count, struct rk_uuid dir)
{
	enum { LOST = 2 };

	if (meta_directory_reserved(dir) && dir.id[15] <= LOST)
		return dir.id[15] != LOST;
	return count == 0 || meta_has_uuid(dirs, count, dir);
}
