/* t_storage_cmd.c - claims about rookery storage and export-metadata, run as people run them. Texts and exit status
 * are those of Apache Kafka 4.3.0's kafka-storage for the same arguments. */
#include <check.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char dir[64], said[16384];

#define T "AAAAAAAAAAAAAAAAAAAAAQ"

static void
write_file(const char *name, const char *text)
{
	char path[160];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void
config(const char *name, const char *roles, const char *listeners, const char *dirs, const char *more)
{
	char text[1000];

	snprintf(text, sizeof text, "process.roles=%s\nnode.id=1\nlisteners=%s\ncontroller.listener.names=CONTROLLER\n"
	    "log.dirs=%s\n%s\n", roles, listeners, dirs, more);
	for (char *p = text; (p = strstr(p, "@D")) != NULL;) {
		char rest[1000];
		snprintf(rest, sizeof rest, "%s", p + 2);
		snprintf(p, sizeof text - (size_t)(p - text), "%s%s", dir, rest);
	}
	write_file(name, text);
}

#define BOTH "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
#define BOOT "controller.quorum.bootstrap.servers=127.0.0.1:9093"

static void
start(void)
{
	snprintf(dir, sizeof dir, "/tmp/t_storage.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	config("s.p", "broker,controller", BOTH, "@D/a,@D/b", BOOT);
	config("v.p", "broker,controller", BOTH, "@D/v", "controller.quorum.voters=1@127.0.0.1:9093");
	config("b.p", "broker", "PLAINTEXT://127.0.0.1:9092", "@D/c", BOOT);
}

static void
stop(void)
{
	char rm[96];

	snprintf(rm, sizeof rm, "rm -rf %s", dir);
	ck_assert_int_eq(system(rm), 0);
}

/* Runs the command; what it said is in said, with the folder's name as DIR. */
static int rk_format(1, 2)
run(const char *fmt, ...)
{
	char args[1000], line[1200], *p;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(args, sizeof args, fmt, ap);
	va_end(ap);
	snprintf(line, sizeof line, "./rookery storage %s 2>&1", args);
	FILE *f = popen(line, "r");
	ck_assert_ptr_nonnull(f);
	size_t n = fread(said, 1, sizeof said - 1, f);
	said[n] = '\0';
	int rc = pclose(f);
	while ((p = strstr(said, dir)) != NULL) {
		memcpy(p, "DIR", 3);
		memmove(p + 3, p + strlen(dir), strlen(p + strlen(dir)) + 1);
	}
	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static void
says(const char *text)
{
	ck_assert_msg(strstr(said, text) != NULL, "wanted: %s\ngot: %s", text, said);
}

static void
exits(int rc, int want)
{
	ck_assert_msg(rc == want, "exit status %d, not %d: %s", rc, want, said);
}

static off_t
size_of(const char *name, mode_t mode)
{
	char path[200];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	ck_assert_msg(stat(path, &st) == 0, "%s is not there", name);
	ck_assert_int_eq(st.st_mode & 0777, mode);
	return st.st_size;
}

START_TEST(standalone_makes_a_voter_and_a_data_directory)
{
	exits(run("format -t " T " -c %s/s.p --standalone", dir), 0);
	says("Formatting dynamic metadata voter directory DIR/a with metadata.version 4.3-IV0.\n"
	    "Formatting data directory DIR/b with metadata.version 4.3-IV0.\n");
	ck_assert_int_eq(size_of("a/bootstrap.checkpoint", 0644), 411);
	ck_assert_int_eq(size_of("b/bootstrap.checkpoint", 0644), 411);
	ck_assert_int_eq(size_of("a/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint", 0400), 241);
	exits(run("format -t " T " -c %s/s.p --standalone", dir), 1);
	ck_assert_str_eq(said, "Log directory DIR/a is already formatted. Use --ignore-formatted to ignore this directory and "
	    "format the others.\n");
	exits(run("format -t " T " -c %s/s.p -s -g", dir), 0);
	ck_assert_str_eq(said, "All of the log directories are already formatted.\n");
	exits(run("info -c %s/s.p", dir), 0);
	says("Found log directories:\n  DIR/a\n  DIR/b\n\nFound metadata: {cluster.id=" T ", directory.id=");
	says(", node.id=1, version=1}\n\n");
}
END_TEST

START_TEST(directories_of_another_cluster_are_refused)
{
	char rm[100];

	exits(run("format -t " T " -c %s/s.p --standalone", dir), 0);
	snprintf(rm, sizeof rm, "rm -rf %s/b", dir);
	ck_assert_int_eq(system(rm), 0);
	exits(run("format -t BBBBBBBBBBBBBBBBBBBBBQ -c %s/s.p --standalone -g", dir), 1);
	says("Invalid cluster.id in: DIR/a/meta.properties. Expected BBBBBBBBBBBBBBBBBBBBBQ, but read " T "\n");
	exits(run("info -c %s/s.p", dir), 1);
	says("Found problem:\n  DIR/b does not exist\n");
	exits(run("format -t " T " -c %s/s.p --standalone -g", dir), 0);
	says("Formatting data directory DIR/b with");
}
END_TEST

static const struct {
	const char *args, *config;
	int rc;
	const char *text;
} claim[] = {
	{ "", "s", 1, "Because controller.quorum.voters is not set on this controller, you must specify one of the following: "
		"--standalone, --initial-controllers, or --no-initial-controllers.\n" },
	{ "", "v", 0, "Formatting metadata directory DIR/v with metadata.version 4.3-IV0.\n" },
	{ "-s", "v", 1, "You cannot specify controller.quorum.voters and format the node with --initial-controllers or "
		"--standalone." },
	{ "-s", "b", 1, "You can only use --standalone on a controller.\n" },
	{ "", "b", 0, "Formatting metadata directory DIR/c with metadata.version 4.3-IV0.\n" },
	{ "-N", "s", 0, "Formatting metadata directory DIR/a with metadata.version 4.3-IV0.\n" },
	{ "-I 1@h:1:JEXY6aqzQY-32P5TStzaFg,2@h2:8083:MvDxzVmcRsaTz33bUuRU6A", "s", 0,
		"Formatting dynamic metadata voter directory DIR/a with" },
	{ "-I 2@h2:8083:MvDxzVmcRsaTz33bUuRU6A", "s", 0, "Formatting dynamic metadata directory DIR/a with" },
	{ "-I 1@h:1", "s", 1, "No colon following port could be found." },
	{ "-I x@h:1:JEXY6aqzQY-32P5TStzaFg", "s", 1, "Failed to parse node id in dynamic voter string." },
	{ "-I 1@h:1:JEXY6", "s", 1, "Failed to parse directory ID in dynamic voter string." },
	{ "-I 1@h:1:JEXY6aqzQY-32P5TStzaFg,1@h:2:MvDxzVmcRsaTz33bUuRU6A", "s", 1, "Node id 1 was specified more than once." },
	{ "-s -f kraft.version=0", "s", 1, "Cannot set kraft.version to 0 if controller.quorum.voters is empty" },
	{ "-s -f nope=1", "s", 1, "Unsupported feature: nope. Supported features are: eligible.leader.replicas.version, "
		"group.version, kraft.version, share.version, streams.version, transaction.version\n" },
	{ "-s -f group.version=9", "s", 1, "No feature:group.version with feature level 9" },
	{ "-s -f group.version", "s", 1, "Can't parse feature=level string group.version: equals sign not found." },
	{ "-s -r 3.5 -f metadata.version=20", "s", 1,
		"Use --release-version instead of --feature metadata.version=X to avoid ambiguity.\n" },
	{ "-s -r 3.9", "s", 0, "Formatting dynamic metadata voter directory DIR/a with metadata.version 3.9-IV0.\n" },
	{ "-s -r 3.2", "s", 1, "Unknown metadata.version '3.2'. Supported metadata.version are: 3.3-IV3, " },
	{ "-s -f eligible.leader.replicas.version=1 -r 3.9", "s", 1,
		"eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23" },
	{ "-s -S 'SCRAM-SHA-256=[name=alice,password=alice-secret]'", "s", 0,
		"UserScramCredentialRecord(name='alice', mechanism=1" },
	{ "-s -S 'SCRAM-SHA-256=[name=a,password=p,iterations=1]'", "s", 1,
		"The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256\n" },
	{ "-s -S 'SCRAM-SHA-1=[name=a,password=p]'", "s", 1, "The add-scram mechanism SCRAM-SHA-1 is not supported.\n" },
	{ "-s -S 'SCRAM-SHA-256=[name=a]'", "s", 1, "You must supply one of 'password' or 'saltedpassword' to add-scram\n" },
	{ "-s -S 'SCRAM-SHA-256=[password=p]'", "s", 1, "You must supply 'name' to add-scram\n" },
	{ "-s -S foo", "s", 1, "Failed to find equals sign in SCRAM argument 'foo'\n" },
	{ "-s -r 3.4 -S 'SCRAM-SHA-256=[name=a,password=p]'", "s", 1,
		"SCRAM is only supported in metadata.version 3.5-IV2 or later.\n" },
	{ "-s -N", "s", 1, "argument --no-initial-controllers/-N: not allowed with argument --standalone/-s" },
};

START_TEST(format_says_what_kafkas_says)
{
	exits(run("format -t " T " -c %s/%s.p %s", dir, claim[_i].config, claim[_i].args), claim[_i].rc);
	says(claim[_i].text);
}
END_TEST

/* RFC 7677's example: what a salted password becomes is not ours to choose. */
START_TEST(a_scram_credential_is_the_rfcs)
{
	exits(run("format -t " T " -c %s/s.p -s -S "
	    "'SCRAM-SHA-256=[name=user,iterations=4096,salt=\"W22ZaJ0SNY7soEsUEjb6gQ==\",password=pencil]'", dir), 0);
	/* StoredKey WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY= */
	says("storedKey=[88, 110, 93, -14, -125, -26, -36, -21, 92, 62, 121, 29, -117, -123, 40, -20, 25, 30, 102, 64, "
	    "69, -50, -105, 23, -110, -30, -26, -75, -69, 19, -30, -90]");
}
END_TEST

START_TEST(versions_and_dependencies_are_told)
{
	exits(run("version-mapping"), 0);
	ck_assert_str_eq(said, "metadata.version=30 (4.3-IV0)\nkraft.version=1\ntransaction.version=2\ngroup.version=1\n"
	    "eligible.leader.replicas.version=1\nshare.version=1\nstreams.version=1\n");
	exits(run("version-mapping -r 3.3-IV3"), 0);
	ck_assert_str_eq(said, "metadata.version=7 (3.3-IV3)\nkraft.version=0\ntransaction.version=0\ngroup.version=0\n"
	    "eligible.leader.replicas.version=0\nshare.version=0\nstreams.version=0\n");
	exits(run("feature-dependencies -f eligible.leader.replicas.version=1 -f group.version=1"), 0);
	ck_assert_str_eq(said, "eligible.leader.replicas.version=1 requires:\n    metadata.version=23 (4.0-IV1)\n"
	    "group.version=1 has no dependencies.\n");
	exits(run("feature-dependencies -f nope=1"), 1);
	ck_assert_str_eq(said, "Unknown feature: nope\n");
	exits(run("random-uuid"), 0);
	ck_assert_uint_eq(strlen(said), 23);
	exits(run("format -s"), 1);
	says("argument --config/-c is required");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("storage_cmd");
	TCase *c = tcase_create("storage_cmd");
	tcase_add_checked_fixture(c, start, stop);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, standalone_makes_a_voter_and_a_data_directory);
	tcase_add_test(c, directories_of_another_cluster_are_refused);
	tcase_add_loop_test(c, format_says_what_kafkas_says, 0, rk_countof(claim));
	tcase_add_test(c, a_scram_credential_is_the_rfcs);
	tcase_add_test(c, versions_and_dependencies_are_told);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad != 0;
}
