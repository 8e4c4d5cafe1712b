CORE_SRCS += userspace/core/cluster.c userspace/core/selector.c userspace/core/problems.c
CORE_SRCS += userspace/core/endpoints.c userspace/core/maglev.c
CORE_SRCS += userspace/core/community.c userspace/core/rendezvous.c userspace/core/peers.c
CORE_SRCS += userspace/core/route_policy.c userspace/core/route_offers.c userspace/core/routes.c
CORE_SRCS += userspace/core/json_string.c userspace/core/explain.c
CORE_SRCS += userspace/core/frontends.c userspace/core/plan_index.c userspace/core/source_ranges.c
CORE_SRCS += userspace/core/service_plan.c userspace/core/plan.c
CORE_SRCS += userspace/core/id_pool.c userspace/core/table_space.c userspace/core/applied.c userspace/core/diff.c userspace/core/step_failures.c
