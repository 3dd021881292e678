/* opt.c - parses options by a command's table. */
#include "src/cmd/cmd.h"

static const struct cmd_opt help_opt = {"help", CMD_FLAG, 0, 'h', 0, NULL, NULL, "Print this."};
static const struct cmd_opt version_opt = {"version", CMD_FLAG, 0, 0, 0, NULL, NULL,
    "Print the version of Kafka this command is compatible with."};

static const struct cmd_opt *
lookup(const struct cmd_spec *s, const char *name, size_t len)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (strlen(s->opt[i].name) == len && memcmp(s->opt[i].name, name, len) == 0)
			return &s->opt[i];
	if (len == 4 && memcmp(name, "help", 4) == 0)
		return &help_opt;
	if (len == 7 && memcmp(name, "version", 7) == 0 && s->style == CMD_JOPT)
		return &version_opt;
	return NULL;
}

static const struct cmd_opt *
lookup_brief(const struct cmd_spec *s, const char *a)
{
	/* joptsimple takes long names behind one dash, too: kafka-server-start -daemon. */
	if (a[0] == 0 || a[1] != 0)
		return s->style == CMD_JOPT ? lookup(s, a, strlen(a)) : NULL;
	for (uint32_t i = 0; i < s->count; i++)
		if (s->opt[i].brief == a[0])
			return &s->opt[i];
	return a[0] == 'h' && s->style == CMD_ARGPARSE ? &help_opt : NULL;
}

static void
put(struct cmd_args *a, const struct cmd_opt *o, const char *text)
{
	struct cmd_value *v = rk_mem_room((void **)&a->value, a->count, &a->cap, sizeof *v);

	v->opt = o;
	v->text = text;
	a->count++;
}

static void
put_rest(struct cmd_args *a, const char *text)
{
	const char **v = rk_mem_room((void **)&a->rest, a->rest_count, &a->rest_cap, sizeof *v);

	*v = text;
	a->rest_count++;
}

static void
usage_line(const struct cmd_args *a, FILE *f)
{
	const struct cmd_spec *s = a->spec;

	fprintf(f, "usage: %s [-h]", s->peer);
	if (s->act != NULL) {
		fputs(" {", f);
		for (const struct cmd_act *t = s->act; t->name != NULL; t++)
			fprintf(f, "%s%s", t == s->act ? "" : ",", t->name);
		fputs("}", f);
	}
	fputs(" ...\n", f);
}

int
cmd_usage(const struct cmd_args *a, const char *message)
{
	if (a->spec->style == CMD_JOPT) {
		cmd_print_help(a->spec, message, stderr);
		return 1;
	}
	if (a->spec->terse_usage) {
		fprintf(stderr, "Command line error: %s. Type --help for help.\n", message);
		return 1;
	}
	usage_line(a, stderr);
	fprintf(stderr, "%s: error: %s\n", a->spec->peer, message);
	return 1;
}

static int
unknown(const struct cmd_args *a, const char *arg)
{
	char line[400];

	if (a->spec->style == CMD_ARGPARSE) {
		snprintf(line, sizeof line, "unrecognized arguments: '%s'", arg);
		return cmd_usage(a, line);
	}
	while (*arg == '-')
		arg++;
	snprintf(line, sizeof line, "%s%.*s is not a recognized option",
	    a->spec->odd_prefix == NULL ? "" : a->spec->odd_prefix, (int)strcspn(arg, "="), arg);
	if (a->spec->odd_usage)
		return cmd_usage(a, line);
	fprintf(stderr, "%s\n", line);
	return 1;
}

static int
complain(const struct cmd_args *a, const struct cmd_opt *o, const char *jopt, const char *argparse)
{
	char line[400];

	if (a->spec->style == CMD_ARGPARSE) {
		snprintf(line, sizeof line, "argument --%s: %s", o->name, argparse);
		return cmd_usage(a, line);
	}
	fprintf(stderr, "%s%s\n", a->spec->odd_prefix == NULL ? "" : a->spec->odd_prefix, jopt);
	return 1;
}

