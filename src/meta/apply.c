/* apply.c - what each metadata record does to the image.
 *
 * A record that a quorum has committed is right: it was checked when it was planned. What comes from a disk
 * or a peer may still be wrong, so whatever speaks of what is not there is RK_CORRUPT_MESSAGE, and
 * nothing of its batch is applied. */
#include "src/meta/image.h"
#include "base/say.h"
#include "protocol/batch.h"
#include "protocol/desc.h"

/* A user, a client id, an ip; more than Kafka has words for, and no more than a key has room for. */
enum { QUOTA_PARTS_MAX = 4, REPLICAS_MAX = 32767 };

static enum rk_err
bad(const struct meta_apply *ap, const char *why)
{
	if (st_failed(ap->txn))
		return RK_KAFKA_STORAGE_ERROR; /* it is the disk, not the record: the commit says so */
	rk_say(RK_ERROR, "The metadata record at offset %" PRId64 " %s. The log is damaged or was not written by a "
	    "controller; this node cannot follow it.", ap->offset, why);
	return RK_CORRUPT_MESSAGE;
}

static enum rk_err
put(struct meta_apply *ap, uint32_t table, const struct meta_key *k, const struct kp_desc *d, const void *msg)
{
	struct rk_str row = meta_bytes(d, d->max, msg, ap->scratch);

	if (row.len < 0)
		return RK_NO_MEMORY;
	st_put(ap->txn, table, meta_key_str(k), row);
	return RK_OK;
}

static struct meta_key
id_key(struct rk_uuid id)
{
	struct meta_key k = { .len = 0 };

	meta_key_raw(&k, id.id, 16);
	return k;
}

static struct meta_key
number_key(int32_t id)
{
	struct meta_key k = { .len = 0 };

	meta_key_i32(&k, id);
	return k;
}

static struct meta_key
word_key(struct rk_str word)
{
	struct meta_key k = { .len = 0 };

	meta_key_part(&k, word, 500);
	if (k.len == 0)
		meta_key_raw(&k, "\1", 1); /* LMDB takes no empty key */
	return k;
}

/* --- brokers */

static enum rk_err
put_broker(struct meta_apply *ap, const struct kp_register_broker_record *r, int64_t offset)
{
	struct meta_key k = number_key(r->broker_id);
	struct rk_str row = meta_bytes(&kp_register_broker_record_d, kp_register_broker_record_d.max, r, ap->scratch);
	char *with = row.len < 0 ? NULL : rk_arena_raw(ap->scratch, (size_t)row.len + 8);

	if (with == NULL)
		return RK_NO_MEMORY;
	rk_put64(with, (uint64_t)offset);
	memcpy(with + 8, row.at, (size_t)row.len);
	st_put(ap->txn, META_BROKER, meta_key_str(&k), (struct rk_str){ with, row.len + 8 });
	return RK_OK;
}

static enum rk_err
apply_register_broker(struct meta_apply *ap, const struct kp_register_broker_record *r)
{
	if (r->broker_id < 0)
		return bad(ap, "registers a broker with a negative id");
	return put_broker(ap, r, ap->offset);
}

/* The registration, when the epoch is the one that the record means. */
static enum rk_err
get_broker(struct meta_apply *ap, int32_t id, int64_t epoch, struct kp_register_broker_record *r, int64_t *offset)
{
	struct meta_view v = { ap->txn };

	if (!meta_broker(&v, id, ap->scratch, r))
		return ap->scratch->over ? RK_NO_MEMORY : bad(ap, "changes a broker that is not registered");
	if (r->broker_epoch != epoch)
		return bad(ap, "changes a broker under an epoch that is not its");
	*offset = meta_broker_offset(&v, id);
	return RK_OK;
}

