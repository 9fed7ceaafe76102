/*
 * The state of one vCPU and its VM as a table of get/set ioctls, in the order both saving and restoring need:
 * MP_STATE first (reading it may change others), SREGS before LAPIC (they carry the APIC base), LAPIC before MSRS
 * (TSC deadline), VCPU_EVENTS after REGS (which clears pending exceptions), PIT2 after the chips (it forgets lost ticks).
 */
#ifndef BENCH_STATE_H
#define BENCH_STATE_H
#include "kvm.h"

enum { MAX_MSRS = 256, XSAVE_BYTES = 64 << 10 };

struct state {
	struct kvm_mp_state mp_state;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint8_t xsave[XSAVE_BYTES];
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
	struct { struct kvm_msrs head; struct kvm_msr_entry entries[MAX_MSRS]; } msrs;
	struct kvm_vcpu_events events;
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
	struct kvm_irqchip pic_master, pic_slave, ioapic;
};

struct state_row {
	const char *name;
	unsigned long get, set;
	size_t offset;
	enum { ON_VCPU, ON_VM } on;
	int in_sync_regs; /* KVM_RUN itself carries it with KVM_CAP_SYNC_REGS */
};

#define ROW(name, get, set, field, on, sync) { name, get, set, offsetof(struct state, field), on, sync }
static const struct state_row STATE_ROWS[] = {
	ROW("MP_STATE", KVM_GET_MP_STATE, KVM_SET_MP_STATE, mp_state, ON_VCPU, 0),
	ROW("REGS", KVM_GET_REGS, KVM_SET_REGS, regs, ON_VCPU, 1),
	ROW("SREGS", KVM_GET_SREGS, KVM_SET_SREGS, sregs, ON_VCPU, 1),
	ROW("XSAVE", KVM_GET_XSAVE2, KVM_SET_XSAVE, xsave, ON_VCPU, 0),
	ROW("XCRS", KVM_GET_XCRS, KVM_SET_XCRS, xcrs, ON_VCPU, 0),
	ROW("DEBUGREGS", KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, debugregs, ON_VCPU, 0),
	ROW("LAPIC", KVM_GET_LAPIC, KVM_SET_LAPIC, lapic, ON_VCPU, 0),
	ROW("MSRS", KVM_GET_MSRS, KVM_SET_MSRS, msrs, ON_VCPU, 0),
	ROW("VCPU_EVENTS", KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, events, ON_VCPU, 1),
	ROW("CLOCK", KVM_GET_CLOCK, KVM_SET_CLOCK, clock, ON_VM, 0),
	ROW("PIC master", KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, pic_master, ON_VM, 0),
	ROW("PIC slave", KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, pic_slave, ON_VM, 0),
	ROW("IOAPIC", KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, ioapic, ON_VM, 0),
	ROW("PIT2", KVM_GET_PIT2, KVM_SET_PIT2, pit, ON_VM, 0),
};
enum { STATE_ROW_COUNT = sizeof STATE_ROWS / sizeof STATE_ROWS[0] };

/*
 * Fills in the MSRs to save: those that the environment variable SAVED_MSRS names, or else every one of the index list.
 * The benchmarks name those that vmlapse saves, so that both do the same ioctls.
 */
static inline void ask_for_msrs(const struct machine *m, struct kvm_msrs *msrs)
{
	struct { struct kvm_msr_list head; uint32_t indices[MAX_MSRS]; } list = { .head.nmsrs = MAX_MSRS };
	const char *named = getenv("SAVED_MSRS");

	if (!named) {
		check(ioctl(m->kvm, KVM_GET_MSR_INDEX_LIST, &list), "KVM_GET_MSR_INDEX_LIST");
	} else {
		list.head.nmsrs = 0;
		for (char *end; *named; named = *end ? end + 1 : end) {
			if (list.head.nmsrs == MAX_MSRS)
				refuse("SAVED_MSRS names more than 256 MSRs");
			list.indices[list.head.nmsrs++] = strtoul(named, &end, 0);
			if (end == named)
				refuse("SAVED_MSRS is not a list of numbers");
		}
	}
	msrs->nmsrs = list.head.nmsrs;
	for (uint32_t i = 0; i < list.head.nmsrs; i++)
		msrs->entries[i].index = list.indices[i];
}

/* A zeroed state that asks for every MSR to save. */
static inline struct state *state_new(const struct machine *m)
{
	static const int PIC_MASTER = 0, PIC_SLAVE = 1, IOAPIC = 2;
	struct state *s = calloc(1, sizeof *s);

	if (ioctl(m->vm, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2) > XSAVE_BYTES)
		refuse("KVM_CAP_XSAVE2 asks for more than 64 KiB");
	ask_for_msrs(m, &s->msrs.head);
	s->pic_master.chip_id = PIC_MASTER;
	s->pic_slave.chip_id = PIC_SLAVE;
	s->ioapic.chip_id = IOAPIC;
	return s;
}

static inline void state_walk(const struct machine *m, struct state *s, int set, int skip_sync_regs)
{
	for (unsigned i = 0; i < STATE_ROW_COUNT; i++) {
		const struct state_row *row = &STATE_ROWS[i];
		if (skip_sync_regs && row->in_sync_regs)
			continue;
		int result = ioctl(row->on == ON_VM ? m->vm : m->vcpu, set ? row->set : row->get, (uint8_t *)s + row->offset);
		check(result, row->name);
		if (row->get == KVM_GET_MSRS && result != (int)s->msrs.head.nmsrs)
			refuse("KVM did not take every MSR");
	}
}

static inline void state_save(const struct machine *m, struct state *s)
{
	state_walk(m, s, 0, 0);
	s->clock.flags = 0; /* replayed flags would make the guest's clock jump */
}

/* As state_save, with the registers, system registers and events taken from one KVM_RUN that runs no guest code. */
static inline void state_save_with_run(struct machine *m, struct state *s)
{
	state_walk(m, s, 0, 1);
	m->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	m->run->immediate_exit = 1;
	if (ioctl(m->vcpu, KVM_RUN, 0) == 0 || errno != EINTR)
		refuse("KVM_RUN with immediate_exit did not return EINTR");
	m->run->immediate_exit = 0;
	m->run->kvm_valid_regs = 0;
	s->regs = m->run->s.regs.regs;
	s->sregs = m->run->s.regs.sregs;
	s->events = m->run->s.regs.events;
	s->clock.flags = 0;
}

static inline void state_restore(const struct machine *m, struct state *s)
{
	state_walk(m, s, 1, 0);
}

/* As state_restore, with the registers, system registers and events handed to the next KVM_RUN instead of ioctls. */
static inline void state_restore_with_run(struct machine *m, struct state *s)
{
	state_walk(m, s, 1, 1);
	m->run->s.regs.regs = s->regs;
	m->run->s.regs.sregs = s->sregs;
	m->run->s.regs.events = s->events;
	m->run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
}
#endif
