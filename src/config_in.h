/* config_in.h - what the files of src/config share and nobody else sees. */
#ifndef CONF_IN_H
#define CONF_IN_H
#include "src/config.h"

/* One checked value. n holds booleans, integers, a word's place and a set's bits; words a list. */
struct conf_value {
	int64_t n;
	double d;
	struct rk_str s;     /* trimmed text */
	struct rk_str *word; /* in the arena */
	uint32_t count;
};

/* Reads text as this row's type and checks the row's rule. false: *why is Kafka's message. Texts
 * and words point into text; the array of words and the message are the arena's. */
rk_must_use bool conf_value_parse(const struct conf_row *, struct rk_str text, struct rk_arena *,
    struct conf_value *, struct rk_str *why);
/* Kafka's text for a value of this type: what DescribeConfigs shows. */
struct rk_str conf_value_text(const struct conf_row *, const struct conf_value *, struct rk_arena *);
/* The shortest text that reads back as d, in Java's form. */
struct rk_str conf_double_text(double d, struct rk_arena *);
struct rk_str conf_trim(struct rk_str);
bool conf_begins(struct rk_str, const char *prefix);
/* The place of word in a rule like "[a, b, c]"; -1: it is not there. */
int conf_word_place(const char *rule, struct rk_str word, bool any_case);
/* Takes the text up to the first c off *rest; false at the end. Both sides are trimmed. */
bool conf_cut(struct rk_str *rest, char c, struct rk_str *piece);

/* Kafka's complaint about null values and unknown names, in this order; null: none. */
struct rk_str conf_nulls(const char *kind, const struct conf_pair *, uint32_t count,
    struct rk_arena *);
struct rk_str conf_null_or_unknown(enum conf_scope, const char *kind, const struct conf_pair *,
    uint32_t count, struct rk_arena *);

/* Broker rows. */
uint32_t conf_index(const struct conf_row *);
/* The text that is in force and its layer (a conf_source); NULL: no value at all. */
const char *conf_effective(const struct conf *, uint32_t row, int8_t *source);
/* Brings the typed field in step with the slot. */
void conf_refresh(struct conf *, uint32_t row);
/* Replaces one layer's text; null removes it. */
void conf_slot_set(char **layer, struct rk_str text);
bool conf_is_null(const struct conf_row *, const void *base);
/* A copy of conf, dynamic layers and all, to try something on. */
struct conf *conf_clone(const struct conf *);

struct conf_kept {
	struct conf_kept *next;
	char text[];
};
struct conf_extra {
	struct conf_extra *next;
	char *name;
	struct conf_slot slot;
	uint32_t line;
};
struct conf_extra *conf_extra_get(struct conf *, struct rk_str name, bool make);
/* KEY of listener.name.NAME.KEY (or of .NAME.MECHANISM.KEY), as a row; NULL when it is none. */
const struct conf_row *conf_listener_row(struct rk_str name);

/* Makes the derived fields (roles, listeners, voters, directories). Errors go to the notes. */
void conf_derive(struct conf *, struct conf_notes *);
/* Everything Kafka requires across keys. */
void conf_rules(const struct conf *, struct conf_notes *);
/* One group's values against the broker's bounds: false with Kafka's message, or cut to fit. */
rk_must_use bool conf_group_in_bounds(const struct conf *, struct conf_group *, struct rk_arena *,
    struct rk_str *why);
void conf_group_clamp(const struct conf *, struct conf_group *);
/* One more note; where may be NULL. */
void conf_say(struct conf_notes *, enum rk_level, const char *where, const char *fmt, ...)
    rk_format(4, 5);

/* Unlimited is INT64_MAX or -1 as in Kafka; the three units' order of precedence is applied. */
int64_t conf_retention_ms(const struct conf *);
int64_t conf_roll_ms(const struct conf *);
int64_t conf_roll_jitter_ms(const struct conf *);
int64_t conf_flush_ms(const struct conf *);
#endif
