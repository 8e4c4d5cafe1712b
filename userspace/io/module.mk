# SPDX-License-Identifier: Apache-2.0
EDGE_SRCS += userspace/io/files.c userspace/io/host_addresses.c userspace/io/http_server.c userspace/io/loop.c userspace/io/run_dir.c userspace/io/tcp_listen.c
