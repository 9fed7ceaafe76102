/** What a benchmark is to the harness. */
import type { Result } from './report.ts';

/** One benchmark; it may report several results. */
export interface Bench {
  /** What the filter argument matches. */
  readonly name: string;
  run(): Promise<readonly Result[]>;
}

/** Thrown by a benchmark that cannot run here; the harness says why and goes on. */
export class Skip extends Error {}
