// SPDX-License-Identifier: Apache-2.0
/* Attaching, swapping and detaching programs by pinned links, with clsact filters where the kernel has no
 * TCX. */
#include "userspace/datapath/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/array.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/datapath/choose.h"
#include "userspace/datapath/pins.h"

/* Not in the headers of Debian 12's libbpf 1.1; the kernel's numbers (6.6 and later). */
#define ATTACH_TCX_INGRESS ((enum bpf_attach_type)46)
#define ATTACH_TCX_EGRESS  ((enum bpf_attach_type)47)

#define CLSACT_HANDLE	   0x46574159 /* "FWAY": nobody else's by accident */
#define CLSACT_PRIORITY	   46

enum pin_kind { PIN_XDP, PIN_TCX_IN, PIN_TCX_OUT, PIN_CLS_IN, PIN_CLS_OUT, PIN_CLSACT, PIN_KIND_COUNT };

static const char *const pin_names[PIN_KIND_COUNT] = { "xdp", "tcin", "tcout", "clsin", "clsout", "clsact" };

static const char *pin_path(char buffer[static PATH_MAX], const char *links_dir, enum pin_kind kind,
			    uint32_t ifindex)
{
	snprintf(buffer, PATH_MAX, "%s/%s_%u", links_dir, pin_names[kind], ifindex);
	return buffer;
}

static bool pin_parse(const char *name, enum pin_kind *ret_kind, uint32_t *ret_ifindex)
{
	const char *number = strchr(name, '_');
	uint64_t ifindex;

	if (!number || parse_number(number + 1, 1, INT32_MAX, &ifindex) < 0)
		return false;
	for (int kind = 0; kind < PIN_KIND_COUNT; kind++) {
		if (strlen(pin_names[kind]) != (size_t)(number - name) ||
		    strncmp(name, pin_names[kind], number - name) != 0)
			continue;
		*ret_kind = kind;
		*ret_ifindex = ifindex;
		return true;
	}
	return false;
}

/* --- links: XDP and TCX ----------------------------------------------------------------------- */

/* The pinned link if it still holds this interface; one whose interface went away is dropped. -ENOENT: none.
 */
static int link_open(const char *path, uint32_t ifindex, int *ret_fd)
{
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return fd;
	/* xdp.ifindex and the later tcx.ifindex are the same first word of the union; 0 once the interface is
	 * gone. */
	if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.xdp.ifindex == ifindex) {
		*ret_fd = fd;
		return 0;
	}
	close(fd);
	unlink(path);
	return -ENOENT;
}

static int link_swap(const char *path, uint32_t ifindex, int program_fd)
{
	cleanup(closep) int fd = -1;
	int r = link_open(path, ifindex, &fd);

	return r < 0 ? r : bpf_link_update(fd, program_fd, NULL);
}

static int link_create(const char *path, uint32_t ifindex, int program_fd, enum bpf_attach_type type,
		       uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	cleanup(closep) int fd = bpf_link_create(program_fd, ifindex, type, flags ? &opts : NULL);

	return fd < 0 ? fd : bpf_obj_pin(fd, path);
}

static void link_remove(const char *path, uint32_t ifindex)
{
	cleanup(closep) int fd = -1;

	/* Detached explicitly: somebody who still holds the link must not keep it alive. */
	if (link_open(path, ifindex, &fd) == 0)
		bpf_link_detach(fd);
	unlink(path);
}

/* --- clsact filters --------------------------------------------------------------------------- */

/* libbpf refuses a struct whose padding is not zero: no struct initialiser, and no copy. */
static void clsact_hook_init(struct bpf_tc_hook *hook, uint32_t ifindex, enum bpf_tc_attach_point point)
{
	memset(hook, 0, sizeof(*hook));
	hook->sz = sizeof(*hook);
	hook->ifindex = ifindex;
	hook->attach_point = point;
}

static int pin_program(const char *path, int program_fd)
{
	unlink(path);
	return bpf_obj_pin(program_fd, path);
}

