/* decode.c - rookery decode: captured bytes of a request, response or record, read through its
 * schema. */
#include <ctype.h>
#include "src/cmd/dump.h"

static const struct cmd_opt opts[1] = {
    {"raw", CMD_FLAG, 0, 0, 0, NULL, NULL, "Standard input holds the bytes themselves, not hex."}};

static int
nibble(int c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Hex digits in place; blanks, colons and commas between them are skipped. -1: something else is
 * there. */
static ssize_t
unhex(char *p, size_t len)
{
	size_t n = 0;
	int high = -1;

	for (size_t i = 0; i < len; i++) {
		int v = nibble((unsigned char)p[i]);
		if (v < 0 && (isspace((unsigned char)p[i]) || p[i] == ':' || p[i] == ','))
			continue;
		if (v < 0)
			return -1;
		if (high < 0) {
			high = v;
		} else {
			p[n++] = (char)(high << 4 | v);
			high = -1;
		}
	}
	return high < 0 ? (ssize_t)n : -1;
}

static char *
all_input(size_t *len)
{
	size_t cap = 1 << 16;
	char *p = rk_mem_grow(NULL, cap);

	*len = 0;
	while (!feof(stdin) && !ferror(stdin)) {
		*len += fread(p + *len, 1, cap - *len, stdin);
		if (*len == cap)
			p = rk_mem_grow(p, cap *= 2);
	}
	return p;
}

static const struct kp_api *
api_of(const char *name)
{
	int64_t key;

	if (rk_str_int(rk_str_of(name), &key))
		return key == (int16_t)key ? kp_api((int16_t)key) : NULL;
	for (uint32_t i = 0; i < kp_apis_count; i++)
		if (strcasecmp(kp_apis[i].name, name) == 0)
			return &kp_apis[i];
	return NULL;
}

static const struct kp_desc *
record_of(const char *name)
{
	for (uint32_t i = 0; i < kp_messages_count; i++)
		if (kp_messages[i]->kind == KP_RECORD
		    && strcmp(kp_messages[i]->name + 3, name) == 0)
			return kp_messages[i];
	return NULL;
}

static bool
show(const struct kp_desc *d, int16_t version, const uint8_t *p, size_t len, struct rk_arena *a)
{
	if (!cmd_json_bytes(d, version, p, len, a, NULL))
		return false;
	putchar('\n');
	return true;
}

/* A capture may begin at the frame's size, at the header or at the body: each is tried. */
static bool
show_frame(const struct kp_api *api, bool request, int16_t version, const uint8_t *p, size_t len,
    struct rk_arena *a)
{
	const struct kp_desc *d = request ? api->req : api->res;
	struct kp_head h;

	if (len > 4 && rk_get32(p) == len - 4) {
		p += 4;
		len -= 4;
	}
	if (request && len >= 8 && (int16_t)rk_get16(p) == api->key
	    && (int16_t)rk_get16(p + 2) == version && kp_head_read(p, len, &h) == RK_OK) {
		printf("# correlation id %d, client id %.*s\n", h.correlation_id,
		    h.client_id.len < 0 ? 4 : h.client_id.len,
		    h.client_id.len < 0 ? "null" : h.client_id.at);
		return show(d, version, p + h.body, len - h.body, a);
	}
	if (show(d, version, p, len, a))
		return true;
	if (request || len < 4)
		return false;
	printf("# correlation id %d\n", (int32_t)rk_get32(p));
	uint32_t head = version >= api->flex && api->key != 18 ? 5 : 4;
	return len >= head && show(d, version, p + head, len - head, a);
}

static int
decode(struct cmd_args *a, struct rk_arena *arena, const uint8_t *p, size_t len)
{
	const char *name = a->rest[0], *kind = a->rest[2];
	int64_t version;

	if (!rk_str_int(rk_str_of(a->rest[1]), &version) || version != (int16_t)version)
		return cmd_fail(a, "%s is not a version", a->rest[1]);
	if (strcmp(kind, "record") == 0) {
		const struct kp_desc *d = record_of(name);
		if (d == NULL)
			return cmd_fail(a, "there is no record %s; topic_record is one", name);
		return show(d, (int16_t)version, p, len, arena)
			   ? 0
			   : cmd_fail(a,
			       "these %zu bytes are no %s of version %d (it has %d to %d)", len,
			       name, (int)version, d->min, d->max);
	}
	const struct kp_api *api = api_of(name);
	bool request = strcmp(kind, "request") == 0;
	if (api == NULL)
		return cmd_fail(a,
		    "there is no request %s; rookery broker-api-versions lists names and keys",
		    name);
	if (!request && strcmp(kind, "response") != 0)
		return cmd_fail(a, "request, response or record is meant, not %s", kind);
	if (version < api->min || version > api->max)
		return cmd_fail(a, "%s has the versions %d to %d", api->name, api->min, api->max);
	return show_frame(api, request, (int16_t)version, p, len, arena)
		   ? 0
		   : cmd_fail(a, "these %zu bytes are no %s %s of version %d", len, api->name, kind,
		       (int)version);
}

static int
run(struct cmd_args *a)
{
	struct rk_arena arena;
	size_t len;
	char *p;
	int rc;

	if (a->rest_count != 4)
		return cmd_usage(
		    a, "usage: rookery decode KEY|NAME VERSION request|response|record HEX|-");
	if (strcmp(a->rest[3], "-") == 0) {
		p = all_input(&len);
	} else {
		len = strlen(a->rest[3]);
		p = rk_mem_str(a->rest[3], len);
	}
	ssize_t n = cmd_given(a, "raw") ? (ssize_t)len : unhex(p, len);
	rk_arena_init(&arena, (size_t)1 << 30);
	if (n < 0)
		rc = cmd_fail(a,
		    "the bytes must be an even number of hex digits; --raw takes them as they are");
	else
		rc = decode(a, &arena, (const uint8_t *)p, (size_t)n);
	rk_arena_free(&arena);
	rk_mem_put(p);
	return rc;
}

const struct cmd_spec cmd_decode_spec = {
    .name = "decode",
    .peer = "rookery-decode",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Prints captured bytes of a request, response or record as JSON: decode KEY|NAME "
	       "VERSION request|response|record HEX|-",
    .about = "The bytes may begin with the frame's size, with the header, or with the body. KEY is "
	     "a request's number, NAME its name "
	     "(Fetch) or, for records, the schema's name (topic_record). - reads the bytes, in "
	     "hex, from standard input.",
    .odd_usage = true,
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
