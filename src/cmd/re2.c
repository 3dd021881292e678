/* re2.c - whether RE2, whose regular expressions a consumer subscribes with (KIP-848), takes an
 * expression. Only the syntax is looked at, in one pass; what is wrong is said in RE2's words. */
#include <ctype.h>
#include "src/cmd/consumer_groups.h"

enum { COUNT_MAX = 1000, NAMES_MAX = 64, RUNE_MAX = 0x10ffff };

struct re {
	const char *p;
	const char *bad; /* sticky; NULL: all is well */
	int depth;
	bool some;     /* there is something that may be repeated */
	bool repeated; /* and it has been, just now */
	struct rk_str name[NAMES_MAX];
	uint32_t names;
};

/* Unicode's general categories and scripts, as far as RE2 for Java knows them. */
static const char classes[] = " Any C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd "
			      "Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs Arabic "
			      "Armenian Avestan Balinese Bamum Batak Bengali Bopomofo Brahmi "
			      "Braille Buginese Buhid Canadian_Aboriginal Carian Cham "
			      "Cherokee Common Coptic Cuneiform Cypriot Cyrillic Deseret "
			      "Devanagari Egyptian_Hieroglyphs Ethiopic Georgian Glagolitic "
			      "Gothic Greek Gujarati Gurmukhi Han Hangul Hanunoo Hebrew Hiragana "
			      "Imperial_Aramaic Inherited Inscriptional_Pahlavi "
			      "Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kayah_Li "
			      "Kharoshthi Khmer Lao Latin Lepcha Limbu Linear_B Lisu "
			      "Lycian Lydian Malayalam Mandaic Meetei_Mayek Mongolian Myanmar "
			      "New_Tai_Lue Nko Ogham Ol_Chiki Old_Italic Old_Persian "
			      "Old_South_Arabian Old_Turkic Oriya Osmanya Phags_Pa Phoenician "
			      "Rejang Runic Samaritan Saurashtra Shavian Sinhala "
			      "Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham "
			      "Tai_Viet Tamil Telugu Thaana Thai Tibetan Tifinagh "
			      "Ugaritic Unknown Vai Yi ";
static const char posix[] =
    " alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit ";

static void
wrong(struct re *r, const char *what)
{
	if (r->bad == NULL)
		r->bad = what;
}

/* Whether the word is one of those that stand between blanks. */
static bool
among(const char *words, const char *word, size_t len)
{
	for (const char *w = words + 1; *w != 0; w = strchr(w, ' ') + 1)
		if (strcspn(w, " ") == len && memcmp(w, word, len) == 0)
			return true;
	return false;
}

static bool
octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The next code point; bytes that are not UTF-8 stand for themselves. */
static int32_t
rune(struct re *r)
{
	const uint8_t *p = (const uint8_t *)r->p;
	int more = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc0 ? 1 : 0;
	int32_t c = more == 0 ? p[0] : p[0] & (0x3f >> more);

	r->p++;
	for (; more > 0 && (*(const uint8_t *)r->p & 0xc0) == 0x80; more--)
		c = c << 6 | (*(const uint8_t *)r->p++ & 0x3f);
	return c;
}