int clsact_attach(const char *links_dir, uint32_t ifindex, bool egress, int program_fd)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE);
	struct bpf_tc_hook hook;
	char path[PATH_MAX];
	int r;

	clsact_hook_init(&hook, ifindex, egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	r = bpf_tc_hook_create(&hook);
	if (r == 0)
		r = pin_program(pin_path(path, links_dir, PIN_CLSACT, ifindex), program_fd);
	else if (r == -EEXIST)
		r = 0;
	if (r == 0)
		r = bpf_tc_attach(&hook, &opts);
	if (r == 0)
		r = pin_program(pin_path(path, links_dir, egress ? PIN_CLS_OUT : PIN_CLS_IN, ifindex),
				program_fd);
	return r;
}

static void clsact_remove(const char *links_dir, uint32_t ifindex, bool egress)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook hook;
	char path[PATH_MAX];

	pin_path(path, links_dir, egress ? PIN_CLS_OUT : PIN_CLS_IN, ifindex);
	if (access(path, F_OK) < 0)
		return;
	clsact_hook_init(&hook, ifindex, egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	bpf_tc_detach(&hook, &opts);
	unlink(path);
}

/* The qdisc is removed only if we made it and no filter of others has come to it since. */
static void clsact_remove_qdisc(const char *links_dir, uint32_t ifindex)
{
	struct bpf_tc_hook hook;
	struct netlink *netlink = NULL;
	char path[PATH_MAX];

	pin_path(path, links_dir, PIN_CLSACT, ifindex);
	if (access(path, F_OK) < 0)
		return;
	clsact_hook_init(&hook, ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	if (netlink_open(NULL, NULL, &netlink) == 0 && netlink_count_filters(netlink, ifindex) == 0)
		bpf_tc_hook_destroy(&hook);
	netlink_close(netlink);
	unlink(path);
}

/* --- one interface ---------------------------------------------------------------------------- */

static uint32_t foreign_xdp(const char *links_dir, uint32_t ifindex)
{
	char path[PATH_MAX];
	cleanup(closep) int ours = -1;
	__u32 id = 0;

	if (link_open(pin_path(path, links_dir, PIN_XDP, ifindex), ifindex, &ours) == 0)
		return 0;
	return bpf_xdp_query_id(ifindex, 0, &id) == 0 ? id : 0;
}

static int xdp_attach(const char *links_dir, uint32_t ifindex, int program_fd)
{
	char path[PATH_MAX];
	int r = link_swap(pin_path(path, links_dir, PIN_XDP, ifindex), ifindex, program_fd);

	if (r != -ENOENT)
		return r;
	return link_create(path, ifindex, program_fd, BPF_XDP, XDP_FLAGS_DRV_MODE);
}

static int tc_attach(const char *links_dir, uint32_t ifindex, bool egress, int program_fd)
{
	char path[PATH_MAX], filter[PATH_MAX];
	int r = link_swap(pin_path(path, links_dir, egress ? PIN_TCX_OUT : PIN_TCX_IN, ifindex), ifindex,
			  program_fd);

	if (r != -ENOENT)
		return r;
	pin_path(filter, links_dir, egress ? PIN_CLS_OUT : PIN_CLS_IN, ifindex);
	if (access(filter, F_OK) == 0)
		return clsact_attach(links_dir, ifindex, egress, program_fd);
	r = link_create(path, ifindex, program_fd, egress ? ATTACH_TCX_EGRESS : ATTACH_TCX_INGRESS, 0);
	/* Before 6.6 the kernel does not know the attach type. */
	if (r == -EINVAL || r == -EOPNOTSUPP)
		r = clsact_attach(links_dir, ifindex, egress, program_fd);
	return r;
}

static void tc_remove(const char *links_dir, uint32_t ifindex, bool egress)
{
	char path[PATH_MAX];

	link_remove(pin_path(path, links_dir, egress ? PIN_TCX_OUT : PIN_TCX_IN, ifindex), ifindex);
	clsact_remove(links_dir, ifindex, egress);
}

static void xdp_remove(const char *links_dir, uint32_t ifindex)
{
	char path[PATH_MAX];

	link_remove(pin_path(path, links_dir, PIN_XDP, ifindex), ifindex);
}

/* Egress first: a translated request whose reply would leave untranslated is worse than none. The new hook
 * stands before the other one goes: what XDP has translated is not ours to the TC program, and the reverse.
 */
static int attach_decided(const struct hook_programs *programs, const char *links_dir, uint32_t ifindex,
			  struct hook_facts *facts, struct interface_view *view, bool *ret_refused)
{
	int r = tc_attach(links_dir, ifindex, true, programs->tc_egress);

	if (r < 0) {
		snprintf(view->why, sizeof(view->why), "TC egress cannot be attached: %s", strerror(-r));
		return r;
	}
	if (hook_may_try_xdp(facts))
		facts->native_xdp = xdp_attach(links_dir, ifindex, programs->xdp);
	switch (hook_decide(facts, view->why, sizeof(view->why))) {
	case HOOK_TAKE_XDP:
		tc_remove(links_dir, ifindex, false);
		view->hook = "xdp";
		return 0;
	case HOOK_TAKE_TC:
		r = tc_attach(links_dir, ifindex, false, programs->tc_ingress);
		if (r < 0) {
			snprintf(view->why, sizeof(view->why), "TC ingress cannot be attached: %s",
				 strerror(-r));
			return r;
		}
		xdp_remove(links_dir, ifindex);
		view->hook = "tc";
		return 0;
	case HOOK_TAKE_NONE:
		*ret_refused = true;
		return facts->foreign_xdp ? -EBUSY : facts->native_xdp;
	}
	return -EINVAL;
}

/* A hook of an earlier agent's that is still there: "xdp", "tc", or NULL. */
static const char *standing_hook(const char *links_dir, uint32_t ifindex)
{
	static const struct {
		enum pin_kind kind;
		const char *hook;
	} ingress[] = { { PIN_XDP, "xdp" }, { PIN_TCX_IN, "tc" }, { PIN_CLS_IN, "tc" } };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(ingress); i++)
		if (access(pin_path(path, links_dir, ingress[i].kind, ifindex), F_OK) == 0)
			return ingress[i].hook;
	return NULL;
}

