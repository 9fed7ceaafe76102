import { expect, it } from 'vitest';
import { Cleanup } from '../../src/ffi/cleanup.ts';

/** Makes three things, and perhaps fails; returns the names of what was disposed of, in order. */
function disposed(end: (made: Cleanup) => void): string[] {
  const gone: string[] = [];
  const thing = (name: string) => ({ name, [Symbol.dispose]: () => void gone.push(name) });
  try {
    using made = new Cleanup();
    expect(made.use(thing('first')).name).toBe('first');
    made.defer(() => gone.push('second'));
    made.use(thing('third'));
    end(made);
  } catch (error) {
    gone.push((error as Error).message);
  }
  return gone;
}

it('what was made is undone in reverse order, unless it is kept', () => {
  expect(disposed(() => {})).toEqual(['third', 'second', 'first']);
  expect(disposed((made) => made.keep())).toEqual([]);
});

it('the error that led there is the one that is thrown', () => {
  const failing = (made: Cleanup) => {
    made.defer(() => {
      throw new Error('while undoing');
    });
    throw new Error('the cause');
  };
  expect(disposed(failing)).toEqual(['third', 'second', 'first', 'the cause']);
});
