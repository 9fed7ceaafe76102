/** Where checkpoints are kept when --store does not say. */
export const defaultStore = (): string => process.env.VMLAPSE_STORE ?? '.vmlapse';
