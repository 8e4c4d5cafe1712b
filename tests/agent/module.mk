# SPDX-License-Identifier: Apache-2.0
EDGE_TESTS += tests/agent/test_io.c
