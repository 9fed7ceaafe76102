/** Names of checkpoints in registries: `HOST[:PORT]/REPOSITORY[:TAG]` or `…@DIGEST`. */
import { UsageError } from '../../src/errors.ts';
import { type Digest, isDigest } from '../store/format/digest.ts';
import { isTag } from '../store/format/documents.ts';

/** A parsed reference. */
export interface RegistryReference {
  /** Scheme, host and port, as in `http://127.0.0.1:5000`. */
  readonly origin: string;
  readonly repository: string;
  /** Tag or digest. */
  readonly name: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

// OCI distribution specification, "Pulling manifests": the grammar of repository names.
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const HOST = /^(?:localhost|\[[0-9a-fA-F:]+\]|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(?::\d{1,5})?$/;

/** True for names and addresses that stay on this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);
}

/** Parses a reference; without a tag it means `latest`. Throws UsageError. */
export function parseReference(text: string, plainHttp = false): RegistryReference {
  const slash = text.indexOf('/');
  const host = text.slice(0, Math.max(0, slash));
  const [, repository = '', tag, digest] = /^([^:@]+)(?::([^@]+)|@(.+))?$/.exec(text.slice(slash + 1)) ?? [];
  const problem = !HOST.test(host)
    ? 'it must start with a host, as in localhost:5000/'
    : !REPOSITORY.test(repository) || repository.length > 255
      ? 'the repository must be lower-case letters and digits, separated by ".", "_", "-" and "/"'
      : tag !== undefined && !isTag(tag)
        ? 'the tag has characters that tags cannot have'
        : digest !== undefined && !isDigest(digest)
          ? 'the digest must be sha256: and 64 hex digits'
          : undefined;
  if (problem)
    throw new UsageError(`${JSON.stringify(text)} is no registry reference: ${problem}`, { reference: text });
  const url = new URL(`http://${host}`);
  const origin = plainHttp || isLoopback(url.hostname) ? url.origin : new URL(`https://${host}`).origin;
  if (digest !== undefined) return { origin, repository, name: digest, digest: digest as Digest };
  return { origin, repository, name: tag ?? 'latest', tag: tag ?? 'latest' };
}
