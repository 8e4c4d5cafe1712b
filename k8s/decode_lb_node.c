// SPDX-License-Identifier: Apache-2.0
/* LBNode: what one node's agent says of itself in its status, for the controller. */
#include "k8s/decode_common.h"
#include "userspace/base/attributes.h"

void decode_lb_node(struct decoder *decoder _unused_, const struct json *root _unused_, struct object *object _unused_)
{
}
