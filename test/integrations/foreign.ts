import { type Model, mongo, Types } from 'mongoose';
import { expect } from 'vitest';
import type { TestClient } from '../support/client.js';

/** What a service in another language may have stored in a field. */
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

/** Each field gets every third value, beginning at another one, so that a collection gets them all. */
let share = 3;

/** From now on each field gets every value. */
export const storeAllVariants = (): void => {
  share = 1;
};

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
    const isTime = model.schema.path(field)?.instance === 'Date';
    const values = Object.entries(isTime ? oddTimes : odd);
    for (const [kind, make] of values.filter((_, place) => (place + index) % share === 0)) {
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
  expect(variants.length).toBeGreaterThan(20 / share);
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
