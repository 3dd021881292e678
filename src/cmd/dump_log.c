/* dump_log.c - rookery dump-log: prints segments and the files beside them. */
#include "src/cmd/dump.h"

static const struct cmd_opt opts[] = {
    {"cluster-metadata-decoder", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"The records are cluster metadata."},
    {"deep-iteration", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Print each record, too, not only each batch. --print-data-log implies it."},
    {"files", CMD_TEXT, CMD_REQUIRED, 0, 0, "file1, file2, ...", NULL,
	"The files, with commas: .log, .index, .timeindex, .txnindex, .snapshot, .checkpoint."},
    {"index-sanity-check", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Of index files: only check them as a broker does when it starts."},
    {"key-decoder-class", CMD_MAYBE, 0, 0, 0, NULL, "org.apache.kafka.tools.api.StringDecoder",
	"What keys are: StringDecoder, LongDecoder or IntegerDecoder."},
    {"max-bytes", CMD_INT, 0, 0, 0, "size", "2147483647",
	"Read no more than so many bytes of a log."},
    {"max-message-size", CMD_INT, 0, 0, 0, "size", "5242880",
	"Has no effect here: a batch may be as large as it is."},
    {"offsets-decoder", CMD_FLAG, 0, 0, 0, NULL, NULL, "The records are of __consumer_offsets."},
    {"print-data-log", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Print keys and values. Any decoder implies it."},
    {"remote-log-metadata-decoder", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"The records are of __remote_log_metadata."},
    {"share-group-state-decoder", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"The records are of __share_group_state."},
    {"skip-record-metadata", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Print keys and values only; leave out control records."},
    {"transaction-log-decoder", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"The records are of __transaction_state."},
    {"value-decoder-class", CMD_MAYBE, 0, 0, 0, NULL, "org.apache.kafka.tools.api.StringDecoder",
	"What values are: StringDecoder, LongDecoder or IntegerDecoder."},
    {"verify-index-only", CMD_FLAG, 0, 0, 0, NULL, NULL,
	"Of index files: only compare them with the log, print nothing that is right."},
};

struct job {
	const struct cmd_args *a;
	struct rk_arena arena; /* of one batch */
	enum cmd_decoder how;
	enum cmd_look look;
	bool deep, print, bare;
	int key_bytes, value_bytes; /* 0: text; 4 and 8: numbers */
	int64_t last;               /* offset printed last, for gaps; -1: none */
};

static void
print_batch(const uint8_t *b, size_t pos, bool valid)
{
	int16_t attr = kp_batch_attr(b);
	char horizon[48] = "OptionalLong.empty";

	if ((attr & KP_ATTR_HORIZON) != 0)
		snprintf(horizon, sizeof horizon, "OptionalLong[%" PRId64 "]", kp_batch_base_ms(b));
	printf("baseOffset: %" PRId64 " lastOffset: %" PRId64
	       " count: %d baseSequence: %d lastSequence: %d producerId: %" PRId64
	       " producerEpoch: %d partitionLeaderEpoch: %d isTransactional: %s isControl: %s "
	       "deleteHorizonMs: %s position: %zu ",
	    kp_batch_base(b), kp_batch_last(b), kp_batch_count(b), kp_batch_sequence(b),
	    kp_batch_sequence(b) < 0
		? -1
		: (int32_t)(((int64_t)kp_batch_sequence(b) + kp_batch_last_delta(b)) & INT32_MAX),
	    kp_batch_producer(b), kp_batch_producer_epoch(b), kp_batch_epoch(b),
	    (attr & KP_ATTR_TXN) != 0 ? "true" : "false",
	    (attr & KP_ATTR_CONTROL) != 0 ? "true" : "false", horizon, pos);
	printf("%s: %" PRId64 " size: %" PRId64
	       " magic: %d compresscodec: %s crc: %u isvalid: %s\n",
	    (attr & KP_ATTR_APPEND_TIME) != 0 ? "LogAppendTime" : "CreateTime", kp_batch_max_ms(b),
	    kp_batch_bytes(b), kp_batch_magic(b),
	    (attr & KP_ATTR_CODEC) < KP_CODECS
		? kp_codec_name((enum kp_codec)(attr & KP_ATTR_CODEC))
		: "unknown",
	    kp_batch_crc(b), valid ? "true" : "false");
}

static void
print_head(const uint8_t *b, struct kp_record *r)
{
	struct kp_record h = *r;
	struct rk_str key, value;
	int32_t base = kp_batch_sequence(b);

	printf("| offset: %" PRId64 " %s: %" PRId64
	       " keySize: %d valueSize: %d sequence: %d headerKeys: [",
	    r->offset,
	    (kp_batch_attr(b) & KP_ATTR_APPEND_TIME) != 0 ? "LogAppendTime" : "CreateTime", r->ms,
	    r->key.len, r->value.len,
	    base < 0 ? -1 : (int32_t)((base + (r->offset - kp_batch_base(b))) & INT32_MAX));
	for (int32_t i = 0; i < r->headers && kp_record_header(&h, &key, &value); i++)
		printf("%s%.*s", i == 0 ? "" : ",", key.len, key.at);
	putchar(']');
}

static void
print_number(const char *label, int bytes, struct rk_str s)
{
	if (s.len < 0)
		return;
	if (s.len < bytes)
		printf("%s(%d bytes)", label, s.len);
	else
		printf("%s%" PRId64, label,
		    bytes == 8 ? (int64_t)rk_get64(s.at) : (int32_t)rk_get32(s.at));
}

static void
print_data(struct job *j, struct kp_record *r)
{
	struct kp_record key = *r, value = *r;

	if (j->key_bytes == 0 && j->value_bytes == 0) {
		cmd_dump_record(j->how, r, &j->arena);
		return;
	}
	key.value = value.key = RK_STR_NULL;
	if (j->key_bytes != 0)
		print_number(" key: ", j->key_bytes, r->key);
	else
		cmd_dump_record(CMD_AS_TEXT, &key, &j->arena);
	if (j->value_bytes != 0)
		print_number(" payload: ", j->value_bytes, r->value);
	else
		cmd_dump_record(CMD_AS_TEXT, &value, &j->arena);
}

static void
print_record(struct job *j, const uint8_t *b, struct kp_record *r)
{
	bool control = (kp_batch_attr(b) & KP_ATTR_CONTROL) != 0;

	if (!j->bare) {
		print_head(b, r);
		if (control)
			cmd_dump_control(r, &j->arena);
	} else if (!control) {
		putchar('|');
	}
	if (j->print && !control)
		print_data(j, r);
	putchar('\n');
}

/* True until a record cannot be read. */
static bool
print_records(struct job *j, const char *path, const uint8_t *b)
{
	enum kp_codec codec = (enum kp_codec)(kp_batch_attr(b) & KP_ATTR_CODEC);
	struct rk_str plain = RK_STR_NULL;
	struct kp_records_iter it;
	struct kp_record r;

	rk_arena_reset(&j->arena);
	if (codec >= KP_CODECS
	    || (codec != KP_NONE
		&& kp_inflate_all(codec, b + KP_BATCH_HEAD,
		       (size_t)kp_batch_bytes(b) - KP_BATCH_HEAD, 1u << 30, &j->arena, &plain)
		       != RK_OK)) {
		fprintf(stderr,
		    "%s: the records of the batch at offset %" PRId64 " cannot be decompressed\n",
		    path, kp_batch_base(b));
		return false;
	}
	kp_records_start(&it, b, (const uint8_t *)plain.at, (size_t)rk_max(plain.len, 0));
	while (kp_records_next(&it, &r)) {
		if (j->last >= 0 && r.offset != j->last + 1)
			fprintf(stderr,
			    "Non-consecutive offsets in %s\n  %" PRId64 " is followed by %" PRId64
			    "\n",
			    path, j->last, r.offset);
		j->last = r.offset;
		print_record(j, b, &r);
	}
	if (it.bad)
		fprintf(stderr,
		    "%s: the records of the batch at offset %" PRId64 " cannot be read\n", path,
		    kp_batch_base(b));
	return !it.bad;
}

static void
dump_batches(struct job *j, const char *path)
{
	int64_t most = cmd_number(j->a, "max-bytes", INT32_MAX);
	struct cmd_file f;
	size_t pos = 0, end;

	if (!cmd_file_map(&f, path)) {
		fprintf(stderr, "%s cannot be read: %s\n", path, strerror(errno));
		return;
	}
	end = (size_t)rk_min((int64_t)f.len, most);
	while (pos + KP_BATCH_HEAD <= end) {
		const uint8_t *b = f.at + pos;
		if (kp_batch_bytes(b) < KP_BATCH_HEAD || (size_t)kp_batch_bytes(b) > end - pos)
			break;
		if (kp_batch_magic(b) != 2) {
			fprintf(stderr,
			    "%s: at position %zu is a message of format %d; only format 2 is "
			    "read\n",
			    path, pos, kp_batch_magic(b));
			break;
		}
		print_batch(b, pos, kp_batch_check(b, (size_t)kp_batch_bytes(b)) == RK_OK);
		if (j->deep && !print_records(j, path, b))
			break;
		pos += (size_t)kp_batch_bytes(b);
	}
	if (pos < f.len && most == INT32_MAX)
		printf("Found %zu invalid bytes at the end of %s\n", f.len - pos, path);
	cmd_file_unmap(&f);
}

/* The digits a file's name begins with; -1: none. */
static int64_t
base_of(const char *name)
{
	char *end;
	int64_t v = strtoll(name, &end, 10);

	return end == name || *end == 0 ? -1 : v;
}

static int
dump_log(struct job *j, const char *path, const char *name, bool checkpoint)
{
	int64_t base = base_of(name), epoch;

	j->last = -1;
	if (checkpoint && strcmp(name, "bootstrap.checkpoint") == 0) {
		puts("KRaft bootstrap snapshot");
	} else if (base < 0) {
		fflush(stdout);
		return cmd_fail(j->a,
		    "%s: the name must be the offset the file begins with, like "
		    "00000000000000000000.log",
		    path);
	} else if (checkpoint) {
		const char *dash = strchr(name, '-');
		epoch = dash == NULL ? 0 : strtoll(dash + 1, NULL, 10);
		printf("Snapshot end offset: %" PRId64 ", epoch: %" PRId64 "\n", base, epoch);
	} else {
		printf("Log starting offset: %" PRId64 "\n", base);
	}
	dump_batches(j, path);
	return 0;
}

static int
dump_file(struct job *j, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1,
		   *dot = strrchr(name, '.');
	const char *kind = dot == NULL ? "" : dot + 1;

	printf("Dumping %s\n", path);
	if (strcmp(kind, "log") == 0 || strcmp(kind, "checkpoint") == 0)
		return dump_log(j, path, name, kind[0] == 'c');
	rk_arena_reset(&j->arena);
	if (strcmp(kind, "index") == 0)
		cmd_dump_index(path, base_of(name), j->look);
	else if (strcmp(kind, "timeindex") == 0)
		cmd_dump_time_index(path, base_of(name), j->look);
	else if (strcmp(kind, "txnindex") == 0)
		cmd_dump_txn_index(path);
	else if (strcmp(kind, "snapshot") == 0)
		cmd_dump_snapshot(path, &j->arena);
	else
		fprintf(stderr, "Ignoring unknown file %s\n", path);
	fflush(stdout);
	return 0;
}

/* Kafka runs a Java class here; those that it brings along are known by name. */
static bool
decoder_bytes(const struct cmd_args *a, const char *option, int *bytes)
{
	const char *class = cmd_given(a, option) ? cmd_text(a, option) : NULL;
	const char *dot = class == NULL ? NULL : strrchr(class, '.'),
		   *name = dot == NULL ? class : dot + 1;

	if (name == NULL || strcmp(name, "StringDecoder") == 0
	    || strcmp(name, "DefaultDecoder") == 0)
		*bytes = 0;
	else if (strcmp(name, "LongDecoder") == 0)
		*bytes = 8;
	else if (strcmp(name, "IntegerDecoder") == 0)
		*bytes = 4;
	else
		return cmd_fail(a,
			   "--%s %s: a Java class cannot be run here; StringDecoder, LongDecoder "
			   "and IntegerDecoder are known",
			   option, class)
		       == 0;
	return true;
}

static int
run(struct cmd_args *a)
{
	static const char *const decoders[] = {"", "cluster-metadata-decoder", "offsets-decoder",
	    "transaction-log-decoder", "share-group-state-decoder", "remote-log-metadata-decoder"};
	struct job j = {.a = a};
	struct rk_arena names;
	int rc = cmd_require(a, "files", NULL);
	char **file;

	if (rc != 0 || !decoder_bytes(a, "key-decoder-class", &j.key_bytes)
	    || !decoder_bytes(a, "value-decoder-class", &j.value_bytes))
		return 1;
	for (uint32_t i = 1; i < rk_countof(decoders); i++)
		if (cmd_given(a, decoders[i]))
			j.how = (enum cmd_decoder)i;
	j.print = j.how != CMD_AS_TEXT || cmd_given(a, "print-data-log")
		  || cmd_given(a, "key-decoder-class") || cmd_given(a, "value-decoder-class");
	j.deep = j.print || cmd_given(a, "deep-iteration");
	j.bare = cmd_given(a, "skip-record-metadata");
	j.look = cmd_given(a, "index-sanity-check")  ? CMD_SANITY
		 : cmd_given(a, "verify-index-only") ? CMD_VERIFY
						     : CMD_PRINT;
	rk_arena_init(&j.arena, (size_t)2 << 30);
	rk_arena_init(&names, 16 << 20);
	uint32_t n = cmd_split(&names, cmd_text(a, "files"), ',', &file);
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		rc = dump_file(&j, file[i]);
	rk_arena_free(&names);
	rk_arena_free(&j.arena);
	return rc;
}

const struct cmd_spec cmd_dump_log_spec = {
    .name = "dump-log",
    .peer = "kafka-dump-log",
    .style = CMD_JOPT,
    .opt = opts,
    .count = rk_countof(opts),
    .summary = "Prints log segments, indexes and snapshots, and finds what is wrong in them.",
    .about = "Works on the files of rookery and of Apache Kafka alike; no node need run.",
    .help_exit = 1,
    .bare_exit = 1,
    .run = run,
};
