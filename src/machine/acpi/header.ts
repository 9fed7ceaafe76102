/** The header of a table (ACPI specification 6.5, section 5.2.6). */
import { ascii, type Bytes, uint, withChecksum } from './bytes.ts';

const CHECKSUM_AT = 9;
const HEADER_BYTES = 36;
const CREATOR_REVISION = 1;

/** A table: 36 bytes of header, whose checksum makes all bytes add up to 0, then `body`. */
export const table = (signature: string, revision: number, body: Bytes): Uint8Array =>
  Uint8Array.from(
    withChecksum(
      [
        ...ascii(signature, 4),
        ...uint(HEADER_BYTES + body.length, 4),
        revision,
        0,
        ...ascii('VMLAPS', 6),
        ...ascii('VMLAPSE', 8),
        ...uint(1, 4),
        ...ascii('VMLA', 4),
        ...uint(CREATOR_REVISION, 4),
        ...body,
      ],
      CHECKSUM_AT,
    ),
  );
