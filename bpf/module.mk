# The programs that are loaded into the kernel, and what they share with user space (lb_abi.h).
