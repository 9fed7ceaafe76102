/*
 * Floor of the guest's slowdown: rounds per second of a guest that is checkpointed PER_SECOND times a second, against the
 * same guest left alone, in alternating slices of SLICE_MS.
 * Usage: slowdown ELF RAM_MIB PER_SECOND SLICE_MS SLICES
 * Prints the median slowdown in percent over the pairs of slices, and the median pages of a checkpoint.
 */
#include "live.h"

static void sleep_until(double us)
{
	double left = us - now_us();
	if (left > 0)
		usleep(left);
}

/* Rounds per second of one slice; `per_second` 0 takes no checkpoint. */
static double slice(struct live *l, struct dirty *dirty, const struct dirty *none, struct capture *capture, double per_second, double ms, double *pages)
{
	double start = now_us(), end = start + ms * 1e3;
	uint64_t rounds = live_rounds(l);
	for (int i = 1; per_second && start + i * 1e6 / per_second <= end; i++) {
		sleep_until(start + i * 1e6 / per_second);
		capture->used = 0;
		live_pause(l);
		*pages = capture_dirty(&l->m, dirty, none, capture);
		live_resume(l);
	}
	sleep_until(end);
	return (live_rounds(l) - rounds) / ((now_us() - start) / 1e6);
}

int main(int argc, char **argv)
{
	if (argc != 6)
		refuse("usage: slowdown ELF RAM_MIB PER_SECOND SLICE_MS SLICES");
	double per_second = atof(argv[3]), ms = atof(argv[4]);
	size_t count = strtoul(argv[5], NULL, 0);
	if (!(per_second > 0) || !(ms > 0) || count == 0)
		refuse("PER_SECOND, SLICE_MS and SLICES must be above 0");
	struct live l;
	live_start(&l, argv[1], strtoul(argv[2], NULL, 0) * MIB, 1);
	struct dirty dirty = dirty_new(&l.m), none = dirty_new(&l.m);
	struct capture capture = capture_new(&l.m);
	double *percent = malloc(count * sizeof(double)), *pages = calloc(count, sizeof(double));

	live_wait_rounds(&l, 2);
	live_pause(&l);
	dirty_arm(&l.m, &dirty);
	live_resume(&l);
	for (size_t i = 0; i < count; i++) {
		double alone = slice(&l, &dirty, &none, &capture, 0, ms, NULL);
		double checkpointed = slice(&l, &dirty, &none, &capture, per_second, ms, &pages[i]);
		percent[i] = 100 * (1 - checkpointed / alone);
	}
	live_pause(&l);
	live_stop(&l);
	printf("{\"slowdownPercent\":%.3f,\"pages\":%.0f}\n", quantile(percent, count, 0.5), quantile(pages, count, 0.5));
	return 0;
}
