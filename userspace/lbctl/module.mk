PROGRAMS += lbctl
lbctl_SRCS := userspace/lbctl/main.c
