/** The style sheet of the page of `diff --html`. */
import { THEME } from '../../../view/parts/theme.ts';

export const STYLE = `${THEME}main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 22px; margin: 0 0 4px; }
h2 { font-size: 15px; margin: 0 0 12px; }
h3 { font-size: 13px; margin: 18px 0 6px; color: var(--quiet); font-weight: 600; }
.note { color: var(--quiet); margin: 0 0 12px; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin-top: 18px;
  overflow-x: auto; }
code, .mono { font-size: 12.5px; overflow-wrap: anywhere; }
.sums { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 16px; }
.sum { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 10px 16px; min-width: 130px; }
.sum b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.sum span { color: var(--quiet); font-size: 12.5px; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; color: var(--quiet); font-weight: 600; font-size: 12.5px; }
th, td { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); vertical-align: baseline; }
tr:last-child td { border-bottom: 0; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.name { white-space: nowrap; }
td.wide { width: 45%; }
.bar { display: inline-block; height: 9px; border-radius: 2px; background: var(--heat); min-width: 2px; }
pre { margin: 2px 0 12px; font-size: 12.5px; line-height: 1.45; }
.screens { display: flex; flex-wrap: wrap; gap: 4px 18px; }
.screen { display: inline-block; background: #000; padding: 6px; border-radius: 4px; line-height: 1.2; font-size: 10.5px; }
.screen mark { outline: 1px solid var(--heat); outline-offset: -1px; }
svg { display: block; max-width: 100%; height: auto; }
svg.narrow { display: none; }
svg text { fill: var(--ink); font-size: 12.5px; font-family: system-ui, sans-serif; }
svg text.quiet { fill: var(--quiet); } svg text.tag { fill: var(--mark); }
svg .lane { fill: none; stroke: var(--quiet); stroke-width: 1.5; }
svg .dot { fill: var(--paper); stroke: var(--quiet); stroke-width: 2; }
svg .dot.side { fill: var(--mark); stroke: var(--mark); }
svg .cold { fill: var(--cold); } svg .hot { fill: var(--heat); } svg .rule { stroke: var(--line); }
svg .row { fill: var(--mark); opacity: .08; }
@media (max-width: 760px) {
  main { padding: 16px 12px 40px; }
  section { padding: 14px 12px; }
  svg.wide, .bars, .first { display: none; }
  svg.narrow { display: block; }
  th, td { padding-right: 8px; }
  td.name { white-space: normal; min-width: 4em; }
  code, .mono { font-size: 11px; }
  pre { font-size: 11px; }
  pre .other { display: block; padding-left: var(--at); }
  pre .between { display: none; }
}
`;
