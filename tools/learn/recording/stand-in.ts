/**
 * Stands in for /dev/kvm in a learner's program: a recording answers its ioctls. What is not in it is told, and ends the program:
 * nobody can say what KVM would have done. It needs neither KVM nor Linux: memory that the program maps is an array.
 */
import type { Unrecorded } from '../../../exercises/exercise.ts';
import { describeArgument } from '../../../src/abi/describe.ts';
import type { IoctlRow } from '../../../src/abi/ioctl-row.ts';
import { IOCTLS } from '../../../src/abi/ioctls.ts';
import { Fd } from '../../../src/ffi/fd.ts';
import { Mapping } from '../../../src/ffi/mapping.ts';
import { differences, slotText } from './differences.ts';
import { Follower, type Kernel } from './follower.ts';
import type { Recording } from './format.ts';
import { spread } from './stretches.ts';

const DEVICE = '/dev/kvm';
/** Descriptors count from here on: no process has so many. */
const FIRST_FD = 0x4000_0000;
/** Addresses of memory: as on Linux. */
const FIRST_ADDRESS = 0x7f00_0000_0000n;
const PAGE = 4096;
/** So many of what the recording has are told. */
const MOST_KNOWN = 3;

/** Puts the recording in the place of /dev/kvm, in this process. `lost` tells of what is not in it, and does not return. */
export function standIn(recording: Recording, lost: (what: Unrecorded) => never): void {
  let nextFd = FIRST_FD;
  const follower = new Follower(kernelOf(recording, () => nextFd++, lost));
  follower.install();

  const { openDevice } = Fd;
  Fd.openDevice = (path, hint) => {
    if (path !== DEVICE) return openDevice.call(Fd, path, hint);
    const fd = Fd.borrow(nextFd++);
    follower.opened(fd.number);
    return fd;
  };
  const dispose = Fd.prototype[Symbol.dispose];
  Fd.prototype[Symbol.dispose] = function () {
    if (this.number < FIRST_FD) dispose.call(this);
    else follower.closed(this.number);
  };

  const memory = plainMemory();
  Mapping.anonymous = (length) => follower.mapped(memory(length));
  const { ofFile } = Mapping;
  Mapping.ofFile = (fd, length, options) => {
    const number = typeof fd === 'number' ? fd : fd.number;
    if (number < FIRST_FD) return ofFile.call(Mapping, fd, length, options);
    const area = memory(length);
    spread(recording.reset.area, area.bytes);
    return follower.mappedArea(number, area);
  };
}

/** Makes mappings without mmap. */
function plainMemory(): (length: number) => Mapping {
  let next = FIRST_ADDRESS;
  return (length) => {
    const mapping = Mapping.borrow({ address: next, length });
    next += BigInt(Math.ceil(length / PAGE) * PAGE + PAGE);
    const bytes = new Uint8Array(length);
    // Its address throws once it was disposed of, as that of any other does.
    const own = (from: number, to: number) => (mapping.address ? bytes.subarray(from, to) : bytes);
    return Object.assign(mapping, {
      window: () => own(0, length),
      piece: (offset: number, size: number) => own(offset, offset + size),
      advise: () => {},
    });
  };
}

function kernelOf(recording: Recording, newFd: () => number, lost: (what: Unrecorded) => never): Kernel {
  const { answers, slots, runs } = recording;
  const answerTo = (key: string) => {
    const found = answers.find((answer) => answer.key === key);
    return found ?? lost({ ...asked(key), differences: [], known: knownLike(key) });
  };
  const knownLike = (key: string) => {
    const [kind, name] = key.split(' ');
    const others = answers.filter((answer) => answer.key.startsWith(`${kind} ${name} `));
    return others.slice(0, MOST_KNOWN).map((answer) => asked(answer.key).ask);
  };
  return {
    create: (key) => (answerTo(key).result < 0 ? answerTo(key).result : newFd()),
    reset: () => recording.reset,
    setRegisters: () => 0,
    setSlot(there, wish) {
      const same = slots.find((one) => String(one.slots) === String(there));
      const found = same?.wishes.find((one) => String(one.slice(0, -1)) === String(wish));
      if (found) return found[wish.length] as number;
      const alike = same?.wishes.filter(([slot]) => slot === wish[0]) ?? [];
      const known = alike
        .slice(0, MOST_KNOWN)
        .map(([slot, flags, gpa, size, skew]) => slotText([slot, flags, gpa, size, skew]));
      return lost({ ioctl: 'KVM_SET_USER_MEMORY_REGION', ask: slotText(wish), differences: [], known });
    },
    run(_, { last }, given) {
      const next = runs.filter(({ after }) => after === last);
      const found = next.find((run) => differences(given, run.given).length === 0);
      if (found) return { ...found, place: runs.indexOf(found) };
      const right = next.filter((run) => run.right);
      const [nearest = []] = (right.length > 0 ? right : next)
        .map((run) => differences(given, run.given))
        .sort((a, b) => a.length - b.length);
      return lost({ ioctl: 'KVM_RUN', ask: '', differences: nearest, known: [] });
    },
    answer(key, arg) {
      const { result, left } = answerTo(key);
      if (left !== undefined && arg instanceof Uint8Array) arg.set(Buffer.from(left, 'hex').subarray(0, arg.length));
      return result;
    },
  };
}

/** An ioctl, from its key. */
function asked(key: string): Pick<Unrecorded, 'ioctl' | 'ask'> {
  const [, name, arg = ''] = key.split(' ') as [string, keyof typeof IOCTLS, string?];
  const row: IoctlRow = IOCTLS[name];
  const given = typeof row.arg === 'string' ? Number(arg) : Buffer.from(arg, 'hex');
  return { ioctl: name, ask: describeArgument(row, given) };
}
