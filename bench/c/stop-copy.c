/*
 * Floor of the live checkpoint's pause: after pre-copy, the vCPU saves its state and the pages still dirty are copied to
 * a preallocated buffer.
 * Usage: stop-copy ELF RAM_MIB CHECKPOINTS
 * Each checkpoint is taken when the guest has dirtied all its pages since the last one. Prints medians: microseconds from
 * the kick to the resume (pauseUs), those the vCPU spent out of the guest (offUs), and the pages copied in the pause.
 */
#include "live.h"

int main(int argc, char **argv)
{
	size_t count = argc == 4 ? strtoul(argv[3], NULL, 0) : 0;
	if (count == 0)
		refuse("usage: stop-copy ELF RAM_MIB CHECKPOINTS");
	struct live l;
	live_start(&l, argv[1], strtoul(argv[2], NULL, 0) * MIB, 1);
	struct dirty dirty = dirty_new(&l.m), rest = dirty_new(&l.m);
	struct capture capture = capture_new(&l.m);
	double *pause_us = malloc(count * sizeof(double)), *off_us = malloc(count * sizeof(double)), *pages = malloc(count * sizeof(double));

	live_wait_rounds(&l, 2);
	live_pause(&l);
	dirty_arm(&l.m, &dirty);
	for (size_t i = 0; i < count; i++) {
		live_resume(&l);
		live_wait_rounds(&l, 2);
		if (i)
			off_us[i - 1] = l.off_us;
		capture.used = 0;
		precopy(&l.m, &rest, &capture);
		double start = now_us();
		live_pause(&l);
		pages[i] = capture_dirty(&l.m, &dirty, &rest, &capture);
		pause_us[i] = now_us() - start;
	}
	live_resume(&l);
	live_wait_rounds(&l, 2);
	off_us[count - 1] = l.off_us;
	live_pause(&l);
	live_stop(&l);
	printf("{\"pauseUs\":%.2f,\"offUs\":%.2f,\"pages\":%.0f}\n", quantile(pause_us, count, 0.5), quantile(off_us, count, 0.5),
	       quantile(pages, count, 0.5));
	return 0;
}
