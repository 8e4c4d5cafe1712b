CORE_SRCS += userspace/core/cluster.c userspace/core/selector.c userspace/core/problems.c
