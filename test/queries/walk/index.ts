import { type Row, toRows } from '../report.js';
import { type IndexSpec, readIndexes } from '../rules/index-spec.js';
import { walkCommunity } from './community.js';
import { walkConversations } from './conversations.js';
import { createWalkEnvironment, type WalkEnvironment } from './environment.js';
import { walkPlatform } from './platform.js';
import { walkSupport } from './support.js';

/** Collections of an earlier version, which are only taken over. Their indexes are those that it made. */
const RETIRED: ReadonlySet<unknown> = new Set(['delivery.entries', 'delivery.recipients']);

/** What a walk has found. */
export interface Walk extends Pick<WalkEnvironment, 'covered' | 'recorder'> {
  readonly rows: Row[];
  readonly indexes: ReadonlyMap<string, readonly IndexSpec[]>;
}

/** Walks through all events and routes. @param delayMs how long each command waits before it is sent */
export async function walkThrough(delayMs?: () => number): Promise<Walk> {
  const environment = await createWalkEnvironment(delayMs);
  const { covered, recorder, models } = environment;
  try {
    await walkConversations(environment);
    await walkCommunity(environment);
    await walkSupport(environment);
    await walkPlatform(environment);
  } finally {
    await environment.close();
  }
  const indexes = readIndexes(models);
  const current = recorder.commands.filter(({ name, command }) => !RETIRED.has(command[name]));
  return { covered, recorder, indexes, rows: toRows(current, indexes) };
}
