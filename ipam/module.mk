# SPDX-License-Identifier: Apache-2.0
CORE_SRCS += ipam/allocator.c ipam/run.c ipam/allocations.c ipam/offer.c ipam/answer.c ipam/allocations_json.c
CORE_SRCS += ipam/pool.c ipam/request.c ipam/sharing.c ipam/used.c ipam/status_book.c ipam/overlay.c
CORE_SRCS += ipam/ledger.c ipam/ledger_entries.c ipam/ledger_overlay.c ipam/release.c
CORE_SRCS += ipam/conditions.c ipam/node_reports.c ipam/service_write.c ipam/pool_status.c ipam/peer_status.c
CORE_SRCS += ipam/advertisement_status.c ipam/valid_status.c ipam/silence.c ipam/wants.c
CORE_SRCS += ipam/event_book.c ipam/service_events.c ipam/addressees.c ipam/forbidden.c ipam/problem_book.c ipam/rush.c ipam/rounds.c ipam/metrics.c ipam/options.c
EDGE_SRCS += ipam/status_file.c ipam/controller.c ipam/problem_lines.c ipam/outbox.c ipam/event_sender.c ipam/leader.c
PROGRAMS += lbcontroller
lbcontroller_SRCS := ipam/main.c ipam/manifests_mode.c ipam/cluster_mode.c
EDGE_TESTS += tests/edge/test_lbcontroller.c tests/edge/test_leader.c tests/edge/test_outbox.c tests/edge/test_outbox_answers.c tests/edge/test_event_sender.c tests/edge/test_problem_lines.c
EDGE_TESTS_ALONE += tests/edge/test_leader.c tests/edge/test_outbox_answers.c tests/edge/test_event_sender.c
