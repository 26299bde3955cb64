import { toKeyString } from '../../../bson/key-string.js';
import { type Document, isDocument, setField } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, type Evaluate, scopeOf } from '../../expressions/compiler.js';
import {
  compileGroupAccumulator,
  type GroupAccumulator,
  type GroupAccumulatorFactory,
} from '../../expressions/group-accumulators.js';
import { sortDocuments } from '../../sort.js';
import type { Documents, Stage, StageCompiler, StageContext, StageEntry } from '../stage-context.js';

/** The output fields of a group except `_id`. */
export type GroupFields = readonly (readonly [string, GroupAccumulatorFactory])[];

/** Compiles the accumulators of a group specification. */
export const compileGroupFields = (specification: Document, context: StageContext): GroupFields =>
  Object.entries(specification).map(([field, accumulator]) => {
    if (field.includes('.')) fail('Location40235', `The field name '${field}' cannot contain '.'`);
    if (field.startsWith('$')) fail('Location40236', `The field name '${field}' cannot be an operator name`);
    return [field, compileGroupAccumulator(field, accumulator, context.expressions)];
  });

interface Group {
  readonly id: unknown;
  readonly accumulators: readonly GroupAccumulator[];
}

interface Grouping {
  readonly id: Evaluate;
  readonly fields: GroupFields;
  readonly context: StageContext;
}

/** Groups documents by the value of an expression. Groups are in the order of their first document. */
export function* groupDocuments(input: Documents, { id, fields, context }: Grouping): Documents & Generator<Document> {
  const groups = new Map<string, Group>();
  for (const document of input) {
    const scope = scopeOf(document);
    const value = id(scope) ?? null;
    const key = toKeyString(value, context.collation);
    let group = groups.get(key);
    if (group === undefined) {
      group = { id: value, accumulators: fields.map(([, create]) => create()) };
      groups.set(key, group);
    }
    for (const accumulator of group.accumulators) accumulator.add(scope);
  }
  for (const group of groups.values()) yield toDocument(group, fields);
}

function toDocument({ id, accumulators }: Group, fields: GroupFields): Document {
  const document: Document = { _id: id };
  for (const [index, [field]] of fields.entries()) setField(document, field, accumulators[index]?.result() ?? null);
  return document;
}

const compileGroup: StageCompiler = (specification, context): Stage => {
  if (!isDocument(specification)) return fail('Location15947', "a group's fields must be specified in an object");
  if (!Object.hasOwn(specification, '_id')) return fail('Location15955', 'a group specification must include an _id');
  const { _id, ...rest } = specification;
  const id = compile(_id, context.expressions);
  const fields = compileGroupFields(rest, context);
  return (input) => groupDocuments(input, { id, fields, context });
};

const compileSortByCount: StageCompiler = (specification, context): Stage => {
  const message = 'the sortByCount field must be defined as a $-prefixed path or an expression inside an object';
  if (isDocument(specification)) {
    if (Object.keys(specification)[0]?.startsWith('$') !== true) return fail('Location40147', message);
  } else if (typeof specification !== 'string') {
    return fail('Location40149', message);
  } else if (!specification.startsWith('$')) {
    return fail('Location40148', message);
  }
  const id = compile(specification, context.expressions);
  const fields = compileGroupFields({ count: { $sum: 1 } }, context);
  return function* runSortByCount(input) {
    yield* sortDocuments(groupDocuments(input, { id, fields, context }), { count: -1 });
  };
};

/** `$group` and `$sortByCount`. */
export const groupStages: readonly StageEntry[] = [
  ['$group', compileGroup],
  ['$sortByCount', compileSortByCount],
];
