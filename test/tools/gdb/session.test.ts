/** Every packet, byte by byte, over a real machine. What differs between hosts is asked of the host's own abilities. */
import { describe, expect, it } from 'vitest';
import { debugAbilities } from '../../../debug/stops/abilities.ts';
import { ALL_BYTES, REGISTERS, registerNumber } from '../../../debug/stops/registers.ts';
import { Kvm } from '../../../src/kvm/kvm.ts';
import { packet, textHex } from '../../../tools/gdb/packets.ts';
import { TARGET_XML } from '../../../tools/gdb/target-xml.ts';
import { CODE, eventually, failNextStop } from '../../runner/machines.ts';
import { describeKvm, hostKind } from '../../support/kvm.ts';
import { LOOP, LOOP_AT, RawClient } from './raw-client.ts';

const hex = (value: number | bigint) => value.toString(16);
const little = (value: bigint, bytes: number) =>
  Array.from({ length: bytes }, (_, i) =>
    Number((value >> BigInt(8 * i)) & 0xffn)
      .toString(16)
      .padStart(2, '0'),
  ).join('');
const P = (name: string, value: bigint) => {
  const number = registerNumber(name);
  return `P${hex(number)}=${little(value, REGISTERS[number]!.bits / 8)}`;
};
const abilities = () => {
  using kvm = Kvm.open();
  return debugAbilities(kvm);
};

