# SPDX-License-Identifier: Apache-2.0
# What runs in the test cluster's pods. Static, so that an image is the program alone, and always below build/: sanitizers are for
# Fairway's own programs.
CLUSTER_PROGRAMS := $(addprefix build/cluster-image/,pause server load)
build/cluster-image/pause: tests/cluster/pause.c
build/cluster-image/server: tests/lab/server.c tests/lab/http.h
build/cluster-image/load: tests/lab/load.c tests/lab/load_http.c tests/lab/load_udp.c tests/lab/load_report.c tests/lab/load.h tests/lab/http.h
$(CLUSTER_PROGRAMS):
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -I. -static -o $@ $(filter %.c,$^)
EXTRA_PROGRAMS += $(CLUSTER_PROGRAMS)

# Preloaded by test_capabilities.py; without sanitizers for the same reason.
build/tests/claim_capability.so: tests/cluster/claim_capability.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -shared -fPIC -o $@ $< -lcap
EXTRA_PROGRAMS += build/tests/claim_capability.so
