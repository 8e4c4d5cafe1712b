// SPDX-License-Identifier: Apache-2.0
/* Words for troubles: see source_trouble.h. */
#include "k8s/source_trouble.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/strbuf.h"

bool source_trouble_is_given_up(const struct source_trouble *trouble)
{
	return trouble->dispensable && !trouble->complete &&
	       (trouble->trouble == REFLECTOR_NOT_INSTALLED || trouble->trouble == REFLECTOR_FORBIDDEN);
}

static const char *resource_of(const struct source_trouble *trouble)
{
	return strrchr(trouble->path, '/') + 1;
}

/* What holds meanwhile. */
static void append_stays(struct strbuf *out, const struct source_trouble *trouble)
{
	strbuf_append(out, "; ");
	if (source_trouble_is_given_up(trouble))
		strbuf_append(out, "all else goes on without");
	else if (!trouble->delivered)
		strbuf_append(out, "nothing is decided until it is");
	else if (trouble->complete)
		strbuf_append(out, "the last good objects stay in force");
	else if (trouble->path) /* it was given up before, or wanted later */
		strbuf_appendf(out, "none of the %s is in force until they are listed", resource_of(trouble));
	else
		strbuf_appendf(out, "the Secret %s is not in force until it is read", trouble->secret);
	strbuf_append(out, ", tried again");
}

static int add_not_installed(struct problems *problems, const struct source_trouble *trouble,
			     const char *stays)
{
	cleanup(strbuf_done) struct strbuf object = { 0 };

	if (!trouble->crd)
		return problems_add(problems, "API server", "", "does not know %s (HTTP 404)%s",
				    trouble->path ? trouble->path : "Secrets", stays);
	strbuf_appendf(&object, "CustomResourceDefinition/%s", trouble->crd);
	if (strbuf_failed(&object))
		return -ENOMEM;
	return problems_add(problems, strbuf_text(&object), "",
			    "not installed (apply the CRDs of this version)%s", stays);
}

static int add_forbidden(struct problems *problems, const struct source_trouble *trouble, const char *stays)
{
	if (!trouble->path)
		return problems_add(
			problems, "API server", "",
			"our role does not let us list and watch the Secret %s in %s (HTTP 403)%s",
			trouble->secret, trouble->namespace, stays);
	return problems_add(problems, "API server", "",
			    "our role does not let us list and watch %s (HTTP 403; apply the Roles of this "
			    "version)%s",
			    resource_of(trouble), stays);
}

static int add_words(struct problems *problems, const struct source_trouble *trouble, const char *stays)
{
	switch (trouble->trouble) {
	case REFLECTOR_FINE:
	case REFLECTOR_UNREACHABLE: /* the API client tells */
		return 0;
	case REFLECTOR_NOT_INSTALLED:
		return add_not_installed(problems, trouble, stays);
	case REFLECTOR_FORBIDDEN:
		return add_forbidden(problems, trouble, stays);
	case REFLECTOR_UNAUTHORIZED:
		return problems_add(problems, "API server", "",
				    "does not accept our credentials (HTTP 401)%s", stays);
	case REFLECTOR_BUSY:
		return problems_add(problems, "API server", "", "is too busy to answer (HTTP 429)%s", stays);
	case REFLECTOR_SERVER_ERROR:
		return problems_add(problems, "API server", "", "fails (HTTP %d)%s", trouble->status, stays);
	case REFLECTOR_GARBAGE:
		return problems_add(problems, "API server", "",
				    "something answers with what is no answer of an API server%s", stays);
	case REFLECTOR_REFUSED:
		return problems_add(problems, "API server", "", "refuses what we ask (HTTP %d)%s",
				    trouble->status, stays);
	case REFLECTOR_NO_MEMORY:
		return problems_add(problems, "API server", "", "what it sends does not fit into memory%s",
				    stays);
	}
	return 0;
}

int source_trouble_add(struct problems *problems, const struct source_trouble *trouble)
{
	cleanup(strbuf_done) struct strbuf stays = { 0 };

	append_stays(&stays, trouble);
	return strbuf_failed(&stays) ? -ENOMEM : add_words(problems, trouble, strbuf_text(&stays));
}
