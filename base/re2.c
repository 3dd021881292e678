/* re2.c - the syntax of RE2's regular expressions: a cursor goes over the text once, and what is wrong first sticks. */
#include "base/re2.h"

enum { COUNT_MAX = 1000, NAMES_MAX = 64, RUNE_MAX = 0x10ffff, END = -1 };

struct re {
	const char *p, *end;
	const char *bad; /* sticky; NULL: all is well */
	int depth;
	bool some;     /* there is something that may be repeated */
	bool repeated; /* and it has been, just now */
	struct rk_str name[NAMES_MAX];
	uint32_t names;
};

/* Unicode's general categories and scripts, as far as RE2 for Java knows them. */
static const char classes[] =
    " Any C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs "
    "Arabic Armenian Avestan Balinese Bamum Batak Bengali Bopomofo Brahmi Braille Buginese Buhid "
    "Canadian_Aboriginal Carian Cham Cherokee Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari "
    "Egyptian_Hieroglyphs Ethiopic Georgian Glagolitic Gothic Greek Gujarati Gurmukhi Han Hangul Hanunoo Hebrew "
    "Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada "
    "Katakana Kayah_Li Kharoshthi Khmer Lao Latin Lepcha Limbu Linear_B Lisu Lycian Lydian Malayalam Mandaic "
    "Meetei_Mayek Mongolian Myanmar New_Tai_Lue Nko Ogham Ol_Chiki Old_Italic Old_Persian Old_South_Arabian "
    "Old_Turkic Oriya Osmanya Phags_Pa Phoenician Rejang Runic Samaritan Saurashtra Shavian Sinhala Sundanese "
    "Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Tamil Telugu Thaana Thai Tibetan Tifinagh "
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
among(const char *words, const char *word, const char *end)
{
	for (const char *w = words + 1; *w != 0; w = strchr(w, ' ') + 1)
		if (strcspn(w, " ") == (size_t)(end - word) && memcmp(w, word, (size_t)(end - word)) == 0)
			return true;
	return false;
}

/* The byte so far on; END when the text is over. */
static int
peek(const struct re *r, int ahead)
{
	return r->end - r->p > ahead ? (uint8_t)r->p[ahead] : END;
}

static bool
starts(const struct re *r, const char *with)
{
	size_t len = strlen(with);

	return (size_t)(r->end - r->p) >= len && memcmp(r->p, with, len) == 0;
}

/* Where the next such is, from so far on; NULL: nowhere. */
static const char *
find(const struct re *r, int ahead, const char *what)
{
	for (const char *p = r->p + ahead; r->end - p >= (ptrdiff_t)strlen(what); p++)
		if (memcmp(p, what, strlen(what)) == 0)
			return p;
	return NULL;
}

static bool
one_of(int c, const char *which)
{
	return c > 0 && strchr(which, c) != NULL;
}

static bool
octal(int c)
{
	return c >= '0' && c <= '7';
}

