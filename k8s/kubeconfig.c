// SPDX-License-Identifier: Apache-2.0
/* Reading a kubeconfig: see kubeconfig.h. */
#include "k8s/kubeconfig.h"

#include <errno.h>
#include <string.h>

#include "k8s/decode_common.h"
#include "k8s/yaml.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

struct reader {
	const char *path;
	const struct json *root;
	struct kubeconfig *config;
	struct strbuf *why;
};

/* Says what is wrong with a member, and where. */
static int refuse(struct reader *reader, const struct json *parent, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(struct reader *reader, const struct json *parent, const char *name, const char *format, ...)
{
	cleanup(strbuf_done) struct strbuf field = { 0 };
	cleanup(strbuf_done) struct strbuf text = { 0 };
	va_list arguments;

	if (parent)
		json_append_path(&field, reader->root, parent);
	if (name)
		strbuf_appendf(&field, "%s%s", *strbuf_text(&field) ? "." : "", name);
	strbuf_append_escaped(reader->why, reader->path, 300);
	if (*strbuf_text(&field)) {
		strbuf_append(reader->why, ": ");
		strbuf_append_escaped(reader->why, strbuf_text(&field), 200);
	}
	va_start(arguments, format);
	strbuf_vappendf(&text, format, arguments);
	va_end(arguments);
	strbuf_append(reader->why, ": ");
	strbuf_append_escaped(reader->why, strbuf_text(&text), 300);
	return -EINVAL;
}

/* *ret NULL: absent, null or empty. */
static int get_text(struct reader *reader, const struct json *parent, const char *name, const char **ret)
{
	const struct json *value = json_member(parent, name);

	*ret = NULL;
	if (!value || value->type == JSON_NULL)
		return 0;
	if (value->type != JSON_STRING || value->has_nul)
		return refuse(reader, parent, name, "not a text");
	if (strpbrk(value->text, "\r\n"))
		return refuse(reader, parent, name, "holds a line break");
	if (!*value->text)
		return 0;
	*ret = arena_string(&reader->config->arena, value->text);
	return *ret ? 0 : -ENOMEM;
}

/* Relative to the kubeconfig's own directory. */
static int get_file(struct reader *reader, const struct json *parent, const char *name, const char **ret)
{
	const char *slash = strrchr(reader->path, '/'), *file;
	size_t directory = slash ? (size_t)(slash - reader->path) + 1 : 0;
	char *path;
	int r;

	r = get_text(reader, parent, name, &file);
	if (r < 0 || !file || *file == '/' || !directory) {
		*ret = file;
		return r;
	}
	path = arena_alloc(&reader->config->arena, directory + strlen(file) + 1);
	if (!path)
		return -ENOMEM;
	memcpy(path, reader->path, directory);
	memcpy(path + directory, file, strlen(file));
	*ret = path;
	return 0;
}

static int get_material(struct reader *reader, const struct json *parent, const char *file_name,
			const char *data_name, struct kubeconfig_material *ret)
{
	const char *text;
	char *data;
	int r;

	r = get_file(reader, parent, file_name, &ret->file);
	if (!r)
		r = get_text(reader, parent, data_name, &text);
	if (r < 0 || !text)
		return r;
	r = base64_decode(&reader->config->arena, text, &data, &ret->length);
	if (r == -EINVAL)
		return refuse(reader, parent, data_name, "not base64");
	if (r < 0)
		return r;
	ret->data = data;
	ret->file = NULL;
	return 0;
}

/* The entry of that name in clusters, users or contexts, and its body. */
static int find_entry(struct reader *reader, const char *list_name, const char *body_name, const char *name,
		      const struct json **ret)
{
	const struct json *list = json_member(reader->root, list_name), *entry, *body;

	if (list && list->type != JSON_ARRAY && list->type != JSON_NULL)
		return refuse(reader, NULL, list_name, "not a list");
	for (entry = list ? list->child : NULL; entry; entry = entry->next) {
		const struct json *own = json_member(entry, "name");

		if (!own || own->type != JSON_STRING || strcmp(own->text, name) != 0)
			continue;
		body = json_member(entry, body_name);
		if (!body || body->type != JSON_OBJECT)
			return refuse(reader, entry, body_name, "missing, or not a map");
		*ret = body;
		return 0;
	}
	return refuse(reader, NULL, list_name, "none has the name %s", name);
}

static bool is_set(const struct json *parent, const char *name)
{
	const struct json *value = json_member(parent, name);

	return value && value->type != JSON_NULL && !(value->type == JSON_BOOL && !value->boolean) &&
	       !(value->type == JSON_STRING && !*value->text) &&
	       !((value->type == JSON_OBJECT || value->type == JSON_ARRAY) && !value->child);
}

int kubeconfig_check_server(const char *url)
{
	const char *host = url + strlen("https://");

	if (strncmp(url, "https://", strlen("https://")) != 0 || !*host || *host == '/' || *host == ':')
		return -EINVAL;
	if (!text_is_printable_ascii(url) || strpbrk(url, " \"<>\\^`{|}@?#"))
		return -EINVAL;
	return 0;
}

static int read_cluster(struct reader *reader, const struct json *cluster)
{
	struct kubeconfig *config = reader->config;
	int r;

	if (is_set(cluster, "insecure-skip-tls-verify"))
		return refuse(
			reader, cluster, "insecure-skip-tls-verify",
			"refused: the server is always verified (give its CA in certificate-authority)");
	if (is_set(cluster, "proxy-url"))
		return refuse(reader, cluster, "proxy-url", "not supported");
	r = get_text(reader, cluster, "server", &config->server);
	if (!r && !config->server)
		return refuse(reader, cluster, "server", "missing");
	if (!r && kubeconfig_check_server(config->server) < 0)
		return refuse(reader, cluster, "server", "not https://HOST[:PORT]: %s", config->server);
	if (!r)
		r = get_text(reader, cluster, "tls-server-name", &config->tls_server_name);
	if (!r && config->tls_server_name && !text_is_dns_subdomain(config->tls_server_name))
		return refuse(reader, cluster, "tls-server-name", "not a host's name: %s",
			      config->tls_server_name);
	if (!r)
		r = get_material(reader, cluster, "certificate-authority", "certificate-authority-data",
				 &config->ca);
	return r;
}

static int refuse_plugins(struct reader *reader, const struct json *user)
{
	static const char *const impersonation[] = { "as", "as-uid", "as-groups", "as-user-extra" };

	if (is_set(user, "exec"))
		return refuse(reader, user, "exec",
			      "plugins are not run; give a client certificate, a token or a tokenFile");
	if (is_set(user, "auth-provider"))
		return refuse(reader, user, "auth-provider",
			      "not supported; give a client certificate, a token or a tokenFile");
	if (is_set(user, "username") || is_set(user, "password"))
		return refuse(reader, user, is_set(user, "username") ? "username" : "password",
			      "not supported");
	for (size_t i = 0; i < ARRAY_SIZE(impersonation); i++)
		if (is_set(user, impersonation[i]))
			return refuse(reader, user, impersonation[i], "impersonation is not supported");
	return 0;
}

static int read_user(struct reader *reader, const struct json *user)
{
	struct kubeconfig *config = reader->config;
	bool has_certificate, has_key;
	int r;

	r = refuse_plugins(reader, user);
	if (!r)
		r = get_material(reader, user, "client-certificate", "client-certificate-data",
				 &config->certificate);
	if (!r)
		r = get_material(reader, user, "client-key", "client-key-data", &config->key);
	if (!r)
		r = get_file(reader, user, "tokenFile", &config->token.file);
	if (!r)
		r = get_text(reader, user, "token", &config->token.data);
	if (r < 0)
		return r;
	if (config->token.file) /* client-go: the file counts, the text is what it held once */
		config->token.data = NULL;
	config->token.length = config->token.data ? strlen(config->token.data) : 0;
	has_certificate = config->certificate.file || config->certificate.data;
	has_key = config->key.file || config->key.data;
	if (has_certificate != has_key)
		return refuse(reader, user, has_key ? "client-certificate" : "client-key",
			      "missing; certificate and key belong together");
	if (!has_certificate && !config->token.file && !config->token.data)
		return refuse(reader, user, NULL, "neither a client certificate nor a token");
	return 0;
}

static int read_context(struct reader *reader)
{
	const struct json *context, *cluster, *user;
	const char *name, *cluster_name, *user_name;
	int r;

	r = get_text(reader, reader->root, "current-context", &name);
	if (!r && !name)
		return refuse(reader, NULL, "current-context", "missing");
	if (!r)
		r = find_entry(reader, "contexts", "context", name, &context);
	if (!r)
		r = get_text(reader, context, "cluster", &cluster_name);
	if (!r && !cluster_name)
		return refuse(reader, context, "cluster", "missing");
	if (!r)
		r = get_text(reader, context, "user", &user_name);
	if (!r && !user_name)
		return refuse(reader, context, "user", "missing");
	if (!r)
		r = get_text(reader, context, "namespace", &reader->config->namespace);
	if (!r)
		r = find_entry(reader, "clusters", "cluster", cluster_name, &cluster);
	if (!r)
		r = find_entry(reader, "users", "user", user_name, &user);
	if (!r)
		r = read_cluster(reader, cluster);
	if (!r)
		r = read_user(reader, user);
	if (!r && !reader->config->namespace)
		reader->config->namespace = "";
	return r;
}

static int parse(const char *text, size_t length, struct json_document *ret, struct json_error *error)
{
	size_t blanks = 0;

	while (blanks < length && strchr(" \t\r\n", text[blanks]))
		blanks++;
	if (blanks < length && text[blanks] == '{' && json_parse(text, length, ret, error) == 0)
		return 0;
	return yaml_parse(text, length, ret, error);
}

int kubeconfig_parse(const char *text, size_t length, const char *path, struct kubeconfig *ret,
		     struct strbuf *why)
{
	cleanup(json_document_done) struct json_document document = { 0 };
	cleanup(kubeconfig_done) struct kubeconfig config = { 0 };
	struct reader reader = { .path = path, .config = &config, .why = why };
	struct json_error error;
	int r;

	r = parse(text, length, &document, &error);
	if (r == -EINVAL)
		return refuse(&reader, NULL, NULL, "line %u: %s", error.line, error.message);
	if (r < 0)
		return r;
	if (!document.first || document.first->type != JSON_OBJECT || document.first->next)
		return refuse(&reader, NULL, NULL, "not a kubeconfig: one map is expected");
	reader.root = document.first;
	r = read_context(&reader);
	if (r < 0)
		return r;
	*ret = config;
	config = (struct kubeconfig){ 0 };
	return 0;
}

static void wipe(struct kubeconfig_material *material)
{
	/* The arena is ours, so casting the const away is ours to do. */
	if (material->data)
		explicit_bzero((char *)(uintptr_t)material->data, material->length);
}

void kubeconfig_done(struct kubeconfig *config)
{
	if (!config)
		return;
	wipe(&config->key);
	wipe(&config->token);
	arena_done(&config->arena);
	*config = (struct kubeconfig){ 0 };
}
