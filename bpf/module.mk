# The programs that are loaded into the kernel, and what they share with user space (lb_abi.h).
BPF_SRCS += bpf/lb_xdp.bpf.c bpf/lb_tc.bpf.c
