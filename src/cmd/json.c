/* json.c - a message as JSON, by its table of fields, as Kafka's tools print it. */
#include "src/cmd/dump.h"

static cmd_nested *nest; /* of the cmd_json under way; commands have one thread */

static void
quoted(const char *at, int32_t len)
{
	putchar('"');
	for (int32_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)at[i];
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c == '\n' || c == '\t' || c == '\r')
			printf("\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
		else if (c < 0x20)
			printf("\\u%04X", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
base64(const uint8_t *p, int32_t len)
{
	static const char set[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	putchar('"');
	for (int32_t i = 0; i < len; i += 3) {
		uint32_t left = (uint32_t)(len - i), v = (uint32_t)p[i] << 16;
		v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		v |= left > 2 ? p[i + 2] : 0;
		putchar(set[v >> 18]);
		putchar(set[v >> 12 & 63]);
		putchar(left > 1 ? set[v >> 6 & 63] : '=');
		putchar(left > 2 ? set[v & 63] : '=');
	}
	putchar('"');
}

static void print_struct(const struct kp_desc *, int16_t version, const char *at);

static void
print_text(const struct kp_field *f, const struct rk_str *s)
{
	if (s->len < 0)
		fputs("null", stdout);
	else if (f->type == KP_T_STRING)
		quoted(s->at, s->len);
	else if (nest == NULL || !nest(f, *s))
		base64((const uint8_t *)s->at, s->len);
}

static void
print_value(const struct kp_field *f, int16_t version, const void *v)
{
	char text[40], id[RK_UUID_TEXT];

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		fputs(*(const bool *)v ? "true" : "false", stdout);
		break;
	case KP_T_INT8:
		printf("%d", *(const int8_t *)v);
		break;
	case KP_T_INT16:
		printf("%d", *(const int16_t *)v);
		break;
	case KP_T_INT32:
		printf("%" PRId32, *(const int32_t *)v);
		break;
	case KP_T_INT64:
		printf("%" PRId64, *(const int64_t *)v);
		break;
	case KP_T_UINT16:
		printf("%u", *(const uint16_t *)v);
		break;
	case KP_T_UINT32:
		printf("%" PRIu32, *(const uint32_t *)v);
		break;
	case KP_T_FLOAT64:
		fputs(cmd_double(*(const double *)v, text), stdout);
		break;
	case KP_T_UUID:
		printf("\"%s\"", rk_uuid_text(*(const struct rk_uuid *)v, id));
		break;
	case KP_T_RECORDS:
		printf("{\"bytes\":%d}", ((const struct kp_records *)v)->len);
		break;
	case KP_T_STRUCT:
		print_struct(f->sub, version, v);
		break;
	case KP_T_STRING:
	case KP_T_BYTES:
		print_text(f, v);
		break;
	}
}

static void
print_field(const struct kp_field *f, int16_t version, const char *v)
{
	struct kp_any a = {.len = -1};

	if (f->shape == KP_ONE) {
		print_value(f, version, v);
		return;
	}
	memcpy(&a, v, f->shape == KP_ARRAY ? sizeof a : sizeof a.at);
	if (f->shape == KP_POINTER && a.at != NULL) {
		print_struct(f->sub, version, a.at);
	} else if (a.len < 0) {
		fputs("null", stdout);
	} else {
		putchar('[');
		for (int32_t i = 0; i < a.len; i++) {
			fputs(i > 0 ? "," : "", stdout);
			print_value(f, version, (const char *)a.at + (size_t)i * kp_type_size(f));
		}
		putchar(']');
	}
}

static int64_t
number(const struct kp_field *f, const void *v)
{
	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		return *(const bool *)v;
	case KP_T_INT8:
		return *(const int8_t *)v;
	case KP_T_INT16:
		return *(const int16_t *)v;
	case KP_T_INT32:
		return *(const int32_t *)v;
	case KP_T_INT64:
		return *(const int64_t *)v;
	case KP_T_UINT16:
		return *(const uint16_t *)v;
	case KP_T_UINT32:
		return *(const uint32_t *)v;
	default:
		return INT64_MAX; /* never a default */
	}
}

static bool
is_default(const struct kp_field *f, const char *v)
{
	const struct kp_any *a = (const void *)v;

	if (f->shape == KP_POINTER)
		return a->at == NULL;
	if (f->shape == KP_ARRAY)
		return a->len == f->def;
	if (f->type == KP_T_STRING || f->type == KP_T_BYTES)
		return ((const struct rk_str *)v)->len == f->def;
	if (f->type == KP_T_UUID)
		return rk_uuid_zero(*(const struct rk_uuid *)v);
	return number(f, v) == f->def;
}

static void
print_name(const char *name)
{
	putchar('"');
	for (; *name != 0; name++)
		if (*name == '_' && name[1] != 0)
			putchar(name[1] >= 'a' && name[1] <= 'z' ? *++name - 'a' + 'A' : *++name);
		else
			putchar(*name);
	fputs("\":", stdout);
}

/* The field behind the one at this place in the struct: members stand in the schema's order, where
 * the table of fields has the tagged ones last. */
static const struct kp_field *
after(const struct kp_desc *d, const struct kp_field *f)
{
	const struct kp_field *next = NULL;

	for (uint32_t i = 0; i < d->count; i++)
		if ((f == NULL || d->field[i].at > f->at)
		    && (next == NULL || d->field[i].at < next->at))
			next = &d->field[i];
	return next;
}

static void
print_struct(const struct kp_desc *d, int16_t version, const char *at)
{
	const char *comma = "";

	putchar('{');
	for (const struct kp_field *f = after(d, NULL); f != NULL; f = after(d, f)) {
		if (version < f->from || version > f->to
		    || (f->tag >= 0 && is_default(f, at + f->at)))
			continue;
		fputs(comma, stdout);
		print_name(f->name);
		print_field(f, version, at + f->at);
		comma = ",";
	}
	putchar('}');
}

void
cmd_json(const struct kp_desc *d, int16_t version, const void *msg, cmd_nested *nested)
{
	cmd_nested *before = nest;

	nest = nested;
	print_struct(d, version, msg);
	nest = before;
}

bool
cmd_json_bytes(const struct kp_desc *d, int16_t version, const void *p, size_t len,
    struct rk_arena *a, cmd_nested *nested)
{
	void *msg = rk_arena_get(a, 1, kp_desc_size(d));

	if (version < d->min || version > d->max || msg == NULL
	    || kp_read(d, version, p, len, a, msg, NULL) != RK_OK)
		return false;
	cmd_json(d, version, msg, nested);
	return true;
}
