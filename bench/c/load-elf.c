/*
 * Floor of the loader: seconds from opening the file to all segments in guest memory, which is a memfd as in vmlapse.
 * Usage: load-elf ELF RAM_MIB
 */
#include "loader.h"
#include <sys/resource.h>

int main(int argc, char **argv)
{
	if (argc != 3)
		refuse("usage: load-elf ELF RAM_MIB");
	struct machine m = machine_open(strtoul(argv[2], NULL, 0) * MIB, 0, 0);
	double start = now_us();
	struct loaded image = load_elf(&m, argv[1]);
	double seconds = (now_us() - start) / 1e6;
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"seconds\":%.6f,\"bytes\":%lu,\"maxRssKiB\":%ld}\n", seconds, image.file_size, usage.ru_maxrss);
	return 0;
}
