import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { KvmRegs } from '../../src/abi/structs.ts';
import { KvmError, UsageError } from '../../src/errors.ts';
import { LocalMachine, runHere } from '../../src/runner/local-machine.ts';
import { isGone } from '../../src/runner/threads/mailbox.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { codeMachine, eventually, type Started, soon, startCode, startGuest } from './machines.ts';

/** mov al, n; out 0xf4, al — for n = 1, 2, 3, then for ever in place. */
const EXITS = 'b001 e6f4 b002 e6f4 b003 e6f4 ebfe';
const SPIN = 'ebfe';

describeKvm('how a run ends', () => {
  it('stop() ends it, and it can go on', async () => {
    const { started, counter } = await startGuest('ring3-writer');
    await using machine = started;
    for (let i = 0; i < 3; i++) {
      const before = counter('writer_rounds');
      const result = machine.running.run();
      await eventually('the guest counts', () => counter('writer_rounds') > before);
      machine.running.stop();
      expect(await result).toMatchObject({ reason: 'interrupted', vcpu: 0 });
    }
  });

  it('close() at once after stop() takes nothing of its result away', async () => {
    for (let i = 0; i < 20; i++) {
      await using machine = await startCode({ mode: 'real', code: SPIN });
      const result = machine.running.run();
      machine.running.stop();
      const closed = machine.running.close();
      expect(await result).toMatchObject({ reason: 'interrupted' });
      await closed;
    }
  });

  it('an end that a debugger is asked about is that of the run which has begun meanwhile', async () => {
    await using machine = await startCode({ mode: 'real', code: EXITS });
    const { running } = machine;
    const asked = new Promise<(isTaken: boolean) => void>((tell) => {
      running.beforeEnd = () => new Promise<boolean>((answer) => tell(answer));
    });
    const first = running.run();
    const answer = await asked;
    running.stop();
    expect((await first).reason).toBe('interrupted');
    const second = running.run({ timeoutMs: scaled(10_000) });
    running.beforeEnd = undefined;
    answer(false);
    expect(await second).toMatchObject({ reason: 'exit-port', value: 1 });
    expect(await running.run()).toMatchObject({ reason: 'exit-port', value: 2 });
  });

  it('stop() names the reason it is given, and does nothing when nothing runs', async () => {
    await using machine = await startCode({ mode: 'real', code: SPIN });
    machine.running.stop();
    const result = machine.running.run();
    machine.running.stop('poweroff');
    machine.running.stop('reset');
    expect((await result).reason).toBe('poweroff');
    machine.running.stop();
    const again = machine.running.run({ timeoutMs: 20 });
    expect((await again).reason).toBe('timeout');
  });

  it('the deadline ends it, not before and not much after', async () => {
    await using machine = await startCode({ mode: 'real', code: SPIN });
    const began = performance.now();
    const result = await machine.running.run({ timeoutMs: 100 });
    const took = performance.now() - began;
    expect(result.reason).toBe('timeout');
    expect(took).toBeGreaterThanOrEqual(95);
    expect(took).toBeLessThan(scaled(2000));
    expect(result.guestMs).toBeGreaterThan(0); // how much of it the guest got is the scheduler's choice
    expect(result.guestMs).toBeLessThanOrEqual(took);
  });

  it('a guest that ended runs on from there', async () => {
    await using machine = await startCode({ mode: 'real', code: EXITS });
    for (const value of [1, 2, 3])
      expect(await machine.running.run()).toMatchObject({ reason: 'exit-port', value, exits: { IO: value } });
    expect((await machine.running.run({ timeoutMs: 20 })).reason).toBe('timeout');
  });

  it('resume() does not run a guest on that has ended: only run() does', async () => {
    await using machine = await startCode({ mode: 'real', code: EXITS });
    const result = machine.running.run();
    const vcpu = machine.running.threads[0]!;
    // The thread ends by itself before its owner's event loop hears of it.
    soon('the guest ends', () => vcpu.isPaused);
    machine.running.pause();
    machine.running.resume();
    expect(await result).toMatchObject({ value: 1, exits: { IO: 1 } });
    expect(await machine.running.run()).toMatchObject({ value: 2, exits: { IO: 2 } });
  });

  it('an end that comes as a run is stopped is that of the next one, but not after a load', async () => {
    await using machine = await startCode({ mode: 'real', code: EXITS });
    const { running } = machine;
    const [vcpu] = running.threads;
    running.beginSave();
    const start = running.finishSave().map((record) => record.slice());
    const stoppedAtItsEnd = async () => {
      const result = running.run();
      soon('the guest ends', () => vcpu!.isPaused); // its owner's event loop has not heard of it
      running.stop();
      return (await result).reason;
    };
    expect(await stoppedAtItsEnd()).toBe('interrupted');
    expect(await running.run()).toMatchObject({ reason: 'exit-port', value: 1, exits: { IO: 1 } });
    expect(await stoppedAtItsEnd()).toBe('interrupted');
    running.loadVcpus(start);
    expect(await running.run()).toMatchObject({ reason: 'exit-port', value: 1, exits: { IO: 3 } });
    expect(await running.run()).toMatchObject({ reason: 'exit-port', value: 2 });
  });

  it('a second run() while one is under way is refused', async () => {
    await using machine = await startCode({ mode: 'real', code: SPIN });
    const first = machine.running.run({ timeoutMs: 50 });
    await expect(machine.running.run()).rejects.toThrow('already running');
    expect((await first).reason).toBe('timeout');
  });

  it('close() ends a run that is under way, and may be called twice', async () => {
    const machine = codeMachine({ mode: 'real', code: SPIN });
    const running = await RunningMachine.start(machine);
    const result = running.run();
    await Promise.all([running.close(), running.close()]);
    expect((await result).reason).toBe('interrupted');
    await running.close();
    await expect(running.run()).rejects.toThrow(/closed/);
    machine[Symbol.dispose]();
    machine[Symbol.dispose]();
  });

  it('after close(), what needs the threads is refused', async () => {
    await using machine = await startCode({ mode: 'real', code: SPIN });
    const { running } = machine;
    running.beginSave();
    const records = running.finishSave().map((record) => record.slice());
    const closed = running.close();
    const refuses = () => {
      expect(() => running.pause()).toThrow(UsageError);
      expect(() => running.hold()).toThrow(UsageError);
      expect(() => running.completePendingIo()).toThrow(UsageError);
      expect(() => running.beginSave()).toThrow(UsageError);
      expect(() => running.finishSave()).toThrow(UsageError);
      expect(() => running.loadVcpus(records)).toThrow(/closed/);
    };
    refuses();
    await closed;
    refuses();
    running.stop();
    expect(running.resume()).toBe(false);
  });

  it('close() without any run', async () => {
    const machine = codeMachine({ mode: 'real', code: SPIN });
    const running = await RunningMachine.start(machine);
    await running.close();
    machine[Symbol.dispose]();
  });
});

