# SPDX-License-Identifier: Apache-2.0
CORE_SRCS += $(addprefix userspace/agent/,accepted.c names.c options.c problem_log.c retiring.c views.c why.c)
PROGRAMS += lbagent
lbagent_SRCS := $(addprefix userspace/agent/,main.c agent.c control.c privileges.c reconcile.c status.c)
