/* SPDX-License-Identifier: Apache-2.0 */
/* Who we are and whom we trust, from a kubeconfig or from the pod's service account, and again whenever their
 * files change (EDGE: files and the environment). */
#ifndef FAIRWAY_K8S_CREDENTIALS_H
#define FAIRWAY_K8S_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

struct api_options;

struct credential { /* a file's content, or what stood in the kubeconfig; text NULL: none */
	char *text;
	size_t length;
};

struct credentials {
	char *kubeconfig, *directory; /* one of them */
	char **servers;		      /* URLs without a slash at the end */
	size_t n_servers;
	bool servers_given; /* by the options: a kubeconfig that changes does not change them */
	char *tls_server_name, *namespace;
	struct credential ca, certificate, key, token;
	char *trouble; /* why the last refresh failed, already logged; NULL: it did not */
};

/* 0 or -errno after it has logged why not. credentials_done() either way. */
int credentials_load(struct credentials *, const struct api_options *);
void credentials_done(struct credentials *); /* wipes what is secret */

enum { CREDENTIALS_TOKEN = 1, CREDENTIALS_TLS = 2 };
/* Reads everything again. Returns what changed; what cannot be read stays as it was. Both are logged, the
 * latter once. */
unsigned credentials_refresh(struct credentials *);

#endif
