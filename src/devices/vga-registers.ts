/**
 * The registers of a VGA by name, and their values in mode 3: colour text, 80 columns and 25 rows of 9x16 dots, as a BIOS
 * leaves it (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem").
 */

/** The register files, as bytes by index. */
export interface VgaRegisters {
  /** Miscellaneous output. */
  readonly misc: number;
  readonly crtc: Uint8Array;
  readonly sequencer: Uint8Array;
  readonly graphics: Uint8Array;
  readonly attributes: Uint8Array;
  /** The DAC: red, green and blue of 256 colours, 6 bits each. */
  readonly dac: Uint8Array;
}

/** Registers of each file. */
export const VGA_SIZES = { CRTC: 25, SEQUENCER: 5, GRAPHICS: 9, ATTRIBUTES: 21, DAC: 768 } as const;

/** CRT controller registers that a text screen depends on. */
export const CRTC = {
  COLUMNS_LESS_ONE: 0x01,
  OVERFLOW: 0x07,
  CHARACTER_HEIGHT: 0x09,
  CURSOR_START: 0x0a,
  CURSOR_END: 0x0b,
  START_HIGH: 0x0c,
  START_LOW: 0x0d,
  CURSOR_HIGH: 0x0e,
  CURSOR_LOW: 0x0f,
  PROTECT: 0x11,
  LINES_LESS_ONE: 0x12,
  OFFSET: 0x13,
} as const;

/** Bit 0 of miscellaneous output: the CRT controller is at 0x3d4, as for colour, not at 0x3b4. */
export const MISC_COLOUR = 0x01;
/** Graphics register 6: bit 0 is graphics mode, bits 2 and 3 say which addresses are the display's. */
export const GRAPHICS_MISC = 6;
/** Attribute register 0x10: bit 0 is graphics mode, bit 3 makes an attribute's bit 7 blink instead of a bright background. */
export const ATTRIBUTE_MODE = 0x10;
export const ATTRIBUTE_BLINK = 0x08;

/** Whether the display is in a graphics mode. */
export const isGraphics = ({ graphics, attributes }: Pick<VgaRegisters, 'graphics' | 'attributes'>): boolean =>
  ((graphics[GRAPHICS_MISC]! | attributes[ATTRIBUTE_MODE]!) & 1) !== 0;

/** Register values as hexadecimal digits; spaces are for the eye. */
const values = (text: string) => Uint8Array.from(text.match(/[0-9a-f]{2}/g) ?? [], (byte) => Number.parseInt(byte, 16));

/** Six-bit levels of a colour number of the EGA: two bits each of red, green and blue. */
function egaColour(number: number): number[] {
  return [2, 1, 0].map((bit) => ((number >> bit) & 1) * 0x2a + ((number >> (bit + 3)) & 1) * 0x15);
}

/** Mode 3. */
export const TEXT_MODE: VgaRegisters = {
  misc: 0x67,
  crtc: values('5f4f50825581bf1f 004f0d0e00000000 9c8e8f281f96b9a3 ff'),
  sequencer: values('0300030002'),
  graphics: values('0000000000100e0fff'),
  attributes: values('0001020304051407 38393a3b3c3d3e3f 0c000f0800'),
  dac: Uint8Array.from(
    Array.from({ length: VGA_SIZES.DAC / 3 }, (_, number) => (number < 64 ? egaColour(number) : [0, 0, 0])).flat(),
  ),
};
