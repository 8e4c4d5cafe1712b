// SPDX-License-Identifier: Apache-2.0
/* Loading and renewing credentials: see credentials.h. Files are compared by content: kubelet, cert-manager
 * and people replace them in ways (links, renames, in place) that no time stamp tells reliably, and they are
 * small. */
#include "k8s/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "k8s/api.h"
#include "k8s/kubeconfig.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
#define FILE_MAX	(1024 * 1024)
#define MAX_SERVERS	16

static void credential_done(struct credential *credential)
{
	if (credential->text)
		explicit_bzero(credential->text, credential->length);
	free(credential->text);
	*credential = (struct credential){ 0 };
}

static void servers_done(struct credentials *credentials)
{
	for (size_t i = 0; i < credentials->n_servers; i++)
		free(credentials->servers[i]);
	free(credentials->servers);
	credentials->servers = NULL;
	credentials->n_servers = 0;
}

void credentials_done(struct credentials *credentials)
{
	credential_done(&credentials->ca);
	credential_done(&credentials->certificate);
	credential_done(&credentials->key);
	credential_done(&credentials->token);
	servers_done(credentials);
	free(credentials->kubeconfig);
	free(credentials->directory);
	free(credentials->tls_server_name);
	free(credentials->namespace);
	free(credentials->trouble);
	*credentials = (struct credentials){ 0 };
}

/* --- reading ------------------------------------------------------------------------------------------- */

static int set_credential(struct credential *credential, const char *text, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, length);
	copy[length] = 0;
	credential_done(credential);
	*credential = (struct credential){ .text = copy, .length = length };
	return 0;
}

/* -EFBIG, -EINVAL: it is no file, or empty. */
static int read_file(const char *path, struct credential *ret)
{
	/* O_NONBLOCK: a FIFO must not stop the loop. */
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	size_t length = 0;
	ssize_t n = 1;
	char *text;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || !status.st_size)
		return -EINVAL;
	if (status.st_size > FILE_MAX)
		return -EFBIG;
	text = malloc((size_t)status.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (length < (size_t)status.st_size && n > 0) {
		n = read(fd, text + length, (size_t)status.st_size - length);
		if (n > 0)
			length += (size_t)n;
	}
	text[length] = 0;
	credential_done(ret);
	*ret = (struct credential){ .text = text, .length = length };
	return n < 0 ? -errno : 0;
}

static const char *why(int r)
{
	return r == -EINVAL  ? "empty, or not a regular file"
	       : r == -EFBIG ? "larger than 1 MiB"
			     : strerror(-r);
}

/* A token becomes a header's value: no line break may hide in it. */
static int read_token(const char *path, struct credential *ret)
{
	int r = read_file(path, ret);

	if (r < 0)
		return r;
	while (ret->length && strchr(" \t\r\n", ret->text[ret->length - 1]))
		ret->text[--ret->length] = 0;
	return !ret->length || strlen(ret->text) != ret->length || !text_is_printable_ascii(ret->text)
		       ? -EINVAL
		       : 0;
}

static int material(const struct kubeconfig_material *from, bool is_token, struct credential *ret,
		    struct strbuf *trouble)
{
	int r = 0;

	if (from->file)
		r = is_token ? read_token(from->file, ret) : read_file(from->file, ret);
	else if (from->data)
		r = set_credential(ret, from->data, from->length);
	if (r < 0 && from->file)
		strbuf_appendf(trouble, "%s: %s", from->file, why(r));
	return r;
}

static int set_text(char **where, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	free(*where);
	*where = copy;
	return 0;
}

static int add_server(struct credentials *credentials, const char *url, size_t length, struct strbuf *trouble)
{
	char *copy = strndup(url, length), **grown;

	while (copy && length && copy[length - 1] == '/')
		copy[--length] = 0;
	if (copy && kubeconfig_check_server(copy) < 0) {
		strbuf_appendf(trouble, "not a server's https://HOST[:PORT]: %s", copy);
		free(copy);
		return -EINVAL;
	}
	grown = copy ? realloc(credentials->servers, (credentials->n_servers + 1) * sizeof(*grown)) : NULL;
	if (!grown || credentials->n_servers == MAX_SERVERS) {
		if (grown)
			credentials->servers = grown;
		free(copy);
		return grown ? -E2BIG : -ENOMEM;
	}
	credentials->servers = grown;
	credentials->servers[credentials->n_servers++] = copy;
	return 0;
}

/* --- the two ways -------------------------------------------------------------------------------------- */

static int read_kubeconfig(struct credentials *to, const char *path, struct strbuf *trouble)
{
	cleanup(kubeconfig_done) struct kubeconfig config = { 0 };
	struct credential text = { 0 };
	int r;

	r = read_file(path, &text);
	if (r < 0) {
		strbuf_appendf(trouble, "%s: %s", path, why(r));
		return r;
	}
	r = kubeconfig_parse(text.text, text.length, path, &config, trouble);
	credential_done(&text);
	if (!r)
		r = set_text(&to->tls_server_name, config.tls_server_name);
	if (!r)
		r = set_text(&to->namespace, config.namespace);
	if (!r && !to->servers_given)
		r = add_server(to, config.server, strlen(config.server), trouble);
	if (!r)
		r = material(&config.ca, false, &to->ca, trouble);
	if (!r)
		r = material(&config.certificate, false, &to->certificate, trouble);
	if (!r)
		r = material(&config.key, false, &to->key, trouble);
	return r ? r : material(&config.token, true, &to->token, trouble);
}

