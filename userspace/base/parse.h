/* SPDX-License-Identifier: Apache-2.0 */
/* Strict parsing of small things from hostile text. Nothing is truncated, no sign, no blanks, no base prefix. */
#ifndef FAIRWAY_BASE_PARSE_H
#define FAIRWAY_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only, within [min, max]. 0, -EINVAL (not a number), -ERANGE. */
int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* True if each byte is printable ASCII, no control character, no DEL; UTF-8 bytes are refused. */
bool text_is_printable_ascii(const char *text);

/* RFC 1123 names as Kubernetes uses them: subdomain (labels with dots, at most 253) and label (at most 63). */
bool text_is_dns_subdomain(const char *text);
bool text_is_dns_label(const char *text);

/* NULL-safe: NULL equals only NULL; strings_compare sorts NULL first. */
bool text_equal(const char *, const char *);
int text_compare(const char *, const char *);

#endif
