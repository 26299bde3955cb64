import { calculateObjectSize } from 'bson';
import type { Document } from './values.js';

/** The size of a document as BSON, in bytes. */
export const byteLengthOf = (document: Document): number => calculateObjectSize(document, { ignoreUndefined: true });