static enum rk_err
apply_unregister_broker(struct meta_apply *ap, const struct kp_unregister_broker_record *r)
{
	struct kp_register_broker_record b;
	struct meta_key k = number_key(r->broker_id);
	int64_t offset;
	enum rk_err err = get_broker(ap, r->broker_id, r->broker_epoch, &b, &offset);

	if (err == RK_OK)
		st_del(ap->txn, META_BROKER, meta_key_str(&k));
	return err;
}

static enum rk_err
set_fenced(struct meta_apply *ap, int32_t id, int64_t epoch, bool fenced)
{
	struct kp_register_broker_record b;
	int64_t offset;
	enum rk_err err = get_broker(ap, id, epoch, &b, &offset);

	b.fenced = fenced;
	return err == RK_OK ? put_broker(ap, &b, offset) : err;
}

static enum rk_err
apply_fence_broker(struct meta_apply *ap, const struct kp_fence_broker_record *r)
{
	return set_fenced(ap, r->id, r->epoch, true);
}

static enum rk_err
apply_unfence_broker(struct meta_apply *ap, const struct kp_unfence_broker_record *r)
{
	return set_fenced(ap, r->id, r->epoch, false);
}

static enum rk_err
apply_broker_registration_change(struct meta_apply *ap, const struct kp_broker_registration_change_record *r)
{
	struct kp_register_broker_record b;
	int64_t offset;
	enum rk_err err = get_broker(ap, r->broker_id, r->broker_epoch, &b, &offset);

	if (err != RK_OK)
		return err;
	if (r->fenced < -1 || r->fenced > 1 || r->in_controlled_shutdown < 0 || r->in_controlled_shutdown > 1)
		return bad(ap, "changes a broker's state to one there is not");
	if (r->fenced != 0)
		b.fenced = r->fenced == 1;
	if (r->in_controlled_shutdown == 1)
		b.in_controlled_shutdown = true;
	if (r->log_dirs.len > 0) {
		b.log_dirs.at = r->log_dirs.at;
		b.log_dirs.len = r->log_dirs.len;
	}
	if (r->cordoned_log_dirs.len >= 0) {
		b.cordoned_log_dirs.at = r->cordoned_log_dirs.at;
		b.cordoned_log_dirs.len = r->cordoned_log_dirs.len;
	}
	return put_broker(ap, &b, offset);
}

static enum rk_err
apply_register_controller(struct meta_apply *ap, const struct kp_register_controller_record *r)
{
	struct meta_key k = number_key(r->controller_id);

	if (r->controller_id < 0)
		return bad(ap, "registers a controller with a negative id");
	return put(ap, META_CONTROLLER, &k, &kp_register_controller_record_d, r);
}

/* --- topics and partitions */

static void
put_topic(struct meta_apply *ap, struct rk_str name, struct rk_uuid id, int32_t partitions)
{
	char row[20];

	memcpy(row, id.id, 16);
	rk_put32(row + 16, (uint32_t)partitions);
	st_put(ap->txn, META_NAME, name, (struct rk_str){ row, 20 });
}

static enum rk_err
apply_topic(struct meta_apply *ap, const struct kp_topic_record *r)
{
	struct meta_key k = id_key(r->topic_id);
	struct rk_str old;

	if (r->name.len <= 0 || r->name.len > META_TOPIC_NAME_MAX)
		return bad(ap, "names a topic with a name of no or too many bytes");
	if (st_get(ap->txn, META_TOPIC, meta_key_str(&k), &old) || st_get(ap->txn, META_NAME, r->name, &old))
		return bad(ap, "makes a topic that is there already");
	put_topic(ap, r->name, r->topic_id, 0);
	struct meta_key alike = meta_alike_key(r->name, true);
	if (alike.len > 0)
		st_put(ap->txn, META_ALIKE, meta_key_str(&alike), rk_lit(""));
	st_put(ap->txn, META_TOPIC, meta_key_str(&k), r->name);
	return RK_OK;
}

