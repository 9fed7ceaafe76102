/**
 * How Node gets to read a learner's TypeScript. From 22.6 on Node strips types itself; for Node 20 a hook does it, by one of
 * the packages that people have anyway. Without one there is no way, and that is said.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { HostError } from '../../src/errors.ts';

type Compile = (text: string, file: string) => string;

/** Packages that can do it, and how. */
const COMPILERS: Readonly<Record<string, (module: never) => Compile>> = {
  esbuild:
    ({ transformSync }: { transformSync(text: string, options: object): { code: string } }) =>
    (text) =>
      transformSync(text, { loader: 'ts', format: 'esm', target: 'node20' }).code,
  'rolldown/utils':
    ({ transformSync }: { transformSync(file: string, text: string, options: object): Rolled }) =>
    (text, file) => {
      const { code, errors } = transformSync(file, text, { lang: 'ts', target: 'es2022' });
      if (errors[0]) throw new SyntaxError(errors[0].message);
      return code;
    },
};

interface Rolled {
  readonly code: string;
  readonly errors: readonly { readonly message: string }[];
}

const HOOK = new URL('../learn/typescript-hook.js', import.meta.url).href;
const FLAG = '--experimental-strip-types';

/** Arguments of Node for this file; none for JavaScript. Throws HostError that says what to install. */
export function typescriptArguments(file: string): readonly string[] {
  if (!file.endsWith('.ts')) return [];
  if ('typescript' in process.features && process.features.typescript) return [];
  if (process.allowedNodeEnvironmentFlags.has(FLAG)) return [FLAG, '--no-warnings'];
  if (compilerFor(file)) return ['--import', HOOK];
  throw new HostError(
    'NO_TYPESCRIPT',
    `Node ${process.versions.node} cannot read TypeScript — run \`npm install esbuild\` beside the exercises, take Node 22.18 ` +
      'or newer, or do the exercise in JavaScript: vmlapse learn start N',
  );
}

/** A compiler that is installed for the learner's file, or for this package. */
export function compilerFor(file: string): Compile | undefined {
  for (const from of [pathToFileURL(file).href, import.meta.url]) {
    const load = createRequire(from);
    for (const [name, make] of Object.entries(COMPILERS)) {
      try {
        return make(load(name) as never);
      } catch {
        // not installed there
      }
    }
  }
  return undefined;
}
