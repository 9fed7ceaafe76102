/*
 * Checkpoints by userfaultfd write protection: in the pause the dirty pages are only protected; they are copied while the
 * guest runs, and a page the guest writes before its turn is copied first, by the thread that answers the fault.
 */
#ifndef BENCH_WP_H
#define BENCH_WP_H
#include "live.h"
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/syscall.h>

#define CHUNK_PAGES 16ul /* copied and released together when nobody waits for them */

struct wp {
	int fd;
	const struct machine *m;
	struct capture *to;
	uint8_t *waiting; /* by page: protected, not copied yet */
	pthread_mutex_t lock;
	pthread_t thread;
	uint64_t faults;
};

static inline void wp_set(struct wp *w, uint64_t offset, uint64_t bytes, int on)
{
	struct uffdio_writeprotect range = {
		.range = { (uintptr_t)w->m->ram + offset, bytes },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0, /* off also wakes who waits for it */
	};
	while (ioctl(w->fd, UFFDIO_WRITEPROTECT, &range) < 0)
		if (errno != EAGAIN)
			die("UFFDIO_WRITEPROTECT");
}

/* Copies those of a run of pages that still wait, and releases the run. */
static inline void wp_copy(struct wp *w, uint64_t offset, uint64_t bytes)
{
	pthread_mutex_lock(&w->lock);
	for (uint64_t at = offset; at < offset + bytes; at += PAGE) {
		if (w->waiting[at / PAGE])
			capture_run(w->to, at, PAGE);
		w->waiting[at / PAGE] = 0;
	}
	wp_set(w, offset, bytes, 0);
	pthread_mutex_unlock(&w->lock);
}

static inline void *wp_answer(void *argument)
{
	struct wp *w = argument;
	for (;;) {
		struct uffd_msg message;
		if (read(w->fd, &message, sizeof message) != sizeof message)
			die("read of the userfaultfd");
		w->faults++;
		wp_copy(w, (message.arg.pagefault.address & -PAGE) - (uintptr_t)w->m->ram, PAGE);
	}
	return NULL;
}

static inline void wp_open(struct wp *w, const struct machine *m, struct capture *to)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM };
	struct uffdio_register ram = { .range = { (uintptr_t)m->ram, m->ram_size }, .mode = UFFDIO_REGISTER_MODE_WP };

	memset(w, 0, sizeof *w);
	w->m = m;
	w->to = to;
	w->waiting = calloc(m->ram_size / PAGE, 1);
	w->fd = check(syscall(SYS_userfaultfd, O_CLOEXEC), "userfaultfd");
	check(ioctl(w->fd, UFFDIO_API, &api), "UFFDIO_API");
	check(ioctl(w->fd, UFFDIO_REGISTER, &ram), "UFFDIO_REGISTER");
	pthread_mutex_init(&w->lock, NULL);
	errno = pthread_create(&w->thread, NULL, wp_answer, w);
	if (errno)
		die("pthread_create");
}

static inline void wp_protect_run(void *context, uint64_t offset, uint64_t bytes)
{
	struct wp *w = context;
	memset(w->waiting + offset / PAGE, 1, bytes / PAGE);
	wp_set(w, offset, bytes, 1);
}

static inline void wp_copy_run(void *context, uint64_t offset, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += CHUNK_PAGES * PAGE)
		wp_copy(context, offset + at, bytes - at < CHUNK_PAGES * PAGE ? bytes - at : CHUNK_PAGES * PAGE);
}

/* The paused part: which pages are dirty, log anew, protect them. Returns the number of pages. */
static inline uint64_t wp_begin(struct wp *w, struct dirty *dirty)
{
	dirty_get(w->m, dirty);
	dirty_clear(w->m, dirty);
	return dirty_runs(w->m, dirty, wp_protect_run, w);
}

/* The rest, while the guest runs. */
static inline void wp_finish(struct wp *w, const struct dirty *dirty)
{
	dirty_runs(w->m, dirty, wp_copy_run, w);
}
#endif
