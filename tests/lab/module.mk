# The laboratory's own programs: the pods' server, the clients' load generator, the switch port's XDP program.
PROGRAMS += lab-server lab-load
lab-server_SRCS := tests/lab/server.c
lab-load_SRCS := tests/lab/load.c tests/lab/load_http.c tests/lab/load_udp.c tests/lab/load_report.c
BPF_SRCS += tests/lab/xdp_pass.bpf.c
