// SPDX-License-Identifier: Apache-2.0
/* When an object may be written: one at a time, not before the watch has shown the last one, backoff, pauses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipam/addressees.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

static const struct meta shop = { .namespace = "w", .name = "shop" };

static int tear_down(void **state)
{
	addressees_done(*state);
	free(*state);
	return 0;
}

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct addressees));
	return *state ? 0 : -1;
}

static void ask(const struct addressee *object, uint64_t version, uint64_t now_msec,
		enum addressee_answer wanted, uint64_t wanted_until_msec)
{
	uint64_t until_msec = 0;

	assert_int_equal(addressee_ask(object, version, now_msec, &until_msec), wanted);
	assert_int_equal(until_msec, wanted_until_msec);
}

static void ask_urgency(const struct addressee *object, enum write_urgency urgency, uint64_t now_msec,
			enum addressee_answer wanted, uint64_t wanted_until_msec)
{
	uint64_t until_msec = 0;

	assert_int_equal(addressee_ask_urgency(object, urgency, now_msec, &until_msec), wanted);
	assert_int_equal(until_msec, wanted_until_msec);
}

static void test_one_at_a_time_and_seen(void **state)
{
	struct addressee *object;

	ask(addressees_find(*state, OBJECT_SERVICE, &shop), 5, 1000, ADDRESSEE_READY, 0); /* never written */
	object = addressees_add(*state, OBJECT_SERVICE, &shop);
	assert_non_null(object);
	ask(object, 5, 1000, ADDRESSEE_READY, 0);
	addressee_sent(object, 1000);
	ask(object, 5, 999999, ADDRESSEE_WAITS, 0);
	addressee_acknowledged(object, 8);
	ask(object, 7, 1100, ADDRESSEE_WAITS, 0); /* something before it, made by somebody else */
	ask(object, 8, 1100, ADDRESSEE_READY, 0);
	ask(object, 9, 1100, ADDRESSEE_READY, 0);
}

static void test_pauses(void **state)
{
	struct addressee *object = addressees_add(*state, OBJECT_SERVICE, &shop);

	assert_non_null(object);
	ask_urgency(object, WRITE_LAZY, 1, ADDRESSEE_READY, 0); /* the first waits for nothing */
	addressee_sent(object, 1000);
	addressee_acknowledged(object, 8);
	ask_urgency(object, WRITE_NOW, 1000, ADDRESSEE_READY, 0);
	ask_urgency(object, WRITE_SOON, 1999, ADDRESSEE_RESTS, 2000);
	ask_urgency(object, WRITE_SOON, 2000, ADDRESSEE_READY, 0);
	ask_urgency(object, WRITE_LAZY, 30999, ADDRESSEE_RESTS, 31000);
	ask_urgency(object, WRITE_LAZY, 31000, ADDRESSEE_READY, 0);
}

static void test_backoff(void **state)
{
	static const unsigned waits_msec[] = { 100,  200,   400,   800,	  1600, 3200,
					       6400, 12800, 25600, 30000, 30000 };
	struct addressee *object = addressees_add(*state, OBJECT_SERVICE, &shop);
	uint64_t now_msec = 1000;

	assert_non_null(object);
	for (size_t i = 0; i < ARRAY_SIZE(waits_msec); i++) {
		addressee_sent(object, now_msec);
		assert_int_equal(addressee_failed(object, 0, now_msec), waits_msec[i]);
		ask(object, 5, now_msec + waits_msec[i] - 1, ADDRESSEE_RESTS, now_msec + waits_msec[i]);
		now_msec += waits_msec[i];
		ask(object, 5, now_msec, ADDRESSEE_READY, 0);
	}
	assert_int_equal(addressee_failed(object, 45000, now_msec), 45000); /* what the server asks for */
	assert_int_equal(addressee_failed(object, 7000, now_msec), 30000);  /* … if it is longer */
	addressee_acknowledged(object, 6);
	assert_int_equal(addressee_failed(object, 0, now_msec), 100); /* the story begins anew */
	for (unsigned i = 0; i < 200; i++)
		assert_in_range(addressee_failed(object, 0, now_msec), 100, 30000);
}

static void test_forgotten(void **state)
{
	static const char *const names[] = { "busy", "old", "resting", "young" };
	struct addressees *all = *state;
	struct addressee *objects[ARRAY_SIZE(names)];
	struct meta metas[ARRAY_SIZE(names)];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		metas[i] = (struct meta){ .namespace = "w", .name = names[i] };
		objects[i] = addressees_add(all, OBJECT_SERVICE, &metas[i]);
		assert_non_null(objects[i]);
		addressee_sent(objects[i], i == 3 ? 2000 : 1000);
		if (i)
			addressee_acknowledged(objects[i], 5);
	}
	addressee_failed(objects[2], 90000, 1000);
	addressees_forget_old(all, 1000 + ADDRESSEE_FORGET_MSEC - 1);
	assert_int_equal(all->n, 4);
	addressees_forget_old(all, 1000 + ADDRESSEE_FORGET_MSEC);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_ptr_equal(addressees_find(all, OBJECT_SERVICE, &metas[i]), i == 1 ? NULL : objects[i]);
}

