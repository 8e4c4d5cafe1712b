CORE_SRCS += k8s/json.c k8s/yaml.c k8s/decode.c k8s/decode_common.c k8s/decode_core.c k8s/decode_fairway.c k8s/decode_notation.c k8s/store.c
CORE_SRCS += k8s/decode_lb_node.c k8s/source.c k8s/backoff.c
EDGE_SRCS += k8s/manifests.c k8s/manifests_file.c k8s/manifests_watch.c
EDGE_SRCS += k8s/api.c k8s/cluster_source.c
EDGE_TESTS += tests/edge/test_manifests.c tests/edge/test_manifests_watch.c
EDGE_HELPER_SRCS += tests/edge/scratch.c
CORE_SRCS += k8s/lease.c
EDGE_SRCS += k8s/election.c
