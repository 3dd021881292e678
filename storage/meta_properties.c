/* meta_properties.c - meta.properties: whose directory this is. Java's properties format, as
 * Kafka's formatter writes it: two comment lines, then name=value with '\' before '=', ':', '#',
 * '!' and '\'. */
#include "storage/dir.h"
#include "storage/text.h"

static enum rk_err
path_of(const char *dir, char to[PATH_MAX])
{
	int n = snprintf(to, PATH_MAX, "%s/meta.properties", dir);

	return n > 0 && n < PATH_MAX ? RK_OK : RK_KAFKA_STORAGE_ERROR;
}

static size_t
escape(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from != '\0' && n + 2 < size; from++) {
		if (strchr("=:#!\\", *from) != NULL)
			to[n++] = '\\';
		to[n++] = *from;
	}
	to[n] = '\0';
	return n;
}

enum rk_err
st_meta_write(struct rk_env *e, const char *dir, const struct st_meta *m)
{
	char path[PATH_MAX], text[1024], date[64], cluster[2 * sizeof m->cluster_id + 1],
	    id[RK_UUID_TEXT];
	time_t now = (time_t)(rk_wall(e) / 1000);
	struct tm tm;

	rk_assert(m->version == 1 && m->node_id >= 0);
	enum rk_err err = path_of(dir, path);
	if (err != RK_OK)
		return err;
	strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", gmtime_r(&now, &tm));
	escape(cluster, sizeof cluster, m->cluster_id);
	int n = snprintf(text, sizeof text, "#\n#%s\ncluster.id=%s\n", date, cluster);
	if (!rk_uuid_zero(m->directory_id))
		n += snprintf(text + n, sizeof text - (size_t)n, "directory.id=%s\n",
		    rk_uuid_text(m->directory_id, id));
	n += snprintf(
	    text + n, sizeof text - (size_t)n, "node.id=%" PRId32 "\nversion=1\n", m->node_id);
	rk_assert(n > 0 && (size_t)n < sizeof text);
	return rk_env_spill(e, path, text, (uint32_t)n);
}

/* Splits name and value at the first bare '=', ':' or blank, and takes the '\' out, in place. */
static void
split(char *line, char **name, char **value)
{
	char *to = line, *sep = NULL;

	for (char *p = line; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0') {
			*to++ = *++p;
		} else if (sep == NULL && strchr("=: \t", *p) != NULL) {
			sep = to;
			*to++ = '\0';
			while (p[1] != '\0' && strchr("=: \t", p[1]) != NULL)
				p++;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	*name = line;
	*value = sep == NULL ? to : sep + 1;
	while (to > *value && strchr(" \t\r", to[-1]) != NULL)
		*--to = '\0';
}

static bool
number(const char *value, int32_t *to)
{
	int64_t v;

	if (!rk_str_int(rk_str_of(value), &v) || v < 0 || v > INT32_MAX)
		return false;
	*to = (int32_t)v;
	return true;
}

/* One property; false: its value cannot be. Unknown names are somebody else's. */
static bool
take(struct st_meta *m, const char *name, const char *value)
{
	if (strcmp(name, "version") == 0)
		return number(value, &m->version) && m->version <= 1;
	if (strcmp(name, "node.id") == 0 || strcmp(name, "broker.id") == 0)
		return number(value, &m->node_id);
	if (strcmp(name, "directory.id") == 0)
		return rk_uuid_parse(rk_str_of(value), &m->directory_id);
	if (strcmp(name, "cluster.id") == 0) {
		rk_str_copy(m->cluster_id, sizeof m->cluster_id, rk_str_of(value));
		return value[0] != '\0' && strlen(value) < sizeof m->cluster_id;
	}
	return true;
}

static enum rk_err
parse(struct rk_str text, const char *path, struct st_meta *m, char why[256])
{
	struct rk_str line;
	char copy[512], *name, *value;

	while (st_text_line(&text, &line)) {
		while (line.len > 0 && (line.at[0] == ' ' || line.at[0] == '\t')) {
			line.at++;
			line.len--;
		}
		if (line.len == 0 || line.at[0] == '#' || line.at[0] == '!')
			continue;
		rk_str_copy(copy, sizeof copy, line);
		split(copy, &name, &value);
		if (!take(m, name, value)) {
			snprintf(why, 256, "%.120s: %.40s cannot be '%.60s'", path, name, value);
			return RK_CORRUPT_MESSAGE;
		}
	}
	if (m->version < 0 || m->node_id < 0 || m->cluster_id[0] == '\0') {
		snprintf(why, 256,
		    "%.150s lacks %s; restore the file, or format the directory anew", path,
		    m->version < 0   ? "version"
		    : m->node_id < 0 ? "node.id"
				     : "cluster.id");
		return RK_CORRUPT_MESSAGE;
	}
	return RK_OK;
}

enum rk_err
st_meta_read(struct rk_env *e, const char *dir, struct st_meta *m, char why[256])
{
	char path[PATH_MAX];
	struct rk_arena a;
	struct rk_str text;

	*m = (struct st_meta){.version = -1, .node_id = -1};
	why[0] = '\0';
	enum rk_err err = path_of(dir, path);
	if (err != RK_OK)
		return err;
	rk_arena_init(&a, 65536);
	err = rk_env_slurp(e, path, &a, &text);
	if (err == RK_OK)
		err = parse(text, path, m, why);
	else
		snprintf(why, 256, "%.150s: %.90s", path, rk_err_text(err));
	rk_arena_free(&a);
	return err;
}
