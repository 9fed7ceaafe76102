/** The MMIO half of the bus: devices by guest-physical address. Few devices use it, so a short list is searched. */
import { hex } from '../abi/numbers.ts';
import { UsageError } from '../errors.ts';
import { type Device, load, type StopRequest, store, type Width } from './device.ts';
import type { UnclaimedCounter } from './unclaimed.ts';

interface Claim {
  readonly base: number;
  readonly end: number;
  readonly device: Device;
}

/** Claims of guest-physical memory, and accesses of any length split into what the devices take. */
export class MmioMap {
  readonly #claims: Claim[] = [];
  readonly #unclaimed: UnclaimedCounter;

  constructor(unclaimed: UnclaimedCounter) {
    this.#unclaimed = unclaimed;
  }

  /** Adds a device's ranges. Throws UsageError, and changes nothing, if one of them is taken, empty or no address. */
  attach(device: Device): void {
    const added = (device.mmio ?? []).map(({ base, length }) => ({ base, end: base + length, device }));
    for (const claim of added) {
      if (!(Number.isSafeInteger(claim.base) && Number.isSafeInteger(claim.end) && claim.base >= 0))
        throw new UsageError(`device ${device.name} claims MMIO at ${claim.base}, which is no guest-physical address`);
      if (claim.end <= claim.base)
        throw new UsageError(`device ${device.name} claims an empty MMIO range at ${hex(claim.base)}`);
      const other = this.#claims.find((c) => claim.base < c.end && c.base < claim.end);
      if (other)
        throw new UsageError(
          `device ${device.name} wants MMIO ${span(claim)}, but ${span(other)} belongs to ${other.device.name}; leave one out`,
          { device: device.name, other: other.device.name, gpa: Math.max(claim.base, other.base) },
        );
    }
    this.#claims.push(...added);
  }

  /** Fills `bytes` from `gpa` on. */
  read(gpa: number, bytes: Uint8Array): void {
    this.#eachPiece(gpa, bytes.length, (claim, at, width) => {
      if (claim) store(bytes, at, width, claim.device.read(gpa + at, width));
      else bytes[at] = 0xff;
      return undefined;
    });
  }

  /** Writes `bytes` from `gpa` on; the first stop request is the answer. */
  write(gpa: number, bytes: Uint8Array): StopRequest | undefined {
    return this.#eachPiece(gpa, bytes.length, (claim, at, width) =>
      claim?.device.write(gpa + at, width, load(bytes, at, width)),
    );
  }

  /** Cuts an access into naturally aligned pieces that one device takes whole, and single bytes where no device is. */
  #eachPiece(
    gpa: number,
    length: number,
    visit: (claim: Claim | undefined, at: number, width: Width) => StopRequest | undefined,
  ): StopRequest | undefined {
    let stop: StopRequest | undefined;
    let missed = false;
    for (let at = 0; at < length; ) {
      const address = gpa + at;
      const claim = this.#claims.find((c) => address >= c.base && address < c.end);
      const width = claim ? pieceWidth(claim, address, length - at) : 1;
      const asked = visit(claim, at, width);
      stop ??= asked;
      if (!claim && !missed) this.#unclaimed.count('mmio', address);
      missed ||= !claim;
      at += width;
    }
    return stop;
  }
}

function pieceWidth(claim: Claim, address: number, left: number): Width {
  const most = Math.min(claim.device.widest ?? 1, left, claim.end - address);
  if (most >= 4 && address % 4 === 0) return 4;
  return most >= 2 && address % 2 === 0 ? 2 : 1;
}

const span = ({ base, end }: Claim) => `${hex(base)}..${hex(end - 1)}`;
