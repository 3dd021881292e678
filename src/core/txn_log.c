/* txn_log.c - the records of __transaction_state, and sets of partitions.
 *
 * A record is key (i16 0, transactional id) and value (i16 version, Kafka's TransactionLogValue): version 1 since
 * transaction.version 1. Kafka writes its partitions in the order of Java's hash sets and maps, so that order is kept:
 * a set's members stand by the low bits of their spread hash, as many as its table has, then as they were added (it
 * doubles when more than three quarters are taken); the record's topics stand likewise, but the latest first. */
#include "protocol/gen/txn_records.h"
#include "src/core/txn_in.h"
#include "base/mem.h"

enum { TABLE_MIN = 16 };

/* --- order */
struct entry {
	struct core_marker_part part;
	uint32_t hash; /* spread */
	uint32_t mask; /* of the table */
	int32_t seq;   /* how it came */
};

static uint32_t
spread(uint32_t h)
{
	return h ^ h >> 16;
}

static uint32_t
hash_of(struct rk_str topic, int32_t partition)
{
	return spread(31 * (31 + (uint32_t)partition) + rk_java_hash(topic));
}

static uint32_t
mask_of(int32_t count)
{
	int64_t table = TABLE_MIN;

	while (count > table / 4 * 3)
		table *= 2;
	return (uint32_t)table - 1;
}

static int
same_part(const struct core_marker_part *a, const struct core_marker_part *b)
{
	int d = rk_str_cmp(a->topic, b->topic);

	return d != 0 ? d : (a->partition > b->partition) - (a->partition < b->partition);
}

static int
by_part(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int d = same_part(&a->part, &b->part);

	return d != 0 ? d : (a->seq > b->seq) - (a->seq < b->seq);
}

static int
by_bucket(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	uint32_t i = a->hash & a->mask, k = b->hash & b->mask;

	return i != k ? (i > k) - (i < k) : (a->seq > b->seq) - (a->seq < b->seq);
}

/* Puts them in a set's order, each once; returns how many are left. */
static int32_t
arrange(struct entry *e, int32_t count)
{
	int32_t n = 0;

	for (int32_t i = 0; i < count; i++)
		e[i].seq = i;
	qsort(e, (size_t)count, sizeof *e, by_part);
	for (int32_t i = 0; i < count; i++)
		if (n == 0 || same_part(&e[n - 1].part, &e[i].part) != 0)
			e[n++] = e[i];
	for (int32_t i = 0; i < n; i++)
		e[i].mask = mask_of(n);
	qsort(e, (size_t)n, sizeof *e, by_bucket);
	return n;
}

/* --- sets */
static struct core_txn_parts *
build(const struct entry *e, int32_t count)
{
	struct core_txn_parts *p;
	size_t names = 0;

	for (int32_t i = 0; i < count; i++)
		names += (size_t)e[i].part.topic.len;
	p = rk_mem_try(sizeof *p + (size_t)count * sizeof p->at[0] + names);
	if (p == NULL)
		return NULL;
	char *name = (char *)&p->at[count];
	p->count = count;
	for (int32_t i = 0; i < count; i++) {
		struct rk_str t = e[i].part.topic;
		if (t.len > 0)
			memcpy(name, t.at, (size_t)t.len);
		p->at[i] = (struct core_marker_part){ .topic = { name, t.len }, .partition = e[i].part.partition };
		name += t.len;
	}
	return p;
}

struct core_txn_parts *
core_txn_join(const struct core_txn_parts *old, const struct core_marker_part *add, int32_t count)
{
	int32_t had = old == NULL ? 0 : old->count;
	struct entry *e = rk_mem_try(((size_t)had + (size_t)count + 1) * sizeof *e);

	rk_assert(count >= 0);
	if (e == NULL)
		return NULL;
	for (int32_t i = 0; i < had; i++)
		e[i] = (struct entry){ .part = old->at[i], .hash = hash_of(old->at[i].topic, old->at[i].partition) };
	for (int32_t i = 0; i < count; i++) {
		rk_assert(add[i].topic.len >= 0);
		e[had + i] = (struct entry){ .part = add[i], .hash = hash_of(add[i].topic, add[i].partition) };
	}
	count = arrange(e + had, count); /* they come as a set */
	count = arrange(e, had + count);
	struct core_txn_parts *p = build(e, count);
	rk_mem_put(e);
	rk_assert(p == NULL || p->count >= had);
	return p;
}

