import { expect, it } from 'vitest';
import { KvmError } from '../../src/errors.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { boot, run, withMachine } from '../support/machines.ts';
import { thrown } from '../support/thrown.ts';

const ROM = 0xffff_0000;

describeKvm('a ROM', () => {
  it('is read by the guest; a write to it is an access that no device answers, and changes nothing', () => {
    withMachine({}, (machine) => {
      machine.addRom(ROM, Uint8Array.of(0x11, 0x22, 0x33));
      boot(
        machine,
        code(`
          bb 00 00 ff ff   ; mov ebx, 0xffff0000
          c6 03 99         ; mov byte [rbx], 0x99
          8a 03            ; mov al, [rbx]
          8a 63 02         ; mov ah, [rbx+2]
          66 a3 00 50 00 00 00 00 00 00 ; mov [0x5000], ax
          b0 01 e6 f4      ; out 0xf4, 1`),
        { mode: 'long' },
      );
      const result = run(machine);
      expect(result).toMatchObject({ reason: 'exit-port', exits: { MMIO: 1 } });
      expect(Object.keys(result.unclaimed)).toEqual(['mmio 0xffff0000']);
      expect(machine.memory.readUint(0x5000, 2)).toBe(0x3311n);
    });
  });

  it('is filled with zeros to whole pages', () => {
    withMachine({}, (machine) => {
      machine.addRom(ROM, new Uint8Array(4097).fill(0xff));
      boot(
        machine,
        code(`
          bb 00 10 ff ff   ; mov ebx, 0xffff1000
          66 8b 03         ; mov ax, [rbx]
          66 a3 00 50 00 00 00 00 00 00 ; mov [0x5000], ax
          8b 83 fc 0f 00 00 ; mov eax, [rbx+0xffc]
          e6 f4            ; out 0xf4, al`),
        { mode: 'long' },
      );
      expect(run(machine)).toMatchObject({ reason: 'exit-port', value: 0 });
      expect(machine.memory.readUint(0x5000, 2)).toBe(0x00ffn);
    });
  });

  it('may be one of several, but not lie on RAM or on another', () => {
    withMachine({}, (machine) => {
      machine.addRom(ROM, Uint8Array.of(1));
      machine.addRom(ROM - 4096, Uint8Array.of(2));
      expect(machine.roms.map(({ gpa, bytes }) => [gpa, bytes[0]])).toEqual([
        [ROM, 1],
        [ROM - 4096, 2],
      ]);
      for (const gpa of [ROM, 0x1000]) {
        expect(thrown(KvmError, () => machine.addRom(gpa, Uint8Array.of(3))).code).toBe('EEXIST');
      }
      expect(machine.roms, 'what was refused is not there').toHaveLength(2);
    });
  });
});
