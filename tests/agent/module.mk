# SPDX-License-Identifier: Apache-2.0
EDGE_TESTS += tests/agent/test_io.c tests/agent/test_reconcile.c tests/agent/test_reporter.c tests/agent/test_targets.c
EDGE_TESTS_ALONE += tests/agent/test_reconcile.c tests/agent/test_reporter.c tests/agent/test_targets.c
