/** The element types of structs and of device records. */
export { array, bytes, s16, s32, s64, u8, u16, u32, u64 } from './struct.ts';
