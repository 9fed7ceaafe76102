/** Exercise 17: a device of your own: a counter at port 0x9a40. A checkpoint has it, a rollback brings it back. */
import { bootImage, CheckpointSession, LocalMachine, load, Machine, onPort, openStore, types } from 'vmlapse';

// Four times: in al, dx (dx is 0x9a40); out 0xe9, al. Then out 0xf4, al, which ends the guest.
const GUEST = Buffer.from(`ba409a${'ece6e9'.repeat(4)}e6f4`, 'hex');

const counter = onPort(
  { base: 0x9a40, length: 1 },
  {
    name: 'counter',
    // ▼ Your part: each read gives the next number: 1, 2, 3 … What the device remembers has to be in its record: `state` says
    //   which fields there are (types.u8, types.u32 …), and `read(state)` gets them, live.
    //- read: () => 0,
    state: { reads: types.u32 },
    read: (state) => ++state.reads,
    // ▲ End of your part.
  },
);

const machine = Machine.create({ memory: 2 ** 20, devices: [counter], irqchip: false });
bootImage(machine, load(GUEST, { format: 'flat', memoryMap: machine.memory.memoryMap }));
let read = '';
let wanted = 2;
const local = new LocalMachine(machine, {
  output: (_, bytes) => {
    read += [...bytes].join('');
  },
  served: () => (read.length >= wanted ? { reason: 'stop-point' } : undefined),
});
const store = openStore(process.env.VMLAPSE_STORE ?? '.vmlapse', { create: true });
const session = new CheckpointSession(local, store);

local.run();
session.checkpoint({ tags: ['two'] });
wanted = 4;
local.run();
console.log(`read before the rollback: ${read}`);
session.rollback(store.open('two'));
wanted = 6;
local.run();
console.log(`and after it: ${read}`);
session[Symbol.dispose]();
store[Symbol.dispose]();
