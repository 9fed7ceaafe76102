/** What a service of the BIOS is, and how the tables of services are searched. */
import type { BiosCall } from './call.ts';

/**
 * What comes of a call. Nothing: it returns to the caller. `wait`: it is made again after the next interrupt; `again`: at
 * once. `unserved`: the service is not there. `reset`, `no-boot` and `fault` end the run.
 */
export type Outcome = 'wait' | 'again' | 'unserved' | 'reset' | 'no-boot' | 'fault' | undefined;

/** A service: its name for people, and what it does. */
export interface Service {
  readonly name: string;
  readonly run: ((call: BiosCall) => Outcome) | ((call: BiosCall) => void);
}

/** Services by function: the number in AH; above 0xff, that in AX. */
export type Services = Readonly<Record<number, Service>>;

/** A row of a table of services: the function's number, its name, and what it does. */
export type ServiceRow = readonly [number: number, name: string, run: Service['run']];

/** A table of services from its rows. */
export const byFunction = (rows: readonly ServiceRow[]): Services =>
  Object.fromEntries(rows.map(([number, name, run]) => [number, { name, run }]));

/** An interrupt. */
export interface Interrupt {
  /** By function; or one that has no functions. */
  readonly services: Services | Service;
  /** What a caller finds in its registers when a function is not there. Default: carry, and 86h in AH. */
  unserved?(call: BiosCall): void;
  /** Why functions are not there, by the number in AH, or above 0xff in AX. */
  readonly absent?: readonly (readonly [number: number, why: string])[];
}

const isOne = (services: Services | Service): services is Service => 'run' in services;

/** The service that a call asks for. */
export function serviceOf({ services }: Interrupt, { a }: BiosCall): Service | undefined {
  if (isOne(services)) return services;
  return services[a.x > 0xff ? a.x : -1] ?? services[a.h];
}