/* A failure while programs are swapped leaves the old ones at work; a decision against the interface does
 * not. */
int hooks_attach(const struct hook_programs *programs, const char *links_dir, enum hook_choice choice,
		 const struct link_info *link, const char *unsendable, struct interface_view *ret)
{
	struct hook_facts facts = { .choice = choice,
				    .foreign_xdp = foreign_xdp(links_dir, link->ifindex),
				    .unsendable = unsendable };
	struct interface_view view = { .ifindex = link->ifindex, .hook = "none" };
	const char *standing = standing_hook(links_dir, link->ifindex);
	bool refused = false;
	int r;

	snprintf(view.name, sizeof(view.name), "%s", link->name);
	r = attach_decided(programs, links_dir, link->ifindex, &facts, &view, &refused);
	view.attached = r == 0;
	if (r < 0 && standing && !refused)
		view.hook = standing;
	else if (r < 0)
		hooks_detach(links_dir, link->ifindex);
	*ret = view;
	return r;
}

void hooks_detach(const char *links_dir, uint32_t ifindex)
{
	/* Ingress first: no new request is taken whose reply would leave untranslated. */
	xdp_remove(links_dir, ifindex);
	tc_remove(links_dir, ifindex, false);
	tc_remove(links_dir, ifindex, true);
	clsact_remove_qdisc(links_dir, ifindex);
}

/* --- all of them ------------------------------------------------------------------------------ */

struct interface_list {
	uint32_t *items;
	size_t n, capacity;
};

static int collect_interface(void *userdata, const char *name, const char *path _unused_)
{
	struct interface_list *list = userdata;
	enum pin_kind kind;
	uint32_t ifindex;

	if (!pin_parse(name, &kind, &ifindex))
		return 0;
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i] == ifindex)
			return 0;
	if (array_reserve(list->items, list->n, list->capacity) < 0)
		return -ENOMEM;
	list->items[list->n++] = ifindex;
	return 0;
}

static int compare_ifindex(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int hooks_each_interface(const char *links_dir, void (*fn)(void *userdata, uint32_t ifindex), void *userdata)
{
	struct interface_list list = { 0 };
	int r = pins_each_entry(links_dir, collect_interface, &list);

	if (list.n)
		qsort(list.items, list.n, sizeof(*list.items), compare_ifindex);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		fn(userdata, list.items[i]);
	free(list.items);
	return r;
}

static void detach_visit(void *userdata, uint32_t ifindex)
{
	hooks_detach(userdata, ifindex);
}

int hooks_detach_all(const char *links_dir)
{
	return hooks_each_interface(links_dir, detach_visit, (void *)links_dir);
}
