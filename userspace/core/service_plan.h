/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of one service beside all others (whose claims the index knows). Used by plan alone. */
#ifndef FAIRWAY_CORE_SERVICE_PLAN_H
#define FAIRWAY_CORE_SERVICE_PLAN_H

#include "userspace/core/plan.h"
#include "userspace/core/plan_index.h"

/* *ret is NULL for a service without a frontend, a health check or a problem. 0 or -ENOMEM. */
int service_plan_new(const struct cluster *, const struct plan_options *, const struct plan_index *,
		     const struct service *, struct service_plan **ret);
void service_plan_free(struct service_plan *);

#endif
