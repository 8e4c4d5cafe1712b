# Fuzzers: tests/fuzz/fuzz_X.c with the corpus tests/fuzz/corpus/X, built with clang's libFuzzer, ASan and UBSan, the core
# included. What a run finds new stays in build/fuzz/X; a crash leaves build/fuzz/X-crash-…, to be mended and put into the corpus.
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
FUZZ_CFLAGS = -std=gnu11 -D_GNU_SOURCE -O1 -g -I. -Ibuild -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined $(PKG_CFLAGS) -MMD -MP

build/fuzz/obj/%.o: %.c
	$(call say,FUZZ,$<)
	$(Q)mkdir -p $(@D) && $(CLANG) $(FUZZ_CFLAGS) -c -o $@ $<

build/fuzz/fuzz_%: build/fuzz/obj/tests/fuzz/fuzz_%.o build/fuzz/liblbcore.a
	$(call say,LD,$@)
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ -lyaml -lcjson -lm

fuzz-build: build/fuzz/liblbcore.a $(addprefix build/fuzz/fuzz_,$(FUZZERS))

fuzz: fuzz-build ## fuzz the parsers of hostile input, FUZZ_SECONDS=60 each
	$(Q)for f in $(FUZZERS); do mkdir -p build/fuzz/$$f && build/fuzz/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) \
		-max_len=8192 -timeout=10 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 \
		-artifact_prefix=build/fuzz/$$f- build/fuzz/$$f tests/fuzz/corpus/$$f || exit 1; done

# CORE_SRCS is whole only once every module.mk was read.
.SECONDEXPANSION:
build/fuzz/liblbcore.a: $$(patsubst %.c,build/fuzz/obj/%.o,$$(CORE_SRCS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

.PHONY: fuzz fuzz-build
