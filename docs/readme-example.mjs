import { bootImage, load, Machine, readImage, runHere } from 'vmlapse';
import { guestPath } from 'vmlapse/guests';

const machine = Machine.create({ memory: 64 * 2 ** 20 });
const file = readImage(guestPath('hello-long'));
bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }));

const result = runHere(machine, { output: (_, bytes) => void process.stdout.write(bytes) });
console.log(result.reason, result.value, result.exits.IO);

file[Symbol.dispose]();
machine[Symbol.dispose]();
