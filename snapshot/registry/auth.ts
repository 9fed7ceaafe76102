/**
 * How a registry wants to be asked: the WWW-Authenticate challenge (RFC 9110, section 11) and the token service that
 * registries use with it.
 */
import { storeError } from '../store/format/digest.ts';

/** What the user has to prove who they are. */
export type Credentials = { readonly username: string; readonly password: string } | { readonly token: string };

/** A challenge, parsed. */
interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  readonly parameters: Readonly<Record<string, string>>;
}

/** Parses the challenges of a 401 answer and takes the one to follow: bearer before basic. */
export function parseChallenge(header: string | null): Challenge | undefined {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const part =
    /\s*,?\s*(?:([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([A-Za-z][A-Za-z0-9_-]*)(?=\s|,|$))/gy;
  for (let match = part.exec((header ?? '').slice(0, 8192)); match; match = part.exec(header!.slice(0, 8192))) {
    const [, name, quoted, plain, scheme] = match;
    const current = challenges.at(-1);
    if (scheme) challenges.push({ scheme: scheme.toLowerCase(), parameters: {} });
    else if (name && current) current.parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain!;
  }
  for (const wanted of ['bearer', 'basic'] as const) {
    const found = challenges.find(({ scheme }) => scheme === wanted);
    if (found) return { scheme: wanted, parameters: found.parameters };
  }
  return undefined;
}

/** The value of an Authorization header for basic authentication. */
export function basicHeader({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

/** The address to ask for a token. Throws REGISTRY_PROTOCOL where the challenge names none that can be trusted. */
export function tokenUrl({ parameters }: Challenge, scope: string, allowed: (url: URL) => boolean): URL {
  const { realm, service } = parameters;
  const url = realm !== undefined && URL.canParse(realm) ? new URL(realm) : undefined;
  if (!url || !allowed(url) || url.username || url.password)
    throw storeError(
      'REGISTRY_PROTOCOL',
      realm === undefined
        ? 'the registry wants a token and names no service for it — is it an OCI registry?'
        : `the registry sends us for a token to ${JSON.stringify(realm).slice(0, 200)}, which is no https address — ` +
            'use a registry with a secure token service, or --plain-http if you trust the network',
    );
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', parameters.scope ?? scope);
  return url;
}
