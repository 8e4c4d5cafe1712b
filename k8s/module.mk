CORE_SRCS += k8s/json.c k8s/yaml.c k8s/decode.c k8s/decode_common.c k8s/decode_core.c k8s/decode_fairway.c k8s/store.c
EDGE_SRCS += k8s/manifests.c
EDGE_TESTS += tests/edge/test_manifests.c
EDGE_HELPER_SRCS += tests/edge/scratch.c
