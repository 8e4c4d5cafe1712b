// SPDX-License-Identifier: Apache-2.0
/* See small_world.h. */
#include "tests/datapath/small_world.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/datapath/sandbox.h"
#include "userspace/base/cleanup.h"

DEFINE_CLEANUP(struct applied *, applied_free);

const char *const up_globs[1] = { "up*" };

struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

struct datapath_options options_for(const char *const *interfaces, size_t n)
{
	return (struct datapath_options){
		.pin_dir = SANDBOX_PINS,
		.interfaces = interfaces,
		.n_interfaces = n,
		.snat_v4 = addr_of("10.0.0.1"),
		.snat_v6 = addr_of("fd00::1"),
		.max_flows = 1024,
		.max_frontends = 64,
		.max_backends = 128,
		.max_table_slots = 4 * SLOTS,
	};
}

struct applied_backend backend_of(uint32_t id, const char *addr, bool local)
{
	return (struct applied_backend){ .addr = addr_of(addr),
					 .port = 8080,
					 .protocol = L4_TCP,
					 .id = id,
					 .generation = 1,
					 .state = BACKEND_ACTIVE,
					 .local = local };
}

struct applied_frontend frontend_of(uint32_t id, const char *addr)
{
	return (struct applied_frontend){ .addr = addr_of(addr),
					  .port = 80,
					  .protocol = L4_TCP,
					  .id = id,
					  .generation = 1,
					  .verdict = VERDICT_FORWARD,
					  .type = FRONTEND_LOAD_BALANCER,
					  .policy = POLICY_CLUSTER,
					  .table_offset = SLOTS,
					  .table_size = SLOTS,
					  .digest = 0x1234567890abcdefull };
}

uint32_t table_ids[SLOTS];

struct step backend_step(struct applied_backend backend)
{
	return (struct step){ .kind = STEP_BACKEND_SET, .phase = STEP_MAKE, .backend = backend };
}

struct step frontend_step(struct applied_frontend frontend)
{
	return (struct step){ .kind = STEP_FRONTEND_SET, .phase = STEP_MAKE, .frontend = frontend };
}

void execute(struct datapath *datapath, enum step_phase phase, struct step *items, size_t n)
{
	const struct steps steps = { .items = items, .n = n };
	bool done[16] = { 0 };

	assert_int_equal(datapath_execute(datapath, &steps, phase, done), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(done[i], items[i].phase == phase);
}

void make_world(struct datapath *datapath)
{
	struct prefix range;
	struct applied_frontend v4 = frontend_of(VIP_ID, "192.0.2.10"),
				v6 = frontend_of(VIP_ID + 1, "2001:db8::a");
	struct step steps[] = {
		backend_step(backend_of(0, "10.244.1.5", true)),
		backend_step(backend_of(7, "fd00:244::5", true)),
		{ .kind = STEP_TABLE_WRITE,
		  .table_offset = SLOTS,
		  .table_size = SLOTS,
		  .table_ids = table_ids },
		{ .kind = STEP_FRONTEND_SET },
		{ .kind = STEP_FRONTEND_SET },
	};

	assert_int_equal(prefix_parse("198.51.100.0/24", &range), 0);
	v4.source_ranges = &range;
	v4.n_source_ranges = 1;
	v4.affinity_sec = 30;
	v4.ready_elsewhere = true;
	steps[3].frontend = v4;
	steps[4].frontend = v6;
	for (uint32_t i = 0; i < SLOTS; i++)
		table_ids[i] = i % 2 ? 7 : 0;
	execute(datapath, STEP_MAKE, steps, ARRAY_SIZE(steps));
}

void check_world(struct datapath *datapath)
{
	const struct diff_limits limits = datapath_limits(datapath);
	cleanup(applied_freep) struct applied *applied = applied_new(&limits);
	const struct applied_frontend *frontend, expected = frontend_of(VIP_ID, "192.0.2.10");
	const struct applied_backend *backend;
	char text[PREFIX_TEXT_MAX];
	size_t n;

	assert_int_equal(datapath_read_applied(datapath, applied), 0);
	backend = applied_backends(applied, &n);
	assert_int_equal(n, 2);
	assert_int_equal(backend[0].id, 0);
	assert_true(addr_equal(&backend[0].addr, &(struct addr){ ADDR_IPV4, { 10, 244, 1, 5 } }));
	assert_true(backend[0].local);
	assert_int_equal(backend[1].id, 7);
	assert_int_equal(backend[1].addr.family, ADDR_IPV6);
	frontend = applied_frontends(applied, &n);
	assert_int_equal(n, 2);
	assert_int_equal(frontend->id, VIP_ID);
	assert_true(addr_equal(&frontend->addr, &expected.addr));
	assert_int_equal(frontend->port, 80);
	assert_int_equal(frontend->protocol, L4_TCP);
	assert_int_equal(frontend->generation, 1);
	assert_int_equal(frontend->verdict, VERDICT_FORWARD);
	assert_true(frontend->ready_elsewhere);
	assert_false(frontend[1].ready_elsewhere);
	assert_int_equal(frontend->type, FRONTEND_LOAD_BALANCER);
	assert_int_equal(frontend->table_offset, SLOTS);
	assert_int_equal(frontend->table_size, SLOTS);
	assert_int_equal(frontend->digest, expected.digest);
	assert_int_equal(frontend->affinity_sec, 30);
	assert_int_equal(frontend->n_source_ranges, 1);
	assert_string_equal(prefix_format(frontend->source_ranges, text), "198.51.100.0/24");
	assert_int_equal(frontend[1].n_source_ranges, 0);
}

static struct datapath *current; /* closed by the teardown where a test failed half-way */

struct datapath *open_with(sd_event *event, const struct datapath_options *options)
{
	assert_int_equal(datapath_open(event, options, &current), 0);
	return current;
}

void close_current(void)
{
	datapath_close(current);
	current = NULL;
}

int small_world_begin(void **state)
{
	sd_event *event;

	shell("ip link add up0 type veth peer name down0 && ip link set up0 up && ip link set down0 up");
	assert_true(sd_event_new(&event) >= 0);
	*state = event;
	return 0;
}

int small_world_end(void **state)
{
	close_current();
	sd_event_unref(*state);
	datapath_cleanup(SANDBOX_PINS);
	shell("ip link del up0 2>/dev/null; ip link del up1 2>/dev/null; ip -4 route flush table main; true");
	return 0;
}

/* Turns the loop until the condition holds; a machine that is slow only takes longer. */
void loop_until(sd_event *event, bool (*holds)(void *userdata), void *userdata, const char *what)
{
	for (int turn = 0; turn < 1000; turn++) {
		if (holds(userdata))
			return;
		assert_true(sd_event_run(event, 20000) >= 0);
	}
	fail_msg("%s: not within 1000 turns of the loop", what);
}

uint32_t xdp_id(const char *name)
{
	__u32 id = 0;

	bpf_xdp_query_id(if_nametoindex(name), XDP_FLAGS_DRV_MODE, &id);
	return id;
}

struct bpf_link_info link_info(const char *name, const char *interface)
{
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);
	char path[256];
	int fd;

	snprintf(path, sizeof(path), LINKS "/%s_%u", name, if_nametoindex(interface));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return info;
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	return info;
}

struct interface_view only_interface(struct datapath *datapath)
{
	const struct interface_view *views;

	assert_int_equal(datapath_interfaces(datapath, &views), 1);
	return views[0];
}
