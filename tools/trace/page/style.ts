/** The style sheet of the page: light and dark as the reader has it. The step that the address names is shown; else the first. */
import { THEME } from '../../view/parts/theme.ts';

export const STYLE = `${THEME}
body { font-size: 15px; }
header, main, nav { padding: 12px 20px; }
h1 { font-size: 20px; margin: 0; } h2 { font-size: 17px; margin: 12px 0 4px; } h3 { font-size: 14px; margin: 14px 0 4px; }
p { margin: 4px 0; } header p { color: var(--quiet); }
.remark { font-weight: 600; }
a { color: var(--mark); } :focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
pre, code { font-size: 13px; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
pre.call { background: var(--paper); border: 1px solid var(--line); border-radius: 6px; padding: 10px; }
h2 code { overflow-wrap: anywhere; font-size: 15px; }
dl { margin: 0; } dt { margin-top: 6px; } dd { margin: 0; }
.go { display: flex; gap: 16px; flex-wrap: wrap; } .go > * { padding: 4px 0; }
section { display: none; }
section:target { display: block; }
main:not(:has(section:target)) section:first-of-type { display: block; }
nav { border-top: 1px solid var(--line); } nav ol { margin: 0; padding-left: 3.5em; } nav li { overflow-wrap: anywhere; }
nav a { text-decoration: none; font-size: 13px; } nav a[aria-current] { font-weight: 700; text-decoration: underline; }
@media (min-width: 900px) {
  body { height: 100vh; display: flex; flex-direction: column; }
  .both { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 1fr) 340px; border-top: 1px solid var(--line); }
  main, nav { overflow: auto; } nav { border-top: 0; border-left: 1px solid var(--line); }
}
@media print { section { display: block !important; break-inside: avoid; } nav, .go, .hint { display: none; } }
`;
