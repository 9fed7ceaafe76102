/** Where a debugger connects: `PORT`, `HOST:PORT` or `unix:PATH`. The protocol knows no password, so by default only this host. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { UsageError } from '../../src/errors.ts';

/** A TCP port (0: any that is free), or a Unix socket. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** Where to listen if nothing is said. */
export const DEFAULT_ADDRESS: ListenAddress = { host: '127.0.0.1', port: 1234 };

/** The kernel's sun_path, its final zero not counted. */
const MOST_PATH_BYTES = 107;

/** Reads an address. `anywhere`: it need not be of this host. Throws UsageError. */
export function parseListenAddress(text: string, anywhere = false): ListenAddress {
  if (text.startsWith('unix:')) return unixAddress(text.slice('unix:'.length));
  const address = parsePort(text, 'PORT, HOST:PORT or unix:PATH');
  if (!anywhere && !isLoopback(address.host))
    throw new UsageError(
      `${address.host} can be reached by others, and GDB's protocol knows no password: add --listen-anywhere if that is meant`,
    );
  return address;
}

/** Reads `PORT` or `HOST:PORT`. `ways`: what the message offers instead of what is neither. Throws UsageError. */
export function parsePort(text: string, ways = 'PORT or HOST:PORT'): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits = ''] = /^(?:(?:\[([^\]]*)\]|([^:]*)):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 0xffff) throw new UsageError(`${JSON.stringify(text)} is no address: give ${ways}`);
  const host =
    bracketed ?? (plain === '' || plain === undefined ? '127.0.0.1' : plain === 'localhost' ? '127.0.0.1' : plain);
  if (isIP(host) === 0)
    throw new UsageError(`${JSON.stringify(host)} is no address: give the number of the host, or localhost`);
  return { host, port };
}

function unixAddress(path: string): ListenAddress {
  if (path === '' || Buffer.byteLength(path) > MOST_PATH_BYTES || path.includes('\0'))
    throw new UsageError(`unix: needs a path of 1 to ${MOST_PATH_BYTES} bytes`);
  return { path };
}

/** Whether an IP address is of this host alone. */
export const isLoopback = (host: string): boolean =>
  (isIPv4(host) && host.startsWith('127.')) || (isIPv6(host) && /^(0*:)*:?0*1$/.test(host) && host.endsWith('1'));

/** As the user gives it, and as gdb takes it in `target remote`. */
export const addressText = (address: ListenAddress): string =>
  'path' in address
    ? `unix:${address.path}`
    : `${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`;

/** As gdb takes it in `target remote`. */
export const gdbAddress = (address: ListenAddress): string => ('path' in address ? address.path : addressText(address));
