/* main.c - one program, many commands: "rookery topics", or "rookery-topics" through a link. */
#include "src/cmd/cmd.h"

static const struct cmd_spec *const specs[] = {
#define CMD(name, text) &cmd_##name##_spec,
#include "src/cmd/cmd.tbl"
#undef CMD
};
static const char *const says[] = {
#define CMD(name, text) text,
#include "src/cmd/cmd.tbl"
#undef CMD
};

int
cmd_fail(const struct cmd_args *a, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "rookery %s: ", a->spec->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

int
cmd_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

static const struct cmd_spec *
find(const char *name)
{
	for (uint32_t i = 0; i < rk_countof(specs); i++)
		if (strcmp(specs[i]->name, name) == 0)
			return specs[i];
	return NULL;
}

static int
list(FILE *f)
{
	fputs("usage: rookery COMMAND [OPTION ...]\n\nA Kafka-compatible event-streaming server, "
	      "and its commands:\n",
	    f);
	for (uint32_t i = 0; i < rk_countof(specs); i++)
		fprintf(f, "  %-20s %s\n", specs[i]->name, says[i]);
	fputs("  help [COMMAND]       explain a command\n"
	      "\nEvery command is also installed as rookery-COMMAND. rookery --bash-completion "
	      "prints a\n"
	      "script for bash; rookery --version prints the version.\n",
	    f);
	return f == stderr;
}

/* The words a shell may complete: a case for each command. */
static int
completion(void)
{
	puts("# bash completion for rookery; made by rookery --bash-completion\n_rookery()\n{\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
	     "cmd=${COMP_WORDS[0]##*/} words\n"
	     "\tcase $cmd in rookery-*) cmd=${cmd#rookery-} ;; *) cmd=${COMP_WORDS[1]} ;; esac\n"
	     "\tif [ $COMP_CWORD -eq 1 ] && [ \"${COMP_WORDS[0]##*/}\" = rookery ]; then");
	fputs("\t\twords='help", stdout);
	for (uint32_t i = 0; i < rk_countof(specs); i++)
		printf(" %s", specs[i]->name);
	puts("'\n\telse\n\t\tcase $prev in *config|*file|*files) COMPREPLY=($(compgen -f -- "
	     "\"$cur\")); return ;; esac\n"
	     "\t\tcase $cmd in");
	for (uint32_t i = 0; i < rk_countof(specs); i++) {
		printf("\t\t%s) words='--help", specs[i]->name);
		for (uint32_t j = 0; j < specs[i]->count; j++)
			printf(" --%s", specs[i]->opt[j].name);
		for (const struct cmd_act *t = specs[i]->act; t != NULL && t->name != NULL; t++)
			printf(" %s", t->name);
		puts("' ;;");
	}
	puts("\t\tesac\n\tfi\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	     "\t[ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- \"$cur\"))\n}\ncomplete "
	     "-F _rookery rookery");
	for (uint32_t i = 0; i < rk_countof(specs); i++)
		printf("complete -F _rookery rookery-%s\n", specs[i]->name);
	return 0;
}

/* The page of rookery(1) itself: the list of commands. */
static int
manual(void)
{
	puts(".TH ROOKERY 1 \"\" \"rookery " PACKAGE_VERSION "\"\n.SH NAME\n"
	     "rookery \\- a Kafka\\-compatible event\\-streaming server and its commands\n.SH "
	     "SYNOPSIS\n"
	     ".B rookery\n\\fIcommand\\fR [\\fIoption\\fR ...]\n.SH DESCRIPTION\n"
	     "One program runs a node and administers a cluster. Every command takes the options "
	     "of\n"
	     "Kafka's script of that name, prints what it prints and ends with the same status; "
	     "each is also\n"
	     "installed under the name \\fBrookery\\-\\fIcommand\\fR. A broker that cannot be "
	     "reached is reported at once, with\n"
	     "the cause, where Kafka's commands try for a minute.\n.SH COMMANDS");
	for (uint32_t i = 0; i < rk_countof(specs); i++)
		printf(".TP\n.BR rookery\\-%s (%d)\n%s\n", specs[i]->name,
		    strcmp(specs[i]->name, "server") == 0 ? 8 : 1, says[i]);
	puts(".TP\n.B help \\fR[\\fIcommand\\fR]\nexplains a command.\n.SH OPTIONS\n"
	     ".TP\n.B \\-\\-bash\\-completion\nPrints a completion script for bash.\n"
	     ".TP\n.B \\-\\-version\nPrints the version.\n"
	     ".SH EXAMPLES\n.nf\nrookery server \\-\\-dev\n"
	     "rookery topics \\-\\-bootstrap\\-server 127.0.0.1:9092 \\-\\-create \\-\\-topic t "
	     "\\-\\-partitions 3\n"
	     "echo hello | rookery console\\-producer \\-\\-bootstrap\\-server 127.0.0.1:9092 "
	     "\\-\\-topic t\n.fi\n"
	     ".SH SEE ALSO\n.BR rookery\\-server (8), server.properties (5)");
	return 0;
}

static int
run(const struct cmd_spec *s, int argc, char **argv)
{
	struct cmd_args a = {.spec = s};
	int rc;

	if (argc == 2 && strcmp(argv[1], "--help-man") == 0) {
		cmd_print_man(s, stdout);
		return 0;
	}
	rc = cmd_parse(&a, s, argc, argv);
	if (rc < 0)
		rc = s->run(&a);
	cmd_args_free(&a);
	if (fflush(stdout) != 0 && rc == 0) {
		fprintf(stderr, "rookery %s: cannot write to standard output: %s\n", s->name,
		    strerror(errno));
		rc = 1;
	}
	return rc;
}

static int
help(int argc, char **argv)
{
	const struct cmd_spec *s = argc > 2 ? find(argv[2]) : NULL;

	if (s == NULL)
		return list(stdout);
	cmd_print_help(s, NULL, stdout);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');
	const struct cmd_spec *s;

	base = base == NULL ? argv[0] : base + 1;
	if (strncmp(base, "rookery-", 8) == 0 && (s = find(base + 8)) != NULL)
		return run(s, argc, argv);
	if (argc < 2)
		return list(stderr);
	if ((s = find(argv[1])) != NULL)
		return run(s, argc - 1, argv + 1);
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0
	    || strcmp(argv[1], "-h") == 0)
		return help(argc, argv);
	if (strcmp(argv[1], "--bash-completion") == 0)
		return completion();
	if (strcmp(argv[1], "--help-man") == 0)
		return manual();
	if (strcmp(argv[1], "--version") == 0) {
		puts("rookery " PACKAGE_VERSION);
		return 0;
	}
	fprintf(stderr, "rookery: there is no command %s. \"rookery help\" lists them.\n", argv[1]);
	return 1;
}
