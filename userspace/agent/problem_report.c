// SPDX-License-Identifier: Apache-2.0
/* What is wrong with objects, gathered from all parts of the agent after each round: kept for the control socket, and logged
 * once when it appears and once when it is gone. */
#include "userspace/agent/agent.h"
#include "userspace/agent/problem_log.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"

#define PROBLEMS_LOGGED 20 /* lines of one round; the rest is counted */

struct problem_lines {
	unsigned appeared, vanished;
};

static void log_appeared(void *userdata, const struct problem *problem)
{
	struct problem_lines *lines = userdata;

	if (lines->appeared++ < PROBLEMS_LOGGED)
		log_warn("problem: %s: %s%s%s", problem->object, problem->field, *problem->field ? ": " : "",
			 problem->message);
}

static void log_vanished(void *userdata, const struct problem *problem)
{
	struct problem_lines *lines = userdata;

	if (lines->vanished++ < PROBLEMS_LOGGED)
		log_info("solved: %s: %s%s%s", problem->object, problem->field, *problem->field ? ": " : "",
			 problem->message);
}

/* Where problems come from; the plan's services besides. */
enum { N_PROBLEM_SOURCES = 5 };

static void problem_sources(const struct agent *agent, const struct problems *ret[static N_PROBLEM_SOURCES])
{
	ret[0] = &agent_source_result(agent->source)->problems;
	ret[1] = &agent->plan.problems;
	ret[2] = &agent->steps.problems;
	ret[3] = &agent->routes.problems;
	ret[4] = &agent->frr_problems;
}

/* Thousands of bad objects shall not make every round dear: copying and sorting is for when something changed. */
static uint64_t digest_of_problems(const struct agent *agent)
{
	const struct problems *sources[N_PROBLEM_SOURCES];
	uint64_t digest = 1;
	size_t i;

	problem_sources(agent, sources);
	for (i = 0; i < N_PROBLEM_SOURCES; i++)
		digest = problems_digest(digest + sources[i]->n, sources[i]);
	for (i = 0; i < agent->plan.n_services; i++)
		digest = problems_digest(digest, &agent->plan.services[i]->problems);
	return digest;
}

static int collect_problems(const struct agent *agent, struct problems *all)
{
	const struct problems *sources[N_PROBLEM_SOURCES];
	size_t i;
	int r = 0;

	problem_sources(agent, sources);
	for (i = 0; r >= 0 && i < N_PROBLEM_SOURCES; i++)
		r = problems_add_all(all, sources[i]);
	for (i = 0; r >= 0 && i < agent->plan.n_services; i++)
		r = problems_add_all(all, &agent->plan.services[i]->problems);
	return r;
}

void agent_update_problems(struct agent *agent)
{
	cleanup(problems_done) struct problems all = { 0 };
	struct problem_lines lines = { 0 };
	uint64_t digest = digest_of_problems(agent);

	if (digest == agent->problems_digest || collect_problems(agent, &all) < 0)
		return; /* out of memory: the next round shows them */
	agent->problems_digest = digest;
	problems_sort_unique(&all);
	problems_compare(&agent->problems, &all, log_appeared, log_vanished, &lines);
	if (lines.appeared > PROBLEMS_LOGGED)
		log_warn("%u more problems; lbctl node show lists them", lines.appeared - PROBLEMS_LOGGED);
	if (lines.vanished > PROBLEMS_LOGGED)
		log_info("%u more problems are solved", lines.vanished - PROBLEMS_LOGGED);
	problems_done(&agent->problems);
	agent->problems = all;
	all = (struct problems){ 0 };
}
