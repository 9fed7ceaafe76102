/*
 * The set-up that every C floor shares: open /dev/kvm, create a VM like vmlapse's default machine (in-kernel irqchip and
 * PIT, memfd-backed RAM around a hole below 4 GiB), one vCPU, and an entry state. Errors end the program with a message.
 */
#ifndef BENCH_KVM_H
#define BENCH_KVM_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define MIB (1ul << 20)
#define LOW_RAM_END 0xc0000000ul /* RAM above this size continues at 4 GiB */
#define GIB (1ul << 30)
#define FOUR_GIB (4 * GIB)
#define MARK_PORT 0x80 /* the dirty guests write here once a round */
#define MAX_SLOTS 2

struct slot {
	uint64_t gpa, size, offset; /* bytes; offset is into the memfd and into machine.ram */
};

struct machine {
	int kvm, vm, vcpu, memfd;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *ram; /* all slots, contiguous in the host */
	uint64_t ram_size;
	struct slot slots[MAX_SLOTS];
	unsigned slot_count;
};

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline void refuse(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(2);
}

static inline int check(int result, const char *what)
{
	if (result < 0)
		die(what);
	return result;
}

static inline double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The value at `fraction` (0..1) of the sorted samples; sorts in place. */
static inline double quantile(double *samples, size_t count, double fraction)
{
	qsort(samples, count, sizeof *samples, by_value);
	size_t i = fraction * count;
	return samples[i < count ? i : count - 1];
}

/* The host address of `size` bytes of guest memory at `gpa`, or NULL where they are not all RAM of one slot. */
static inline uint8_t *guest(const struct machine *m, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < m->slot_count; i++) {
		const struct slot *s = &m->slots[i];
		if (gpa >= s->gpa && gpa - s->gpa <= s->size && size <= s->size - (gpa - s->gpa))
			return m->ram + s->offset + (gpa - s->gpa);
	}
	return NULL;
}

