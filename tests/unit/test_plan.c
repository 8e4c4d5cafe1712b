// SPDX-License-Identifier: Apache-2.0
/* The plan of node n1: one row per situation. A row prepares a small world around Service web/shop and states the whole
 * plan in explain's lines, problems included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/core/explain.h"
#include "userspace/core/plan.h"

struct scene {
	struct world world;
	struct plan_options options;
	struct service *shop; /* 192.0.2.1 and 2001:db8::1, port 80 "http", no endpoints yet */
};

static void scene_done(struct scene *scene)
{
	world_done(&scene->world);
}

static void scene_init(struct scene *scene)
{
	*scene = (struct scene){ .options = { .node = "n1" } };
	world_node(&scene->world, "n1", "10.1.0.1 fd01::1", "a");
	world_node(&scene->world, "n2", "10.1.0.2 fd01::2", "b");
	world_pool(&scene->world, "public", "192.0.2.0/24 2001:db8::/64");
	scene->shop = world_service(&scene->world, "web/shop");
	world_ingress(&scene->world, scene->shop, "2001:db8::1 192.0.2.1");
	world_service_port(&scene->world, scene->shop, "http", L4_TCP, 80, 0);
}

static void endpoints(struct scene *scene, const char *v4)
{
	world_slice(&scene->world, "web/shop-4", "shop", "http:TCP:8080", v4);
}

static void dual(struct scene *scene)
{
	endpoints(scene, "10.244.1.5@n1 10.244.2.5@n2");
	world_slice(&scene->world, "web/shop-6", "shop", "http:TCP:8080", "fd10::5@n2");
}

static void v4_only(struct scene *scene)
{
	world_ingress(&scene->world, scene->shop, "192.0.2.1");
}

static void reject(struct scene *scene)
{
	endpoints(scene, "10.244.1.5@n1/");
}

static void local(struct scene *scene)
{
	dual(scene);
	scene->shop->external_policy = POLICY_LOCAL;
	scene->shop->health_check_node_port = 31234;
}

static void terminating(struct scene *scene)
{
	v4_only(scene);
	endpoints(scene, "10.244.1.5@n1 10.244.1.9@n1/st 10.244.2.9@n2/st 10.244.2.8@n2/t 10.244.2.7@n2/");
}

static void terminating_local(struct scene *scene)
{
	terminating(scene);
	scene->shop->external_policy = POLICY_LOCAL;
}

/* This node's endpoints all leave; on n2 is a ready one, or `elsewhere`. */
static void leaving(struct scene *scene, const char *elsewhere)
{
	char all[128];

	v4_only(scene);
	snprintf(all, sizeof(all), "10.244.1.5@n1/st 10.244.1.6@n1/t %s", elsewhere);
	endpoints(scene, all);
	scene->shop->external_policy = POLICY_LOCAL;
}

static void leaving_local(struct scene *scene)
{
	leaving(scene, "10.244.2.5@n2");
}

static void leaving_cluster(struct scene *scene)
{
	leaving_local(scene);
	scene->shop->external_policy = POLICY_CLUSTER;
}

static void leaving_everywhere(struct scene *scene)
{
	leaving(scene, "10.244.2.5@n2/st 10.244.2.6@n2/");
}

static void leaving_for_nowhere(struct scene *scene)
{
	leaving(scene, "10.244.9.9");
}

static void leaving_not_all(struct scene *scene)
{
	leaving(scene, "10.244.1.7@n1 10.244.2.5@n2");
}

static void not_ours(struct scene *scene)
{
	dual(scene);
	scene->shop->load_balancer_class = NULL;
}

static void default_class(struct scene *scene)
{
	not_ours(scene);
	v4_only(scene);
	scene->options.default_class = true;
}

static void proxy_name(struct scene *scene)
{
	dual(scene);
	world_label(&scene->world, &scene->shop->meta.labels, "service.kubernetes.io/service-proxy-name", "other");
}

