import { describe, expect, it } from 'vitest';
import { COMMANDS, createProgram } from '../../../tools/cli/program.ts';

const namesOf = async (word?: string) => (await createProgram('0', word)).commands.map((command) => command.name());

describe('the table of commands', () => {
  it('names the commands of each file', async () => {
    for (const { names, rows } of COMMANDS) expect((await rows()).map(({ name }) => name)).toEqual(names);
  });

  it('loads the file of the command that is given, and all for anything else', async () => {
    expect(await namesOf('log')).toEqual(['log']);
    expect(await namesOf('pull')).toEqual(['push', 'pull']);
    expect(await namesOf('--version')).toEqual([]);
    const all = [...COMMANDS.flatMap(({ names }) => names), 'complete'];
    for (const word of [undefined, 'help', '--help', 'lgo', '--', 'complete', 'constructor'])
      expect(await namesOf(word)).toEqual(all);
  });
});
