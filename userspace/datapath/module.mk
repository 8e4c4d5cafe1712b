# The kernel half: pure decisions (core), and the edge that loads, attaches, feeds and reads it.
CORE_SRCS += $(addprefix userspace/datapath/,choose.c expiry.c fib.c hops.c index_table.c options.c port_list.c prefix_set.c reading.c)
EDGE_SRCS += $(addprefix userspace/datapath/,addresses.c applied.c attach.c collector.c counters.c events.c flow_view.c flows.c \
	frontends.c host.c messages.c netlink.c nexthop.c pins.c ranges.c routes.c tables.c uplinks.c)
EDGE_SRCS += userspace/datapath/load.c userspace/datapath/datapath.c
# Root, in namespaces of their own; test_messages.c, test_nexthop.c and test_uplinks.c need neither.
EDGE_TESTS += $(addprefix tests/datapath/test_,collector.c datapath.c hooks.c host.c mending.c messages.c nexthop.c traffic.c uplinks.c)
EDGE_TESTS_ALONE += tests/datapath/test_nexthop.c tests/datapath/test_uplinks.c
EDGE_HELPER_SRCS += tests/datapath/sandbox.c tests/datapath/small_world.c
