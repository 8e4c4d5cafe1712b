// SPDX-License-Identifier: Apache-2.0
/* The API server, the watch and the controller's loop: see controller_model.h. */
#include "tests/unit/controller_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/wants.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"

#define STEP_MSEC 50

static bool dice(struct controller_model *model, uint32_t percent)
{
	return random_chance(&model->random, percent);
}

static void must(bool holds)
{
	if (!holds)
		abort(); /* out of memory */
}

/* --- the API server ------------------------------------------------------------------------------------ */

static void change(struct controller_model *model, struct model_object *object, const char *what)
{
	object->version = ++model->version;
	strbuf_appendf(&model->story, "%s ", what);
	random_service_say(&model->story, &object->spec);
	strbuf_append(&model->story, "\n");
}

static void remove_object(struct controller_model *model, struct model_object *object)
{
	change(model, object, "delete");
	if (object->finalizer)
		object->spec.deleting = true;
	else
		object->spec = (struct random_service){ 0 };
}

bool controller_model_edit(struct controller_model *model, size_t service,
			   const struct random_service *wanted)
{
	struct model_object *object = &model->server.objects[service];
	const struct random_service old = object->spec;

	if (old.deleting || (!old.exists && (!wanted->exists || wanted->deleting)) ||
	    !memcmp(&old, wanted, sizeof(old)))
		return false;
	model->server.service_edits++;
	if (!wanted->exists || wanted->deleting) {
		remove_object(model, object);
		return true;
	}
	object->spec = *wanted;
	if (old.exists && (old.foreign != wanted->foreign || old.cluster_ip != wanted->cluster_ip))
		object->spec.n_status = 0;
	if (!old.exists) {
		object->uid = ++model->uids;
		object->finalizer = false;
	}
	change(model, object, old.exists ? "edit" : "create");
	return true;
}

bool controller_model_edit_pool(struct controller_model *model, size_t pool, const struct random_pool *wanted)
{
	struct random_pool *there = &model->server.pools[pool];

	if ((!there->exists && !wanted->exists) || !memcmp(there, wanted, sizeof(*there)))
		return false;
	*there = *wanted;
	model->server.pool_edits++;
	strbuf_appendf(&model->story, "edit pool p%zu%s\n", pool, wanted->exists ? "" : ": gone");
	return true;
}

void controller_model_touch(struct controller_model *model, size_t service)
{
	if (model->server.objects[service].spec.exists)
		change(model, &model->server.objects[service], "touch");
}

void controller_model_empty_status(struct controller_model *model, size_t service)
{
	model->server.objects[service].spec.n_status = 0;
	change(model, &model->server.objects[service], "status emptied by somebody:");
}

static void say_write(struct controller_model *model, const struct model_write *write, const char *what)
{
	strbuf_appendf(&model->story, "  %s s%zu: ", what, write->service);
	if (write->gives_addresses)
		random_addrs_say(&model->story, write->addresses, write->n_addresses);
	strbuf_appendf(&model->story, "%s%s\n", write->adds_finalizer ? " +finalizer" : "",
		       write->removes_finalizer ? " -finalizer" : "");
}

static void take_write(struct model_object *object, const struct model_write *write)
{
	object->version = write->made_version;
	if (write->gives_addresses) {
		memcpy(object->spec.status, write->addresses, sizeof(object->spec.status));
		object->spec.n_status = write->n_addresses;
	}
	if (write->adds_finalizer || write->removes_finalizer)
		object->finalizer = write->adds_finalizer;
	if (write->removes_finalizer && object->spec.deleting)
		object->spec = (struct random_service){ 0 };
}

static void execute(struct controller_model *model, struct model_write *write)
{
	struct model_object *object = &model->server.objects[write->service];

	write->on_its_way = false;
	if (!object->spec.exists || object->uid != write->over.uid ||
	    object->version != write->over.version) {
		model->counts.conflicts++;
		say_write(model, write, "conflict");
		return;
	}
	if (!model->smooth && dice(model, 4)) {
		model->counts.refused++;
		say_write(model, write, "refused");
		return;
	}
	model->counts.written++;
	model->counts.ghosts += !write->awaited;
	say_write(model, write, "written");
	model->executing(model->userdata, write);
	write->made_version = ++model->version;
	take_write(object, write);
}

/* --- the controller: writes ---------------------------------------------------------------------------- */

/* The meta of a Service as it was read. */
struct identity {
	char namespace[4], name[8], uid[16];
};

static struct meta meta_of(size_t service, const struct model_object *object, struct identity *identity)
{
	snprintf(identity->namespace, sizeof(identity->namespace), "%c", 'a' + object->spec.namespace);
	snprintf(identity->name, sizeof(identity->name), "s%zu", service);
	snprintf(identity->uid, sizeof(identity->uid), "%u", object->uid);
	return (struct meta){ .namespace = identity->namespace,
			      .name = identity->name,
			      .uid = identity->uid,
			      .resource_version = object->version };
}

