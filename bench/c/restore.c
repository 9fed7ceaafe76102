/*
 * Floor of a restore: a guest stands at its first mark; its memory, with PATTERN in every page above FIRST_FILLED, is written to
 * FILE, and its state is kept. Then, again and again: a new VM, FILE mapped copy-on-write as its memory, the state loaded, run
 * to the next mark. And the same with one VM: the copies that it has made of FILE's pages thrown away, the state loaded, run.
 * Usage: restore ELF RAM_MIB ROUNDS FILE shadow|tlb
 *   shadow, tlb  how translations of addresses are dropped, as in rollback.c
 * Prints microseconds of one restore either way.
 */
#include "loader.h"
#include "state.h"

enum { FIRST_FILLED = 16 << 20, PATTERN = 0x5a };

int main(int argc, char **argv)
{
	if (argc != 6 || (strcmp(argv[5], "shadow") && strcmp(argv[5], "tlb")))
		refuse("usage: restore ELF RAM_MIB ROUNDS FILE shadow|tlb");
	size_t rounds = strtoul(argv[3], NULL, 0);
	if (rounds == 0)
		refuse("usage: restore ELF RAM_MIB ROUNDS FILE shadow|tlb");

	int file = check(open(argv[4], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), "FILE");
	uint64_t ram_size = strtoul(argv[2], NULL, 0) * MIB;
	check(ftruncate(file, ram_size), "ftruncate");
	struct machine m = machine_over(file, MAP_SHARED, ram_size, 0, 0);
	struct loaded image = load_elf(&m, argv[1]);
	machine_enter(&m, image.entry, image.bits);
	machine_run_to_mark(&m);
	memset(m.ram + FIRST_FILLED, PATTERN, ram_size - FIRST_FILLED);
	struct state *saved = state_new(&m);
	state_save(&m, saved);
	machine_close(&m);

	double *us = malloc(rounds * sizeof(double));
	for (size_t i = 0; i < rounds; i++) {
		double start = now_us();
		struct machine copy = machine_over(check(open(argv[4], O_RDONLY | O_CLOEXEC), "FILE"), MAP_PRIVATE, ram_size, 0, 0);
		state_restore(&copy, saved);
		machine_run_to_mark(&copy);
		us[i] = now_us() - start;
		machine_close(&copy);
	}
	double *again_us = malloc(rounds * sizeof(double));
	struct machine again = machine_over(check(open(argv[4], O_RDONLY | O_CLOEXEC), "FILE"), MAP_PRIVATE, ram_size, 0, 0);
	for (size_t i = 0; i < rounds; i++) {
		double start = now_us();
		check(madvise(again.ram, ram_size, MADV_DONTNEED), "madvise");
		drop_translations(&again, !strcmp(argv[5], "shadow"));
		state_restore_with_run(&again, saved);
		machine_run_to_mark(&again);
		again_us[i] = now_us() - start;
	}
	machine_close(&again);
	printf("{\"restoreUs\":%.1f,\"againUs\":%.1f}\n", quantile(us, rounds, 0.5), quantile(again_us, rounds, 0.5));
	return 0;
}