/* 404 to a status: the object is gone, which the watch shows, or has no status. */
static void test_no_status(void **state)
{
	struct addressees *all = *state;
	struct addressee *object = addressees_add(all, OBJECT_BFD_PROFILE, &shop);
	uint64_t now_msec = 1000, until_msec = 0, rest_msec;

	assert_non_null(object);
	for (unsigned i = 1; i < ADDRESSEE_NO_STATUS_TRIES; i++, now_msec += rest_msec) {
		addressee_sent(object, now_msec);
		assert_false(addressee_not_found(object, 5, now_msec, &rest_msec));
		assert_int_equal(rest_msec, 50 << i);
		assert_int_equal(addressee_ask_status(object, 5, now_msec, &until_msec), ADDRESSEE_READY);
	}
	addressee_failed(object, 0, now_msec); /* something else: the story begins anew */
	for (unsigned i = 1; i < ADDRESSEE_NO_STATUS_TRIES; i++)
		assert_false(addressee_not_found(object, 5, now_msec, &rest_msec));
	addressee_sent(object, now_msec);
	for (unsigned i = 0; i < 2; i++) { /* the second time at once */
		assert_true(addressee_not_found(object, 5, now_msec, &rest_msec));
		assert_int_equal(rest_msec, ADDRESSEE_FIRST_RETRY_MSEC);
		ask(object, 5, now_msec + rest_msec, ADDRESSEE_READY, 0); /* but for its status */
		assert_int_equal(
			addressee_ask_status(object, 5, now_msec + ADDRESSEE_NO_STATUS_MSEC - 1, &until_msec),
			ADDRESSEE_RESTS);
		assert_int_equal(until_msec, now_msec + ADDRESSEE_NO_STATUS_MSEC);
		assert_int_equal(addressee_ask_status(object, 6, now_msec, &until_msec), ADDRESSEE_READY);
		addressees_forget_old(all, now_msec + ADDRESSEE_NO_STATUS_MSEC);
		assert_ptr_equal(addressees_find(all, OBJECT_BFD_PROFILE, &shop), object);
		now_msec += ADDRESSEE_NO_STATUS_MSEC;
		assert_int_equal(addressee_ask_status(object, 5, now_msec, &until_msec), ADDRESSEE_READY);
	}
	assert_true(addressee_not_found(object, 5, now_msec, &rest_msec));
	addressee_acknowledged(object, 5);
	assert_int_equal(addressee_ask_status(object, 5, now_msec, &until_msec), ADDRESSEE_READY);
	assert_false(addressee_not_found(object, 5, now_msec, &rest_msec));
	assert_int_equal(addressee_ask_status(object, 5, now_msec, &until_msec), ADDRESSEE_READY);
	addressee_acknowledged(object, 6);
	addressees_forget_old(all, now_msec + ADDRESSEE_FORGET_MSEC);
	assert_int_equal(all->n, 0);
}

/* Kinds, namespaces and names in any order: each is found, once, and no other. */
static void test_many(void **state)
{
	struct addressees *all = *state;
	struct addressee *objects[2][10][10];
	char namespace[8], name[8];

	for (unsigned pass = 0; pass < 3; pass++)
		for (unsigned i = 0; i < 200; i++) {
			unsigned number = i * 77 % 200, kind = number / 100, a = number / 10 % 10,
				 b = number % 10;
			struct meta meta = { .namespace = namespace, .name = name };
			struct addressee *object;

			snprintf(namespace, sizeof(namespace), "n%u", a);
			snprintf(name, sizeof(name), "%u", b);
			object = pass < 2
					 ? addressees_add(all, kind ? OBJECT_BGP_PEER : OBJECT_SERVICE, &meta)
					 : addressees_find(all, kind ? OBJECT_BGP_PEER : OBJECT_SERVICE,
							   &meta);
			assert_non_null(object);
			if (!pass)
				objects[kind][a][b] = object;
			assert_ptr_equal(object, objects[kind][a][b]);
			assert_string_equal(object->name, name);
		}
	assert_int_equal(all->n, 200);
	assert_null(addressees_find(all, OBJECT_SERVICE_IP_POOL, &shop));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_one_at_a_time_and_seen),
					    TEST(test_pauses),
					    TEST(test_backoff),
					    TEST(test_forgotten),
					    TEST(test_no_status),
					    TEST(test_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
