import { afterEach, describe, expect, test, vi } from 'vitest';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { printLine } from '../../../tools/cli/output.ts';
import { LastBytes } from '../../../tools/cli/session/last-bytes.ts';
import { ScreenConsole } from '../../../tools/cli/session/screen-console.ts';

afterEach(() => void vi.restoreAllMocks());

describe('a console whose screen cannot be read', () => {
  test('gives the terminal, the signals and the messages back', () => {
    const written = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      vi.spyOn(process[name], 'write').mockImplementation((text) => {
        written[name] += text;
        return true;
      });
    const listeners = () => ['exit', 'SIGTSTP', 'SIGCONT'].map((event) => process.listenerCount(event));
    const before = listeners();
    const front = new ScreenConsole();
    const machine = {
      get devices(): never {
        throw new Error('no memory');
      },
    };
    expect(() => front.open({ machine } as unknown as RunningMachine)).toThrow('no memory');
    front.serial(Buffer.from('said'));
    printLine('kept');
    expect(written.stderr).toBe('');
    front.close();
    front.close();
    expect(written.stdout).toMatch(/\x1b\[\?1049lsaid$/);
    printLine('printed');
    expect(written.stderr).toBe('kept\nprinted\n');
    expect(listeners()).toEqual(before);
  });
});

describe('the last bytes of a stream', () => {
  test.each([1, 3, 7, 8, 9, 40])('are kept, whatever comes at once: %d', (size) => {
    const all = Uint8Array.from({ length: 120 }, (_, i) => i);
    const last = new LastBytes(8);
    for (let at = 0; at < all.length; at += size) {
      last.add(all.subarray(at, at + size));
      const end = Math.min(at + size, all.length);
      expect([...last.bytes()]).toEqual([...all.subarray(Math.max(0, end - 8), end)]);
    }
  });

  test('cost no copy of what is kept for each byte that comes', () => {
    const copies = vi.spyOn(Buffer.prototype, 'copyWithin');
    const last = new LastBytes(1000);
    for (let i = 0; i < 10_000; i++) last.add(Uint8Array.of(i));
    expect(copies.mock.calls.length).toBeLessThanOrEqual(10);
  });
});
