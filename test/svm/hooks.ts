/** Module hooks (node:module register): the bare import 'vitest' means the shim. */
interface Resolved {
  readonly url: string;
  readonly shortCircuit?: boolean;
}
type Next = (specifier: string, context: unknown) => Promise<Resolved>;

const SHIM = new URL('./vitest-shim.js', import.meta.url).href;

export async function resolve(specifier: string, context: unknown, next: Next): Promise<Resolved> {
  return specifier === 'vitest' ? { url: SHIM, shortCircuit: true } : next(specifier, context);
}
