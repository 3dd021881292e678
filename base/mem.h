/* mem.h - the heap, for what outlives a request: node-lifetime tables, and slabs for what grows with
 * the cluster. The only file besides src/host that calls malloc.
 *
 * rk_new aborts when the machine has no memory (start-up, small objects); rk_mem_try returns NULL
 * and the caller answers an error: use it for anything whose size a peer chooses. */
#ifndef RK_MEM_H
#define RK_MEM_H

void *rk_mem_get(size_t bytes);                  /* zeroed; never NULL */
void *rk_mem_try(size_t bytes);                  /* not zeroed; NULL when there is none */
void *rk_mem_grow(void *, size_t bytes);         /* realloc; never NULL */
void rk_mem_put(void *);                         /* NULL is allowed */
char *rk_mem_str(const char *, size_t len);      /* zero-terminated copy */
#define rk_new(type) ((type *)rk_mem_get(sizeof(type)))

/* A vector that grows by halves: rk_vec_push(v, at, count, cap) style is not used; this makes room
 * for one more element of each bytes and returns its place. */
void *rk_mem_room(void **at, uint32_t count, uint32_t *cap, size_t each);
#endif
