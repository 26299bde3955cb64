/** The style of the reference: light and dark as the reader's system, one column on phones and on paper. */
export const style = `
:root {
  color-scheme: light dark;
  --text: #1c2430; --muted: #5a6675; --line: #dfe4ea; --back: #ffffff; --soft: #f5f7f9; --link: #0b57a4;
  --in: #0b6b46; --in-back: #e2f4ec; --out: #7a3d9a; --out-back: #f3e8f8; --rest: #0b57a4; --rest-back: #e3eefa; --mark: #fff3bf;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #dde4ec; --muted: #98a5b3; --line: #2c3541; --back: #12171d; --soft: #1a2028; --link: #7fb8f0;
    --in: #6fd3a6; --in-back: #14342a; --out: #d3a2ec; --out-back: #35213f; --rest: #8fc1f5; --rest-back: #17304a; --mark: #4d4216;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; overflow-wrap: break-word; font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--text); background: var(--back); }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
code, pre { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; padding: .5rem 1rem; background: var(--back); z-index: 2; }
.page { display: grid; grid-template-columns: 17rem minmax(0, 1fr); max-width: 92rem; margin: 0 auto; }
.side { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem 1rem 2rem 1.5rem; border-right: 1px solid var(--line); font-size: 14px; }
.side h1 { font-size: 1.15rem; margin: 0; }
.side .version { color: var(--muted); margin: 0 0 1rem; font-size: 13px; }
.search { width: 100%; padding: .45rem .6rem; font: inherit; color: inherit; background: var(--back); border: 1px solid var(--muted); border-radius: 6px; }
.found { min-height: 1.4rem; margin: .2rem 0 .4rem; color: var(--muted); font-size: 12.5px; }
.side summary { cursor: pointer; padding: .15rem 0; font-weight: 600; }
.side ul { list-style: none; margin: 0 0 .6rem; padding: 0; }
.side li a { display: flex; gap: .4rem; padding: .1rem .3rem; border-radius: 4px; color: var(--text); overflow-wrap: anywhere; }
.side li a:hover { background: var(--soft); text-decoration: none; }
.side li.top a { font-weight: 600; padding-left: 0; }
.side .way { flex: none; width: 3.2em; color: var(--muted); font-size: 11px; line-height: 1.9; white-space: nowrap; }
main { padding: 1.5rem 2rem 6rem; }
main a:not(.self) { text-decoration: underline; text-underline-offset: 2px; }
h2 { font-size: 1.5rem; margin: 3rem 0 .3rem; padding-top: 1rem; border-top: 2px solid var(--line); }
section:first-child h2 { margin-top: 0; border-top: 0; padding-top: 0; }
.where { color: var(--muted); margin: 0 0 1rem; }
article { border-top: 1px solid var(--line); padding: 1.3rem 0 1rem; }
.columns { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 0 2rem; }
h3 { margin: 0; font-size: 1.05rem; display: flex; flex-wrap: wrap; align-items: center; gap: .2rem .6rem; overflow-wrap: anywhere; }
h3 code { font-size: 15px; font-weight: 600; }
h3 .self { color: inherit; }
h3 .self:hover::after, h3 .self:focus::after { content: " #"; color: var(--muted); }
.badge { flex: none; font-size: 11.5px; font-weight: 600; padding: .1rem .5rem; border-radius: 1rem; white-space: nowrap; }
.badge.in { color: var(--in); background: var(--in-back); }
.badge.out { color: var(--out); background: var(--out-back); }
.badge.rest { color: var(--rest); background: var(--rest-back); }
article > p { margin: .3rem 0 .6rem; max-width: 46rem; }
.facts { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: 0 0 .6rem; padding: 0; list-style: none; color: var(--muted); font-size: 13.5px; }
.facts b { font-weight: 600; color: var(--text); }
h4 { margin: .9rem 0 .3rem; font-size: 12.5px; font-weight: 600; color: var(--muted); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; font-weight: 600; color: var(--muted); font-size: 12px; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:first-child { overflow-wrap: anywhere; }
th:first-child { width: 30%; }
th:nth-child(2) { width: 30%; }
.errors th:nth-child(n), .costs th:nth-child(n) { width: auto; }
.errors td:first-child, .costs td:first-child { white-space: nowrap; }
.costs { max-width: 46rem; }
.where { max-width: 54rem; }
td:last-child { white-space: pre-line; padding-right: 0; min-width: 9rem; }
.parent { color: var(--muted); }
.optional { color: var(--muted); font-size: 12px; font-style: italic; white-space: nowrap; }
.bounds { color: var(--muted); }
.value { margin: .2rem 0; font-size: 13.5px; }
pre { margin: 0 0 .6rem; padding: .7rem .9rem; background: var(--soft); border: 1px solid var(--line); border-radius: 6px; max-height: 24rem; overflow: auto; font-size: 12.5px; tab-size: 2; }
:target > h3 code, tr:target { background: var(--mark); }
[hidden] { display: none !important; }
@media (max-width: 68rem) { .columns { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 48rem) {
  .page { display: block; }
  .side { position: static; height: auto; max-height: 45vh; border-right: 0; border-bottom: 1px solid var(--line); padding: 1rem; }
  main { padding: 1rem 1rem 4rem; }
  thead { display: none; }
  tr { display: block; padding: .35rem 0; border-bottom: 1px solid var(--line); }
  td { display: inline-block; padding: 0 .6rem 0 0; border: 0; }
  td:last-child { display: block; padding: .1rem 0 0; }
  td:last-child:empty { display: none; }
}
@page { margin: 14mm; }
@media print {
  :root { --text: #000; --muted: #444; --line: #bbb; --back: #fff; --soft: #fff; --link: #000; --in: #000; --out: #000; --rest: #000; --in-back: #fff; --out-back: #fff; --rest-back: #fff; --mark: #fff; }
  body { font-size: 8.5pt; }
  table, .value { font-size: 8pt; }
  code { font-size: 7.5pt; }
  .side, .skip { display: none; }
  main a:not(.self) { text-decoration: none; }
  .page { display: block; max-width: none; }
  .columns { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
  main { padding: 0; }
  .badge { border: 1px solid #999; }
  pre { max-height: none; overflow: visible; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 6.5pt; padding: .4rem .6rem; }
  h2, h3, h4 { break-after: avoid; }
  .facts, h4, th, .optional { font-size: 8pt; }
  h2 { font-size: 14pt; margin-top: 1.5rem; }
  h3 code { font-size: 10pt; }
  article { padding: .8rem 0 .4rem; }
  th, td { padding: .15rem .6rem .15rem 0; }
  tr { break-inside: avoid; }
  article[hidden], section[hidden] { display: block !important; }
}
`;
