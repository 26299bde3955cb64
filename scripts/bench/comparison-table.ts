import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContestantName, contestantNames } from './contestants.js';
import type { Figures } from './figures.js';
import { describeMachine, toMachineLine } from './machine.js';
import type { Bound, Row } from './scenarios.js';
import { summarize } from './statistics.js';
import { toText } from './table.js';

/** A row with what was measured. */
export interface TableRow extends Omit<Row, 'unit'> {
  readonly unit?: Row['unit'] | 'KiB';
  readonly setting: string;
  /** One measurement for each round. */
  readonly cells: Map<ContestantName, Figures[]>;
}

/** Adds a measurement to a row, if there is one. */
export function noteFigures(row: TableRow | undefined, name: ContestantName, figures: Figures): void {
  row?.cells.set(name, [...(row.cells.get(name) ?? []), figures]);
}

/** A row as a line of text, each figure with the name of its server. @param rows those that its bounds refer to */
export function toProgress(row: TableRow, rows: readonly TableRow[]): string {
  const columns = contestantNames.filter((name) => row.cells.has(name));
  const [name = '', ...cells] = toCells(row, { columns, rows });
  const figures = columns.map((column, n) => `${column} ${cells[n]}`);
  return [name, ...figures, ...cells.slice(columns.length).filter((cell) => cell !== '')].join(' | ');
}

/** Prints the table and writes it, with all samples, to `bench-results`. */
export async function publishTable(rows: readonly TableRow[], rounds: number): Promise<void> {
  const machine = describeMachine();
  const columns = contestantNames.filter((name) => rows.some(({ cells }) => cells.has(name)));
  const lines = [
    toMachineLine(machine),
    `Milliseconds of CPU time for each operation, server + database + Redis; in brackets operations a second, and for the gateway the commands of the database. Medians of ${rounds} rounds.`,
    '',
    toLine(['', ...columns, 'server + database + Redis', 'bounds']),
    toLine(Array.from({ length: columns.length + 3 }, () => '---')),
    ...rows.map((row) => toLine(toCells(row, { columns, rows }))),
  ];
  const directory = 'bench-results';
  const base = join(directory, `gateway-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`);
  await mkdir(directory, { recursive: true });
  const samples = rows.map(({ cells, ...row }) => ({ ...row, cells: Object.fromEntries(cells) }));
  await writeFile(`${base}.json`, `${JSON.stringify({ machine, rounds, rows: samples }, null, 2)}\n`);
  await writeFile(`${base}.md`, `${lines.join('\n')}\n`);
  process.stdout.write(`\n${lines.join('\n')}\n\nWritten: ${base}.json, ${base}.md\n`);
}

const toLine = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

interface TableContext {
  readonly columns: readonly ContestantName[];
  readonly rows: readonly TableRow[];
}

function toCells(row: TableRow, { columns, rows }: TableContext): string[] {
  const { name, setting, unit, cells } = row;
  const own = cells.get('gateway') ?? [];
  const parts = (['server', 'database', 'redis'] as const).map((part) => medianOf(own, (one) => one.parts[part] ?? 0));
  return [
    `${name}, ${setting}${unit === undefined ? '' : ` (${unit})`}`,
    ...columns.map((column) => toCell(cells.get(column), column)),
    own.length === 0 ? '' : parts.map(toText).join(' + '),
    (row.bounds ?? [])
      .map((bound) => judge(bound, row, rows))
      .filter((verdict) => verdict !== '')
      .join('; '),
  ];
}

function toCell(figures: readonly Figures[] | undefined, column: ContestantName): string {
  if (figures === undefined) return '';
  const perSecond = medianOf(figures, (one) => one.perSecond);
  const commands = medianOf(figures, (one) => one.commands);
  const isGateway = column === 'gateway' || column === 'against' || column === 'one node';
  const more = [
    ...(Number.isNaN(perSecond) ? [] : [`${Math.round(perSecond)}/s`]),
    ...(isGateway && !Number.isNaN(commands) ? [`${toText(commands)} commands`] : []),
  ];
  return `${toText(medianOf(figures, ({ value }) => value))}${more.length === 0 ? '' : ` (${more.join(', ')})`}`;
}

/** A bound, and what was reached. Ratios are taken within a round, so that temporary load affects both sides. */
function judge({ most, against, perSecond }: Bound, row: TableRow, rows: readonly TableRow[]): string {
  const own = row.cells.get('gateway') ?? [];
  const divisors = divisorsOf(against, row, rows);
  if (own.length === 0 || (against !== undefined && divisors === undefined)) return '';
  const reached = summarize(
    own.map(({ value }, n) => value / (against === undefined ? 1 : (divisors?.[n]?.value ?? Number.NaN))),
  ).median;
  const rate = medianOf(own, (one) => one.perSecond);
  const holds = reached <= most && (perSecond === undefined || rate >= perSecond);
  const what = against === undefined ? '' : ` × ${typeof against === 'string' ? against : against.row}`;
  const least = perSecond === undefined ? '' : `, ≥ ${perSecond}/s`;
  return `${toText(reached)}${what}, ≤ ${most}${least}: ${holds ? 'holds' : 'EXCEEDED'}`;
}

function divisorsOf(
  against: Bound['against'],
  row: TableRow,
  rows: readonly TableRow[],
): readonly Figures[] | undefined {
  if (against === undefined || typeof against === 'string') return row.cells.get(against ?? 'gateway');
  return rows.find(({ name, setting }) => name === against.row && setting === row.setting)?.cells.get('gateway');
}

const medianOf = (figures: readonly Figures[], pick: (one: Figures) => number): number =>
  figures.length === 0 ? Number.NaN : summarize(figures.map(pick)).median;
