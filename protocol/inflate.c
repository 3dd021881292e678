/* inflate.c - Kafka's four compressions, through their libraries; the one file here that calls them,
 * and so the one that tools/pure excuses.
 *
 *	gzip    members (RFC 1952), one behind the other
 *	snappy  as the Java library frames it: 82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version i32 | lowest
 *	        version i32 | then i32 length and a raw block, again and again; or one raw block and
 *	        nothing else, as librdkafka and others write it
 *	lz4     frames; written with independent blocks of 64 KiB, no checksums, no size
 *	zstd    frames; a window past 128 MiB is refused, as Kafka's own reader refuses it
 *
 * Reading holds the library's window and a piece of 64 KiB, whatever comes out; only a raw snappy
 * block is held as a whole, and that cannot grow past some 22 times its bytes. */
#define ZSTD_STATIC_LINKING_ONLY
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include "base/mem.h"
#include "protocol/batch.h"

enum { PIECE = 65536, SNAPPY_BLOCK = 32768, SNAPPY_HEAD = 16, SNAPPY_RATIO = 22, ZSTD_WINDOW_LOG = 27 };

/* Where what comes out goes. */
struct sink {
	kp_inflate_out *out;
	void *arg;
	uint64_t left;  /* of max */
	bool stop;      /* out has had enough */
	uint8_t *piece; /* PIECE bytes */
};

static enum rk_err
give(struct sink *s, const uint8_t *at, size_t n)
{
	if (n > s->left)
		return RK_MESSAGE_TOO_LARGE;
	s->left -= n;
	for (size_t k; n > 0 && !s->stop; at += k, n -= k) {
		k = n < PIECE ? n : PIECE;
		s->stop = !s->out(s->arg, at, k);
	}
	return RK_OK;
}

static enum rk_err
gunzip(struct sink *s, const uint8_t *p, size_t len)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)len };
	enum rk_err e = RK_OK;
	int got = Z_OK;

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return RK_NO_MEMORY;
	while (e == RK_OK && !s->stop && !(got == Z_STREAM_END && z.avail_in == 0)) {
		if (got == Z_STREAM_END)
			(void)inflateReset(&z);
		z.next_out = s->piece;
		z.avail_out = PIECE;
		got = inflate(&z, Z_NO_FLUSH);
		if (got != Z_OK && got != Z_STREAM_END) /* Z_BUF_ERROR: the input ended too early */
			e = got == Z_MEM_ERROR ? RK_NO_MEMORY : RK_CORRUPT_MESSAGE;
		else
			e = give(s, s->piece, PIECE - z.avail_out);
	}
	(void)inflateEnd(&z);
	return e;
}

static enum rk_err
unsnappy_block(struct sink *s, const uint8_t *p, size_t len)
{
	size_t n;

	if (snappy_uncompressed_length((const char *)p, len, &n) != SNAPPY_OK
	    || n > len * SNAPPY_RATIO + PIECE)
		return RK_CORRUPT_MESSAGE;
	if (n > s->left)
		return RK_MESSAGE_TOO_LARGE;
	uint8_t *to = n <= PIECE ? s->piece : rk_mem_try(n);
	if (to == NULL)
		return RK_NO_MEMORY;
	enum rk_err e = snappy_uncompress((const char *)p, len, (char *)to, &n) == SNAPPY_OK
	    ? give(s, to, n) : RK_CORRUPT_MESSAGE;
	if (to != s->piece)
		rk_mem_put(to);
	return e;
}

static const uint8_t xerial[SNAPPY_HEAD] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1 };

static enum rk_err
unsnappy(struct sink *s, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len;
	enum rk_err e = RK_OK;

	if (len < SNAPPY_HEAD || memcmp(p, xerial, 8) != 0)
		return unsnappy_block(s, p, len);
	if (rk_get32(p + 8) < 1 || rk_get32(p + 12) != 1)
		return RK_CORRUPT_MESSAGE;
	p += SNAPPY_HEAD;
	while (e == RK_OK && p < end && !s->stop) {
		if (end - p >= SNAPPY_HEAD && memcmp(p, xerial, SNAPPY_HEAD) == 0) {
			p += SNAPPY_HEAD; /* streams may stand one behind the other */
			continue;
		}
		if (end - p < 4 || rk_get32(p) > (uint64_t)(end - p - 4))
			return RK_CORRUPT_MESSAGE;
		e = unsnappy_block(s, p + 4, rk_get32(p));
		p += 4 + rk_get32(p);
	}
	return e;
}

