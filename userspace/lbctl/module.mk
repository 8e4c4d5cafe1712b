# SPDX-License-Identifier: Apache-2.0
CORE_SRCS += userspace/lbctl/kubectl_call.c userspace/lbctl/render.c
PROGRAMS += lbctl
lbctl_SRCS := $(addprefix userspace/lbctl/,main.c offline.c plan.c allocate.c client.c output.c service_name.c svc.c pool.c bgp.c node.c flow.c drops.c why.c kubectl_plugin.c)
