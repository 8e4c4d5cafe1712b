# SPDX-License-Identifier: Apache-2.0
# One make, no recursion. Each folder's module.mk adds to these lists; everything is built below build/ (build/san with SAN=1):
#   CORE_SRCS   pure files -> liblbcore.a, all that unit tests link
#   EDGE_SRCS   files that do I/O -> liblbedge.a
#   PROGRAMS    names; NAME_SRCS are its own files (main and what only it needs)
#   EXTRA_PROGRAMS  files with a rule of their own, part of `make all`
#   BPF_SRCS    *.bpf.c -> build/bpf/*.bpf.o and a skeleton build/bpf/*.skel.h
#   UNIT_TESTS  tests/unit/test_x.c -> build/tests/test_x, cmocka, no root
#   EDGE_TESTS  tests/…/test_y.c -> the same with liblbedge.a, root allowed (packet tests, FRR in namespaces)
#   EDGE_TESTS_ALONE  those of them that stand in for edges themselves: EDGE_HELPER_SRCS would pull the real ones in
# Verbose with V=1; `make help` lists the targets.

BUILD := build$(if $(SAN),/san)
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
PKGS := libbpf libsystemd libcjson yaml-0.1 libnl-3.0 libnl-route-3.0 libmicrohttpd libcurl smartcols libcap

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)')

