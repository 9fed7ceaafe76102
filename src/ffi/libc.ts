/**
 * The few libc functions vmlapse calls, bound through koffi. Prototypes are fixed, never variadic: a variadic call
 * costs twice as much. Nothing outside src/ffi imports this file or koffi.
 *
 * errno must be read in the statement after the call, before anything else can change it.
 */
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');

/** What may be passed for a pointer: memory that koffi can address, a raw host address, or NULL. */
export type Pointer = Uint8Array | bigint | null;

type Bound<A extends unknown[], R> = (...args: A) => R;

const bind = <A extends unknown[], R>(prototype: string) => libc.func(prototype) as Bound<A, R>;

export const open = bind<[string, number, number], number>('int open(const char *path, int flags, int mode)');
export const close = bind<[number], number>('int close(int fd)');
export const ioctlPointer = bind<[number, number, Pointer], number>('int ioctl(int fd, ulong request, void *arg)');
export const ioctlLong = bind<[number, number, number | bigint], number>('int ioctl(int fd, ulong request, long arg)');
export const mmap = bind<[null, number | bigint, number, number, number, number], bigint>(
  'uintptr_t mmap(void *address, size_t length, int protection, int flags, int fd, long offset)',
);
export const munmap = bind<[bigint, number], number>('int munmap(uintptr_t address, size_t length)');
export const madvise = bind<[bigint, number, number], number>(
  'int madvise(uintptr_t address, size_t length, int advice)',
);
export const memfdCreate = bind<[string, number], number>('int memfd_create(const char *name, uint flags)');
export const ftruncate = bind<[number, number], number>('int ftruncate(int fd, long length)');
export const fallocate = bind<[number, number, number, number], number>(
  'int fallocate(int fd, int mode, long offset, long length)',
);
export const lseek = bind<[number, number, number], number | bigint>('long lseek(int fd, long offset, int whence)');
export const flock = bind<[number, number], number>('int flock(int fd, int operation)');
export const eventfd = bind<[number, number], number>('int eventfd(uint initial, int flags)');
export const getsockopt = bind<[number, number, number, Pointer, Pointer], number>(
  'int getsockopt(int socket, int level, int option, void *value, void *length)',
);
export const gettid = bind<[], number>('int gettid()');
export const tgkill = bind<[number, number, number], number>('int tgkill(int process, int thread, int signal)');
export const pthreadSigmask = bind<[number, Pointer, Pointer], number>(
  'int pthread_sigmask(int how, void *set, void *old)',
);
export const sigtimedwait = bind<[Pointer, null, Pointer], number>(
  'int sigtimedwait(void *set, void *info, void *timeout)',
);
export const timerCreate = bind<[number, Pointer, Pointer], number>(
  'int timer_create(int clock, void *event, void *timer)',
);
export const timerSettime = bind<[bigint, number, Pointer, null], number>(
  'int timer_settime(uintptr_t timer, int flags, void *value, void *old)',
);
export const timerDelete = bind<[bigint], number>('int timer_delete(uintptr_t timer)');

/** errno of the last call above. */
export const errno = (): number => koffi.errno();

/** A zero-copy view of host memory. Costs milliseconds per GiB once; over 4 GiB some runtimes abort, so callers window. */
export const viewMemory = (address: bigint, length: number): ArrayBuffer => koffi.view(address, length) as ArrayBuffer;
