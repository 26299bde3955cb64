import { unknownToMongoDb6 } from './operators.js';
import { type Access, toAccesses } from './questions.js';
import type { RecordedCommand } from './recorder.js';
import { type Choice, choose } from './rules/choice.js';
import type { IndexSpec } from './rules/index-spec.js';
import { shapeOf } from './shape.js';
import { keyOf, type Reach, reachOf } from './sharding.js';

/** One kind of access, with how MongoDB serves it. */
export interface Row {
  readonly collection: string;
  readonly shape: string;
  readonly choice: Choice;
  readonly access: Access;
}

/** What the commands of an application ask of the database, each kind once. */
export function toRows(
  commands: readonly RecordedCommand[],
  indexes: ReadonlyMap<string, readonly IndexSpec[]>,
): Row[] {
  const rows = new Map<string, Row>();
  for (const access of commands.flatMap(toAccesses)) {
    const { collection } = access;
    const shape = shapeOf(access);
    const own = indexes.get(collection);
    if (own === undefined) throw new Error(`no model declares the indexes of ${collection}`);
    const choice = choose(access, own);
    // Two of a shape may differ in values that decide how they are served, such as patterns.
    rows.set(`${collection} ${shape}\n${JSON.stringify(choice)}`, { collection, shape, access, choice });
  }
  return [...rows].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row);
}

/** Reads that find at most one document for each id that they list: a user has one member in a conversation. */
const LISTED: ReadonlySet<string> = new Set(['user_1_conversation_1: user point, conversation points']);

/** Why an access would not do on a large collection; `undefined`: it would. */
export function faultOf({ access, choice }: Row): string | undefined {
  const { filter, limit } = access;
  const isUnfiltered = filter.predicates.length === 0 && filter.disjunctions.length === 0;
  const isListed = LISTED.has(`${choice.indexes.join()}: ${choice.bounds}`);
  if (choice.order === 'memory' && !isListed) return 'sorts in memory all that it finds';
  if (choice.bounds !== '' || (isUnfiltered && limit > 0)) return undefined;
  return choice.indexes.length === 0 ? 'reads the whole collection' : 'reads a whole index';
}

/** Commands with something that MongoDB 6.0 does not have. */
export const toLateCommands = (commands: readonly RecordedCommand[]): string[] =>
  commands.flatMap((command) => unknownToMongoDb6(command).map((what) => `${command.name}: ${what}`));

/** Where a query goes; `undefined` in a collection that stays whole. */
export function reachOfRow({ collection, access }: Row): Reach | undefined {
  const key = keyOf(collection);
  return key.field === undefined ? undefined : reachOf(key, access);
}
