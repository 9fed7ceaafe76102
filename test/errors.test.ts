import { once } from 'node:events';
import { constants } from 'node:os';
import { MessageChannel } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as family from '../src/errors.ts';
import {
  CheckpointError,
  ControlError,
  DiskError,
  errnoName,
  errorFromData,
  errorToData,
  GuestFault,
  GuestMemoryError,
  HostError,
  KvmError,
  LoadError,
  TraceError,
  UsageError,
  VmlapseError,
} from '../src/errors.ts';

const SAMPLES: readonly VmlapseError[] = [
  new KvmError('KVM_RUN', constants.errno.EFAULT, 'memory is gone', { vcpu: 1 }),
  new HostError('NO_TIMER', 'timer_create: EAGAIN', { errno: 11 }),
  new DiskError('ENOSPC', 'disk.img: no space', constants.errno.ENOSPC, { offset: 512 }),
  new GuestMemoryError('OUTSIDE_RAM', 'a read of 1 bytes at 0x10', { gpa: 16, length: 1 }),
  new LoadError('BAD_FIELD', 'e_machine is 3', { field: 'e_machine', found: 3, expected: 62 }),
  new CheckpointError('DIGEST', 'the blob is damaged', { digest: 'sha256:00' }),
  new GuestFault('TRIPLE_FAULT', 'the guest reset itself', { rip: 0xffff_ffff_8000_0000n }),
  new ControlError('NO_MACHINE', 'no machine is called web', { name: 'web' }),
  new TraceError('NOT_A_TRACE', 'x.trace is no trace', { version: 2 }),
  new UsageError('--cpus must be a number', { option: 'cpus' }),
];

const rebuilt = (error: unknown) => errorFromData(errorToData(error));

describe('the error family', () => {
  it('has a sample here of every class that is exported', () => {
    const classes = Object.values(family).filter(
      (value) => typeof value === 'function' && value.prototype instanceof VmlapseError,
    );
    expect(SAMPLES.map((error) => error.constructor).sort()).toEqual(classes.sort());
  });

  it.each(SAMPLES)('$name knows its class, code, message and details', (error) => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(VmlapseError);
    expect(error.name).toBe(error.constructor.name);
    expect(error.code).toMatch(/^[A-Z0-9_]+$/);
    expect(Object.keys(error.details).length).toBeGreaterThan(0);
    expect(String(error)).toBe(`${error.name}: ${error.message}`);
  });

  it('keeps the cause', () => {
    const cause = new Error('disk full');
    expect(new CheckpointError('WRITE', 'not written', {}, cause).cause).toBe(cause);
    expect('cause' in new CheckpointError('WRITE', 'not written')).toBe(false);
  });
});

describe('a KvmError', () => {
  it('says ioctl, errno by name, and the hint', () => {
    const error = new KvmError('KVM_CREATE_VM', constants.errno.EINVAL, 'try 0');
    expect(error.message).toBe('KVM_CREATE_VM: EINVAL — try 0');
    expect(error).toMatchObject({
      code: 'EINVAL',
      errno: constants.errno.EINVAL,
      ioctl: 'KVM_CREATE_VM',
      hint: 'try 0',
    });
    expect(new KvmError('KVM_CREATE_VM', constants.errno.EPERM).message).toBe('KVM_CREATE_VM: EPERM');
  });

  it('has a number for an errno without a name', () => {
    expect(errnoName(constants.errno.ENOTTY)).toBe('ENOTTY');
    expect(errnoName(99_999)).toBe('errno 99999');
    expect(new KvmError('KVM_RUN', 99_999).code).toBe('errno 99999');
  });
});

describe('an error as data', () => {
  it.each(SAMPLES)('comes back as $name with everything it knew', (error) => {
    const again = rebuilt(error) as VmlapseError;
    expect(again).toBeInstanceOf(error.constructor);
    expect(again).toBeInstanceOf(Error);
    expect(String(again)).toBe(String(error));
    expect(again).toMatchObject({ name: error.name, code: error.code, message: error.message, details: error.details });
    expect(again.stack).toBe(error.stack);
    if (error instanceof KvmError) {
      const { ioctl, errno, hint } = error;
      expect(again).toMatchObject({ ioctl, errno, hint });
    }
  });

  it.each(SAMPLES)('$name survives the way to another thread, and back again', async (error) => {
    const { port1, port2 } = new MessageChannel();
    const arrival = once(port2, 'message') as Promise<[ReturnType<typeof errorToData>]>;
    port1.postMessage(errorToData(error));
    const [data] = await arrival;
    port1.close();
    expect(errorToData(errorFromData(data))).toEqual(errorToData(error));
  });

  it('is not misled by details that are called like fields of the error', () => {
    const names = ['name', 'code', 'message', 'stack', 'details', 'cause', '__proto__', 'constructor', 'toString'];
    const details = fc.dictionary(fc.constantFrom(...names, 'field', 'offset'), fc.oneof(fc.string(), fc.integer()));
    fc.assert(
      fc.property(fc.string(), details, (message, particulars) => {
        const error = new LoadError('BAD', message, particulars);
        const again = rebuilt(error) as LoadError;
        expect(again).toBeInstanceOf(LoadError);
        expect([again.name, again.code, again.message, again.stack]).toEqual([
          'LoadError',
          'BAD',
          message,
          error.stack,
        ]);
        expect(again.details).toEqual(particulars);
      }),
    );
  });

  it('keeps the name and message of errors that are not of the family', () => {
    const again = rebuilt(new RangeError('too far'));
    expect(again).toMatchObject({ name: 'RangeError', message: 'too far' });
    expect(errorToData(new RangeError('too far')).code).toBe('INTERNAL');
    expect(rebuilt('just text').message).toBe('just text');
    expect(rebuilt(undefined).message).toBe('undefined');
  });

  it('is JSON but for bigints, which the family allows', () => {
    for (const error of SAMPLES.filter((e) => !(e instanceof GuestFault))) {
      const data = errorToData(error);
      expect(JSON.parse(JSON.stringify(data))).toEqual(data);
    }
  });
});