static bool
digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool
letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What a hexadecimal digit stands for; -1: it is none. */
static int32_t
nibble(int c)
{
	return digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The next code point, when the text is not over; bytes that are not UTF-8 stand for themselves. */
static int32_t
rune(struct re *r)
{
	int first = peek(r, 0), more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
	int32_t c = more == 0 ? first : first & (0x3f >> more);

	rk_assert(first != END);
	r->p++;
	for (; more > 0 && r->p < r->end && (peek(r, 0) & 0xc0) == 0x80; more--)
		c = c << 6 | (*(const uint8_t *)r->p++ & 0x3f);
	return c;
}

/* \x has been taken. */
static int32_t
hex(struct re *r)
{
	int32_t c = 0;

	if (peek(r, 0) != '{') {
		if (nibble(peek(r, 0)) < 0 || nibble(peek(r, 1)) < 0) {
			wrong(r, "invalid escape sequence");
			return 0;
		}
		r->p += 2;
		return nibble(r->p[-2]) * 16 + nibble(r->p[-1]);
	}
	for (r->p++; nibble(peek(r, 0)) >= 0 && c <= RUNE_MAX; r->p++)
		c = c * 16 + nibble(peek(r, 0));
	if (peek(r, 0) != '}' || r->p[-1] == '{' || c > RUNE_MAX)
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
	int c = peek(r, 0);

	if (c == END) {
		wrong(r, "trailing backslash at end of expression");
		return 0;
	}
	if (!letter(c) && !digit(c))
		return rune(r);
	r->p++;
	if (c == '0' || (octal(c) && octal(peek(r, 0)))) {
		int32_t v = c - '0';
		for (int i = 0; i < 2 && octal(peek(r, 0)); i++)
			v = v * 8 + *r->p++ - '0';
		return v;
	}
	if (c == 'x')
		return hex(r);
	if (one_of(c, plain))
		return means[strchr(plain, c) - plain];
	wrong(r, "invalid escape sequence");
	return 0;
}

/* \p or \P has been taken. */
static void
unicode(struct re *r)
{
	bool braced = peek(r, 0) == '{';
	const char *name = r->p + braced, *end = braced ? find(r, 1, "}") : name + 1;

	if (peek(r, 0) == END || end == NULL) {
		wrong(r, "invalid character class range");
		return;
	}
	name += braced && *name == '^';
	if (!among(classes, name, end))
		wrong(r, "invalid character class range");
	r->p = end + braced;
}

/* A class of characters behind a backslash: \d, \pL. False: something else stands there. */
static bool
perl_class(struct re *r)
{
	if (peek(r, 0) != '\\' || !one_of(peek(r, 1), "dDsSwWpP"))
		return false;
	r->p += 2;
	if (r->p[-1] == 'p' || r->p[-1] == 'P')
		unicode(r);
	return true;
}

static int32_t
class_char(struct re *r)
{
	if (peek(r, 0) == END) {
		wrong(r, "missing closing ]");
		return 0;
	}
	if (peek(r, 0) != '\\')
		return rune(r);
	r->p++;
	return escaped(r);
}

static void
one_range(struct re *r)
{
	int32_t low = class_char(r), high;

	if (r->bad != NULL || peek(r, 0) != '-' || peek(r, 1) == END || peek(r, 1) == ']')
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

	r->p += peek(r, 0) == '^';
	while (r->bad == NULL && (first || peek(r, 0) != ']')) {
		first = false;
		if (starts(r, "[:") && (end = find(r, 2, ":]")) != NULL) {
			const char *name = r->p + 2 + (r->p[2] == '^');
			if (end < name || !among(posix, name, end))
				wrong(r, "invalid character class range");
			r->p = end + 2;
		} else if (!perl_class(r)) {
			one_range(r);
		}
	}
	r->p += r->bad == NULL;
}

/* What makes a group of its own begins. */
static void
opened(struct re *r)
{
	r->depth++;
	r->some = false;
}

/* (?P< has been taken. */
static void
named(struct re *r)
{
	const char *end = find(r, 0, ">");
	struct rk_str name = { r->p, (int32_t)((end == NULL ? r->end : end) - r->p) };

	for (int32_t i = 0; i < name.len; i++)
		if (!letter((uint8_t)name.at[i]) && !digit((uint8_t)name.at[i]) && name.at[i] != '_')
			wrong(r, "invalid named capture");
	if (name.len == 0 || end == NULL)
		wrong(r, "invalid named capture");
	for (uint32_t i = 0; i < r->names; i++)
		if (rk_str_eq(r->name[i], name))
			wrong(r, "duplicate capture group name");
	if (r->bad != NULL)
		return;
	if (r->names < NAMES_MAX)
		r->name[r->names++] = name;
	r->p = end + 1;
	opened(r);
}

/* What begins with (? */
static void
perl_group(struct re *r)
{
	bool minus = false, any = false;

	if (starts(r, "?P<") || starts(r, "?<")) {
		r->p += peek(r, 1) == 'P' ? 3 : 2;
		named(r);
		return;
	}
	for (r->p++; one_of(peek(r, 0), "imsU-"); r->p++) {
		if (*r->p == '-' && minus)
			break;
		any = *r->p != '-';
		minus = minus || *r->p == '-';
	}
	if ((peek(r, 0) != ':' && peek(r, 0) != ')') || (minus && !any)) {
		wrong(r, "invalid or unsupported Perl syntax");
		return;
	}
	if (*r->p++ == ':')
		opened(r);
}

static void
repeat(struct re *r)
{
	if (!r->some)
		wrong(r, "missing argument to repetition operator");
	else if (r->repeated)
		wrong(r, "invalid nested repetition operator");
	r->p += peek(r, 0) == '?';
	r->repeated = true;
}

/* A number without a zero before it. False: there is none; one that is too large is COUNT_MAX + 1. */
static bool
count(struct re *r, int *n)
{
	if (!digit(peek(r, 0)) || (*r->p == '0' && digit(peek(r, 1))))
		return false;
	for (*n = 0; digit(peek(r, 0)); r->p++)
		*n = (int)rk_min(*n * 10 + *r->p - '0', COUNT_MAX + 1);
	return true;
}

/* {n}, {n,}, {n,m}; anything else is a brace like any character. The brace has been taken. */
static void
braces(struct re *r)
{
	const char *behind = r->p;
	int low, high;
	bool is = count(r, &low);

	high = low;
	if (is && peek(r, 0) == ',') {
		r->p++;
		high = low;
		is = peek(r, 0) == '}' || count(r, &high);
	}
	if (!is || peek(r, 0) != '}') {
		r->p = behind;
		r->some = r->repeated = true; /* RE2 takes no repetition right behind it */
		return;
	}
	r->p++;
	if (low > COUNT_MAX || high > COUNT_MAX || high < low)
		wrong(r, "invalid repeat count");
	repeat(r);
}

/* A backslash outside of brackets. */
static void
backslash(struct re *r)
{
	if (peek(r, 1) == 'Q') {
		r->p += 2;
		const char *end = find(r, 0, "\\E");
		r->some = r->some || (r->p < r->end && end != r->p);
		r->p = end == NULL ? r->end : end + 2;
	} else {
		if (one_of(peek(r, 1), "AbBz"))
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
	int c = peek(r, 0);

	if (c == '\\') {
		backslash(r);
		return;
	}
	if (starts(r, "(?")) {
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

const char *
rk_re2_wrong(struct rk_str text)
{
	struct re r = { .p = text.at, .end = text.len > 0 ? text.at + text.len : text.at };

	while (r.p < r.end && r.bad == NULL)
		one(&r);
	rk_assert(r.p <= r.end);
	if (r.bad == NULL && r.depth > 0)
		wrong(&r, "missing closing )");
	return r.bad;
}
