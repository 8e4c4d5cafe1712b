/* SPDX-License-Identifier: Apache-2.0 */
/* Flows for people (EDGE): slots with the addresses that their handles stand for. */
#ifndef FAIRWAY_DATAPATH_FLOW_VIEW_H
#define FAIRWAY_DATAPATH_FLOW_VIEW_H

#include "userspace/datapath/datapath.h"
#include "userspace/datapath/tables.h"

int flow_views_each(const struct tables *, const struct flow_filter *, flow_view_fn *, void *userdata);

#endif
