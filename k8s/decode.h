/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON value -> one `struct object` (PURE). Input is hostile: sizes are bounded, numbers range-checked, control
 * characters refused; a bad object is a problem (object, field, what is wrong), never a crash, never half taken.
 * Defaults of the API server are applied (protocol TCP, port name "", policy Cluster, conditions). */
#ifndef FAIRWAY_K8S_DECODE_H
#define FAIRWAY_K8S_DECODE_H

#include "k8s/json.h"
#include "userspace/core/cluster.h"

enum decode_result {
	DECODED,	 /* *ret_object is the caller's */
	DECODE_SKIPPED,	 /* a kind or apiVersion that Fairway does not read */
	DECODE_REFUSED,	 /* problems were added */
	DECODE_NO_MEMORY,
};

/* `origin`: a file's name or "", for problems of a value without kind or name. Lists (kind List, ServiceList, …) are
 * the caller's to unfold. */
enum decode_result decode_object(const struct json *, const char *origin, struct object **ret_object,
				 struct problems *);

#endif
