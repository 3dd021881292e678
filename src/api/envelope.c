/* envelope.c - key 58: a client's request that its broker could not serve, with its principal (KIP-590). It is
 * unpacked here and runs as if its sender had sent it; the answer's bytes go back whole. */
#include "protocol/gen/default_principal.h"
#include "protocol/gen/envelope.h"
#include "src/api/handlers.h"

/* A principal in bytes: its version, 0, then the message; "User:ANONYMOUS" in the arena, or null. */
static struct rk_str
principal(struct api_call *c, struct rk_str bytes)
{
	struct kp_default_principal_data d;

	if (bytes.len < 2 || rk_get16(bytes.at) != 0
	    || kp_read(&kp_default_principal_data_d, 0, bytes.at + 2, (size_t)bytes.len - 2, &c->arena, &d, NULL) != RK_OK)
		return RK_STR_NULL;
	return rk_arena_print(&c->arena, "%.*s:%.*s", (int)d.type.len, d.type.at, (int)d.name.len, d.name.at);
}

static struct rk_str
address(struct api_call *c, struct rk_str raw)
{
	const uint8_t *b = (const uint8_t *)raw.at;
	struct rk_str text = rk_lit("");

	if (raw.len == 4)
		return rk_arena_print(&c->arena, "%d.%d.%d.%d", b[0], b[1], b[2], b[3]);
	for (int32_t i = 0; raw.len == 16 && i < 16 && text.len >= 0; i += 2)
		text = rk_arena_print(&c->arena, "%.*s%s%x", (int)text.len, text.at, i == 0 ? "" : ":",
		    rk_get16(raw.at + i));
	return text;
}

enum api_fate
api_envelope(struct api_call *c, const struct kp_envelope_req *q, struct kp_envelope_res *a)
{
	struct api_packed p = { .at = q->request_data.at, .len = (uint32_t)rk_max(q->request_data.len, 0) };
	const struct api_row *row;

	rk_assert(c->controller && c->shared->unpacked != NULL);
	p.principal = principal(c, q->request_principal);
	p.peer = address(c, q->client_host_address);
	if (p.principal.len < 0)
		return a->error_code = rk_err_wire(RK_PRINCIPAL_DESERIALIZATION_FAILURE), API_NOW;
	if (p.peer.len <= 0)
		return a->error_code = rk_err_wire(RK_INVALID_REQUEST), API_NOW;
	enum rk_err err = kp_head_read(p.at, p.len, &p.head);
	row = err == RK_OK ? api_row(p.head.key) : NULL;
	if (err == RK_OK && (row == NULL || !api_forwarded(row)))
		err = RK_INVALID_REQUEST;
	else if (err == RK_OK && (p.head.version < row->min || p.head.version > row->max))
		err = RK_UNSUPPORTED_VERSION;
	if (err == RK_OK)
		err = c->shared->unpacked(c, &p);
	a->error_code = rk_err_wire(err);
	return err == RK_OK ? API_LATER : API_NOW;
}

struct rk_str
api_principal_bytes(struct rk_str text, struct rk_arena *arena)
{
	struct kp_default_principal_data d;
	const char *colon = text.len > 0 ? memchr(text.at, ':', (size_t)text.len) : NULL;
	struct rk_out o;

	kp_defaults(&kp_default_principal_data_d, &d);
	rk_assert(colon != NULL);
	d.type = (struct rk_str){ text.at, (int32_t)(colon - text.at) };
	d.name = (struct rk_str){ colon + 1, text.len - d.type.len - 1 };
	rk_out_init(&o, arena);
	rk_put16(rk_out_room(&o, 2), 0);
	kp_write(&kp_default_principal_data_d, 0, &d, &o);
	return rk_out_flat(&o, arena);
}
