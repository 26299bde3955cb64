import type { Binary, BSONRegExp, Decimal128, Double, Long, ObjectId, Timestamp } from 'bson';
import { indexKeysAt } from '../bson/path.js';
import { type Document, isDocument, typeOf } from '../bson/values.js';
import { DatabaseError } from '../errors.js';
import type { Collection } from './collection.js';
import type { CollectionIndex } from './indexes/collection-index.js';

/** The error for a document whose key is taken, with mongod's text, `keyPattern` and `keyValue`. */
export function describeDuplicate(collection: Collection, index: CollectionIndex, document: Document): DatabaseError {
  const keyValue: Document = {};
  for (const { path } of index.definition.fields) keyValue[path] = keyAt(document, path);
  const keyPattern = index.definition.spec['key'];
  return new DatabaseError(
    'DuplicateKey',
    `E11000 duplicate key error collection: ${collection.namespace} index: ${index.name} dup key: ${toShellText(keyValue)}`,
    { keyPattern, keyValue },
  );
}

const keyAt = (document: Document, path: string): unknown => indexKeysAt(document, path).values[0] ?? null;

/** A value as mongod spells it in messages. */
function toShellText(value: unknown): string {
  switch (typeOf(value)) {
    case 'string':
      return `"${String(value)}"`;
    case 'object':
      return `{ ${Object.entries(value as Document)
        .map(([key, inner]) => `${key}: ${toShellText(inner)}`)
        .join(', ')} }`.replace('{  }', '{}');
    case 'array':
      return `[ ${(value as unknown[]).map(toShellText).join(', ')} ]`;
    case 'objectId':
      return `ObjectId('${(value as ObjectId).toHexString()}')`;
    case 'date':
      return `new Date(${(value as Date).getTime()})`;
    case 'double': {
      const number = Number((value as Double | number).valueOf());
      return Number.isInteger(number) ? `${number}.0` : String(number);
    }
    case 'long':
      return (value as Long).toString();
    case 'decimal':
      return `NumberDecimal("${(value as Decimal128).toString()}")`;
    case 'binData': {
      const binary = value as Binary;
      return `BinData(${binary.sub_type}, ${Buffer.from(binary.value()).toString('hex').toUpperCase()})`;
    }
    case 'regex': {
      const { pattern, options } = value as BSONRegExp;
      return `/${pattern}/${options}`;
    }
    case 'timestamp': {
      const { t, i } = value as Timestamp;
      return `Timestamp(${t}, ${i})`;
    }
    case 'missing':
      return 'null';
    case 'minKey':
      return 'MinKey';
    case 'maxKey':
      return 'MaxKey';
    default:
      return isDocument(value) ? '{}' : String(value);
  }
}
