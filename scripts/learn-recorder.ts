/** Loaded into a program before it (`node --import`): records what the program asks of the real KVM, and prints it in the end. */
import { readFileSync, writeSync } from 'node:fs';
import { KvmRegs, KvmSregs } from '../src/abi/structs.ts';
import { Fd } from '../src/ffi/fd.ts';
import { Mapping } from '../src/ffi/mapping.ts';
import { requestOf } from '../src/kvm/call.ts';
import { Follower, type Kernel, memoryOf } from '../tools/learn/recording/follower.ts';
import type { RecordedAnswer, RecordedRun, SlotFacts } from '../tools/learn/recording/format.ts';
import { type Stretches, spread, stretchesOf } from '../tools/learn/recording/stretches.ts';
import { ORDER, type RecorderOrder, TAKE_FD } from './learn-takes.ts';

/** What one program did, in order; `runs` are all that are known by now. */
export interface Take {
  readonly answers: RecordedAnswer[];
  readonly slots: { readonly slots: readonly SlotFacts[]; readonly wish: readonly [...SlotFacts, result: number] }[];
  readonly runs: RecordedRun[];
  readonly reset?: { regs: RecordedRun['left']['regs']; sregs: RecordedRun['left']['sregs'] };
  readonly area?: RecordedRun['left']['area'];
}

/** A program that does not end is recorded so far. */
const MOST_RUNS = 40;

const { ioctlPtr } = Fd.prototype;

function registersOf(fd: number) {
  const read = (name: 'KVM_GET_REGS' | 'KVM_GET_SREGS', size: number) => {
    const bytes = new Uint8Array(size);
    ioctlPtr.call(Fd.borrow(fd), requestOf(name), bytes);
    return stretchesOf(bytes);
  };
  return { regs: read('KVM_GET_REGS', KvmRegs.size), sregs: read('KVM_GET_SREGS', KvmSregs.size) };
}

/** Gives a vCPU these registers. */
function setRegisters(fd: number, { regs, sregs }: RecordedRun['left']): void {
  const write = (name: 'KVM_SET_REGS' | 'KVM_SET_SREGS', stretches: Stretches, size: number) => {
    const bytes = new Uint8Array(size);
    spread(stretches, bytes);
    ioctlPtr.call(Fd.borrow(fd), requestOf(name), bytes);
  };
  write('KVM_SET_SREGS', sregs, KvmSregs.size);
  write('KVM_SET_REGS', regs, KvmRegs.size);
}

/** Whether two values are the same data. */
const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/**
 * A run that is known already. An interrupt of the host may have ended it some instructions earlier or later than the time before:
 * the vCPU then goes on from where it was then. Throws where anything else differs.
 */
function again(fd: number, known: RecordedRun, fresh: RecordedRun): void {
  const without = ({ result, left: { area, memory } }: RecordedRun) => ({ result, area, memory });
  if (!same(without(known), without(fresh))) throw new Error('a run had another outcome than before');
  if (!same(known.left, fresh.left)) setRegisters(fd, known.left);
}

function record(): Take {
  const order = JSON.parse(process.env[ORDER]!) as RecorderOrder;
  const runs = JSON.parse(readFileSync(order.runs, 'utf8')) as RecordedRun[];
  const take: { -readonly [K in keyof Take]: Take[K] } = { answers: [], slots: [], runs };
  let count = 0;
  const kernel: Kernel = {
    create(key, real) {
      const fd = real();
      take.answers.push({ key, result: Math.min(fd, 0) });
      return fd;
    },
    reset: (fd) => {
      take.reset ??= registersOf(fd);
      return registersOf(fd);
    },
    setRegisters: (real) => real(),
    setSlot(slots, wish, real) {
      const result = real();
      take.slots.push({ slots, wish: [...wish, result] });
      return result;
    },
    run(fd, vcpu, given, real) {
      if (count++ === MOST_RUNS) process.exit();
      const { right } = order;
      const result = real();
      const left = { ...registersOf(fd), area: stretchesOf(vcpu.area), memory: memoryOf(vcpu.vm) };
      const fresh: RecordedRun = { after: vcpu.last, right, given, result, left };
      const place = runs.findIndex((run) => run.after === vcpu.last && same(run.given, given));
      if (place < 0) return { result, left, place: runs.push(fresh) - 1 };
      const known = runs[place]!;
      again(fd, known, fresh);
      return { ...known, place };
    },
    answer(key, arg, real) {
      const before = arg instanceof Uint8Array ? Buffer.from(arg).toString('hex') : '';
      const result = real();
      const left = arg instanceof Uint8Array ? Buffer.from(arg).toString('hex') : '';
      take.answers.push({ key, result, ...(left !== before && { left }) });
      return result;
    },
  };
  const follower = new Follower(kernel);
  follower.install();
  const { openDevice } = Fd;
  Fd.openDevice = (path, hint) => {
    const fd = openDevice.call(Fd, path, hint);
    follower.opened(fd.number);
    return fd;
  };
  const { anonymous, ofFile } = Mapping;
  Mapping.anonymous = (length) => follower.mapped(anonymous.call(Mapping, length));
  Mapping.ofFile = (fd, length, options) => {
    const mapping = ofFile.call(Mapping, fd, length, options);
    take.area ??= stretchesOf(mapping.bytes);
    return follower.mappedArea(typeof fd === 'number' ? fd : fd.number, mapping);
  };
  return take;
}

const take = record();
process.on('exit', () => writeSync(TAKE_FD, JSON.stringify(take)));
