# SPDX-License-Identifier: Apache-2.0
"""The rules of a node's plan written a second time, from the documents alone, as plainly as possible: what `lbctl plan`
should print for a set of manifests. Slow on purpose: every rule is a loop over everything. Problems are not modelled."""
import ipaddress

ADDRESS_KEY = lambda a: (a.version, a.packed)
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
FALSE_WORDS = {"0", "f", "F", "false", "FALSE", "False"}


def selector_matches(selector, labels):
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for e in selector.get("matchExpressions", []):
        value, values = labels.get(e["key"]), e.get("values", [])
        if not {"In": value is not None and value in values, "NotIn": value is None or value not in values,
                "Exists": value is not None, "DoesNotExist": value is None}[e["operator"]]:
            return False
    return True


def any_or_empty(selectors, labels):
    return not selectors or any(selector_matches(s, labels) for s in selectors)


def meta(o):
    return o["metadata"]


def labels(o):
    return meta(o).get("labels", {})


class World:
    def __init__(self, objects, node):
        self.by_kind, self.node_name = {}, node
        for o in objects:
            self.by_kind.setdefault(o["kind"], []).append(o)
        self.node = next((n for n in self.all("Node") if meta(n)["name"] == node), None)

    def all(self, kind):
        return sorted(self.by_kind.get(kind, []), key=lambda o: (meta(o).get("namespace", ""), meta(o)["name"]))

    def slices(self, service):
        return [s for s in self.all("EndpointSlice")
                if meta(s)["namespace"] == meta(service)["namespace"]
                and labels(s).get("kubernetes.io/service-name") == meta(service)["name"]
                and "service.kubernetes.io/headless" not in labels(s)]

    # --- endpoints (SEMANTICS 0 and 1) ---

    def endpoints(self, service, port, version):
        """address:port -> the entry that counts, with defaults of conditions applied."""
        found = {}
        for s in self.slices(service):
            if s["addressType"] != f"IPv{version}":
                continue
            for sp in s.get("ports", []):
                if sp.get("name", "") != port.get("name", "") or sp.get("protocol", "TCP") != port.get("protocol", "TCP"):
                    continue
                if not sp.get("port"):
                    continue
                for e in s.get("endpoints", []):
                    c = e.get("conditions", {})
                    entry = {"address": ipaddress.ip_address(e["addresses"][0]), "port": sp["port"],
                             "node": e.get("nodeName", ""), "ready": c.get("ready", True) is not False,
                             "serving": c.get("serving", True) is not False, "terminating": bool(c.get("terminating", False)),
                             "zones": [h["name"] for h in e.get("hints", {}).get("forZones", [])],
                             "nodes": [h["name"] for h in e.get("hints", {}).get("forNodes", [])]}
                    key = (entry["address"], entry["port"])
                    rank = lambda x: (x["terminating"], not x["ready"])
                    if key not in found or rank(entry) < rank(found[key]):
                        found[key] = entry
        return list(found.values())

    def choose(self, eps):
        zone = labels(self.node).get("topology.kubernetes.io/zone") if self.node else None
        ready = [e for e in eps if e["ready"]]
        mode = lambda e: True
        if ready and all(e["nodes"] for e in ready) and any(self.node_name in e["nodes"] for e in ready):
            mode = lambda e: self.node_name in e["nodes"]
        elif ready and all(e["zones"] for e in ready) and zone and any(zone in e["zones"] for e in ready):
            mode = lambda e: zone in e["zones"]
        leaving = [e for e in eps if e["serving"] and e["terminating"]]
        cluster = [e for e in ready if mode(e)] or leaving
        return cluster, self.usable_on(eps, self.node_name), leaving

    @staticmethod
    def usable_on(eps, node):
        local = [e for e in eps if e["node"] == node]
        return [e for e in local if e["ready"]] or [e for e in local if e["serving"] and e["terminating"]]

    # --- services ---

    def is_ours(self, service):
        return service["spec"].get("loadBalancerClass") == "fairway.dev/lb"

    def proxied(self, service):
        return service["spec"].get("type") == "LoadBalancer" and self.is_ours(service) \
            and "service.kubernetes.io/service-proxy-name" not in labels(service)

    def families(self, service):
        """Without clusterIPs (manifests mode) those of its addresses."""
        ips = service["spec"].get("clusterIPs") or \
            [i["ip"] for i in service.get("status", {}).get("loadBalancer", {}).get("ingress", [])]
        return {ipaddress.ip_address(i).version for i in ips}

    def age(self, service):
        return (meta(service).get("creationTimestamp", "9999"), meta(service)["namespace"], meta(service)["name"])

    def vips(self, service):
        for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress", []):
            vip = ipaddress.ip_address(entry["ip"])
            if vip.version in self.families(service) and entry.get("ipMode", "VIP") == "VIP" and not self.taken(vip):
                yield vip

    def taken(self, vip):
        """An address that is somebody else's own."""
        for n in self.all("Node"):
            if str(vip) in [a["address"] for a in n.get("status", {}).get("addresses", [])]:
                return True
        for s in self.all("EndpointSlice"):
            if any(ipaddress.ip_address(e["addresses"][0]) == vip for e in s.get("endpoints", [])):
                return True
        return any(p["spec"].get("peerAddress") == str(vip) for p in self.all("BGPPeer"))

    def owner(self, vip, port):
        """Of Services with one address, port and protocol the oldest."""
        claims = [s for s in self.all("Service") if self.proxied(s) and vip in self.vips(s)
                  and any((p["port"], p.get("protocol", "TCP")) == port for p in s["spec"]["ports"])]
        return min(claims, key=self.age)

    def frontends(self, service):
        spec = service["spec"]
        policy = spec.get("externalTrafficPolicy", "Cluster")
        out = []
        for vip in self.vips(service):
            for port in spec["ports"]:
                if self.owner(vip, (port["port"], port.get("protocol", "TCP"))) is not service:
                    continue
                eps = self.endpoints(service, port, vip.version)
                cluster, local, leaving = self.choose(eps)
                # E5: hasAnyEndpoints
                anywhere = bool(cluster) or (policy == "Local" and any(
                    e["ready"] or (e["serving"] and e["terminating"]) for e in eps))
                active = local if policy == "Local" else cluster
                if not anywhere:
                    verdict, reason = "reject", "NoEndpoints"
                elif not active:
                    verdict, reason = "drop", "NoLocalEndpoints"
                else:
                    verdict, reason = "forward", ""
                draining = [e for e in leaving if e not in active and (policy != "Local" or e["node"] == self.node_name)]
                out.append({"type": "LoadBalancer", "address": str(vip), "port": port["port"],
                            "protocol": port.get("protocol", "TCP"), "portName": port.get("name", ""), "policy": policy,
                            "verdict": verdict, "reason": reason, "backends": self.print_backends(active, 1),
                            "draining": self.print_backends(draining, 0), "affinitySeconds": self.affinity(spec),
                            "sourceRanges": self.ranges(spec, vip.version), "sourceRangesPolicy": "allow"})
        return sorted(out, key=lambda f: (ADDRESS_KEY(ipaddress.ip_address(f["address"])), f["port"], f["protocol"] != "TCP"))

    @staticmethod
    def affinity(spec):
        if spec.get("sessionAffinity") != "ClientIP":
            return 0
        return spec.get("sessionAffinityConfig", {}).get("clientIP", {}).get("timeoutSeconds", 10800)

    @staticmethod
    def ranges(spec, version):
        nets = {ipaddress.ip_network(r.strip(), strict=False) for r in spec.get("loadBalancerSourceRanges", [])}
        nets = [n for n in nets if n.version == version]
        if any(n.prefixlen == 0 for n in nets):
            return []
        return [str(n) for n in sorted(nets, key=lambda n: (n.network_address.packed, n.prefixlen))]

    @staticmethod
    def print_backends(eps, weight):
        eps = sorted(eps, key=lambda e: (ADDRESS_KEY(e["address"]), e["port"]))
        return [{"address": str(e["address"]), "port": e["port"], "node": e["node"], "weight": weight} for e in eps]

    def health_check(self, service):
        spec = service["spec"]
        if spec.get("externalTrafficPolicy") != "Local" or not spec.get("healthCheckNodePort"):
            return None
        counts = [0]
        for version in self.families(service):
            seen = set()
            for port in spec["ports"]:
                seen |= {e["address"] for e in self.endpoints(service, port, version)
                         if e["ready"] and e["node"] == self.node_name}
            counts.append(len(seen))
        return {"port": spec["healthCheckNodePort"], "localEndpoints": max(counts)}

    def services(self):
        out = []
        for s in self.all("Service"):
            frontends = self.frontends(s) if self.proxied(s) else []
            if not frontends and not (self.proxied(s) and self.families(s) and self.health_check(s)):
                continue  # nothing to answer, not even a health check
            entry = {"namespace": meta(s)["namespace"], "name": meta(s)["name"], "frontends": frontends}
            if self.health_check(s):
                entry["healthCheck"] = self.health_check(s)
            out.append(entry)
        return out

    # --- routes (DESIGN section 5) ---

    def node_ok(self, node):
        if labels(node).get(EXCLUDE, "false") not in FALSE_WORDS:
            return False
        if any(c["type"] == "NetworkUnavailable" and c["status"] == "True" for c in node.get("status", {}).get("conditions", [])):
            return False
        return not any(t["key"] == "ToBeDeletedByClusterAutoscaler" for t in node["spec"].get("taints", []))

    @staticmethod
    def draining(adv, node):
        drain = adv["spec"].get("drainOnTaints", {})
        if not drain.get("enabled"):
            return False
        tolerated = {t["key"] for t in drain.get("tolerations", [])}
        return any(t["effect"] in ("NoSchedule", "NoExecute") and t["key"] not in tolerated
                   and t["key"] != "node.kubernetes.io/unschedulable" for t in node["spec"].get("taints", []))

    def peers_of(self, node):
        return [p for p in self.all("BGPPeer") if any_or_empty(p["spec"].get("nodeSelectors"), labels(node))]

    @staticmethod
    def speaks(peer, version):
        families = peer["spec"].get("addressFamilies") or [f"ipv{ipaddress.ip_address(peer['spec']['peerAddress']).version}"]
        return f"ipv{version}" in families

    def pool_of(self, vip):
        for pool in sorted(self.all("ServiceIPPool"), key=lambda p: (meta(p).get("creationTimestamp", "9999"), meta(p)["name"])):
            if any(vip in ipaddress.ip_network(n) for n in pool["spec"]["addresses"]):
                return pool
        return None

    def advertisements(self):
        found = self.all("BGPAdvertisement")
        if found:
            return found
        return [{"metadata": {"name": ""}, "spec": {"advertisementType": t}} for t in ("Service", "PodCIDR")]

    def resolve(self, text):
        known = {"no-export": "65535:65281", "no-advertise": "65535:65282"}
        for c in self.all("Community"):
            known.update({x["name"]: x["value"] for x in c["spec"]["communities"]})
        return known.get(text, text)

    def local_policy(self, service):
        return service["spec"].get("externalTrafficPolicy", "Cluster") == "Local"

    def has_usable(self, service, version, node):
        return any(self.usable_on(self.endpoints(service, p, version), node) for p in service["spec"]["ports"])

    def qualifies(self, service, vip, adv, node):
        """Every filter but maxNextHops: may this node announce this VIP under this advertisement?"""
        spec, pool = adv["spec"], self.pool_of(vip)
        if spec.get("advertisementType", "Service") != "Service" or not self.node_ok(node) or self.draining(adv, node):
            return False
        if spec.get("serviceIPPools") or spec.get("serviceIPPoolSelectors"):
            if pool is None or not (meta(pool)["name"] in spec.get("serviceIPPools", []) or
                                    any(selector_matches(s, labels(pool)) for s in spec.get("serviceIPPoolSelectors", []))):
                return False
        if not any_or_empty(spec.get("serviceSelectors"), labels(service)) or \
                not any_or_empty(spec.get("nodeSelectors"), labels(node)):
            return False
        if pool is not None and not any_or_empty(pool["spec"].get("nodeSelectors"), labels(node)):
            return False
        wish = meta(service).get("annotations", {}).get("fairway.dev/node-selector")
        if wish and not all(labels(node).get(k) == v for k, v in [w.split("=") for w in wish.split(",")]):
            return False
        if not any(self.speaks(p, vip.version) for p in self.peers_of(node)
                   if not spec.get("peers") or meta(p)["name"] in spec["peers"]):
            return False
        if self.local_policy(service) or spec.get("onlyNodesWithEndpoints"):
            return self.has_usable(service, vip.version, meta(node)["name"])
        nodes = {e["node"] for p in service["spec"]["ports"] for e in self.endpoints(service, p, vip.version)}
        return any(self.has_usable(service, vip.version, n) for n in nodes)

    def prefix(self, service, vip, adv):
        length = adv["spec"].get("aggregationLength" if vip.version == 4 else "aggregationLengthV6", vip.max_prefixlen)
        host = ipaddress.ip_network(vip)
        if length == vip.max_prefixlen or self.local_policy(service):
            return host
        aggregate = host.supernet(new_prefix=length)
        pool = self.pool_of(vip)
        inside = pool and any(ipaddress.ip_network(n).version == vip.version and aggregate.subnet_of(ipaddress.ip_network(n))
                              for n in pool["spec"]["addresses"])
        return aggregate if inside else host

    def served_vips(self, service):
        return {ipaddress.ip_address(f["address"]) for f in self.frontends(service)}

    def routes(self):
        if self.node is None:
            return []
        found = {}  # (prefix, peer) -> [(advertisement, service or None)]
        for peer in self.peers_of(self.node):
            for adv in self.advertisements():
                if adv["spec"].get("peers") and meta(peer)["name"] not in adv["spec"]["peers"]:
                    continue
                if adv["spec"].get("advertisementType", "Service") == "PodCIDR":
                    if any_or_empty(adv["spec"].get("nodeSelectors"), labels(self.node)):
                        for cidr in self.node["spec"].get("podCIDRs", []):
                            net = ipaddress.ip_network(cidr)
                            if self.speaks(peer, net.version):
                                found.setdefault((net, meta(peer)["name"]), []).append((adv, None))
                    continue
                for s in self.all("Service"):
                    if not self.proxied(s) or meta(s).get("deletionTimestamp"):
                        continue
                    for vip in self.served_vips(s):
                        if self.speaks(peer, vip.version) and self.qualifies(s, vip, adv, self.node):
                            found.setdefault((self.prefix(s, vip, adv), meta(peer)["name"]), []).append((adv, s))
        return [self.print_route(*key, causes) for key, causes in
                sorted(found.items(), key=lambda i: (ADDRESS_KEY(i[0][0].network_address), i[0][0].prefixlen, i[0][1]))]

    def print_route(self, net, peer_name, causes):
        peer = next(p for p in self.all("BGPPeer") if meta(p)["name"] == peer_name)
        internal = peer["spec"].get("peerASN") == peer["spec"]["myASN"] or peer["spec"].get("dynamicASN") == "internal"
        pref = max(adv["spec"].get("localPref", 0) for adv, _ in causes) if internal else 0
        texts = {self.resolve(c) for adv, _ in causes for c in adv["spec"].get("communities", [])}
        key = lambda t: (t.startswith("large:"), [int(x) for x in t.replace("large:", "").split(":")])
        services = sorted({f"{meta(s)['namespace']}/{meta(s)['name']}" for _, s in causes if s})
        return {"prefix": str(net), "kind": "ServiceIP" if services else "PodCIDR", "peer": peer_name, "localPref": pref,
                "communities": sorted(texts, key=key), "services": services}