bool
core_txn_has(const struct core_txn_parts *p, struct rk_str topic, int32_t partition)
{
	struct core_marker_part wanted = { .topic = topic, .partition = partition };
	int32_t low = 0, high = p == NULL ? 0 : p->count;
	uint32_t mask = mask_of(high), bucket = hash_of(topic, partition) & mask;

	while (low < high) { /* the first that is not in an earlier bucket */
		int32_t mid = low + (high - low) / 2;
		if ((hash_of(p->at[mid].topic, p->at[mid].partition) & mask) < bucket)
			low = mid + 1;
		else
			high = mid;
	}
	for (; p != NULL && low < p->count; low++) {
		if (same_part(&p->at[low], &wanted) == 0)
			return true;
		if ((hash_of(p->at[low].topic, p->at[low].partition) & mask) != bucket)
			break;
	}
	return false;
}

/* --- topics */
static int
by_place(const void *x, const void *y)
{
	const struct core_marker_part *a = *(const struct core_marker_part *const *)x;
	const struct core_marker_part *b = *(const struct core_marker_part *const *)y;
	int d = rk_str_cmp(a->topic, b->topic);

	return d != 0 ? d : (a > b) - (a < b);
}

struct row {
	struct core_txn_topic topic;
	const struct core_marker_part *first;
};

static int
by_first(const void *x, const void *y)
{
	const struct row *a = x, *b = y;

	return (a->first > b->first) - (a->first < b->first);
}

struct core_txn_topic *
core_txn_topics(const struct core_txn_parts *p, struct rk_arena *a, int32_t *count)
{
	int32_t n = p == NULL ? 0 : p->count, rows = 0;
	const struct core_marker_part **all = rk_arena_get(a, (size_t)n + 1, sizeof *all);
	int32_t *part = rk_arena_get(a, (size_t)n + 1, sizeof *part);
	struct row *row = rk_arena_get(a, (size_t)n + 1, sizeof *row);
	struct core_txn_topic *out = rk_arena_get(a, (size_t)n + 1, sizeof *out);

	*count = 0;
	if (all == NULL || part == NULL || row == NULL || out == NULL)
		return NULL;
	for (int32_t i = 0; i < n; i++)
		all[i] = &p->at[i];
	qsort(all, (size_t)n, sizeof *all, by_place);
	for (int32_t i = 0; i < n; i++) {
		if (i == 0 || !rk_str_eq(all[i]->topic, all[i - 1]->topic))
			row[rows++] = (struct row){ { all[i]->topic, &part[i], 0 }, all[i] };
		part[i] = all[i]->partition;
		row[rows - 1].topic.count++;
	}
	qsort(row, (size_t)rows, sizeof *row, by_first);
	for (int32_t i = 0; i < rows; i++)
		out[i] = row[i].topic;
	rk_assert(rows <= n);
	*count = rows;
	return out;
}

/* --- records */
static struct rk_str
key_of(struct rk_str id, struct rk_arena *a)
{
	struct kp_transaction_log_key k = { id };

	return core_coord_bytes(0, &kp_transaction_log_key_d, 0, &k, a);
}

struct kp_pair
core_txn_tombstone(struct rk_str id, struct rk_arena *a)
{
	return (struct kp_pair){ key_of(id, a), RK_STR_NULL };
}

/* The topics as Java's HashMap gives them back. */
static bool
put_topics(struct kp_transaction_log_value *v, const struct core_txn_parts *p, struct rk_arena *a)
{
	int32_t n;
	struct core_txn_topic *t = core_txn_topics(p, a, &n);
	struct entry *e = rk_arena_get(a, (size_t)n + 1, sizeof *e);

	v->transaction_partitions.at = rk_arena_get(a, (size_t)n + 1, sizeof *v->transaction_partitions.at);
	if (t == NULL || e == NULL || v->transaction_partitions.at == NULL)
		return false;
	v->transaction_partitions.len = n;
	for (int32_t i = 0; i < n; i++)
		e[i] = (struct entry){ .hash = spread(rk_java_hash(t[i].name)), .mask = mask_of(n), .seq = -i };
	qsort(e, (size_t)n, sizeof *e, by_bucket);
	for (int32_t i = 0; i < n; i++) {
		const struct core_txn_topic *from = &t[-e[i].seq];
		v->transaction_partitions.at[i].topic = from->name;
		v->transaction_partitions.at[i].partition_ids.at = from->partition;
		v->transaction_partitions.at[i].partition_ids.len = from->count;
	}
	return true;
}