describeKvm('how a run in this thread ends', () => {
  it('the deadline ends it, and it can go on', () => {
    using machine = codeMachine({ mode: 'real', code: SPIN });
    using local = new LocalMachine(machine);
    for (let i = 1; i <= 3; i++) {
      const began = performance.now();
      expect(local.run({ timeoutMs: 30 }).reason).toBe('timeout');
      expect(performance.now() - began).toBeGreaterThanOrEqual(29);
    }
  });

  it('a guest that ended runs on from there, with counts that go on', () => {
    using machine = codeMachine({ mode: 'real', code: EXITS });
    using local = new LocalMachine(machine);
    for (const value of [1, 2, 3])
      expect(local.run({ timeoutMs: scaled(5000) })).toMatchObject({
        reason: 'exit-port',
        value,
        exits: { IO: value },
      });
  });

  it('a vCPU made before is used and left open', () => {
    using machine = codeMachine({ mode: 'real', code: EXITS });
    using vcpu = machine.createVcpu(0);
    expect(runHere(machine, {}, vcpu).value).toBe(1);
    expect(runHere(machine, {}, vcpu).value).toBe(2);
    expect(vcpu.getRegs().rax & 0xffn).toBe(2n);
  });

  it('several vCPUs are refused', () => {
    using machine = codeMachine({ mode: 'real', code: SPIN, cpus: 2 });
    expect(() => runHere(machine)).toThrow(UsageError);
  });
});

describeKvm('calls into a vCPU thread', () => {
  it('are answered while the guest runs and while it is paused', async () => {
    await using machine = await startCode({ mode: 'real', code: SPIN });
    const { running } = machine;
    const vcpu = running.threads[0]!;
    const rip = async () => KvmRegs.over(await vcpu.call('regs', undefined)).rip;
    expect(await rip()).toBe(0x9000n);
    const result = running.run();
    for (let i = 0; i < 20; i++) expect(await rip()).toBe(0x9000n);
    running.pause();
    for (let i = 0; i < 20; i++) expect(await rip()).toBe(0x9000n);
    running.resume();
    const many = await Promise.all(Array.from({ length: 50 }, () => vcpu.call('translate', 0x9000n)));
    expect(many.every(({ physical, valid }) => physical === 0x9000 && valid)).toBe(true);
    running.stop();
    expect((await result).reason).toBe('interrupted');
  });

  it('carry what was thrown, with its class', async () => {
    await using machine = await startCode({ mode: 'real', code: SPIN });
    const vcpu = machine.running.threads[0]!;
    await expect(vcpu.call('setRegs', new Uint8Array(1000))).rejects.toMatchObject({ name: 'RangeError' });
    expect((await vcpu.call('regs', undefined)).length).toBe(144);
  });

  it('are refused once the thread is gone', async () => {
    const machine = await startCode({ mode: 'real', code: SPIN });
    const vcpu = machine.running.threads[0]!;
    await machine[Symbol.asyncDispose]();
    await expect(vcpu.call('regs', undefined)).rejects.toThrow(/gone/);
  });
});

