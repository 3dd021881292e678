/* mlog_open.c - in a program of the simulator, opening the metadata log opens the world's disk for it. Linked
 * before libmlog.a, so that the LMDB body stays out. */
#include "tests/sim/mlog_sim.h"
#include "tests/sim/world.h"

enum rk_err
st_mlog_open(struct rk_env *env, const char *dir, uint32_t lane, struct st_mlog **out)
{
	(void)dir;
	return sim_mlog_open(env, rk_of(env, struct sim_world, env)->mdisk, lane, out);
}
