/* SPDX-License-Identifier: Apache-2.0 */
/* As much of HTTP/1.1 as the laboratory's server and load generator speak with each other: one header of a
 * head that is in memory whole and ends with NUL. */
#ifndef FAIRWAY_LAB_HTTP_H
#define FAIRWAY_LAB_HTTP_H

#include <string.h>
#include <strings.h>

/* The value behind `name:`, up to the end of its line; NULL if there is no such header. */
static inline const char *header_find(const char *head, const char *name)
{
	size_t size = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (!strncasecmp(line, name, size) && line[size] == ':')
			return line + size + 1 + strspn(line + size + 1, " ");
	}
	return NULL;
}

#endif
