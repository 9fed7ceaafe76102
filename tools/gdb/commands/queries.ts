/** Questions of clients: what is supported, descriptions, threads; and commands of `monitor`. */
import { HARDWARE_STOPS } from '../../../src/runner/stops/debug-registers.ts';
import type { Client } from '../client.ts';
import { runMonitor } from '../monitor.ts';
import { bytesOfHex, escaped, numberOf, PACKET_BYTES, textHex } from '../packets.ts';
import { memoryMapXml, TARGET_XML, threadsXml } from '../target-xml.ts';
import { PROCESS, threadChoice, threadId } from '../thread-ids.ts';
import { NONSENSE, OK, type PacketRow, UNSUPPORTED } from './row.ts';

/** What is offered to every client, in the answer to `qSupported`. */
const SUPPORTED = [
  `PacketSize=${PACKET_BYTES.toString(16)}`,
  'QStartNoAckMode+',
  'qXfer:features:read+',
  'qXfer:memory-map:read+',
  'qXfer:threads:read+',
  'vContSupported+',
  'binary-upload+',
];

/** Features that both sides have to have. */
const SHARED = ['multiprocess', 'swbreak', 'hwbreak'] as const;

function supported(client: Client, rest: string): string {
  const offered = new Set(rest.replace(/^:/, '').split(';'));
  const has = (feature: string) => offered.has(`${feature}+`);
  client.features = { multiprocess: has('multiprocess'), swbreak: has('swbreak'), hwbreak: has('hwbreak') };
  if (has('error-message')) client.errorForm = 'message';
  const past = client.target.debugger.past ? ['ReverseStep+', 'ReverseContinue+'] : [];
  return [...SUPPORTED, ...past, ...SHARED.filter(has).map((feature) => `${feature}+`)].join(';');
}

/** What a vCPU is doing, in a few words. */
async function aboutThread({ target }: Client, vcpu: number): Promise<string> {
  const { mode } = await target.debugger.vcpu(vcpu);
  return `${mode.name} mode, ${mode.bits}-bit code, ring ${mode.cpl}`;
}

async function threadsDocument(client: Client): Promise<string> {
  const rows = await Promise.all(
    Array.from({ length: client.cpus }, async (_, vcpu) => ({
      id: threadId(vcpu, client.features.multiprocess),
      name: `vCPU ${vcpu}`,
      core: vcpu,
      about: await aboutThread(client, vcpu),
    })),
  );
  return threadsXml(rows);
}

function memoryMap({ target }: Client): string {
  const { roms } = target.debugger.machine;
  return memoryMapXml(roms.map(({ gpa, bytes }) => ({ start: BigInt(gpa), size: BigInt(bytes.length) })));
}

/** Documents that are read piece by piece, by what stands between `qXfer:` and the place. */
const DOCUMENTS: Readonly<Record<string, (client: Client) => string | Promise<string>>> = {
  'features:read:target.xml': () => TARGET_XML,
  'memory-map:read:': memoryMap,
  'threads:read:': threadsDocument,
};

/** `object:read:annex:offset,length`. */
async function transfer(client: Client, rest: string): Promise<string> {
  const colon = rest.lastIndexOf(':');
  const name = rest.slice(0, colon);
  const [offset, length] = rest
    .slice(colon + 1)
    .split(',')
    .map(numberOf);
  if (offset === undefined || length === undefined) return NONSENSE;
  if (!Object.hasOwn(DOCUMENTS, name)) return name.startsWith('features:read:') ? 'E00' : UNSUPPORTED;
  const document = await DOCUMENTS[name]!(client);
  const most = Math.min(Number(length), PACKET_BYTES / 2);
  const piece = document.slice(Number(offset), Number(offset) + most);
  return `${Number(offset) + piece.length < document.length ? 'm' : 'l'}${escaped(piece)}`;
}

/** `H` and what it is for: `g` registers and memory, `c` the older packets that let it go on. */
function choose(client: Client, rest: string): string {
  const choice = threadChoice(rest.slice(1), client.cpus);
  if (choice === undefined || !/^[gc]/.test(rest)) return NONSENSE;
  if (rest.startsWith('c')) client.stepped = typeof choice === 'number' ? choice : undefined;
  else if (typeof choice === 'number') client.vcpu = choice;
  return OK;
}

async function monitor(client: Client, rest: string): Promise<string> {
  const bytes = bytesOfHex(rest);
  if (!bytes) return NONSENSE;
  client.print(await runMonitor(client.target, client.vcpu, Buffer.from(bytes).toString('utf8')));
  return OK;
}

const threadList = ({ cpus, features }: Client) =>
  Array.from({ length: cpus }, (_, vcpu) => threadId(vcpu, features.multiprocess)).join(',');

/** For LLDB, which asks for it before it reads target.xml. */
const HOST = `triple:${textHex('x86_64-unknown-none')};ptrsize:8;endian:little;`;

/** A recording has its own: they need no hardware. */
const watchpoints = ({ target }: Client) => {
  const { abilities, past } = target.debugger;
  const works = past || abilities.kernel.hardware.write || abilities.user.hardware.write;
  return `num:${works ? HARDWARE_STOPS : 0};`;
};

/** For LLDB, which looks for free addresses before it evaluates an expression. */
async function memoryRegion({ target, vcpu }: Client, rest: string): Promise<string> {
  const address = numberOf(rest);
  if (address === undefined) return NONSENSE;
  const { memory } = await target.debugger.vcpu(vcpu);
  const { start, end, isMapped } = memory.regionAt(address);
  return `start:${start.toString(16)};size:${(end - start).toString(16)};${isMapped ? 'permissions:rwx;' : ''}`;
}

export const QUERY_PACKETS: readonly PacketRow[] = [
  ['qSupported', supported],
  ['QStartNoAckMode', () => OK],
  [
    'QEnableErrorStrings',
    (client) => {
      client.errorForm = 'string';
      return OK;
    },
  ],
  ['qXfer:', transfer],
  ['qRcmd,', monitor],
  ['qAttached', ({ target }) => (target.isOwned ? '0' : '1')],
  ['qfThreadInfo', (client) => `m${threadList(client)}`],
  ['qsThreadInfo', () => 'l'],
  [
    'qThreadExtraInfo,',
    async (client, rest) => {
      const vcpu = threadChoice(rest, client.cpus);
      return typeof vcpu === 'number' ? textHex(`vCPU ${vcpu}: ${await aboutThread(client, vcpu)}`) : NONSENSE;
    },
  ],
  ['qC', ({ vcpu, features }, rest) => (rest === '' ? `QC${threadId(vcpu, features.multiprocess)}` : UNSUPPORTED)],
  ['qSymbol', () => OK],
  ['qHostInfo', () => HOST],
  ['qProcessInfo', () => `pid:${PROCESS.toString(16)};${HOST}`],
  ['qMemoryRegionInfo:', memoryRegion],
  ['qWatchpointSupportInfo', watchpoints],
  ['H', choose],
  ['T', ({ cpus }, rest) => (typeof threadChoice(rest, cpus) === 'number' ? OK : NONSENSE)],
];
