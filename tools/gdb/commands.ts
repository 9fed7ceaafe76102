/** Every packet that is served. The first row whose beginning fits counts, so longer ones come before shorter ones. */
import { BREAKPOINT_PACKETS } from './commands/breakpoints.ts';
import { MEMORY_PACKETS } from './commands/memory.ts';
import { QUERY_PACKETS } from './commands/queries.ts';
import { REGISTER_PACKETS } from './commands/registers.ts';
import type { PacketRow } from './commands/row.ts';
import { RUNNING_PACKETS } from './commands/running.ts';

/** See the file's header. */
export const COMMANDS: readonly PacketRow[] = [
  ...QUERY_PACKETS,
  ...RUNNING_PACKETS,
  ...REGISTER_PACKETS,
  ...MEMORY_PACKETS,
  ...BREAKPOINT_PACKETS,
];
