/* mem.c - the heap, behind four words. */
#include "base/mem.h"

void *
rk_mem_get(size_t bytes)
{
	void *p = calloc(1, bytes > 0 ? bytes : 1);
	if (p == NULL)
		rk_die(__FILE__, __LINE__, "the machine has no memory left");
	return p;
}

void *
rk_mem_try(size_t bytes)
{
	return malloc(bytes > 0 ? bytes : 1);
}

void *
rk_mem_grow(void *old, size_t bytes)
{
	void *p = realloc(old, bytes > 0 ? bytes : 1);
	if (p == NULL)
		rk_die(__FILE__, __LINE__, "the machine has no memory left");
	return p;
}

void
rk_mem_put(void *p)
{
	free(p);
}

char *
rk_mem_str(const char *s, size_t len)
{
	char *p = rk_mem_get(len + 1);
	if (len > 0)
		memcpy(p, s, len);
	return p;
}

void *
rk_mem_room(void **at, uint32_t count, uint32_t *cap, size_t each)
{
	if (count == *cap) {
		*cap = *cap < 8 ? 8 : *cap + *cap / 2;
		*at = rk_mem_grow(*at, *cap * each);
	}
	void *p = (char *)*at + count * each;
	return memset(p, 0, each);
}
