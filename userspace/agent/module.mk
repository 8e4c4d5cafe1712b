# SPDX-License-Identifier: Apache-2.0
CORE_SRCS += $(addprefix userspace/agent/,accepted.c names.c options.c problem_log.c retiring.c views.c why.c)
