/** When vCPUs are assisted, as an option: the owner of their threads needs no more of the assist than this. */
import { oneOf } from '../../options.ts';

/** `auto` is on if the KVM backend is PVM or unknown. */
export type AssistMode = 'auto' | 'on' | 'off';
/** The kind of an option that is an {@link AssistMode}. */
export const ASSIST_MODE = oneOf('auto', 'on', 'off');
