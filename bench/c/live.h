/*
 * A vCPU on a thread of its own that another thread pauses and resumes: immediate_exit makes a KVM_RUN that is about to
 * start return, the signal makes one that is under way return, semaphores carry the answers.
 */
#ifndef BENCH_LIVE_H
#define BENCH_LIVE_H
#include "dirty.h"
#include "loader.h"
#include "state.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#define ROUNDS_GPA 0x00f00000ul /* where the dirty guests count their rounds */

struct live {
	struct machine m;
	struct state *state; /* saved by the vCPU's thread at every pause, when save_state is set */
	int save_state;
	pthread_t thread;
	sem_t paused, resume;
	volatile int stop;
	double out_us, off_us; /* when the vCPU last left the guest, and how long it then stayed out */
};

static inline void on_kick(int signal)
{
	(void)signal; /* interrupting KVM_RUN is all it is for */
}

/* Waits for what is about to happen. Waking a sleeping thread costs more than most pauses last, so it spins at first,
 * unless the other side needs this very CPU. */
static inline void wait_soon(sem_t *semaphore)
{
	enum { SPIN_US = 2000 };
	double spin = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPIN_US : 0;
	for (double end = now_us() + spin; now_us() < end;)
		if (sem_trywait(semaphore) == 0)
			return;
	while (sem_wait(semaphore) < 0)
		;
}

static inline void *live_thread(void *argument)
{
	struct live *l = argument;
	for (;;) {
		if (ioctl(l->m.vcpu, KVM_RUN, 0) == 0) {
			if (l->m.run->exit_reason != KVM_EXIT_IO)
				refuse("the guest stopped");
			continue;
		}
		if (errno != EINTR)
			die("KVM_RUN");
		if (!l->m.run->immediate_exit)
			continue; /* some other signal */
		l->out_us = now_us();
		l->m.run->immediate_exit = 0;
		if (l->save_state)
			state_save_with_run(&l->m, l->state);
		sem_post(&l->paused);
		wait_soon(&l->resume);
		if (l->stop)
			return NULL;
		l->off_us = now_us() - l->out_us;
	}
}

static inline void live_start(struct live *l, const char *elf, uint64_t ram_size, int save_state)
{
	struct sigaction kick = { .sa_handler = on_kick };
	check(sigaction(SIGUSR1, &kick, NULL), "sigaction");
	memset(l, 0, sizeof *l);
	l->m = machine_open(ram_size, KVM_MEM_LOG_DIRTY_PAGES,
			    KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	struct loaded image = load_elf(&l->m, elf);
	machine_enter(&l->m, image.entry, image.bits);
	l->state = state_new(&l->m);
	l->save_state = save_state;
	sem_init(&l->paused, 0, 0);
	sem_init(&l->resume, 0, 0);
	errno = pthread_create(&l->thread, NULL, live_thread, l);
	if (errno)
		die("pthread_create");
}

static inline void live_pause(struct live *l)
{
	l->m.run->immediate_exit = 1;
	pthread_kill(l->thread, SIGUSR1);
	wait_soon(&l->paused);
}

static inline void live_resume(struct live *l)
{
	sem_post(&l->resume);
}

/* Ends a paused vCPU's thread. */
static inline void live_stop(struct live *l)
{
	l->stop = 1;
	sem_post(&l->resume);
	pthread_join(l->thread, NULL);
}

static inline uint64_t live_rounds(const struct live *l)
{
	return *(volatile uint64_t *)guest(&l->m, ROUNDS_GPA, 8);
}

/* Sleeps until the guest has gone through `rounds` more rounds, so that all its pages are dirty again. */
static inline void live_wait_rounds(const struct live *l, uint64_t rounds)
{
	struct timespec ms = { 0, 1000000 };
	for (uint64_t target = live_rounds(l) + rounds; live_rounds(l) < target;)
		nanosleep(&ms, NULL);
}

struct capture {
	uint8_t *to; /* preallocated and touched, so that no page fault is taken while the guest is paused */
	const uint8_t *from;
	uint64_t used, size;
};

static inline void capture_run(void *context, uint64_t offset, uint64_t bytes)
{
	struct capture *c = context;
	if (c->used + bytes > c->size)
		c->used = 0; /* only rounds of pre-copy get this far; nobody reads what they copied */
	memcpy(c->to + c->used, c->from + offset, bytes);
	c->used += bytes;
}

static inline void no_run(void *context, uint64_t offset, uint64_t bytes)
{
	(void)context, (void)offset, (void)bytes;
}

static inline struct capture capture_new(const struct machine *m)
{
	struct capture c = { malloc(m->ram_size), m->ram, 0, m->ram_size };
	memset(c.to, 1, m->ram_size);
	return c;
}

/* The paused part of a checkpoint: which pages are dirty, log anew, copy them and `rest`. Returns the number of pages. */
static inline uint64_t capture_dirty(const struct machine *m, struct dirty *dirty, const struct dirty *rest, struct capture *c)
{
	dirty_get(m, dirty);
	dirty_clear(m, dirty);
	dirty_or(m, dirty, rest);
	return dirty_runs(m, dirty, capture_run, c);
}

/* Copies while the guest runs, until little is left or it stops shrinking: the policy of snapshot/live. What was read
 * last is left in `rest`, for the pause. */
static inline void precopy(const struct machine *m, struct dirty *rest, struct capture *c)
{
	enum { FEW_PAGES = 128, HARDLY_ANY = 8, ROUNDS = 5 };
	dirty_arm(m, rest);
	uint64_t left = dirty_runs(m, rest, no_run, NULL);
	for (int round = 0; left > (round == 0 ? FEW_PAGES : HARDLY_ANY) && round < ROUNDS; round++) {
		uint64_t before = left;
		dirty_runs(m, rest, capture_run, c);
		dirty_arm(m, rest);
		left = dirty_runs(m, rest, no_run, NULL);
		if (left >= before / 2)
			break;
	}
}
#endif
