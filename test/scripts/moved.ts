import { mongo } from 'mongoose';

const { BSON } = mongo;

/**
 * Everything in a database as its server reports it: the options and indexes of each collection, and the bytes of each
 * document in natural order.
 */
export async function contentOf(db: mongo.Db): Promise<Record<string, readonly string[]>> {
  const content: Record<string, readonly string[]> = {};
  for (const { name, ...rest } of await db.listCollections().toArray()) {
    const indexes = await db.collection(name).listIndexes().toArray();
    const documents = await db.collection(name).find({}, { raw: true }).toArray();
    content[name] = [
      BSON.EJSON.stringify((rest as { options?: object }).options ?? {}),
      ...indexes.map((index) => BSON.EJSON.stringify(index)).sort(),
      ...documents.map((bytes) => Buffer.from(bytes as unknown as Uint8Array).toString('base64')).sort(),
    ];
  }
  return content;
}

/** Encoded documents that other services and drivers write. */
export function foreignDocuments(): Uint8Array[] {
  const {
    Binary,
    BSONRegExp,
    BSONSymbol,
    Code,
    Decimal128,
    Double,
    Int32,
    Long,
    MaxKey,
    MinKey,
    ObjectId,
    Timestamp,
    UUID,
  } = BSON;
  let nested: unknown = 'deepest';
  for (let depth = 0; depth < 60; depth += 1) nested = depth % 2 === 0 ? [nested] : { n: nested };
  const ids = [
    new ObjectId(),
    'text id',
    '',
    0,
    new Double(7),
    Long.fromNumber(2 ** 40),
    -1.5,
    Decimal128.fromString('1.10'),
    new Date(-1),
    true,
    null,
    { a: 1, b: [2] },
    new UUID(),
    new Binary(Buffer.from([1, 2])),
    new Timestamp({ t: 1, i: 2 }),
    new MinKey(),
    new MaxKey(),
    new BSONSymbol('symbol id'),
  ];
  const values = {
    doubles: [new Double(1), new Double(-0), Number.NaN, Number.POSITIVE_INFINITY, 0.1, 2 ** 53, new Double(2 ** 40)],
    integers: [new Int32(-1), new Int32(2 ** 31 - 1), Long.MAX_VALUE, Long.MIN_VALUE, Long.fromNumber(1)],
    decimals: ['1.10', '-0', 'NaN', 'Infinity', '1E+6144', '0.000'].map((text) => Decimal128.fromString(text)),
    dates: [new Date(-1), new Date('1601-01-01'), new Date('0000-01-01'), new Date(8.64e15), new Date(-8.64e15)],
    texts: ['', 'é€😀', '\u0000inside', '$text', 'a'.repeat(5000)],
    binaries: [0, 2, 3, 4, 5, 6, 128, 255].map((subtype) => new Binary(Buffer.alloc(16, subtype), subtype)),
    others: [new MinKey(), new MaxKey(), new Timestamp({ t: 4_294_967_295, i: 1 }), new BSONSymbol('s'), null, true],
    code: [new Code('return 1'), new Code('return a', { a: 1, b: { c: [2] } })],
    patterns: [new BSONRegExp('^a/b', 'im'), new BSONRegExp('')],
    arrays: [[], [[]], [[1], [[2, [3]]]], [{}, { a: [] }]],
    'dotted.name': {
      'a.b': 1,
      $inner: 2,
      '': 3,
      constructor: 4,
      toString: 5,
      _bsontype: 'ObjectId',
      10: 'ten',
      2: 'two',
    },
    reference: { $ref: 'things', $id: new ObjectId(), $db: 'other' },
    nested,
  };
  return [
    ...ids.map((_id) => BSON.serialize({ _id, note: 'by id' })),
    toForeign('all values', values),
    ...Object.entries(values).map(([name, value]) => toForeign(`value ${name}`, { [name]: value })),
  ];
}

/** The serializer of JavaScript refuses `_bsontype` in plain documents, which others can store. */
function toForeign(_id: string, fields: object): Uint8Array {
  const encoded = Buffer.from(BSON.serialize(renamed({ _id, ...fields }) as object));
  for (let at = encoded.indexOf('_bs0ntype'); at !== -1; at = encoded.indexOf('_bs0ntype'))
    encoded.write('_bsontype', at);
  return encoded;
}

function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name === '_bsontype' ? '_bs0ntype' : name, renamed(inner)]),
  );
}
