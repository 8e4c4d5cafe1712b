/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values as a plain tree (PURE). YAML becomes the same tree (k8s/yaml.h), so that decoding sees one
 * thing.
 *
 * Own code and not cJSON's tree, for what hostile and hand-written objects need and cJSON cannot give:
 * numbers stay text as written (80.5 is not a port, 2^64+1 not 2^64), every value knows its line, a key that
 * stands twice is an error, U+0000 does not end a string early, and a value costs 64 bytes and no malloc of
 * its own (a list of 10,000 Services: a fifth of cJSON's memory). Whole trees live in their document's arena
 * and never change once parsed.
 *
 * Strings are valid UTF-8 and NUL-terminated. U+0000 becomes U+FFFD, with has_nul set, so that nobody can cut
 * a text short; whoever reads a string for use refuses has_nul. */
#ifndef FAIRWAY_K8S_JSON_H
#define FAIRWAY_K8S_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/arena.h"
#include "userspace/base/strbuf.h"

/* Of one text. 10,000 Services and their slices of 10 endpoints are 35 to 110 MB (kubectl indents) and 3
 * million values as the API server prints them, managedFields included; the tree then takes some 250 MiB
 * while the text is read. */
#define JSON_MAX_BYTES	(256 * 1024 * 1024)
#define JSON_MAX_DEPTH	100
#define JSON_MAX_VALUES (4 * 1024 * 1024)

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	uint32_t line;			    /* where it begins, from 1 */
	uint32_t n;			    /* children of an array or object */
	bool boolean;			    /* JSON_BOOL */
	bool has_nul;			    /* JSON_STRING: U+0000 stood in it */
	const char *key;		    /* a member's name; NULL in arrays and at the top */
	const char *text;		    /* JSON_STRING: its text; JSON_NUMBER: as written; else NULL */
	struct json *parent, *child, *next; /* child: the first; next: the following sibling, or document */
};

struct json_document {	    /* what one text holds: any number of values, linked by next */
	struct arena arena; /* owns them */
	struct json *first; /* NULL: none */
};

struct json_error {
	unsigned line;
	char message[192]; /* printable, bounded; bytes of the text are escaped */
};

/* One or more JSON values (RFC 8259). 0, -ENOMEM, or -EINVAL with *ret_error; *ret untouched on failure. */
int json_parse(const char *text, size_t length, struct json_document *ret, struct json_error *ret_error);
void json_document_done(struct json_document *);

const char *json_type_name(enum json_type); /* "string", "list", "map", … as messages say it */
const struct json *json_member(const struct json *,
			       const char *key); /* NULL: not an object, or no such member */
/* A number written as a plain decimal integer. 0, -EINVAL (no such number), -ERANGE. */
int json_integer(const struct json *, int64_t min, int64_t max, int64_t *ret);
/* "spec.ports[0].port": the way from `root` to `value`, which must be below it. */
void json_append_path(struct strbuf *, const struct json *root, const struct json *value);
/* Equal trees have equal digests; lines do not count, nor does the order of an object's members. Never 0. */
uint64_t json_digest(const struct json *);
/* The same, as if the members were not there for which `skip` says so. */
typedef bool json_skip_fn(const void *userdata, const struct json *member);
uint64_t json_digest_without(const struct json *, json_skip_fn *skip, const void *userdata);

/* For parsers (yaml.c): a new value as the last child of `parent` (NULL: a top one), after `last` (NULL: the
 * first). */
struct json_builder {
	struct arena *arena;
	size_t n_values;
	struct json *first, *last; /* of the document */
};
/* 0, -ENOMEM, or -E2BIG beyond JSON_MAX_VALUES. */
int json_build(struct json_builder *, struct json *parent, struct json *last, enum json_type, unsigned line,
	       struct json **ret);
const struct json *
json_duplicate_key(const struct json *object); /* the second of two members of one name, or NULL */
/* Copies text into the arena; U+0000 becomes U+FFFD and sets *ret_has_nul. NULL: out of memory. */
char *json_text(struct arena *, const char *text, size_t length, bool *ret_has_nul);
void json_error_set(struct json_error *, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
