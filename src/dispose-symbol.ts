/**
 * Node 20 defines Symbol.dispose in its main context alone; vitest's pools vmThreads and vmForks run tests in a new one.
 * Imported first by every entry of the package: a class that is declared without the symbol cannot be disposed.
 */
for (const name of ['dispose', 'asyncDispose'] as const) {
  if (!Symbol[name]) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}

export {};
