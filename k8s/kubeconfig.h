/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig's text -> the server and the credentials of its current context (PURE; files that it names are
 * the caller's to read).
 *
 * Understood are certificate-authority(-data), tls-server-name, client-certificate(-data), client-key(-data),
 * token and tokenFile. Refused, because a daemon can or should not do them: exec and auth-provider plugins,
 * user names with passwords, impersonation, proxies, insecure-skip-tls-verify, and servers without https. */
#ifndef FAIRWAY_K8S_KUBECONFIG_H
#define FAIRWAY_K8S_KUBECONFIG_H

#include "userspace/base/arena.h"
#include "userspace/base/strbuf.h"

struct kubeconfig_material { /* file: its path, already relative to nothing but the root or the working
			      * directory; else data (decoded); both NULL: absent. Where both stand, data
			      * counts, as in kubectl */
	const char *file;
	const char *data;
	size_t length;
};

struct kubeconfig {
	struct arena arena; /* owns all texts */
	const char *server;
	const char *tls_server_name; /* NULL: the server's own name */
	const char *namespace;	     /* "" if none */
	struct kubeconfig_material ca, certificate, key, token;
};

/* `path` is the file's name, for messages and as the base of relative paths. 0, -ENOMEM, or -EINVAL with one
 * line in *ret_why: "admin.conf: users[1].user.exec: …". *ret is untouched on failure. */
int kubeconfig_parse(const char *text, size_t length, const char *path, struct kubeconfig *ret,
		     struct strbuf *ret_why);
void kubeconfig_done(struct kubeconfig *); /* wipes keys and tokens */

/* "https://HOST[:PORT][/PATH]" as a server: 0, or -EINVAL. */
int kubeconfig_check_server(const char *url);

#endif
