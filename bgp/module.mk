CORE_SRCS += bgp/frr_config.c bgp/frr_render.c bgp/frr_render_routes.c bgp/frr_render_peers.c bgp/frr_state.c bgp/frr_diff.c
EDGE_SRCS += bgp/vty.c bgp/frr_daemon.c bgp/frr_sync.c bgp/frr.c
