/* head.c - request and response heads, the table of APIs, and varints.
 *
 * Request head 1: key i16, version i16, correlation i32, client id (nullable, i16 length). Head 2, of
 * flexible versions: the same and a tag section; the client id keeps its i16 length. Response head 0:
 * correlation; head 1 has a tag section. ApiVersions answers always wear head 0, so that a client
 * that guessed too high a version can read the refusal (KIP-511). */
#include "protocol/desc.h"

enum { API_VERSIONS = 18 };

const struct kp_api *
kp_api(int16_t key)
{
	uint32_t lo = 0, hi = kp_apis_count;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (kp_apis[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < kp_apis_count && kp_apis[lo].key == key ? &kp_apis[lo] : NULL;
}

/* Moves past a tag section; false: it does not end. */
static bool
skip_tags(const uint8_t **p, const uint8_t *end)
{
	uint32_t n, tag, size;

	if (!kp_uvarint(p, end, &n))
		return false;
	for (; n > 0; n--) {
		if (!kp_uvarint(p, end, &tag) || !kp_uvarint(p, end, &size) || size > (size_t)(end - *p))
			return false;
		*p += size;
	}
	return true;
}

enum rk_err
kp_head_read(const void *frame, size_t len, struct kp_head *h)
{
	const uint8_t *p = frame, *end = p + len;

	*h = (struct kp_head){ .client_id = RK_STR_NULL };
	if (len < 8)
		return RK_INVALID_REQUEST;
	h->key = (int16_t)rk_get16(p);
	h->version = (int16_t)rk_get16(p + 2);
	h->correlation_id = (int32_t)rk_get32(p + 4);
	const struct kp_api *api = kp_api(h->key);
	if (api == NULL || h->version < api->min || h->version > api->max)
		return RK_UNSUPPORTED_VERSION;
	h->flex = h->version >= api->flex;
	if (len < 10)
		return RK_INVALID_REQUEST;
	int16_t n = (int16_t)rk_get16(p + 8);
	p += 10;
	if (n > end - p) /* any negative length is null, as in Kafka's own reader */
		return RK_INVALID_REQUEST;
	if (n >= 0)
		h->client_id = (struct rk_str){ (const char *)p, n };
	p += n < 0 ? 0 : n;
	if (h->flex && !skip_tags(&p, end))
		return RK_INVALID_REQUEST;
	h->body = (uint32_t)(p - (const uint8_t *)frame);
	return RK_OK;
}

void
kp_head_write(const struct kp_head *h, struct rk_out *out)
{
	uint8_t *at = rk_out_room(out, 10);

	rk_assert(h->client_id.len <= INT16_MAX);
	rk_put16(at, (uint16_t)h->key);
	rk_put16(at + 2, (uint16_t)h->version);
	rk_put32(at + 4, (uint32_t)h->correlation_id);
	rk_put16(at + 8, (uint16_t)h->client_id.len);
	if (h->client_id.len > 0)
		rk_out_put(out, h->client_id.at, (uint32_t)h->client_id.len);
	if (h->flex)
		*rk_out_room(out, 1) = 0;
}

void
kp_answer_head(int16_t key, int16_t version, int32_t correlation_id, struct rk_out *out)
{
	const struct kp_api *api = kp_api(key);

	rk_put32(rk_out_room(out, 4), (uint32_t)correlation_id);
	if (key != API_VERSIONS && api != NULL && version >= api->flex)
		*rk_out_room(out, 1) = 0;
}

/* Seven bits a byte, the low ones first. False: bytes missing, or more than max_bytes of them. */
static bool
varint(const uint8_t **p, const uint8_t *end, uint64_t *v, unsigned max_bytes)
{
	const uint8_t *at = *p;

	*v = 0;
	for (unsigned i = 0; i < max_bytes && at < end; i++) {
		*v |= (uint64_t)(*at & 0x7f) << (7 * i);
		if ((*at++ & 0x80) == 0) {
			*p = at;
			return true;
		}
	}
	return false;
}

bool
kp_uvarint(const uint8_t **p, const uint8_t *end, uint32_t *v)
{
	uint64_t u;
	bool ok = varint(p, end, &u, 5);

	*v = (uint32_t)u;
	return ok;
}

bool
kp_varint(const uint8_t **p, const uint8_t *end, int32_t *v)
{
	uint32_t u;
	bool ok = kp_uvarint(p, end, &u);

	*v = (int32_t)(u >> 1 ^ (0 - (u & 1)));
	return ok;
}

bool
kp_varlong(const uint8_t **p, const uint8_t *end, int64_t *v)
{
	uint64_t u;
	bool ok = varint(p, end, &u, 10);

	*v = (int64_t)(u >> 1 ^ (0 - (u & 1)));
	return ok;
}

static uint32_t
put_varint(uint8_t *at, uint64_t v)
{
	uint32_t n = 0;

	for (; v >= 0x80; v >>= 7)
		at[n++] = (uint8_t)(v | 0x80);
	at[n++] = (uint8_t)v;
	return n;
}

uint32_t
kp_put_uvarint(uint8_t *at, uint32_t v)
{
	return put_varint(at, v);
}

uint32_t
kp_put_varint(uint8_t *at, int32_t v)
{
	return put_varint(at, (uint32_t)v << 1 ^ (uint32_t)(v >> 31));
}

uint32_t
kp_put_varlong(uint8_t *at, int64_t v)
{
	return put_varint(at, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}
