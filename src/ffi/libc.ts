/**
 * The few libc functions vmlapse calls, bound through koffi. Prototypes are fixed, never variadic: a variadic call
 * costs twice as much. Nothing outside src/ffi imports this file or koffi.
 *
 * errno must be read in the statement after the call, before anything else can change it.
 */
import { createRequire } from 'node:module';
import { VmlapseError } from '../errors.ts';

type Koffi = typeof import('koffi').default;
interface Native {
  readonly koffi: Koffi;
  readonly libc: ReturnType<Koffi['load']>;
}

let loaded: Native | undefined;

/** koffi and libc, loaded by the first call: what works on files alone works without them, and elsewhere. Throws VmlapseError. */
function native(): Native {
  loaded ??= load();
  return loaded;
}

const { platform, arch } = process;

function load(): Native {
  if (platform !== 'linux' || arch !== 'x64')
    throw new VmlapseError(
      'NOT_LINUX',
      `this needs Linux on x86-64, and this is ${platform} on ${arch} — these work everywhere: vmlapse inspect, log, show, ` +
        'diff, view --store, trace, and learn for the exercises of lessons 1 to 5',
    );
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (error) {
    throw new VmlapseError(
      'NO_KOFFI',
      'the native part of koffi is missing, without which nothing can talk to KVM or write to a store — run ' +
        '`npm install` again without --omit=optional and on this machine: it brings @koromix/koffi-linux-x64',
      {},
      error,
    );
  }
  try {
    return { koffi, libc: koffi.load('libc.so.6') };
  } catch (error) {
    const why = 'there is no libc.so.6: vmlapse needs glibc, and this system has another C library, such as musl';
    throw new VmlapseError('NO_GLIBC', `${why} — use Debian, Ubuntu, Fedora or another system with glibc`, {}, error);
  }
}

/** Whether the calls below can be made. */
export function hasLibc(): boolean {
  try {
    return native() !== undefined;
  } catch {
    return false;
  }
}

/** What may be passed for a pointer: memory that koffi can address, a raw host address, or NULL. */
export type Pointer = Uint8Array | bigint | null;

type Bound<A extends unknown[], R> = (...args: A) => R;

function bind<A extends unknown[], R>(prototype: string): Bound<A, R> {
  let bound: Bound<A, R> | undefined;
  return (...args) => {
    bound ??= native().libc.func(prototype) as Bound<A, R>;
    return bound(...args);
  };
}

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
export const mprotect = bind<[bigint, number, number], number>(
  'int mprotect(uintptr_t address, size_t length, int protection)',
);
export const memfdCreate = bind<[string, number], number>('int memfd_create(const char *name, uint flags)');
export const ftruncate = bind<[number, number], number>('int ftruncate(int fd, long length)');
export const lseek = bind<[number, number, number], number | bigint>('long lseek(int fd, long offset, int whence)');
export const prctl = bind<[number, number], number>('int prctl(int option, ulong argument)');
export const flock = bind<[number, number], number>('int flock(int fd, int operation)');
export const eventfd = bind<[number, number], number>('int eventfd(uint initial, int flags)');
export const getsockopt = bind<[number, number, number, Pointer, Pointer], number>(
  'int getsockopt(int socket, int level, int option, void *value, void *length)',
);
export const poll = bind<[Pointer, number, number], number>(
  'int poll(void *descriptors, ulong count, int milliseconds)',
);
export const read = bind<[number, Pointer, number], number | bigint>('long read(int fd, void *into, size_t length)');
export const syscall = bind<[number, number], number | bigint>('long syscall(long number, long argument)');
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
export const errno = (): number => native().koffi.errno();

/** A zero-copy view of host memory. Costs milliseconds per GiB once; over 4 GiB some runtimes abort, so callers window. */
export const viewMemory = (address: bigint, length: number): ArrayBuffer =>
  native().koffi.view(address, length) as ArrayBuffer;
