/* format_scram.c - --add-scram: MECHANISM=[name=N,password=P,...] becomes a credential (RFC 5802).
 */
#include "src/cmd/format.h"
#include "src/cmd/posix.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { ITERATIONS_MIN = 4096, SALT_BYTES = 24 };

static const struct mechanism {
	const char *name, *java;
	int8_t id;
	uint32_t bytes;
	const EVP_MD *(*hash)(void);
} mechanism[] = {
    {"SCRAM-SHA-256", "SCRAM_SHA_256", 1, 32, EVP_sha256},
    {"SCRAM-SHA-512", "SCRAM_SHA_512", 2, 64, EVP_sha512},
};

#define SAID(...) (fprintf(stderr, __VA_ARGS__), 1)

/* The value of one name in "a=b,c=d", without quotes, in the arena; NULL: not there. */
static char *
part(struct cmd_format *f, const char *text, const char *name)
{
	char **piece;
	uint32_t n = cmd_split(&f->arena, text, ',', &piece);
	size_t len = strlen(name);

	for (uint32_t i = 0; i < n; i++) {
		if (strncmp(piece[i], name, len) != 0 || piece[i][len] != '=')
			continue;
		char *v = piece[i] + len + 1;
		size_t end = strlen(v);
		if (end >= 2 && v[0] == '"' && v[end - 1] == '"') {
			v[end - 1] = '\0';
			v++;
		}
		return v;
	}
	return NULL;
}

static bool
base64(struct cmd_format *f, const char *text, struct rk_str *out)
{
	size_t len = strlen(text);
	uint8_t *to = rk_arena_get(&f->arena, len + 3, 1);
	int n = to == NULL ? -1 : EVP_DecodeBlock(to, (const unsigned char *)text, (int)len);

	for (size_t i = len; n > 0 && i > 0 && text[i - 1] == '='; i--)
		n--;
	*out = (struct rk_str){(const char *)to, n};
	return n > 0;
}

static bool
keys(struct cmd_format *f, const struct mechanism *m, struct rk_str salted,
    struct kp_user_scram_credential_record *r)
{
	uint8_t client[EVP_MAX_MD_SIZE];
	uint8_t *stored = rk_arena_get(&f->arena, m->bytes, 1),
		*server = rk_arena_get(&f->arena, m->bytes, 1);
	unsigned n;

	if (stored == NULL || server == NULL
	    || HMAC(m->hash(), salted.at, salted.len, (const uint8_t *)"Client Key", 10, client, &n)
		   == NULL
	    || EVP_Digest(client, n, stored, &n, m->hash(), NULL) != 1
	    || HMAC(m->hash(), salted.at, salted.len, (const uint8_t *)"Server Key", 10, server, &n)
		   == NULL)
		return false;
	r->stored_key = (struct rk_str){(const char *)stored, (int32_t)m->bytes};
	r->server_key = (struct rk_str){(const char *)server, (int32_t)m->bytes};
	return true;
}

static int
credential(struct cmd_format *f, const struct mechanism *m, const char *text)
{
	const char *name = part(f, text, "name"), *password = part(f, text, "password");
	const char *ready = part(f, text, "saltedpassword"), *salt = part(f, text, "salt");
	const char *times = part(f, text, "iterations");
	struct kp_user_scram_credential_record *r = &f->scram[f->scrams];
	int64_t iterations = ITERATIONS_MIN;
	struct rk_str salted;

	if (name == NULL)
		return SAID("You must supply 'name' to add-scram\n");
	if (times != NULL && !rk_str_int(rk_str_of(times), &iterations))
		return SAID("The 'iterations' value of add-scram is not a number: %s\n", times);
	if (iterations < ITERATIONS_MIN)
		return SAID("The 'iterations' value must be >= %d for add-scram using %s\n",
		    ITERATIONS_MIN, m->java);
	if (iterations > 16384)
		return SAID(
		    "The 'iterations' value must be <= 16384 for add-scram using %s\n", m->java);
	if (password == NULL && ready == NULL)
		return SAID("You must supply one of 'password' or 'saltedpassword' to add-scram\n");
	if (password == NULL && salt == NULL)
		return SAID("You must supply 'salt' with 'saltedpassword' to add-scram\n");
	*r = (struct kp_user_scram_credential_record){
	    .name = rk_str_of(name), .mechanism = m->id, .iterations = (int32_t)iterations};
	if (salt != NULL) {
		if (!base64(f, salt, &r->salt))
			return SAID("The 'salt' of add-scram is not base64\n");
	} else {
		uint64_t *chance = rk_arena_get(&f->arena, SALT_BYTES / 8, 8);
		for (uint32_t i = 0; chance != NULL && i < SALT_BYTES / 8; i++)
			chance[i] = rk_chance(cmd_env());
		r->salt = (struct rk_str){(const char *)chance, SALT_BYTES};
	}
	if (password != NULL) {
		uint8_t *to = rk_arena_get(&f->arena, m->bytes, 1);
		if (to == NULL
		    || PKCS5_PBKDF2_HMAC(password, (int)strlen(password),
			   (const uint8_t *)r->salt.at, r->salt.len, (int)iterations, m->hash(),
			   (int)m->bytes, to)
			   != 1)
			return SAID("out of memory\n");
		salted = (struct rk_str){(const char *)to, (int32_t)m->bytes};
	} else if (!base64(f, ready, &salted)) {
		return SAID("The 'saltedpassword' of add-scram is not base64\n");
	}
	if (!keys(f, m, salted, r))
		return SAID("out of memory\n");
	f->scrams++;
	return 0;
}

int
cmd_format_scram(struct cmd_format *f, const char *text)
{
	const char *eq = strchr(text, '=');

	if (eq == NULL)
		return SAID("Failed to find equals sign in SCRAM argument '%s'\n", text);
	struct rk_str name = {text, (int32_t)(eq - text)};
	for (uint32_t i = 0; i < rk_countof(mechanism); i++) {
		if (!rk_str_is(name, mechanism[i].name))
			continue;
		size_t len = strlen(eq + 1);
		if (len < 2 || eq[1] != '[' || eq[len] != ']')
			return SAID(
			    "Expected configuration string to start with [ and end with ]\n");
		if (f->scrams == CMD_SCRAMS)
			return SAID(
			    "At most %d credentials can be added while formatting\n", CMD_SCRAMS);
		return credential(f, &mechanism[i],
		    rk_arena_str(&f->arena, (struct rk_str){eq + 2, (int32_t)len - 2}).at);
	}
	return SAID("The add-scram mechanism %.*s is not supported.\n", (int)name.len, name.at);
}
