/*
 * Floor of single steps: KVM_GUESTDBG_SINGLESTEP over the first STEPS steps of a guest, with the registers of each as KVM leaves
 * them in the shared area (KVM_CAP_SYNC_REGS), or read, where there is no such area. Port writes on the way are dropped.
 * Usage: step ELF RAM_MIB STEPS
 */
#include "loader.h"

int main(int argc, char **argv)
{
	if (argc != 4)
		refuse("usage: step ELF RAM_MIB STEPS");
	struct machine m = machine_open(strtoul(argv[2], NULL, 0) * MIB, 0, 0);
	struct loaded image = load_elf(&m, argv[1]);
	machine_enter(&m, image.entry, image.bits);
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	check(ioctl(m.vcpu, KVM_SET_GUEST_DEBUG, &debug), "KVM_SET_GUEST_DEBUG");
	int shared = ioctl(m.kvm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) & (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS);
	if (shared)
		m.run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;

	uint64_t steps = strtoull(argv[3], NULL, 0), done = 0;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	double start = now_us();
	while (done < steps) {
		uint32_t reason = machine_run(&m);
		if (reason == KVM_EXIT_IO)
			continue;
		if (reason != KVM_EXIT_DEBUG)
			refuse("the guest ended before its last step");
		if (shared) {
			regs = m.run->s.regs.regs;
			sregs = m.run->s.regs.sregs;
		} else {
			check(ioctl(m.vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
			check(ioctl(m.vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
		}
		__asm__ volatile("" : : "m"(regs), "m"(sregs)); /* the copies count */
		done++;
	}
	printf("{\"seconds\":%.6f}\n", (now_us() - start) / 1e6);
	return 0;
}
