/* place.c - where a partition lies: what the metadata says of it, what is so, and a directory that fails.
 *
 * The controller knows of every replica the directory it lies in (KIP-858), because it moves leaders away from
 * a directory that fails. A partition whose directory it does not know, or knows otherwise, stands in
 * core->misplaced until the node has told it (src/node/dirs.c); while that request is under way, and until the record
 * comes, it stands in core->placing. */
#include "src/core/inside.h"

static int32_t
place_of(const struct core *c, const struct kp_partition_record *r)
{
	for (int32_t i = 0; i < r->replicas.len; i++)
		if (r->replicas.at[i] == c->node_id)
			return i;
	return -1;
}

/* What the record says of our replica's directory. */
static uint8_t
told_by(const struct core *c, const struct kp_partition_record *r)
{
	int32_t at = place_of(c, r);

	if (at < 0 || r->directories.len != r->replicas.len)
		return CORE_DIR_UNTOLD; /* a metadata.version that has no directories */
	for (uint32_t d = 0; d < c->dirs; d++)
		if (rk_uuid_eq(r->directories.at[at], st_dir_id(c->dir[d])))
			return (uint8_t)d;
	return rk_uuid_zero(r->directories.at[at]) ? CORE_DIR_NONE : CORE_DIR_OTHER;
}

bool
core_assigned_dir(const struct core *c, const struct kp_partition_record *r, uint8_t *dir)
{
	*dir = told_by(c, r);
	return *dir < c->dirs;
}

void
core_lies_in(struct core_partition *p, uint8_t dir)
{
	struct core *c = core_of(p);

	rk_assert(dir < c->dirs && c->held[p->dir] > 0);
	c->held[p->dir]--;
	c->held[dir]++;
	p->dir = dir;
}

uint8_t
core_wanted_dir(const struct core_partition *p)
{
	uint8_t moving = core_move_near(p);

	return moving < CORE_DIRS_MAX ? moving : p->dir;
}

void
core_place(struct core_partition *p)
{
	struct core *c = core_of(p);
	uint8_t want = core_wanted_dir(p);

	rk_assert(want < c->dirs);
	if (p->told == CORE_DIR_UNTOLD || p->told == want || p->offline || st_dir_failed(c->dir[want]) || c->stopping)
		rk_list_del(&p->place);
	else if (rk_list_empty(&p->place))
		rk_list_add(&c->misplaced, &p->place);
}

void
core_told(struct core_partition *p, const struct kp_partition_record *r)
{
	uint8_t told = told_by(core_of(p), r);

	if (told != p->told)
		rk_list_del(&p->place);
	p->told = told;
	core_place(p);
	core_move_soon(p); /* it may have waited for this */
}

struct core_partition *
core_misplaced_take(struct core *c, struct rk_uuid *dir)
{
	rk_assert(c->magic == CORE_MAGIC);
	if (rk_list_empty(&c->misplaced))
		return NULL;
	struct core_partition *p = rk_of(c->misplaced.next, struct core_partition, place);
	rk_list_del(&p->place);
	rk_list_add(&c->placing, &p->place);
	*dir = st_dir_id(c->dir[core_wanted_dir(p)]);
	return p;
}

bool
core_misplaced(const struct core *c)
{
	return !rk_list_empty(&c->misplaced);
}

bool
core_placing(const struct core *c)
{
	return !rk_list_empty(&c->placing);
}

void
core_misplaced_again(struct core *c)
{
	while (!rk_list_empty(&c->placing)) {
		struct rk_list *m = c->placing.next;
		rk_list_del(m);
		rk_list_add(&c->misplaced, m);
	}
}

/* --- directories that fail */
static void
take_offline(struct core_partition *p)
{
	p->broken = p->offline = true;
	p->unsynced = false;
	rk_list_del(&p->place);
	core_wake_all(p, RK_KAFKA_STORAGE_ERROR);
}

static void
lose(struct core *c, uint32_t d)
{
	uint32_t count = 0;

	c->lost[d] = true;
	c->dirs_lost++;
	for (struct core_topic *t = core_topics_walk(c, NULL); t != NULL; t = core_topics_walk(c, t))
		for (uint32_t i = 0; i < t->partitions; i++) {
			struct core_partition *p = t->partition[i];
			if (p == NULL)
				continue;
			core_move_lost(p, (uint8_t)d);
			if (p->dir != d || p->offline)
				continue;
			take_offline(p);
			count++;
		}
	if (count > 0 || c->dirs_lost == c->dirs)
		rk_say(RK_ERROR, "%" PRIu32 " partitions in %s are offline on this node; the controller moves their leaders to "
		    "other replicas. %s", count, st_dir_path(c->dir[d]), c->dirs_lost < c->dirs
		    ? "The other directories go on." : "No directory is left.");
}

void
core_dirs_look(struct core *c)
{
	for (uint32_t d = 0; d < c->dirs; d++)
		if (st_dir_failed(c->dir[d]) && !c->lost[d] && c->loaded)
			lose(c, d);
}

/* The metadata names a directory that is none of those that are here, and one of ours could not be opened: that must
 * be it. Making the partition anew, empty, would lose what it has there. */
void
core_missing_look(struct core *c)
{
	bool missing = false;
	uint32_t count = 0;

	for (uint32_t d = 0; d < c->dirs; d++)
		missing |= st_dir_failed(c->dir[d]);
	for (struct core_topic *t = missing ? core_topics_walk(c, NULL) : NULL; t != NULL; t = core_topics_walk(c, t))
		for (uint32_t i = 0; i < t->partitions; i++) {
			struct core_partition *p = t->partition[i];
			if (p == NULL || p->found || p->log != NULL || p->told != CORE_DIR_OTHER)
				continue;
			take_offline(p);
			count++;
		}
	if (count > 0)
		rk_say(RK_ERROR, "%" PRIu32 " partitions lie in a directory that cannot be read: they are offline on this node "
		    "until it can.", count);
}

uint32_t
core_dirs_lost(const struct core *c)
{
	return c->dirs_lost;
}