static uint8_t
member_bits(const struct kp_partition_record *p, int32_t broker)
{
	if (p == NULL)
		return 0;
	return (uint8_t)((meta_has(p->isr.at, p->isr.len, broker) ? META_ISR : 0) |
	    (meta_has(p->eligible_leader_replicas.at, p->eligible_leader_replicas.len, broker) ? META_ELR : 0) |
	    (p->leader == broker ? META_LEADER : 0));
}

static void
set_member(struct meta_apply *ap, const struct kp_partition_record *old, const struct kp_partition_record *now,
    int32_t broker)
{
	const struct kp_partition_record *any = now != NULL ? now : old;
	uint8_t before = member_bits(old, broker), bits = member_bits(now, broker);
	struct meta_key k = number_key(broker);

	if (bits == before)
		return;
	meta_key_raw(&k, any->topic_id.id, 16);
	meta_key_i32(&k, any->partition_id);
	if (bits == 0)
		st_del(ap->txn, META_MEMBER, meta_key_str(&k));
	else
		st_put(ap->txn, META_MEMBER, meta_key_str(&k), (struct rk_str){ (const char *)&bits, 1 });
}

/* Keeps MEMBER in step with a partition that changes from old (NULL: new) to now (NULL: gone). Setting one
 * broker twice is harmless: the second time writes the same again. */
static void
set_members(struct meta_apply *ap, const struct kp_partition_record *old, const struct kp_partition_record *now)
{
	const struct kp_partition_record *both[] = { old, now };

	for (uint32_t k = 0; k < 2; k++) {
		const struct kp_partition_record *p = both[k];
		if (p == NULL)
			continue;
		for (int32_t i = 0; i < p->isr.len; i++)
			set_member(ap, old, now, p->isr.at[i]);
		for (int32_t i = 0; i < p->eligible_leader_replicas.len; i++)
			set_member(ap, old, now, p->eligible_leader_replicas.at[i]);
		set_member(ap, old, now, p->leader);
	}
}

/* Puts a partition on a list of those that want something, or takes it off. */
static void
set_list(struct meta_apply *ap, uint32_t table, const struct meta_key *k, bool was, bool is)
{
	if (is && !was)
		st_put(ap->txn, table, meta_key_str(k), rk_lit(""));
	else if (was && !is)
		st_del(ap->txn, table, meta_key_str(k));
}

static bool
moving(const struct kp_partition_record *p)
{
	return p != NULL && (p->adding_replicas.len > 0 || p->removing_replicas.len > 0);
}

static bool
astray(const struct kp_partition_record *p)
{
	return p != NULL && p->leader != p->replicas.at[0];
}

static void
set_lists(struct meta_apply *ap, const struct kp_partition_record *old, const struct kp_partition_record *now)
{
	const struct kp_partition_record *any = now != NULL ? now : old;
	struct meta_key k = meta_partition_key(any->topic_id, any->partition_id);

	set_members(ap, old, now);
	set_list(ap, META_MOVING, &k, moving(old), moving(now));
	set_list(ap, META_ASTRAY, &k, astray(old), astray(now));
}

static enum rk_err
put_partition(struct meta_apply *ap, const struct kp_partition_record *old, struct kp_partition_record *now)
{
	struct meta_key k = meta_partition_key(now->topic_id, now->partition_id);

	if (now->eligible_leader_replicas.len == 0)
		now->eligible_leader_replicas.len = -1; /* as Kafka writes it: none is null */
	if (now->last_known_elr.len == 0)
		now->last_known_elr.len = -1;
	set_lists(ap, old, now);
	return put(ap, META_PARTITION, &k, &kp_partition_record_d, now);
}

