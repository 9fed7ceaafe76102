import { describe, expect, it } from 'vitest';
import { Exit } from '../../src/abi/exits.ts';
import { RUN_EXIT_OFFSET, RUN_EXITS } from '../../src/abi/structs.ts';
import { decodeExit, describeExit, exitName } from '../../src/kvm/exit.ts';
import { RunArea } from '../../src/kvm/run-area.ts';

/** A kvm_run area as the kernel would leave it. */
function area(reason: number, fill: (view: DataView) => void = () => {}): RunArea {
  const run = new RunArea(new Uint8Array(3 * 4096));
  run.head.exit_reason = reason;
  fill(run.view);
  return run;
}

const io = (direction: number, size: number, count: number, data: readonly number[]) =>
  area(Exit.IO, (view) => {
    view.setUint8(RUN_EXIT_OFFSET, direction);
    view.setUint8(RUN_EXIT_OFFSET + 1, size);
    view.setUint16(RUN_EXIT_OFFSET + 2, 0xfff8, true);
    view.setUint32(RUN_EXIT_OFFSET + 4, count, true);
    view.setBigUint64(RUN_EXIT_OFFSET + 8, 4096n, true);
    new Uint8Array(view.buffer).set(data, 4096);
  });

describe('the run area', () => {
  it('reads a port exit', () => {
    const run = io(1, 2, 2, [1, 2, 3, 4, 5]);
    expect([run.ioDirection, run.ioSize, run.ioPort, run.ioCount]).toEqual([1, 2, 0xfff8, 2]);
    expect([...run.ioData]).toEqual([1, 2, 3, 4]);
  });

  it('reads an MMIO exit, above 4 GiB, and never more than eight bytes', () => {
    const run = area(Exit.MMIO, (view) => {
      view.setBigUint64(RUN_EXIT_OFFSET, 0xf_fee0_0000n, true);
      view.setUint32(RUN_EXIT_OFFSET + 16, 200, true);
      view.setUint8(RUN_EXIT_OFFSET + 20, 1);
    });
    expect([run.mmioAddress, run.mmioIsWrite, run.mmioData.length]).toEqual([0xf_fee0_0000, true, 8]);
  });

  it('writes the immediate_exit byte and nothing beside it', () => {
    const run = area(0);
    run.immediateExit = true;
    expect([...run.bytes.subarray(0, 4)]).toEqual([0, 1, 0, 0]);
    expect(run.immediateExit).toBe(true);
    run.immediateExit = false;
    expect(run.bytes.every((byte) => byte === 0)).toBe(true);
  });
});

describe('a decoded exit', () => {
  it.each(Object.keys(RUN_EXITS))('%s carries its arm of the union', (name) => {
    const exit = decodeExit(area(Exit[name as keyof typeof Exit]));
    expect(exit.reason).toBe(name);
    expect(Object.keys(RUN_EXITS[name as keyof typeof RUN_EXITS].fields)[0]! in exit.detail!).toBe(true);
  });

  it('is live: the answer to a read goes back into the area', () => {
    const run = area(Exit.X86_RDMSR);
    const exit = decodeExit(run);
    if (exit.reason !== 'X86_RDMSR') throw new Error(exit.reason);
    exit.detail.data = 0x1122n;
    expect(run.view.getBigUint64(RUN_EXIT_OFFSET + 16, true)).toBe(0x1122n);
  });

  it.each(['HLT', 'SHUTDOWN', 'IRQ_WINDOW_OPEN', 'INTR'] as const)('%s is its reason alone', (name) => {
    expect(decodeExit(area(Exit[name]))).toEqual({ reason: name, number: Exit[name] });
  });

  it('newer than the table is carried by number', () => {
    expect(decodeExit(area(4711))).toEqual({ reason: 'OTHER', number: 4711 });
    expect(exitName(4711)).toBe('exit 4711');
    expect(decodeExit(area(Exit.WATCHDOG))).toEqual({ reason: 'OTHER', number: Exit.WATCHDOG });
  });
});

describe('an exit in a few words', () => {
  it('names port, direction and what is sent, shortened when there is much, or how much is asked for', () => {
    expect(describeExit(io(1, 1, 1, [0x68]))).toBe('IO out 0xfff8 68');
    expect(describeExit(io(0, 1, 1, [1]))).toBe('IO in 0xfff8 1 byte');
    expect(describeExit(io(0, 4, 1, [1, 2, 3, 4]))).toBe('IO in 0xfff8 4 bytes');
    expect(describeExit(io(1, 1, 9, [1, 2, 3, 4, 5, 6, 7, 8, 9]))).toBe('IO out 0xfff8 0102030405060708… (9 bytes)');
  });

  it('names what it does not explain', () => {
    expect(describeExit(area(Exit.SHUTDOWN))).toBe('SHUTDOWN');
    expect(describeExit(area(4711))).toBe('exit 4711');
  });
});
