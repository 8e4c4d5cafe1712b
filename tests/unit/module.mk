# Every tests/unit/test_*.c is a test of its own; other files here are helpers, listed by the test that needs them.
UNIT_TESTS += $(sort $(wildcard tests/unit/test_*.c))
