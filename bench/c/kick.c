/*
 * Floor of pausing: microseconds from asking a vCPU that runs guest code to stop until the asking thread knows it has.
 * Usage: kick ELF RAM_MIB TIMES. Prints the median and the 99th percentile.
 */
#include "live.h"

int main(int argc, char **argv)
{
	size_t count = argc == 4 ? strtoul(argv[3], NULL, 0) : 0;
	if (count == 0)
		refuse("usage: kick ELF RAM_MIB TIMES");
	struct live l;
	live_start(&l, argv[1], strtoul(argv[2], NULL, 0) * MIB, 0);
	double *us = malloc(count * sizeof(double));
	struct timespec between = { 0, 1000000 };

	live_wait_rounds(&l, 2);
	for (size_t i = 0; i < count; i++) {
		nanosleep(&between, NULL);
		double start = now_us();
		live_pause(&l);
		us[i] = now_us() - start;
		live_resume(&l);
	}
	live_pause(&l);
	live_stop(&l);
	printf("{\"kickUs\":%.2f,\"kickP99Us\":%.2f}\n", quantile(us, count, 0.5), quantile(us, count, 0.99));
	return 0;
}
