// SPDX-License-Identifier: Apache-2.0
/* The wrapper program and the rounds of replay.h. */
#include "bench/replay.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PORT_BITS 14		/* flows: 2^14 ports, from 16384 on, per source address */
#define NEW_FLOWS (1u << 26)

/* What wrapper and measuring side share, in a memory-mapped array. */
struct state {
	uint64_t left, first; /* counts down to 0 in one test run; its value in the first repeat */
	uint64_t start_ns, end_ns;
	uint64_t flow;	 /* the flow counter */
	uint64_t failed; /* restores that did not work */
	uint32_t data;	 /* low half of ctx->data in the first repeat */
	uint32_t unused;
};

struct wrapper {
	int fd, state_fd, jump_fd;
	struct state *state;
};

/* --- a tiny assembler ---------------------------------------------------------------------------------- */

struct code {
	struct bpf_insn insns[384];
	int n;
};

static int emit(struct code *code, uint8_t op, uint8_t dst, uint8_t src, int16_t offset, int32_t imm)
{
	code->insns[code->n] = (struct bpf_insn){ op, dst, src, offset, imm };
	return code->n++;
}

static int move(struct code *code, int dst, int src)
{
	return emit(code, BPF_ALU64 | BPF_MOV | BPF_X, (uint8_t)dst, (uint8_t)src, 0, 0);
}

static int alu(struct code *code, int op, int dst, int src)
{
	return emit(code, (uint8_t)(BPF_ALU64 | op | BPF_X), (uint8_t)dst, (uint8_t)src, 0, 0);
}

static int alu_imm(struct code *code, int op, int dst, int32_t imm)
{
	return emit(code, (uint8_t)(BPF_ALU64 | op | BPF_K), (uint8_t)dst, 0, 0, imm);
}

static int alu32_imm(struct code *code, int op, int dst, int32_t imm)
{
	return emit(code, (uint8_t)(BPF_ALU | op | BPF_K), (uint8_t)dst, 0, 0, imm);
}

static int load(struct code *code, int size, int dst, int src, size_t offset)
{
	return emit(code, (uint8_t)(BPF_LDX | BPF_MEM | size), (uint8_t)dst, (uint8_t)src, (int16_t)offset, 0);
}

static int store(struct code *code, int size, int dst, size_t offset, int src)
{
	return emit(code, (uint8_t)(BPF_STX | BPF_MEM | size), (uint8_t)dst, (uint8_t)src, (int16_t)offset, 0);
}

static int jump(struct code *code, int op, int dst, int src)
{
	return emit(code, (uint8_t)(BPF_JMP | op | BPF_X), (uint8_t)dst, (uint8_t)src, 0, 0);
}

static int jump_imm(struct code *code, int op, int dst, int32_t imm)
{
	return emit(code, (uint8_t)(BPF_JMP | op | BPF_K), (uint8_t)dst, 0, 0, imm);
}

