/** A timeline as one HTML file that needs nothing else: no network, and no script but its own. */
import { readFileSync } from 'node:fs';
import type { LiveState } from './live/live-types.ts';
import { EMPTY, html, Markup } from './parts/markup.ts';
import { policyOf } from './parts/policy.ts';
import { VIEW_STYLE } from './style.ts';
import type { TimelinePage } from './timeline.ts';

/** The program of the page, bundled by `npm run build` beside this file (the command's bundle is one folder away, too). */
const PROGRAM = new URL('../view/page.js', import.meta.url);

/**
 * JSON in a script element, which the browser keeps as it is and never runs. Without "<" nothing in it can end the element;
 * U+2028 and 2029 are line ends for some readers.
 */
export const jsonInScript = (value: unknown): string =>
  JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A script element. Its text must not have "</script". */
function script(text: string, type = 'module', id = ''): Markup {
  return new Markup(`<script type="${type}"${id === '' ? '' : ` id="${id}"`}>${text}</script>`);
}

/**
 * The file. Its policy forbids every request, and every script and style but these. With `live`, it is the page of a running
 * machine, and may ask its own server.
 */
export function renderPage({ timeline, bytes }: TimelinePage, live?: LiveState): string {
  const program = readFileSync(PROGRAM, 'utf8');
  const policy = policyOf(program, VIEW_STYLE, ...(live ? ["connect-src 'self'"] : []));
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>vmlapse view</title>
<style>${new Markup(VIEW_STYLE)}</style></head><body><div id="app"><noscript>This page needs JavaScript.</noscript></div>
${script(jsonInScript(timeline), 'application/json', 'timeline')}
${script(bytes, 'application/octet-stream;base64', 'pages')}${live ? script(jsonInScript(live), 'application/json', 'live') : EMPTY}
${script(program)}</body></html>
`.text;
}
