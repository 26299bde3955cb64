import { createRequire } from 'node:module';

/** Documents of a command that the driver sends as they are. The driver has no public way to send encoded documents. */
interface DocumentSequence {
  push(document: object, bytes: Uint8Array): number;
}
type DocumentSequenceClass = new (field: string) => DocumentSequence;

const requireFromMongoose = createRequire(createRequire(import.meta.url).resolve('mongoose'));
const { DocumentSequence } = requireFromMongoose('mongodb/lib/cmap/commands.js') as {
  DocumentSequence: DocumentSequenceClass;
};

/**
 * The value of a field of a command, such as `documents` of `insert`, from encoded documents. Decoding and encoding them
 * again would change values that JavaScript cannot represent. A sequence can be sent once.
 */
export function toDocumentSequence(field: string, documents: readonly Uint8Array[]): object {
  const sequence = new DocumentSequence(field);
  for (const bytes of documents) sequence.push({}, bytes);
  return sequence;
}
