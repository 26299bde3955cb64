import { isIdentical } from './identity.js';
import { type Document, isDocument } from './values.js';

/** What an update has changed, as in the change events of MongoDB. Paths are dotted. */
export interface Difference {
  readonly updatedFields: Document;
  readonly removedFields: string[];
  readonly truncatedArrays: { field: string; newSize: number }[];
}

/** Compares a document before and after an update. Elements of arrays are compared by their places. */
export function differenceOf(before: Document, after: Document): Difference {
  const difference: Difference = { updatedFields: {}, removedFields: [], truncatedArrays: [] };
  compareDocuments(before, after, { prefix: '', difference });
  return difference;
}

/** Where in the document a part is, and what was found before it. */
interface Place {
  readonly prefix: string;
  readonly difference: Difference;
}

function compareDocuments(before: Document, after: Document, { prefix, difference }: Place): void {
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(after, key)) difference.removedFields.push(prefix + key);
  }
  for (const [key, value] of Object.entries(after)) {
    const path = prefix + key;
    if (Object.hasOwn(before, key)) compare(before[key], value, { prefix: path, difference });
    else difference.updatedFields[path] = value;
  }
}

function compareArrays(before: readonly unknown[], after: readonly unknown[], { prefix, difference }: Place): void {
  if (after.length < before.length) difference.truncatedArrays.push({ field: prefix, newSize: after.length });
  for (const [index, value] of after.entries()) {
    const path = `${prefix}.${index}`;
    if (index < before.length) compare(before[index], value, { prefix: path, difference });
    else difference.updatedFields[path] = value;
  }
}

/** @param place the prefix is the path of the value itself */
function compare(before: unknown, after: unknown, place: Place): void {
  if (isIdentical(before, after)) return;
  if (isDocument(before) && isDocument(after)) {
    compareDocuments(before, after, { ...place, prefix: `${place.prefix}.` });
  } else if (Array.isArray(before) && Array.isArray(after)) compareArrays(before, after, place);
  else place.difference.updatedFields[place.prefix] = after;
}
