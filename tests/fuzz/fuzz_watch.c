// SPDX-License-Identifier: Apache-2.0
/* Hostile answers of an API server: any bytes, cut anywhere, as lists and watches of three kinds, all the way
 * into the store. What must hold beyond "no crash": however the bytes are cut, the same objects, problems and
 * next request follow, and a list that is not whole removes nothing.
 *
 * The first bytes of the input say: kind, where it is cut, and the statuses of the answers; "\xff" ends an
 * answer. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "k8s/intake.h"
#include "k8s/reflector.h"
#include "userspace/base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	enum object_kind kind;
	const char *type;
} kinds[] = {
	{ OBJECT_SERVICE, "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\"}" },
	{ OBJECT_ENDPOINT_SLICE, "{\"kind\":\"EndpointSliceList\",\"apiVersion\":\"discovery.k8s.io/v1\"}" },
	{ OBJECT_SERVICE_IP_POOL, NULL },
};

struct world {
	struct store *store;
	struct intake intake;
	struct intake_list list;
	struct reflector reflector;
	bool open;
};

static int begin(void *userdata)
{
	struct world *world = userdata;

	world->open = true;
	intake_begin(&world->list);
	return 0;
}

static int put(void *userdata, const struct json *type, const struct json *object)
{
	struct world *world = userdata;

	return intake_put(&world->intake, &world->list, type, object, world->open);
}

static int drop(void *userdata, const struct json *type, const struct json *object)
{
	struct world *world = userdata;

	return intake_remove(&world->intake, &world->list, type, object);
}

static int complete(void *userdata)
{
	struct world *world = userdata;

	world->open = false;
	return intake_complete(&world->intake, &world->list);
}

static const struct reflector_fns fns = { begin, put, drop, complete };

static void init(struct world *world, unsigned kind)
{
	*world = (struct world){ .store = store_new() };
	world->intake.store = world->store;
	world->list.kind = kinds[kind].kind;
	world->reflector.path = "/x";
	world->reflector.list_type = kinds[kind].type;
	world->reflector.fns = &fns;
	world->reflector.userdata = world;
	assert(reflector_init(&world->reflector) == 0);
}

static void done(struct world *world)
{
	reflector_done(&world->reflector);
	intake_list_done(&world->list);
	intake_done(&world->intake);
	store_free(world->store);
}

/* One answer; `step` bytes at a time, in memory of their exact size. */
static void answer(struct world *world, const uint8_t *bytes, size_t length, size_t step, int status,
		   bool cut)
{
	cleanup(strbuf_done) struct strbuf path = { 0 };
	const struct api_reply reply = { .status = status, .reason = "", .message = "" };
	struct api_stream stream;
	uint64_t n_lists = world->reflector.n_lists;
	size_t n = store_count(world->store, world->list.kind);
	bool was_watch;

	assert(reflector_request(&world->reflector, 7, &path, &stream) == 0);
	was_watch = world->reflector.phase == REFLECTOR_WATCH;
	for (size_t at = 0; status == 200 && at < length; at += step) {
		size_t part = length - at < step ? length - at : step;
		char *copy = malloc(part);

		memcpy(copy, bytes + at, part);
		if (reflector_feed(&world->reflector, copy, part))
			at = length;
		free(copy);
	}
	reflector_ended(&world->reflector, &reply, cut);
	if (!was_watch && world->reflector.n_lists == n_lists && !world->reflector.as_watch)
		assert(store_count(world->store, world->list.kind) >= n);
}

static void run(struct world *world, const uint8_t *data, size_t size, size_t step, unsigned statuses)
{
	static const int codes[] = { 200, 410, 422, 0 };
	const uint8_t *end;

	for (unsigned i = 0; size && i < 8; i++) {
		/* mostly bodies, now and then a refusal before one */
		if (statuses >> i & 1)
			answer(world, NULL, 0, 1, codes[(statuses + i) % 4], false);
		end = memchr(data, 0xff, size);
		answer(world, data, end ? (size_t)(end - data) : size, step, 200, i % 3 == 2);
		size = end ? size - (size_t)(end - data) - 1 : 0;
		data = end ? end + 1 : data;
	}
}

static void expect_equal(struct world *a, struct world *b)
{
	cleanup(problems_done) struct problems left = { 0 }, right = { 0 };
	cleanup(strbuf_done) struct strbuf x = { 0 }, y = { 0 };
	struct api_stream stream;
	size_t n = store_count(a->store, a->list.kind);

	assert(n == store_count(b->store, b->list.kind));
	for (size_t i = 0; i < n; i++) {
		const struct object *p = store_at(a->store, a->list.kind, i),
				    *q = store_at(b->store, b->list.kind, i);

		assert(!object_compare(p, q) && p->digest == q->digest);
	}
	assert(intake_append_problems(&a->intake, &left) == 0 &&
	       intake_append_problems(&b->intake, &right) == 0);
	assert(problems_equal(&left, &right));
	assert(reflector_request(&a->reflector, 7, &x, &stream) == 0);
	assert(reflector_request(&b->reflector, 7, &y, &stream) == 0);
	assert(!strcmp(strbuf_text(&x), strbuf_text(&y)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world whole, parts;
	unsigned kind;

	if (size < 3)
		return 0;
	kind = data[0] % ARRAY_SIZE(kinds);
	init(&whole, kind);
	init(&parts, kind);
	run(&whole, data + 3, size - 3, size, data[2]);
	run(&parts, data + 3, size - 3, data[1] % 61 + 1, data[2]);
	expect_equal(&whole, &parts);
	done(&whole);
	done(&parts);
	return 0;
}
