/** For the tests of a file: machines with names, in folders of each test's own, ended after it. */
import { afterEach, beforeEach } from 'vitest';
import { type Started, scratch, startCli } from '../cli/cli.ts';
import { ownRuntimeFolder, reachable } from './sockets.ts';

/** Call it at the top level of the file. */
export function namedMachines() {
  let sockets: ReturnType<typeof ownRuntimeFolder>;
  let files: ReturnType<typeof scratch>;
  const started: Started[] = [];

  beforeEach(() => {
    sockets = ownRuntimeFolder();
    files = scratch();
  });

  afterEach(async () => {
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.splice(0).map(({ outcome }) => outcome));
    files[Symbol.dispose]();
    sockets[Symbol.dispose]();
  });

  return {
    /** Processes that are killed after the test, if they still run. */
    started,
    /** The folder of the machines' sockets. */
    socketFolder: () => sockets.path,
    /** Path of a file of this test. */
    file: (name: string) => files.file(name),
    /** Starts a machine with this name, and waits until it can be reached. */
    async begin(name: string, ...args: string[]): Promise<Started> {
      const machine = startCli(args);
      started.push(machine);
      await reachable(name, machine.outcome);
      return machine;
    },
  };
}
