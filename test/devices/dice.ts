/** A device of one's own, as a module that vCPU threads import: counts, and adds an offset written to it. */
import { onMmio, onPort, types } from '../../index.ts';

export const counter = onPort(
  { base: 0x9a40, length: 1 },
  {
    name: 'counter',
    state: { reads: types.u32, offset: types.u8 },
    widest: 1,
    read: (state) => state.reads++ + state.offset,
    write(state, _port, _width, value) {
      state.offset = value;
    },
  },
);

export const window = onMmio(
  { base: 0xe000_0000, length: 8 },
  { name: 'window', read: (_state, address) => address & 0xff },
);

export default [counter, window];
