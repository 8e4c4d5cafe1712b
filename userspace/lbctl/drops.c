// SPDX-License-Identifier: Apache-2.0
/* lbctl drops: packets that the data path refused, by reason. */
#include "userspace/base/cleanup.h"
#include "userspace/lbctl/client.h"
#include "userspace/lbctl/live.h"

static const struct column columns[] = {
	{ .title = "REASON", .member = "reason" },
	{ .title = "PACKETS", .member = "packets", .kind = CELL_COUNT },
	{ .title = "MEANING", .member = "text" },
};

int command_drops(int argc, char **argv)
{
	static const struct live_list list = { "/v1/drops", "drops", columns, ARRAY_SIZE(columns) };

	return live_run_list(argc, argv, "Lists packets that the data path refused, by reason.", &list);
}
