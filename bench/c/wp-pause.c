/*
 * The pause of a live checkpoint by userfaultfd write protection, to be held against stop-copy.
 * Usage: wp-pause ELF RAM_MIB CHECKPOINTS
 * Each checkpoint is taken when the guest has dirtied all its pages since the last one. Prints medians: microseconds from
 * the kick to the resume (pauseUs), until every page is copied (doneUs), pages protected, and faults the guest waited in.
 */
#include "wp.h"

int main(int argc, char **argv)
{
	size_t count = argc == 4 ? strtoul(argv[3], NULL, 0) : 0;
	if (count == 0)
		refuse("usage: wp-pause ELF RAM_MIB CHECKPOINTS");
	struct live l;
	live_start(&l, argv[1], strtoul(argv[2], NULL, 0) * MIB, 1);
	struct dirty dirty = dirty_new(&l.m);
	struct capture capture = capture_new(&l.m);
	struct wp wp;
	wp_open(&wp, &l.m, &capture);
	double *pause_us = malloc(count * sizeof(double)), *done_us = malloc(count * sizeof(double));
	double *pages = malloc(count * sizeof(double)), *faults = malloc(count * sizeof(double));

	live_wait_rounds(&l, 2);
	live_pause(&l);
	dirty_arm(&l.m, &dirty);
	live_resume(&l);
	for (size_t i = 0; i < count; i++) {
		live_wait_rounds(&l, 2);
		capture.used = 0;
		uint64_t faulted = wp.faults;
		double start = now_us();
		live_pause(&l);
		pages[i] = wp_begin(&wp, &dirty);
		live_resume(&l);
		pause_us[i] = now_us() - start;
		wp_finish(&wp, &dirty);
		done_us[i] = now_us() - start;
		faults[i] = wp.faults - faulted;
	}
	live_pause(&l);
	live_stop(&l);
	printf("{\"pauseUs\":%.2f,\"doneUs\":%.2f,\"pages\":%.0f,\"faults\":%.0f}\n", quantile(pause_us, count, 0.5),
	       quantile(done_us, count, 0.5), quantile(pages, count, 0.5), quantile(faults, count, 0.5));
	return 0;
}
