// SPDX-License-Identifier: Apache-2.0
/* The API as a source: see cluster_source.h. */
#include "k8s/cluster_source.h"

#include <errno.h>

#include "userspace/base/attributes.h"

int cluster_source_new(struct sd_event *event _unused_, struct api *api _unused_,
		       const struct cluster_source_options *options _unused_, struct store *store _unused_,
		       source_change_fn *on_change _unused_, void *userdata _unused_,
		       struct cluster_source **ret _unused_)
{
	return -ENOSYS;
}

const struct source_result *cluster_source_result(const struct cluster_source *source _unused_)
{
	static const struct source_result none;

	return &none;
}

void cluster_source_free(struct cluster_source *source _unused_)
{
}

struct cluster_source_state cluster_source_state(const struct cluster_source *source _unused_)
{
	return (struct cluster_source_state){ 0 };
}