static int call(struct code *code, int helper)
{
	return emit(code, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

static void load_imm64(struct code *code, int dst, int pseudo, uint64_t imm)
{
	emit(code, BPF_LD | BPF_DW | BPF_IMM, (uint8_t)dst, (uint8_t)pseudo, 0, (int32_t)imm);
	emit(code, 0, 0, 0, 0, (int32_t)(imm >> 32));
}

static void land(struct code *code, int from) /* the jump at `from` goes here */
{
	code->insns[from].off = (int16_t)(code->n - from - 1);
}

/* --- the wrapper: r6 = ctx, r7 = state ----------------------------------------------------------------- */

static void emit_clock(struct code *code)
{
	int last, not_first, done;

	load(code, BPF_DW, BPF_REG_8, BPF_REG_7, offsetof(struct state, left));
	alu_imm(code, BPF_ADD, BPF_REG_8, -1);
	store(code, BPF_DW, BPF_REG_7, offsetof(struct state, left), BPF_REG_8);
	last = jump_imm(code, BPF_JEQ, BPF_REG_8, 0);
	load(code, BPF_DW, BPF_REG_1, BPF_REG_7, offsetof(struct state, first));
	not_first = jump(code, BPF_JNE, BPF_REG_8, BPF_REG_1);
	call(code, BPF_FUNC_ktime_get_ns);
	store(code, BPF_DW, BPF_REG_7, offsetof(struct state, start_ns), BPF_REG_0);
	done = jump_imm(code, BPF_JA, 0, 0);
	land(code, last);
	call(code, BPF_FUNC_ktime_get_ns);
	store(code, BPF_DW, BPF_REG_7, offsetof(struct state, end_ns), BPF_REG_0);
	land(code, not_first);
	land(code, done);
}

/* XDP: move data and data_end back to where the first repeat had them. Returns through fail[] what must hold. */
static void emit_restore_bounds(struct code *code, size_t length, int fail[2])
{
	int known, same, first;

	load(code, BPF_W, BPF_REG_2, BPF_REG_6, offsetof(struct xdp_md, data));
	move(code, BPF_REG_3, BPF_REG_2);
	load(code, BPF_W, BPF_REG_4, BPF_REG_7, offsetof(struct state, data));
	known = emit(code, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, 0);
	store(code, BPF_W, BPF_REG_7, offsetof(struct state, data), BPF_REG_3);
	first = jump_imm(code, BPF_JA, 0, 0);
	land(code, known);
	emit(code, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_3, 0, 0);
	emit(code, BPF_ALU | BPF_SUB | BPF_X, BPF_REG_4, BPF_REG_3, 0, 0);
	same = emit(code, BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_4, 0, 0, 0);
	move(code, BPF_REG_1, BPF_REG_6);
	emit(code, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_4, 0, 0);
	call(code, BPF_FUNC_xdp_adjust_head);
	fail[0] = jump_imm(code, BPF_JNE, BPF_REG_0, 0);
	land(code, first);
	land(code, same);

	load(code, BPF_W, BPF_REG_2, BPF_REG_6, offsetof(struct xdp_md, data));
	load(code, BPF_W, BPF_REG_3, BPF_REG_6, offsetof(struct xdp_md, data_end));
	move(code, BPF_REG_4, BPF_REG_3);
	alu(code, BPF_SUB, BPF_REG_4, BPF_REG_2);
	same = jump_imm(code, BPF_JEQ, BPF_REG_4, (int32_t)length);
	alu_imm(code, BPF_MOV, BPF_REG_2, (int32_t)length);
	alu(code, BPF_SUB, BPF_REG_2, BPF_REG_4);
	move(code, BPF_REG_1, BPF_REG_6);
	call(code, BPF_FUNC_xdp_adjust_tail);
	fail[1] = jump_imm(code, BPF_JNE, BPF_REG_0, 0);
	land(code, same);
}

/* r2 = data, with at least `header` bytes behind it. */
static int emit_headers(struct code *code, const struct replay_packet *packet, bool xdp)
{
	size_t data = xdp ? offsetof(struct xdp_md, data) : offsetof(struct __sk_buff, data);
	size_t data_end = xdp ? offsetof(struct xdp_md, data_end) : offsetof(struct __sk_buff, data_end);
	uint64_t word;
	uint16_t half;
	size_t i;
	int fail;

	load(code, BPF_W, BPF_REG_2, BPF_REG_6, data);
	load(code, BPF_W, BPF_REG_3, BPF_REG_6, data_end);
	move(code, BPF_REG_4, BPF_REG_2);
	alu_imm(code, BPF_ADD, BPF_REG_4, (int32_t)packet->header);
	fail = jump(code, BPF_JGT, BPF_REG_4, BPF_REG_3);
	for (i = 0; i + 8 <= packet->header; i += 8) {
		memcpy(&word, packet->bytes + i, 8);
		load_imm64(code, BPF_REG_1, 0, word);
		store(code, BPF_DW, BPF_REG_2, i, BPF_REG_1);
	}
	for (; i + 2 <= packet->header; i += 2) {
		memcpy(&half, packet->bytes + i, 2);
		emit(code, BPF_ST | BPF_MEM | BPF_H, BPF_REG_2, 0, (int16_t)i, half);
	}
	return fail;
}

/* The next flow: an odd multiplier makes the counter a permutation of 0..flows-1. */
static void emit_next_flow(struct code *code, const struct replay_packet *packet, uint32_t flows)
{
	uint32_t source;

	memcpy(&source, packet->bytes + packet->source_offset, 4);
	load(code, BPF_DW, BPF_REG_3, BPF_REG_7, offsetof(struct state, flow));
	move(code, BPF_REG_1, BPF_REG_3);
	alu_imm(code, BPF_ADD, BPF_REG_1, 1);
	store(code, BPF_DW, BPF_REG_7, offsetof(struct state, flow), BPF_REG_1);
	alu32_imm(code, BPF_MUL, BPF_REG_3, (int32_t)0x9E3779B1);
	alu32_imm(code, BPF_AND, BPF_REG_3, (int32_t)(flows - 1));
	emit(code, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_3, 0, 0);
	alu32_imm(code, BPF_RSH, BPF_REG_4, PORT_BITS);
	alu32_imm(code, BPF_ADD, BPF_REG_4, (int32_t)ntohl(source));
	emit(code, BPF_ALU | BPF_END | BPF_TO_BE, BPF_REG_4, 0, 0, 32);
	store(code, BPF_W, BPF_REG_2, packet->source_offset, BPF_REG_4);
	alu32_imm(code, BPF_AND, BPF_REG_3, (1 << PORT_BITS) - 1);
	alu32_imm(code, BPF_ADD, BPF_REG_3, 1 << PORT_BITS);
	emit(code, BPF_ALU | BPF_END | BPF_TO_BE, BPF_REG_3, 0, 0, 16);
	store(code, BPF_H, BPF_REG_2, packet->port_offset, BPF_REG_3);
}

static void generate(struct code *code, const struct replay_case *c, int state_fd, int jump_fd)
{
	int fail[3] = { -1, -1, -1 };
	size_t i;

	code->n = 0;
	move(code, BPF_REG_6, BPF_REG_1);
	load_imm64(code, BPF_REG_7, BPF_PSEUDO_MAP_VALUE, (uint32_t)state_fd);
	emit_clock(code);
	if (c->xdp)
		emit_restore_bounds(code, c->packet->length, fail);
	fail[2] = emit_headers(code, c->packet, c->xdp);
	if (c->flows != 1)
		emit_next_flow(code, c->packet, c->flows ? c->flows : NEW_FLOWS);
	move(code, BPF_REG_1, BPF_REG_6);
	load_imm64(code, BPF_REG_2, BPF_PSEUDO_MAP_FD, (uint32_t)jump_fd);
	alu_imm(code, BPF_MOV, BPF_REG_3, 0);
	call(code, BPF_FUNC_tail_call);
	for (i = 0; i < 3; i++)
		if (fail[i] >= 0)
			land(code, fail[i]);
	load(code, BPF_DW, BPF_REG_1, BPF_REG_7, offsetof(struct state, failed));
	alu_imm(code, BPF_ADD, BPF_REG_1, 1);
	store(code, BPF_DW, BPF_REG_7, offsetof(struct state, failed), BPF_REG_1);
	alu_imm(code, BPF_MOV, BPF_REG_0, 0);
	emit(code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* --- wrappers as objects ------------------------------------------------------------------------------- */

static void wrapper_done(struct wrapper *wrapper)
{
	if (wrapper->state)
		munmap(wrapper->state, (size_t)sysconf(_SC_PAGESIZE));
	if (wrapper->fd > 0)
		close(wrapper->fd);
	if (wrapper->jump_fd > 0)
		close(wrapper->jump_fd);
	if (wrapper->state_fd > 0)
		close(wrapper->state_fd);
	*wrapper = (struct wrapper){ 0 };
}

/* A tail call wants the same expected attach type and frags flag on both sides, and the kernel does not tell the target's: try. */
static int wrapper_link(struct wrapper *wrapper, const struct replay_case *c)
{
	struct code code;
	uint32_t zero = 0;
	int attempt, r = -EINVAL;

	for (attempt = 0; attempt < 4; attempt++) {
		LIBBPF_OPTS(bpf_prog_load_opts, options,
			    .expected_attach_type = c->xdp && !(attempt & 1) ? BPF_XDP : 0,
			    .prog_flags = c->xdp && (attempt & 2) ? BPF_F_XDP_HAS_FRAGS : 0);

		wrapper->jump_fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "replay_jump", 4, 4, 1, NULL);
		if (wrapper->jump_fd < 0)
			return wrapper->jump_fd;
		generate(&code, c, wrapper->state_fd, wrapper->jump_fd);
		wrapper->fd = bpf_prog_load(c->xdp ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS, "replay", "GPL",
					    code.insns, (size_t)code.n, &options);
		if (wrapper->fd < 0)
			return wrapper->fd;
		r = bpf_map_update_elem(wrapper->jump_fd, &zero, &c->program_fd, 0);
		if (!r)
			return 0;
		close(wrapper->fd);
		close(wrapper->jump_fd);
		wrapper->fd = wrapper->jump_fd = 0;
	}
	return r;
}

static int wrapper_init(struct wrapper *wrapper, const struct replay_case *c)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	int r;

	wrapper->state_fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "replay_state", 4, sizeof(struct state), 1, &options);
	if (wrapper->state_fd < 0)
		return wrapper->state_fd;
	wrapper->state = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
			      wrapper->state_fd, 0);
	if (wrapper->state == MAP_FAILED) {
		wrapper->state = NULL;
		return -errno;
	}
	wrapper->state->flow = c->first_flow;
	r = wrapper_link(wrapper, c);
	if (r < 0)
		fprintf(stderr, "replay: the program cannot be wrapped: %s\n", strerror(-r));
	return r;
}

