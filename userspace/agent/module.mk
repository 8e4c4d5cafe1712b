# SPDX-License-Identifier: Apache-2.0
# The round, the report and its writing are in the library so that tests/agent/test_reconcile.c and test_reporter.c can drive them with a
# data path, an FRR, an API server and a clock of their own.
CORE_SRCS += $(addprefix userspace/agent/,accepted.c metrics.c names.c node_report.c options.c problem_log.c releasing.c retiring.c untold.c views.c why.c)
EDGE_SRCS += $(addprefix userspace/agent/,problem_report.c reconcile.c report_collect.c reporter.c targets.c)
PROGRAMS += lbagent
lbagent_SRCS := $(addprefix userspace/agent/,main.c agent.c control.c privileges.c probes.c source.c status.c)
