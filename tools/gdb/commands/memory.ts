/** Packets on memory at linear addresses, by the page tables of the thread that the client has chosen. */
import type { Client } from '../client.ts';
import { bytesOfHex, escaped, hexOf, numberOf, unescaped } from '../packets.ts';
import { NONSENSE, OK, type PacketRow } from './row.ts';

/** Bytes in one packet at most; a client asks for the rest with another. */
const MOST_BYTES = 0x1000;

const memoryOf = async ({ target, vcpu }: Client) => (await target.debugger.vcpu(vcpu)).memory;

/** `address,length`. */
function place(text: string): { readonly address: bigint; readonly length: number } | undefined {
  const [address, length, more] = text.split(',').map(numberOf);
  if (address === undefined || length === undefined || more !== undefined) return undefined;
  return { address, length: Math.min(Number(length), MOST_BYTES) };
}

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

/** Writes what follows the colon. */
async function write(client: Client, text: string, decode: (data: string) => Uint8Array | undefined): Promise<string> {
  const colon = text.indexOf(':');
  const where = place(text.slice(0, colon));
  const bytes = decode(text.slice(colon + 1));
  if (colon < 0 || !where || !bytes || bytes.length !== where.length) return NONSENSE;
  if (bytes.length > 0) (await memoryOf(client)).write(where.address, bytes);
  return OK;
}

export const MEMORY_PACKETS: readonly PacketRow[] = [
  [
    'm',
    async (client, rest) => {
      const where = place(rest);
      return where ? hexOf((await memoryOf(client)).read(where.address, where.length)) : NONSENSE;
    },
  ],
  [
    'x',
    async (client, rest) => {
      const where = place(rest);
      if (!where) return NONSENSE;
      if (where.length === 0) {
        client.barePackets = true; // how LLDB asks whether there is this packet
        return OK;
      }
      const bytes = (await memoryOf(client)).read(where.address, where.length);
      return `${client.barePackets ? '' : 'b'}${escaped(latin1(bytes))}`;
    },
  ],
  ['M', (client, rest) => write(client, rest, bytesOfHex)],
  ['X', (client, rest) => write(client, rest, (data) => Buffer.from(unescaped(data), 'latin1'))],
];
