import { expect, it } from 'vitest';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { eventually, startGuest } from './machines.ts';

const END_OF_INPUT = '\x04';

describeKvm('serial input', () => {
  it.each(['echo-polled', 'echo-irq'])('%s: what is typed comes back, a line at a time', async (name) => {
    const { started, counter } = await startGuest(name);
    await using machine = started;
    const result = machine.running.run();
    for (const line of ['one\n', 'two words\n', '\x00\x7f\xff\n']) {
      await machine.type(line);
      await eventually(`the echo of ${line}`, () => machine.said.endsWith(line));
    }
    await machine.type(END_OF_INPUT);
    expect(await result).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(counter('echo_bytes')).toBe(18);
    expect(machine.said).toBe(`${name}: type, end with Ctrl-D\none\ntwo words\n\x00\x7f\xff\n\n${name}: 18 bytes\n`);
  });

  it('more than the queue holds, while the guest is paused now and then', async () => {
    const name = 'echo-polled';
    const { started } = await startGuest(name);
    await using machine = started;
    const { running } = machine;
    const text = Array.from({ length: 400 }, (_, i) => `${i} little pigs\n`).join('');
    const result = running.run();
    let rest: Uint8Array = Buffer.from(text);
    let full = 0;
    while (rest.length > 0) {
      const taken = running.send(rest);
      if (taken < rest.length) full++;
      rest = rest.subarray(taken);
      running.pause();
      running.resume();
      await new Promise((resolve) => setTimeout(resolve, scaled(3)));
    }
    expect(full).toBeGreaterThan(0);
    await machine.type(END_OF_INPUT);
    await result;
    expect(machine.said).toBe(`${name}: type, end with Ctrl-D\n${text}\n${name}: ${text.length} bytes\n`);
  });

  it('what is typed before the guest runs waits for it; what is beyond the queue is not taken', async () => {
    const { started } = await startGuest('echo-polled');
    await using machine = started;
    const { running } = machine;
    const most = running.send(new Uint8Array(100_000).fill(0x61));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(100_000);
    expect(running.send(Buffer.from('b'))).toBe(0);
    const result = running.run();
    await machine.type(END_OF_INPUT);
    await result;
    expect(machine.said).toContain(`\n${'a'.repeat(most)}\n`);
  });

  it('without irqchip a byte becomes vector 0x24', async () => {
    const { started, counter } = await startGuest('interrupt');
    await using machine = started;
    const result = machine.running.run();
    await eventually('the guest waits', () => machine.said.includes('waiting'));
    expect(counter('interrupt_count')).toBe(0);
    await machine.type('x');
    expect(await result).toMatchObject({ reason: 'exit-port', value: 0 });
    expect(counter('interrupt_count')).toBe(1);
    expect(machine.said).toBe('interrupt: waiting for vector 0x24\ninterrupt: received\n');
  });
});

describeKvm('several processors', () => {
  it.each([2, 4])('%i start each other and are counted together', async (cpus) => {
    const { started } = await startGuest(`smp-${cpus}`);
    await using machine = started;
    const result = await machine.running.run();
    expect(result).toMatchObject({ reason: 'exit-port', value: 0, vcpu: 0 });
    expect(machine.said).toContain(`cpu ${cpus - 1}: apic id ${cpus - 1}, counted to 1000`);
    expect(result.exits.IO).toBeGreaterThan(machine.said.length);
    expect(machine.running.threads.map((thread) => thread.id)).toEqual(Array.from({ length: cpus }, (_, id) => id));
  });
});
