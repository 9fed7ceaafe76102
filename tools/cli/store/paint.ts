/** Colour, on terminals that want it. */
import { styleText } from 'node:util';

/** The styles in use, by what they mean. */
const STYLES = {
  digest: 'yellow',
  tag: ['bold', 'green'],
  label: 'cyan',
  heading: 'bold',
  quiet: 'dim',
  before: 'red',
  after: 'green',
} as const satisfies Record<string, Parameters<typeof styleText>[0]>;

export type Style = keyof typeof STYLES;

/** Wraps text in a style, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/** No colour at all. */
export const plainText: Paint = (_, text) => text;

/** Colour, wherever it goes. */
export const colourful: Paint = (style, text) => {
  const format = STYLES[style];
  return styleText(typeof format === 'string' ? format : [...format], text);
};

/** True for a terminal with colours; NO_COLOR (no-color.org) and a dumb terminal turn them off. */
export const wantsColour = (stream: NodeJS.WriteStream = process.stdout): boolean =>
  stream.isTTY === true && !process.env.NO_COLOR && stream.hasColors();

/** The paint for a stream. */
export const paintFor = (stream: NodeJS.WriteStream = process.stdout): Paint =>
  wantsColour(stream) ? colourful : plainText;
