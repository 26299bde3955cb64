import { type Model, Types } from 'mongoose';
import { isPlain } from './values.js';

type Fields = Readonly<Record<string, unknown>>;
type Method = (...args: unknown[]) => unknown;

/** Methods of a collection with a filter first. */
const READS = ['find', 'findOne', 'countDocuments', 'deleteOne', 'deleteMany'] as const;
const UPDATES = ['updateOne', 'updateMany'] as const;
const SINGLE_WRITES = ['findOneAndUpdate', 'findOneAndReplace', 'findOneAndDelete'] as const;

/**
 * Makes the queries of a model find ids in both forms: other services store ids as `ObjectId` or as text. A condition on
 * an id becomes one on its two forms, which are two bounds of an index. This is done in the driver's collection, after
 * Mongoose has cast the filter, and so applies to Mongoose and to the driver.
 *
 * Excluded are `_id`, upserts, which store the values of the filter, and aggregations behind the leading `$match`.
 */
export function acceptTextIds(model: Pick<Model<never>, 'collection'>): void {
  const collection = model.collection as unknown as Record<string, Method>;
  const replace = (name: string, toMethod: (original: Method) => Method): void => {
    const original = collection[name];
    if (original === undefined) throw new Error(`the collection has no method ${name}`);
    collection[name] = toMethod(original.bind(model.collection));
  };
  for (const name of READS) {
    replace(
      name,
      (original) =>
        (filter, ...rest) =>
          original(withTextIds(filter), ...rest),
    );
  }
  replace(
    'distinct',
    (original) =>
      (field, filter, ...rest) =>
        original(field, withTextIds(filter), ...rest),
  );
  replace(
    'aggregate',
    (original) =>
      (pipeline, ...rest) =>
        original(toPipeline(pipeline), ...rest),
  );
  for (const name of UPDATES) {
    replace(
      name,
      (original) =>
        (...args) =>
          original(...toUpdate(args)),
    );
  }
  replace(
    'bulkWrite',
    (original) =>
      (operations, ...rest) =>
        original((operations as Fields[]).map(toOperation), ...rest),
  );
  for (const name of SINGLE_WRITES) {
    replace(
      name,
      (original) =>
        (...args) =>
          writeOne(original, args),
    );
  }
}

/**
 * A cluster accepts this write only with one value for the shard key, which can be an id. So with an `_id` it is tried
 * with each form.
 */
async function writeOne(original: Method, args: unknown[]): Promise<unknown> {
  const [filter] = args;
  const isOfOne = isPlain(filter) && filter['_id'] instanceof Types.ObjectId;
  if (!isOfOne) return original(...toUpdate(args));
  const result = await original(...args);
  const texts = toTexts(filter);
  return isNone(result) && texts !== filter ? original(texts, ...args.slice(1)) : result;
}

/** Whether nothing was found, with or without the metadata of the result. */
const isNone = (result: unknown): boolean =>
  result === null || (isPlain(result) && 'lastErrorObject' in result && result['value'] === null);

/** The filter with its equalities of ids as text; the same object when there are none. */
function toTexts(filter: Fields): Fields {
  const entries = Object.entries(filter);
  if (!entries.some(([field, value]) => field !== '_id' && value instanceof Types.ObjectId)) return filter;
  return Object.fromEntries(
    entries.map(([field, value]) => [
      field,
      field !== '_id' && value instanceof Types.ObjectId ? value.toHexString() : value,
    ]),
  );
}

/** @param args filter, update, options */
function toUpdate([filter, update, options, ...rest]: unknown[]): unknown[] {
  if (isPlain(options) && options['upsert'] === true) return [filter, update, options, ...rest];
  return [withTextIds(filter), toChange(update), toOptions(options), ...rest];
}

/** `$pull` has conditions, too. */
function toChange(update: unknown): unknown {
  if (!isPlain(update) || !isPlain(update['$pull'])) return update;
  return { ...update, $pull: withTextIds(update['$pull']) };
}

function toOptions(options: unknown): unknown {
  if (!isPlain(options) || !Array.isArray(options['arrayFilters'])) return options;
  return { ...options, arrayFilters: options['arrayFilters'].map(withTextIds) };
}

function toPipeline(pipeline: unknown): unknown {
  if (!Array.isArray(pipeline)) return pipeline;
  const end = pipeline.findIndex((stage: Fields) => stage['$match'] === undefined);
  return pipeline.map((stage: Fields, index) =>
    end === -1 || index < end ? { ...stage, $match: withTextIds(stage['$match']) } : stage,
  );
}

