/*
 * Dirty pages: KVM's log of each slot, walked as runs of pages, and a second copy of RAM to save to and restore from.
 */
#ifndef BENCH_DIRTY_H
#define BENCH_DIRTY_H
#include "kvm.h"

struct dirty {
	uint64_t *bitmap[MAX_SLOTS]; /* one bit a page, padded to whole words */
};

static inline struct dirty dirty_new(const struct machine *m)
{
	struct dirty d = { 0 };
	for (unsigned i = 0; i < m->slot_count; i++)
		d.bitmap[i] = calloc((m->slots[i].size / PAGE + 63) / 64, 8);
	return d;
}

static inline void dirty_get(const struct machine *m, struct dirty *d)
{
	for (unsigned i = 0; i < m->slot_count; i++) {
		struct kvm_dirty_log log = { .slot = i, .dirty_bitmap = d->bitmap[i] };
		check(ioctl(m->vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
	}
}

/* Re-protects the pages whose bits are set: one call over each slot. */
static inline void dirty_clear(const struct machine *m, struct dirty *d)
{
	for (unsigned i = 0; i < m->slot_count; i++) {
		struct kvm_clear_dirty_log log = { .slot = i, .num_pages = m->slots[i].size / PAGE, .dirty_bitmap = d->bitmap[i] };
		check(ioctl(m->vm, KVM_CLEAR_DIRTY_LOG, &log), "KVM_CLEAR_DIRTY_LOG");
	}
}

/* Makes KVM log from now on, whatever was dirty before. */
static inline void dirty_arm(const struct machine *m, struct dirty *d)
{
	dirty_get(m, d);
	dirty_clear(m, d);
}

/* Adds the pages of `from` to those of `into`. */
static inline void dirty_or(const struct machine *m, struct dirty *into, const struct dirty *from)
{
	for (unsigned i = 0; i < m->slot_count; i++)
		for (uint64_t word = 0; word < (m->slots[i].size / PAGE + 63) / 64; word++)
			into->bitmap[i][word] |= from->bitmap[i][word];
}

typedef void run_function(void *context, uint64_t offset, uint64_t bytes);

/* Calls `act` with the offset in machine.ram and the length in bytes of each run of dirty pages; returns their number. */
static inline uint64_t dirty_runs(const struct machine *m, const struct dirty *d, run_function *act, void *context)
{
	uint64_t pages = 0;
	for (unsigned i = 0; i < m->slot_count; i++) {
		uint64_t count = m->slots[i].size / PAGE, start = 0, length = 0;
		for (uint64_t word = 0; word < (count + 63) / 64; word++) {
			uint64_t bits = d->bitmap[i][word];
			while (bits) {
				uint64_t page = word * 64 + __builtin_ctzl(bits);
				bits &= bits - 1;
				if (page >= count)
					break;
				pages++;
				if (length && page == start + length) {
					length++;
					continue;
				}
				if (length)
					act(context, m->slots[i].offset + start * PAGE, length * PAGE);
				start = page;
				length = 1;
			}
		}
		if (length)
			act(context, m->slots[i].offset + start * PAGE, length * PAGE);
	}
	return pages;
}

/* A private copy of all resident RAM, as large as machine.ram and zero where that was never touched. */
static inline uint8_t *ram_copy(const struct machine *m)
{
	uint8_t *copy = mmap(NULL, m->ram_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (copy == MAP_FAILED)
		die("mmap of the copy of RAM");
	for (off_t from = 0, to; (from = lseek(m->memfd, from, SEEK_DATA)) >= 0; from = to) {
		to = lseek(m->memfd, from, SEEK_HOLE);
		memcpy(copy + from, m->ram + from, to - from);
	}
	return copy;
}
#endif
