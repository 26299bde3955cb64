import { mongo, type Schema, Types } from 'mongoose';

/** What a service in another language, or a repair by hand, may have stored in a field. */
const odd: Record<string, () => unknown> = {
  missing: () => undefined,
  null: () => null,
  string: () => 'odd',
  number: () => 42.5,
  array: () => [null, 'odd', { odd: true }, 7],
  object: () => ({ odd: { deeper: [1] } }),
  date: () => new Date('2020-01-01T00:00:00Z'),
  id: () => new Types.ObjectId(),
  'id as text': () => String(new Types.ObjectId()),
};

/** The same for a time. */
const oddTimes: Record<string, () => unknown> = {
  ...odd,
  'date as text': () => '2020-01-01T00:00:00+01:00',
  'date as number': () => 1_577_833_200_000,
  dates: () => [new Date('2020-01-01T00:00:00Z'), new Date()],
  'empty array': () => [],
  NaN: () => Number.NaN,
  timestamp: () => new mongo.Timestamp({ t: 1_577_833_200, i: 1 }),
  binary: () => new mongo.Binary(Buffer.from('odd')),
  pattern: () => /odd/,
  'lowest key': () => new mongo.MinKey(),
};

/** The same for a position, and for what counts. None is a number that the gateway could have stored. */
const oddNumbers: Record<string, () => unknown> = {
  ...odd,
  number: () => 0.5,
  NaN: () => Number.NaN,
  negative: () => -7,
  'beyond whole numbers': () => 1e300,
  endless: () => Number.POSITIVE_INFINITY,
  long: () => mongo.Long.fromNumber(1),
  double: () => new mongo.Double(1),
  decimal: () => mongo.Decimal128.fromString('1'),
  'number as text': () => '1',
  numbers: () => [70, 80],
};

/** Each field gets every third value, beginning at another one, so that a collection gets them all. */
let share = 3;
/** How far the beginnings of two fields are apart: no factor of a share, so that also few of many fields are spread over all values. */
const STEP = 37;

/** From now on each field gets every value. */
export const storeAllVariants = (): void => {
  share = 1;
};

/**
 * Odd values for a field, by name.
 * @param place of the field among those of its model
 * @param fewer how many times fewer a field gets, of a collection with many fields, unless each gets every value
 */
export function oddValuesFor(
  type: string | undefined,
  place: number,
  fewer = 1,
): [kind: string, make: () => unknown][] {
  const values = type === 'Date' ? oddTimes : type === 'Number' ? oddNumbers : odd;
  const every = share === 1 ? 1 : share * fewer;
  return Object.entries(values).filter((_, index) => (index + STEP * place) % every === 0);
}

/** A field of a model: its path in a document, with the first entry of each list, and its type. */
export type FieldPath = readonly [path: string, type: string | undefined];

/** The fields of a model, at any depth, without its id. */
export function fieldsOf({ schema }: { readonly schema: Pick<Schema, 'paths'> }, prefix = ''): FieldPath[] {
  return Object.entries(schema.paths).flatMap(([path, type]): FieldPath[] => {
    if (path === '_id' || path === '__v') return [];
    const own: FieldPath = [prefix + path, type.instance];
    const { schema: inner, instance, embeddedSchemaType: element } = type as OfSchema;
    if (inner !== undefined)
      return [own, ...fieldsOf({ schema: inner }, `${prefix}${path}${instance === 'Array' ? '.0' : ''}.`)];
    return instance === 'Array' ? [own, [`${prefix}${path}.0`, element?.instance]] : [own];
  });
}

/** What the types of Mongoose lack. */
type OfSchema = {
  readonly instance: string;
  readonly schema?: Pick<Schema, 'paths'>;
  readonly embeddedSchemaType?: { readonly instance: string };
};

/** An odd value in a field. */
export interface OddField {
  readonly path: string;
  readonly about: string;
  /** An update that stores it. */
  readonly update: object;
}

/** One for each of these fields and odd value. @param fewer as for {@link oddValuesFor} @param begin place of the first field */
export const oddFieldsOf = (fields: readonly FieldPath[], fewer = 1, begin = 0): OddField[] =>
  fields.flatMap(([path, type], place) =>
    oddValuesFor(type, begin + place, fewer).map(([kind, make]) => {
      const value = make();
      const update = value === undefined ? { $unset: { [path]: '' } } : { $set: { [path]: value } };
      return { path, about: `${path}: ${kind}`, update };
    }),
  );
