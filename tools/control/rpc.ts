/** JSON-RPC 2.0 (jsonrpc.org/specification), one object a line: requests are read, answers and notifications written. */
import { errorToData, VmlapseError } from '../../src/errors.ts';
import { isObject } from './schema.ts';

/** Error codes of the specification, and REFUSED: the machine refused, and `data` has the reason. */
export const RPC = {
  PARSE_ERROR: -32700,
  INVALID_REQUEST: -32600,
  METHOD_NOT_FOUND: -32601,
  INVALID_PARAMS: -32602,
  INTERNAL: -32603,
  REFUSED: -32000,
} as const;

type RequestId = string | number | null;

/** A request; without an id it is a notification, which gets no answer. */
interface RpcRequest {
  readonly id?: RequestId;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** An error as the specification has it. */
export interface RpcErrorData {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** A fault in a request. `id` is the request's, if it could be read. */
export class RpcError extends Error {
  readonly code: number;
  readonly id: RequestId;

  constructor(code: number, message: string, id: RequestId = null) {
    super(message);
    this.code = code;
    this.id = id;
  }
}

/** Answers repeat the id exactly, so a number that JSON cannot represent exactly is refused. */
const isId = (id: unknown): id is RequestId =>
  id === null || typeof id === 'string' || (typeof id === 'number' && Math.abs(id) <= Number.MAX_SAFE_INTEGER);

/** Reads one request. Throws RpcError. */
export function parseRequest(line: string): RpcRequest {
  const message = parseJson(line);
  if (Array.isArray(message)) throw new RpcError(RPC.INVALID_REQUEST, 'batches are not served: send one object a line');
  if (!isObject(message)) throw new RpcError(RPC.INVALID_REQUEST, 'a request is a JSON object');
  const { jsonrpc, id, method, params = {} } = message;
  if (id !== undefined && !isId(id))
    throw new RpcError(RPC.INVALID_REQUEST, 'id must be a string, a number below 2^53 or null');
  const known = id ?? null;
  if (jsonrpc !== '2.0') throw new RpcError(RPC.INVALID_REQUEST, 'jsonrpc must be "2.0"', known);
  if (typeof method !== 'string') throw new RpcError(RPC.INVALID_REQUEST, 'method must be a string', known);
  if (!isObject(params)) throw new RpcError(RPC.INVALID_PARAMS, 'params must be an object: give them by name', known);
  return { ...(id !== undefined && { id }), method, params };
}

/** Parses JSON. Throws RpcError. */
function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new RpcError(RPC.PARSE_ERROR, `not JSON: ${(error as Error).message.slice(0, 120)}`);
  }
}

/** Digits of a fraction: nanoseconds, for times in milliseconds. */
const DECIMALS = 6;

/** Replacer for JSON.stringify: bigints as hex strings, bytes as base64, fractions rounded to {@link DECIMALS} digits. */
export function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'number' && !Number.isInteger(value)) return Number(value.toFixed(DECIMALS));
  return value;
}

const line = (message: object) => `${JSON.stringify({ jsonrpc: '2.0', ...message }, jsonValue)}\n`;

/** A request as a line. */
export const requestLine = (id: number, method: string, params: object): string => line({ id, method, params });

/** A result as a line. */
export const resultLine = (id: RequestId, result: unknown): string => line({ id, result });

/** A notification as a line. */
export const notificationLine = (method: string, params: object): string => line({ method, params });

/** An error as a line. A VmlapseError keeps its class and code, so that the client can construct it again. */
export function errorLine(id: RequestId, thrown: unknown): string {
  const { stack: _, ...data } = errorToData(thrown);
  if (thrown instanceof RpcError) return line({ id, error: { code: thrown.code, message: thrown.message } });
  const code = thrown instanceof VmlapseError ? RPC.REFUSED : RPC.INTERNAL;
  return line({ id, error: { code, message: data.message, data } });
}
