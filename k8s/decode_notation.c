// SPDX-License-Identifier: Apache-2.0
/* Small notations inside of texts: RFC 3339 times, Go's durations, base64. Declared in decode_common.h. */
#include <errno.h>
#include <string.h>

#include "k8s/decode_common.h"
#include "userspace/base/cleanup.h"

/* `n` digits at *at; moves it. -1 if there are fewer. */
static int take_digits(const char **at, int n)
{
	int number = 0;

	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return -1;
		number = number * 10 + (**at - '0');
	}
	return number;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years are counted from March, so that the leap
 * day is last. */
static int64_t days_from_date(int64_t year, int month, int day)
{
	int64_t era, year_of_era, day_of_year;

	year -= month <= 2;
	era = year / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

/* "Z" or "+hh:mm" */
static int take_offset(const char **at, int *ret_sec)
{
	int sign = **at == '-' ? -1 : 1, hours, minutes;

	if (take_char(at, 'Z')) {
		*ret_sec = 0;
		return 0;
	}
	if (!take_char(at, '+') && !take_char(at, '-'))
		return -EINVAL;
	hours = take_digits(at, 2);
	if (hours < 0 || hours > 23 || !take_char(at, ':'))
		return -EINVAL;
	minutes = take_digits(at, 2);
	if (minutes < 0 || minutes > 59)
		return -EINVAL;
	*ret_sec = sign * (hours * 3600 + minutes * 60);
	return 0;
}

int time_parse(const char *text, int64_t *ret_sec)
{
	static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int part[6], offset;
	static const char separators[] = "--T::";
	const char *at = text;

	for (int i = 0; i < 6; i++) {
		part[i] = take_digits(&at, i ? 2 : 4);
		if (part[i] < 0 || (i < 5 && !take_char(&at, separators[i])))
			return -EINVAL;
	}
	if (take_char(&at, '.')) {
		if (take_digits(&at, 1) < 0)
			return -EINVAL;
		at += strspn(at, "0123456789");
	}
	if (take_offset(&at, &offset) < 0 || *at || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
	    part[2] > month_days[part[1] - 1] || part[3] > 23 || part[4] > 59 || part[5] > 60)
		return -EINVAL;
	if (part[1] == 2 && part[2] == 29 && (part[0] % 4 || (part[0] % 100 == 0 && part[0] % 400)))
		return -EINVAL;
	*ret_sec = days_from_date(part[0], part[1], part[2]) * 86400 + part[3] * 3600 + part[4] * 60 +
		   part[5] - offset;
	return 0;
}

/* One "1.5h" at *at, in nanoseconds. */
static int take_duration(const char **at, uint64_t *ret_nsec)
{
	static const struct {
		const char *unit;
		uint64_t nsec;
	} units[] = { { "ms", 1000000 },      { "us", 1000 },	    { "\xc2\xb5s", 1000 }, { "ns", 1 },
		      { "h", 3600000000000 }, { "m", 60000000000 }, { "s", 1000000000 } };
	uint64_t whole = 0, fraction = 0, scale = 1;
	const char *begin = *at;
	size_t n_digits;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		whole = whole * 10 + (uint64_t)(**at - '0');
		if (whole > 1000000000) /* 30 years in seconds: more than anybody's timer */
			return -EINVAL;
	}
	n_digits = (size_t)(*at - begin);
	if (take_char(at, '.')) {
		for (; **at >= '0' && **at <= '9'; (*at)++, n_digits++) {
			if (scale >= 1000000000)
				continue;
			fraction = fraction * 10 + (uint64_t)(**at - '0');
			scale *= 10;
		}
	}
	if (!n_digits)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strncmp(*at, units[i].unit, strlen(units[i].unit)) != 0)
			continue;
		*at += strlen(units[i].unit);
		*ret_nsec = 0;
		if (__builtin_mul_overflow(whole, units[i].nsec, &whole))
			return -EINVAL;
		*ret_nsec = whole + (uint64_t)((unsigned __int128)fraction * units[i].nsec / scale);
		return 0;
	}
	return -EINVAL;
}

int duration_parse(const char *text, uint64_t *ret_sec)
{
	uint64_t total = 0, part;
	const char *at = text;

	if (strcmp(text, "0") == 0) {
		*ret_sec = 0;
		return 0;
	}
	do {
		if (take_duration(&at, &part) < 0 || __builtin_add_overflow(total, part, &total))
			return -EINVAL;
	} while (*at);
	if (total % 1000000000)
		return -EDOM;
	*ret_sec = total / 1000000000;
	return 0;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct arena *arena, const char *text, char **ret, size_t *ret_length)
{
	char *bytes = arena_alloc(arena, strlen(text) / 4 * 3 + 4);
	size_t length = 0, n = 0, padding = 0;
	uint32_t group = 0;

	if (!bytes)
		return -ENOMEM;
	for (; *text; text++) {
		int value = base64_value(*text);

		if (*text == '\n' || *text == '\r')
			continue;
		if (*text == '=' && (n % 4 == 2 || n % 4 == 3) && padding < 2)
			padding++;
		else if (value < 0 || padding)
			return -EINVAL;
		group = group << 6 | (uint32_t)(value < 0 ? 0 : value);
		if (++n % 4)
			continue;
		bytes[length++] = (char)(group >> 16);
		bytes[length++] = (char)(group >> 8);
		bytes[length++] = (char)group;
	}
	if (n % 4)
		return -EINVAL;
	length -= padding;
	bytes[length] = 0;
	*ret = bytes;
	*ret_length = length;
	return 0;
}
