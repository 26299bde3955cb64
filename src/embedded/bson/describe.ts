import { Binary, Code, Decimal128, Long, ObjectId, Timestamp } from 'bson';
import { toNumber } from './numbers.js';
import { regExpOf } from './order.js';
import { isDocument, isNumeric, typeOf } from './values.js';

/** The text of a value in mongod's error messages: `{ _id: ObjectId('…'), n: 1.0 }`. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return `"${value}"`;
  if (value === null || value === undefined || typeof value === 'boolean') return String(value ?? 'null');
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[ ${value.map(describe).join(', ')} ]`;
  if (isDocument(value)) {
    const fields = Object.entries(value).map(([key, field]) => `${key}: ${describe(field)}`);
    return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
  }
  if (isNumeric(value)) return describeNumber(value);
  return describeObject(value);
}

function describeNumber(value: Parameters<typeof toNumber>[0]): string {
  if (value instanceof Long) return value.toString();
  if (value instanceof Decimal128) return `${value.toString()}`;
  const number = toNumber(value);
  return typeOf(value) === 'double' && Number.isInteger(number) ? `${number}.0` : String(number);
}

function describeObject(value: unknown): string {
  if (value instanceof ObjectId) return `ObjectId('${value.toHexString()}')`;
  if (value instanceof Date) return `new Date(${value.getTime()})`;
  if (value instanceof Timestamp) return `Timestamp(${value.getHighBitsUnsigned()}, ${value.getLowBitsUnsigned()})`;
  if (value instanceof Binary) return `BinData(${value.sub_type}, ${value.toString('hex').toUpperCase()})`;
  if (value instanceof Code) return value.code;
  switch (typeOf(value)) {
    case 'regex': {
      const { pattern, options } = regExpOf(value);
      return `/${pattern}/${options}`;
    }
    case 'minKey':
      return 'MinKey';
    case 'maxKey':
      return 'MaxKey';
    default:
      return String(value);
  }
}
