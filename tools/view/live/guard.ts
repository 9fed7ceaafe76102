/**
 * Who may ask the page's server for anything. It listens on this host alone, but other users of the host can connect to it, and
 * so can any page that is open in the user's browser. So each request has to show that it is from our own page: its path has
 * the token, which only the URL that the command prints knows; its Host is ours, which stops a name that was made to point
 * here (DNS rebinding); and where the browser names an Origin, that is ours, too.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What is known of the server. */
export interface DoorFacts {
  readonly token: string;
  /** Values of Host that name it: "127.0.0.1:8000", "localhost:8000". */
  readonly hosts: readonly string[];
}

/** The part of a request that decides. */
export interface Asked {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** What is asked for, behind the token: "", "timeline", "act"; or the status that refuses it, and why. */
export type Answer = { readonly what: string } | { readonly status: number; readonly why: string };

const refuse = (status: number, why: string): Answer => ({ status, why });

/** The same for every request, as an order would leave gaps. */
export function guard({ method, url = '', headers }: Asked, { token, hosts }: DoorFacts): Answer {
  if (!hosts.includes(headers.host ?? '')) return refuse(421, 'this server has another name');
  const ours = hosts.map((host) => `http://${host}`);
  if (headers.origin !== undefined && !ours.includes(headers.origin)) return refuse(403, 'asked by another page');
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return refuse(403, 'asked by another page');
  const [, given = '', what, ...rest] = url.split('/');
  if (!sameText(given, token)) return refuse(404, 'no such page: use the URL that vmlapse view printed');
  if (what === undefined || rest.length > 0) return refuse(404, 'no such page');
  if (method === 'POST') {
    if (headers.origin === undefined) return refuse(403, 'a change has to come from the page');
    if (headers['content-type'] !== 'application/json') return refuse(415, 'give JSON');
  } else if (method !== 'GET') return refuse(405, 'GET or POST');
  return { what };
}

/** Takes the same time wherever they differ. */
function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
