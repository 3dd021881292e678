/* print.c - a message as one line of JSON-like text, for people: decode, request logs, failing tests. */
#include "protocol/desc.h"

static void
text(struct rk_out *o, const char *s)
{
	rk_out_put(o, s, (uint32_t)strlen(s));
}

static void
number(struct rk_out *o, int64_t v)
{
	char b[24];

	snprintf(b, sizeof b, "%" PRId64, v);
	text(o, b);
}

/* A quoted string; what is neither a letter nor a sign of ASCII is escaped as a byte. */
static void
quoted(struct rk_out *o, struct rk_str s)
{
	char b[8];

	text(o, "\"");
	for (int32_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.at[i];
		if (c >= ' ' && c != '"' && c != '\\' && c != 0x7f)
			snprintf(b, sizeof b, "%c", c);
		else
			snprintf(b, sizeof b, c == '"' || c == '\\' ? "\\%c" : "\\u%04x", c);
		text(o, b);
	}
	text(o, "\"");
}

static void
hex(struct rk_out *o, struct rk_str s)
{
	char b[4];

	text(o, "\"");
	for (int32_t i = 0; i < s.len; i++) {
		snprintf(b, sizeof b, "%02x", (uint8_t)s.at[i]);
		text(o, b);
	}
	text(o, "\"");
}

static void
records(struct rk_out *o, const struct kp_records *k)
{
	int64_t n = k->out != NULL ? (int64_t)k->out->bytes : k->len;

	if (n < 0) {
		text(o, "null");
		return;
	}
	text(o, "{\"bytes\":");
	number(o, n);
	text(o, "}");
}

static void
real(struct rk_out *o, double v)
{
	char b[40];

	snprintf(b, sizeof b, "%.17g", v);
	text(o, b);
}

static void print_struct(struct rk_out *, const struct kp_desc *, int16_t version, const char *at);

static void
value(struct rk_out *o, const struct kp_field *f, int16_t version, const void *v)
{
	const struct rk_str *s = v;
	char id[RK_UUID_TEXT];

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL: text(o, *(const bool *)v ? "true" : "false"); break;
	case KP_T_INT8: number(o, *(const int8_t *)v); break;
	case KP_T_INT16: number(o, *(const int16_t *)v); break;
	case KP_T_INT32: number(o, *(const int32_t *)v); break;
	case KP_T_INT64: number(o, *(const int64_t *)v); break;
	case KP_T_UINT16: number(o, *(const uint16_t *)v); break;
	case KP_T_UINT32: number(o, *(const uint32_t *)v); break;
	case KP_T_FLOAT64: real(o, *(const double *)v); break;
	case KP_T_UUID: quoted(o, rk_str_of(rk_uuid_text(*(const struct rk_uuid *)v, id))); break;
	case KP_T_RECORDS: records(o, v); break;
	case KP_T_STRUCT: print_struct(o, f->sub, version, v); break;
	case KP_T_STRING:
	case KP_T_BYTES:
		if (s->len < 0)
			text(o, "null");
		else
			(f->type == KP_T_STRING ? quoted : hex)(o, *s);
	}
}

static void
print_field(struct rk_out *o, const struct kp_field *f, int16_t version, const char *v)
{
	struct kp_any a = { .len = -1 };

	if (f->shape == KP_ONE) {
		value(o, f, version, v);
		return;
	}
	memcpy(&a, v, f->shape == KP_ARRAY ? sizeof a : sizeof a.at);
	if (f->shape == KP_POINTER && a.at != NULL) {
		print_struct(o, f->sub, version, a.at);
	} else if (a.len < 0) {
		text(o, "null");
	} else {
		uint32_t each = kp_type_size(f);
		text(o, "[");
		for (int32_t i = 0; i < a.len; i++) {
			text(o, i > 0 ? "," : "");
			value(o, f, version, (const char *)a.at + (size_t)i * each);
		}
		text(o, "]");
	}
}

static void
print_struct(struct rk_out *o, const struct kp_desc *d, int16_t version, const char *at)
{
	const char *comma = "";

	text(o, "{");
	for (uint32_t i = 0; i < d->count; i++) {
		const struct kp_field *f = &d->field[i];
		if (version < f->from || version > f->to)
			continue;
		text(o, comma);
		quoted(o, rk_str_of(f->name));
		text(o, ":");
		print_field(o, f, version, at + f->at);
		comma = ",";
	}
	text(o, "}");
}

void
kp_print(const struct kp_desc *d, int16_t version, const void *msg, struct rk_out *out)
{
	print_struct(out, d, version, msg);
}