static enum rk_err
apply_partition(struct meta_apply *ap, const struct kp_partition_record *r)
{
	struct meta_key k = id_key(r->topic_id);
	struct kp_partition_record old, now = *r;
	struct rk_str name;
	struct rk_uuid id;
	int32_t partitions;

	if (!st_get(ap->txn, META_TOPIC, meta_key_str(&k), &name))
		return bad(ap, "makes a partition of a topic that is not there");
	if (r->partition_id < 0 || r->replicas.len <= 0 || r->replicas.len > REPLICAS_MAX || r->isr.len > REPLICAS_MAX ||
	    r->eligible_leader_replicas.len > REPLICAS_MAX || r->leader < META_NO_LEADER ||
	    (r->directories.len > 0 && r->directories.len != r->replicas.len))
		return bad(ap, "makes a partition that makes no sense");
	bool there = meta_partition_get(ap->txn, r->topic_id, r->partition_id, ap->scratch, &old);
	if (!there) {
		name = rk_arena_str(ap->scratch, name);
		if (name.len < 0 || !meta_topic_id(ap->txn, name, &id, &partitions))
			return RK_NO_MEMORY;
		put_topic(ap, name, id, partitions + 1);
	}
	return put_partition(ap, there ? &old : NULL, &now);
}

/* New replicas keep the directories of those that stay; the others have none yet (Kafka's UNASSIGNED). */
static enum rk_err
carry_directories(struct meta_apply *ap, const struct kp_partition_record *old, struct kp_partition_record *now)
{
	struct rk_uuid *dir = rk_arena_get(ap->scratch, (size_t)now->replicas.len, sizeof *dir);

	if (dir == NULL)
		return RK_NO_MEMORY;
	for (int32_t i = 0; i < now->replicas.len; i++) {
		dir[i].id[15] = 1;
		for (int32_t k = 0; k < old->replicas.len && k < old->directories.len; k++)
			if (old->replicas.at[k] == now->replicas.at[i])
				dir[i] = old->directories.at[k];
	}
	now->directories.at = dir;
	now->directories.len = old->directories.len > 0 ? now->replicas.len : 0;
	return RK_OK;
}

/* A list that the record carries (an empty one too) replaces the partition's. */
#define TAKE(list)                                   \
	do {                                         \
		if (r->list.len >= 0) {              \
			now.list.at = r->list.at;    \
			now.list.len = r->list.len;  \
		}                                    \
	} while (0)

static enum rk_err
apply_partition_change(struct meta_apply *ap, const struct kp_partition_change_record *r)
{
	struct kp_partition_record old, now;

	if (!meta_partition_get(ap->txn, r->topic_id, r->partition_id, ap->scratch, &old))
		return ap->scratch->over ? RK_NO_MEMORY : bad(ap, "changes a partition that is not there");
	if (old.leader_epoch == INT32_MAX || old.partition_epoch == INT32_MAX)
		return bad(ap, "changes a partition that has used up its epochs");
	now = old;
	TAKE(isr);
	TAKE(removing_replicas);
	TAKE(adding_replicas);
	TAKE(eligible_leader_replicas);
	TAKE(last_known_elr);
	if (r->replicas.len == 0 || r->replicas.len > REPLICAS_MAX || r->isr.len > REPLICAS_MAX ||
	    r->eligible_leader_replicas.len > REPLICAS_MAX || r->leader < META_NO_CHANGE || r->leader_recovery_state < -1 ||
	    r->leader_recovery_state > 1)
		return bad(ap, "changes a partition to what makes no sense");
	if (r->replicas.len > 0) {
		now.replicas.at = r->replicas.at;
		now.replicas.len = r->replicas.len;
		enum rk_err err = carry_directories(ap, &old, &now);
		if (err != RK_OK)
			return err;
	}
	if (r->directories.len > 0) {
		if (r->directories.len != now.replicas.len)
			return bad(ap, "gives a partition as many directories as it has no replicas");
		now.directories.at = r->directories.at;
		now.directories.len = r->directories.len;
	}
	if (r->leader_recovery_state != -1)
		now.leader_recovery_state = r->leader_recovery_state;
	if (r->leader != META_NO_CHANGE) {
		now.leader = r->leader;
		now.leader_epoch++;
	}
	now.partition_epoch++;
	return put_partition(ap, &old, &now);
}

