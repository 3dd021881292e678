/* fail.c - the answer to a request that failed as a whole: Kafka's getErrorResponse, and reading it back.
 *
 * Most answers have one error of their own. The others carry one for each thing that the request named: those are
 * echoed from the request, element by element, by the names their fields share. */
#include "protocol/desc.h"
#include "protocol/gen/keys.h"
#include "src/api/api.h"

static const struct echo {
	int16_t key;
	const char *from, *to; /* arrays of the request and of the answer */
} echoes[] = {
	{ KP_CREATE_TOPICS, "topics", "topics" },
	{ KP_DELETE_TOPICS, "topics", "responses" },
	{ KP_DELETE_TOPICS, "topic_names", "responses" },
	{ KP_CREATE_ACLS, "creations", "results" },
	{ KP_DELETE_ACLS, "filters", "filter_results" },
	{ KP_ALTER_CONFIGS, "resources", "responses" },
	{ KP_CREATE_PARTITIONS, "topics", "results" },
	{ KP_INCREMENTAL_ALTER_CONFIGS, "resources", "responses" },
	{ KP_ALTER_CLIENT_QUOTAS, "entries", "entries" },
};

static const struct kp_field *
field(const struct kp_desc *d, const char *name)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (strcmp(d->field[i].name, name) == 0)
			return &d->field[i];
	return NULL;
}

/* Sets error_code and error_message where the struct has them. */
static bool
say(const struct kp_desc *d, void *at, enum rk_err err, struct rk_str why)
{
	const struct kp_field *code = field(d, "error_code"), *text = field(d, "error_message");

	if (code == NULL || code->type != KP_T_INT16)
		return false;
	int16_t wire = rk_err_wire(err);
	memcpy((char *)at + code->at, &wire, sizeof wire);
	if (text != NULL && text->type == KP_T_STRING)
		memcpy((char *)at + text->at, &why, sizeof why);
	return true;
}

/* What both structs call by one name goes over; arrays only of the same elements. */
static void
share(const struct kp_desc *from, const void *source, const struct kp_desc *to, void *target)
{
	for (uint32_t i = 0; i < to->count; i++) {
		const struct kp_field *t = &to->field[i], *f = field(from, t->name);
		if (f == NULL || f->type != t->type || f->shape != t->shape || f->shape == KP_POINTER)
			continue;
		if (f->type == KP_T_STRUCT && (f->sub->size != t->sub->size || f->sub->count != t->sub->count))
			continue;
		size_t size = f->shape == KP_ARRAY ? sizeof(struct kp_any) : kp_type_size(f);
		memcpy((char *)target + t->at, (const char *)source + f->at, size);
	}
}

static void
echo(struct api_call *c, const struct echo *e, enum rk_err err, struct rk_str why)
{
	const struct kp_field *f = field(c->api->req, e->from), *t = field(c->api->res, e->to);

	rk_assert(f != NULL && f->shape == KP_ARRAY && t != NULL && t->shape == KP_ARRAY && t->type == KP_T_STRUCT);
	const struct kp_any *in = (const void *)((const char *)c->req + f->at);
	struct kp_any *out = (void *)((char *)c->res + t->at);
	if (c->head.version < f->from || c->head.version > f->to || in->len <= 0)
		return;
	out->at = rk_arena_get(&c->arena, (size_t)in->len, t->sub->size);
	out->len = out->at == NULL ? 0 : in->len;
	for (int32_t i = 0; i < out->len; i++) {
		char *to = (char *)out->at + (size_t)i * t->sub->size;
		const char *from = (const char *)in->at + (size_t)i * kp_type_size(f);
		kp_defaults(t->sub, to);
		if (f->type == KP_T_STRUCT)
			share(f->sub, from, t->sub, to);
		else if (field(t->sub, "name") != NULL)
			memcpy(to + field(t->sub, "name")->at, from, sizeof(struct rk_str));
		say(t->sub, to, err, why);
	}
}

void
api_fail(struct api_call *c, enum rk_err err, struct rk_str why)
{
	rk_assert(err != RK_OK && c->api != NULL && c->res != NULL);
	if (why.len < 0)
		why = rk_str_of(rk_err_text(err));
	kp_defaults(c->api->res, c->res);
	say(c->api->res, c->res, err, why);
	for (uint32_t i = 0; i < rk_countof(echoes); i++)
		if (echoes[i].key == c->head.key)
			echo(c, &echoes[i], err, why);
}

static bool
says(const struct kp_desc *d, const void *at, enum rk_err err)
{
	const struct kp_field *code = field(d, "error_code");
	int16_t wire;

	if (code == NULL || code->type != KP_T_INT16)
		return false;
	memcpy(&wire, (const char *)at + code->at, sizeof wire);
	return wire == rk_err_wire(err);
}

bool
api_failed(int16_t key, const void *res, enum rk_err err)
{
	const struct kp_api *api = kp_api(key);

	if (api == NULL || says(api->res, res, err))
		return api != NULL;
	for (uint32_t i = 0; i < rk_countof(echoes); i++) {
		const struct kp_field *t = echoes[i].key == key ? field(api->res, echoes[i].to) : NULL;
		const struct kp_any *out = t == NULL ? NULL : (const void *)((const char *)res + t->at);
		if (out != NULL && out->len > 0 && says(t->sub, out->at, err))
			return true;
	}
	return false;
}

bool
api_forwarded(const struct api_row *r)
{
	return !(r->where & API_INTERNAL) && ((r->where & API_RUNS) == API_CONTROL || (r->where & API_LEADER));
}
