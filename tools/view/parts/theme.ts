/** Colours and type of the pages, light and dark as the reader has it: one place, so that a colour means the same on each. */
export const THEME = `
:root { color-scheme: light dark; --ink: #1c2230; --quiet: #5b6475; --line: #e1e5ec; --paper: #fff; --ground: #f5f6f9;
  --heat: #d9480f; --before: #b42318; --after: #067647; --mark: #3538cd; --cold: #eceef3; --often: #e8a35b; --held: #a9b8d6;
  --soft: #fff1e6; --on-mark: #fff; --edge: #c3cad6; --hot-ink: #a8380b; --ring: #3538cd55; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ee; --quiet: #9aa5b6; --line: #2c3340; --paper: #171b24;
  --ground: #0f1218; --heat: #ff8a3d; --before: #fda29b; --after: #75e0a7; --mark: #a4bcfd; --cold: #222835; --often: #8f5a2a;
  --held: #46577c; --soft: #33251b; --on-mark: #10131a; --edge: #465064; --hot-ink: #ffb180; --ring: #a4bcfd66; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; }
code, .mono, svg text.mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
.before { color: var(--before); } .after { color: var(--after); } .quiet { color: var(--quiet); }
.tag { color: var(--mark); font-weight: 600; }
`;