#undef TAKE

static void
drop_configs(struct meta_apply *ap, int8_t type, struct rk_str resource)
{
	struct meta_key k = meta_config_prefix(type, resource);

	st_del_prefix(ap->txn, META_CONFIG, meta_key_str(&k));
}

static enum rk_err
apply_remove_topic(struct meta_apply *ap, const struct kp_remove_topic_record *r)
{
	struct meta_key k = id_key(r->topic_id);
	struct kp_partition_record p;
	struct rk_str name;
	struct rk_uuid id;
	int32_t partitions;

	if (!st_get(ap->txn, META_TOPIC, meta_key_str(&k), &name))
		return bad(ap, "removes a topic that is not there");
	name = rk_arena_str(ap->scratch, name);
	if (name.len < 0 || !meta_topic_id(ap->txn, name, &id, &partitions))
		return RK_NO_MEMORY;
	struct rk_arena one;
	rk_arena_init(&one, 1u << 20);
	for (int32_t i = 0; i < partitions; i++) {
		if (meta_partition_get(ap->txn, id, i, &one, &p))
			set_lists(ap, &p, NULL);
		rk_arena_reset(&one);
	}
	rk_arena_free(&one);
	uint64_t gone = st_del_prefix(ap->txn, META_PARTITION, meta_key_str(&k));
	drop_configs(ap, META_OF_TOPIC, name);
	struct meta_key alike = meta_alike_key(name, true);
	if (alike.len > 0)
		st_del(ap->txn, META_ALIKE, meta_key_str(&alike));
	st_del(ap->txn, META_TOPIC, meta_key_str(&k));
	st_del(ap->txn, META_NAME, name);
	rk_event("topic removed", partitions, (int64_t)gone);
	return RK_OK;
}

/* Forgets one topic's ELRs. Every partition that had one counts it as a change. */
static enum rk_err
clear_elr(struct meta_apply *ap, struct rk_uuid topic, int32_t partitions)
{
	struct kp_partition_record old, now;
	struct rk_arena *whole = ap->scratch, one;
	enum rk_err err = RK_OK;

	rk_arena_init(&one, 1u << 20);
	ap->scratch = &one;
	for (int32_t i = 0; i < partitions && err == RK_OK; i++) {
		rk_arena_reset(&one);
		if (!meta_partition_get(ap->txn, topic, i, &one, &old))
			continue;
		now = old;
		now.eligible_leader_replicas.len = now.last_known_elr.len = -1;
		now.partition_epoch += old.partition_epoch < INT32_MAX;
		if (old.eligible_leader_replicas.len > 0 || old.last_known_elr.len > 0)
			err = put_partition(ap, &old, &now);
	}
	rk_arena_free(&one);
	ap->scratch = whole;
	return err;
}

static enum rk_err
apply_clear_elr(struct meta_apply *ap, const struct kp_clear_elr_record *r)
{
	struct meta_view v = { ap->txn };
	struct meta_topics w;
	struct rk_uuid id;
	int32_t partitions;
	enum rk_err err = RK_OK;

	if (r->topic_name.len > 0) {
		if (!meta_topic_id(ap->txn, r->topic_name, &id, &partitions))
			return bad(ap, "clears the ELR of a topic that is not there");
		return clear_elr(ap, id, partitions);
	}
	for (bool more = meta_topics_begin(&w, &v, rk_lit("")); more && err == RK_OK; more = meta_topics_next(&w))
		err = clear_elr(ap, w.topic.id, w.topic.partitions);
	meta_topics_end(&w);
	return err;
}

/* --- rows that only stand for themselves */