static enum rk_err
unlz4(struct sink *s, const uint8_t *p, size_t len)
{
	LZ4F_dctx *z;
	enum rk_err e = RK_OK;
	size_t more = 1;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&z, LZ4F_VERSION)))
		return RK_NO_MEMORY;
	while (e == RK_OK && !s->stop && (len > 0 || more != 0)) {
		size_t out = PIECE, in = len;
		more = LZ4F_decompress(z, s->piece, &out, p, &in, NULL);
		if (LZ4F_isError(more) || (in == 0 && out == 0 && more != 0))
			e = RK_CORRUPT_MESSAGE;
		else
			e = give(s, s->piece, out);
		p += in;
		len -= in;
	}
	(void)LZ4F_freeDecompressionContext(z);
	return e;
}

static enum rk_err
unzstd(struct sink *s, const uint8_t *p, size_t len)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();
	ZSTD_inBuffer in = { p, len, 0 };
	enum rk_err e = RK_OK;
	size_t more = 1;

	if (z == NULL)
		return RK_NO_MEMORY;
	(void)ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	while (e == RK_OK && !s->stop && (in.pos < in.size || more != 0)) {
		ZSTD_outBuffer out = { s->piece, PIECE, 0 };
		size_t was = in.pos;
		more = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(more) || (in.pos == was && out.pos == 0 && more != 0))
			e = RK_CORRUPT_MESSAGE;
		else
			e = give(s, s->piece, out.pos);
	}
	(void)ZSTD_freeDCtx(z);
	return e;
}

enum rk_err
kp_inflate(enum kp_codec codec, const void *p, size_t len, uint64_t max, kp_inflate_out *out, void *arg)
{
	struct sink s = { .out = out, .arg = arg, .left = max };
	enum rk_err e = RK_CORRUPT_MESSAGE;

	if (len == 0 || len > INT32_MAX)
		return codec == KP_NONE && len == 0 ? RK_OK : RK_CORRUPT_MESSAGE;
	if (codec == KP_NONE)
		return give(&s, p, len);
	s.piece = rk_mem_try(PIECE);
	if (s.piece == NULL)
		return RK_NO_MEMORY;
	switch (codec) {
	case KP_GZIP: e = gunzip(&s, p, len); break;
	case KP_SNAPPY: e = unsnappy(&s, p, len); break;
	case KP_LZ4: e = unlz4(&s, p, len); break;
	case KP_ZSTD: e = unzstd(&s, p, len); break;
	case KP_NONE:
	case KP_CODECS: break;
	}
	rk_mem_put(s.piece);
	return e;
}

struct whole {
	struct rk_arena *arena;
	uint8_t *at;
	size_t len, cap;
};

static bool
gather(void *arg, const uint8_t *p, size_t n)
{
	struct whole *w = arg;

	if (w->cap - w->len < n) {
		size_t cap = w->cap * 2 > w->len + n ? w->cap * 2 : w->len + n;
		uint8_t *at = rk_arena_raw(w->arena, cap);
		if (at != NULL && w->len > 0)
			memcpy(at, w->at, w->len);
		w->at = at;
		w->cap = cap;
	}
	if (w->at == NULL)
		return false;
	memcpy(w->at + w->len, p, n);
	w->len += n;
	return true;
}

enum rk_err
kp_inflate_all(enum kp_codec codec, const void *p, size_t len, uint64_t max, struct rk_arena *a,
    struct rk_str *plain)
{
	struct whole w = { .arena = a };
	enum rk_err e = kp_inflate(codec, p, len, max < INT32_MAX ? max : INT32_MAX, gather, &w);

