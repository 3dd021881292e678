/* reassign_read.c - the JSON files of rookery reassign-partitions, and Kafka's complaints. */
#include "src/cmd/reassign.h"

static int
bad(const struct cmd_reassign *r)
{
	return cmd_reassign_error("%s", r->json.why);
}

/* The list of that name in a text of version 1; NULL: there is none. */
static int
load(struct cmd_reassign *r, const char *text, size_t len, const char *name, json_t **list)
{
	struct cmd_read *j = &r->json;
	size_t blank = 0;

	while (blank < len && strchr(" \t\r\n", text[blank]) != NULL && text[blank] != 0)
		blank++;
	cmd_read_text(j, text, len);
	if (j->broken)
		return cmd_reassign_error(len == 0       ? "The input string shouldn't be empty"
					  : blank == len ? "Expected JSON object, received "
							 : "The input string is not a valid JSON");
	int32_t version = cmd_read_version(j, cmd_read_object(j, j->root));
	if (!j->bad && version != 1)
		return cmd_reassign_error("Not supported version field value %d", version);
	*list = json_object_get(j->root, name);
	if (*list != NULL)
		cmd_read_list(j, *list);
	return j->bad ? bad(r) : 0;
}

/* The lists of one entry of "partitions". */
static int
read_entry(struct cmd_reassign *r, json_t *entry, struct cmd_move *m, struct cmd_dir_move *dir)
{
	struct cmd_read *j = &r->json;
	struct rk_arena *a = &r->c.arena;
	const char *topic = cmd_read_string(j, cmd_read_field(j, entry, "topic"));
	int32_t part = cmd_read_int(j, cmd_read_field(j, entry, "partition"));
	json_t *list = cmd_read_inner_list(j, cmd_read_field(j, entry, "replicas"));
	json_t *dirs = json_object_get(entry, "log_dirs");
	size_t n = json_array_size(list);
	int32_t *at = rk_arena_get(a, n, sizeof *at);

	for (size_t i = 0; i < n && !j->bad; i++)
		at[i] = cmd_read_int(j, json_array_get(list, i));
	if (dirs != NULL && !j->bad)
		cmd_read_inner_list(j, dirs);
	for (size_t i = 0; i < json_array_size(dirs) && !j->bad; i++)
		(void)cmd_read_string(j, json_array_get(dirs, i));
	if (j->bad)
		return bad(r);
	*m = (struct cmd_move){.topic = rk_str_of(topic), .partition = part, .to = {at, (int32_t)n}};
	if (dirs != NULL && json_array_size(dirs) != n) {
		const char *text = "";
		for (size_t i = 0; i < json_array_size(dirs); i++)
			text = rk_arena_print(a, "%s%s%s", text, i == 0 ? "" : ", ",
			    json_string_value(json_array_get(dirs, i)))
				   .at;
		return cmd_reassign_error("Size of replicas list [%s] is different from size of "
					  "log dirs list [%s] for partition %s-%d",
		    cmd_ids_text(a, m->to, ", "), text, topic, part);
	}
	for (size_t i = 0; dirs != NULL && i < n; i++) {
		const char *d = json_string_value(json_array_get(dirs, i));
		if (strcmp(d, "any") != 0)
			dir[r->dirs++] = (struct cmd_dir_move){at[i], m->topic, part, d, RK_OK};
	}
	return 0;
}

static int
check(struct cmd_reassign *r)
{
	struct rk_arena *a = &r->c.arena;
	const char *text;

	if (r->moves == 0)
		return cmd_reassign_error("Partition reassignment list cannot be empty");
	for (uint32_t i = 0; i < r->moves; i++)
		if (r->move[i].to.len == 0)
			return cmd_reassign_error("Partition replica list cannot be empty");
	cmd_moves_sort(r->move, r->moves);
	if ((text = cmd_moves_twice(a, r->move, r->moves)) != NULL)
		return cmd_reassign_error(
		    "Partition reassignment contains duplicate topic partitions: %s", text);
	for (uint32_t i = 0; i < r->moves; i++) {
		const char *ids = cmd_ids_twice(a, r->move[i].to, ",");
		if (ids != NULL)
			text = rk_arena_print(a, "%s%s%.*s-%d contains multiple entries for %s",
			    text == NULL ? "" : text, text == NULL ? "" : ". ",
			    r->move[i].topic.len, r->move[i].topic.at, r->move[i].partition, ids)
				   .at;
	}
	return text == NULL ? 0
			    : cmd_reassign_error("Partition replica lists may not contain "
						 "duplicate entries: %s",
				text);
}

int
cmd_reassign_parse(struct cmd_reassign *r, const char *text, size_t len)
{
	json_t *list;
	int rc;

	if ((rc = load(r, text, len, "partitions", &list)) != 0)
		return rc;
	size_t n = json_array_size(list), dirs = 0;
	for (size_t i = 0; i < n; i++)
		dirs += json_array_size(json_object_get(json_array_get(list, i), "log_dirs"));
	r->move = rk_arena_get(&r->c.arena, n, sizeof *r->move);
	r->dir = rk_arena_get(&r->c.arena, dirs, sizeof *r->dir);
	for (size_t i = 0; i < n; i++)
		if ((rc = read_entry(r, json_array_get(list, i), &r->move[r->moves++], r->dir)) != 0)
			return rc;
	if ((rc = check(r)) != 0)
		return rc;
	r->topic = rk_arena_get(&r->c.arena, r->moves, sizeof *r->topic);
	for (uint32_t i = 0; i < r->moves; i++)
		if (i == 0 || !rk_str_eq(r->move[i].topic, r->move[i - 1].topic))
			r->topic[r->topics++] = r->move[i].topic;
	return 0;
}

int
cmd_reassign_parse_topics(struct cmd_reassign *r, const char *text, size_t len)
{
	struct cmd_read *j = &r->json;
	const char *twice = NULL;
	json_t *list;
	int rc;

	if ((rc = load(r, text, len, "topics", &list)) != 0)
		return rc;
	r->topic = rk_arena_get(&r->c.arena, json_array_size(list), sizeof *r->topic);
	for (size_t i = 0; i < json_array_size(list) && !j->bad; i++) {
		const char *t =
		    cmd_read_string(j, cmd_read_field(j, json_array_get(list, i), "topic"));
		uint32_t same = 0;
		for (uint32_t k = 0; k < r->topics && t != NULL; k++)
			same += rk_str_is(r->topic[k], t);
		if (same == 1)
			twice = twice == NULL
				    ? rk_arena_print(&r->c.arena, "%s", t).at
				    : rk_arena_print(&r->c.arena, "%s, %s", twice, t).at;
		r->topic[r->topics++] = rk_str_of(t);
	}
	if (j->bad)
		return bad(r);
	return twice == NULL
		   ? 0
		   : cmd_reassign_error(
			 "List of topics to reassign contains duplicate entries: [%s]", twice);
}

int
cmd_reassign_read(struct cmd_reassign *r, const char *path, cmd_reassign_parser *parse)
{
	size_t len;
	char *text = cmd_read_file(path, &len);

	if (text == NULL) {
		int e = errno;
		cmd_reassign_error("Unable to read file %s", path);
		return cmd_fail(r->a, "%s: %s", path, strerror(e));
	}
	int rc = parse(r, text, len);
	rk_mem_put(text);
	return rc;
}
