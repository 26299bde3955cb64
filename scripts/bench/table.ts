import { toMachineLine } from './machine.js';
import type { Report, ScenarioResult } from './report.js';
import type { Summary } from './statistics.js';

/** The report as text. */
export function toTable({ suite, machine, notes, scenarios }: Report): string {
  const title = `${suite}: ${toMachineLine(machine)}`;
  return [title, ...notes, '', ...scenarios.flatMap(toRows)].join('\n');
}

function toRows({ name, unit, lines, ratios }: ScenarioResult): string[] {
  const width = Math.max(...lines.map(({ label }) => label.length));
  return [
    `${name} (${unit})`,
    ...lines.map(({ label, value, operationsPerSecond }) => {
      const rate = operationsPerSecond === undefined ? '' : `  ${Math.round(operationsPerSecond)}/s`;
      return `  ${label.padEnd(width)}  ${toCell(value)}${rate}`;
    }),
    ...ratios.map(({ of, against, value, bound, isWithinBound }) => {
      const verdict = bound === undefined ? '' : `  bound ${bound}: ${isWithinBound === true ? 'holds' : 'EXCEEDED'}`;
      return `  = ${of} / ${against}: ${toCell(value)}${verdict}`;
    }),
    '',
  ];
}

const toCell = ({ median, lowerQuartile, upperQuartile }: Summary): string =>
  `${toText(median).padStart(8)}  (${toText(lowerQuartile)} to ${toText(upperQuartile)})`;

/** Three significant digits. */
export const toText = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.max(value, 0.01)))));
