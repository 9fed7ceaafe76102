/** Names of checkpoints in registries: `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`. */
import { UsageError } from '../../src/errors.ts';
import { type Digest, isDigest } from '../store/format/digest.ts';
import { isTag } from '../store/format/documents.ts';

/** A parsed reference. */
export interface RegistryReference {
  /** Scheme, host and port, as in `http://127.0.0.1:5000`. */
  readonly origin: string;
  readonly repository: string;
  /** Tag, or the digest if there is one: it decides. */
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
  const [, repository = '', tag, digest] = /^([^:@]+)(?::([^@]+))?(?:@(.+))?$/.exec(text.slice(slash + 1)) ?? [];
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
  const place = HUB.test(host) ? atHub(repository) : { origin, repository };
  if (digest === undefined) return { ...place, name: tag ?? 'latest', tag: tag ?? 'latest' };
  return { ...place, name: digest, digest: digest as Digest, ...(tag !== undefined && { tag }) };
}

/** Docker Hub: the host that users name is not the one that answers, and names of one part are its own images. */
const HUB = /^(?:index\.)?docker\.io$/i;
const atHub = (repository: string) => ({
  origin: 'https://registry-1.docker.io',
  repository: repository.includes('/') ? repository : `library/${repository}`,
});
