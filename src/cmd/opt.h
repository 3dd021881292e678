/* opt.h - a command's options: one table gives the parser, the help, the completion and the man
 * page.
 *
 * Kafka's tools come in two families, and so do ours: those whose parser is joptsimple (--option
 * value,
 * --option=value; usage on stderr) and those whose parser is argparse4j (actions, short options,
 * "usage: ..."). A command says which one it is; the rest of the code does not care. */
#ifndef CMD_OPT_H
#define CMD_OPT_H

enum cmd_takes {
	CMD_FLAG, /* no value */
	CMD_TEXT,
	CMD_INT,   /* 32 bits, checked while parsing */
	CMD_LONG,  /* 64 bits */
	CMD_MAYBE, /* a value that may be left out; def stands for it then */
	CMD_MANY   /* one value or more, up to the next option */
};
/* CMD_OLD: deprecated by Kafka; CMD_LATE: the command looks at the number itself, as Kafka's does. */
enum { CMD_REQUIRED = 1, CMD_REPEAT = 2, CMD_OLD = 4, CMD_LATE = 8 };

struct cmd_opt {
	const char *name;
	uint8_t takes, flags;
	char brief;       /* argparse4j's -x; 0: none */
	uint16_t acts;    /* the actions it belongs to, a bit each; 0: to all */
	const char *arg;  /* what the value is called */
	const char *def;  /* the value when it is not given; NULL: none */
	const char *text; /* a sentence or two */
};

struct cmd_act {
	const char *name, *text;
};

enum cmd_style { CMD_JOPT, CMD_ARGPARSE };
struct cmd_args;

struct cmd_spec {
	const char *name;    /* "topics" */
	const char *peer;    /* what Kafka calls it: "kafka-topics" */
	const char *summary; /* the first line of the help */
	const char *about;   /* the man page's description; paragraphs are parted by \n.PP\n */
	enum cmd_style style;
	const struct cmd_opt *opt;
	uint32_t count;
	const struct cmd_act *act; /* ends with a NULL name; NULL: no actions */
	/* How Kafka's command reports an option it does not know: a prefix, and the usage behind it
	 * or not. */
	const char *odd_prefix;
	bool odd_usage;
	bool terse_usage; /* argparse4j: complaints are one line, "Command line error: ..." */
	int help_exit;                 /* the exit status of --help */
	int bare_exit;                 /* and of no argument at all */
	int (*run)(struct cmd_args *); /* the exit status */
};

struct cmd_value {
	const struct cmd_opt *opt;
	const char *text; /* NULL: given without a value */
};

struct cmd_args {
	const struct cmd_spec *spec;
	int argc; /* the words as they came */
	char **argv;
	int act; /* index of the action; -1: none */
	struct cmd_value *value;
	uint32_t count, cap;
	const char **rest; /* what is neither an option nor its value */
	uint32_t rest_count, rest_cap;
};

/* Parses argv[1..] into a. Returns -1 when the command may run; otherwise the exit status: help or
 * version was printed, or an error with its message. */
int cmd_parse(struct cmd_args *, const struct cmd_spec *, int argc, char **argv);
void cmd_args_free(struct cmd_args *);

/* Asked by name; a name that is not in the command's table is our bug. */
bool cmd_given(const struct cmd_args *, const char *name);
const char *cmd_text(
    const struct cmd_args *, const char *name); /* value, else default, else NULL */
int64_t cmd_number(const struct cmd_args *, const char *name, int64_t otherwise);
/* The i-th value of an option that may repeat; NULL past the last. */
const char *cmd_nth(const struct cmd_args *, const char *name, uint32_t i);

/* Kafka's complaints about combinations: the message, the usage, exit status 1. All return 1 when
 * there was something to complain about and 0 when all is well. Names end with a NULL. */
int cmd_usage(const struct cmd_args *, const char *message);
int cmd_require(const struct cmd_args *, const char *first, ...) __attribute__((sentinel));
/* The option, when given, must not stand beside any of the others. */
int cmd_exclude(const struct cmd_args *, const char *option, ...) __attribute__((sentinel));

/* Help and man page (roff), from the table. first: what stands above the options instead of the
 * summary. */
void cmd_print_help(const struct cmd_spec *, const char *first, FILE *);
void cmd_print_man(const struct cmd_spec *, FILE *);
#endif
