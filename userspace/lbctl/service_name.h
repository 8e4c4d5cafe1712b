/* SPDX-License-Identifier: Apache-2.0 */
/* How `svc show` and `why` name a Service: NAME or NS/NAME, with an optional "svc/" or "service/" before
 * it, and -n NS. Without a namespace the agent finds it if the name stands once. */
#ifndef FAIRWAY_LBCTL_SERVICE_NAME_H
#define FAIRWAY_LBCTL_SERVICE_NAME_H

#include "userspace/lbctl/client.h"

struct service_name {
	const char *namespace; /* NULL: not said */
	const char *name;
};

/* Parses the whole command line; usage errors exit with LBCTL_USAGE. Texts are borrowed from argv, which
 * is changed. */
void service_name_parse(int argc, char **argv, const char *doc, struct live *, struct service_name *ret);

#endif
