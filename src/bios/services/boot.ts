/** INT 18h and 19h: no operating system, and once more from the start. */
import type { Interrupt } from '../service.ts';

/** INT 18h: what a boot sector calls that can boot nothing. */
export const NO_BOOT: Interrupt = { services: { name: 'nothing to boot', run: () => 'no-boot' } };

/** INT 19h, and where a processor starts after a reset. */
export const BOOT: Interrupt = { services: { name: 'boot again', run: () => 'reset' } };
