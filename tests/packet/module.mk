# Packets through the BPF programs by BPF_PROG_TEST_RUN; root is needed.
BPF_SRCS += tests/packet/cramped.bpf.c tests/packet/hammer.bpf.c
EDGE_HELPER_SRCS += tests/packet/frame.c tests/packet/world.c tests/packet/fixture.c
EDGE_TESTS += tests/packet/test_packet.c tests/packet/test_flows.c tests/packet/test_malformed.c tests/packet/test_choice.c tests/packet/test_large.c tests/packet/test_snat.c
