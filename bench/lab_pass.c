// SPDX-License-Identifier: Apache-2.0
/* Puts the programs of pass.bpf.c onto an interface by the data path's own code, so onto the very hooks that
 * the agent would choose there. The links are pinned and stay; which hook it is, is printed. usage: lab_pass
 * OBJECT LINKS_DIR INTERFACE
 *
 * Run inside the node's network namespace by bench/lab_cost. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "userspace/base/cleanup.h"
#include "userspace/datapath/attach.h"

DEFINE_CLEANUP(struct bpf_object *, bpf_object__close);

static int program_fd(const struct bpf_object *object, const char *name)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	return program ? bpf_program__fd(program) : -ENOENT;
}

int main(int argc, char **argv)
{
	cleanup(bpf_object__closep) struct bpf_object *object = NULL;
	struct interface_view view = { 0 };
	struct link_info link = { 0 };
	struct hook_programs programs;
	int r;

	if (argc != 4) {
		fputs("usage: lab_pass OBJECT LINKS_DIR INTERFACE\n", stderr);
		return 2;
	}
	link.ifindex = if_nametoindex(argv[3]);
	if (!link.ifindex) {
		fprintf(stderr, "lab_pass: %s: %s\n", argv[3], strerror(errno));
		return 1;
	}
	snprintf(link.name, sizeof(link.name), "%s", argv[3]);
	object = bpf_object__open_file(argv[1], NULL);
	r = object ? bpf_object__load(object) : -errno;
	if (r < 0) {
		fprintf(stderr, "lab_pass: %s: %s\n", argv[1], strerror(-r));
		return 1;
	}
	programs.xdp = program_fd(object, "bench_pass_xdp");
	programs.tc_ingress = programs.tc_egress = program_fd(object, "bench_pass_tc");
	r = hooks_attach(&programs, argv[2], HOOK_AUTO, &link, NULL, &view);
	if (r < 0) {
		fprintf(stderr, "lab_pass: %s: %s\n", argv[3], strerror(-r));
		return 1;
	}
	puts(view.hook);
	return 0;
}