static void ip_mode_proxy(struct scene *scene)
{
	dual(scene);
	world_ingress(&scene->world, scene->shop, "192.0.2.1/proxy 192.0.2.2");
}

static void cluster_ips_decide(struct scene *scene)
{
	dual(scene);
	scene->shop->ip_families[0] = ADDR_IPV6;
	scene->shop->n_ip_families = 1;
	addr_parse("fd20::1", &scene->shop->cluster_ips[0]);
	scene->shop->n_cluster_ips = 1;
}

static void affinity_and_ranges(struct scene *scene)
{
	dual(scene);
	scene->shop->affinity_sec = 10800;
	scene->shop->source_ranges = world_words(&scene->world, "198.51.100.9/24 10.0.0.0/8 10.0.0.0/8 2001:db8:5::/48");
}

static void ranges_of_one_family(struct scene *scene)
{
	dual(scene);
	scene->shop->source_ranges = world_words(&scene->world, "2001:db8:5::/48 10.0.0.0/33");
}

static void ranges_everybody(struct scene *scene)
{
	dual(scene);
	scene->shop->source_ranges = world_words(&scene->world, "10.0.0.0/8 0.0.0.0/0 ::/0 2001:db8:5::/48");
}

static void ranges_broken(struct scene *scene)
{
	dual(scene);
	scene->shop->source_ranges = world_words(&scene->world, "nonsense 2001:db8:5::/48");
}

static void ranges_denied(struct scene *scene)
{
	v4_only(scene);
	endpoints(scene, "10.244.1.5@n1");
	scene->shop->source_ranges = world_words(&scene->world, "0.0.0.0/0");
	world_label(&scene->world, &scene->shop->meta.annotations, "fairway.dev/source-ranges-policy", "deny");
}

static void ranges_annotation(struct scene *scene)
{
	v4_only(scene);
	endpoints(scene, "10.244.1.5@n1");
	world_label(&scene->world, &scene->shop->meta.annotations,
		    "service.beta.kubernetes.io/load-balancer-source-ranges", " 10.0.0.0/8 , 10.9.0.0/16");
	world_label(&scene->world, &scene->shop->meta.annotations, "fairway.dev/source-ranges-policy", "Deny");
}

static void two_ports(struct scene *scene)
{
	v4_only(scene);
	world_service_port(&scene->world, scene->shop, "dns", L4_UDP, 53, 0);
	world_service_port(&scene->world, scene->shop, "dns-tcp", L4_TCP, 53, 0);
	world_service_port(&scene->world, scene->shop, "again", L4_TCP, 80, 0);
	world_slice(&scene->world, "web/a", "shop", "http:TCP:8080 dns:UDP:5353", "10.244.1.5@n1");
	world_slice(&scene->world, "web/b", "shop", "http:TCP:9090 dns-tcp:TCP:5353", "10.244.1.6@n1");
}

static void older_wins(struct scene *scene)
{
	struct service *other = world_service(&scene->world, "web/elder");

	v4_only(scene);
	other->meta.created_sec = 999;
	world_ingress(&scene->world, other, "192.0.2.1");
	world_service_port(&scene->world, other, "http", L4_TCP, 80, 0);
	world_service_port(&scene->world, scene->shop, "more", L4_TCP, 81, 0);
	endpoints(scene, "10.244.1.5@n1");
}

static void equally_old(struct scene *scene)
{
	older_wins(scene);
	world_service(&scene->world, "aaa/x"); /* no address: asks for nothing */
	scene->shop->meta.created_sec = 999;
}

static void refused(struct scene *scene)
{
	dual(scene);
	world_peer(&scene->world, "tor-a", "192.0.2.254");
	world_ingress(&scene->world, scene->shop,
		      "127.0.0.1 10.1.0.2 fe80::1 224.0.0.1 0.0.0.0 10.244.2.5 192.0.2.254 192.0.2.7 203.0.113.1 240.0.0.1");
}

