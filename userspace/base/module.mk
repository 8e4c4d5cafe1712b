CORE_SRCS += userspace/base/addr.c userspace/base/arena.c userspace/base/log_level.c userspace/base/parse.c userspace/base/strbuf.c
EDGE_SRCS += userspace/base/log.c
