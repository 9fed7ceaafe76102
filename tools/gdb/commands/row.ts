/** A packet that is served: how it begins, and what answers it. */
import type { Client } from '../client.ts';

/** Answers a packet, given what follows its beginning. '' says that it is not supported; undefined: it has no answer. */
export type Serve = (client: Client, rest: string) => string | undefined | Promise<string | undefined>;

/** See the file's header. */
export type PacketRow = readonly [start: string, serve: Serve];

export const OK = 'OK';
/** For a packet that is no whole one. */
export const NONSENSE = 'E02';
export const UNSUPPORTED = '';
