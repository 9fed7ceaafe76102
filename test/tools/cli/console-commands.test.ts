import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { attachConsole, inForeground } from '../../../tools/cli/console.ts';

/** What a console does when these bytes come at once from a terminal, in order. */
function done(typed: string): string[] {
  const did: string[] = [];
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} });
  const detach = attachConsole(
    {
      send(bytes) {
        did.push(Buffer.from(bytes).toString());
        return bytes.length;
      },
      leave: () => void did.push('[leave]'),
      printLine: () => {},
      commands: { d: { help: 'go away', run: () => void did.push('[away]') } },
    },
    stdin as unknown as NodeJS.ReadStream,
  );
  stdin.emit('data', Buffer.from(typed));
  detach();
  return did;
}

const suite = inForeground()
  ? describe
  : (name: string) => describe.skip(`${name} [skipped: this terminal is another's]`, () => {});

suite('a command of the console', () => {
  it('comes behind what was typed before it in the same piece', () => {
    expect(done('ab\x01dc')).toEqual(['ab', '[away]', 'c']);
    expect(done('ls\r\x01x')).toEqual(['ls\r', '[leave]']);
    expect(done('\x01\x01\x01d')).toEqual(['\x01', '[away]']);
  });
});
