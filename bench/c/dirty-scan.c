/*
 * Floor of finding the dirty pages: KVM_GET_DIRTY_LOG and a walk over its bits, by RAM size.
 * Usage: dirty-scan ELF RAM_MIB TIMES. Prints the median microseconds of a scan and the pages found.
 */
#include "dirty.h"
#include "loader.h"

static void add_bytes(void *context, uint64_t offset, uint64_t bytes)
{
	(void)offset;
	*(uint64_t *)context += bytes;
}

int main(int argc, char **argv)
{
	size_t count = argc == 4 ? strtoul(argv[3], NULL, 0) : 0;
	if (count == 0)
		refuse("usage: dirty-scan ELF RAM_MIB TIMES");
	struct machine m = machine_open(strtoul(argv[2], NULL, 0) * MIB, KVM_MEM_LOG_DIRTY_PAGES,
					KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	struct loaded image = load_elf(&m, argv[1]);
	struct dirty dirty = dirty_new(&m);
	double *us = malloc(count * sizeof(double));
	uint64_t bytes = 0;

	machine_enter(&m, image.entry, image.bits);
	machine_run_to_mark(&m);
	dirty_arm(&m, &dirty);
	machine_run_to_mark(&m);
	for (size_t i = 0; i < count; i++) {
		bytes = 0;
		double start = now_us();
		dirty_get(&m, &dirty);
		dirty_runs(&m, &dirty, add_bytes, &bytes);
		us[i] = now_us() - start;
	}
	printf("{\"scanUs\":%.2f,\"pages\":%lu}\n", quantile(us, count, 0.5), bytes / PAGE);
	return 0;
}
