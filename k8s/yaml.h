/* SPDX-License-Identifier: Apache-2.0 */
/* YAML documents as the trees of k8s/json.h (PURE: libyaml on a text in memory).
 *
 * Scalars are typed as kubectl does (YAML 1.1): unquoted null/~/empty, true/false/yes/no/on/off, integers and
 * floats are what they look like, everything quoted or in a block is a string; single letters (y, n) stay
 * strings. Numbers stay text as written, and only plain decimal ones pass json_integer(): 010 and 0x1f are
 * refused, not read as 8 and 31. Anchors and aliases are copied and count as values (JSON_MAX_VALUES ends a
 * "billion laughs"); merge keys ("<<"), tags other than the basic ones, and keys that are not scalars are
 * errors. */
#ifndef FAIRWAY_K8S_YAML_H
#define FAIRWAY_K8S_YAML_H

#include "k8s/json.h"

/* Any number of documents. 0, -ENOMEM, or -EINVAL with *ret_error; *ret is untouched on failure. */
int yaml_parse(const char *text, size_t length, struct json_document *ret, struct json_error *ret_error);

#endif
