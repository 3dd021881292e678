/* t_config.c - configurations: what is read, what is refused and in which words, what is shown.
 *
 * Messages are literals seen from Apache Kafka 4.3.0 (KafkaConfig, and a running broker). */
#include <check.h>
#include "src/config.h"
#include "tests/config_cases.h"

static struct rk_arena arena;
static struct conf_notes notes;
static struct rk_str why __attribute__((unused));

static const char *const base[] = { "process.roles=broker,controller", "node.id=1",
	"listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2",
	"controller.listener.names=CONTROLLER", "controller.quorum.voters=1@127.0.0.1:2",
	"log.dirs=/tmp/x" };

static void
fresh(void)
{
	rk_arena_free(&arena);
	rk_arena_init(&arena, 64 << 20);
	notes = (struct conf_notes){ .arena = &arena };
}

/* The base with "k=v;k=v" over it; a bare k takes that key out. */
static struct conf *
with(const char *changes)
{
	const char *pairs[64];
	uint32_t n = 0;
	char *copy = strdup(changes);

	fresh();
	for (size_t i = 0; i < rk_countof(base); i++) {
		size_t key = strcspn(base[i], "=");
		bool replaced = false;
		for (const char *p = changes; *p != '\0'; p += strcspn(p, ";"), p += *p == ';')
			replaced = replaced || (strncmp(p, base[i], key) == 0
			    && (p[key] == '=' || p[key] == ';' || p[key] == '\0'));
		if (!replaced)
			pairs[n++] = base[i];
	}
	for (char *p = strtok(copy, ";"); p != NULL; p = strtok(NULL, ";"))
		if (strchr(p, '=') != NULL)
			pairs[n++] = p;
	struct conf *c = conf_make(pairs, n, &notes);
	free(copy);
	return c;
}

static const char *
first_error(void)
{
	for (uint32_t i = 0; i < notes.count; i++)
		if (notes.at[i].level == RK_ERROR)
			return notes.at[i].text.at;
	return NULL;
}

static bool __attribute__((unused))
noted(enum rk_level level, const char *part)
{
	for (uint32_t i = 0; i < notes.count; i++)
		if (notes.at[i].level == level && strstr(notes.at[i].text.at, part) != NULL)
			return true;
	return false;
}

START_TEST(a_node_is_refused_in_kafkas_words)
{
	int wrong = 0;

	for (size_t i = 0; i < rk_countof(startup); i++) {
		struct conf *c = with(startup[i].change);
		const char *says = first_error(), *should = startup[i].message;
		if ((says == NULL) != (should == NULL) || (says != NULL && strcmp(says, should) != 0)) {
			wrong++;
			fprintf(stderr, "%s\n  says  %s\n  Kafka %s\n", startup[i].change,
			    says != NULL ? says : "ok", should != NULL ? should : "ok");
		}
		conf_free(c);
	}
	ck_assert_int_eq(wrong, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config");
	TCase *c = tcase_create("config");
	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_node_is_refused_in_kafkas_words);
	suite_add_tcase(s, c);
	SRunner *run = srunner_create(s);
	srunner_run_all(run, CK_ENV);
	int failed = srunner_ntests_failed(run);
	srunner_free(run);
	return failed != 0;
}