static enum rk_err
apply_config(struct meta_apply *ap, const struct kp_config_record *r)
{
	struct meta_key k = meta_config_prefix(r->resource_type, r->resource_name);

	meta_key_part(&k, r->name, 250);
	if (r->value.len >= 0)
		return put(ap, META_CONFIG, &k, &kp_config_record_d, r);
	st_del(ap->txn, META_CONFIG, meta_key_str(&k));
	return RK_OK;
}

static enum rk_err
apply_feature_level(struct meta_apply *ap, const struct kp_feature_level_record *r)
{
	char level[2];

	if (r->name.len <= 0 || r->name.len > 500 || r->feature_level < 0)
		return bad(ap, "finalises a feature that makes no sense");
	rk_put16(level, (uint16_t)r->feature_level);
	if (r->feature_level > 0)
		st_put(ap->txn, META_FEATURE, r->name, (struct rk_str){ level, 2 });
	else
		st_del(ap->txn, META_FEATURE, r->name);
	return RK_OK;
}

static enum rk_err
apply_producer_ids(struct meta_apply *ap, const struct kp_producer_ids_record *r)
{
	char next[8];

	rk_put64(next, (uint64_t)r->next_producer_id);
	st_put(ap->txn, META_NODE, rk_lit("producer"), (struct rk_str){ next, 8 });
	return RK_OK;
}

static enum rk_err
apply_access_control_entry(struct meta_apply *ap, const struct kp_access_control_entry_record *r)
{
	struct meta_key k = id_key(r->id);

	return put(ap, META_ACL, &k, &kp_access_control_entry_record_d, r);
}

static enum rk_err
apply_remove_access_control_entry(struct meta_apply *ap, const struct kp_remove_access_control_entry_record *r)
{
	struct meta_key k = id_key(r->id);

	return st_del(ap->txn, META_ACL, meta_key_str(&k)) ? RK_OK : bad(ap, "removes an ACL that is not there");
}

static struct meta_key
scram_key(int8_t mechanism, struct rk_str user)
{
	struct meta_key k = { .len = 0 };

	meta_key_raw(&k, &mechanism, 1);
	meta_key_part(&k, user, 500);
	return k;
}

static enum rk_err
apply_user_scram_credential(struct meta_apply *ap, const struct kp_user_scram_credential_record *r)
{
	struct meta_key k = scram_key(r->mechanism, r->name);

	return put(ap, META_SCRAM, &k, &kp_user_scram_credential_record_d, r);
}

static enum rk_err
apply_remove_user_scram_credential(struct meta_apply *ap, const struct kp_remove_user_scram_credential_record *r)
{
	struct meta_key k = scram_key(r->mechanism, r->name);

	return st_del(ap->txn, META_SCRAM, meta_key_str(&k)) ? RK_OK : bad(ap, "removes a credential that is not there");
}

static enum rk_err
apply_delegation_token(struct meta_apply *ap, const struct kp_delegation_token_record *r)
{
	struct meta_key k = word_key(r->token_id);

	return put(ap, META_TOKEN, &k, &kp_delegation_token_record_d, r);
}

static enum rk_err
apply_remove_delegation_token(struct meta_apply *ap, const struct kp_remove_delegation_token_record *r)
{
	struct meta_key k = word_key(r->token_id);

	return st_del(ap->txn, META_TOKEN, meta_key_str(&k)) ? RK_OK : bad(ap, "removes a token that is not there");
}

