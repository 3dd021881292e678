/* play.c - a controller without a node: requests of Kafka's protocol on the standard input, on the output for each
 * its answer and then the records it planned, both as frames (size i32, bytes). What ask puts to a real
 * controller it puts to this one too.
 *
 * A broker has a session from its first heartbeat until it is ended. Three keys of no API stand for the timers:
 * 30000 gives leaderships back, 30001 elects uncleanly, 30002 ends the session of the broker whose id is the
 * correlation id. */
#include "tests/t_meta.h"
#include "protocol/desc.h"
#include "protocol/gen/broker_heartbeat.h"
#include "src/api/api.h"

enum { HEARTBEAT = 63, BALANCE = 30000, UNCLEAN = 30001, EXPIRE = 30002, BROKERS = 100 };

static int16_t level = 30; /* metadata.version */
static int64_t beaten[BROKERS]; /* the epoch of the last heartbeat + 1; 0: no session */

static bool
take(void *at, size_t len)
{
	return fread(at, 1, len, stdin) == len;
}

static void
put(const void *at, size_t len)
{
	if (len > 0 && fwrite(at, 1, len, stdout) != len)
		exit(1);
}

static void
put_size(size_t len)
{
	uint8_t b[4];

	rk_put32(b, (uint32_t)len);
	put(b, 4);
}

static bool
alive(struct meta_sessions *s, int32_t broker, bool same_address)
{
	struct kp_register_broker_record b;

	(void)s;
	(void)same_address;
	return broker >= 0 && broker < BROKERS && meta_broker(&t_plan.view, broker, &t_arena, &b) &&
	    beaten[broker] == b.broker_epoch + 1;
}

/* Everybody has applied what was committed before. */
static bool
reached(struct meta_sessions *s, int64_t offset, int32_t but)
{
	(void)s;
	(void)but;
	return offset < t_plan.base_offset;
}

static int64_t *
leaving(struct meta_sessions *s, int32_t broker)
{
	static int64_t at[BROKERS];

	(void)s;
	return &at[broker % BROKERS];
}

static enum rk_err
upgrade(struct meta_quorum *q, int16_t to, bool validate_only, struct rk_str *why)
{
	(void)q;
	(void)validate_only;
	*why = RK_STR_NULL;
	return to <= 1 ? RK_OK : RK_INVALID_UPDATE_VERSION;
}

static void
run(struct api_call *c)
{
	const struct api_row *row = api_row(c->head.key);

	if (c->head.key == HEARTBEAT) {
		const struct kp_broker_heartbeat_req *q = c->req;
		if (q->broker_id >= 0 && q->broker_id < BROKERS && q->broker_epoch >= 0 && q->broker_epoch < INT64_MAX)
			beaten[q->broker_id] = q->broker_epoch + 1;
	}
	if (row == NULL)
		exit(2);
	row->run(c, c->req, c->res);
}

static void
answer(struct api_call *c)
{
	struct rk_out out;

	rk_out_init(&out, &t_arena);
	if (c->api != NULL) {
		kp_answer_head(c->head.key, c->head.version, c->head.correlation_id, &out);
		kp_write(c->api->res, c->head.version, c->res, &out);
	}
	if (out.over)
		exit(3);
	put_size(out.bytes);
	for (uint32_t i = 0; i < out.count; i++)
		put(out.piece[i].u.mem, out.piece[i].len);
}

static void
timer(int16_t key, int32_t broker)
{
	if (key == BALANCE)
		(void)meta_balance(&t_plan, META_ELECT_MAX);
	if (key == UNCLEAN)
		(void)meta_elect_unclean(&t_plan, META_ELECT_MAX);
	if (key == EXPIRE) {
		meta_fence_broker(&t_plan, broker);
		beaten[broker % BROKERS] = 0;
	}
}

static void
one(const uint8_t *frame, uint32_t len)
{
	static struct meta_sessions sessions = { .alive = alive, .reached = reached, .leaving = leaving };
	static struct meta_quorum quorum = { .upgrade = upgrade };
	static struct api_shared shared;
	struct api_call c = { .plan = &t_plan, .shared = &shared };
	size_t used;

	if (kp_head_read(frame, len, &c.head) != RK_OK && c.head.key < BALANCE)
		exit(4);
	t_begin();
	t_plan.sessions = &sessions;
	t_plan.quorum = &quorum;
	t_plan.cluster_id = "AAAAAAAAAAAAAAAAAAAAAQ";
	c.view = t_plan.view;
	c.api = kp_api(c.head.key);
	if (c.api == NULL) {
		timer(c.head.key, c.head.correlation_id);
	} else {
		c.req = rk_arena_raw(&t_arena, kp_desc_size(c.api->req));
		c.res = rk_arena_raw(&t_arena, kp_desc_size(c.api->res));
		rk_arena_init(&c.arena, 64u << 20);
		if (kp_read(c.api->req, c.head.version, frame + c.head.body, len - c.head.body, &t_arena, c.req, &used) != RK_OK)
			exit(5);
		kp_defaults(c.api->res, c.res);
		run(&c);
	}
	answer(&c);
	t_commit();
	put_size(t_batch.len > 0 ? (size_t)t_batch.len : 0);
	put(t_batch.at, t_batch.len > 0 ? (size_t)t_batch.len : 0);
	fflush(stdout);
	rk_arena_free(&c.arena);
}

/* t_meta.c speaks Check's language, so this is a test that never fails. */
START_TEST(play)
{
	uint8_t size[4];

	static const char *const config[] = { "process.roles=controller", "node.id=1", "controller.listener.names=CONTROLLER",
		"listeners=CONTROLLER://127.0.0.1:9093", "controller.quorum.voters=1@127.0.0.1:9093" };
	static struct rk_arena a;
	static struct conf_notes notes = { .arena = &a };

	rk_arena_init(&a, 1u << 20);
	t_start();
	conf_free(t_conf);
	t_conf = conf_make(config, rk_countof(config), &notes);
	t_begin();
	struct rk_str checkpoint = t_features(level);
	ck_assert_int_eq(meta_bootstrap(&t_plan, (const uint8_t *)checkpoint.at, (uint32_t)checkpoint.len), RK_OK);
	t_commit();
	while (take(size, 4)) {
		uint32_t len = rk_get32(size);
		uint8_t *frame = malloc(len + 1);
		if (frame == NULL || !take(frame, len))
			break;
		one(frame, len);
		free(frame);
	}
	t_stop();
}
END_TEST

int
main(int argc, char **argv)
{
	if (argc > 1)
		level = (int16_t)atoi(argv[1]);
	Suite *s = suite_create("play");
	TCase *c = tcase_create("play");

	tcase_set_timeout(c, 0);
	tcase_add_test(c, play);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_SILENT);
	int bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad != 0;
}
