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
    def __init__(self, objects, node, full=False, default_class=False):
        self.by_kind, self.node_name, self.full, self.default_class = {}, node, full, default_class
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
        wanted = service["spec"].get("loadBalancerClass")
        return service["spec"].get("type") == "LoadBalancer" and \
            (wanted == "fairway.dev/lb" or (wanted is None and self.default_class))

    def proxied(self, service):
        if service["spec"].get("type") == "ExternalName" or service["spec"].get("clusterIP") == "None":
            return False
        return (self.full or self.is_ours(service)) and "service.kubernetes.io/service-proxy-name" not in labels(service)

    def cluster_ips(self, service):
        """By place in spec.ipFamilies."""
        ips = [ipaddress.ip_address(i) for i in service["spec"].get("clusterIPs", [])]
        names = service["spec"].get("ipFamilies") or [f"IPv{i.version}" for i in ips]
        return [i for i, name in zip(ips, names) if name == f"IPv{i.version}"]

    def families(self, service):
        """Without clusterIPs (manifests mode) those of a LoadBalancer Service's addresses."""
        if service["spec"].get("clusterIPs"):
            return {i.version for i in self.cluster_ips(service)}
        if service["spec"].get("type") != "LoadBalancer":
            return set()
        ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        return {ipaddress.ip_address(i["ip"]).version for i in ingress if "ip" in i}

    def age(self, service):
        return (meta(service).get("creationTimestamp", "9999"), meta(service)["namespace"], meta(service)["name"])

    def vips(self, service):
        if service["spec"].get("type") != "LoadBalancer" or "deletionTimestamp" in meta(service):
            return
        for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress", []):
            if "ip" not in entry:
                continue
            vip = ipaddress.ip_address(entry["ip"])
            if vip.version in self.families(service) and entry.get("ipMode", "VIP") == "VIP" and not self.taken(vip):
                yield vip

    def external_ips(self, service):
        for text in service["spec"].get("externalIPs", []):
            try:
                ip = ipaddress.ip_address(text)
            except ValueError:
                continue
            bad = ip.is_unspecified or ip.is_loopback or ip.is_link_local or ip.is_multicast or self.is_router(ip)
            if ip.version in self.families(service) and not bad:
                yield ip

    def internal_ips(self):
        for a in self.node.get("status", {}).get("addresses", []) if self.node else []:
            if a["type"] == "InternalIP":
                yield ipaddress.ip_address(a["address"])

    def asked(self, service):
        """(type, address, port number, port) of all frontends; of equal address, port and protocol the first."""
        spec, out, seen = service["spec"], [], set()
        wishes = [("LoadBalancer", a, p["port"], p) for a in self.vips(service) for p in spec["ports"]]
        if self.full:
            wishes += [("ExternalIP", a, p["port"], p) for a in self.external_ips(service) for p in spec["ports"]]
            if spec.get("type") in ("LoadBalancer", "NodePort"):
                wishes += [("NodePort", a, p["nodePort"], p) for a in self.internal_ips() for p in spec["ports"]
                           if p.get("nodePort") and a.version in self.families(service)]
            wishes += [("ClusterIP", a, p["port"], p) for a in self.cluster_ips(service) for p in spec["ports"]]
        for kind, address, number, port in wishes:
            place = (address, number, port.get("protocol", "TCP"))
            if place not in seen:
                seen.add(place)
                out.append((kind, address, number, port))
        return out

    def is_router(self, ip):
        return any(ipaddress.ip_address(p["spec"]["peerAddress"]) == ip for p in self.all("BGPPeer"))

    def taken(self, vip):
        """An address that is somebody else's own."""
        for n in self.all("Node"):
            if str(vip) in [a["address"] for a in n.get("status", {}).get("addresses", [])]:
                return True
        for s in self.all("EndpointSlice"):
            if any(ipaddress.ip_address(e["addresses"][0]) == vip for e in s.get("endpoints", [])):
                return True
        return self.is_router(vip)

    def owner(self, place):
        """Of Services that ask for one address, port and protocol the oldest."""
        claims = [s for s in self.all("Service") if self.proxied(s)
                  and any((a, n, p.get("protocol", "TCP")) == place for _, a, n, p in self.asked(s))]
        return min(claims, key=self.age)

    def frontends(self, service):
        spec, out = service["spec"], []
        for kind, address, number, port in self.asked(service):
            if self.owner((address, number, port.get("protocol", "TCP"))) is not service:
                continue
            policy = spec.get("internalTrafficPolicy" if kind == "ClusterIP" else "externalTrafficPolicy", "Cluster")
            eps = self.endpoints(service, port, address.version)
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
            ranges, deny, closed = [], False, False
            if kind == "LoadBalancer":
                deny = meta(service).get("annotations", {}).get("fairway.dev/source-ranges-policy") == "deny"
                ranges, closed = self.ranges(spec, address.version, deny)
            if closed:
                verdict, reason = "drop", "InvalidSourceRanges"
            draining = [e for e in leaving if e not in active and (policy != "Local" or e["node"] == self.node_name)]
            out.append({"type": kind, "address": str(address), "port": number,
                        "protocol": port.get("protocol", "TCP"), "portName": port.get("name", ""), "policy": policy,
                        "verdict": verdict, "reason": reason, "backends": self.print_backends(active, 1),
                        "draining": self.print_backends(draining, 0), "affinitySeconds": self.affinity(spec),
                        "sourceRanges": ranges, "sourceRangesPolicy": "deny" if deny else "allow"})
        kinds = ["LoadBalancer", "ExternalIP", "NodePort", "ClusterIP"]
        return sorted(out, key=lambda f: (kinds.index(f["type"]), ADDRESS_KEY(ipaddress.ip_address(f["address"])), f["port"],
                                          f["protocol"] != "TCP"))

    @staticmethod
    def affinity(spec):
        if spec.get("sessionAffinity") != "ClientIP":
            return 0
        return spec.get("sessionAffinityConfig", {}).get("clientIP", {}).get("timeoutSeconds", 10800)

    @staticmethod
    def ranges(spec, version, deny):
        """The list to print, and whether a broken entry closes the family."""
        nets, broken = [], False
        for text in spec.get("loadBalancerSourceRanges", []):
            try:
                net = ipaddress.ip_network(text.strip(), strict=False)
            except ValueError:
                broken |= {4: ":" not in text, 6: ":" in text or "." not in text}[version]
                continue
            if net.version == version and net not in nets:
                nets.append(net)
        if broken and (deny or not nets):
            return [], True
        if not deny and any(n.prefixlen == 0 for n in nets):
            return [], False
        return [str(n) for n in sorted(nets, key=lambda n: (n.network_address.packed, n.prefixlen))], False

    @staticmethod
    def print_backends(eps, weight):
        eps = sorted(eps, key=lambda e: (ADDRESS_KEY(e["address"]), e["port"]))
        return [{"address": str(e["address"]), "port": e["port"], "node": e["node"], "weight": weight} for e in eps]

    def health_check(self, service):
        spec = service["spec"]
        if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local" \
                or not spec.get("healthCheckNodePort"):
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
        return {ipaddress.ip_address(f["address"]) for f in self.frontends(service) if f["type"] == "LoadBalancer"}

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
                    if not self.proxied(s) or not self.is_ours(s) or meta(s).get("deletionTimestamp"):
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
