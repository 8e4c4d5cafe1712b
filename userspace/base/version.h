/* SPDX-License-Identifier: Apache-2.0 */
/* What --version, logs and the API's user agent say. */
#ifndef FAIRWAY_BASE_VERSION_H
#define FAIRWAY_BASE_VERSION_H

#define FAIRWAY_VERSION "0.1.0"

#endif
