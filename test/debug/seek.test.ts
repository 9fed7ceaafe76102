import { expect, it } from 'vitest';
import { History } from '../../debug/history.ts';
import type { Position } from '../../debug/recording/position.ts';
import { guestNamed } from '../../guests/list.ts';
import { Exit } from '../../src/abi/exits.ts';
import { UsageError } from '../../src/errors.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { machineOf, portrait } from '../snapshot/fidelity/play.ts';
import { random } from '../snapshot/store/support.ts';
import { describeKvm, isPvm } from '../support/kvm.ts';
import { SLOW_HOST } from '../support/time.ts';
import { look, straight } from './straight.ts';
import { machineOfCode, type Recorded, record, recordGuest } from './support.ts';

/** PUSHF, a loop, a call, a software interrupt whose handler writes to a port, and HLT at the end. */
const CODE = `
  bc 00 70              ; mov sp, 0x7000
  c7 06 84 00 40 7c     ; mov word [0x84], 0x7c40: the handler of vector 0x21
  c7 06 86 00 00 00     ; mov word [0x86], 0
  9c                    ; pushf
  8f 06 00 20           ; pop word [0x2000]
  b9 05 00              ; mov cx, 5
  fe 06 02 20           ; again: inc byte [0x2002]
  e6 80                 ; out 0x80, al
  e2 f8                 ; loop again
  be 00 7c              ; mov si, 0x7c00
  bf 00 30              ; mov di, 0x3000
  b9 08 00              ; mov cx, 8
  f3 a4                 ; rep movsb
  cd 21                 ; int 0x21
  b0 2a                 ; mov al, 42
  e6 f4                 ; out 0xf4, al
  ${'90 '.repeat(16)}
  50                    ; the handler, at 0x7c40: push ax
  e6 80                 ; out 0x80, al
  58                    ; pop ax
  cf                    ; iret`;

/** Some thousand steps that write to memory, between two exits. */
const LONG_WAY = `
  e6 80                 ; out 0x80, al
  b9 a0 0f              ; mov cx, 4000
  fe 06 00 20           ; again: inc byte [0x2000]
  e2 fa                 ; loop again
  e6 f4                 ; out 0xf4, al`;

/** Handlers that make no exit: of a software interrupt, and of a fault, the instruction of which is then run again. */
const HANDLERS = `
  bc 00 70              ; mov sp, 0x7000
  c7 06 84 00 40 7c     ; mov word [0x84], 0x7c40: the handler of vector 0x21
  c7 06 86 00 00 00     ; mov word [0x86], 0
  c7 06 00 00 43 7c     ; mov word [0], 0x7c43: the handler of a division
  c7 06 02 00 00 00     ; mov word [2], 0
  cd 21                 ; int 0x21
  b0 09                 ; mov al, 9
  98                    ; cbw
  f6 f1                 ; div cl
  e6 f4                 ; out 0xf4, al
  ${'90 '.repeat(28)}
  42                    ; at 0x7c40: inc dx
  90                    ; nop
  cf                    ; iret
  b1 03                 ; at 0x7c43: mov cl, 3
  cf                    ; iret`;

/** Random seeks, and steps back from where they lead. */
function expectSeeks(recorded: Recorded, seeks: number, most: number): void {
  const all = straight(recorded, most);
  using history = new History(recorded.open());
  const next = random(1);
  for (let i = 0; i < seeks; i++) {
    const at = next(all.length);
    const { position, seen } = all[at]!;
    expect(history.seek(position)).toEqual(position);
    expect(look(history), `seek ${i}`).toBe(seen);
    if (next(3) > 0) continue;
    expect(history.stepBack()).toBe(at > 0);
    expect(history.position).toEqual(all[Math.max(0, at - 1)]!.position);
    expect(look(history), `step back ${i}`).toBe(all[Math.max(0, at - 1)]!.seen);
  }
}