struct kp_pair
core_txn_record(struct rk_str id, const struct core_txn_values *x, int16_t version, struct rk_arena *a)
{
	struct kp_transaction_log_value v;
	int16_t form = version >= 1 ? 1 : 0;

	rk_assert(x->producer_id >= 0 && x->epoch >= 0);
	kp_defaults(&kp_transaction_log_value_d, &v);
	v.producer_id = x->producer_id;
	v.previous_producer_id = x->previous_id;
	v.next_producer_id = x->next_id;
	v.producer_epoch = x->epoch;
	v.transaction_timeout_ms = x->timeout_ms;
	v.transaction_status = (int8_t)x->state;
	v.transaction_last_update_timestamp_ms = x->update_ms;
	v.transaction_start_timestamp_ms = x->start_ms;
	v.client_transaction_version = x->version;
	v.transaction_partitions.len = -1;
	if (x->state != CORE_TXN_EMPTY && !put_topics(&v, x->parts, a))
		return (struct kp_pair){ RK_STR_NULL, RK_STR_NULL };
	return (struct kp_pair){ key_of(id, a), core_coord_bytes(form, &kp_transaction_log_value_d, form, &v, a) };
}

static bool
take_parts(const struct kp_transaction_log_value *v, struct rk_arena *a, struct core_txn_values *x)
{
	struct core_marker_part *part;
	size_t most = 1;
	int32_t n = 0;

	for (int32_t i = 0; i < v->transaction_partitions.len; i++)
		most += (size_t)rk_max(v->transaction_partitions.at[i].partition_ids.len, 0);
	part = rk_arena_get(a, most, sizeof *part);
	if (part == NULL)
		return false;
	for (int32_t i = 0; i < v->transaction_partitions.len; i++)
		for (int32_t k = 0; k < v->transaction_partitions.at[i].partition_ids.len; k++)
			part[n++] = (struct core_marker_part){ .topic = v->transaction_partitions.at[i].topic,
				.partition = v->transaction_partitions.at[i].partition_ids.at[k] };
	x->parts = n == 0 ? NULL : core_txn_join(NULL, part, n);
	return n == 0 || x->parts != NULL;
}

bool
core_txn_read(struct rk_str key, struct rk_str value, struct rk_arena *a, struct rk_str *id, bool *gone,
    struct core_txn_values *x)
{
	struct kp_transaction_log_key k;
	struct kp_transaction_log_value v;
	int16_t version = value.len < 2 ? -1 : (int16_t)rk_get16(value.at);

	if (key.len < 2 || rk_get16(key.at) != 0
	    || kp_read(&kp_transaction_log_key_d, 0, key.at + 2, (size_t)key.len - 2, a, &k, NULL) != RK_OK)
		return false;
	*id = k.transactional_id;
	*gone = value.len < 0;
	if (*gone)
		return true;
	if (version < 0 || version > 1
	    || kp_read(&kp_transaction_log_value_d, version, value.at + 2, (size_t)value.len - 2, a, &v, NULL) != RK_OK
	    || v.transaction_status < 0 || v.transaction_status >= CORE_TXN_STATES || v.producer_id < 0
	    || v.producer_epoch < 0)
		return false;
	*x = (struct core_txn_values){ .producer_id = v.producer_id, .previous_id = v.previous_producer_id,
		.next_id = v.next_producer_id, .update_ms = v.transaction_last_update_timestamp_ms,
		.start_ms = v.transaction_start_timestamp_ms, .timeout_ms = v.transaction_timeout_ms,
		.epoch = v.producer_epoch, .last_epoch = -1, .version = v.client_transaction_version,
		.state = (uint8_t)v.transaction_status };
	return take_parts(&v, a, x);
}
