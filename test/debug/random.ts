/** Numbers that are the same each time (Lehmer, modulus 2^31 - 1). */
export function randomFrom(seed: number): (below: number) => number {
  let state = (seed * 48_271) % 0x7fff_ffff;
  return (below) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state % below;
  };
}
