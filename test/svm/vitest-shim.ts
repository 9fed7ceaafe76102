/**
 * What the tests import from 'vitest', made of the parts vitest is built from. Loading these takes a second where the
 * whole of vitest takes half a minute, on a host whose processor is emulated.
 */
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  customMatchers,
  GLOBAL_EXPECT,
  getState,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect';
import { getCurrentTest } from '@vitest/runner';

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, onTestFinished, suite, test } from '@vitest/runner';

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

interface Assertion {
  withTest(test: unknown): Assertion;
}

/** JestExtend gives chai.expect this; the published types know only the form with one argument. */
interface Extendable {
  extend(expect: Expect, matchers: object): void;
}

const globals = globalThis as unknown as Record<symbol, object>;
type Expect = Parameters<typeof getState>[0];

function build(): Expect {
  const assertThat = (value: unknown, message?: string) => {
    const assertion = chai.expect(value, message) as unknown as Assertion;
    const current = getCurrentTest();
    return current ? assertion.withTest(current) : assertion;
  };
  const made = Object.assign(assertThat, chai.expect, globals[ASYMMETRIC_MATCHERS_OBJECT]) as unknown as Expect;
  const tools = {
    getState: () => getState(made),
    setState: (state: Parameters<typeof setState>[0]) => setState(state, made),
    extend: (matchers: object) => (chai.expect as unknown as Extendable).extend(made, matchers),
    unreachable: (message?: string) => chai.assert.fail(message ?? 'this line must not be reached'),
  };
  Object.assign(made, tools);
  globals[GLOBAL_EXPECT] = made;
  setState({ assertionCalls: 0, isExpectingAssertions: false, expectedAssertionsNumber: null } as never, made);
  tools.extend(customMatchers);
  return made;
}

export const expect = build();
