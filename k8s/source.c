// SPDX-License-Identifier: Apache-2.0
/* What a source told, given back: see source.h. */
#include "k8s/source.h"

#include <stdlib.h>

void source_result_done(struct source_result *result)
{
	if (!result)
		return;
	problems_done(&result->problems);
	for (size_t i = 0; i < result->n_notices; i++)
		free(result->notices[i]);
	free(result->notices);
	*result = (struct source_result){ 0 };
}
