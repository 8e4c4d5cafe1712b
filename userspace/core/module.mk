CORE_SRCS += userspace/core/cluster.c userspace/core/selector.c userspace/core/problems.c
CORE_SRCS += userspace/core/endpoints.c userspace/core/maglev.c
