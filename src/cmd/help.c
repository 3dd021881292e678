/* help.c - the texts made from a command's table of options: help and man page. */
#include <ctype.h>
#include "src/cmd/cmd.h"

enum { WIDTH = 80, LEFT_MAX = 40 };

/* Writes text wrapped to width columns; every line but the first begins with indent blanks. */
static void
wrap(FILE *f, const char *text, int at, int indent)
{
	int col = at;

	while (*text != 0) {
		int word = (int)strcspn(text, " \n");
		if (col > indent && col + word > WIDTH) {
			fprintf(f, "\n%*s", indent, "");
			col = indent;
		}
		fwrite(text, 1, (size_t)word, f);
		col += word;
		text += word;
		if (*text == '\n') {
			fprintf(f, "\n%*s", indent, "");
			col = indent;
			text++;
		} else if (*text == ' ') {
			if (col < WIDTH)
				fputc(' ', f);
			col++;
			text++;
		}
	}
	fputc('\n', f);
}

static const char *
kind(const struct cmd_opt *o)
{
	return o->takes == CMD_INT ? "Integer" : o->takes == CMD_LONG ? "Long" : "String";
}

/* "--topic <String: topic>" or "--id ID, -i ID". */
static void
left(const struct cmd_spec *s, const struct cmd_opt *o, char *to, size_t size)
{
	const char *arg = o->arg == NULL ? "" : o->arg;

	if (s->style == CMD_ARGPARSE) {
		int n =
		    snprintf(to, size, "--%s%s%s", o->name, o->takes == CMD_FLAG ? "" : " ", arg);
		if (o->brief != 0)
			snprintf(to + n, size - (size_t)n, ", -%c%s%s", o->brief,
			    *arg == 0 ? "" : " ", arg);
		return;
	}
	if (o->takes == CMD_FLAG)
		snprintf(to, size, "--%s", o->name);
	else
		snprintf(to, size, o->takes == CMD_MAYBE ? "--%s [%s%s%s]" : "--%s <%s%s%s>",
		    o->name, kind(o), *arg == 0 ? "" : ": ", arg);
}

static int
column(const struct cmd_spec *s)
{
	char l[200];
	int most = 12;

	for (uint32_t i = 0; i < s->count; i++) {
		left(s, &s->opt[i], l, sizeof l);
		if ((int)strlen(l) > most)
			most = (int)strlen(l);
	}
	return most + 2 > LEFT_MAX ? LEFT_MAX : most + 2;
}

static void
row(FILE *f, const struct cmd_spec *s, const struct cmd_opt *o, int col)
{
	char l[200], text[1200];

	left(s, o, l, sizeof l);
	snprintf(text, sizeof text, "%s%s%s%s%s%s",
	    (o->flags & CMD_REQUIRED) != 0 ? "REQUIRED: " : "",
	    (o->flags & CMD_OLD) != 0 ? "(DEPRECATED) " : "", o->text,
	    o->def == NULL ? "" : " (default: ", o->def == NULL ? "" : o->def,
	    o->def == NULL ? "" : ")");
	fputs(l, f);
	if ((int)strlen(l) + 2 > col)
		fprintf(f, "\n%*s", col, "");
	else
		fprintf(f, "%*s", col - (int)strlen(l), "");
	wrap(f, text, col, col);
}

static void
help_actions(const struct cmd_spec *s, FILE *f)
{
	fprintf(f, "usage: %s [-h]", s->peer);
	if (s->act != NULL)
		fputs(" ACTION", f);
	fputs(" [OPTION ...]\n\n", f);
	wrap(f, s->summary, 0, 0);
	if (s->act == NULL)
		return;
	fputs("\nactions:\n", f);
	for (const struct cmd_act *t = s->act; t->name != NULL; t++) {
		fprintf(f, "  %-22s ", t->name);
		wrap(f, t->text, 25, 25);
	}
}

/* Which actions an option belongs to, in brackets: nothing when to all. */
static void
only_for(const struct cmd_spec *s, const struct cmd_opt *o, char *to, size_t size)
{
	size_t n = 0;

	*to = 0;
	for (int i = 0; s->act != NULL && s->act[i].name != NULL; i++)
		if (o->acts != 0 && (o->acts & 1u << i) != 0 && n < size)
			n += (size_t)snprintf(
			    to + n, size - n, "%s%s", n == 0 ? "" : ", ", s->act[i].name);
}

