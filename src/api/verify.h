/* verify.h - batches of a transaction, before they are appended (KIP-890): a partition whose transaction is not open
 * yet is asked for at the transactional id's coordinator. Produce up to version 11 asks whether the partition belongs
 * to the transaction, from 12 on has it added (transaction.version 2). */
#ifndef API_VERIFY_H
#define API_VERIFY_H
#include "src/api/handlers.h"
#include "src/core/mark.h"

struct kp_produce_req;

/* What is known of one partition's batch. */
struct api_verdict {
	uint64_t guard;       /* for core_append */
	int32_t leader_epoch; /* of the partition when it was asked for; of meaning with a guard only */
	enum rk_err err;      /* not to be appended */
	struct rk_str message;
};
struct api_verify {
	void (*done)(struct api_verify *); /* once, from the loop */
	struct api_verdict *at; /* of the request's partitions in their order; NULL: nothing is transactional */
	/* verify.c's */
	struct api_call *call;
	const struct kp_produce_req *req;
	struct core_verify ask;
	struct rk_timer again;
	int64_t began_ms;
	int32_t *place;         /* of each question among the partitions */
};
/* Whether batches of this version of Produce add their partition. */
bool api_verify_adds(int16_t produce_version);
/* True: done comes later. False: at is complete, or *err says why all of the request fails. */
bool api_verify(struct api_verify *, struct api_call *, const struct kp_produce_req *, enum rk_err *err);
void api_verify_forget(struct api_verify *);
/* Kafka's answer to what a coordinator said, as this version of Produce knows it; *message as Kafka has it, or null. */
enum rk_err api_verify_error(enum rk_err said, int16_t produce_version, struct rk_arena *, struct rk_str *message);
#endif
