/* refuse.c - the answer to a request for the controller when nothing of it can be kept: what would have
 * been a success of a topic or resource carries the error instead. */
#include "protocol/gen/allocate_producer_ids.h"
#include "protocol/gen/alter_configs.h"
#include "protocol/gen/alter_partition.h"
#include "protocol/gen/alter_partition_reassignments.h"
#include "protocol/gen/assign_replicas_to_dirs.h"
#include "protocol/gen/broker_heartbeat.h"
#include "protocol/gen/broker_registration.h"
#include "protocol/gen/controller_registration.h"
#include "protocol/gen/create_partitions.h"
#include "protocol/gen/create_topics.h"
#include "protocol/gen/delete_topics.h"
#include "protocol/gen/elect_leaders.h"
#include "protocol/gen/incremental_alter_configs.h"
#include "protocol/gen/keys.h"
#include "protocol/gen/unregister_broker.h"
#include "protocol/gen/update_features.h"
#include "src/api/handlers.h"

static void
turn(int16_t *code, struct rk_str *message, enum rk_err err, struct rk_str why)
{
	if (*code != 0)
		return;
	*code = rk_err_wire(err);
	*message = why;
}

void
api_refuse(struct api_call *c, enum rk_err err, struct rk_str why)
{
	rk_assert(err != RK_OK);
#define EACH(type, list)                                                                            \
	for (int32_t i = 0; i < ((struct type *)c->res)->list.len; i++)                             \
	turn(&((struct type *)c->res)->list.at[i].error_code,                                       \
	    &((struct type *)c->res)->list.at[i].error_message, err, why)

	switch (c->head.key) {
	case KP_CREATE_TOPICS:
		EACH(kp_create_topics_res, topics);
		break;
	case KP_DELETE_TOPICS:
		EACH(kp_delete_topics_res, responses);
		break;
	case KP_CREATE_PARTITIONS:
		EACH(kp_create_partitions_res, results);
		break;
	case KP_ALTER_CONFIGS:
		EACH(kp_alter_configs_res, responses);
		break;
	case KP_INCREMENTAL_ALTER_CONFIGS:
		EACH(kp_incremental_alter_configs_res, responses);
		break;
#define WHOLE(name, type)                                                                           \
	case KP_##name:                                                                             \
		((struct type *)c->res)->error_code = rk_err_wire(err);                             \
		break
	WHOLE(ELECT_LEADERS, kp_elect_leaders_res);
	WHOLE(ALTER_PARTITION, kp_alter_partition_res);
	WHOLE(BROKER_HEARTBEAT, kp_broker_heartbeat_res);
	WHOLE(BROKER_REGISTRATION, kp_broker_registration_res);
	WHOLE(ALLOCATE_PRODUCER_IDS, kp_allocate_producer_ids_res);
	WHOLE(ALTER_PARTITION_REASSIGNMENTS, kp_alter_partition_reassignments_res);
	WHOLE(UPDATE_FEATURES, kp_update_features_res);
	WHOLE(UNREGISTER_BROKER, kp_unregister_broker_res);
	WHOLE(ASSIGN_REPLICAS_TO_DIRS, kp_assign_replicas_to_dirs_res);
	WHOLE(CONTROLLER_REGISTRATION, kp_controller_registration_res);
#undef WHOLE
	default:
		rk_assert(c->api == NULL); /* a CONTROL row that this list lacks */
	}
#undef EACH
}
