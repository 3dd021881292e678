/* cl_bugs.h - bugs planted on purpose, to prove that cluster_sim sees: never in what ships. The disks lie, or a
 * function is wrapped by the linker (-Wl,--wrap) in this program alone. */
#ifndef SIM_CL_BUGS_H
#define SIM_CL_BUGS_H
struct cl;
enum cl_bug { CL_NO_BUG, CL_BUG_VOTE, CL_BUG_ACK, CL_BUG_ISR, CL_BUG_HIGH, CL_BUG_EPOCH, CL_BUG_COMPLETE,
	CL_BUG_MARKER, CL_BUG_VERIFY, CL_BUG_OWNER, CL_BUGS };
void cl_bug_plant(struct cl *, enum cl_bug);
const char *cl_bug_name(enum cl_bug);
uint64_t cl_bug_within(enum cl_bug); /* found within so many seeds; 0: not proved in make check */
#endif