/* An entity is a set: its parts go into the key in the order of their types. A default's name is null. */
static enum rk_err
apply_client_quota(struct meta_apply *ap, const struct kp_client_quota_record *r)
{
	struct meta_key k = { .len = 0 };

	if (r->entity.len > QUOTA_PARTS_MAX)
		return bad(ap, "sets a quota of an entity with too many parts");
	for (int32_t done = 0; done < r->entity.len; done++) {
		int32_t best = -1;
		for (int32_t i = 0; i < r->entity.len; i++) {
			int32_t before = 0;
			for (int32_t j = 0; j < r->entity.len; j++) {
				int d = rk_str_cmp(r->entity.at[j].entity_type, r->entity.at[i].entity_type);
				before += d < 0 || (d == 0 && j < i);
			}
			if (before == done)
				best = i;
		}
		rk_assert(best >= 0);
		meta_key_part(&k, r->entity.at[best].entity_type, 33);
		meta_key_raw(&k, r->entity.at[best].entity_name.len < 0 ? "\1" : "\2", 1);
		meta_key_part(&k, r->entity.at[best].entity_name, 64);
		meta_key_raw(&k, "", 1);
	}
	meta_key_raw(&k, "", 1); /* so that it is never empty */
	meta_key_part(&k, r->key, 64);
	if (!r->remove)
		return put(ap, META_QUOTA, &k, &kp_client_quota_record_d, r);
	st_del(ap->txn, META_QUOTA, meta_key_str(&k));
	return RK_OK;
}

static enum rk_err
apply_no_op(struct meta_apply *ap, const struct kp_no_op_record *r)
{
	(void)ap;
	(void)r;
	return RK_OK;
}

static enum rk_err
apply_zk_migration_state(struct meta_apply *ap, const struct kp_zk_migration_state_record *r)
{
	(void)ap;
	(void)r;
	return RK_OK;
}

/* --- metadata transactions */

static enum rk_err
apply_begin_transaction(struct meta_apply *ap, const struct kp_begin_transaction_record *r)
{
	char at[8];

	(void)r;
	if (meta_transaction_open(ap->txn))
		return bad(ap, "begins a metadata transaction inside another");
	rk_put64(at, (uint64_t)ap->offset);
	st_put(ap->txn, META_NODE, rk_lit("open"), (struct rk_str){ at, 8 });
	return RK_OK;
}

static void
forget_held(struct meta_apply *ap)
{
	st_del_prefix(ap->txn, META_HELD, rk_lit(""));
	st_del(ap->txn, META_NODE, rk_lit("open"));
}

static enum rk_err
apply_held(struct meta_apply *ap)
{
	struct meta_apply held = *ap;
	struct st_cursor c;
	struct meta_record r;
	struct rk_arena copy, scratch;
	enum rk_err err = RK_OK;

	held.now = true;
	held.scratch = &scratch;
	rk_arena_init(&copy, 16u << 20);
	rk_arena_init(&scratch, 64u << 20);
	for (bool more = st_cursor_begin(&c, ap->txn, META_HELD, rk_lit(""), rk_lit("")); more && err == RK_OK;
	    more = st_cursor_next(&c)) {
		rk_arena_reset(&copy);
		held.offset = (int64_t)rk_get64(c.key.at);
		struct rk_str value = rk_arena_str(&copy, c.value); /* the writes below move LMDB's pages */
		err = value.len < 0 ? RK_NO_MEMORY : meta_unframe(value, &copy, &r);
		if (err == RK_OK)
			err = meta_apply_record(&held, &r, value);
	}
	st_cursor_end(&c);
	rk_arena_free(&copy);
	rk_arena_free(&scratch);
	return err;
}

static enum rk_err
apply_end_transaction(struct meta_apply *ap, const struct kp_end_transaction_record *r)
{
	(void)r;
	if (!meta_transaction_open(ap->txn))
		return bad(ap, "ends a metadata transaction that was not begun");
	enum rk_err err = apply_held(ap);
	forget_held(ap);
	return err;
}

static enum rk_err
apply_abort_transaction(struct meta_apply *ap, const struct kp_abort_transaction_record *r)
{
	(void)r;
	if (!meta_transaction_open(ap->txn))
		return bad(ap, "aborts a metadata transaction that was not begun");
	forget_held(ap);
	return RK_OK;
}

/* --- dispatch */

#define RECORD(type, name, what)                                         \
	static enum rk_err run_##name(struct meta_apply *ap, const void *r) \
	{                                                                \
		return apply_##name(ap, r);                              \
	}
