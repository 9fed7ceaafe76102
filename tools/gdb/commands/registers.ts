/** Packets on registers, of the thread that the client has chosen. */
import { changedParts, mutable, REGISTERS, readAll, writeAll } from '../../../debug/stops/registers.ts';
import { UsageError } from '../../../src/errors.ts';
import type { Client } from '../client.ts';
import { bytesOfHex, hexOf, numberOf } from '../packets.ts';
import { NONSENSE, OK, type PacketRow } from './row.ts';

const registersOf = async ({ target, vcpu }: Client) => (await target.debugger.vcpu(vcpu)).registers;

/** Changes registers of a copy, and writes what was changed. */
async function change(client: Client, how: (state: ReturnType<typeof mutable>) => void): Promise<string> {
  const state = mutable(await registersOf(client));
  how(state);
  if (state.changed.size > 0) await client.target.debugger.setRegisters(client.vcpu, changedParts(state));
  return OK;
}

/** The register of a number in hexadecimal digits. */
const numbered = (text: string | undefined) => REGISTERS[Number(numberOf(text) ?? -1n)];

export const REGISTER_PACKETS: readonly PacketRow[] = [
  ['g', async (client, rest) => (rest === '' ? hexOf(readAll(await registersOf(client))) : NONSENSE)],
  [
    'G',
    (client, rest) => {
      const bytes = bytesOfHex(rest);
      return bytes ? change(client, (state) => writeAll(state, bytes)) : NONSENSE;
    },
  ],
  [
    'p',
    async (client, rest) => {
      const register = numbered(rest);
      return register ? hexOf(register.read(await registersOf(client))) : NONSENSE;
    },
  ],
  [
    'P',
    (client, rest) => {
      const [number, value = ''] = rest.split('=');
      const register = numbered(number);
      const bytes = bytesOfHex(value);
      if (!register || !bytes) return NONSENSE;
      if (bytes.length !== register.bits / 8)
        throw new UsageError(`${register.name} has ${register.bits / 8} bytes, not ${bytes.length}`);
      return change(client, (state) => register.write(state, bytes));
    },
  ],
];