static int32_t
nibble(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static int32_t
hex(struct re *r)
{
	const char *end;
	int32_t c = 0;

	if (*r->p != '{') {
		if (!isxdigit((unsigned char)r->p[0]) || !isxdigit((unsigned char)r->p[1])) {
			wrong(r, "invalid escape sequence");
			return 0;
		}
		r->p += 2;
		return nibble(r->p[-2]) * 16 + nibble(r->p[-1]);
	}
	end = strchr(++r->p, '}');
	for (; end != NULL && r->p < end && isxdigit((unsigned char)*r->p) && c <= RUNE_MAX; r->p++)
		c = c * 16 + nibble(*r->p);
	if (end == NULL || r->p != end || end[-1] == '{' || c > RUNE_MAX)
		wrong(r, "invalid escape sequence");
	else
		r->p++;
	return c;
}

/* One character behind a backslash that has been taken. */
static int32_t
escaped(struct re *r)
{
	static const char plain[] = "afnrtv", means[] = "\a\f\n\r\t\v";
	unsigned char c = (unsigned char)*r->p;
	const char *at;

	if (c == 0) {
		wrong(r, "trailing backslash at end of expression");
		return 0;
	}
	if (!isalnum(c) || c >= 0x80)
		return rune(r);
	r->p++;
	if (c == '0' || (octal((char)c) && octal(*r->p))) {
		int32_t v = c - '0';
		for (int i = 0; i < 2 && octal(*r->p); i++)
			v = v * 8 + *r->p++ - '0';
		return v;
	}
	if (c == 'x')
		return hex(r);
	if ((at = strchr(plain, c)) != NULL)
		return means[at - plain];
	wrong(r, "invalid escape sequence");
	return 0;
}

/* \p or \P has been taken. */
static void
unicode(struct re *r)
{
	const char *end = *r->p == '{' ? strchr(r->p, '}') : r->p;
	const char *name = r->p + (*r->p == '{');

	if (*r->p == 0 || end == NULL) {
		wrong(r, "invalid character class range");
		return;
	}
	if (*r->p != '{')
		end = r->p + 1;
	name += *name == '^' && *r->p == '{';
	if (!among(classes, name, (size_t)(end - name)))
		wrong(r, "invalid character class range");
	r->p = end + (*r->p == '{');
}

/* A class of characters behind a backslash: \d, \pL. False: something else stands there. */
static bool
perl_class(struct re *r)
{
	if (r->p[0] != '\\' || r->p[1] == 0 || strchr("dDsSwWpP", r->p[1]) == NULL)
		return false;
	r->p += 2;
	if (r->p[-1] == 'p' || r->p[-1] == 'P')
		unicode(r);
	return true;
}

static int32_t
class_char(struct re *r)
{
	if (*r->p == 0) {
		wrong(r, "missing closing ]");
		return 0;
	}
	if (*r->p != '\\')
		return rune(r);
	r->p++;
	return escaped(r);
}

static void
one_range(struct re *r)
{
	int32_t low = class_char(r), high;

	if (r->bad != NULL || r->p[0] != '-' || r->p[1] == 0 || r->p[1] == ']')
		return;
	r->p++;
	high = class_char(r);
	if (high < low)
		wrong(r, "invalid character class range");
}

/* [...]; the bracket has been taken. */
static void
brackets(struct re *r)
{
	const char *end;
	bool first = true;

	r->p += *r->p == '^';
	while (r->bad == NULL && (first || *r->p != ']')) {
		first = false;
		if (r->p[0] == '[' && r->p[1] == ':' && (end = strstr(r->p + 2, ":]")) != NULL) {
			const char *name = r->p + 2 + (r->p[2] == '^');
			if (end < name || !among(posix, name, (size_t)(end - name)))
				wrong(r, "invalid character class range");
			r->p = end + 2;
		} else if (!perl_class(r)) {
			one_range(r);
		}
	}
	r->p += r->bad == NULL;
}

static void
named(struct re *r, const char *name)
{
	size_t len = strcspn(name, ">");

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			wrong(r, "invalid named capture");
	if (len == 0 || name[len] == 0)
		wrong(r, "invalid named capture");
	for (uint32_t i = 0; i < r->names; i++)
		if (rk_str_eq(r->name[i], (struct rk_str){name, (int32_t)len}))
			wrong(r, "duplicate capture group name");
	if (r->bad != NULL)
		return;
	if (r->names < NAMES_MAX)
		r->name[r->names++] = (struct rk_str){name, (int32_t)len};
	r->p = name + len + 1;
	r->depth++;
	r->some = false;
}

/* What begins with (? */
static void
perl_group(struct re *r)
{
	bool minus = false, any = false;

	if (strncmp(r->p, "?P<", 3) == 0 || strncmp(r->p, "?<", 2) == 0) {
		named(r, r->p + (r->p[1] == 'P' ? 3 : 2));
		return;
	}
	for (r->p++; *r->p != 0 && strchr("imsU-", *r->p) != NULL; r->p++) {
		if (*r->p == '-' && minus)
			break;
		any = *r->p != '-';
		minus = minus || *r->p == '-';
	}
	if ((*r->p != ':' && *r->p != ')') || (minus && !any)) {
		wrong(r, "invalid or unsupported Perl syntax");
		return;
	}
	if (*r->p++ == ':') {
		r->depth++;
		r->some = false;
	}
}

static void
repeat(struct re *r)
{
	if (!r->some)
		wrong(r, "missing argument to repetition operator");
	else if (r->repeated)
		wrong(r, "invalid nested repetition operator");
	r->p += *r->p == '?';
	r->repeated = true;
}

/* A number without a zero before it. False: there is none; one that is too large is COUNT_MAX + 1.
 */
static bool
count(const char **p, int *n)
{
	if (!isdigit((unsigned char)**p) || (**p == '0' && isdigit((unsigned char)(*p)[1])))
		return false;
	for (*n = 0; isdigit((unsigned char)**p); ++*p)
		*n = (int)rk_min(*n * 10 + **p - '0', COUNT_MAX + 1);
	return true;
}

/* {n}, {n,}, {n,m}; anything else is a brace like any character. */
static void
braces(struct re *r)
{
	const char *p = r->p;
	int low, high;
	bool is = count(&p, &low);

	high = low;
	if (is && *p == ',') {
		p++;
		high = low;
		is = *p == '}' || count(&p, &high);
	}
	if (!is || *p != '}') {
		r->some = true;
		r->repeated = false;
		return;
	}
	r->p = p + 1;
	if (low > COUNT_MAX || high > COUNT_MAX || high < low)
		wrong(r, "invalid repeat count");
	repeat(r);
}

/* A backslash outside of brackets. */
static void
backslash(struct re *r)
{
	const char *end;

	if (r->p[1] == 'Q') {
		r->p += 2;
		end = strstr(r->p, "\\E");
		r->some = r->some || (*r->p != 0 && end != r->p);
		r->p = end == NULL ? r->p + strlen(r->p) : end + 2;
	} else {
		if (r->p[1] != 0 && strchr("AbBz", r->p[1]) != NULL)
			r->p += 2;
		else if (!perl_class(r)) {
			r->p++;
			escaped(r);
		}
		r->some = true;
	}
	r->repeated = false;
}

static void
one(struct re *r)
{
	char c = *r->p;

	if (c == '\\') {
		backslash(r);
		return;
	}
	if (c == '(' && r->p[1] == '?') {
		r->p++;
		perl_group(r);
		r->repeated = false;
		return;
	}
	rune(r);
	if (c == '*' || c == '+' || c == '?') {
		repeat(r);
	} else if (c == '{') {
		braces(r);
	} else {
		if (c == '[')
			brackets(r);
		if (c == ')' && r->depth == 0)
			wrong(r, "regexp/syntax: internal error");
		r->depth += c == '(' ? 1 : c == ')' ? -1 : 0;
		r->some = c != '(' && c != '|';
		r->repeated = false;
	}
}

bool
cmd_re2_valid(const char *text, char *why, size_t why_size)
{
	struct re r = {.p = text};

	while (*r.p != 0 && r.bad == NULL)
		one(&r);
	if (r.bad == NULL && r.depth > 0)
		wrong(&r, "missing closing )");
	if (r.bad != NULL)
		snprintf(why, why_size, "%s", r.bad);
	return r.bad == NULL;
}
