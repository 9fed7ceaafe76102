/** Content digests: the only names by which blobs are known, and the only way a name becomes a path. */
import { createHash } from 'node:crypto';
import { CheckpointError } from '../../../src/errors.ts';

/** `sha256:` and 64 lower-case hex digits, as in the OCI image specification. */
export type Digest = `sha256:${string}`;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** True for a well-formed sha256 digest. */
export function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && DIGEST.test(value);
}

/** The digest of some bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The 32 raw bytes of sha256. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

/** The 64 hex digits of a digest: a file name without any special character. */
export function hexOf(digest: Digest): string {
  return digest.slice(7);
}

/** A failure of the store: `code` is stable, the message names the thing, the place and the cure. */
export function storeError(code: string, message: string, details: Record<string, unknown> = {}, cause?: unknown) {
  return new CheckpointError(code, message, details, cause);
}

/** True for the errors that say that something is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof CheckpointError && error.code === 'NOT_FOUND';
}

/** Damage: bytes that are not what their digest or the format says. */
export function corrupt(where: string, what: string, details: Record<string, unknown> = {}): CheckpointError {
  const cure = '`vmlapse verify` says what is lost, and `vmlapse verify --repair --from SOURCE` fetches it again';
  return storeError('CORRUPT', `${where}: ${what} — ${cure}`, { where, what, ...details });
}

/** What is wrong, without the cure. */
export function problemOf({ message, details: { where, what } }: CheckpointError): string {
  return typeof where === 'string' && typeof what === 'string' ? `${where}: ${what}` : message;
}
