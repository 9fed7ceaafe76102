/** What a test says about the guest it wants. */
import type { LoadOptions } from '../../loaders/image.ts';
import { LOAD_OPTIONS } from '../../loaders/index.ts';
import { UsageError } from '../../src/errors.ts';
import { CLOCK_MODE, type ClockMode } from '../../src/kvm/state/vm-state.ts';
import {
  BOOLEAN,
  isObject,
  MILLISECONDS,
  NUMBER,
  type OptionKind,
  type OptionKinds,
  oneOf,
} from '../../src/options.ts';

/**
 * How far a guest runs: until it has printed a text on its serial port (from here on; an expression sees the last
 * 4 KiB); until a text is on its screen (looked for after each exit, some times a second while there are none, and at the
 * guest's end; text that stands there already counts); or until it has read or written an I/O port.
 */
export type Until =
  | { readonly serial: string | RegExp }
  | { readonly screen: string | RegExp }
  | { readonly port: number };

/** How to run. */
export interface GuestRunOptions {
  /** Where to stop. Default: where the guest ends. */
  readonly until?: Until;
  /** Milliseconds. Default: that of {@link GuestTestOptions}. */
  readonly timeoutMs?: number;
}

/**
 * How tests are kept apart. "rollback": one machine, put back before each test; the fastest, one test at a time.
 * "fork": each test has a machine of its own that shares the memory of the booted one until it writes; tests may run
 * concurrently.
 */
export type Isolation = 'rollback' | 'fork';

/** A guest, how it is booted, and how tests get it. Loader options are those of `vmlapse/loaders`. */
export interface GuestTestOptions extends Omit<LoadOptions, 'memoryMap'> {
  /** Path of the image, or its bytes. */
  readonly image: string | Uint8Array;
  /** RAM in bytes, a multiple of 4096 from 1 MiB. Default 16 MiB. */
  readonly memory?: number;
  /** In-kernel interrupt controllers and timer. Default true. */
  readonly irqchip?: boolean;
  /** How far it is booted before its state is taken: "start" (nothing has run yet; the default), "end", or a place. */
  readonly until?: Until | 'start' | 'end';
  /**
   * Record each guest from its first instruction on, so that `guest.blame()` can say who has changed a piece of memory.
   * Each test boots the guest anew then, on a machine with its interrupt controllers and timer in user space.
   */
  readonly record?: boolean;
  /** Default "rollback". */
  readonly isolation?: Isolation;
  /** Milliseconds after which booting, and each run, is given up. Default 4000, since a test of vitest has 5000. */
  readonly timeoutMs?: number;
  /** Whether the guest's clock goes on from where it stood ("resume", the default) or jumps to now. */
  readonly clock?: ClockMode;
}

const PLACES = ['serial', 'screen', 'port'];
const UNTIL: OptionKind = {
  wanted: '{ serial }, { screen } or { port }',
  fits: (value) => isObject(value) && PLACES.some((place) => place in value),
};
const IMAGE: OptionKind = {
  wanted: 'a path, or the bytes of an image',
  fits: (value) => typeof value === 'string' || ArrayBuffer.isView(value),
};
const BOOTED: OptionKind = {
  wanted: `'start', 'end', ${UNTIL.wanted}`,
  fits: (value) => value === 'start' || value === 'end' || UNTIL.fits(value),
};

/** The kinds of {@link GuestRunOptions}. */
export const GUEST_RUN_OPTIONS: OptionKinds<GuestRunOptions> = { until: UNTIL, timeoutMs: MILLISECONDS };

const { memoryMap: _, ...LOADING } = LOAD_OPTIONS;

/** The kinds of {@link GuestTestOptions}. */
export const GUEST_TEST_OPTIONS: OptionKinds<GuestTestOptions> = {
  ...LOADING,
  image: IMAGE,
  memory: NUMBER,
  irqchip: BOOLEAN,
  until: BOOTED,
  record: BOOLEAN,
  isolation: oneOf('rollback', 'fork'),
  timeoutMs: MILLISECONDS,
  clock: CLOCK_MODE,
};

/** What does not go with `record`, and why. */
const NOT_RECORDED: readonly (readonly [option: string, given: (options: GuestTestOptions) => boolean, why: string])[] =
  [
    ['isolation', ({ isolation }) => isolation !== undefined, 'each test boots a guest of its own'],
    ['clock', ({ clock }) => clock !== undefined, 'each test boots the guest, and none is put back'],
    ['irqchip: true', ({ irqchip }) => irqchip === true, "the timers of the kernel's chips cannot be logged"],
  ];

/** Throws UsageError for options that do not go with `record`. */
export function checkRecorded(options: GuestTestOptions): void {
  for (const [option, isGiven, why] of NOT_RECORDED)
    if (isGiven(options)) throw new UsageError(`record does not go with ${option}: ${why}; leave one of them out`);
}

/** Those that are the loader's. */
export const loadOptionsOf = (options: GuestTestOptions): Omit<LoadOptions, 'memoryMap'> =>
  Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(LOADING, name)));

/** The default of {@link GuestTestOptions.timeoutMs}. */
export const DEFAULT_TIMEOUT_MS = 4000;
/** The default of {@link GuestTestOptions.memory}. */
export const DEFAULT_MEMORY = 16 * 2 ** 20;