static int wrapper_run(struct wrapper *wrapper, struct replay_case *c, uint32_t repeats, uint32_t ifindex,
		       double *ret_ns)
{
	uint8_t out[REPLAY_PACKET_MAX + 512];
	struct xdp_md context = { .data_end = (uint32_t)c->packet->length, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = c->packet->bytes,
		    .data_size_in = (uint32_t)c->packet->length, .data_out = out, .data_size_out = sizeof(out),
		    .repeat = (int)repeats);
	int r;

	if (ifindex && c->xdp) {
		options.ctx_in = &context;
		options.ctx_size_in = sizeof(context);
	}
	wrapper->state->left = repeats;
	wrapper->state->first = repeats - 1;
	wrapper->state->data = 0;
	r = bpf_prog_test_run_opts(wrapper->fd, &options);
	if (r < 0)
		return r;
	c->verdict = options.retval;
	*ret_ns = repeats > 1 ? (double)(wrapper->state->end_ns - wrapper->state->start_ns) / (repeats - 1) : 0;
	return wrapper->state->failed ? -EPROTO : 0;
}

/* --- measuring ----------------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int warm(struct wrapper *wrapper, struct replay_case *c, const struct replay_settings *settings)
{
	uint32_t left, now;
	double ns;
	int r = 0;

	left = c->flows == REPLAY_NEW ? 1000 : c->flows < 1000 ? 1000 : c->flows;
	for (; left && r >= 0; left -= now) { /* in pieces: one test run must not hold a CPU for long */
		now = left < 65536 ? left : 65536;
		r = wrapper_run(wrapper, c, now, settings->ifindex, &ns);
	}
	return r;
}

