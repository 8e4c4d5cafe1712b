CORE_SRCS += userspace/core/cluster.c userspace/core/selector.c userspace/core/problems.c
CORE_SRCS += userspace/core/endpoints.c userspace/core/maglev.c
CORE_SRCS += userspace/core/community.c userspace/core/rendezvous.c userspace/core/peers.c
CORE_SRCS += userspace/core/route_policy.c userspace/core/route_offers.c userspace/core/routes.c
CORE_SRCS += userspace/core/json_string.c