	*plain = RK_STR_NULL;
	if (e == RK_OK && a->over)
		return RK_NO_MEMORY;
	if (e == RK_OK)
		*plain = (struct rk_str){ w.len > 0 ? (const char *)w.at : "", (int32_t)w.len };
	return e;
}

static size_t
gzip(int level, const void *p, size_t len, uint8_t *to, size_t cap)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)len, .next_out = to,
		.avail_out = (uInt)cap };

	if (deflateInit2(&z, level == INT_MIN ? Z_DEFAULT_COMPRESSION : level, Z_DEFLATED, 15 + 16, 8,
	    Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	bool done = deflate(&z, Z_FINISH) == Z_STREAM_END;
	size_t n = cap - z.avail_out;
	(void)deflateEnd(&z);
	return done ? n : 0;
}

static size_t
snappy(const uint8_t *p, size_t len, uint8_t *to)
{
	uint8_t *at = to;

	memcpy(at, xerial, SNAPPY_HEAD);
	at += SNAPPY_HEAD;
	for (size_t k; len > 0; p += k, len -= k) {
		size_t n = snappy_max_compressed_length(SNAPPY_BLOCK);
		k = len < SNAPPY_BLOCK ? len : SNAPPY_BLOCK;
		if (snappy_compress((const char *)p, k, (char *)at + 4, &n) != SNAPPY_OK)
			return 0;
		rk_put32(at, (uint32_t)n);
		at += 4 + n;
	}
	return (size_t)(at - to);
}

/* Kafka's default level means the fast compressor. */
static size_t
lz4(int level, const void *p, size_t len, uint8_t *to, size_t cap)
{
	LZ4F_preferences_t how = { .frameInfo = { .blockSizeID = LZ4F_max64KB,
		.blockMode = LZ4F_blockIndependent }, .compressionLevel = level == INT_MIN ? 0 : level };
	size_t n = LZ4F_compressFrame(to, cap, p, len, &how);

	return LZ4F_isError(n) ? 0 : n;
}

static size_t
zstd(int level, const void *p, size_t len, uint8_t *to, size_t cap)
{
	size_t n = ZSTD_compress(to, cap, p, len, level == INT_MIN ? ZSTD_CLEVEL_DEFAULT : level);

	return ZSTD_isError(n) ? 0 : n;
}

/* Room that is enough for what len bytes may become at worst. */
static size_t
worst(enum kp_codec codec, size_t len)
{
	size_t blocks = len / SNAPPY_BLOCK + 1;

	switch (codec) {
	case KP_SNAPPY: return SNAPPY_HEAD + blocks * (4 + snappy_max_compressed_length(SNAPPY_BLOCK));
	case KP_LZ4: return len + (len / 65536 + 1) * 8 + 64;
	case KP_ZSTD: return ZSTD_compressBound(len);
	default: return len + len / 1000 + 256;
	}
}

struct rk_str
kp_deflate(enum kp_codec codec, int level, const void *p, size_t len, struct rk_arena *a)
{
	size_t cap = worst(codec, len), n = 0;
	uint8_t *to = cap > INT32_MAX ? NULL : rk_arena_raw(a, cap);

	if (to == NULL)
		return RK_STR_NULL;
	switch (codec) {
	case KP_GZIP: n = gzip(level, p, len, to, cap); break;
	case KP_SNAPPY: n = snappy(p, len, to); break;
	case KP_LZ4: n = lz4(level, p, len, to, cap); break;
	case KP_ZSTD: n = zstd(level, p, len, to, cap); break;
	case KP_NONE: memcpy(to, p, n = len); break;
	case KP_CODECS: break;
	}
	if (n == 0 && codec != KP_NONE)
		return RK_STR_NULL;
	return (struct rk_str){ (const char *)to, (int32_t)n };
}

const char *
kp_codec_name(enum kp_codec codec)
{
	static const char *const name[] = { "none", "gzip", "snappy", "lz4", "zstd" };

	return codec < KP_CODECS ? name[codec] : "unknown";
}
