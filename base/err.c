/* err.c - the table of errors, read by name and by wire code. */
#include "base/err.h"

static const struct {
	const char *name, *text;
	int16_t wire;
	bool retry;
} errs[] = {
#define ERR(name, wire, retry, text) { #name, text, wire, retry },
#include "base/err.tbl"
#undef ERR
};

int16_t
rk_err_wire(enum rk_err e)
{
	rk_assert(e < RK_ERR_COUNT);
	return errs[e].wire;
}

const char *
rk_err_name(enum rk_err e)
{
	rk_assert(e < RK_ERR_COUNT);
	return e == RK_OK ? "NONE" : errs[e].name;
}

const char *
rk_err_text(enum rk_err e)
{
	rk_assert(e < RK_ERR_COUNT);
	return errs[e].text;
}

bool
rk_err_retriable(enum rk_err e)
{
	rk_assert(e < RK_ERR_COUNT);
	return errs[e].retry;
}

enum rk_err
rk_err_of_wire(int16_t wire)
{
	for (uint32_t e = 0; e < RK_ERR_COUNT; e++)
		if (errs[e].wire == wire)
			return (enum rk_err)e;
	return RK_UNKNOWN_SERVER_ERROR;
}
