/**
 * What a row of the ioctl table says, and how the kernel packs it into a number
 * (include/uapi/asm-generic/ioctl.h; KVM's type byte is 0xAE).
 */
import type { Struct } from './struct.ts';

/** The kind of file descriptor an ioctl is issued on. */
type IoctlClass = 'system' | 'vm' | 'vcpu';

/** Direction as in _IO, _IOR, _IOW, _IOWR: what user space reads from or writes to the argument. */
type IoctlDirection = 'none' | 'R' | 'W' | 'RW';

/**
 * What the third argument of ioctl(2) is: nothing, a plain integer, or a pointer to a struct. A struct that ends in a
 * flexible array is given by its header; `entry` then is the array's element.
 */
type IoctlArgument = 'none' | 'int' | Struct | { readonly header: Struct; readonly entry: Struct };

/** One row of the table. */
export interface IoctlRow {
  readonly on: readonly IoctlClass[];
  readonly dir: IoctlDirection;
  readonly nr: number;
  readonly arg: IoctlArgument;
  /** Size packed into the number where it is not the argument's own (a few historic rows). */
  readonly encodedSize?: number;
  /** What the return value means when it is not just 0. */
  readonly returns?: string;
  /** The capability that gates it, as in KVM_CAP_…; absent: basic. */
  readonly capability?: string;
  /** Section of Documentation/virt/kvm/api.rst. */
  readonly section: string;
  /** One line: what it does. */
  readonly doc: string;
  /** Set when today's kernels no longer have it. */
  readonly removed?: { readonly since: string; readonly instead: string };
}

const KVMIO = 0xae;
const DIRECTION_BITS: Record<IoctlDirection, number> = { none: 0, W: 1, R: 2, RW: 3 };

/** Size in bytes of the struct a row's number encodes; 0 for none. */
export function encodedSize(row: IoctlRow): number {
  if (row.encodedSize !== undefined) return row.encodedSize;
  if (typeof row.arg === 'string') return 0;
  return 'header' in row.arg ? row.arg.header.size : row.arg.size;
}

/** The request number as ioctl(2) takes it: unsigned, since a negative one is answered with EINVAL. */
export function ioctlNumber(row: IoctlRow): number {
  return ((DIRECTION_BITS[row.dir] << 30) | (encodedSize(row) << 16) | (KVMIO << 8) | row.nr) >>> 0;
}

/** Makes rows for ioctls on these kinds of descriptor: direction, number, argument, section of api.rst, and the rest. */
export const on =
  (...classes: readonly IoctlClass[]) =>
  (
    dir: IoctlDirection,
    nr: number,
    arg: IoctlArgument,
    section: string,
    rest: Omit<IoctlRow, 'on' | 'dir' | 'nr' | 'arg' | 'section'>,
  ): IoctlRow => ({ on: classes, dir, nr, arg, section, ...rest });

export const system = on('system');
export const vm = on('vm');
export const vcpu = on('vcpu');
/** An argument that ends in a flexible array of entries. */
export const list = (header: Struct, entry: Struct) => ({ header, entry });