describeKvm('failures', () => {
  it('a thread whose vCPU cannot be made fails start(), with the cause', async () => {
    using machine = codeMachine({ mode: 'real', code: SPIN });
    using _taken = machine.createVcpu(0);
    const start = RunningMachine.start(machine);
    await expect(start).rejects.toThrow(KvmError);
    await expect(start).rejects.toThrow(/KVM_CREATE_VCPU: EEXIST/);
  });

  it('the second of two threads failing ends the first', async () => {
    const threads = () => readdirSync('/proc/self/task').length;
    using machine = codeMachine({ mode: 'real', code: SPIN, cpus: 2 });
    using _taken = machine.createVcpu(1);
    const before = threads();
    await expect(RunningMachine.start(machine)).rejects.toThrow(/KVM_CREATE_VCPU/);
    await eventually('both threads end', () => threads() <= before);
  });

  it('a KVM_RUN that fails rejects run(), calls, and later runs', async () => {
    await using machine = await startCode({ mode: 'real', code: `b001 e6f4 ${SPIN}` });
    const { running } = machine;
    await running.run(); // to the OUT: what a thread opens before its first KVM_RUN is open
    const result = running.run();
    running.pause();
    breakVcpu();
    running.resume();
    await expect(result).rejects.toThrow(/KVM_RUN: ENOTTY/);
    await expect(running.run()).rejects.toThrow(/KVM_RUN: ENOTTY/);
    await expect(running.threads[0]!.call('regs', undefined)).rejects.toThrow(/KVM_RUN: ENOTTY/);
    running.pause();
  });

  it('a vCPU that fails as the run is stopped fails it, with the cause', async () => {
    await using machine = await startCode({ mode: 'real', code: `b001 e6f4 ${SPIN}` });
    const { running } = machine;
    await running.run(); // to the OUT
    const result = running.run();
    running.pause();
    breakVcpu();
    running.resume();
    soon('the thread is gone', () => isGone(running.threads[0]!.mailbox.look())); // its message waits for this thread
    running.stop();
    await expect(result).rejects.toThrow(/KVM_RUN: ENOTTY/);
  });

  it('one of two vCPUs failing pauses the other', async () => {
    const { started, counter } = await startGuest('checksum-writer-2');
    await using machine = started;
    const { running } = machine;
    const result = running.run();
    await eventually('the guest counts', () => counter('checksum_position') > 0);
    running.pause();
    breakVcpu(1);
    running.resume();
    await expect(result).rejects.toThrow(KvmError);
    await eventually('the other is paused', () => running.threads.every((thread) => thread.isPaused));
  });

  it('a sink that throws fails the run and not the process', async () => {
    const thrower = () => {
      throw new Error('the printer is on fire');
    };
    const { started } = await startGuest('hello-long', {}, { serial: thrower });
    await using machine: Started = started;
    await expect(machine.running.run()).rejects.toThrow('the printer is on fire');
  });

  it('a sink that throws when the run has ended already fails it, too', async () => {
    const thrower = () => {
      throw new Error('the printer is on fire');
    };
    const { started } = await startGuest('hello-long', {}, { serial: thrower });
    await using machine: Started = started;
    const { running } = machine;
    const ended = running.run();
    while (!running.threads[0]!.isPaused); // the output, and the end, wait for this thread
    running.stop();
    await expect(ended).rejects.toThrow('the printer is on fire');
  });

  it('a run ends after its sinks have: one that rejects late fails it', async () => {
    const late = async () => {
      await sleep(100);
      throw new Error('the paper is out');
    };
    const { started } = await startGuest('hello-long', {}, { serial: late });
    await using machine: Started = started;
    await expect(machine.running.run()).rejects.toThrow('the paper is out');
  });
});

/** Puts /dev/null where a vCPU's descriptor was, as a stand-in for a vCPU that KVM has given up. */
function breakVcpu(id = 0): void {
  const fds = readdirSync('/proc/self/fd').map(Number);
  const isVcpu = (fd: number) => linkOf(fd) === `anon_inode:kvm-vcpu:${id}`;
  const fd = fds.find(isVcpu)!;
  closeSync(fd);
  // The lowest number that is free is given, and a thread that leaves frees lower ones.
  const opened: number[] = [];
  do opened.push(openSync('/dev/null', 'r'));
  while (opened.at(-1)! < fd);
  expect(opened.pop()).toBe(fd);
  for (const other of opened) closeSync(other);
}

function linkOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
