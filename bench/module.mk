# Benchmarks are built by `make bench` only; bench/run gathers their results.
BENCH_REPORT_SRCS := bench/report.c
core_cost_SRCS := bench/core_cost.c $(BENCH_REPORT_SRCS) tests/unit/world.c
xdp_cost_SRCS := bench/xdp_cost.c bench/replay.c $(BENCH_REPORT_SRCS) tests/unit/world.c
# What bench/lab_cost runs in the laboratory's namespaces.
lab_traffic_SRCS := bench/lab_traffic.c bench/lab_pin.c $(BENCH_REPORT_SRCS)
lab_sink_SRCS := bench/lab_sink.c bench/lab_pin.c
lab_pass_SRCS := bench/lab_pass.c
BENCH_PROGRAMS := core_cost xdp_cost lab_traffic lab_sink lab_pass
BENCH_BPF_SRCS := bench/yardstick.bpf.c bench/pass.bpf.c