int replay_measure(struct replay_case *cases, size_t n, const struct replay_settings *settings)
{
	double(*ns)[REPLAY_ROUNDS_MAX] = calloc(n, sizeof(*ns));
	struct wrapper *wrappers = calloc(n, sizeof(*wrappers));
	int round, r = 0;
	size_t i;

	if (!ns || !wrappers || settings->rounds > REPLAY_ROUNDS_MAX) {
		r = -ENOMEM;
		goto out;
	}
	for (i = 0; i < n && r >= 0; i++) {
		r = wrapper_init(&wrappers[i], &cases[i]);
		if (r >= 0)
			r = warm(&wrappers[i], &cases[i], settings);
	}
	for (round = 0; round < settings->rounds && r >= 0; round++)
		for (i = 0; i < n && r >= 0; i++)
			r = wrapper_run(&wrappers[i], &cases[i], settings->repeats, settings->ifindex,
					&ns[i][round]);
	for (i = 0; i < n && r >= 0; i++) {
		qsort(ns[i], (size_t)settings->rounds, sizeof(double), compare_doubles);
		cases[i].median = ns[i][settings->rounds / 2];
		cases[i].min = ns[i][0];
		cases[i].max = ns[i][settings->rounds - 1];
	}
out:
	for (i = 0; wrappers && i < n; i++)
		wrapper_done(&wrappers[i]);
	free(wrappers);
	free(ns);
	if (r < 0)
		fprintf(stderr, "replay: %s\n", strerror(-r));
	return r < 0 ? r : 0;
}

