/*
 * Floor of rollback in place: save at the first mark; then run to the next mark and put everything back, again and again.
 * Usage: rollback ELF RAM_MIB ROUNDS clear|hot|hot-sync shadow|tlb
 *   clear     KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG, copy back: every page of every round costs a write fault
 *   hot       no KVM_CLEAR_DIRTY_LOG: set bits stay set, and every page with a set bit is copied back every time
 *   hot-sync  as hot, with registers, system registers and events handed over through KVM_RUN (KVM_CAP_SYNC_REGS)
 *   shadow    makes KVM drop its shadow page tables each time, by a memory slot that comes and goes
 *   tlb       makes KVM flush the TLB each time, by another CR3
 * Prints microseconds of one rollback and of one whole round (run and rollback), the pages put back a round, and checks
 * the result against the saved copy at the end.
 */
#include "dirty.h"
#include "loader.h"
#include "state.h"

struct copy {
	uint8_t *to;
	const uint8_t *from;
};

static void copy_run(void *context, uint64_t offset, uint64_t bytes)
{
	struct copy *c = context;
	memcpy(c->to + offset, c->from + offset, bytes);
}

int main(int argc, char **argv)
{
	if (argc != 6)
		refuse("usage: rollback ELF RAM_MIB ROUNDS clear|hot|hot-sync shadow|tlb");
	size_t rounds = strtoul(argv[3], NULL, 0);
	int clear = !strcmp(argv[4], "clear"), sync = !strcmp(argv[4], "hot-sync");
	int shadow = !strcmp(argv[5], "shadow");
	if (rounds == 0 || (!shadow && strcmp(argv[5], "tlb")) || (!clear && !sync && strcmp(argv[4], "hot")))
		refuse("usage: rollback ELF RAM_MIB ROUNDS clear|hot|hot-sync shadow|tlb");

	struct machine m = machine_open(strtoul(argv[2], NULL, 0) * MIB, KVM_MEM_LOG_DIRTY_PAGES,
					KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	struct loaded image = load_elf(&m, argv[1]);
	machine_enter(&m, image.entry, image.bits);
	machine_run_to_mark(&m);

	struct state *saved = state_new(&m);
	struct dirty dirty = dirty_new(&m);
	dirty_arm(&m, &dirty);
	state_save(&m, saved);
	struct copy back = { m.ram, ram_copy(&m) };

	double *rollback_us = malloc(rounds * sizeof(double)), *round_us = malloc(rounds * sizeof(double));
	uint64_t pages = 0;
	for (size_t i = 0; i < rounds; i++) {
		double start = now_us();
		machine_run_to_mark(&m);
		double marked = now_us();
		dirty_get(&m, &dirty);
		if (clear)
			dirty_clear(&m, &dirty);
		pages = dirty_runs(&m, &dirty, copy_run, &back);
		drop_translations(&m, shadow);
		if (sync)
			state_restore_with_run(&m, saved);
		else
			state_restore(&m, saved);
		double end = now_us();
		rollback_us[i] = end - marked;
		round_us[i] = end - start;
	}
	if (memcmp(back.to, back.from, m.ram_size < GIB ? m.ram_size : GIB) != 0)
		refuse("memory differs from the saved copy: the rollback lost a page");
	struct kvm_regs regs;
	machine_run_to_mark(&m);
	check(ioctl(m.vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	if (regs.rbx != saved->regs.rbx + 1) /* the guest counts its rounds there */
		refuse("the rollback did not restore the registers");
	printf("{\"rollbackUs\":%.2f,\"rollbackP99Us\":%.2f,\"roundUs\":%.2f,\"pages\":%lu}\n",
	       quantile(rollback_us, rounds, 0.5), quantile(rollback_us, rounds, 0.99), quantile(round_us, rounds, 0.5), pages);
	return 0;
}
