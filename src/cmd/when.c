/* when.c - dates and durations as Java reads them: a date by SimpleDateFormat, not lenient, with
 * milliseconds and a time zone behind it or not; a duration by ISO 8601, days to seconds. */
#include <ctype.h>
#include "src/cmd/consumer_groups.h"

/* A number of at least one digit, at most as many as fit; moves *s behind it. */
static bool
digits(const char **s, int64_t least, int64_t most, int64_t *n)
{
	const char *p = *s;

	for (*n = 0; isdigit((unsigned char)*p) && *n < INT64_MAX / 10 - 9; p++)
		*n = *n * 10 + *p - '0';
	if (p == *s || isdigit((unsigned char)*p) || *n < least || *n > most)
		return false;
	*s = p;
	return true;
}

static bool
skip(const char **s, char c)
{
	if (**s != c)
		return false;
	++*s;
	return true;
}

/* Days since 1970-01-01 of a day of the Gregorian calendar. */
static int64_t
days_of(int64_t y, int64_t m, int64_t d)
{
	y -= m <= 2;
	int64_t era = y / 400, yoe = y - era * 400,
		doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool
zone(const char **s, int64_t *minutes)
{
	int64_t h, m = 0;
	int sign = **s == '-' ? -1 : 1;

	*minutes = 0;
	if (skip(s, 'Z'))
		return true;
	if (!skip(s, '+') && !skip(s, '-'))
		return false;
	if (!isdigit((unsigned char)(*s)[0]) || !isdigit((unsigned char)(*s)[1]))
		return false;
	h = ((*s)[0] - '0') * 10 + (*s)[1] - '0';
	*s += 2;
	skip(s, ':');
	if (isdigit((unsigned char)(*s)[0]) && isdigit((unsigned char)(*s)[1]))
		m = ((*s)[0] - '0') * 10 + (*s)[1] - '0';
	*minutes = sign * (h * 60 + m);
	return h < 24 && m < 60;
}

bool
cmd_when(const char *text, int64_t *ms, char *why, size_t why_size)
{
	static const uint8_t most[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const char *t = strchr(text, 'T'), *s = text;
	int64_t y, mo, d, h, mi, se, milli, shift = 0;
	bool zoned = t != NULL && strpbrk(t, "+-Z") != NULL;

	if (t == NULL || t[1] == 0) {
		snprintf(why, why_size,
		    "Error parsing timestamp. It does not contain a 'T' according to ISO8601 "
		    "format");
		return false;
	}
	if (digits(&s, 1, 9999, &y) && skip(&s, '-') && digits(&s, 1, 12, &mo) && skip(&s, '-')
	    && digits(&s, 1, most[mo - 1], &d)
	    && (mo != 2 || d < 29 || (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)))
	    && skip(&s, 'T') && digits(&s, 0, 23, &h) && skip(&s, ':') && digits(&s, 0, 59, &mi)
	    && skip(&s, ':') && digits(&s, 0, 59, &se) && skip(&s, '.')
	    && digits(&s, 0, 999, &milli) && (zoned ? zone(&s, &shift) : *s == 0)) {
		*ms = (((days_of(y, mo, d) * 24 + h) * 60 + mi - shift) * 60 + se) * 1000 + milli;
		return true;
	}
	snprintf(why, why_size, "Unparseable date: \"%s%s\"", text, zoned ? "" : "Z");
	return false;
}

/* A signed number and its letter: "-3D"; the nanoseconds of a fraction only before S. False: it is
 * something else. */
static bool
part(const char **s, char letter, int64_t *n, bool *big)
{
	const char *p = *s;
	int sign = *p == '-' ? -1 : 1;

	p += *p == '-' || *p == '+';
	if (!isdigit((unsigned char)*p))
		return false;
	const char *first = p;
	while (isdigit((unsigned char)*p))
		p++;
	if (toupper((unsigned char)*p) != letter && (letter != 'S' || (*p != '.' && *p != ',')))
		return false;
	*s = p;
	if (!digits(&first, 0, INT64_MAX, n))
		*big = true;
	*n *= sign;
	return true;
}

bool
cmd_duration(const char *text, int64_t *ms, const char **why)
{
	static const int64_t unit[] = {86400, 3600, 60};
	const char *s = text;
	int64_t n, sum = 0, milli = 0;
	bool minus = *s == '-', big = false, any = false, time;

	*why = "Text cannot be parsed to a Duration";
	s += *s == '-' || *s == '+';
	if (toupper((unsigned char)*s++) != 'P')
		return false;
	for (int i = 0; i < 3; i++) {
		time = i == 1 && toupper((unsigned char)*s) == 'T';
		if (i == 1 && !time)
			break;
		s += time;
		any = any && !time; /* something must follow a T */
		if (!part(&s, "DHM"[i], &n, &big))
			continue;
		s++;
		any = true;
		big = big || __builtin_mul_overflow(n, unit[i], &n)
		      || __builtin_add_overflow(sum, n, &sum);
	}
	bool sign = *s == '-';
	if (s[-1] != 'D' && s[-1] != 'd' && s[-1] != 'P' && s[-1] != 'p'
	    && part(&s, 'S', &n, &big)) {
		big = big || __builtin_add_overflow(sum, n, &sum);
		if (*s == '.' || *s == ',') {
			int64_t each = 100;
			for (s++; isdigit((unsigned char)*s); s++, each /= 10)
				milli += (*s - '0') * each;
		}
		any = toupper((unsigned char)*s) == 'S';
		s += any;
		milli = sign ? -milli : milli;
	}
	if (*s != 0 || !any)
		return false;
	if (big || __builtin_mul_overflow(sum, 1000, &sum)
	    || __builtin_add_overflow(sum, milli, &sum)) {
		*why = "Text cannot be parsed to a Duration: seconds";
		return false;
	}
	*ms = minus ? -sum : sum;
	return true;
}