int replay_trivial_program(bool xdp, int verdict)
{
	struct bpf_insn insns[] = {
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, verdict },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = xdp ? BPF_XDP : 0);

	return bpf_prog_load(xdp ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS, "trivial", "GPL", insns, 2,
			     &options);
}

/* --- packets ------------------------------------------------------------------------------------------- */

static uint16_t checksum(const uint8_t *bytes, size_t n)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void replay_packet_init(struct replay_packet *packet, const uint8_t *destination, bool v6, uint8_t protocol,
			uint16_t port, size_t length)
{
	static const uint8_t client_v4[4] = { 198, 18, 0, 1 };
	static const uint8_t client_v6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x99, [15] = 1 };
	size_t l4 = v6 ? 54 : 34, payload = length - l4;
	uint8_t *b = packet->bytes;

	memset(packet, 0, sizeof(*packet));
	packet->length = length;
	memcpy(b, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	if (v6) {
		put16(b + 12, 0x86dd);
		b[14] = 0x60;
		put16(b + 18, (uint16_t)payload);
		b[20] = protocol;
		b[21] = 64;
		memcpy(b + 22, client_v6, 16);
		memcpy(b + 38, destination, 16);
	} else {
		put16(b + 12, 0x0800);
		b[14] = 0x45;
		put16(b + 16, (uint16_t)(length - 14));
		b[22] = 64;
		b[23] = protocol;
		memcpy(b + 26, client_v4, 4);
		memcpy(b + 30, destination, 4);
		put16(b + 24, checksum(b + 14, 20));
	}
	packet->source_offset = v6 ? 34 : 26;
	packet->port_offset = l4;
	put16(b + l4, 20000);
	put16(b + l4 + 2, port);
	if (protocol == 6) {
		b[l4 + 12] = 0x50;
		b[l4 + 13] = 0x10; /* ACK */
		put16(b + l4 + 14, 0xffff);
		put16(b + l4 + 16, 0x1234); /* any sum: it is updated, never checked, here */
		packet->header = l4 + 20;
	} else {
		put16(b + l4 + 4, (uint16_t)payload);
		put16(b + l4 + 6, 0x1234);
		packet->header = l4 + 8;
	}
}