WARNINGS := -Wall -Wextra -Wswitch-enum -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -fno-common -I. -I$(BUILD) $(PKG_CFLAGS) $(SAN_FLAGS) -MMD -MP
comma := ,
SAN_FLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null)
BPF_CFLAGS := -O2 -g -Wall -Wextra -target bpf -mcpu=v3 -I. -I/usr/include/$(shell uname -m)-linux-gnu

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# The libraries depend on the lists too: an object that moved from one to the other is no newer than they are.
MODULES := $(sort $(wildcard */module.mk */*/module.mk))
include $(MODULES)

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
BPF_OBJS := $(patsubst %.bpf.c,$(BUILD)/%.bpf.o,$(BPF_SRCS))
BPF_SKELS := $(patsubst %.bpf.c,$(BUILD)/%.skel.h,$(BPF_SRCS))
PROGRAM_FILES := $(addprefix $(BUILD)/,$(PROGRAMS))
UNIT_TEST_FILES := $(patsubst %.c,$(BUILD)/tests/%,$(notdir $(UNIT_TESTS)))
EDGE_TEST_FILES := $(patsubst %.c,$(BUILD)/tests/%,$(notdir $(EDGE_TESTS)))
BENCH_FILES := $(addprefix $(BUILD)/bench/,$(BENCH_PROGRAMS)) $(patsubst %.bpf.c,$(BUILD)/%.bpf.o,$(BENCH_BPF_SRCS))
vpath %.c $(sort $(dir $(UNIT_TESTS) $(EDGE_TESTS)))

all: $(PROGRAM_FILES) $(EXTRA_PROGRAMS) $(BPF_OBJS) ## build every program into build/

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22 | sort

unit: $(UNIT_TEST_FILES) ## build and run the unit tests (no root, seconds)
	$(Q)tests/run $(BUILD) unit --unit $(UNIT_TEST_FILES)

deps: ## install the Debian packages that are missing (starts no service)
	$(Q)scripts/install-packages

# What needs installed packages first is built by a second make: this one looked for pkg-config and its answers too early.
then_make = $(MAKE) --no-print-directory $(if $(findstring j,$(filter-out --%,$(MAKEFLAGS))),,-j$(shell nproc))

# Kubernetes' binaries and our images. Status 3: neither binaries nor Go are there; the cluster tests then say so, one by one.
cluster_needs = tests/cluster/cluster assets --quiet && deploy/image/build --programs $(BUILD) --out $(BUILD)/images --tag dev \
	$(if $(SAN),--packages "libasan8 libubsan1")
cluster_assets = { $(cluster_needs); } || [ $$? -eq 3 ]

check: deps ## install what is missing, build, run every test (root; within 30 minutes)
	$(Q)$(then_make) all tests
	$(Q)$(cluster_assets)
	$(Q)tests/run $(BUILD) check --unit $(UNIT_TEST_FILES) --edge $(EDGE_TEST_FILES)

edge: all tests ## run the golden cases, the layering check and the tests that need the kernel (root)
	$(Q)tests/run $(BUILD) edge --edge $(EDGE_TEST_FILES)

golden-update: all ## accept what the golden cases print now (then review the diff)
	$(Q)tests/golden/run $(BUILD) --update

lab: all ## run the laboratory's tests alone
	$(Q)tests/run $(BUILD) lab

cluster: all ## run the tests on a real control plane and real nodes alone
	$(Q)$(cluster_assets)
	$(Q)tests/run $(BUILD) cluster

bench: deps ## measure: one table, ratios and build/bench.json (root; some minutes)
	$(Q)$(then_make) all $(BENCH_FILES)
	$(Q)$(cluster_assets)
	$(Q)bench/run --build $(BUILD)

soak: deps ## the long repetitions, then the cluster's tests with the programs under ASan and UBSan (root; hours)
	$(Q)$(then_make) all
	$(Q)$(cluster_assets)
	$(Q)tests/run $(BUILD) soak
	$(Q)$(then_make) SAN=1 cluster

demo: deps ## show it in a laboratory, CLUSTER=1: on a real Kubernetes cluster (root; KEEP=1 leaves it up)
	$(Q)$(then_make) all
	$(Q)$(if $(filter-out 0,$(CLUSTER)),$(cluster_needs))
	$(Q)tests/$(if $(filter-out 0,$(CLUSTER)),cluster,lab)/demo --build $(BUILD) $(if $(filter-out 0,$(KEEP)),--keep)

images: deps ## build the container images fairway:TAG and fairway-frr:TAG (root; TAG=…, default the version) into build/images/
	$(Q)$(then_make) all
	$(Q)deploy/image/build --programs $(BUILD) --out $(BUILD)/images $(addprefix --tag ,$(TAG))

test-assets: ## find Kubernetes' and etcd's binaries for the test cluster, build those that are missing (Go, minutes)
	$(Q)tests/cluster/cluster assets

tests: $(UNIT_TEST_FILES) $(EDGE_TEST_FILES) $(BENCH_FILES) ## build the tests

clean: ## remove build/
	$(Q)rm -rf build

$(BUILD)/liblbcore.a: $(call objects,$(CORE_SRCS)) $(MODULES)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

$(BUILD)/liblbedge.a: $(call objects,$(EDGE_SRCS)) $(MODULES)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

# $(1): the file below build/, $(2): the name whose NAME_SRCS are its own
define program
$(BUILD)/$(1): $(call objects,$($(2)_SRCS)) $(BUILD)/liblbedge.a $(BUILD)/liblbcore.a
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(CFLAGS) $$(SAN_FLAGS) -o $$@ $$(filter %.o,$$^) $(BUILD)/liblbedge.a $(BUILD)/liblbcore.a $$(PKG_LIBS) -lm
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p),$(p))))
$(foreach p,$(BENCH_PROGRAMS),$(eval $(call program,bench/$(p),$(p))))

$(UNIT_TEST_FILES): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(call objects,$(UNIT_HELPER_SRCS)) $(BUILD)/liblbcore.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(SAN_FLAGS) -o $@ $^ -lcmocka -lcjson -lyaml -lm

# An edge test may live in any folder: its object is found by name.
define edge_test
$(BUILD)/tests/$(basename $(notdir $(1))): $(call objects,$(1)) $(if $(filter $(1),$(EDGE_TESTS_ALONE)),,$(call objects,$(EDGE_HELPER_SRCS))) $(BUILD)/liblbedge.a $(BUILD)/liblbcore.a
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(CFLAGS) $$(SAN_FLAGS) -o $$@ $$^ -lcmocka $$(PKG_LIBS) -lm
endef
$(foreach t,$(EDGE_TESTS),$(eval $(call edge_test,$(t))))

$(BUILD)/obj/%.o: %.c | $(BPF_SKELS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/%.bpf.o: %.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<
	$(Q)llvm-strip -g $@

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf > $@

-include $(shell find $(BUILD) \( -path $(BUILD)/cluster -o -path $(BUILD)/san \) -prune -o -type f -name '*.d' -print 2>/dev/null)

.PHONY: all help unit deps check lab cluster bench soak demo images tests edge golden-update clean test-assets