static void send_write(struct controller_model *model, struct model_write *write)
{
	struct identity identity;
	const struct meta meta = meta_of(write->service, &write->over, &identity);
	struct addressee *addressee = addressees_add(&model->addressees, OBJECT_SERVICE, &meta);

	must(addressee);
	write->queued = false;
	if (addressee->busy)
		return;
	if (write->gives_addresses)
		must(ledger_sent(&model->ledger, &meta, write->addresses, write->n_addresses,
				 model->now_msec) == 0);
	addressee_sent(addressee, model->now_msec);
	write->on_its_way = write->awaited = true;
	write->execute_in = random_below(&model->random, 6);
	write->answer_in = random_below(&model->random, 6);
	write->lost = !model->smooth && dice(model, 12);
	say_write(model, write, "sent");
}

static void take_answer(struct controller_model *model, struct model_write *write)
{
	struct identity identity;
	const struct meta meta = meta_of(write->service, &write->over, &identity);
	struct addressee *addressee = addressees_add(&model->addressees, OBJECT_SERVICE, &meta);

	must(addressee);
	write->awaited = false;
	model->counts.lost += write->lost;
	say_write(model, write,
		  write->lost		? "no answer"
		  : write->made_version ? "answer"
					: "answer: refused");
	if (write->lost || !write->made_version) {
		addressee_failed(addressee, 0, model->now_msec);
		return;
	}
	addressee_acknowledged(addressee, write->made_version);
	if (write->gives_addresses)
		ledger_acknowledged(&model->ledger, &meta, write->made_version, model->now_msec);
}

static void move_write(struct controller_model *model, struct model_write *write)
{
	if (write->queued && (model->smooth || dice(model, 50))) {
		send_write(model, write);
		return;
	}
	if (write->on_its_way && write->execute_in-- == 0)
		execute(model, write);
	else if (write->awaited && (write->lost || !write->on_its_way) && write->answer_in-- == 0)
		take_answer(model, write);
}

static void move_writes(struct controller_model *model)
{
	for (size_t i = 0; i < MODEL_WRITES; i++)
		move_write(model, &model->writes[i]);
}

/* --- the controller: a round --------------------------------------------------------------------------- */

static bool sink_is_ready(void *userdata, enum object_kind kind, const struct meta *meta)
{
	struct controller_model *model = userdata;
	uint64_t until_msec;
	bool ready;

	if (kind != OBJECT_SERVICE)
		return false;
	ready = addressee_ask(addressees_find(&model->addressees, kind, meta), meta->resource_version,
			      model->now_msec, &until_msec) == ADDRESSEE_READY;
	model->asleep |= !ready;
	return ready;
}

static bool sink_has_room(void *userdata, bool urgent)
{
	struct controller_model *model = userdata;

	model->asleep |= urgent && !model->room;
	return model->room > 0;
}

static bool sink_holds_back(void *userdata _unused_)
{
	return true; /* addresses and finalizers alone are modelled */
}

static int sink_add(void *userdata, const struct outbox_write *write)
{
	struct controller_model *model = userdata;
	size_t i = 0, service = (size_t)atoi(write->meta->name + 1);

	if (write->kind != OBJECT_SERVICE)
		return 0;
	model->n_wanted++;
	while (i < MODEL_WRITES &&
	       (model->writes[i].queued || model->writes[i].on_its_way || model->writes[i].awaited))
		i++;
	must(i < MODEL_WRITES);
	model->room -= model->room > 0;
	model->writes[i] = (struct model_write){ .queued = true,
						 .service = service,
						 .over = model->seen.objects[service],
						 .service_edits = model->seen.service_edits,
						 .gives_addresses = write->service->gives_addresses,
						 .adds_finalizer = write->service->adds_finalizer,
						 .removes_finalizer = write->service->removes_finalizer,
						 .n_addresses = write->service->n_addresses };
	memcpy(model->writes[i].addresses, write->service->addresses, sizeof(model->writes[i].addresses));
	return 0;
}

/* The cluster as the watch has shown it. */
static const struct cluster *see(const struct controller_model *model, struct world *world)
{
	struct condition *allocated = arena_alloc(&world->arena, sizeof(*allocated));
	struct random_world pools = { 0 };

	must(allocated);
	*allocated = (struct condition){ .type = CONDITION_ALLOCATED, .reason = "", .message = "" };
	for (size_t i = 0; i < RANDOM_SERVICES; i++) {
		const struct model_object *object = &model->seen.objects[i];
		struct identity identity;
		struct service *service;

		if (!object->spec.exists)
			continue;
		service = random_service_add(world, &object->spec);
		meta_of(i, object, &identity);
		service->meta.uid = arena_string(&world->arena, identity.uid);
		service->meta.resource_version = object->version;
		if (!object->finalizer)
			continue;
		service->meta.finalizers = world_words(world, CLEANUP_FINALIZER);
		service->meta.conditions = (struct conditions){ .items = allocated, .n = 1 };
	}
	memcpy(pools.pools, model->seen.pools, sizeof(pools.pools));
	random_pools_add(world, &pools);
	return world_cluster(world);
}

