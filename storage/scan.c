/* scan.c - batch after batch through a segment file, in big reads.
 *
 * With check every byte is read, a MiB at a time, and each CRC is compared; a batch larger than the
 * window passes through it in pieces. Without, only headers matter: batches larger than the window
 * are stepped over. */
#include "storage/segment.h"
#include "base/mem.h"
#include "protocol/batch.h"

enum {
	WINDOW = 1 << 20,
	HEADERS = 1 << 16,
	LEAST = KP_BATCH_HEAD - KP_BATCH_LOG_OVERHEAD,
	CRC_AT = 17,
	CRC_FROM = 21
};

static uint32_t
width(const struct st_scan *s)
{
	return s->check ? WINDOW : HEADERS;
}

void
st_scan_begin(struct st_scan *s, struct st_segment *g, uint32_t pos, int64_t next, bool check)
{
	rk_assert(g->log != NULL && pos <= g->bytes);
	*s = (struct st_scan){.file = g->log,
	    .size = g->bytes,
	    .pos = pos,
	    .check = check,
	    .next = rk_max(next, g->base),
	    .base = g->base};
	s->window = rk_mem_get(width(s));
}

void
st_scan_end(struct st_scan *s)
{
	rk_mem_put(s->window);
	s->window = NULL;
}

/* Has need bytes from pos on in the window, reading as much as fits. */
static enum rk_err
fill(struct st_scan *s, uint32_t pos, uint32_t need)
{
	rk_assert(need <= width(s) && need <= s->size - pos);
	if (pos >= s->from && pos - s->from <= s->have && s->have - (pos - s->from) >= need)
		return RK_OK;
	uint32_t n = (uint32_t)rk_min(width(s), s->size - pos);
	s->have = 0;
	enum rk_err err = rk_file_read(s->file, pos, s->window, n);
	if (err != RK_OK)
		return err == RK_NOT_FOUND ? RK_TRUNCATED : err;
	s->from = pos;
	s->have = n;
	return RK_OK;
}

/* The CRC of a batch that does not fit: its header is in h, the rest goes by. */
static enum rk_err
crc_in_pieces(struct st_scan *s, const uint8_t *h, uint32_t len, uint32_t *crc)
{
	uint32_t pos = s->pos + KP_BATCH_HEAD, end = s->pos + len;

	*crc = rk_crc32c(0, h + CRC_FROM, KP_BATCH_HEAD - CRC_FROM);
	while (pos < end) {
		uint32_t n = (uint32_t)rk_min(width(s), end - pos);
		enum rk_err err = fill(s, pos, n);
		if (err != RK_OK)
			return err;
		*crc = rk_crc32c(*crc, s->window + (pos - s->from), n);
		pos += n;
	}
	return RK_OK;
}

static enum rk_err
check_crc(struct st_scan *s, uint32_t len)
{
	uint8_t head[KP_BATCH_HEAD];
	uint32_t crc;

	memcpy(head, s->window + (s->pos - s->from), sizeof head);
	if (len <= width(s)) {
		enum rk_err err = fill(s, s->pos, len);
		if (err != RK_OK)
			return err;
		crc = rk_crc32c(0, s->window + (s->pos - s->from) + CRC_FROM, len - CRC_FROM);
	} else {
		enum rk_err err = crc_in_pieces(s, head, len, &crc);
		if (err == RK_OK)
			err = fill(s, s->pos, KP_BATCH_HEAD);
		if (err != RK_OK)
			return err;
	}
	return crc == rk_get32(head + CRC_AT) ? RK_OK : RK_CORRUPT_MESSAGE;
}

static enum rk_err
check_shape(const struct st_scan *s, const uint8_t *h)
{
	int64_t base = kp_batch_base(h), len = kp_batch_len(h),
		left = (int64_t)s->size - s->pos - KP_BATCH_LOG_OVERHEAD;

	if (len < LEAST || kp_batch_magic(h) != 2 || base < s->next || kp_batch_last_delta(h) < 0
	    || kp_batch_count(h) < 0)
		return RK_CORRUPT_MESSAGE;
	if (base > INT64_MAX - INT32_MAX || kp_batch_last(h) - s->base > INT32_MAX)
		return RK_CORRUPT_MESSAGE;
	return len > left ? RK_TRUNCATED : RK_OK;
}

/* Whether the file begins with a message of before Kafka 0.11, whole: i64 offset, i32 length, u32
 * CRC-32 of what follows, i8 magic 0 or 1. A torn batch may look like one, but for the CRC. */
static bool
old_message(struct st_scan *s)
{
	const uint8_t *h = s->window;
	uint32_t len = rk_get32(h + 8), crc = UINT32_MAX;

	if (s->pos != 0 || s->from != 0 || (h[16] != 0 && h[16] != 1) || len < 14 || len > HEADERS
	    || len > s->size - KP_BATCH_LOG_OVERHEAD
	    || fill(s, 0, KP_BATCH_LOG_OVERHEAD + len) != RK_OK)
		return false;
	for (uint32_t i = 16; i < KP_BATCH_LOG_OVERHEAD + len; i++) {
		crc ^= s->window[i];
		for (uint32_t bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320 & (0 - (crc & 1)));
	}
	return ~crc == rk_get32(s->window + 12);
}

enum rk_err
st_scan_next(struct st_scan *s)
{
	rk_assert(s->window != NULL && s->pos <= s->size);
	s->at = s->pos;
	if (s->pos == s->size)
		return RK_NOT_FOUND;
	if (s->size - s->pos < KP_BATCH_HEAD)
		return RK_TRUNCATED;
	enum rk_err err = fill(s, s->pos, KP_BATCH_HEAD);
	if (err != RK_OK)
		return err;
	const uint8_t *h = s->window + (s->pos - s->from);
	err = check_shape(s, h);
	if (err == RK_CORRUPT_MESSAGE && old_message(s))
		return RK_UNSUPPORTED_FOR_MESSAGE_FORMAT;
	if (err != RK_OK)
		return err;
	uint32_t len = (uint32_t)kp_batch_bytes(h);
	bool whole = (kp_batch_attr(h) & KP_ATTR_CONTROL) != 0 && len <= HEADERS;
	err = s->check ? check_crc(s, len) : whole ? fill(s, s->pos, len) : RK_OK;
	if (err != RK_OK)
		return err;
	s->batch = s->window + (s->pos - s->from);
	s->len = len;
	s->got = (uint32_t)rk_min(len, s->have - (s->pos - s->from));
	s->next = kp_batch_last(s->batch) + 1;
	s->pos += len;
	rk_assert(s->got >= KP_BATCH_HEAD && s->pos <= s->size);
	return RK_OK;
}