static int
check_value(const struct cmd_args *a, const struct cmd_opt *o, const char *v)
{
	char line[400];
	int64_t n;

	if (v == NULL || (o->takes != CMD_INT && o->takes != CMD_LONG) || (o->flags & CMD_LATE) != 0)
		return -1;
	if (rk_str_int(rk_str_of(v), &n) && (o->takes == CMD_LONG || n == (int32_t)n))
		return -1;
	snprintf(line, sizeof line, "Cannot parse argument '%s' of option %s", v, o->name);
	char other[300];
	snprintf(other, sizeof other, "could not convert '%s' to %s", v,
	    o->takes == CMD_INT ? "Integer (32 bits)" : "Long (64 bits)");
	return complain(a, o, line, other);
}

/* The values that follow option o at argv[i]; moves i behind them. */
static int
take_values(
    struct cmd_args *a, const struct cmd_opt *o, const char *stuck, int argc, char **argv, int *i)
{
	char line[200];
	bool next = *i + 1 < argc;

	if (o->takes == CMD_FLAG) {
		put(a, o, NULL);
		return -1;
	}
	if (stuck == NULL && o->takes == CMD_MAYBE && (!next || argv[*i + 1][0] == '-')) {
		put(a, o, NULL);
		return -1;
	}
	if (stuck == NULL && !next) {
		snprintf(line, sizeof line, "Option %s requires an argument", o->name);
		return complain(a, o, line, "expected one argument");
	}
	if (stuck == NULL)
		stuck = argv[++*i];
	put(a, o, stuck);
	while (o->takes == CMD_MANY && *i + 1 < argc && argv[*i + 1][0] != '-')
		put(a, o, argv[++*i]);
	return check_value(a, o, stuck);
}

static int
find_act(const struct cmd_spec *s, const char *name)
{
	for (int i = 0; s->act != NULL && s->act[i].name != NULL; i++)
		if (strcmp(s->act[i].name, name) == 0)
			return i;
	return -1;
}

static int
take_word(struct cmd_args *a, const char *word)
{
	char line[300];

	if (a->spec->act == NULL || a->act >= 0) {
		put_rest(a, word);
		return -1;
	}
	a->act = find_act(a->spec, word);
	if (a->act >= 0)
		return -1;
	snprintf(line, sizeof line, "invalid choice: '%s'", word);
	return cmd_usage(a, line);
}

static int
take_one(struct cmd_args *a, int argc, char **argv, int *i)
{
	const char *arg = argv[*i];
	const struct cmd_opt *o;

	if (arg[0] != '-' || arg[1] == 0)
		return take_word(a, arg);
	if (arg[1] == '-') {
		const char *eq = strchr(arg, '=');
		size_t len = eq == NULL ? strlen(arg + 2) : (size_t)(eq - arg - 2);
		o = lookup(a->spec, arg + 2, len);
		return o == NULL ? unknown(a, arg)
				 : take_values(a, o, eq == NULL ? NULL : eq + 1, argc, argv, i);
	}
	o = lookup_brief(a->spec, arg + 1);
	return o == NULL ? unknown(a, arg) : take_values(a, o, NULL, argc, argv, i);
}

/* Options of another action, and options given twice. */
static int
check_all(const struct cmd_args *a)
{
	char line[300];

	for (uint32_t i = 0; i < a->count; i++) {
		const struct cmd_opt *o = a->value[i].opt;
		if (o->acts != 0 && (a->act < 0 || (o->acts & 1u << a->act) == 0)) {
			snprintf(line, sizeof line, "--%s", o->name);
			return unknown(a, line);
		}
		if (o->takes == CMD_FLAG || o->takes == CMD_MANY || (o->flags & CMD_REPEAT) != 0)
			continue;
		for (uint32_t j = 0; j < i && a->spec->style == CMD_JOPT; j++)
			if (a->value[j].opt == o) {
				snprintf(line, sizeof line,
				    "Found multiple arguments for option %s, but you asked for "
				    "only one",
				    o->name);
				return complain(a, o, line, "");
			}
	}
	return -1;
}