static void interface_address(struct scene *scene)
{
	static struct addr addr;

	addr_parse("192.0.2.1", &addr);
	scene->options.extra_addresses = &addr;
	scene->options.n_extra_addresses = 1;
	v4_only(scene);
}

static void all_types(struct scene *scene)
{
	scene->options.full_proxy = true;
	scene->shop->load_balancer_class = "example.com/other";
	scene->shop->external_policy = POLICY_LOCAL;
	scene->shop->ports[0].node_port = 30080;
	scene->shop->ip_families[0] = ADDR_IPV4;
	scene->shop->ip_families[1] = ADDR_IPV6;
	scene->shop->n_ip_families = scene->shop->n_cluster_ips = 2;
	addr_parse("10.96.0.1", &scene->shop->cluster_ips[0]);
	addr_parse("fd20::1", &scene->shop->cluster_ips[1]);
	scene->shop->external_ips = world_words(&scene->world, "203.0.113.5 192.0.2.1 rubbish 127.0.0.1 10.1.0.1");
	scene->shop->source_ranges = world_words(&scene->world, "10.0.0.0/8");
}

static void full(struct scene *scene)
{
	dual(scene);
	all_types(scene);
}

static void full_leaving(struct scene *scene)
{
	leaving_local(scene);
	all_types(scene);
	scene->shop->n_ip_families = scene->shop->n_cluster_ips = 1;
	scene->shop->external_ips = world_words(&scene->world, "203.0.113.5");
	scene->shop->internal_policy = POLICY_LOCAL;
}

static void full_cluster_ip(struct scene *scene)
{
	full(scene);
	scene->shop->type = SERVICE_CLUSTER_IP;
	scene->shop->internal_policy = POLICY_LOCAL;
	scene->shop->external_ips.n = 0;
}

static void full_external_name(struct scene *scene)
{
	full(scene);
	scene->shop->type = SERVICE_EXTERNAL_NAME;
}

static void unknown_node(struct scene *scene)
{
	terminating(scene);
	scene->options.node = "n9";
	scene->shop->external_policy = POLICY_LOCAL;
}

static void bad_endpoints(struct scene *scene)
{
	v4_only(scene);
	endpoints(scene, "10.244.1.5@n1 127.0.0.1@n1 127.0.0.2@n1");
}

static void deleting_elder(struct scene *scene)
{
	older_wins(scene);
	((struct service *)cluster_find_service(world_cluster(&scene->world), "web", "elder"))->meta.deleting = true;
}

static void sctp(struct scene *scene)
{
	v4_only(scene);
	world_service_port(&scene->world, scene->shop, "s", L4_SCTP, 80, 0);
	world_slice(&scene->world, "web/s", "shop", "http:TCP:80 s:SCTP:9", "10.244.1.5@n1");
}

