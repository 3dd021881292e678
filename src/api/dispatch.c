/* dispatch.c - the table of APIs: a row of api.tbl becomes a type-safe call. */
#include "protocol/gen/keys.h"
#include "src/api/handlers.h"

#define API(name, key, where, first, last, duty)                                        \
	static enum api_fate run_##name(struct api_call *c, const void *req, void *res) \
	{                                                                               \
		return api_##name(c, req, res);                                         \
	}
#include "src/api/api.tbl"
#undef API

const struct api_row api_rows[] = {
#define API(name, key, where, first, last, duty) {key, where, first, last, duty, run_##name},
#include "src/api/api.tbl"
#undef API
};
const uint32_t api_rows_count = rk_countof(api_rows);

void (*api_on_finish)(struct api_call *), (*api_on_pass)(struct api_call *);

const struct api_row *
api_row(int16_t key)
{
	for (uint32_t i = 0; i < api_rows_count; i++)
		if (api_rows[i].key == key)
			return &api_rows[i];
	return NULL;
}

bool
api_served(const struct api_row *r, bool controller)
{
	return controller ? (r->where & API_CONTROLLERS) != 0 : !(r->where & API_INTERNAL);
}

void
api_finish(struct api_call *c)
{
	rk_assert(api_on_finish != NULL);
	api_on_finish(c);
}

void
api_pass(struct api_call *c)
{
	rk_assert(c->first);
	c->first = false;
	if (api_on_pass != NULL)
		api_on_pass(c);
}
