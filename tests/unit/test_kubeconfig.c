// SPDX-License-Identifier: Apache-2.0
/* k8s/kubeconfig: what is understood, and that each thing that is refused names its file and field. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "k8s/kubeconfig.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define TWO_CLUSTERS(cluster, user)                                                                          \
	"apiVersion: v1\nkind: Config\ncurrent-context: b\n"                                                 \
	"contexts:\n- name: a\n  context: {cluster: one, user: u}\n"                                         \
	"- name: b\n  context: {cluster: two, user: v, namespace: fairway-system}\n"                         \
	"clusters:\n- name: one\n  cluster: {server: 'https://10.0.0.1:6443'}\n"                             \
	"- name: two\n  cluster: {" cluster "}\n"                                                            \
	"users:\n- name: u\n  user: {token: other}\n- name: v\n  user: {" user "}\n"
#define SERVER "server: 'https://10.0.0.2:6443'"

static int parse(const char *text, struct kubeconfig *ret, struct strbuf *why)
{
	return kubeconfig_parse(text, strlen(text), "/etc/kubernetes/admin.conf", ret, why);
}

static void test_certificates(void **state _unused_)
{
	cleanup(kubeconfig_done) struct kubeconfig config = { 0 };
	cleanup(strbuf_done) struct strbuf why = { 0 };

	assert_int_equal(
		parse(TWO_CLUSTERS(SERVER ", certificate-authority-data: Q0E=, tls-server-name: kubernetes",
				   "client-certificate: pki/admin.crt, client-key: /pki/admin.key"),
		      &config, &why),
		0);
	assert_string_equal(config.server, "https://10.0.0.2:6443");
	assert_string_equal(config.tls_server_name, "kubernetes");
	assert_string_equal(config.namespace, "fairway-system");
	assert_string_equal(config.ca.data, "CA");
	assert_int_equal(config.ca.length, 2);
	assert_null(config.ca.file);
	assert_string_equal(config.certificate.file, "/etc/kubernetes/pki/admin.crt");
	assert_string_equal(config.key.file, "/pki/admin.key");
	assert_null(config.token.data);
	assert_null(config.token.file);
}

static void test_tokens(void **state _unused_)
{
	cleanup(kubeconfig_done) struct kubeconfig text = { 0 }, file = { 0 }, relative = { 0 };
	cleanup(strbuf_done) struct strbuf why = { 0 };
	static const char here[] = TWO_CLUSTERS(SERVER ", certificate-authority: ca.crt", "tokenFile: token");

	assert_int_equal(parse(TWO_CLUSTERS(SERVER, "token: secret"), &text, &why), 0);
	assert_string_equal(text.token.data, "secret");
	assert_null(text.ca.data);
	assert_null(text.ca.file);
	/* the file is the newer one, as for client-go */
	assert_int_equal(parse(TWO_CLUSTERS(SERVER, "token: secret, tokenFile: /run/token"), &file, &why), 0);
	assert_null(file.token.data);
	assert_string_equal(file.token.file, "/run/token");
	assert_int_equal(kubeconfig_parse(here, strlen(here), "config", &relative, &why), 0);
	assert_string_equal(relative.token.file, "token");
	assert_string_equal(relative.ca.file, "ca.crt");
}

static void test_json(void **state _unused_)
{
	static const char text[] = "{\"current-context\":\"x\",\"contexts\":[{\"name\":\"x\",\"context\":{"
				   "\"cluster\":\"c\",\"user\":\"u\"}}],"
				   "\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"https://"
				   "[2001:db8::1]:6443/k8s/clusters/c\"}}],"
				   "\"users\":[{\"name\":\"u\",\"user\":{\"token\":\"t\\/1\"}}]}";
	cleanup(kubeconfig_done) struct kubeconfig config = { 0 };
	cleanup(strbuf_done) struct strbuf why = { 0 };

	assert_int_equal(parse(text, &config, &why), 0);
	assert_string_equal(config.token.data, "t/1");
	assert_string_equal(config.namespace, "");
	assert_string_equal(config.server, "https://[2001:db8::1]:6443/k8s/clusters/c");
}