static void begin_round(struct controller_model *model)
{
	model->n_wanted = 0;
	model->asleep = false;
	model->room = model->smooth ? RANDOM_SERVICES : 1 + random_below(&model->random, RANDOM_SERVICES);
	for (size_t i = 0; i < MODEL_WRITES; i++)
		model->writes[i].queued = false;
}

static void do_round(struct controller_model *model)
{
	static const struct wants_sink sink = { sink_is_ready, sink_has_room, sink_holds_back, sink_add };
	cleanup(world_done) struct world world = { 0 };
	cleanup(node_reports_done) struct node_reports reports = { 0 };
	cleanup(arena_done) struct arena arena = { 0 };
	cleanup(allocations_done) struct allocations allocations = { 0 };
	const struct problem_book problems = { 0 };
	const struct silence silence = { 0 };
	const struct cluster *cluster = see(model, &world);
	struct cluster overlay;

	must(node_reports_init(&reports, cluster) == 0);
	must(ledger_update(&model->ledger, cluster, false, &reports, model->now_msec) == 0);
	must(ledger_overlay(&model->ledger, cluster, false, &arena, &overlay) == 0);
	must(allocate(&overlay, false, &allocations) == 0);
	begin_round(model);
	must(wants_collect(&(struct wants){ .cluster = cluster,
					    .allocations = &allocations,
					    .ledger = &model->ledger,
					    .reports = &reports,
					    .problems = &problems,
					    .silence = &silence,
					    .sink = &sink,
					    .userdata = model }) == 0);
}

static void watch_services(struct controller_model *model)
{
	memcpy(model->seen.objects, model->server.objects, sizeof(model->seen.objects));
	model->seen.service_edits = model->server.service_edits;
}

static void watch_pools(struct controller_model *model)
{
	memcpy(model->seen.pools, model->server.pools, sizeof(model->seen.pools));
	model->seen.pool_edits = model->server.pool_edits;
}

void controller_model_step(struct controller_model *model)
{
	model->now_msec += STEP_MSEC;
	move_writes(model);
	if (dice(model, 35))
		watch_services(model);
	if (dice(model, 35))
		watch_pools(model);
	if (dice(model, 60))
		do_round(model);
}

void controller_model_change_leader(struct controller_model *model)
{
	strbuf_append(&model->story, "  another leader\n");
	model->counts.leaders++;
	for (size_t i = 0; i < MODEL_WRITES; i++) {
		if (model->writes[i].on_its_way && dice(model, 50))
			execute(model, &model->writes[i]);
		model->writes[i] = (struct model_write){ 0 };
	}
	watch_services(model);
	watch_pools(model);
	ledger_done(&model->ledger);
	addressees_done(&model->addressees);
}

static bool is_quiet(const struct controller_model *model)
{
	for (size_t i = 0; i < MODEL_WRITES; i++)
		if (model->writes[i].queued || model->writes[i].on_its_way || model->writes[i].awaited)
			return false;
	for (size_t i = 0; i < RANDOM_SERVICES; i++)
		if (model->seen.objects[i].version != model->server.objects[i].version)
			return false;
	return model->seen.service_edits == model->server.service_edits &&
	       model->seen.pool_edits == model->server.pool_edits;
}

bool controller_model_rests(struct controller_model *model)
{
	if (!is_quiet(model))
		return false;
	do_round(model);
	return !model->n_wanted && !model->asleep && !model->ledger.n_leaving;
}

/* --- life ---------------------------------------------------------------------------------------------- */

void controller_model_init(struct controller_model *model, const struct random_world *world, uint64_t seed)
{
	*model = (struct controller_model){ .random = { seed }, .now_msec = 100000 };
	memcpy(model->server.pools, world->pools, sizeof(model->server.pools));
	model->seen = model->server; /* every list is there before anything is decided */
}

void controller_model_done(struct controller_model *model)
{
	ledger_done(&model->ledger);
	addressees_done(&model->addressees);
	strbuf_done(&model->story);
}

void controller_model_world(const struct controller_model *model, bool gone, struct random_world *ret)
{
	for (size_t i = 0; i < RANDOM_SERVICES; i++) {
		ret->services[i] = model->server.objects[i].spec;
		if (gone && ret->services[i].deleting)
			ret->services[i] = (struct random_service){ 0 };
	}
	memcpy(ret->pools, model->server.pools, sizeof(ret->pools));
}
