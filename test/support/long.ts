/** Whether the long forms of tests are wanted, which take minutes: VMLAPSE_LONG=1. */
export const LONG = process.env.VMLAPSE_LONG === '1';