static const struct {
	const char *text, *why;
} refused[] = {
	{ TWO_CLUSTERS(SERVER, "exec: {command: aws}"), "users[1].user.exec: plugins are not run" },
	{ TWO_CLUSTERS(SERVER, "auth-provider: {name: oidc}"), "users[1].user.auth-provider: not supported" },
	{ TWO_CLUSTERS(SERVER, "username: admin, password: x"), "users[1].user.username: not supported" },
	{ TWO_CLUSTERS(SERVER, "token: t, as: root"), "users[1].user.as: impersonation" },
	{ TWO_CLUSTERS(SERVER ", insecure-skip-tls-verify: true", "token: t"),
	  "clusters[1].cluster.insecure-skip-tls-verify: refused" },
	{ TWO_CLUSTERS(SERVER ", proxy-url: 'http://p'", "token: t"),
	  "clusters[1].cluster.proxy-url: not supported" },
	{ TWO_CLUSTERS("server: 'http://10.0.0.2'", "token: t"),
	  "clusters[1].cluster.server: not https://HOST[:PORT]: http" },
	{ TWO_CLUSTERS("server: 'https://a@b'", "token: t"), "clusters[1].cluster.server: not https" },
	{ TWO_CLUSTERS("server: ''", "token: t"), "clusters[1].cluster.server: missing" },
	{ TWO_CLUSTERS(SERVER ", certificate-authority-data: '*'", "token: t"),
	  "clusters[1].cluster.certificate-authority-data: not base64" },
	{ TWO_CLUSTERS(SERVER, "client-certificate: a"), "users[1].user.client-key: missing" },
	{ TWO_CLUSTERS(SERVER, "client-key: a"), "users[1].user.client-certificate: missing" },
	{ TWO_CLUSTERS(SERVER, ""), "users[1].user: neither a client certificate nor a token" },
	{ TWO_CLUSTERS(SERVER, "token: \"a\\nb\""), "users[1].user.token: holds a line break" },
	{ TWO_CLUSTERS(SERVER, "token: 12"), "users[1].user.token: not a text" },
	{ "current-context: x\n", "contexts: none has the name x" },
	{ "contexts: []\n", "current-context: missing" },
	{ "current-context: x\ncontexts: [{name: x}]\n", "contexts[0].context: missing" },
	{ "current-context: x\ncontexts: [{name: x, context: {user: u}}]\n",
	  "contexts[0].context.cluster: missing" },
	{ "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: {}\n",
	  "clusters: not a list" },
	{ "a: b: c\n", "line 1: " },
	{ "[]\n", "not a kubeconfig" },
	{ "", "not a kubeconfig" },
};

static void test_refused(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		cleanup(kubeconfig_done) struct kubeconfig config = { 0 };
		cleanup(strbuf_done) struct strbuf why = { 0 };
		cleanup(strbuf_done) struct strbuf expected = { 0 };

		strbuf_appendf(&expected, "/etc/kubernetes/admin.conf: %s", refused[i].why);
		assert_int_equal(parse(refused[i].text, &config, &why), -EINVAL);
		if (strncmp(strbuf_text(&why), strbuf_text(&expected), expected.length) != 0)
			fail_msg("%s\nand not: %s", strbuf_text(&why), strbuf_text(&expected));
		assert_null(config.server);
	}
}

/* What says "no" is no reason to refuse. */
static void test_off(void **state _unused_)
{
	cleanup(kubeconfig_done) struct kubeconfig config = { 0 };
	cleanup(strbuf_done) struct strbuf why = { 0 };

	assert_int_equal(parse(TWO_CLUSTERS(SERVER ", insecure-skip-tls-verify: false, proxy-url: ''",
					    "token: t, exec: null, as-groups: []"),
			       &config, &why),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificates), cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_json),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
