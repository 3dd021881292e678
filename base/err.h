/* err.h - every way an operation may fail, local or on the wire. Rows in err.tbl. */
#ifndef RK_ERR_H
#define RK_ERR_H
enum rk_err {
#define ERR(name, wire, retry, text) RK_##name,
#include "base/err.tbl"
#undef ERR
	RK_ERR_COUNT
};
int16_t rk_err_wire(enum rk_err);        /* Kafka's code; -1 for what Kafka has no word for */
const char *rk_err_name(enum rk_err);    /* Kafka's spelling: UNKNOWN_TOPIC_OR_PARTITION */
const char *rk_err_text(enum rk_err);    /* Kafka's default message */
bool rk_err_retriable(enum rk_err);
enum rk_err rk_err_of_wire(int16_t);     /* RK_UNKNOWN_SERVER_ERROR for a code not in the table */
#endif
