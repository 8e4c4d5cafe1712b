/* SPDX-License-Identifier: Apache-2.0 */
/* Objects from YAML, for the tests of k8s/decode_*.c. */
#ifndef FAIRWAY_TESTS_DECODE_TEXT_H
#define FAIRWAY_TESTS_DECODE_TEXT_H

#include "k8s/decode.h"
#include "userspace/base/cleanup.h"

DEFINE_CLEANUP(struct object *, object_free);

/* The YAML must be good, the object need not: see decode_object(). The source is called file.yaml. */
enum decode_result decode_text(const char *text, struct object **ret_object, struct problems *);

/* An object with which nothing is wrong; the caller's. */
struct object *decode_good(const char *text);

/* In a buffer that the next call overwrites */
const char *addr_text(const struct addr *);

#endif