static int read_of_directory(const char *directory, const char *name, bool is_token, struct credential *ret,
			     struct strbuf *trouble)
{
	cleanup(strbuf_done) struct strbuf path = { 0 };
	int r;

	strbuf_appendf(&path, "%s/%s", directory, name);
	if (strbuf_failed(&path))
		return -ENOMEM;
	r = is_token ? read_token(strbuf_text(&path), ret) : read_file(strbuf_text(&path), ret);
	if (r < 0)
		strbuf_appendf(trouble, "%s: %s", strbuf_text(&path), why(r));
	return r;
}

static int servers_of_environment(struct credentials *to, struct strbuf *trouble)
{
	const char *list = getenv("FAIRWAY_API_SERVERS"), *host = getenv("KUBERNETES_SERVICE_HOST"),
		   *port = getenv("KUBERNETES_SERVICE_PORT");
	cleanup(strbuf_done) struct strbuf url = { 0 };
	int r = 0;

	while (list && *list && !r) {
		size_t length = strcspn(list, ", ");

		if (length)
			r = add_server(to, list, length, trouble);
		list += length + (list[length] != 0);
	}
	if (r || to->n_servers)
		return r;
	if (!host || !*host) {
		strbuf_append(trouble, "not in a pod (KUBERNETES_SERVICE_HOST is not set): --kubeconfig FILE "
				       "or --manifests DIR "
				       "is needed");
		return -ENOENT;
	}
	strbuf_appendf(&url, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
		       port && *port ? port : "443");
	return strbuf_failed(&url) ? -ENOMEM : add_server(to, url.text, url.length, trouble);
}

static int read_service_account(struct credentials *to, const char *directory, struct strbuf *trouble)
{
	cleanup(strbuf_done) struct strbuf none = { 0 };
	struct credential namespace = { 0 };
	int r;

	if (!to->servers_given) {
		r = servers_of_environment(to, trouble);
		if (r < 0)
			return r;
	}
	r = read_of_directory(directory, "ca.crt", false, &to->ca, trouble);
	if (!r)
		r = read_of_directory(directory, "token", true, &to->token, trouble);
	if (r < 0)
		return r;
	if (read_of_directory(directory, "namespace", true, &namespace, &none) == 0)
		r = set_text(&to->namespace, namespace.text);
	credential_done(&namespace);
	return r;
}

static int read_all(struct credentials *to, const struct credentials *from, struct strbuf *trouble)
{
	to->servers_given = from->servers_given;
	return from->kubeconfig ? read_kubeconfig(to, from->kubeconfig, trouble)
				: read_service_account(to, from->directory, trouble);
}

static const char *trouble_text(const struct strbuf *trouble, int r)
{
	return *strbuf_text(trouble) ? strbuf_text(trouble) : strerror(-r);
}

int credentials_load(struct credentials *credentials, const struct api_options *options)
{
	cleanup(strbuf_done) struct strbuf trouble = { 0 };
	int r = 0;

	*credentials = (struct credentials){ .servers_given = options->n_servers > 0 };
	for (size_t i = 0; i < options->n_servers && !r; i++)
		r = add_server(credentials, options->servers[i], strlen(options->servers[i]), &trouble);
	if (!r && options->kubeconfig)
		r = set_text(&credentials->kubeconfig, options->kubeconfig);
	else if (!r)
		r = set_text(&credentials->directory,
			     options->service_account ? options->service_account : SERVICE_ACCOUNT);
	if (!r)
		r = read_all(credentials, credentials, &trouble);
	if (r < 0)
		log_error("API server: %s", trouble_text(&trouble, r));
	return r;
}

/* --- renewal ------------------------------------------------------------------------------------------- */

static bool differs(const struct credential *a, const struct credential *b)
{
	return a->length != b->length || (a->length && memcmp(a->text, b->text, a->length) != 0);
}

static void adopt(struct credential *to, struct credential *from)
{
	credential_done(to);
	*to = *from;
	*from = (struct credential){ 0 };
}

static void note_trouble(struct credentials *credentials, const char *text)
{
	if (credentials->trouble && text && !strcmp(credentials->trouble, text))
		return;
	if (text)
		log_warn("API server: credentials cannot be read again: %s; the old ones stay in use", text);
	free(credentials->trouble);
	credentials->trouble = text ? strdup(text) : NULL;
}

unsigned credentials_refresh(struct credentials *credentials)
{
	cleanup(credentials_done) struct credentials now = { 0 };
	cleanup(strbuf_done) struct strbuf trouble = { 0 };
	unsigned changed = 0;
	int r;

	r = read_all(&now, credentials, &trouble);
	note_trouble(credentials, r < 0 ? trouble_text(&trouble, r) : NULL);
	if (r < 0)
		return 0;
	if (differs(&now.token, &credentials->token)) {
		adopt(&credentials->token, &now.token);
		changed |= CREDENTIALS_TOKEN;
	}
	if (differs(&now.ca, &credentials->ca) || differs(&now.certificate, &credentials->certificate) ||
	    differs(&now.key, &credentials->key)) {
		adopt(&credentials->ca, &now.ca);
		adopt(&credentials->certificate, &now.certificate);
		adopt(&credentials->key, &now.key);
		changed |= CREDENTIALS_TLS;
	}
	if (changed)
		log_info("API server: %s", !(changed & CREDENTIALS_TLS) ? "the token was renewed"
					   : changed & CREDENTIALS_TOKEN
						   ? "token and certificates were renewed"
						   : "certificates were renewed; new connections use them");
	return changed;
}
