# Every tests/unit/test_*.c is a test of its own; the helpers are linked to each of them.
UNIT_TESTS += $(sort $(wildcard tests/unit/test_*.c))
UNIT_HELPER_SRCS += tests/unit/world.c
UNIT_HELPER_SRCS += tests/unit/routes_text.c
UNIT_HELPER_SRCS += tests/unit/decode_text.c
UNIT_HELPER_SRCS += tests/unit/random_services.c
UNIT_HELPER_SRCS += tests/unit/controller_model.c
