import type { Consumption } from './contestants.js';
import type { LoadResult } from './wire.js';

/** One measurement of one server. */
export interface Figures {
  /** In the unit of the row; milliseconds of CPU time for each operation in most. */
  readonly value: number;
  /** What the parts of the server contribute to it. */
  readonly parts: { readonly server?: number; readonly database?: number; readonly redis?: number };
  /** Commands of the database for each operation. */
  readonly commands: number;
  readonly perSecond: number;
}

/** What was consumed for each operation. */
export function toFigures(before: Consumption, after: Consumption, { operations, durationMs }: LoadResult): Figures {
  const each = (part: 'server' | 'database' | 'redis'): number => (after[part] - before[part]) / operations / 1000;
  const parts = { server: each('server'), database: each('database'), redis: each('redis') };
  return {
    value: parts.server + parts.database + parts.redis,
    parts,
    commands: (after.commands - before.commands) / operations,
    perSecond: (operations / durationMs) * 1000,
  };
}

/** What each connection holds, in KiB. */
export function toMemoryFigures(
  before: Consumption['rssBytes'],
  after: Consumption['rssBytes'],
  connections: number,
): Figures {
  const each = (part: keyof Consumption['rssBytes']): number => (after[part] - before[part]) / connections / 1024;
  const parts = { server: each('server'), database: each('database'), redis: each('redis') };
  return {
    value: parts.server + parts.database + parts.redis,
    parts,
    commands: Number.NaN,
    perSecond: Number.NaN,
  };
}