describeKvm('a seek', () => {
  it('to random positions finds what a run straight on has there', () => {
    using recorded = record(machineOfCode(CODE));
    expect(recorded.end).toMatchObject({ reason: 'exit-port', value: 42 });
    expectSeeks(recorded, SLOW_HOST ? 8 : 40, 1000);
  });

  it.skipIf(SLOW_HOST).each(['hello-long', 'interrupt', 'multiboot-info', 'string-io'])('and in %s', (name) => {
    using recorded = recordGuest(name, { everyMs: 3 });
    expectSeeks(recorded, 8, 1500);
  });

  it.skipIf(SLOW_HOST)(
    'by steps alone finds at each exit what a run without steps has there, interrupts included',
    () => {
      using recorded = recordGuest('interrupt');
      const exits = straight(recorded, 100_000).filter(({ position }) => position.steps === 0);
      expect(exits.length).toBeGreaterThan(recorded.report.exits / 2);
      using history = new History(recorded.open());
      for (const { position, seen } of exits) {
        history.replayer.runTo(position.exits);
        expect(look(history), `exit ${position.exits}`).toBe(seen);
      }
    },
  );

  it('to an exit finds what a machine that was never recorded has there', () => {
    const next = random(2);
    for (const name of SLOW_HOST ? ['hello-long'] : ['hello-long', 'ring3', 'string-io']) {
      // Without chips in user space: their clock would be another.
      using recorded = record(machineOf(guestNamed(name), false), { everyMs: 3 });
      using history = new History(recorded.open());
      for (let i = 0; i < 4; i++) {
        const position = history.seek({ exits: 1 + next(recorded.report.exits - 1), steps: 0 });
        using machine = machineOf(guestNamed(name), false);
        let exits = 0;
        let before = 0;
        using local = new LocalMachine(machine, {
          served(total) {
            if (total === before || local.vcpu.area.exitReason === Exit.INTR) return undefined;
            before = total;
            exits++;
            return exits >= position.exits ? { reason: 'stop-point' } : undefined;
          },
        });
        while (local.advance().reason !== 'stop-point');
        local.completePendingIo();
        expect(portrait(history.replayer.local), `${name} at ${position.exits}`).toEqual(portrait(local));
      }
    }
  });

  it('goes to the next position there is, and not behind the end', () => {
    using recorded = record(machineOfCode(CODE));
    using history = new History(recorded.open());
    const { end } = history;
    expect(history.seek({ exits: 0, steps: 100_000 })).toEqual({ exits: 1, steps: 0 });
    expect(history.seek(end)).toEqual(end);
    expect(history.step()).toBe(false);
    expect(history.seek({ exits: 0, steps: 0 })).toEqual({ exits: 0, steps: 0 });
    expect(history.stepBack()).toBe(false);
    expect(() => history.seek({ exits: end.exits + 1, steps: 0 })).toThrow(UsageError);
    expect(() => history.seek({ exits: -1, steps: 0 })).toThrow(UsageError);
    expect(() => history.seek({ exits: 1 } as Position)).toThrow(/two numbers from 0 on/);
  });

  it('over handlers of interrupts and faults leaves in memory what the run leaves', () => {
    using recorded = record(machineOfCode(HANDLERS));
    expect(recorded.end).toMatchObject({ reason: 'exit-port', value: 3 });
    using history = new History(recorded.open());
    history.seek({ exits: 0, steps: 0 });
    while (history.step()); // compares all of it at the end
    expect(history.position).toEqual(history.end);
  });

  it('leaves temporary checkpoints, by which the steps back from it are short ways, and right', () => {
    using recorded = record(machineOfCode(LONG_WAY));
    const all = straight(recorded, SLOW_HOST ? 2000 : 20_000);
    using history = new History(recorded.open());
    const { local } = history.replayer;
    const runs = (does: () => void) => {
      const before = local.exits;
      does();
      return local.exits - before;
    };
    const far = all.length - 100;
    const way = runs(() => history.seek(all[far]!.position));
    let back = 0;
    for (let at = far - 1; at > far - 20; at--) {
      back += runs(() => history.stepBack());
      expect(history.position).toEqual(all[at]!.position);
      expect(look(history)).toBe(all[at]!.seen);
    }
    expect(back / 19).toBeLessThan(way / 2);
    for (const at of [far >> 1, 10, far - 1, far >> 2, 0]) {
      history.seek(all[at]!.position);
      expect(look(history)).toBe(all[at]!.seen);
    }
  });

  it.skipIf(!isPvm)('with steps in ring 3 is refused where this host cannot step there', () => {
    using recorded = recordGuest('compute-ring3');
    using history = new History(recorded.open());
    const refused = () => {
      history.seek({ exits: recorded.report.exits - 40, steps: 0 });
      while (history.step());
    };
    expect(refused).toThrow(/^there is no step: this host's KVM cannot step code of ring 3/);
  });
});
