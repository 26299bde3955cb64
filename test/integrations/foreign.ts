import { type Model, Types } from 'mongoose';
import { expect } from 'vitest';
import type { TestClient } from '../support/client.js';
import { oddValuesFor } from '../support/odd-values.js';

/** A document with one odd field. */
export interface Variant {
  readonly _id: Types.ObjectId;
  readonly field: string;
  readonly kind: string;
}

type Document = Record<string, unknown> & { _id: Types.ObjectId };

const topFieldsOf = (model: Model<never>): string[] => [
  ...new Set(Object.keys(model.schema.paths).map((path) => path.split('.')[0] ?? path)),
];

/**
 * Stores documents with one odd field each, for every field of a model, past Mongoose, as other services do.
 * @param except fields by which documents are found
 * @param toDocument a good document, of which one field is made odd
 */
export async function storeVariants<T>(
  model: Model<T>,
  except: readonly string[],
  toDocument: (variant: Variant) => Document | Promise<Document>,
): Promise<Variant[]> {
  const variants: Variant[] = [];
  for (const [index, field] of topFieldsOf(model as never).entries()) {
    if (['_id', '__v', ...except].includes(field)) continue;
    for (const [kind, make] of oddValuesFor(model.schema.path(field)?.instance, index)) {
      const variant = { _id: new Types.ObjectId(), field, kind };
      const { [field]: _, ...document } = await toDocument(variant);
      const value = make();
      const stored = { ...document, ...(value === undefined ? {} : { [field]: value }) };
      const isStored = await model.collection.insertOne(stored as never).then(
        () => true,
        (error: { code?: number }) => {
          // A unique index keeps some out, and an index of two lists others; they cannot affect other calls.
          if (error.code !== 11_000 && error.code !== 171) throw error;
          return false;
        },
      );
      if (isStored) variants.push(variant);
    }
  }
  expect(variants.length).toBeGreaterThan(6);
  return variants;
}

/** The answer to an event that may fail, but never for a reason that only the log knows. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
export async function askGently(client: TestClient, event: string, data: object, about: string): Promise<any> {
  const answer = await client.ask(event, data);
  expect([about, event, answer.code ?? answer.message ?? 'SUCCESS']).not.toContain('INTERNAL_ERROR');
  return answer;
}

export const nameOf = ({ field, kind }: Variant): string => `${field}: ${kind}`;