describeKvm('a session', () => {
  it('acknowledges until it is told not to, sends again what was lost, and refuses what is damaged', async () => {
    await using client = await RawClient.open();
    client.raw('$?#00');
    expect(client.signs).toBe('-');
    const first = await client.ask('?');
    expect(client.signs).toBe('-+');
    client.raw('-');
    expect(await client.next()).toBe(first);
    expect(await client.ask('QStartNoAckMode')).toBe('OK');
    const before = client.signs;
    expect(await client.ask('?')).toBe(first);
    expect(client.signs).toBe(before);
  });

  it('offers what both sides know', async () => {
    await using client = await RawClient.open();
    const plain = await client.ask('qSupported');
    expect(plain).toMatch(/^PacketSize=4000;QStartNoAckMode\+;qXfer:features:read\+/);
    expect(plain).not.toMatch(/multiprocess|swbreak|hwbreak/);
    expect(await client.ask('?')).toMatch(/thread:1;$/);
    const full = await client.ask('qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386');
    expect(full).toMatch(/;multiprocess\+;swbreak\+;hwbreak\+$/);
    expect(await client.ask('?')).toMatch(/thread:p1\.1;$/);
  });

  it('does not know what it does not know', async () => {
    await using client = await RawClient.ready();
    for (const unknown of [
      'vMustReplyEmpty',
      'qTStatus',
      'b',
      'R00',
      'qXfer:auxv:read::0,10',
      'vFile:open',
      '!',
      'qCRC:0,1',
    ])
      expect(await client.ask(unknown), unknown).toBe('');
    for (const nonsense of [
      'm',
      'm1',
      'mx,1',
      'P',
      'p',
      'pfff',
      'Hx1',
      'Hg9',
      'T9',
      'Z0',
      'Z0,x,1',
      'vCont;q',
      'M0,2:00',
      'X0,2:a',
      'G00x',
      'qXfer:threads:read::x',
    ])
      expect(await client.ask(nonsense), nonsense).toMatch(/^E/);
    expect(await client.ask('Z9,1000,1')).toBe('');
    expect(await client.ask('qXfer:features:read:other.xml:0,10')).toBe('E00');
  });

  it('describes its registers, memory and threads, in pieces', async () => {
    await using client = await RawClient.ready({ ...LOOP, cpus: 2 });
    let text = '';
    for (let last = false; !last; ) {
      const piece = await client.ask(`qXfer:features:read:target.xml:${hex(text.length)},100`);
      last = piece.startsWith('l');
      text += piece.slice(1).replaceAll(/\}(.)/gs, (_, c: string) => String.fromCharCode(c.charCodeAt(0) ^ 0x20));
    }
    expect(text).toBe(TARGET_XML);
    expect(await client.ask('qXfer:memory-map:read::0,2000')).toContain('<memory type="ram"');
    const threads = await client.ask('qXfer:threads:read::0,2000');
    expect(threads).toContain('<thread id="p1.2" core="1" name="vCPU 1">');
    expect(await client.ask('qfThreadInfo')).toBe('mp1.1,p1.2');
    expect(await client.ask('qsThreadInfo')).toBe('l');
    expect(await client.ask('qThreadExtraInfo,p1.1')).toBe(textHex('vCPU 0: protected mode, 32-bit code, ring 0'));
    expect(await client.ask('Tp1.2')).toBe('OK');
    expect(await client.ask('Hgp1.2')).toBe('OK');
    expect(await client.ask('qC')).toBe('QCp1.2');
    expect(await client.ask('qAttached:1')).toBe('1');
    expect(await client.ask('qSymbol::')).toBe('OK');
    expect(await client.ask('qHostInfo')).toContain(textHex('x86_64'));
    expect(await client.ask('qProcessInfo')).toContain('pid:1;');
    expect(await client.ask('vCont?')).toBe('vCont;c;C;s;S;r');
    expect(await client.ask('qMemoryRegionInfo:1000')).toBe('start:0;size:100000000;permissions:rwx;');
  });

  it('reads and writes registers', async () => {
    await using client = await RawClient.ready();
    expect((await client.ask('g')).length).toBe(2 * ALL_BYTES);
    expect(await client.register('rip')).toBe(BigInt(CODE));
    expect(await client.register('cr0')).toBe(0x11n);
    expect(await client.register('mxcsr')).toBe(0x1f80n);
    expect(await client.register('fctrl')).toBe(0x37fn);
    expect(await client.register('ftag')).toBe(0xffffn);
    const values: Readonly<Record<string, bigint>> = {
      rbx: 0x1122_3344_5566_7788n,
      r15: 5n,
      eflags: 0x202n,
      fs_base: 0x1234n,
      k_gs_base: 0x5678n,
      cr2: 0xdeadn,
      cr8: 3n,
      xmm3: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10n,
      ymm3h: 0x1112_1314_1516_1718_191a_1b1c_1d1e_1f20n,
      st0: 0x3fff_8000_0000_0000_0000n,
      mxcsr: 0x1fa0n,
      fctrl: 0x27fn,
    };
    for (const [name, value] of Object.entries(values)) expect(await client.ask(P(name, value)), name).toBe('OK');
    for (const [name, value] of Object.entries(values)) expect(await client.register(name), name).toBe(value);
    expect(await client.ask(`p${hex(registerNumber('rbx'))}`)).toBe(little(values.rbx!, 8));
    const all = await client.ask('g');
    expect(await client.ask(`G${all.replace(little(values.rbx!, 8), little(9n, 8))}`)).toBe('OK');
    expect(await client.register('rbx')).toBe(9n);
    expect(await client.ask(P('ftag', 0xfffcn))).toBe('OK');
    expect(await client.register('ftag')).toBe(0xfffcn);
  });

  it('says why the machine could not be stopped, and lives on', async () => {
    await using client = await RawClient.ready();
    client.raw(packet('vCont;c'));
    await eventually('it runs', () => client.started.running.running);
    const { message } = failNextStop(client.started.running);
    expect(() => client.raw('\x03')).not.toThrow();
    expect(await client.next()).toBe(`E.${message}`);
    expect(client.notes).toContain(`gdb: ${message}`);
    expect(await client.ask('?')).toMatch(/thread:p1\.1;/);
  });

  it('refuses values that a register cannot have, with the reason', async () => {
    await using client = await RawClient.ready();
    expect(await client.ask(P('cs', 0x33n))).toMatch(/^E\.cs cannot be set in this mode/);
    expect(await client.ask(P('cs', await client.register('cs')))).toBe('OK');
    expect(await client.ask('P0=00')).toBe('E.rax has 8 bytes, not 1');
    expect(await client.ask('Gffff')).toMatch(/^E\.all registers are/);
    expect(await client.ask(P('fctrl', 0x10000n))).toMatch(/^E\.fctrl has 16 bits/);
    expect(client.notes.join()).toContain('cs cannot be set');
  });

  it('reads and writes memory, in three ways, and says what cannot be', async () => {
    await using client = await RawClient.ready();
    expect(await client.ask(`m${hex(CODE)},4`)).toBe('b061e6e9');
    expect(await client.ask('M9200,3:007d23')).toBe('OK');
    expect(await client.ask('x9200,3')).toBe('b\0}]}\x03');
    expect(await client.ask('X9203,2:}]a')).toBe('OK');
    expect(await client.ask('m9200,5')).toBe('007d237d61');
    expect(await client.ask('X9203,0:')).toBe('OK');
    expect(await client.ask('x0,0')).toBe('OK');
    expect(await client.ask('x9200,1')).toBe('\0');
    expect(await client.ask('m200000,1')).toMatch(/^E\.nothing to read at 0x200000: 0x200000 is a device's/);
    expect(await client.ask('M200000,1:00')).toMatch(/^E\.0x200000 is no RAM/);
    expect(await client.ask('m100000000,1')).toMatch(/^E\..*above 4 GiB/);
    expect(await client.ask('mffffe,4')).toBe('0000'); // RAM ends here
    expect((await client.ask('m0,ffffffff')).length).toBe(0x2000);
  });

  it('steps, and steps through a range', async () => {
    await using client = await RawClient.ready();
    expect(await client.ask('vCont;s:p1.1')).toMatch(/^T05.*thread:p1\.1;$/);
    expect(await client.register('rip')).toBe(BigInt(CODE + 2));
    expect(await client.ask('s')).toMatch(/^T05/);
    expect(await client.register('rip')).toBe(BigInt(CODE + 4));
    expect(await client.ask('S05')).toMatch(/^T05/);
    expect(await client.ask(`vCont;r${hex(CODE)},${hex(LOOP_AT)}:p1.1`)).toMatch(/^T05/);
    expect(await client.register('rip')).toBe(BigInt(LOOP_AT));
    expect(await client.ask(`s${hex(CODE)}`)).toMatch(/^T05/);
    expect(await client.register('rip')).toBe(BigInt(CODE + 2));
  });

  it('stops at a breakpoint in memory, again and again, until it is removed', async () => {
    if (!abilities().kernel.software) return;
    await using client = await RawClient.ready();
    const place = hex(LOOP_AT + 2);
    expect(await client.ask(`Z0,${place},1`)).toBe('OK');
    for (let round = 1n; round <= 3n; round++) {
      expect(await client.ask('vCont;c')).toMatch(/^T05.*swbreak:;$/);
      expect(await client.register('rip')).toBe(BigInt(LOOP_AT + 2));
      expect(await client.register('rdx')).toBe(round);
      expect(await client.ask(`m${hex(CODE)},16`)).toBe(LOOP.code.replaceAll(' ', ''));
      await client.ask(`z0,${place},1`);
      expect(await client.ask('vCont;s')).toMatch(/^T05/);
      await client.ask(`Z0,${place},1`);
    }
    expect(await client.ask(`z0,${place},1`)).toBe('OK');
    expect(await client.ask(`z0,${place},1`)).toBe('OK');
    client.raw(packet('vCont;c'));
    client.raw('\x03');
    expect(await client.next()).toMatch(/^T02/);
  });

  it('hardware breakpoints stop, or are refused in words', async () => {
    await using client = await RawClient.ready();
    const set = await client.ask(`Z1,${hex(LOOP_AT + 2)},1`);
    if (!abilities().kernel.hardware.execute) {
      expect(set).toMatch(/^E\.hardware breakpoints do not stop on this host/);
      return;
    }
    expect(set).toBe('OK');
    expect(await client.ask('c')).toMatch(/^T05.*hwbreak:;$/);
    expect(await client.register('rip')).toBe(BigInt(LOOP_AT + 2));
    expect(await client.ask(`z1,${hex(LOOP_AT + 2)},1`)).toBe('OK');
  });

  it.each([
    ['2', 'watch'],
    ['3', 'rwatch'],
    ['4', 'awatch'],
  ])('watchpoints of kind %s stop, or are refused in words', async (kind, key) => {
    await using client = await RawClient.ready();
    const set = await client.ask(`Z${kind},9100,1`);
    if (!abilities().kernel.hardware.access) {
      expect(set).toMatch(/^E\.hardware watchpoints do not stop on this host/);
      expect(client.notes.join()).toContain('can-use-hw-watchpoints 0');
      return;
    }
    expect(set).toBe('OK');
    expect(await client.ask('c')).toMatch(new RegExp(`^T05.*${key}:9100;$`));
    expect(await client.register('rip')).toBe(BigInt(LOOP_AT));
    expect(await client.ask(`z${kind},9100,1`)).toBe('OK');
  });

  it('Ctrl-C stops a machine that runs, and is nothing to one that stands', async () => {
    await using client = await RawClient.ready();
    client.raw('\x03');
    const before = await client.register('rdx');
    client.raw(packet('c'));
    client.raw('\x03');
    expect(await client.next()).toMatch(/^T02.*thread:p1\.1;$/);
    expect(await client.register('rip')).toBeGreaterThanOrEqual(BigInt(CODE));
    expect(await client.register('rdx')).toBeGreaterThanOrEqual(before);
    expect(await client.ask('vCtrlC')).toBe('OK');
  });

  it('prints what monitor is asked for', async () => {
    await using client = await RawClient.ready();
    const monitor = (line: string) => client.askPrinted(`qRcmd,${textHex(line)}`);
    expect(await monitor('help')).toEqual(['OK', expect.stringContaining('monitor phys ADDRESS [LENGTH]')]);
    expect((await monitor('regs'))[1]).toMatch(
      /^vCPU 0: protected mode, 32-bit code, ring 0, next instruction at linear 0x9000/,
    );
    await client.ask('vCont;s');
    await client.ask('vCont;s');
    expect((await monitor('exits'))[1]).toContain('1 out 0xe9');
    expect((await monitor(`phys 0x${hex(CODE)} 4`))[1]).toMatch(/^0x9000 {2}b0 61 e6 e9 .* \.a\.\.\n$/);
    expect((await monitor('phys 0x200000'))[1]).toBe("0x200000 is no RAM: a device's, or nothing\n");
    expect((await monitor('phys 1 999999'))[1]).toMatch(/^usage/);
    expect((await monitor('checkpoint before'))[1]).toBe('taken before\n');
    expect((await monitor('log'))[1]).toBe('none\n');
    expect((await monitor('host'))[1]).toContain('single steps: ');
    expect((await monitor('constructor'))[1]).toMatch(/^no command "constructor"; there are:/);
    expect(await client.ask('qRcmd,zz')).toMatch(/^E/);
  });

  it('detaches and kills', async () => {
    {
      await using client = await RawClient.ready();
      expect(await client.ask('D;1')).toBe('OK');
      expect([client.isClosed, client.session.isDetached]).toEqual([true, true]);
    }
    {
      await using client = await RawClient.ready();
      expect(await client.ask('vKill;1')).toBe('OK');
      expect([client.isClosed, client.wasKilled]).toEqual([true, true]);
      expect(await client.ended).toMatchObject({ reason: 'interrupted' });
    }
    await using client = await RawClient.ready();
    client.raw(packet('k'));
    expect(client.wasKilled).toBe(true);
  });

  it('shows a fault before it lets the run end', async () => {
    await using client = await RawClient.ready({ mode: 'protected', code: 'b007 0f0b' });
    const [stopped, printed] = await client.askPrinted('c');
    expect(stopped).toMatch(/^T0[4b]/);
    expect(printed).toContain('vmlapse: the guest has ended:');
    // AMD's processors leave no state behind after a shutdown, so that KVM resets the vCPU
    if (hostKind !== 'SVM') expect((await client.register('rax')) & 0xffn).toBe(7n);
    expect(await client.ask('c')).toMatch(/^X0b;process:1$/);
    expect(client.isClosed).toBe(true);
  });
});

