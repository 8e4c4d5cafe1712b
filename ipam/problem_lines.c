// SPDX-License-Identifier: Apache-2.0
/* Saying a problem once: see problem_lines.h. */
#include "ipam/problem_lines.h"

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"

#define PROBLEMS_LOGGED 100 /* lines at once; the rest is counted */

static void log_appeared(void *userdata, const struct problem *problem)
{
	size_t *n = userdata;

	if ((*n)++ < PROBLEMS_LOGGED)
		log_warn("%s: %s%s%s", problem->object, problem->field, *problem->field ? ": " : "",
			 problem->message);
}

static void ignore_vanished(void *userdata _unused_, const struct problem *problem _unused_)
{
}

void problem_lines_say(struct problem_lines *lines, const struct problems *problems)
{
	cleanup(problems_done) struct problems now = { 0 };
	size_t n = 0;

	if (problems_equal(&lines->said, problems) || problems_add_all(&now, problems) < 0)
		return; /* out of memory: the next round says them */
	problems_compare(&lines->said, &now, log_appeared, ignore_vanished, &n);
	if (n > PROBLEMS_LOGGED)
		log_warn("%zu more problems; lbctl node show lists them", n - PROBLEMS_LOGGED);
	problem_lines_done(lines);
	lines->said = now;
	now = (struct problems){ 0 };
}

void problem_lines_done(struct problem_lines *lines)
{
	problems_done(&lines->said);
}
