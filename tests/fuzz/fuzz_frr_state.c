// SPDX-License-Identifier: Apache-2.0
/* What FRR says, as bytes of anybody's choice: configuration and JSON are read, and what came of the configuration is compared
 * with nothing and with itself. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/frr_diff.h"
#include "bgp/frr_state.h"
#include "userspace/base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(frr_config_done) struct frr_config config = { 0 };
	cleanup(frr_sessions_done) struct frr_sessions sessions = { 0 };
	cleanup(frr_commands_done) struct frr_commands away = { 0 }, same = { 0 };
	cleanup(freep) struct prefix *sent = NULL;
	cleanup(freep) char *text = strndup((const char *)data, size);
	const struct frr_config nothing = { 0 };
	size_t n_sent = 0;

	if (!text || frr_state_parse_config(text, &config) < 0)
		return 0;
	assert(frr_diff_bgpd(&config, &nothing, &away) == 0);
	frr_state_parse_advertised(text, &sent, &n_sent);
	assert(frr_diff_bfdd(&config, &config, true, &same) == 0);
	if (frr_state_parse_summary(text, &sessions) < 0)
		return 0;
	frr_state_parse_neighbors(text, &sessions);
	frr_state_parse_bfd(text, &sessions);
	return 0;
}