/** @param operation of a bulk write, such as `{ updateOne: { filter, update } }` */
const toOperation = (operation: Fields): Fields =>
  Object.fromEntries(
    Object.entries(operation).map(([name, statement]) => {
      if (!isPlain(statement) || !isPlain(statement['filter']) || statement['upsert'] === true) {
        return [name, statement];
      }
      const { filter, update, ...rest } = statement;
      const change = update === undefined ? {} : { update: toChange(update) };
      return [name, { ...(toOptions(rest) as Fields), filter: withTextIds(filter), ...change }];
    }),
  );

/** A filter in which each condition on an id, except on `_id`, is one on its two forms. */
function withTextIds(filter: unknown): unknown {
  if (!isPlain(filter)) return filter;
  const widened: Record<string, unknown> = {};
  const others: unknown[] = [];
  for (const [key, value] of Object.entries(filter)) {
    const all = key.startsWith('$') ? undefined : idsOfAll(value);
    // An array satisfies each condition with another element.
    if (all !== undefined) others.push(...all.map((id) => ({ [key]: { $in: formsOf(id) } })));
    const rest = all === undefined ? value : withoutAll(value as Fields);
    if (rest !== undefined) widened[key] = toCondition(key, rest);
  }
  if (others.length === 0) return widened;
  const and = widened['$and'];
  return { ...widened, $and: [...(Array.isArray(and) ? and : []), ...others] };
}

function toCondition(key: string, value: unknown): unknown {
  if (key === '_id' || key === '$expr') return value;
  if (key.startsWith('$')) return Array.isArray(value) ? value.map(withTextIds) : value;
  if (value instanceof Types.ObjectId) return { $in: formsOf(value) };
  return isOperators(value) ? toOperators(value) : value;
}

/** The ids of `$all`; `undefined` when it has other values. */
function idsOfAll(value: unknown): readonly Types.ObjectId[] | undefined {
  const all: unknown = isPlain(value) ? value['$all'] : undefined;
  const isOfIds = Array.isArray(all) && all.length > 0 && all.every((one) => one instanceof Types.ObjectId);
  return isOfIds ? all : undefined;
}

function withoutAll({ $all: _, ...rest }: Fields): Fields | undefined {
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function toOperators(operators: Fields): Fields {
  const widened: Record<string, unknown> = {};
  for (const [operator, value] of Object.entries(operators)) {
    if (operator === '$in' || operator === '$nin') widened[operator] = toBoth(value);
    else if (operator === '$eq' && value instanceof Types.ObjectId && !('$in' in operators))
      widened['$in'] = formsOf(value);
    else if (operator === '$ne' && value instanceof Types.ObjectId && !('$nin' in operators))
      widened['$nin'] = formsOf(value);
    else if (operator === '$not' && isPlain(value)) widened[operator] = toNegated(value);
    else if (operator === '$elemMatch' && isPlain(value)) {
      widened[operator] = isOfElement(value) ? toOperators(value) : withTextIds(value);
    } else widened[operator] = value;
  }
  return widened;
}

/** The opposite of `$all` cannot become several conditions; each of its values can be one of two. */
function toNegated(operators: Fields): Fields {
  const all = idsOfAll(operators);
  if (all === undefined) return toOperators(operators);
  return { ...toOperators(operators), $all: all.map((id) => ({ $elemMatch: { $in: formsOf(id) } })) };
}

/** Whether the conditions of `$elemMatch` are about the element, not about its fields. */
const isOfElement = (value: Fields): boolean =>
  isOperators(value) && !Object.keys(value).some((key) => ['$and', '$or', '$nor'].includes(key));

/** Both stored forms of ids, for expressions of pipelines, which are not converted. */
export const storedForms = (...ids: readonly Types.ObjectId[]): (Types.ObjectId | string)[] => ids.flatMap(formsOf);

const formsOf = (id: Types.ObjectId): readonly [Types.ObjectId, string] => [id, id.toHexString()];

function toBoth(values: unknown): unknown {
  if (!Array.isArray(values)) return values;
  const texts = values.flatMap((value) => (value instanceof Types.ObjectId ? value.toHexString() : []));
  const known = new Set<unknown>(values);
  return [...values, ...texts.filter((text) => !known.has(text))];
}

const isOperators = (value: unknown): value is Fields =>
  isPlain(value) && Object.keys(value).some((key) => key.startsWith('$'));