static const struct {
	const char *what;
	void (*prepare)(struct scene *);
	const char *plan;
} rows[] = {
	{ "both families, v4 first", dual,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.2.5:8080 on n2\n"
	  "  LoadBalancer [2001:db8::1]:80/TCP policy Cluster: forward\n"
	  "    to [fd10::5]:8080 on n2\n" },
	{ "nothing usable anywhere", reject,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: reject (NoEndpoints)\n"
	  "  LoadBalancer [2001:db8::1]:80/TCP policy Cluster: reject (NoEndpoints)\n" },
	{ "policy Local", local,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Local: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "  LoadBalancer [2001:db8::1]:80/TCP policy Local: drop (NoLocalEndpoints)\n"
	  "  health check on port 31234: 1 local endpoints\n" },
	{ "serving and terminating ones drain", terminating,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    draining 10.244.1.9:8080 on n1\n"
	  "    draining 10.244.2.9:8080 on n2\n" },
	{ "… for Local only this node's", terminating_local,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Local: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    draining 10.244.1.9:8080 on n1\n" },
	{ "Local, all of this node's leave, another has a ready one", leaving_local,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Local: forward, ready ones are elsewhere\n"
	  "    to 10.244.1.5:8080 on n1\n" },
	{ "… one of this node's is ready", leaving_not_all,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Local: forward\n"
	  "    to 10.244.1.7:8080 on n1\n"
	  "    draining 10.244.1.5:8080 on n1\n" },
	{ "… nobody's is ready", leaving_everywhere,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Local: forward\n"
	  "    to 10.244.1.5:8080 on n1\n" },
	{ "… the ready one is on no node: none would send to it", leaving_for_nowhere,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Local: forward\n"
	  "    to 10.244.1.5:8080 on n1\n" },
	{ "… Cluster sends to the ready one", leaving_cluster,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.2.5:8080 on n2\n"
	  "    draining 10.244.1.5:8080 on n1\n" },
	{ "class-less Services are not ours", not_ours, "" },
	{ "… but with the default class", default_class,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.2.5:8080 on n2\n" },
	{ "another proxy's Service", proxy_name, "" },
	{ "ipMode Proxy is not captured", ip_mode_proxy,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.2:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.2.5:8080 on n2\n" },
	{ "a family without cluster IP is not served", cluster_ips_decide,
	  "service web/shop\n"
	  "  LoadBalancer [2001:db8::1]:80/TCP policy Cluster: forward\n"
	  "    to [fd10::5]:8080 on n2\n" },
	{ "affinity; ranges of the family, masked, sorted", affinity_and_ranges,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward, affinity 10800 s, only from 10.0.0.0/8, 198.51.100.0/24\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.2.5:8080 on n2\n"
	  "  LoadBalancer [2001:db8::1]:80/TCP policy Cluster: forward, affinity 10800 s, only from 2001:db8:5::/48\n"
	  "    to [fd10::5]:8080 on n2\n" },
	{ "a broken range closes its family when nothing else of it is there", ranges_of_one_family,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: drop (InvalidSourceRanges)\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.2.5:8080 on n2\n"
	  "  LoadBalancer [2001:db8::1]:80/TCP policy Cluster: forward, only from 2001:db8:5::/48\n"
	  "    to [fd10::5]:8080 on n2\n"
	  "problem: Service/web/shop: spec.loadBalancerSourceRanges: which IPv4 sources are meant cannot be told: nobody is let "
	  "in to the service's IPv4 addresses until the broken entry is mended\n"
	  "problem: Service/web/shop: spec.loadBalancerSourceRanges[1]: not a prefix: \"10.0.0.0/33\": left out\n" },
	{ "a /0 is everybody", ranges_everybody,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.2.5:8080 on n2\n"
	  "  LoadBalancer [2001:db8::1]:80/TCP policy Cluster: forward\n"
	  "    to [fd10::5]:8080 on n2\n" },
	{ "a broken range of no known family closes what has no other", ranges_broken,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: drop (InvalidSourceRanges)\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.2.5:8080 on n2\n"
	  "  LoadBalancer [2001:db8::1]:80/TCP policy Cluster: forward, only from 2001:db8:5::/48\n"
	  "    to [fd10::5]:8080 on n2\n"
	  "problem: Service/web/shop: spec.loadBalancerSourceRanges: which IPv4 sources are meant cannot be told: nobody is let "
	  "in to the service's IPv4 addresses until the broken entry is mended\n"
	  "problem: Service/web/shop: spec.loadBalancerSourceRanges[0]: not a prefix: \"nonsense\": left out\n" },
	{ "a denied /0 is nobody", ranges_denied,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward, not from 0.0.0.0/0\n"
	  "    to 10.244.1.5:8080 on n1\n" },
	{ "ranges of the annotation; an unknown policy", ranges_annotation,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward, only from 10.0.0.0/8, 10.9.0.0/16\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "problem: Service/web/shop: metadata.annotations[fairway.dev/source-ranges-policy]: neither allow nor deny: \"Deny\": "
	  "allow is in force\n" },
	{ "ports by name and protocol, one of them twice", two_ports,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:53/TCP policy Cluster: forward\n"
	  "    to 10.244.1.6:5353 on n1\n"
	  "  LoadBalancer 192.0.2.1:53/UDP policy Cluster: forward\n"
	  "    to 10.244.1.5:5353 on n1\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.1.6:9090 on n1\n"
	  "problem: Service/web/shop: spec.ports[3]: port 80/TCP stands in ports[0] already: that one is served\n" },
	{ "of two Services with one address and port the older is served", older_wins,
	  "service web/elder\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: reject (NoEndpoints)\n"
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:81/TCP policy Cluster: reject (NoEndpoints)\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[0].ip: 192.0.2.1 port 80/TCP belongs to the older Service "
	  "web/elder, which is served there; not this one\n" },
	{ "… of equally old ones the first by name", equally_old,
	  "service web/elder\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: reject (NoEndpoints)\n"
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:81/TCP policy Cluster: reject (NoEndpoints)\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[0].ip: 192.0.2.1 port 80/TCP belongs to the older Service "
	  "web/elder, which is served there; not this one\n" },
	{ "addresses that are refused, and one that no pool contains", refused,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.7:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.2.5:8080 on n2\n"
	  "  LoadBalancer 203.0.113.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.2.5:8080 on n2\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[0].ip: 127.0.0.1 is a loopback address: not served; the "
	  "service's other addresses are\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[1].ip: 10.1.0.2 is the own address of node n2: not served; the "
	  "service's other addresses are\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[2].ip: fe80::1 is a link-local address: not served; the "
	  "service's other addresses are\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[3].ip: 224.0.0.1 is a multicast address: not served; the "
	  "service's other addresses are\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[4].ip: 0.0.0.0 is an unspecified address: not served; the "
	  "service's other addresses are\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[5].ip: 10.244.2.5 is the own address of a pod (an endpoint of "
	  "Service web/shop): not served; the service's other addresses are\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[6].ip: 192.0.2.254 is the own address of BGPPeer tor-a: not "
	  "served; the service's other addresses are\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[8].ip: no ServiceIPPool contains 203.0.113.1: served all the "
	  "same, for the status says so\n"
	  "problem: Service/web/shop: status.loadBalancer.ingress[9].ip: 240.0.0.1 is a reserved address: not served; the "
	  "service's other addresses are\n" },
	{ "an interface's own address", interface_address,
	  "problem: Service/web/shop: status.loadBalancer.ingress[0].ip: 192.0.2.1 is the own address of an interface of this "
	  "node: not served; the service's other addresses are\n" },
	{ "proxy mode full: all types, foreign classes too", full,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Local: forward, only from 10.0.0.0/8\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "  LoadBalancer [2001:db8::1]:80/TCP policy Local: drop (NoLocalEndpoints)\n"
	  "  ExternalIP 10.1.0.1:80/TCP policy Local: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "  ExternalIP 203.0.113.5:80/TCP policy Local: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "  NodePort 10.1.0.1:30080/TCP policy Local: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "  NodePort [fd01::1]:30080/TCP policy Local: drop (NoLocalEndpoints)\n"
	  "  ClusterIP 10.96.0.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "    to 10.244.2.5:8080 on n2\n"
	  "  ClusterIP [fd20::1]:80/TCP policy Cluster: forward\n"
	  "    to [fd10::5]:8080 on n2\n"
	  "problem: Service/web/shop: spec.externalIPs[2]: rubbish is not an address: not served; the service's other addresses are\n"
	  "problem: Service/web/shop: spec.externalIPs[3]: 127.0.0.1 is a loopback address: not served; the service's other "
	  "addresses are\n" },
	{ "… all of this node's leave: its own addresses and ClusterIPs have no other node", full_leaving,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Local: forward, ready ones are elsewhere, only from 10.0.0.0/8\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "  ExternalIP 203.0.113.5:80/TCP policy Local: forward, ready ones are elsewhere\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "  NodePort 10.1.0.1:30080/TCP policy Local: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "  ClusterIP 10.96.0.1:80/TCP policy Local: forward\n"
	  "    to 10.244.1.5:8080 on n1\n" },
	{ "… type ClusterIP with internal policy Local", full_cluster_ip,
	  "service web/shop\n"
	  "  ClusterIP 10.96.0.1:80/TCP policy Local: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "  ClusterIP [fd20::1]:80/TCP policy Local: drop (NoLocalEndpoints)\n" },
	{ "… type ExternalName", full_external_name, "" },
	{ "an unknown node", unknown_node,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Local: drop (NoLocalEndpoints)\n"
	  "problem: Node/n9: metadata.name: no such node: it has no NodePort addresses, no zone for topology hints, and "
	  "announces nothing\n" },
	{ "endpoints that cannot be, one problem a slice", bad_endpoints,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "problem: EndpointSlice/web/shop-4: endpoints[1].addresses[0]: 127.0.0.1 is loopback: such endpoints are left out, the "
	  "others are used\n" },
	{ "being deleted: nothing is served, and the younger's way is free", deleting_elder,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:8080 on n1\n"
	  "  LoadBalancer 192.0.2.1:81/TCP policy Cluster: reject (NoEndpoints)\n" },
	{ "SCTP is planned", sctp,
	  "service web/shop\n"
	  "  LoadBalancer 192.0.2.1:80/TCP policy Cluster: forward\n"
	  "    to 10.244.1.5:80 on n1\n"
	  "  LoadBalancer 192.0.2.1:80/SCTP policy Cluster: forward\n"
	  "    to 10.244.1.5:9 on n1\n"
	  "problem: Service/web/shop: spec.ports: SCTP is not carried: 1 of 2 ports are not served, the others are; write TCP or "
	  "UDP\n" },
};

static void test_rows(void **state _unused_)
{
	size_t i, failed = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(scene_done) struct scene scene;
		cleanup(node_plan_done) struct node_plan plan = { 0 };
		cleanup(strbuf_done) struct strbuf text = { 0 };

		scene_init(&scene);
		rows[i].prepare(&scene);
		assert_int_equal(plan_node(world_cluster(&scene.world), &scene.options, &plan), 0);
		explain_plan_text(&text, &plan, NULL, NULL);
		if (strcmp(strbuf_text(&text), rows[i].plan)) {
			print_error("%s:\n%s--- wanted\n%s", rows[i].what, strbuf_text(&text), rows[i].plan);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static void test_vips_are_ours_and_served(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;
	cleanup(node_plan_done) struct node_plan plan = { 0 }, foreign = { 0 };
	const struct service_plan *shop;
	char text[ADDR_TEXT_MAX];

	scene_init(&scene);
	refused(&scene);
	assert_int_equal(plan_node(world_cluster(&scene.world), &scene.options, &plan), 0);
	shop = node_plan_find(&plan, "web", "shop");
	assert_int_equal(shop->n_vips, 2);
	assert_string_equal(addr_format(&shop->vips[0], text), "192.0.2.7");
	assert_string_equal(addr_format(&shop->vips[1], text), "203.0.113.1");
	assert_int_equal(shop->n_total, 2);
	assert_int_equal(shop->n_ready, 2);
	assert_int_equal(shop->n_local, 1);
	assert_null(node_plan_find(&plan, "web", "shopping"));
	full(&scene);
	assert_int_equal(plan_node(world_cluster(&scene.world), &scene.options, &foreign), 0);
	assert_int_equal(node_plan_find(&foreign, "web", "shop")->n_vips, 0);
}

/* It would be announced, and its packets would go to and fro between router and node. */
static void test_an_address_with_sctp_alone_is_none(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;
	cleanup(node_plan_done) struct node_plan mixed = { 0 }, alone = { 0 };
	const struct service_plan *shop;

	scene_init(&scene);
	sctp(&scene);
	assert_int_equal(plan_node(world_cluster(&scene.world), &scene.options, &mixed), 0);
	assert_int_equal(node_plan_find(&mixed, "web", "shop")->n_vips, 1);
	scene.shop->ports[0].protocol = L4_SCTP;
	scene.shop->ports[0].port = 81;
	assert_int_equal(plan_node(world_cluster(&scene.world), &scene.options, &alone), 0);
	shop = node_plan_find(&alone, "web", "shop");
	assert_int_equal(shop->n_vips, 0);
	assert_int_equal(shop->problems.n, 1);
	assert_non_null(strstr(shop->problems.items[0].message, "nothing is served or announced"));
}

static void test_keep_is_what_serves_elsewhere(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;
	cleanup(node_plan_done) struct node_plan plan = { 0 };
	const struct backend_set *set;

	scene_init(&scene);
	terminating_local(&scene);
	assert_int_equal(plan_node(world_cluster(&scene.world), &scene.options, &plan), 0);
	set = &node_plan_find(&plan, "web", "shop")->sets[0];
	assert_int_equal(set->active.n, 1);
	assert_int_equal(set->draining.n, 1);
	assert_int_equal(set->keep.n, 1); /* 10.244.2.9, serving on n2; not .8 (gone) nor .7 (not ready) */
	assert_string_equal(set->keep.items[0].node, "n2");
}

static void test_sets_are_shared(void **state _unused_)
{
	cleanup(scene_done) struct scene scene;
	cleanup(node_plan_done) struct node_plan plan = { 0 };
	const struct service_plan *shop;

	scene_init(&scene);
	full(&scene);
	assert_int_equal(plan_node(world_cluster(&scene.world), &scene.options, &plan), 0);
	shop = node_plan_find(&plan, "web", "shop");
	assert_int_equal(shop->n_frontends, 8);
	assert_int_equal(shop->n_sets, 4); /* Local and Cluster, v4 and v6 */
}

/* However many ports and endpoints: one service leaves most of the table slots (16 million) to the others. */
static void test_table_sizes(void **state _unused_)
{
	static const struct {
		size_t ports, endpoints;
		uint32_t size;
	} sizes[] = { { 1, 10, 1021 }, { 1, 160, 16381 }, { 8, 161, 131071 }, { 9, 161, 16381 }, { 9, 10, 1021 }, { 100, 1000, 16381 } };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		cleanup(scene_done) struct scene scene;
		cleanup(node_plan_done) struct node_plan plan = { 0 };
		cleanup(strbuf_done) struct strbuf ports = { 0 }, list = { 0 };
		const struct service_plan *shop;
		uint64_t slots = 0;
		char name[32];

		scene_init(&scene);
		scene.shop->n_ports = 0;
		for (j = 0; j < sizes[i].ports; j++) {
			snprintf(name, sizeof(name), "p%zu", j);
			world_service_port(&scene.world, scene.shop, name, L4_TCP, (uint16_t)(1000 + j), 0);
			strbuf_appendf(&ports, "%s:TCP:%zu ", name, 2000 + j);
		}
		for (j = 0; j < sizes[i].endpoints; j++)
			strbuf_appendf(&list, "10.244.%zu.%zu ", j / 250, j % 250 + 1);
		v4_only(&scene);
		world_slice(&scene.world, "web/many", "shop", strbuf_text(&ports), strbuf_text(&list));
		assert_int_equal(plan_node(world_cluster(&scene.world), &scene.options, &plan), 0);
		shop = node_plan_find(&plan, "web", "shop");
		assert_int_equal(shop->n_sets, sizes[i].ports);
		for (j = 0; j < shop->n_sets; j++) {
			assert_int_equal(shop->sets[j].table_size, sizes[i].size);
			slots += shop->sets[j].table_size;
		}
		assert_true(slots <= 2000000);
	}
}

/* --- JSON ------------------------------------------------------------------------------------------------------------ */

static void test_json(void **state _unused_)
{
	static const char want[] =
		"{ \"node\": \"n1\",\n"
		"  \"services\": [\n"
		"    { \"namespace\": \"web\", \"name\": \"shop\",\n"
		"      \"frontends\": [\n"
		"        { \"type\": \"LoadBalancer\", \"address\": \"192.0.2.1\", \"port\": 80, \"protocol\": \"TCP\", \"portName\": \"http\",\n"
		"          \"policy\": \"Local\", \"verdict\": \"forward\", \"reason\": \"\",\n"
		"          \"backends\": [\n"
		"            { \"address\": \"10.244.1.5\", \"port\": 8080, \"node\": \"n1\", \"weight\": 1 }\n"
		"          ],\n"
		"          \"draining\": [\n"
		"            { \"address\": \"10.244.1.9\", \"port\": 8080, \"node\": \"n1\", \"weight\": 0 }\n"
		"          ],\n"
		"          \"affinitySeconds\": 0, \"sourceRanges\": [\"198.51.100.0/24\"], \"sourceRangesPolicy\": \"allow\" }\n"
		"      ],\n"
		"      \"healthCheck\": { \"port\": 31234, \"localEndpoints\": 1 } }\n"
		"  ],\n"
		"  \"routes\": [\n"
		"    { \"prefix\": \"192.0.2.1/32\", \"kind\": \"ServiceIP\", \"peer\": \"tor-a\", \"localPref\": 100, \"communities\": [\"65000:1\"], \"services\": [\"web/shop\"] }\n"
		"  ],\n"
		"  \"problems\": [\n"
		"    { \"object\": \"BGPPeer/tor-b\", \"field\": \"spec.peerAddress\", \"message\": \"not an address: \\\"x\\\"\" }\n"
		"  ] }\n";
	cleanup(scene_done) struct scene scene;
	cleanup(node_plan_done) struct node_plan plan = { 0 };
	cleanup(problems_done) struct problems problems = { 0 };
	cleanup(strbuf_done) struct strbuf json = { 0 };
	const char *services[] = { "web/shop" };
	struct community community = { .global = 65000, .local1 = 1 };
	struct route route = {
		.kind = ROUTE_SERVICE_IP, .peer = "tor-a", .local_pref = 100, .communities = &community, .n_communities = 1,
		.services = { services, 1 },
	};
	struct routes routes = { .items = &route, .n = 1 };

	scene_init(&scene);
	terminating_local(&scene);
	scene.shop->health_check_node_port = 31234;
	scene.shop->source_ranges = world_words(&scene.world, "198.51.100.0/24");
	prefix_parse("192.0.2.1/32", &route.prefix);
	problems_add(&problems, "BGPPeer/tor-b", "spec.peerAddress", "not an address: \"x\"");
	problems_add(&problems, "BGPPeer/tor-b", "spec.peerAddress", "not an address: \"x\"");
	assert_int_equal(plan_node(world_cluster(&scene.world), &scene.options, &plan), 0);
	assert_false(explain_has_problems(&plan, &routes, NULL));
	assert_true(explain_has_problems(&plan, &routes, &problems));
	explain_plan_json(&json, &plan, &routes, &problems);
	assert_string_equal(strbuf_text(&json), want);
}

static void test_json_empty(void **state _unused_)
{
	cleanup(world_done) struct world world = { 0 };
	cleanup(node_plan_done) struct node_plan plan = { 0 };
	cleanup(strbuf_done) struct strbuf json = { 0 };
	struct plan_options options = { .node = "n1" };

	world_node(&world, "n1", "10.0.0.1", NULL);
	assert_int_equal(plan_node(world_cluster(&world), &options, &plan), 0);
	explain_plan_json(&json, &plan, NULL, NULL);
	assert_string_equal(strbuf_text(&json), "{ \"node\": \"n1\",\n  \"services\": [],\n  \"routes\": [],\n  \"problems\": [] }\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_vips_are_ours_and_served),
		cmocka_unit_test(test_an_address_with_sctp_alone_is_none),
		cmocka_unit_test(test_keep_is_what_serves_elsewhere),
		cmocka_unit_test(test_sets_are_shared),
		cmocka_unit_test(test_table_sizes),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
