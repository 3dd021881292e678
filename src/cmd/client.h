/* client.h - a small blocking Kafka client for the commands: one request at a time, on our own
 * codec.
 *
 * A client owns its connections and an arena in which every answer lives until cmd_client_close. It
 * never tries again behind the caller's back: what went wrong stands in why, for people, with the
 * cause and the way out. */
#ifndef CMD_CLIENT_H
#define CMD_CLIENT_H
#include "protocol/codec.h"
#include "src/cmd/cmd.h"

/* The node we got to first; and who decides: any broker, which passes it on, or the active
 * controller. */
enum { CMD_ANY = -1, CMD_DECIDER = -2 };

struct cmd_broker {
	int32_t id, port;
	struct rk_str host, rack;
};
struct cmd_link; /* one connection */

struct cmd_client {
	struct rk_arena arena;
	struct cmd_props props;
	bool silent;           /* the last failure: closed or kept silent instead of an answer */
	bool controllers;      /* --bootstrap-controller: we talk to controllers */
	struct cmd_link *link; /* all of them; the first one is CMD_ANY's */
	uint32_t links, link_cap;
	struct cmd_broker *broker; /* as of the last cmd_client_brokers */
	uint32_t brokers;
	int32_t controller;
	struct rk_str cluster_id;
	int16_t version; /* of the last request sent */
	int32_t correlation;
	int64_t give_up_ms; /* default.api.timeout.ms from the first cmd_client_again on */
	enum rk_err err;    /* what the last failure was, as near as there is a word */
	char why[600];
};

/* Reads config (a properties file, may be NULL) and connects to the first address of the list that
 * answers. False: nobody did, or the file or list is wrong; why tells. Closing is needed either
 * way. */
bool cmd_client_open(
    struct cmd_client *, const char *addresses, const char *config, bool controllers);
void cmd_client_close(struct cmd_client *);
/* Hangs up everywhere and connects anew, as after a long wait; what the arena holds stays. */
rk_must_use bool cmd_client_reopen(struct cmd_client *, const char *addresses);

/* The same for a command: --bootstrap-server or --bootstrap-controller, and --command-config, where
 * the command has them. */
bool cmd_client_from(struct cmd_client *, const struct cmd_args *);
/* False: the reason has been said, and there is nothing to close. */
bool cmd_client_start(struct cmd_client *, const struct cmd_args *);

/* Sends the request (struct kp_NAME_req) to a node and reads the answer (struct kp_NAME_res) in the
 * newest version that both sides know, at most max_version. False: no answer, why and err tell; res
 * is not to be read. */
rk_must_use bool cmd_client_call(
    struct cmd_client *, int32_t node, int16_t key, const void *req, void *res);
rk_must_use bool cmd_client_call_max(struct cmd_client *, int32_t node, int16_t key,
    int16_t max_version, const void *req, void *res);
/* Whether the request can be written: no text in it is longer than the wire takes, nothing is null that
 * may not be. Every call looks. */
struct kp_desc;
bool cmd_fits(const struct kp_desc *, int16_t version, const void *msg);
/* Whether the first node knows this request at all; its range of versions. */
bool cmd_client_knows(struct cmd_client *, int16_t key, int16_t *min, int16_t *max);

/* DescribeCluster, of brokers (fenced ones, too, when that is asked for) or of controllers, as we were told
 * to ask. */
struct kp_describe_cluster_res;
rk_must_use bool cmd_client_describe(struct cmd_client *, bool fenced, struct kp_describe_cluster_res *);
/* Learns the brokers, the controller and the cluster's id. */
rk_must_use bool cmd_client_brokers(struct cmd_client *);
const struct cmd_broker *cmd_client_broker(
    const struct cmd_client *, int32_t id); /* NULL: not there */

/* True: the error may pass and there is time left; a tenth of a second went by. */
bool cmd_client_again(struct cmd_client *, enum rk_err);
/* Sets why and err of a failure that the caller found in an answer; returns false. */
bool cmd_client_fail(struct cmd_client *, enum rk_err, const char *fmt, ...) rk_format(3, 4);
/* Whether an answer's error code is none; otherwise why and err tell it. */
rk_must_use bool cmd_client_good(struct cmd_client *, int16_t wire, struct rk_str message);
/* What to tell people of an error in an answer: its message, else Kafka's, else its name. */
const char *cmd_client_says(struct cmd_client *, int16_t wire, struct rk_str message);
#endif
