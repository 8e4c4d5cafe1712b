/* SPDX-License-Identifier: Apache-2.0 */
/* What C has no word for. */
#ifndef FAIRWAY_BASE_ATTRIBUTES_H
#define FAIRWAY_BASE_ATTRIBUTES_H

/* A parameter that a callback's type demands and this one does not need: `void *userdata _unused_`. */
#define _unused_ __attribute__((unused))

#endif