#include "src/meta/record.tbl"
#undef RECORD

static enum rk_err (*const run[])(struct meta_apply *, const void *) = {
#define RECORD(type, name, what) [type] = run_##name,
#include "src/meta/record.tbl"
#undef RECORD
};

static bool
holds_back(const struct meta_apply *ap, int16_t type)
{
	return !ap->now && type != KP_BEGIN_TRANSACTION_RECORD && type != KP_END_TRANSACTION_RECORD &&
	    type != KP_ABORT_TRANSACTION_RECORD && meta_transaction_open(ap->txn);
}

enum rk_err
meta_apply_record(struct meta_apply *ap, const struct meta_record *r, struct rk_str value)
{
	char key[8];
	enum rk_err err = RK_OK;

	rk_assert((size_t)r->type < rk_countof(run) && run[r->type] != NULL);
	if (holds_back(ap, r->type)) {
		rk_assert(value.len > 0);
		rk_put64(key, (uint64_t)ap->offset);
		st_put(ap->txn, META_HELD, (struct rk_str){ key, 8 }, value);
	} else {
		err = run[r->type](ap, r->msg);
	}
	rk_arena_reset(ap->scratch);
	return err;
}

/* --- from the log */


/* One data batch. Messages live in copy, which is reset with each record. */
static enum rk_err
apply_batch(struct meta_apply *ap, const uint8_t *batch, struct rk_arena *copy)
{
	struct kp_records_iter it;
	struct kp_record kr;
	struct meta_record r;

	kp_records_start(&it, batch, NULL, 0);
	while (kp_records_next(&it, &kr)) {
		ap->offset = kr.offset;
		enum rk_err err = meta_unframe(kr.value, copy, &r);
		if (err == RK_OK)
			err = meta_apply_record(ap, &r, kr.value);
		rk_arena_reset(copy);
		if (err != RK_OK)
			return err;
	}
	return it.bad ? bad(ap, "is cut short") : RK_OK;
}

static enum rk_err
apply_batches(struct meta_apply *ap, const uint8_t *batches, uint32_t len)
{
	struct rk_arena copy;
	enum rk_err err = RK_OK;
	uint32_t at = 0;

	rk_arena_init(&copy, 64u << 20);
	while (at < len && err == RK_OK) {
		const uint8_t *b = batches + at;
		err = kp_batch_check(b, len - at);
		if (err == RK_OK && (kp_batch_attr(b) & KP_ATTR_CODEC) != 0)
			err = bad(ap, "is in a compressed batch");
		if (err != RK_OK)
			break;
		ap->offset = kp_batch_base(b);
		if ((kp_batch_attr(b) & KP_ATTR_CONTROL) == 0)
			err = apply_batch(ap, b, &copy);
		if (err == RK_OK)
			meta_set_applied(ap->txn, kp_batch_last(b) + 1, kp_batch_epoch(b));
		at += (uint32_t)kp_batch_bytes(b);
	}
	rk_arena_free(&copy);
	return err == RK_TRUNCATED ? RK_CORRUPT_MESSAGE : err;
}

enum rk_err
meta_apply(struct meta_image *im, const uint8_t *batches, uint32_t len, meta_heard *heard, void *arg)
{
	struct rk_arena all;

	rk_assert(im->magic == META_IMAGE_MAGIC && !im->planning);
	if (len == 0)
		return RK_OK;
	struct meta_apply ap = { .image = im, .txn = st_write_begin(im->tables, NULL), .scratch = &im->scratch };
	enum rk_err err = apply_batches(&ap, batches, len);
	if (err != RK_OK) {
		st_write_abort(ap.txn);
		return err;
	}
	err = st_write_commit(ap.txn);
	if (err == RK_OK && heard != NULL) {
		rk_arena_init(&all, 256u << 20);
		err = meta_each(batches, len, &all, heard, arg);
		rk_arena_free(&all);
	}
	return err;
}
