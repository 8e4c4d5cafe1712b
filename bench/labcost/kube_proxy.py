# SPDX-License-Identifier: Apache-2.0
"""A DNAT for VIPs as kube-proxy writes it in nftables mode: one verdict map from address, protocol and port to a chain per
Service, which picks an endpoint's chain, which translates; filter chains that look up each new connection.

The Services are written as externalTrafficPolicy Local: kube-proxy then keeps the client's address, as Fairway does for a
backend on the node. With Cluster it masquerades besides, which costs more.
"""


def rules(family, pod, cluster_cidr, services):
    """The table of one family ('ip' or 'ip6'). `services`: (VIP, protocol, port, the pod's port) each."""
    bracket = f'[{pod}]' if family == 'ip6' else pod
    address = 'ipv6_addr' if family == 'ip6' else 'ipv4_addr'
    chains, elements = [], []
    for number, (vip, protocol, port, target) in enumerate(services):
        elements.append(f'{vip} . {protocol} . {port} : goto external-{number}')
        chains.append(f'''
    chain endpoint-{number} {{
        {family} saddr {pod} jump mark-for-masquerade
        meta l4proto {protocol} dnat to {bracket}:{target}
    }}
    chain service-{number} {{
        numgen random mod 1 vmap {{ 0 : goto endpoint-{number} }}
    }}
    chain external-{number} {{
        {family} saddr {cluster_cidr} goto service-{number}
        fib saddr type local jump mark-for-masquerade
        fib saddr type local goto service-{number}
        numgen random mod 1 vmap {{ 0 : goto endpoint-{number} }}
    }}''')
    service = f'{address} . inet_proto . inet_service : verdict'
    look_up = f'{family} daddr . meta l4proto . th dport vmap'
    return f'''
table {family} kube-proxy {{
    set nodeport-ips {{ type {address}; }}
    set cluster-ips {{ type {address}; }}
    map no-endpoint-services {{ type {service}; }}
    map firewall-ips {{ type {service}; }}
    map service-nodeports {{ type inet_proto . inet_service : verdict; }}
    chain mark-for-masquerade {{
        meta mark set meta mark or 0x4000
    }}
    chain masquerading {{
        meta mark & 0x4000 == 0 return
        meta mark set meta mark ^ 0x4000
        masquerade fully-random
    }}{''.join(chains)}
    map service-ips {{ type {service}; elements = {{ {', '.join(elements)} }}; }}
    chain services {{
        {look_up} @service-ips
        {family} daddr @nodeport-ips fib daddr type local meta l4proto . th dport vmap @service-nodeports
    }}
    chain firewall-check {{
        {look_up} @firewall-ips
    }}
    chain service-endpoints-check {{
        {look_up} @no-endpoint-services
    }}
    chain cluster-ips-check {{
        {family} daddr @cluster-ips reject
    }}
    chain filter-prerouting {{
        type filter hook prerouting priority dstnat - 10; policy accept;
        ct state new jump firewall-check
    }}
    chain filter-forward {{
        type filter hook forward priority -110; policy accept;
        ct state new jump service-endpoints-check
        ct state new jump cluster-ips-check
    }}
    chain nat-prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        jump services
    }}
    chain nat-postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        jump masquerading
    }}
}}
'''