void
cmd_print_help(const struct cmd_spec *s, const char *first, FILE *f)
{
	int col = column(s);

	if (s->style == CMD_ARGPARSE) {
		help_actions(s, f);
		fputs("\noptions:\n", f);
	} else {
		fprintf(f, "%s\n", first != NULL ? first : s->summary);
		fprintf(f, "%-*s%s\n%-*s%s\n", col, "Option", "Description", col, "------",
		    "-----------");
	}
	for (uint32_t i = 0; i < s->count; i++) {
		char acts[200];
		only_for(s, &s->opt[i], acts, sizeof acts);
		row(f, s, &s->opt[i], col);
		if (*acts != 0)
			fprintf(f, "%*s(%s)\n", col, "", acts);
	}
	fprintf(
	    f, "%-*s%s\n", col, s->style == CMD_ARGPARSE ? "--help, -h" : "--help", "Print this.");
	if (s->style == CMD_JOPT)
		fprintf(f, "%-*s%s\n", col, "--version",
		    "Print the version of Kafka this is compatible with.");
}

/* Text in roff: a backslash and a dot or quote at the beginning of a line mean something there. */
static void
roff(FILE *f, const char *t)
{
	bool start = true;

	for (; *t != 0; t++) {
		bool request = start && *t == '.' && strncmp(t, ".PP\n", 4) != 0;
		if (request || (start && *t == '\''))
			fputs("\\&", f);
		if (*t == '\\')
			fputs("\\e", f);
		else if (*t == '-')
			fputs("\\-", f);
		else
			fputc(*t, f);
		start = *t == '\n';
	}
}

static void
man_option(const struct cmd_spec *s, const struct cmd_opt *o, FILE *f)
{
	char acts[200];

	only_for(s, o, acts, sizeof acts);
	fputs(".TP\n.B \\-\\-", f);
	roff(f, o->name);
	if (o->brief != 0)
		fprintf(f, ", \\-%c", o->brief);
	if (o->takes != CMD_FLAG)
		fprintf(f, " \\fI%s\\fR",
		    o->arg != NULL         ? o->arg
		    : o->takes == CMD_TEXT ? "text"
					   : "number");
	fputs("\n", f);
	if ((o->flags & CMD_REQUIRED) != 0)
		fputs("Required. ", f);
	if ((o->flags & CMD_OLD) != 0)
		fputs("Deprecated in Kafka. ", f);
	roff(f, o->text);
	if (o->def != NULL) {
		fputs(" Default: ", f);
		roff(f, o->def);
		fputs(".", f);
	}
	if (*acts != 0)
		fprintf(f, " (Only with: %s.)", acts);
	fputs("\n", f);
}

void
cmd_print_man(const struct cmd_spec *s, FILE *f)
{
	bool daemon = strcmp(s->name, "server") == 0;

	fputs(".TH ROOKERY\\-", f);
	for (const char *p = s->name; *p != 0; p++)
		fputc(toupper((unsigned char)*p), f);
	fprintf(f, " %d \"\" \"rookery " PACKAGE_VERSION "\"\n.SH NAME\n", daemon ? 8 : 1);
	fprintf(f, "rookery\\-%s \\- ", s->name);
	roff(f, s->summary);
	fprintf(f, "\n.SH SYNOPSIS\n.B rookery %s\n", s->name);
	fputs(daemon           ? "[\\fIserver.properties\\fR] [\\fIoption\\fR ...]\n"
	      : s->act != NULL ? "\\fIaction\\fR [\\fIoption\\fR ...]\n"
			       : "[\\fIoption\\fR ...]\n",
	    f);
	fputs(".SH DESCRIPTION\n", f);
	roff(f, s->about);
	fprintf(f,
	    "\n.PP\nThe command takes the options of Kafka's \\fB%s\\fR and answers in the same "
	    "form.\n",
	    s->peer);
	if (s->act != NULL) {
		fputs(".SH ACTIONS\n", f);
		for (const struct cmd_act *t = s->act; t->name != NULL; t++) {
			fprintf(f, ".TP\n.B %s\n", t->name);
			roff(f, t->text);
			fputs("\n", f);
		}
	}
	fputs(".SH OPTIONS\n", f);
	for (uint32_t i = 0; i < s->count; i++)
		man_option(s, &s->opt[i], f);
	fputs(".SH EXIT STATUS\n0 on success, 1 on failure.\n.SH SEE ALSO\n"
	      ".BR rookery (1), rookery\\-server (8), server.properties (5)\n",
	    f);
}
