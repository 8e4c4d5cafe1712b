/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAIRWAY_LBCTL_ALLOCATE_H
#define FAIRWAY_LBCTL_ALLOCATE_H

int run_allocate(int argc, char **argv);

#endif
