/** State of a guest that runs guests itself (KVM_GET_NESTED_STATE, api.rst 4.114): SVM or VMX as the guest uses it. */
import { KvmNestedState } from '../../abi/structs.ts';

const FORMAT_SVM = 1;
/** `flags`: SVM's global interrupt flag is set, as it is where SVM is not in use. */
const GIF_SET = 0x100;
/** VMX: the guest-physical addresses of the VMXON region and of the current VMCS; all ones for none. */
const VMX_ADDRESSES = [8, 24] as const;
const HEADER_BYTES = KvmNestedState.size;

/** The state of a vCPU that has no guest under way, in the format of `like`: setting it leaves a nested guest. */
export function plainNested(like: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const state = KvmNestedState.over(bytes);
  state.format = KvmNestedState.over(like).format;
  state.size = HEADER_BYTES;
  if (state.format === FORMAT_SVM) state.flags = GIF_SET;
  else bytes.fill(0xff, ...VMX_ADDRESSES);
  return bytes;
}

/** Whether a saved state is like {@link plainNested}, or was left out. */
export function isPlainNested(bytes: Uint8Array): boolean {
  const { size, flags, format } = KvmNestedState.over(bytes);
  if (size === 0) return true;
  if (format === FORMAT_SVM) return flags === GIF_SET;
  return flags === 0 && bytes.subarray(...VMX_ADDRESSES).every((byte) => byte === 0xff);
}

/** The part as it is to be stored: what KVM left unused at its end is cut off. Throws RangeError for too few bytes. */
export function usedNested(bytes: Uint8Array): Uint8Array {
  const { size } = KvmNestedState.over(bytes);
  if (size < HEADER_BYTES || size > bytes.length)
    throw new RangeError(`${size} bytes of nested state in ${bytes.length}`);
  return bytes.subarray(0, size);
}
