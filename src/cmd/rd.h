/* rd.h - librdkafka for the commands that produce and consume, loaded when one of them asks for it,
 * so that the server neither links nor waits for it. */
#ifndef CMD_RD_H
#define CMD_RD_H
#include <librdkafka/rdkafka.h>
#include "src/cmd/client.h"

#define CMD_RD_FUNCTIONS(F)                                                                        \
	F(conf_new)                                                                                \
	F(conf_set)                                                                                \
	F(conf_destroy)                                                                            \
	F(conf_set_dr_msg_cb)                                                                      \
	F(conf_set_error_cb)                                                                       \
	F(conf_set_opaque)                                                                         \
	F(conf_set_log_cb)                                                                         \
	F(conf_set_rebalance_cb)                                                                   \
	F(new)                                                                                     \
	F(destroy)                                                                                 \
	F(poll)                                                                                    \
	F(flush)                                                                                   \
	F(produceva)                                                                               \
	F(err2str)                                                                                 \
	F(err2name)                                                                                \
	F(outq_len)                                                                                \
	F(error_code)                                                                              \
	F(error_string)                                                                            \
	F(error_destroy) F(headers_new) F(header_add) F(subscribe) F(assign) F(consumer_poll)      \
	    F(consumer_close) F(poll_set_consumer) F(message_destroy) F(message_timestamp)         \
		F(message_headers) F(header_get_all) F(topic_name) F(metadata) F(metadata_destroy) \
		    F(topic_new) F(topic_destroy) F(topic_partition_list_new)                      \
			F(topic_partition_list_add) F(topic_partition_list_destroy)                \
			    F(init_transactions) F(begin_transaction) F(commit_transaction)        \
				F(conf_set_stats_cb) F(commit) F(incremental_assign)               \
				    F(incremental_unassign) F(rebalance_protocol)                  \
					F(topic_partition_list_sort) F(query_watermark_offsets)

struct cmd_rd {
#define F(name) __typeof__(&rd_kafka_##name) name;
	CMD_RD_FUNCTIONS(F)
#undef F
};

/* The library, loaded at the first call. NULL: it is not there; that, and which package has it, has
 * been said. */
const struct cmd_rd *cmd_rd(const struct cmd_args *);

/* What a client reports between our calls. */
struct cmd_rd_state {
	const struct cmd_args *a;
	bool ordered;  /* set by the caller: a producer that neither doubles nor reorders records */
	bool grouped;  /* set by the caller: the cluster must know consumer groups */
	bool quiet;    /* set by the caller: it says itself which records were lost */
	bool failed;   /* a fatal error, said */
	uint64_t lost; /* records that could not be delivered */
	uint64_t done; /* records that were */
	const char *topic;
	void (*delivered)(void *arg, const rd_kafka_message_t *);
	void *arg;
	/* NULL: librdkafka assigns by itself. */
	void (*rebalance)(
	    rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *, void *);
	char *statistics; /* the last JSON of statistics; the owner's to free */
};

/* Puts the properties of Kafka's Java clients into a librdkafka configuration: the names that
 * differ are translated, what only Java knows is left out with a warning. Says what is wrong and
 * returns NULL. */
rd_kafka_conf_t *cmd_rd_conf(
    const struct cmd_args *, const struct cmd_props *, struct cmd_rd_state *);
/* A client of these properties; first, when no encryption is asked for, whether any bootstrap
 * server can be reached at all. NULL: it has been said. */
rd_kafka_t *cmd_rd_open(
    const struct cmd_args *, rd_kafka_type_t, struct cmd_props *, struct cmd_rd_state *);

/* True once SIGINT or SIGTERM came; cmd_rd_open begins to listen for them. */
bool cmd_rd_stopped(void);
int cmd_rd_signal(void); /* which; 0: none */
#endif
