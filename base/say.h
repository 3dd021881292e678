/* say.h - one line to the operator: who, what, why, what to do.
 *
 * Lines go through one sink that the host sets (stderr by default). Every call site that a peer can
 * make fire often is limited with rk_say_limited. */
#ifndef RK_SAY_H
#define RK_SAY_H
enum rk_level { RK_TRACE, RK_DEBUG, RK_INFO, RK_WARN, RK_ERROR, RK_FATAL };
typedef void rk_sink(void *arg, enum rk_level, const char *line);
void rk_say_to(rk_sink *, void *arg, enum rk_level least);
void rk_say(enum rk_level, const char *fmt, ...) rk_format(2, 3);

/* At most one line a second and call site; the next one says how many were held back. */
struct rk_say_limit {
	int64_t last_ms;
	uint32_t held;
};
void rk_say_limited(struct rk_say_limit *, int64_t now_ms, enum rk_level, const char *fmt, ...)
    rk_format(4, 5);

/* The event ring: the last 256 things that happened, printed by rk_die. what must be a literal. */
void rk_event(const char *what, int64_t a, int64_t b);
void rk_events_print(FILE *);
#endif
