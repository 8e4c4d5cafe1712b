# Benchmarks are built by `make bench` only; bench/run gathers their results.
BENCH_REPORT_SRCS := bench/report.c
core_cost_SRCS := bench/core_cost.c $(BENCH_REPORT_SRCS) tests/unit/world.c
xdp_cost_SRCS := bench/xdp_cost.c bench/replay.c $(BENCH_REPORT_SRCS) tests/unit/world.c
BENCH_PROGRAMS := core_cost xdp_cost
