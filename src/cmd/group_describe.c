/* group_describe.c - what a group is like: ConsumerGroupDescribe, and DescribeGroups for those of
 * the classic protocol. */
#include "protocol/gen/consumer_group_describe.h"
#include "protocol/gen/consumer_protocol.h"
#include "protocol/gen/describe_groups.h"
#include "src/cmd/group.h"

/* What a member of a classic group was assigned: Kafka's consumers say it in a message of their
 * own. */
static bool
assigned(struct cmd_client *c, struct rk_str bytes, struct cmd_spots *s)
{
	struct kp_consumer_protocol_assignment m;

	if (bytes.len <= 0)
		return true;
	if (bytes.len < 2)
		return cmd_client_fail(c, RK_INVALID_REQUEST,
		    "org.apache.kafka.common.protocol.types.SchemaException: Buffer underflow "
		    "while parsing consumer "
		    "protocol's header");
	if (kp_read(&kp_consumer_protocol_assignment_d, 0, bytes.at + 2, (size_t)bytes.len - 2,
		&c->arena, &m, NULL)
	    != RK_OK)
		return cmd_client_fail(c, RK_INVALID_REQUEST,
		    "org.apache.kafka.common.protocol.types.SchemaException: a member's assignment "
		    "is not one of a "
		    "consumer");
	for (int32_t i = 0; i < m.assigned_partitions.len; i++)
		for (int32_t k = 0; k < m.assigned_partitions.at[i].partitions.len; k++)
			cmd_spots_add(&c->arena, s, m.assigned_partitions.at[i].topic,
			    m.assigned_partitions.at[i].partitions.at[k]);
	cmd_spots_sort(s);
	return true;
}

static bool
not_found(struct cmd_client *c, const struct cmd_group *g)
{
	return cmd_client_fail(
	    c, RK_GROUP_ID_NOT_FOUND, "Group %.*s not found.", g->id.len, g->id.at);
}

static bool
take_classic(
    struct cmd_client *c, struct cmd_group *g, const struct kp_describe_groups_res_groups *d)
{
	if (!cmd_client_good(c, d->error_code, d->error_message))
		return c->err == RK_GROUP_ID_NOT_FOUND ? not_found(c, g) : false;
	if (rk_str_is(d->group_state, "Dead"))
		return not_found(c, g);
	if (d->protocol_type.len > 0 && !rk_str_is(d->protocol_type, "consumer"))
		return cmd_client_fail(c, RK_INVALID_REQUEST,
		    "java.lang.IllegalArgumentException: GroupId %.*s is not a consumer group "
		    "(%.*s).",
		    g->id.len, g->id.at, d->protocol_type.len, d->protocol_type.at);
	g->state = d->group_state;
	g->assignor = d->protocol_data;
	g->epoch = g->target_epoch = -1;
	g->members = (uint32_t)rk_max(d->members.len, 0);
	g->member = rk_arena_get(&c->arena, g->members, sizeof *g->member);
	for (uint32_t i = 0; i < g->members && g->member != NULL; i++) {
		struct kp_describe_groups_res_groups_members *m = &d->members.at[i];
		g->member[i] = (struct cmd_member){.id = m->member_id,
		    .instance = m->group_instance_id,
		    .client = m->client_id,
		    .host = m->client_host,
		    .epoch = -1};
		if (!assigned(c, m->member_assignment, &g->member[i].now))
			return false;
	}
	return true;
}

static bool
classic(struct cmd_client *c, struct cmd_group *g)
{
	struct kp_describe_groups_req req;
	struct kp_describe_groups_res res;

	kp_defaults(kp_api(KP_DESCRIBE_GROUPS)->req, &req);
	req.groups.at = &g->id;
	req.groups.len = 1;
	do {
		if (!cmd_coordinator(c, 0, g->id, &g->coordinator)
		    || !cmd_client_call(c, g->coordinator, KP_DESCRIBE_GROUPS, &req, &res))
			return false;
		if (res.groups.len != 1)
			return cmd_client_fail(
			    c, RK_UNKNOWN_SERVER_ERROR, "the answer does not speak of the group");
	} while (cmd_client_again(c, rk_err_of_wire(res.groups.at[0].error_code)));
	return take_classic(c, g, &res.groups.at[0]);
}

#define SPOTS(c, to, from)                                                                       \
	do {                                                                                     \
		for (int32_t i_ = 0; i_ < (from).topic_partitions.len; i_++)                     \
			for (int32_t k_ = 0; k_ < (from).topic_partitions.at[i_].partitions.len; \
			     k_++)                                                               \
				cmd_spots_add(&(c)->arena, to,                                   \
				    (from).topic_partitions.at[i_].topic_name,                   \
				    (from).topic_partitions.at[i_].partitions.at[k_]);           \
		cmd_spots_sort(to);                                                              \
	} while (0)

static bool
take_modern(struct cmd_client *c, struct cmd_group *g,
    const struct kp_consumer_group_describe_res_groups *d)
{
	g->modern = true;
	g->state = d->group_state;
	g->assignor = d->assignor_name;
	g->epoch = d->group_epoch;
	g->target_epoch = d->assignment_epoch;
	g->members = (uint32_t)rk_max(d->members.len, 0);
	g->member = rk_arena_get(&c->arena, g->members, sizeof *g->member);
	for (uint32_t i = 0; i < g->members && g->member != NULL; i++) {
		struct kp_consumer_group_describe_res_groups_members *m = &d->members.at[i];
		g->member[i] = (struct cmd_member){.id = m->member_id,
		    .instance = m->instance_id,
		    .client = m->client_id,
		    .host = m->client_host,
		    .epoch = m->member_epoch,
		    .classic = m->member_type == 0};
		SPOTS(c, &g->member[i].now, m->assignment);
		SPOTS(c, &g->member[i].target, m->target_assignment);
	}
	return !c->arena.over;
}

bool
cmd_group_describe(struct cmd_client *c, struct cmd_group *g)
{
	struct kp_consumer_group_describe_req req;
	struct kp_consumer_group_describe_res res;
	enum rk_err e;
	int16_t lo, hi;

	if (!cmd_client_knows(c, KP_CONSUMER_GROUP_DESCRIBE, &lo, &hi))
		return classic(c, g);
	kp_defaults(kp_api(KP_CONSUMER_GROUP_DESCRIBE)->req, &req);
	req.group_ids.at = &g->id;
	req.group_ids.len = 1;
	do {
		if (!cmd_coordinator(c, 0, g->id, &g->coordinator)
		    || !cmd_client_call(c, g->coordinator, KP_CONSUMER_GROUP_DESCRIBE, &req, &res))
			return c->err == RK_UNSUPPORTED_VERSION ? classic(c, g) : false;
		if (res.groups.len != 1)
			return cmd_client_fail(
			    c, RK_UNKNOWN_SERVER_ERROR, "the answer does not speak of the group");
		e = rk_err_of_wire(res.groups.at[0].error_code);
	} while (cmd_client_again(c, e));
	if (e == RK_GROUP_ID_NOT_FOUND || e == RK_UNSUPPORTED_VERSION)
		return classic(c, g);
	return cmd_client_good(c, res.groups.at[0].error_code, res.groups.at[0].error_message)
	       && take_modern(c, g, &res.groups.at[0]);
}
