/** Packets as bytes: what is found in them, in pieces of any size, and what is refused. */
import { describe, expect, it } from 'vitest';
import { parseVCont } from '../../../tools/gdb/actions.ts';
import { addressText, parseListenAddress } from '../../../tools/gdb/address.ts';
import {
  bytesOfHex,
  checksum,
  escaped,
  type Incoming,
  numberOf,
  PacketReader,
  ProtocolError,
  packet,
  unescaped,
} from '../../../tools/gdb/packets.ts';
import { memoryMapXml, TARGET_XML } from '../../../tools/gdb/target-xml.ts';
import { threadChoice, threadId } from '../../../tools/gdb/thread-ids.ts';

const found = (text: string, size = text.length, most = 100): Incoming[] => {
  const reader = new PacketReader(most);
  const bytes = Buffer.from(text, 'latin1');
  const all: Incoming[] = [];
  for (let at = 0; at < bytes.length; at += size) all.push(...reader.push(bytes.subarray(at, at + size)));
  return all;
};

describe('a packet', () => {
  it('has the sum of its bytes', () => {
    expect(packet('OK')).toBe('$OK#9a');
    expect(checksum('')).toBe('00');
    expect(checksum('\xff\xff')).toBe('fe');
  });

  it.each([1, 2, 3, 1000])('is found in pieces of %i bytes, with what stands between', (size) => {
    expect(found(`+$g#67-\x03${packet('X0,1:\x00}\x03')}$k#00`, size)).toEqual([
      { kind: 'ack' },
      { kind: 'packet', payload: 'g' },
      { kind: 'nak' },
      { kind: 'interrupt' },
      { kind: 'packet', payload: 'X0,1:\x00}\x03' },
      { kind: 'damaged' },
    ]);
  });

  it('begins anew where the end of the one before was lost', () => {
    expect(found('$abc$g#67')).toEqual([{ kind: 'packet', payload: 'g' }]);
  });

  it('is refused when it is too long, and what is none at all, too', () => {
    expect(found(`$${'a'.repeat(100)}#${checksum('a'.repeat(100))}`)).toHaveLength(1);
    expect(() => found(`$${'a'.repeat(101)}`)).toThrow(ProtocolError);
    expect(() => found('GET / HTTP/1.1')).toThrow(ProtocolError);
  });

  it('is escaped and back, whatever its bytes', () => {
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
    expect(escaped(all)).not.toMatch(/[$#*]/);
    expect(unescaped(escaped(all))).toBe(all);
    expect(unescaped('a}')).toBe('a');
  });
});

describe('digits', () => {
  it('are numbers of 64 bits, or nothing', () => {
    expect(numberOf('ffffffffffffffff')).toBe(2n ** 64n - 1n);
    for (const wrong of ['', 'g', '-1', '0x1', '10000000000000000', undefined]) expect(numberOf(wrong)).toBeUndefined();
    expect(bytesOfHex('0aFF')).toEqual(Buffer.from([10, 255]));
    for (const wrong of ['0', 'zz', '0 ']) expect(bytesOfHex(wrong)).toBeUndefined();
  });
});

describe('a thread', () => {
  it.each([
    ['1', 0],
    ['2', 1],
    ['p1.2', 1],
    ['-1', 'all'],
    ['p1.-1', 'all'],
    ['p1', 'all'],
    ['p-1.-1', 'all'],
    ['0', 'any'],
    ['p0.0', 'any'],
    ['3', undefined],
    ['p2.1', undefined],
    ['p1.', 'all'],
    ['', undefined],
    ['x', undefined],
    ['p1.2.3', undefined],
  ] as const)('%s is %s', (text, choice) => {
    expect(threadChoice(text, 2)).toBe(choice);
  });

  it('is written with its process where both sides know processes', () => {
    expect([threadId(10, true), threadId(0, false)]).toEqual(['p1.b', '1']);
  });
});

describe('vCont', () => {
  it.each([
    [';c', { actions: ['run', 'run'] }],
    [';s:1;c', { actions: ['step', 'run'] }],
    [';C05:p1.2;s', { actions: ['step', 'run'] }],
    [';s:p1.2', { actions: ['stay', 'step'] }],
    [';r10,20:2;c', { actions: ['run', 'step'], range: { start: 16n, end: 32n, vcpu: 1 } }],
    [';c:p1.-1', { actions: ['run', 'run'] }],
    ['', undefined],
    [';', undefined],
    [';t', undefined],
    [';c:9', undefined],
    [';r10', undefined],
    ['X;c', undefined],
    [';c:1:2', undefined],
  ])('%s', (text, resumption) => {
    expect(parseVCont(text, 2)).toEqual(resumption);
  });
});

describe('an address', () => {
  it.each([
    ['1234', '127.0.0.1:1234'],
    [':0', '127.0.0.1:0'],
    ['localhost:5', '127.0.0.1:5'],
    ['127.1.2.3:5', '127.1.2.3:5'],
    ['[::1]:5', '[::1]:5'],
    ['unix:/tmp/x', 'unix:/tmp/x'],
  ])('%s is %s', (text, address) => {
    expect(addressText(parseListenAddress(text))).toBe(address);
  });

  it.each(['0.0.0.0:1', '10.0.0.1:1', '[::]:1', '[2001:db8::1]:1'])('%s only when that is meant', (text) => {
    expect(() => parseListenAddress(text)).toThrow(/--listen-anywhere/);
    expect(addressText(parseListenAddress(text, true))).toBe(text);
  });

  it.each(['', 'x', '65536', '1:2:3', 'unix:', `unix:${'x'.repeat(108)}`, 'example.org:1', '-1', '[::1:5'])(
    '%s is none',
    (text) => {
      expect(() => parseListenAddress(text, true)).toThrow(/address|path/);
    },
  );
});

describe('the description', () => {
  it('numbers the registers in the order of g', () => {
    const numbers = [...TARGET_XML.matchAll(/regnum="(\d+)"/g)].map(([, number]) => Number(number));
    expect(numbers).toEqual(numbers.map((_, i) => i));
    expect(numbers.length).toBeGreaterThan(90);
  });

  it('the memory map covers all addresses', () => {
    const sum = (xml: string) =>
      [...xml.matchAll(/length="(0x[0-9a-f]+)"/g)].reduce((all, [, length]) => all + BigInt(length!), 0n);
    expect(sum(memoryMapXml([]))).toBe(2n ** 64n);
    const roms = [
      { start: 0xffff_0000n, size: 0x1_0000n },
      { start: 0xf_0000n, size: 0x1_0000n },
    ];
    expect(sum(memoryMapXml(roms))).toBe(2n ** 64n);
    expect(memoryMapXml(roms).match(/type="rom"/g)).toHaveLength(2);
  });
});
