// SPDX-License-Identifier: Apache-2.0
/* lbctl pool ls: ServiceIPPools and what is left in them. */
#include "userspace/base/cleanup.h"
#include "userspace/lbctl/client.h"
#include "userspace/lbctl/live.h"

static const struct column columns[] = {
	{ .title = "NAME", .member = "name" },
	{ .title = "ADDRESSES", .member = "addresses", .kind = CELL_LIST },
	{ .title = "AUTO", .member = "autoAssign", .kind = CELL_YES_NO },
	{ .title = "USED IPv4", .member = "assignedIPv4", .kind = CELL_NUMBER },
	{ .title = "FREE IPv4", .member = "availableIPv4", .kind = CELL_NUMBER },
	{ .title = "USED IPv6", .member = "assignedIPv6", .kind = CELL_NUMBER },
	{ .title = "FREE IPv6", .member = "availableIPv6", .kind = CELL_NUMBER },
	{ .title = "READY", .member = "ready", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "REASON", .member = "reason", .kind = CELL_PROBLEM },
	{ .title = "MESSAGE", .member = "message", .wide = true },
};

int command_pool_ls(int argc, char **argv)
{
	static const struct live_list list = { "/v1/pools", "pools", columns, ARRAY_SIZE(columns) };

	return live_run_list(argc, argv, "Lists ServiceIPPools with the addresses used and free.", &list);
}