/* RAM over a file: shared with it, or copy-on-write. */
static inline void machine_memory(struct machine *m, int file, int sharing, uint64_t ram_size, uint32_t slot_flags)
{
	uint64_t low = ram_size < LOW_RAM_END ? ram_size : LOW_RAM_END;
	m->ram_size = ram_size;
	m->memfd = file;
	m->ram = mmap(NULL, ram_size, PROT_READ | PROT_WRITE, sharing | MAP_NORESERVE, file, 0);
	if (m->ram == MAP_FAILED)
		die("mmap of guest memory");
	m->slots[m->slot_count++] = (struct slot){ 0, low, 0 };
	if (ram_size > low)
		m->slots[m->slot_count++] = (struct slot){ FOUR_GIB, ram_size - low, low };
	for (unsigned i = 0; i < m->slot_count; i++) {
		struct kvm_userspace_memory_region region = {
			.slot = i, .flags = slot_flags, .guest_phys_addr = m->slots[i].gpa,
			.memory_size = m->slots[i].size, .userspace_addr = (uint64_t)(m->ram + m->slots[i].offset) };
		check(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	}
}

static inline void machine_cpuid(struct machine *m)
{
	enum { ENTRIES = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + ENTRIES * sizeof cpuid->entries[0]);
	cpuid->nent = ENTRIES;
	check(ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	check(ioctl(m->vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
}

/* A VM with `ram_size` bytes of RAM over a file and one vCPU. `slot_flags` as in KVM_MEM_LOG_DIRTY_PAGES; `dirty_protect` is
 * the argument of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0 to leave it off. */
static inline struct machine machine_over(int file, int sharing, uint64_t ram_size, uint32_t slot_flags, uint64_t dirty_protect)
{
	struct machine m = { 0 };
	m.kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	if (ioctl(m.kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		refuse("KVM API version is not 12");
	m.vm = check(ioctl(m.kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	check(ioctl(m.vm, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
	check(ioctl(m.vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	struct kvm_pit_config pit = { 0 };
	check(ioctl(m.vm, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
	if (dirty_protect) {
		struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { dirty_protect } };
		check(ioctl(m.vm, KVM_ENABLE_CAP, &cap), "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
	}
	machine_memory(&m, file, sharing, ram_size, slot_flags);
	m.vcpu = check(ioctl(m.vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	m.run_size = check(ioctl(m.kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	m.run = mmap(NULL, m.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m.vcpu, 0);
	if (m.run == MAP_FAILED)
		die("mmap of kvm_run");
	machine_cpuid(&m);
	return m;
}

/* The same over a memory file of its own. */
static inline struct machine machine_open(uint64_t ram_size, uint32_t slot_flags, uint64_t dirty_protect)
{
	int file = check(memfd_create("ram", MFD_CLOEXEC), "memfd_create");
	check(ftruncate(file, ram_size), "ftruncate");
	return machine_over(file, MAP_SHARED, ram_size, slot_flags, dirty_protect);
}

static inline void machine_close(struct machine *m)
{
	munmap(m->run, m->run_size);
	munmap(m->ram, m->ram_size);
	close(m->vcpu);
	close(m->vm);
	close(m->kvm);
	close(m->memfd);
}

/* Starts at `rip` in long mode with all of the first 4 GiB identity-mapped (tables at 0x1000), or, with `bits` 32, in
 * flat protected mode with the Multiboot 1 magic in eax. */
static inline void machine_enter(struct machine *m, uint64_t rip, int bits)
{
	enum { PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, TABLES_END = 0x7000 };
	struct kvm_sregs s;
	struct kvm_regs r = { .rip = rip, .rflags = 2, .rax = 0x2badb002 };
	struct kvm_segment flat = { .base = 0, .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };

	check(ioctl(m->vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.ds = s.es = s.fs = s.gs = s.ss = flat;
	s.cs = flat;
	s.cs.selector = 8;
	s.cs.type = 11;
	s.cr0 = 0x11; /* PE | ET */
	if (bits == 64) {
		uint64_t *pml4 = (uint64_t *)guest(m, PML4, TABLES_END - PML4);
		uint64_t *pdpt = pml4 + 512, *pd = pml4 + 1024;
		pml4[0] = PDPT | 7;
		for (uint64_t i = 0; i < 4; i++)
			pdpt[i] = (PD + i * PAGE) | 7;
		for (uint64_t i = 0; i < 4 * 512; i++)
			pd[i] = (i << 21) | 0x87; /* present, writable, user, 2 MiB */
		s.cs.db = 0;
		s.cs.l = 1;
		s.cr3 = PML4;
		s.cr4 = 0x20;       /* PAE */
		s.cr0 = 0x80000011; /* PG | PE | ET */
		s.efer = 0x500;     /* LME | LMA */
	}
	check(ioctl(m->vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
	check(ioctl(m->vcpu, KVM_SET_REGS, &r), "KVM_SET_REGS");
}

/* Runs until an exit other than EINTR; returns its reason. */
static inline uint32_t machine_run(struct machine *m)
{
	while (ioctl(m->vcpu, KVM_RUN, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			die("KVM_RUN");
	return m->run->exit_reason;
}

/* Runs until the guest writes to MARK_PORT, and completes that write, so that state read now is state after it. */
static inline void machine_run_to_mark(struct machine *m)
{
	uint32_t reason;
	while ((reason = machine_run(m)) != KVM_EXIT_IO || m->run->io.port != MARK_PORT)
		if (reason != KVM_EXIT_IO) {
			fprintf(stderr, "the guest stopped with exit reason %u before its mark\n", reason);
			exit(1);
		}
	m->run->immediate_exit = 1;
	if (ioctl(m->vcpu, KVM_RUN, 0) == 0 || errno != EINTR)
		die("KVM_RUN with immediate_exit");
	m->run->immediate_exit = 0;
}

/* Page tables are put back too: what was made from those of later must go (src/runner/translations.ts). */
static inline void drop_translations(struct machine *m, int shadow)
{
	if (shadow) {
		struct kvm_userspace_memory_region slot = { .slot = 100, .guest_phys_addr = 0xfd000000,
							    .memory_size = 4096, .userspace_addr = (uintptr_t)m->ram };
		check(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
		slot.memory_size = 0;
		check(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	} else {
		struct kvm_sregs sregs;
		check(ioctl(m->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
		sregs.cr3 ^= 0x1000;
		check(ioctl(m->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	}
}
#endif
