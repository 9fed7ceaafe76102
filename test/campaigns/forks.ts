/**
 * `npm run forks [-- N [SEED[:FIRST] [shipped|linux]]]`: N forks of one checkpoint, of which each must know that it is a copy. The
 * shipped guest says the generation of its machine, another one in each fork. `linux`: Debian's kernel reads /dev/urandom,
 * which gives the same bytes in each copy unless the kernel has heard of the new generation: two forks that are not told are
 * compared first. Where Linux cannot run here, it does on the second host that the environment names ($SVMHOST).
 */
import { fileURLToPath } from 'node:url';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { forkPool } from '../../snapshot/fork-pool.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { openStore } from '../../snapshot/store/store.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { machineFor } from '../real/boot.ts';
import type { RealGuest } from '../real/guests.ts';
import { linuxElf, shellInitramfs } from '../real/linux.ts';
import { drive } from '../snapshot/driver.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { kvmProblem } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { type Campaign, runCampaign, type Tally } from './campaign.ts';
import { hereOrThere, type There } from './there.ts';

const STANDARD = 1000;
const LIMIT_MS = scaled(25_000);
const BOOT_MS = scaled(120_000);
/** The second host: four minutes for the start of Linux. */
const THERE: There = {
  program: fileURLToPath(import.meta.url),
  words: ['linux'],
  seconds: (forks) => 240 + 12 * forks,
};

const READY = 'now save this machine';
/** 16 bytes in hexadecimal digits, in a line of their own. */
const BYTES = /([0-9a-f]{32})\r?\n/;

/** A kernel with CONFIG_VMGENID, which Debian's kernel for clouds has not. */
const LINUX: RealGuest = {
  name: 'Linux that reads /dev/urandom',
  packages: ['linux-image-amd64', 'busybox-static'],
  image: () => linuxElf('linux-image-amd64'),
  ramMiB: 256,
  load: () => ({
    cmdline: 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable',
    modules: [{ name: 'initramfs', bytes: shellInitramfs(readsRandom(READY)) }],
  }),
  dialogue: [],
  seconds: 120,
  notOnPvm: 'its emulator does not take Linux past the first lines of the kernel',
};

const readsRandom = (ready: string) => `mount -t devtmpfs dev /dev
head -c 16 /dev/urandom | hexdump -ve '1/1 "%02x"' >/dev/null
echo "${ready}"
usleep 200000
head -c 16 /dev/urandom | hexdump -ve '1/1 "%02x"'
echo
exec sh`;

/** A machine in this thread, and what its guest has said. */
class Heard {
  said = '';
  readonly local: LocalMachine;

  constructor(machine: Machine) {
    this.local = new LocalMachine(machine, {
      output: (channel, bytes) => {
        if (channel === 'serial') this.said += Buffer.from(bytes).toString('latin1');
      },
      served: () => (this.#until.test(this.said) ? { reason: 'stop-point' } : undefined),
    });
  }

  #until = BYTES;

  /** Runs the guest until it has said this since the last call. Throws when that does not come. */
  runUntil(expression: RegExp, timeoutMs: number): string {
    this.#until = expression;
    this.said = '';
    const { reason } = this.local.advance(timeoutMs);
    const found = expression.exec(this.said);
    if (!found)
      throw new Error(`${reason} before ${expression}; the guest said ${JSON.stringify(this.said.slice(-300))}`);
    return found[1]!;
  }
}

/** Runs `count` forks to what each of them says, which must not be in `seen`, and adds it. */
function compare(checkpoint: Checkpoint, { first, count }: Campaign, tally: Tally, seen: Set<string>): void {
  const heard = new Map<Machine, Heard>();
  using pool = forkPool(checkpoint, {
    local: (machine) => {
      const one = new Heard(machine);
      heard.set(machine, one);
      return one.local;
    },
  });
  for (let number = first; number < first + count && !tally.hopeless; number++) {
    try {
      using fork = pool.take();
      const bytes = [...heard.values()].find(({ local }) => local === fork.local)!.runUntil(BYTES, LIMIT_MS);
      if (seen.has(bytes)) tally.fail(number, `fork ${number}: ${bytes}, which another has, too`);
      else tally.pass();
      seen.add(bytes);
    } catch (error) {
      tally.fail(number, `fork ${number}: ${error}`);
    }
  }
}

/** The shipped guest: its machine's generation, 0 before the copies. */
function shipped(campaign: Campaign, tally: Tally): void {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  const { driver } = drive('generation', {}, true);
  using _driver = driver;
  while (!driver.said.includes('\n')) driver.go(1);
  using session = new CheckpointSession(driver.local, store);
  using checkpoint = store.open(session.checkpoint().digest);
  compare(checkpoint, campaign, tally, new Set(['0'.repeat(32)]));
}

function linux(campaign: Campaign, tally: Tally): void {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  using machine = machineFor(LINUX);
  const first = new Heard(machine);
  using local = first.local;
  first.runUntil(new RegExp(`(${READY})\r?\n`), BOOT_MS);
  using session = new CheckpointSession(local, store);
  using checkpoint = store.open(session.checkpoint().digest);
  const untold = [1, 2].map(() => fromTemplate(checkpoint));
  const areSame = untold[0] === untold[1];
  console.log(`two forks that are not told read ${areSame ? 'the same bytes' : 'different bytes'}`);
  if (areSame) compare(checkpoint, campaign, tally, new Set(untold));
  else tally.fail(campaign.first, 'forks of this guest differ also where they are not told: it shows nothing');
}

/** What a fork says that keeps the generation. */
function fromTemplate(checkpoint: Checkpoint): string {
  using template = new ForkTemplate(checkpoint, { generation: 'keep' });
  const { machine, load } = template.fork();
  using _machine = machine;
  const heard = new Heard(machine);
  using local = heard.local;
  load(local);
  return heard.runUntil(BYTES, LIMIT_MS);
}

await runCampaign('forks', STANDARD, ['shipped', 'linux'], async (campaign, tally) => {
  const problem = kvmProblem();
  if (problem !== undefined && process.env.REQUIRE_KVM === '1') tally.fail(campaign.first, `no usable KVM: ${problem}`);
  else if (campaign.kind === 'linux') await hereOrThere(campaign, LINUX, undefined, linux, THERE, tally);
  else if (problem === undefined) shipped(campaign, tally);
  else tally.skip(`no usable KVM: ${problem}`, campaign.count);
});
