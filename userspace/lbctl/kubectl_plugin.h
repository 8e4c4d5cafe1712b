/* SPDX-License-Identifier: Apache-2.0 */
/* lbctl as the plugin `kubectl fairway` on an operator's machine (EDGE): asks the agents of a cluster through
 * kubectl, which brings the credentials. Nothing goes through a shell. */
#ifndef FAIRWAY_LBCTL_KUBECTL_PLUGIN_H
#define FAIRWAY_LBCTL_KUBECTL_PLUGIN_H

#include "userspace/lbctl/kubectl_call.h"

/* Becomes `kubectl exec … lbctl COMMAND` in a pod of lbagent; returns only if that cannot be: an exit code,
 * after what is wrong was said on stderr. */
int kubectl_plugin_run(const struct kubectl_call *);

#endif
