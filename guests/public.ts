/// <reference lib="esnext.disposable" preserve="true" />
/// <reference types="node" preserve="true" />
/** `import … from 'vmlapse/guests'`: the shipped guests, what each does, and how to talk to their named words. */
import '../src/errors.ts'; // first: it defines Symbol.dispose where that is missing

export { COUNTERS, type CounterName, EXIT_CODES, MEMORY, PARAMETERS, type ParameterName, PORTS } from './contract.ts';
export * from './invariants.ts';
export { type Ending, type Expectation, exitStatus, GUESTS, type Guest, guestNamed, guestPath } from './list.ts';
export { type GuestWord, guestSymbols, guestWord, readGuest, withParameters } from './symbols.ts';
