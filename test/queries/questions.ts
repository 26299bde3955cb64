import type { RecordedCommand } from './recorder.js';
import { type Question, toSort } from './rules/choice.js';
import { type Fields, isFields, parseFilter } from './rules/filter.js';
import { toCollation } from './rules/index-spec.js';

/** One access to a collection: a command, a statement of it, or a stage that reads another collection. */
export interface Access extends Question {
  readonly collection: string;
  readonly operation: string;
  readonly rawFilter: Fields;
  /** How many documents are wanted at most; 0: all. */
  readonly limit: number;
  /** The update, or the stages behind what the index serves. */
  readonly change: unknown;
  readonly isUpsert: boolean;
  readonly isMulti: boolean;
}

/** Commands that read or write no documents by a filter. */
const OTHER_COMMANDS: ReadonlySet<string> = new Set([
  'abortTransaction',
  'commitTransaction',
  'create',
  'createIndexes',
  'dbStats',
  'endSessions',
  'getMore',
  'hello',
  'insert',
  'isMaster',
  'ismaster',
  'killCursors',
  'listCollections',
  'listIndexes',
  'ping',
]);

/** The accesses of a command. @throws Error for a command that nothing here knows */
export function toAccesses({ name, command }: RecordedCommand): Access[] {
  const collection = String(command[name]);
  const access = (operation: string, filter: unknown, more: Partial<Access> & { sorted?: unknown } = {}): Access => {
    const { sorted, ...rest } = more;
    const rawFilter = (filter ?? {}) as Fields;
    const common = {
      limit: 0,
      change: undefined,
      isUpsert: false,
      isMulti: true,
      hint: toHint(command['hint']),
      collation: toCollation(command['collation']),
    };
    return {
      ...common,
      collection,
      operation,
      rawFilter,
      filter: parseFilter(rawFilter),
      sort: toSort(sorted),
      ...rest,
    };
  };
  switch (name) {
    case 'find':
      return [access('find', command['filter'], { sorted: command['sort'], limit: Number(command['limit'] ?? 0) })];
    case 'distinct':
      return [access('distinct', command['query'])];
    case 'aggregate':
      return toAggregation(command['pipeline'] as Fields[], access);
    case 'update':
      return (command['updates'] as Fields[]).map(({ q, u, multi, upsert, hint, sort }) => {
        const isMulti = multi === true;
        const options = { change: u, isMulti, isUpsert: upsert === true, hint: toHint(hint), sorted: sort };
        return access(isMulti ? 'updateMany' : 'updateOne', q, { ...options, limit: isMulti ? 0 : 1 });
      });
    case 'delete':
      return (command['deletes'] as Fields[]).map(({ q, limit, hint }) => {
        const isMulti = limit !== 1;
        return access(isMulti ? 'deleteMany' : 'deleteOne', q, { isMulti, limit: Number(limit), hint: toHint(hint) });
      });
    case 'findAndModify':
      return [
        access('findAndModify', command['query'], {
          change: command['update'],
          isUpsert: command['upsert'] === true,
          isMulti: false,
          sorted: command['sort'],
          limit: 1,
        }),
      ];
    case 'bulkWrite':
      return toBulk(command as unknown as Bulk).flatMap(toAccesses);
    default:
      if (OTHER_COMMANDS.has(name)) return [];
      throw new Error(`no rule for the command ${name}`);
  }
}

/** The command `bulkWrite` of MongoDB 8. */
interface Bulk {
  readonly ops: readonly Fields[];
  readonly nsInfo: readonly { readonly ns: string }[];
}

/** The commands that an older server gets for it. */
export function toBulk({ ops, nsInfo }: Bulk): RecordedCommand[] {
  return ops.flatMap(({ insert, update, document, filter, updateMods, multi }): RecordedCommand[] => {
    const name = insert === undefined ? 'update' : 'insert';
    const { ns } = nsInfo[Number(insert ?? update)] ?? { ns: '' };
    const collection = ns.slice(ns.indexOf('.') + 1);
    if (name === 'insert') return [{ name, command: { insert: collection, documents: [document] } }];
    return [{ name, command: { update: collection, updates: [{ q: filter, u: updateMods, multi }] } }];
  });
}

const toHint = (hint: unknown): string | undefined =>
  isFields(hint) ? Object.entries(hint).flat().join('_') : (hint as string | undefined);

/** What of a pipeline an index can serve is in front; stages that read other collections are accesses of their own. */
function toAggregation(
  pipeline: readonly Fields[],
  access: (operation: string, filter: unknown, more?: Partial<Access> & { sorted?: unknown }) => Access,
): Access[] {
  const stages = [...pipeline];
  const filters: unknown[] = [];
  while (stages[0]?.['$match'] !== undefined) filters.push(stages.shift()?.['$match']);
  const sorted = stages[0]?.['$sort'] === undefined ? undefined : stages.shift()?.['$sort'];
  const limit = Number(stages.find((environment) => environment['$limit'] !== undefined)?.['$limit'] ?? 0);
  const filter = filters.length === 1 ? filters[0] : { $and: filters };
  const joined = stages.flatMap(({ $lookup }): Access[] => {
    if (!isFields($lookup)) return [];
    const by = { [String($lookup['foreignField'])]: 1 };
    return [{ ...access('$lookup', by), collection: String($lookup['from']) }];
  });
  return [access('aggregate', filters.length === 0 ? {} : filter, { sorted, limit, change: stages }), ...joined];
}
