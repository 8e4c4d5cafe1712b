# SPDX-License-Identifier: Apache-2.0
# The round is in the library so that tests/agent/test_reconcile.c can drive it with a data path and an FRR of its own.
CORE_SRCS += $(addprefix userspace/agent/,accepted.c metrics.c names.c node_report.c options.c problem_log.c retiring.c views.c why.c)
EDGE_SRCS += userspace/agent/problem_report.c userspace/agent/reconcile.c
PROGRAMS += lbagent
lbagent_SRCS := $(addprefix userspace/agent/,main.c agent.c control.c privileges.c probes.c report_collect.c reporter.c source.c status.c targets.c)
