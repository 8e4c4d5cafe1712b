// SPDX-License-Identifier: Apache-2.0
/* The API client: see api.h. */
#include "k8s/api.h"

#include <errno.h>

#include "userspace/base/attributes.h"

int api_new(struct sd_event *event _unused_, const struct api_options *options _unused_, struct api **ret _unused_)
{
	return -ENOSYS;
}

void api_free(struct api *api _unused_)
{
}

struct api_state api_state(const struct api *api _unused_)
{
	return (struct api_state){ 0 };
}

const char *api_namespace(const struct api *api _unused_)
{
	return "";
}

int api_send(struct api *api _unused_, const struct api_call *call _unused_, api_reply_fn *done _unused_,
	     void *userdata _unused_, struct api_request **ret _unused_)
{
	return -ENOSYS;
}

void api_cancel(struct api_request *request _unused_)
{
}

int api_stream_open(struct api *api _unused_, const struct api_stream *stream _unused_,
		    const struct api_stream_fns *fns _unused_, void *userdata _unused_,
		    struct api_request **ret _unused_)
{
	return -ENOSYS;
}
