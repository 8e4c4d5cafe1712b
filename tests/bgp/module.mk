# SPDX-License-Identifier: Apache-2.0
# The driver against real FRR in network namespaces; root is needed.
EDGE_HELPER_SRCS += tests/bgp/frr_lab.c
EDGE_TESTS += tests/bgp/test_frr.c
