# SPDX-License-Identifier: Apache-2.0
CORE_SRCS += ipam/allocator.c ipam/run.c ipam/allocations.c ipam/offer.c ipam/answer.c ipam/allocations_json.c
CORE_SRCS += ipam/pool.c ipam/request.c ipam/sharing.c ipam/used.c ipam/status_book.c ipam/overlay.c
EDGE_SRCS += ipam/status_file.c ipam/controller.c
PROGRAMS += lbcontroller
lbcontroller_SRCS := ipam/main.c
EDGE_TESTS += tests/edge/test_lbcontroller.c
