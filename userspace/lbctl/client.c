// SPDX-License-Identifier: Apache-2.0
/* HTTP over the agent's Unix socket with libcurl, and what the live commands share: see client.h. */
#include "userspace/lbctl/client.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/lbctl/lbctl.h"

#define DEFAULT_RUN_DIR	   "/run/fairway"
#define CONNECT_LIMIT_MSEC 3000L
#define ANSWER_LIMIT_MSEC  20000L

enum { KEY_SOCKET = 0x200, KEY_RUN_DIR };

DEFINE_CLEANUP(CURL *, curl_easy_cleanup);
DEFINE_CLEANUP(char *, curl_free);

static const struct argp_option options[] = {
	{ "socket", KEY_SOCKET, "PATH", 0, "the agent's socket (default: agent.sock in the run directory)",
	  0 },
	{ "run-dir", KEY_RUN_DIR, "DIR", 0, "the agent's run directory (default " DEFAULT_RUN_DIR ")", 0 },
	{ "output", 'o', "FORMAT", 0, "text (default), wide, json or yaml", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct live *live = state->input;

	switch (key) {
	case KEY_SOCKET:
		live->socket = argument;
		return 0;
	case KEY_RUN_DIR:
		live->run_dir = argument;
		return 0;
	case 'o':
		if (output_kind_parse(argument, &live->output) < 0)
			argp_error(state, "unknown output format: %s (text, wide, json or yaml)", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp live_argp = { .options = options, .parser = parse };

static size_t receive(char *bytes, size_t size, size_t n, void *userdata)
{
	struct strbuf *body = userdata;

	if (body->length + size * n > JSON_MAX_BYTES)
		return 0;
	strbuf_append_bytes(body, bytes, size * n);
	return strbuf_failed(body) ? 0 : size * n;
}

static int append_query(CURL *curl, struct strbuf *url, const struct query *queries, size_t n)
{
	const char *separator = "?";
	size_t i;

	for (i = 0; i < n; i++) {
		cleanup(curl_freep) char *escaped = NULL;

		if (!queries[i].value)
			continue;
		escaped = curl_easy_escape(curl, queries[i].value, 0);
		if (!escaped)
			return -ENOMEM;
		strbuf_appendf(url, "%s%s=%s", separator, queries[i].name, escaped);
		separator = "&";
	}
	return strbuf_failed(url) ? -ENOMEM : 0;
}

/* The agent's own words, where it gave any. */
static void say_refusal(const struct live *live, long status)
{
	const struct json *error = json_member(live->document.first, "error");

	if (error && error->text)
		fprintf(stderr, "lbctl: %s\n", error->text);
	else
		fprintf(stderr, "lbctl: the agent answered with HTTP status %ld\n", status);
}

static int parse_answer(struct live *live, const char *socket)
{
	struct json_error error;
	int r;

	r = json_parse(strbuf_text(&live->body), live->body.length, &live->document, &error);
	if (!r)
		return LBCTL_FINE;
	fprintf(stderr, "lbctl: the answer of %s is not understood: %s\n", socket,
		r == -EINVAL ? error.message : strerror(-r));
	return LBCTL_NO_AGENT;
}

int live_get(struct live *live, const char *path, const struct query *queries, size_t n_queries)
{
	cleanup(curl_easy_cleanupp) CURL *curl = curl_easy_init();
	cleanup(strbuf_done) struct strbuf url = { 0 };
	char default_socket[PATH_MAX], reason[CURL_ERROR_SIZE] = "";
	const char *socket = live->socket;
	long status = 0, os_error = 0;
	CURLcode result;
	int code;

	if (!socket) {
		snprintf(default_socket, sizeof(default_socket), "%s/agent.sock",
			 live->run_dir ? live->run_dir : DEFAULT_RUN_DIR);
		socket = default_socket;
	}
	strbuf_appendf(&url, "http://agent%s", path);
	if (!curl || append_query(curl, &url, queries, n_queries) < 0) {
		fprintf(stderr, "lbctl: out of memory\n");
		return LBCTL_NOT_FINE;
	}
	curl_easy_setopt(curl, CURLOPT_URL, strbuf_text(&url));
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_LIMIT_MSEC);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ANSWER_LIMIT_MSEC);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &live->body);
	result = curl_easy_perform(curl);
	if (result != CURLE_OK) {
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
		fprintf(stderr, "lbctl: no agent answers at %s: %s\n", socket,
			os_error ? strerror((int)os_error) : *reason ? reason : curl_easy_strerror(result));
		return LBCTL_NO_AGENT;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	code = parse_answer(live, socket);
	if (code != LBCTL_FINE)
		return code;
	if (status == 200)
		return LBCTL_FINE;
	say_refusal(live, status);
	return status == 400 ? LBCTL_USAGE
			     : LBCTL_NOT_FINE; /* 400: a value that only the agent could judge */
}

void live_done(struct live *live)
{
	strbuf_done(&live->body);
	json_document_done(&live->document);
}

bool live_print_raw(const struct live *live)
{
	cleanup(strbuf_done) struct strbuf yaml = { 0 };

	switch (live->output) {
	case OUTPUT_AS_TEXT:
	case OUTPUT_AS_WIDE:
		return false;
	case OUTPUT_AS_JSON:
		fputs(strbuf_text(&live->body), stdout);
		return true;
	case OUTPUT_AS_YAML:
		render_yaml(live->document.first, &yaml);
		fputs(strbuf_text(&yaml), stdout);
		return true;
	}
	return false;
}

int live_print_list(const struct live *live, const char *list, const struct column *columns, size_t n_columns)
{
	int r;

	if (live_print_raw(live))
		return LBCTL_FINE;
	r = output_table(json_member(live->document.first, list), columns, n_columns,
			 live->output == OUTPUT_AS_WIDE);
	if (r < 0) {
		fprintf(stderr, "lbctl: cannot print: %s\n", strerror(-r));
		return LBCTL_NOT_FINE;
	}
	return LBCTL_FINE;
}

static error_t parse_list(int key, char *argument _unused_, struct argp_state *state)
{
	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = state->input;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int live_run_list(int argc, char **argv, const char *doc, const struct live_list *list)
{
	const struct argp_child children[] = { { &live_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = { .parser = parse_list, .doc = doc, .children = children };
	cleanup(live_done) struct live live = { 0 };
	int code;

	argp_parse(&argp, argc, argv, 0, NULL, &live);
	code = live_get(&live, list->path, NULL, 0);
	return code == LBCTL_FINE ? live_print_list(&live, list->list, list->columns, list->n_columns) : code;
}
