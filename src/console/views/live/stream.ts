import type { LiveRecord, TrafficGap } from '#shared/contracts/traffic.js';

/** A record with a number of its own, by which lists know it again. */
export interface Row {
  readonly id: number;
  readonly record: LiveRecord;
}

/** What a line says. */
export type Line = { readonly record: LiveRecord } | TrafficGap | undefined;

/** A line of this length is no record. */
const LINE_MAX = 1_000_000;

/** Splits a stream of text into lines. The end of a part may be the middle of a line. */
export class LineSplitter {
  #rest = '';

  push(text: string): string[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > LINE_MAX) this.#rest = '';
    return lines;
  }
}

/** Reads a line; `undefined` for the heartbeat, and for what is no record. */
export function parseLine(line: string): Line {
  if (line.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { dropped, unwatched, at, kind } = value as Readonly<Record<string, unknown>>;
  if (typeof dropped === 'number') return { dropped, ...(typeof unwatched === 'string' && { unwatched }) };
  return typeof at === 'string' && typeof kind === 'string' ? { record: value as LiveRecord } : undefined;
}

/** The gateway sends a heartbeat every 15 seconds. */
const SILENCE_MS = 35_000;

/**
 * The lines of a response as they come, in parts.
 * @throws Error when nothing has come for two heartbeats: a node that hangs does not close its connections
 */
export async function* toTexts({ body }: Pick<Response, 'body'>): AsyncGenerator<readonly string[]> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  const decoder = new TextDecoder();
  const splitter = new LineSplitter();
  try {
    for (let part = await readSoon(reader); !part.done; part = await readSoon(reader)) {
      yield splitter.push(decoder.decode(part.value, { stream: true }));
    }
  } finally {
    // Without it a stream that is given up would stay open.
    void reader.cancel().catch(() => undefined);
  }
}

const readSoon = (reader: ReadableStreamDefaultReader<Uint8Array>): Promise<ReadableStreamReadResult<Uint8Array>> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('The gateway is silent')), SILENCE_MS);
    void reader
      .read()
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });

/** Rows that are kept. */
export const ROWS_MAX = 1000;

/** Adds rows, newest first; the oldest are dropped. @param added oldest first */
export const addRows = (rows: readonly Row[], added: readonly Row[]): readonly Row[] =>
  [...added.toReversed(), ...rows].slice(0, ROWS_MAX);
