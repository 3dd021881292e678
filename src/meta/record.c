/* record.c - metadata records as bytes: the frame (uvarint 1, type, version) around a message, and the
 * versions in which a finalised metadata.version has them written. */
#include "src/meta/image.h"
#include "base/say.h"
#include "protocol/batch.h"
#include "protocol/desc.h"

enum { FRAME = 1 };

static const struct kp_desc *const desc[] = {
#define RECORD(type, name, what) [type] = &kp_##name##_record_d,
#include "src/meta/record.tbl"
#undef RECORD
};

const struct kp_desc *
meta_record_desc(int16_t type)
{
	return type >= 0 && (size_t)type < rk_countof(desc) ? desc[type] : NULL;
}

/* What each metadata.version (facts: 7 is 3.3-IV3, 30 is 4.3-IV0) adds to a record. */
static const struct {
	int16_t type, version, since;
} raised[] = {
	{ KP_REGISTER_BROKER_RECORD, 1, 7 },
	{ KP_REGISTER_BROKER_RECORD, 2, 8 },
	{ KP_REGISTER_BROKER_RECORD, 3, 17 },
	{ KP_REGISTER_BROKER_RECORD, 4, 30 },
	{ KP_PARTITION_RECORD, 1, 17 },
	{ KP_PARTITION_RECORD, 2, 23 },
	{ KP_PARTITION_CHANGE_RECORD, 1, 17 },
	{ KP_PARTITION_CHANGE_RECORD, 2, 23 },
	{ KP_BROKER_REGISTRATION_CHANGE_RECORD, 1, 7 },
	{ KP_BROKER_REGISTRATION_CHANGE_RECORD, 2, 17 },
	{ KP_BROKER_REGISTRATION_CHANGE_RECORD, 3, 30 },
};

int16_t
meta_record_version(int16_t type, int16_t metadata_version)
{
	int16_t v = 0;

	for (uint32_t i = 0; i < rk_countof(raised); i++)
		if (raised[i].type == type && metadata_version >= raised[i].since)
			v = raised[i].version;
	return v;
}

static enum rk_err
odd(enum rk_err err, const char *what, uint32_t n)
{
	rk_say(RK_ERROR, "The metadata log holds a record with %s %u, which this release does not know. It was written by "
	    "a newer controller or is damaged; finish the upgrade of this node.", what, n);
	return err;
}

enum rk_err
meta_unframe(struct rk_str value, struct rk_arena *a, struct meta_record *r)
{
	const uint8_t *p = (const uint8_t *)value.at, *end = p + (value.len > 0 ? value.len : 0);
	uint32_t frame, type, version;

	if (value.len <= 0 || !kp_uvarint(&p, end, &frame) || !kp_uvarint(&p, end, &type) ||
	    !kp_uvarint(&p, end, &version)) {
		rk_say(RK_ERROR, "The metadata log holds a record that ends in its head; the log is damaged.");
		return RK_CORRUPT_MESSAGE;
	}
	if (frame != FRAME)
		return odd(RK_UNSUPPORTED_VERSION, "frame version", frame);
	r->desc = type <= INT16_MAX ? meta_record_desc((int16_t)type) : NULL;
	if (r->desc == NULL)
		return odd(RK_UNSUPPORTED_VERSION, "type", type);
	if (version > (uint32_t)r->desc->max)
		return odd(RK_UNSUPPORTED_VERSION, "version", version);
	r->type = (int16_t)type;
	r->version = (int16_t)version;
	r->msg = rk_arena_get(a, 1, r->desc->size);
	if (r->msg == NULL)
		return RK_NO_MEMORY;
	enum rk_err err = kp_read(r->desc, r->version, p, (size_t)(end - p), a, r->msg, NULL);
	if (err == RK_OK || err == RK_NO_MEMORY)
		return err;
	rk_say(RK_ERROR, "The metadata log holds a %s that cannot be read; the log is damaged.", r->desc->name);
	return RK_CORRUPT_MESSAGE;
}

struct rk_str
meta_bytes(const struct kp_desc *d, int16_t version, const void *msg, struct rk_arena *a)
{
	struct rk_out out;

	rk_out_init(&out, a);
	kp_write(d, version, msg, &out);
	if (!out.over && out.count == 1)
		return (struct rk_str){ (const char *)out.piece[0].u.mem, (int32_t)out.piece[0].len };
	return rk_out_flat(&out, a);
}

struct rk_str
meta_frame(int16_t type, int16_t version, const void *msg, struct rk_arena *scratch, struct rk_arena *to)
{
	const struct kp_desc *d = meta_record_desc(type);
	struct rk_out out;
	uint8_t head[15];

	rk_assert(d != NULL && version >= 0 && version <= d->max);
	uint32_t n = kp_put_uvarint(head, FRAME);
	n += kp_put_uvarint(head + n, (uint32_t)type);
	n += kp_put_uvarint(head + n, (uint32_t)version);
	rk_out_init(&out, scratch);
	rk_out_put(&out, head, n);
	kp_write(d, version, msg, &out);
	return rk_out_flat(&out, to);
}

/* --- record batches */

/* One batch's records to heard. */
static enum rk_err
each_record(const uint8_t *batch, struct rk_arena *a, meta_heard *heard, void *arg)
{
	struct kp_records_iter it;
	struct kp_record kr;
	struct meta_record r;

	kp_records_start(&it, batch, NULL, 0);
	while (kp_records_next(&it, &kr)) {
		enum rk_err err = meta_unframe(kr.value, a, &r);
		if (err != RK_OK)
			return err;
		heard(arg, r.type, r.version, r.msg, kr.offset);
	}
	return it.bad ? RK_CORRUPT_MESSAGE : RK_OK;
}

enum rk_err
meta_each(const uint8_t *batches, uint32_t len, struct rk_arena *a, meta_heard *heard, void *arg)
{
	uint32_t at = 0;

	while (at < len) {
		enum rk_err err = kp_batch_check(batches + at, len - at);
		if (err == RK_OK && (kp_batch_attr(batches + at) & KP_ATTR_CODEC) != 0)
			err = RK_CORRUPT_MESSAGE;
		if (err == RK_OK && (kp_batch_attr(batches + at) & KP_ATTR_CONTROL) == 0)
			err = each_record(batches + at, a, heard, arg);
		if (err != RK_OK)
			return err;
		at += (uint32_t)kp_batch_bytes(batches + at);
	}
	return RK_OK;
}
