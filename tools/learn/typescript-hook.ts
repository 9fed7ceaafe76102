/** Node 20, which cannot read TypeScript: loads .ts files outside node_modules by a compiler that is installed. */
import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { compilerFor } from './typescript.ts';

type Next = (url: string, context: object) => Promise<unknown>;

/** Node calls this in the thread of its hooks for each module. */
export async function load(url: string, context: object, next: Next): Promise<unknown> {
  if (!url.startsWith('file:') || !url.endsWith('.ts') || url.includes('/node_modules/')) return next(url, context);
  const file = fileURLToPath(url);
  const source = compilerFor(file)!(readFileSync(file, 'utf8'), file);
  return { format: 'module', shortCircuit: true, source };
}

if (isMainThread) register(import.meta.url);
