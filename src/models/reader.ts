import { type Schema, type SchemaType, Types } from 'mongoose';
import { isPlain, readBoolean, readDate, readId, readNumber, readText, UNKNOWN_ID } from './values.js';

/** A document as stored. */
export type StoredDocument = Record<string, unknown>;

/** The fields that a query requested; absent: all. */
export type IsSelected = (field: string) => boolean;

/**
 * Converts a document to its model, in place. Afterwards each field has its type or is missing, unless it has a
 * constant default or is a required id, text or list.
 * @returns the unreadable fields, and the missing required ones
 */
export type Reader = (document: StoredDocument, isSelected?: IsSelected | undefined) => string[];

/** Converts a value; `undefined` if it cannot be converted. */
type ReadValue = (value: unknown) => unknown;

interface Field {
  readonly name: string;
  readonly read: ReadValue;
  /** The default of a missing value; `undefined`: none. */
  readonly fallback: () => unknown;
  readonly isRequired: boolean;
}

/** Properties of a schema path that Mongoose's types lack. */
type Path = SchemaType & {
  readonly defaultValue?: unknown;
  readonly enumValues?: readonly string[];
  readonly embeddedSchemaType?: Path;
};

/** The stored values of converted fields. */
const originals = new WeakMap<object, StoredDocument>();

/** The stored value of a field, before conversion. Indexes are ordered by it. */
export const storedValue = (document: object, field: string): unknown => {
  const original = originals.get(document);
  return original !== undefined && field in original ? original[field] : (document as StoredDocument)[field];
};

/** The fields whose stored value differs. Writing them repairs the document. */
export const changedFields = (document: object): StoredDocument =>
  Object.fromEntries(
    Object.keys(originals.get(document) ?? {}).flatMap((name) => {
      const value = (document as StoredDocument)[name];
      return name === '_id' || value === undefined ? [] : [[name, value]];
    }),
  );

/**
 * The reader of a model. Other services in other languages write the collections, so stored documents may not match the
 * schema, and lean queries do not cast.
 */
export function createReader(schema: Schema): Reader {
  const fields = toFields(schema);
  return function readStored(document, isSelected = () => true) {
    const faults: string[] = [];
    for (const field of fields) {
      if (isSelected(field.name) && !readField(document, field)) faults.push(field.name);
    }
    return faults;
  };
}

/** @returns whether the field could be read */
function readField(document: StoredDocument, { name, read, fallback, isRequired }: Field): boolean {
  const value = document[name];
  const isMissing = value === undefined || value === null;
  const meaning = isMissing ? undefined : read(value);
  if (meaning === value && !isMissing) return true;
  const result = meaning ?? fallback();
  const isComplete = isMissing ? !isRequired : meaning !== undefined && !isShorter(meaning, value);
  if (result === value) return isComplete;
  const original = originals.get(document) ?? {};
  originals.set(document, original);
  if (!(name in original)) original[name] = value;
  if (result === undefined) delete document[name];
  else document[name] = result;
  return isComplete;
}

const isShorter = (one: unknown, other: unknown): boolean =>
  Array.isArray(one) && Array.isArray(other) && one.length < other.length;

function toFields(schema: Schema): Field[] {
  const fields: Field[] = [];
  const nested = new Map<string, Field[]>();
  schema.eachPath((path, type: Path) => {
    if (path === '__v') return;
    const [name = path, ...rest] = path.split('.');
    if (rest.length === 0) {
      fields.push(toField(name, type));
      return;
    }
    const inner = nested.get(name) ?? [];
    nested.set(name, [...inner, toField(rest.join('.'), type)]);
  });
  for (const [name, inner] of nested) {
    fields.push({ name, read: toReadDocument(inner), fallback: () => readDocument({}, inner), isRequired: false });
  }
  return fields;
}

function toField(name: string, type: Path): Field {
  const isRequired = type.isRequired === true;
  if (name === '_id' && type.instance === 'ObjectId') {
    // Other types are not converted: the gateway's queries could not find the document by the converted id.
    const read = (value: unknown) => (typeof value === 'string' || isPlain(value) ? undefined : readId(value));
    return { name, read, fallback: () => UNKNOWN_ID, isRequired: true };
  }
  return { name, read: toReadValue(type), fallback: toFallback(type), isRequired };
}

function toFallback({ instance, defaultValue, isRequired, enumValues = [] }: Path): () => unknown {
  if (instance === 'Array') return typeof defaultValue === 'function' ? () => [] : () => undefined;
  if (defaultValue !== undefined && typeof defaultValue !== 'function') return () => defaultValue;
  if (isRequired !== true) return () => undefined;
  if (instance === 'ObjectId') return () => UNKNOWN_ID;
  return instance === 'String' && enumValues.length === 0 ? () => '' : () => undefined;
}

function toReadValue(type: Path): ReadValue {
  const { schema, embeddedSchemaType: element, enumValues = [] } = type;
  switch (type.instance) {
    case 'ObjectId':
      return readId;
    case 'Date':
      return readDate;
    case 'Number':
      return readNumber;
    case 'Boolean':
      return readBoolean;
    case 'String':
      return enumValues.length === 0 ? readText : toReadWord(enumValues);
    case 'Embedded':
      return schema === undefined ? (value) => value : toReadDocument(toFields(schema));
    case 'Array':
      return toReadList(schema === undefined ? toElement(element) : toReadEntry(toFields(schema)));
    default:
      return (value) => value;
  }
}

const toElement = (element: Path | undefined): ReadValue =>
  element === undefined ? (value) => value : toReadValue(element);

/** Reads an enum value in any case. */
const toReadWord =
  (words: readonly string[]): ReadValue =>
  (value) => {
    if (typeof value !== 'string') return undefined;
    const wanted = value.trim().toLowerCase();
    return words.find((word) => word.toLowerCase() === wanted);
  };

/** Reads a list and drops unreadable elements. A single value counts as a list of one. */
const toReadList =
  (read: ReadValue): ReadValue =>
  (value) => {
    const stored: unknown[] = Array.isArray(value) ? value : [value];
    const known = stored.flatMap((element) => {
      const meaning = element === null || element === undefined ? undefined : read(element);
      return meaning === undefined ? [] : [meaning];
    });
    if (!Array.isArray(value)) return known.length === 0 ? undefined : known;
    const isUnchanged = known.length === value.length && known.every((element, index) => element === value[index]);
    return isUnchanged ? value : withoutRepeatedIds(known);
  };

/** An id may be stored in two forms. */
const withoutRepeatedIds = (elements: readonly unknown[]): unknown[] => [
  ...new Map(
    elements.map((element) => [element instanceof Types.ObjectId ? element.toHexString() : element, element]),
  ).values(),
];

const readDocument = (document: StoredDocument, fields: readonly Field[]): StoredDocument => {
  for (const field of fields) readField(document, field);
  return document;
};

const toReadDocument =
  (fields: readonly Field[]): ReadValue =>
  (value) =>
    isPlain(value) ? readDocument(value, fields) : undefined;

/**
 * Reads an entry of a list. The first field of its schema is its key: an entry without it is dropped, and a bare key
 * counts as an entry with no other fields.
 */
function toReadEntry(fields: readonly Field[]): ReadValue {
  const [first] = fields;
  if (first === undefined) return (value) => value;
  return (value) => {
    const entry = isPlain(value) && readId(value['_id']) === undefined ? value : { [first.name]: value };
    if (first.read(entry[first.name] ?? undefined) === undefined) return undefined;
    return readDocument(entry, fields);
  };
}