describeKvm('modes', () => {
  it('all have the same registers: real mode, with a segment that can be set', async () => {
    await using client = await RawClient.ready({ mode: 'real', code: '40 b8 3412 8ed8 ebfe' });
    expect(await client.register('rip')).toBe(BigInt(CODE));
    expect(await client.register('cr0')).toBe(0x10n);
    for (let i = 0; i < 3; i++) await client.ask('vCont;s');
    expect(await client.register('ds')).toBe(0x1234n);
    expect(await client.register('ds_base')).toBe(0x12340n);
    expect(await client.register('rax')).toBe(0x1234n);
    expect(await client.ask(P('es', 0x100n))).toBe('OK');
    expect(await client.register('es_base')).toBe(0x1000n);
  });

  it('long mode', async () => {
    await using client = await RawClient.ready({ mode: 'long', code: '48b8 8877665544332211 ebfe' });
    expect(await client.register('efer')).toBe(0x500n);
    await client.ask('vCont;s');
    expect(await client.register('rax')).toBe(0x1122_3344_5566_7788n);
    expect(await client.ask('m800000000000,1')).toMatch(/^E\..*not a canonical address/);
  });
});

describe('the loop of these tests', () => {
  it('begins where they say', () => {
    expect(LOOP.code.replaceAll(' ', '').slice(2 * (LOOP_AT - CODE))).toMatch(/^ffc2/);
  });
});
