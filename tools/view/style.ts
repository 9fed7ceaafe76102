/** The style sheet of the page of `vmlapse view`. */
import { THEME } from './parts/theme.ts';

export const VIEW_STYLE = `${THEME}
html { scrollbar-gutter: stable; }
body { font-size: 14.5px; }
code, .mono { font-size: .93em; }
h1 { font-size: 17px; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 15px; margin: 0; }
h3 { font-size: 13px; margin: 0 0 6px; color: var(--quiet); font-weight: 600; }
p, dl, ul { margin: 0; padding: 0; }
ul { list-style: none; }
a { color: var(--mark); }
bdi { overflow-wrap: anywhere; }
button, select { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--edge); border-radius: 7px;
  padding: 4px 12px; min-height: 32px; }
button { cursor: pointer; }
button:hover:not(:disabled, [aria-disabled=true]) { border-color: var(--mark); }
button:disabled, button[aria-disabled=true] { color: var(--quiet); cursor: default; background: none; }
button.main { background: var(--mark); border-color: var(--mark); color: var(--on-mark); min-width: 84px; font-weight: 600; }
button.link { border: 0; background: none; padding: 0; min-height: 0; color: var(--mark); text-decoration: underline;
  text-underline-offset: 2px; text-align: left; }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; border-radius: 4px; }
summary { cursor: pointer; padding: 5px 0; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.strong { color: var(--ink); font-weight: 600; }
.right { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.chip, .badge { font-size: 12px; font-weight: 600; border-radius: 20px; padding: 1px 9px; }
.chip { color: var(--on-mark); background: var(--mark); }
.badge { color: var(--hot-ink); background: var(--soft); }

header { position: sticky; top: 0; z-index: 2; background: var(--paper); border-bottom: 1px solid var(--line);
  padding: 12px max(20px, calc((100vw - 2200px) / 2)) 10px; }
header .title { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 14px; margin-bottom: 4px; }
main { max-width: 2240px; margin: 0 auto; padding: 18px 20px 60px; }
.tree { position: relative; }
.tree .cursor { position: absolute; top: 0; left: 0; pointer-events: none; will-change: translate; }
.tree svg { display: block; cursor: pointer; touch-action: pan-y; user-select: none; }
.tree text { font: 12px system-ui, sans-serif; fill: var(--quiet); } .tree text.tag { fill: var(--mark); font-weight: 600; }
.tree .edges { fill: none; stroke: var(--quiet); stroke-width: 1.5; }
.tree .dots { fill: var(--paper); stroke: var(--quiet); stroke-width: 1.5; }
.tree .dots.bad { fill: var(--before); stroke: var(--before); }
.tree .bars { fill: var(--often); }
.tree .here { stroke: var(--mark); stroke-width: 1; stroke-dasharray: 2 3; }
.tree .now { fill: var(--mark); stroke: var(--paper); stroke-width: 2; }
.tree .pinned { fill: none; stroke: var(--after); stroke-width: 2.5; }
input[type=range]:focus-visible { outline: none; }
input[type=range]:focus-visible::-webkit-slider-thumb { box-shadow: 0 0 0 1px var(--mark), 0 0 0 6px var(--ring); }
input[type=range]:focus-visible::-moz-range-thumb { box-shadow: 0 0 0 1px var(--mark), 0 0 0 6px var(--ring); }
input[type=range] { display: block; width: 100%; margin: 0; height: 22px; accent-color: var(--mark); appearance: none; background: none;
  cursor: pointer; }
input[type=range]::-webkit-slider-runnable-track { height: 4px; border-radius: 2px; background: var(--edge); }
input[type=range]::-webkit-slider-thumb { appearance: none; width: 20px; height: 20px; margin-top: -8px; border-radius: 50%;
  background: var(--mark); border: 3px solid var(--paper); box-shadow: 0 0 0 1px var(--mark); }
input[type=range]::-moz-range-track { height: 4px; border-radius: 2px; background: var(--edge); }
input[type=range]::-moz-range-thumb { width: 14px; height: 14px; border-radius: 50%; background: var(--mark);
  border: 3px solid var(--paper); box-shadow: 0 0 0 1px var(--mark); }
.buttons { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; margin-top: 6px; }
.jump { margin-left: auto; min-width: 0; display: flex; align-items: center; gap: 8px; }
.jump select { max-width: min(320px, 60vw); text-overflow: ellipsis; }
.live { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 10px; margin: 4px 0 8px; }
.live .dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; background: var(--quiet); }
.stepped { flex-basis: 100%; } .stepped .values { margin: 6px 0 0; } h3.since { margin-top: 10px; }
.live .dot.running { background: var(--after); } .live .dot.paused { background: var(--heat); }

.moment { display: grid; grid-template-columns: 1fr auto; gap: 2px 24px; align-items: center; margin: 0 2px 16px; }
.names { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 10px; }
.names h2 { font-size: 22px; letter-spacing: -.01em; } .names .number { color: var(--quiet); font-weight: 500; }
.facts { display: flex; flex-wrap: wrap; gap: 0 18px; grid-column: 1; }
.versus { grid-column: 2; grid-row: 1 / span 2; display: flex; flex-wrap: wrap; align-items: center; gap: 8px 12px;
  justify-content: flex-end; }

.card { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; min-width: 0; }
.card > h2 { margin-bottom: 10px; } .card > .buttons { margin: 0 0 8px; } .card > .buttons + div .values { margin: 8px 0 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 16px; }
.cards > div { display: flex; flex-direction: column; gap: 16px; min-width: 0; }
main > .card + .card, .cards + .card { margin-top: 16px; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 16px; margin-bottom: 10px; }
.groups { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 18px 28px; }
.groups > div { min-width: 0; }
.groups.flow { display: block; columns: 320px; column-gap: 28px; } .flow > div { break-inside: avoid-column; margin-bottom: 16px; }
.scroll { overflow-x: auto; }

table { border-collapse: collapse; width: 100%; }
th { font-weight: inherit; text-align: left; }
thead th { color: var(--quiet); font-size: 12.5px; }
.places th, .places td { padding: 4px 0 4px 14px; border-top: 1px solid var(--line); vertical-align: baseline; }
.places thead th { border: 0; } .places th:first-child { padding-left: 0; }
meter { display: block; width: 100%; height: 5px; margin-top: 3px; border: 0; border-radius: 3px; background: none; appearance: none; }
meter::-webkit-meter-bar { background: none; border: 0; height: 5px; border-radius: 3px; }
meter::-webkit-meter-optimum-value { background: var(--often); border-radius: 3px; }
meter::-moz-meter-bar { background: var(--often); }
.writer { display: block; font-size: 12.5px; color: var(--quiet); }
.values { display: flex; flex-wrap: wrap; gap: 6px 10px; margin-bottom: 12px; }
.values li { background: var(--soft); border-radius: 8px; padding: 4px 10px; }

.registers { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 1px 12px; margin: 0 -6px; }
.registers div { display: flex; flex-wrap: wrap; gap: 0 8px; padding: 2px 6px; border-radius: 6px; }
.registers dt { width: 2.8em; color: var(--quiet); } .registers dd { margin: 0; }
.changed { background: var(--soft); }
.registers .was { display: block; font-size: .86em; }
.was { color: var(--before); } .fields .was { display: block; font-size: .92em; }
.flags { margin: 10px 0 4px; }
.flags ul { display: flex; flex-wrap: wrap; gap: 5px; margin-top: 4px; }
.flags li { border: 1px solid var(--edge); border-radius: 7px; padding: 1px 7px; font-size: 12.5px; color: var(--quiet); }
.flags li.set { color: var(--ink); border-color: var(--ink); font-weight: 600; }
.flags li.changed { background: var(--soft); border-color: var(--heat); box-shadow: 0 0 0 1px var(--heat); }
.flags .bit { margin-left: 5px; font-variant-numeric: tabular-nums; }
.fields { font-size: 13px; } .fields th, .fields td { padding: 2px 8px 2px 6px; vertical-align: top; overflow-wrap: anywhere; }
.fields th { white-space: nowrap; color: var(--quiet); width: 1%; } .meaning { color: var(--quiet); }

.code, .bytes table { font: 12.5px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; width: auto; }
.code td, .bytes td { padding: 0 14px 0 0; white-space: pre; }
.code { margin-top: 6px; } .code td:first-child { padding-left: 14px; }
.code .next td { background: var(--soft); font-weight: 600; } .code .next td:first-child { box-shadow: inset 4px 0 var(--heat); }
.code .raw { max-width: 17ch; overflow: hidden; text-overflow: ellipsis; }
pre { margin: 0; font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; overflow: auto; }
.serial { max-height: 280px; overflow-y: auto; } .serial pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.serial ins { text-decoration: none; background: var(--soft); }
.screen { background: #000; padding: 8px; border-radius: 6px; } .screen pre { line-height: 1.2; font-size: 10.5px; overflow: visible; }
.screen .line.changed { background: none; box-shadow: -4px 0 var(--heat); }

.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin-left: auto; color: var(--quiet); font-size: 13px; }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; vertical-align: -1px; }
.swatch.cold { background: var(--cold); box-shadow: inset 0 0 0 1px var(--edge); } .swatch.held { background: var(--held); }
.swatch.often { background: var(--often); } .swatch.heat { background: var(--heat); }
.zoom { display: flex; gap: 4px; } .zoom button { width: 34px; padding: 0; }
.map { max-height: 420px; overflow: auto; padding: 2px; } .map canvas { display: block; cursor: crosshair; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)); gap: 6px 24px; }
.beside > div { min-width: 0; }
.blame { margin-bottom: 8px; }
.readout { min-height: 1.5em; margin: 0 0 8px; font-weight: 600; overflow-wrap: anywhere; }
.bytes { max-height: 440px; overflow: auto; border-top: 1px solid var(--line); padding-top: 8px; }
.bytes b.after { background: var(--soft); } .bytes .old td { padding-bottom: 4px; }
.facts-list > div { margin-bottom: 8px; } .facts-list dt { color: var(--quiet); font-size: 13px; } .facts-list dd { margin: 0; overflow-wrap: anywhere; }
.command { display: inline-block; background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: 2px 8px;
  user-select: all; overflow-wrap: anywhere; }
.left li { margin-bottom: 6px; }
@media (max-width: 700px) {
  header { position: static; padding: 10px 12px; } main { padding: 14px 12px 40px; }
  .moment { grid-template-columns: 1fr; } .versus { grid-column: 1; grid-row: auto; justify-content: flex-start; margin-top: 6px; }
  .card { padding: 14px 12px; } .jump { margin-left: 0; }
  .legend { margin-left: 0; }
}
`;
