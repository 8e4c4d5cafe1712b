/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that ask the running agent, for the table in main.c. Each file holds one family of them. */
#ifndef FAIRWAY_LBCTL_LIVE_H
#define FAIRWAY_LBCTL_LIVE_H

int command_svc_ls(int argc, char **argv);
int command_svc_show(int argc, char **argv);
int command_pool_ls(int argc, char **argv);
int command_bgp_peers(int argc, char **argv);
int command_bgp_routes(int argc, char **argv);
int command_node_show(int argc, char **argv);
int command_flow_ls(int argc, char **argv);
int command_drops(int argc, char **argv);
int command_why(int argc, char **argv);

#endif
