// SPDX-License-Identifier: Apache-2.0
/* Strict parsing: see parse.h. */
#include "userspace/base/parse.h"

#include <errno.h>
#include <string.h>

int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t number = 0;
	const char *p;

	if (!*text)
		return -EINVAL;
	for (p = text; *p; p++)
		if (*p < '0' || *p > '9')
			return -EINVAL;
	for (p = text; *p; p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (number > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		number = number * 10 + digit;
	}
	if (number < min || number > max)
		return -ERANGE;
	*ret = number;
	return 0;
}

bool text_is_printable_ascii(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
			return false;
	return true;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_dns_name(const char *text, size_t max, bool dots)
{
	size_t i, length = strlen(text);

	if (!length || length > max)
		return false;
	for (i = 0; i < length; i++) {
		bool first = i == 0 || text[i - 1] == '.', last = i + 1 == length || text[i + 1] == '.';

		if (text[i] == '.' ? !dots || first : !is_alnum(text[i]) && (text[i] != '-' || first || last))
			return false;
	}
	return text[length - 1] != '.';
}

bool text_is_dns_subdomain(const char *text)
{
	return is_dns_name(text, 253, true);
}

bool text_is_dns_label(const char *text)
{
	return is_dns_name(text, 63, false);
}

bool text_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

int text_compare(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}
