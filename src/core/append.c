/* append.c - the leader's append: may it be, is it fit, was it there before, and then one write. */
#include "src/core/feed.h"
#include "src/core/inside.h"
#include "src/core/mark.h"
#include "src/core/replica.h"

static enum rk_err
may_append(const struct core_partition *p, const struct core_append *a)
{
	if (!a->own && !a->admin && p->topic->internal)
		return RK_INVALID_TOPIC_EXCEPTION;
	if (!p->leads || core_of(p)->cut_off)
		return RK_NOT_LEADER_OR_FOLLOWER;
	if (p->broken || core_of(p)->stopping)
		return p->broken ? RK_KAFKA_STORAGE_ERROR : RK_NOT_LEADER_OR_FOLLOWER;
	if (a->acks == -1 && p->isr < rk_min(core_conf(p)->min_insync_replicas, p->replicas))
		return RK_NOT_ENOUGH_REPLICAS;
	return RK_OK;
}

/* Kafka gives the log start with every answer but these. */
static bool
says_log_start(enum rk_err err)
{
	switch (err) {
	case RK_UNKNOWN_TOPIC_OR_PARTITION:
	case RK_NOT_LEADER_OR_FOLLOWER:
	case RK_MESSAGE_TOO_LARGE:
	case RK_RECORD_LIST_TOO_LARGE:
	case RK_CORRUPT_MESSAGE:
	case RK_KAFKA_STORAGE_ERROR:
	case RK_NO_SPACE:
	case RK_INVALID_TOPIC_EXCEPTION:
		return false;
	default:
		return true;
	}
}

/* With write.caching the log is synced when flush.ms asks for it (flush.messages: the log itself).
 */
void
core_want_sync(struct core_partition *p)
{
	const struct conf_topic *f = core_conf(p);

	if (!f->write_caching) {
		p->unsynced = true;
		core_touch(p);
	} else if (f->flush_ms != INT64_MAX) {
		core_flush_in(core_of(p), f->flush_ms);
	}
}

/* What the producer's past says of the batch. RK_DUPLICATE_SEQUENCE_NUMBER: it is there already, at *base. */
static enum rk_err
judge_producer(struct core_partition *p, struct st_log *log, const struct core_append *a, int64_t *base, int64_t *ms)
{
	int16_t attr = kp_batch_attr(a->at);

	if (kp_batch_producer(a->at) < 0)
		return RK_OK;
	enum rk_err err = st_producers_check(st_log_producers(log), a->at, base, ms), why;
	if (a->own || (attr & KP_ATTR_TXN) == 0 || (err == RK_DUPLICATE_SEQUENCE_NUMBER && *base >= 0)
	    || err == RK_KAFKA_STORAGE_ERROR)
		return err;
	struct core_intent x = core_intent(a->at, a->adds);
	why = core_verified(p, &x, a->guard);
	return why == RK_INVALID_TXN_STATE || err == RK_OK ? why : err;
}

/* The batch is fit: in it goes, unless its producer has sent it before. */
static void
take_in(struct core_partition *p, struct core_append *a)
{
	struct core *c = core_of(p);
	struct st_appended done;
	struct st_log *log;
	int64_t base = -1, ms = -1;

	a->err = core_log_for_write(p, &log);
	if (a->err != RK_OK)
		return;
	enum rk_err err = judge_producer(p, log, a, &base, &ms);
	if (err == RK_DUPLICATE_SEQUENCE_NUMBER && base >= 0) {
		rk_assert(base < st_log_end(log));
		a->base_offset = base;
		a->append_ms = ms;
		a->need = base + kp_batch_last_delta(a->at) + 1;
		return;
	}
	if (err == RK_OK)
		err =
		    st_log_append(log, a->at, (uint32_t)a->len, p->leader_epoch, a->wall_ms, &done);
	a->err = err == RK_NO_SPACE || err == RK_NO_DESCRIPTOR ? RK_KAFKA_STORAGE_ERROR : err;
	if (err != RK_OK) {
		core_advance(p); /* the log may be broken now: those who wait must hear of it */
		return;
	}
	rk_assert(done.first >= p->high && done.last + 1 == st_log_end(log));
	rk_assert(done.batches == 1 && done.last - done.first == kp_batch_last_delta(a->at));
	rk_assert(kp_batch_base(a->at) == done.first && kp_batch_epoch(a->at) == p->leader_epoch);
	a->base_offset = done.first;
	a->need = done.last + 1;
	if (kp_batch_attr(a->at) & KP_ATTR_TXN)
		core_guard_over(p, a->at, a->raised);
	uint64_t records = (uint64_t)kp_batch_count(a->at);
	p->topic->counts.messages_in += records;
	p->topic->counts.bytes_in += (uint64_t)a->len;
	c->counts.messages_in += records;
	c->counts.bytes_in += (uint64_t)a->len;
	core_dirty(p);
	core_want_sync(p);
	if (p->set != NULL) {
		core_set_grew(p, done.first);
		core_feeds_moved(p->set, true);
	}
	core_advance(p);
}

void
core_append(struct core_partition *p, struct core_append *a)
{
	rk_assert(core_of(p)->loaded);
	rk_assert(a->arena != NULL && a->at != NULL);
	a->base_offset = a->append_ms = a->log_start = a->need = -1;
	a->message = RK_STR_NULL;
	a->error = NULL;
	a->errors = 0;
	a->err = may_append(p, a);
	if (a->err == RK_OK)
		core_check(p, a);
	if (a->err == RK_OK)
		take_in(p, a);
	rk_assert(a->err != RK_OK || (a->base_offset >= 0 && a->need > a->base_offset));
	rk_assert(a->err == RK_OK || a->need == -1);
	if (a->err != RK_OK)
		a->append_ms = -1;
	if (says_log_start(a->err))
		a->log_start = core_start(p);
	if (a->err != RK_OK)
		p->topic->counts.failed_produce++, core_of(p)->counts.failed_produce++;
}

enum rk_err
core_delete_records(struct core_partition *p, int64_t offset, int64_t *low)
{
	struct st_log *log;

	*low = -1;
	if (!p->leads || core_of(p)->cut_off)
		return RK_NOT_LEADER_OR_FOLLOWER;
	if (core_open(p, &log) != RK_OK || p->broken)
		return RK_KAFKA_STORAGE_ERROR;
	if (p->topic->rules.compact && !p->topic->rules.delete_old)
		return RK_POLICY_VIOLATION;
	int64_t to = offset == -1 ? p->high : offset;
	rk_assert(log != NULL || p->high == 0);
	if (to < 0 || to > p->high)
		return RK_OFFSET_OUT_OF_RANGE;
	if (log != NULL && to > st_log_start(log)) {
		enum rk_err err = st_log_set_start(log, to);
		if (err != RK_OK)
			return err;
		core_dirty(p);
		if (p->set != NULL)
			core_feeds_moved(p->set, false);
	}
	*low = log == NULL ? 0 : st_log_start(log);
	rk_assert(*low >= to || log == NULL);
	return RK_OK;
}
