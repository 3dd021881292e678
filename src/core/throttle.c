/* throttle.c - the rates of replication: see throttle.h. As in Kafka a rate is the mean over the whole window, from the
 * first byte on, so that a burst after silence is let through. */
#include "src/core/throttle.h"
#include "src/core/inside.h"
#include "src/core/replica.h"

static uint32_t
samples(const struct core *c)
{
	return (uint32_t)rk_max(2, rk_min(c->conf->replication_quota_window_num, CORE_RATE_SAMPLES));
}

static int64_t
sample_ms(const struct core *c)
{
	return rk_max(1, c->conf->replication_quota_window_size_seconds) * 1000;
}

/* Forgets the samples that lie too far back. */
static void
move_on(const struct core *c, struct core_rate *r)
{
	int64_t now = rk_now(c->env) / sample_ms(c) + 1;
	uint32_t n = samples(c);

	rk_assert(r->first >= 0 && n <= CORE_RATE_SAMPLES);
	if (now - r->first >= (int64_t)n) {
		memset(r->sample, 0, sizeof r->sample);
	} else {
		for (int64_t k = r->first + 1; k <= now; k++)
			r->sample[k % n] = 0;
	}
	r->first = rk_max(r->first, now);
}

static bool
past(const struct core *c, struct core_rate *r, int64_t limit)
{
	uint64_t sum = 0;

	move_on(c, r);
	for (uint32_t i = 0; i < samples(c); i++)
		sum += r->sample[i];
	double seconds = (double)sample_ms(c) / 1000 * (samples(c) - 1);
	return (double)sum / seconds > (double)limit;
}

static void
count(const struct core *c, struct core_rate *r, uint64_t bytes)
{
	move_on(c, r);
	r->sample[r->first % samples(c)] += bytes;
}

static bool
limited(int64_t rate, struct rk_str list, const struct core_partition *p, int32_t broker)
{
	return rate != INT64_MAX && list.len > 0 && conf_throttled(list, p->index, broker);
}

bool
core_throttled_leader(struct core_partition *p, int32_t replica)
{
	struct core *c = core_of(p);
	int64_t rate = c->conf->leader_replication_throttled_rate;

	if (!limited(rate, core_conf(p)->leader_replication_throttled_replicas, p, c->node_id))
		return false;
	const struct core_follower *f = core_set_find(p->set, replica);
	return f != NULL && !f->isr && past(c, &c->rate_out, rate);
}

void
core_count_replicated(struct core_partition *p, int32_t replica, uint64_t bytes)
{
	struct core *c = core_of(p);
	const struct core_follower *f = core_set_find(p->set, replica);

	c->counts.replicated_out += bytes;
	p->topic->counts.replicated_out += bytes;
	if ((f == NULL || !f->isr)
	    && limited(c->conf->leader_replication_throttled_rate, core_conf(p)->leader_replication_throttled_replicas, p,
		c->node_id))
		count(c, &c->rate_out, bytes);
}

int64_t
core_throttle_ms(const struct core *c)
{
	return sample_ms(c) / 2;
}

bool
core_throttled_follower(struct core_partition *p, bool in_sync)
{
	struct core *c = core_of(p);
	int64_t rate = c->conf->follower_replication_throttled_rate;

	return !in_sync && limited(rate, core_conf(p)->follower_replication_throttled_replicas, p, c->node_id)
	       && past(c, &c->rate_in, rate);
}

void
core_count_followed(struct core_partition *p, uint64_t bytes)
{
	struct core *c = core_of(p);

	c->counts.replicated_in += bytes;
	p->topic->counts.replicated_in += bytes;
	if (limited(c->conf->follower_replication_throttled_rate, core_conf(p)->follower_replication_throttled_replicas,
		p, c->node_id))
		count(c, &c->rate_in, bytes);
}
