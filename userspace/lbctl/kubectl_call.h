/* SPDX-License-Identifier: Apache-2.0 */
/* `kubectl fairway …` taken apart, and the kubectl commands that it becomes (PURE: no process is started
 *here).
 *
 *	kubectl fairway [-n NS] [--node NODE] [--context C …] svc ls -n web
 *	                └ Fairway's namespace                  └ lbctl's own words, as they are
 *
 * kubectl's usual options go before the command; those that lbctl does not have (--node, --context,
 *--kubeconfig, …) are understood after it too. What is kept is borrowed from argv. */
#ifndef FAIRWAY_LBCTL_KUBECTL_CALL_H
#define FAIRWAY_LBCTL_KUBECTL_CALL_H

#include "userspace/core/cluster.h"

#define KUBECTL_NAMESPACE "fairway-system"

struct arguments { /* items[n] is NULL, for exec */
	char **items;
	size_t n, capacity;
};
void arguments_done(struct arguments *);

struct kubectl_call {
	const char *node;	  /* NULL: any */
	const char *namespace;	  /* Fairway's */
	struct arguments options; /* for kubectl */
	struct arguments command; /* for lbctl: "svc", "ls", … */
};
void kubectl_call_done(struct kubectl_call *);

/* argv without the program's name. 0, -ENOMEM, or -EINVAL with the reason in `why`. */
int kubectl_call_parse(int argc, char **argv, struct kubectl_call *ret, struct strbuf *why);

/* "kubectl … get pods …": one line for each of lbagent's pods, as kubectl_pods_parse() reads them. 0 or
 * -ENOMEM. */
int kubectl_pods_arguments(const struct kubectl_call *, struct arguments *ret);

struct kubectl_pod { /* texts are in the buffer that was parsed */
	const char *name, *node;
	bool ready;
};
/* The pod to ask, of what the above printed (which is cut into pieces): the ready one on the node, or the
 * first by node of those that are ready. -ENOENT with the reason in `why` (which nodes have one, …), -ENOMEM.
 */
int kubectl_pod_choose(const struct kubectl_call *, char *printed, struct kubectl_pod *ret,
		       struct strbuf *why);

/* "kubectl … exec … -- lbctl …". 0 or -ENOMEM. */
int kubectl_exec_arguments(const struct kubectl_call *, const char *pod, bool terminal,
			   struct arguments *ret);

#endif
