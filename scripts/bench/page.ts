import { toMachineLine } from './machine.js';
import type { Report, ScenarioResult } from './results.js';
import { toText } from './table.js';

const LABEL_WIDTH = 150;
const BAR_WIDTH = 420;
const ROW_HEIGHT = 26;
const COLORS = ['#2563eb', '#94a3b8', '#cbd5e1', '#e2e8f0'];

/** The report as one HTML file without scripts or external resources. */
export const toPage = ({ suite, startedAt, machine, notes, scenarios }: Report): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Benchmark: ${escapeHtml(suite)}</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; color: #0f172a; max-width: 760px; margin: 40px auto; padding: 0 16px; }
  h2 { font-size: 17px; margin: 32px 0 4px; } h2 small { font-weight: normal; color: #64748b; }
  svg { display: block; width: 100%; font-size: 13px; } .muted { color: #64748b; }
  td { padding: 2px 16px 2px 0; } .over { color: #b91c1c; font-weight: 600; } .holds { color: #15803d; }
</style>
<h1>Benchmark: ${escapeHtml(suite)}</h1>
<p class="muted">${escapeHtml(startedAt)} · ${escapeHtml(toMachineLine(machine))}</p>
${notes.map((note) => `<p>${escapeHtml(note)}</p>`).join('\n')}
${scenarios.map(toSection).join('\n')}
</html>
`;

const toSection = (
  scenario: ScenarioResult,
): string => `<h2>${escapeHtml(scenario.name)} <small>${escapeHtml(scenario.unit)}</small></h2>
${toChart(scenario)}
<table>${scenario.ratios.map(toRatioRow).join('')}</table>`;

function toRatioRow({ of, against, value, bound, isWithinBound }: ScenarioResult['ratios'][number]): string {
  const spread = `${toText(value.lowerQuartile)} to ${toText(value.upperQuartile)}`;
  const verdict =
    bound === undefined ? '' : `<span class="${isWithinBound === true ? 'holds' : 'over'}">at most ${bound}</span>`;
  return `<tr><td>${escapeHtml(of)} / ${escapeHtml(against)}</td><td><b>${toText(value.median)}</b></td><td class="muted">${spread}</td><td>${verdict}</td></tr>`;
}

/** Bars from zero, with a thin line for the interquartile range. */
function toChart({ lines }: ScenarioResult): string {
  const longest = Math.max(...lines.map(({ value }) => value.upperQuartile));
  const toX = (value: number): number => LABEL_WIDTH + (value / longest) * BAR_WIDTH;
  const bars = lines.map(({ label, value }, index) => {
    const top = index * ROW_HEIGHT;
    const middle = top + ROW_HEIGHT / 2;
    return `<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escapeHtml(label)}</text>
<rect x="${LABEL_WIDTH}" y="${top + 4}" width="${(toX(value.median) - LABEL_WIDTH).toFixed(1)}" height="${ROW_HEIGHT - 8}" fill="${COLORS[index % COLORS.length]}"/>
<path d="M${toX(value.lowerQuartile).toFixed(1)} ${middle}H${toX(value.upperQuartile).toFixed(1)}" stroke="#0f172a"/>
<text x="${(toX(value.upperQuartile) + 8).toFixed(1)}" y="${middle + 4}">${toText(value.median)}</text>`;
  });
  const size = `0 0 ${LABEL_WIDTH + BAR_WIDTH + 80} ${lines.length * ROW_HEIGHT}`;
  return `<svg viewBox="${size}" role="img">${bars.join('\n')}</svg>`;
}

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