static bool
has(const struct cmd_args *a, const struct cmd_opt *o)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (a->value[i].opt == o)
			return true;
	return false;
}

static int
finish(struct cmd_args *a)
{
	if (has(a, &help_opt)) {
		bool out = a->spec->style == CMD_ARGPARSE;
		cmd_print_help(a->spec, NULL, out ? stdout : stderr);
		return a->act >= 0 && a->spec->help_exit == 0 ? 0 : a->spec->help_exit;
	}
	if (has(a, &version_opt)) {
		puts(CMD_KAFKA_VERSION);
		return 0;
	}
	int rc = check_all(a);
	if (rc >= 0)
		return rc;
	if (a->spec->act != NULL && a->act < 0)
		return cmd_usage(a, "too few arguments");
	return -1;
}

int
cmd_parse(struct cmd_args *a, const struct cmd_spec *s, int argc, char **argv)
{
	a->spec = s;
	a->act = -1;
	a->argc = argc;
	a->argv = argv;
	if (argc <= 1 && s->act == NULL && s->bare_exit >= 0) {
		cmd_print_help(s, NULL, s->style == CMD_ARGPARSE ? stdout : stderr);
		return s->bare_exit;
	}
	for (int i = 1; i < argc; i++) {
		int rc = take_one(a, argc, argv, &i);
		if (rc >= 0 && !has(a, &help_opt))
			return rc;
	}
	return finish(a);
}

void
cmd_args_free(struct cmd_args *a)
{
	rk_mem_put(a->value);
	rk_mem_put(a->rest);
	memset(a, 0, sizeof *a);
}

static const struct cmd_opt *
known(const struct cmd_args *a, const char *name)
{
	const struct cmd_opt *o = lookup(a->spec, name, strlen(name));

	rk_assert(o != NULL);
	return o;
}

bool
cmd_given(const struct cmd_args *a, const char *name)
{
	return has(a, known(a, name));
}

const char *
cmd_nth(const struct cmd_args *a, const char *name, uint32_t nth)
{
	const struct cmd_opt *o = known(a, name);

	for (uint32_t i = 0; i < a->count; i++)
		if (a->value[i].opt == o && nth-- == 0)
			return a->value[i].text == NULL ? o->def : a->value[i].text;
	return NULL;
}

const char *
cmd_text(const struct cmd_args *a, const char *name)
{
	const char *v = NULL;

	for (uint32_t i = 0; cmd_nth(a, name, i) != NULL; i++)
		v = cmd_nth(a, name, i);
	return v == NULL && known(a, name)->takes != CMD_MAYBE ? known(a, name)->def : v;
}

int64_t
cmd_number(const struct cmd_args *a, const char *name, int64_t otherwise)
{
	const char *v = cmd_text(a, name);
	int64_t n;

	return v != NULL && rk_str_int(rk_str_of(v), &n) ? n : otherwise;
}

int
cmd_require(const struct cmd_args *a, const char *first, ...)
{
	va_list ap;
	char line[200];
	int rc = 0;

	va_start(ap, first);
	for (const char *n = first; n != NULL && rc == 0; n = va_arg(ap, const char *))
		if (!cmd_given(a, n)) {
			if (a->spec->style == CMD_JOPT)
				snprintf(
				    line, sizeof line, "Missing required argument \"[%s]\"", n);
			else
				snprintf(line, sizeof line, "argument --%s is required", n);
			rc = cmd_usage(a, line);
		}
	va_end(ap);
	return rc;
}

int
cmd_exclude(const struct cmd_args *a, const char *option, ...)
{
	va_list ap;
	char line[200];
	int rc = 0;

	if (!cmd_given(a, option))
		return 0;
	va_start(ap, option);
	for (const char *n = va_arg(ap, const char *); n != NULL && rc == 0;
	     n = va_arg(ap, const char *))
		if (strcmp(n, option) != 0 && cmd_given(a, n)) {
			snprintf(line, sizeof line,
			    "Option \"[%s]\" can't be used with option \"[%s]\"", option, n);
			rc = cmd_usage(a, line);
		}
	va_end(ap);
	return rc;
}
