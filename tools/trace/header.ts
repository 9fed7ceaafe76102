/** The first line of a trace that is made now, on this host. */
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { kvmBackend } from '../../src/kvm/backend.ts';
import { traceClock } from '../../src/kvm/trace.ts';
import { FORMAT, TEXT_LENGTH, type TraceHeader, VERSION } from './format.ts';
import { packageFile } from './package-file.ts';

/** `what` is traced: a command line, or the file of a program; maybe that of a lesson. */
export function headerFor(what: string, lesson?: number): TraceHeader {
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string };
  return {
    format: FORMAT,
    version: VERSION,
    vmlapse: version,
    what: what.slice(0, TEXT_LENGTH),
    made: new Date().toISOString(),
    kvm: kvmBackend(),
    linux: /^[\d.]*\d/.exec(release())?.[0] ?? release(),
    ...(lesson !== undefined && { lesson }),
    origin: traceClock(),
  };
}
