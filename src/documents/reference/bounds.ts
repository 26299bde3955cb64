import type { JsonSchema } from '../json-schema.js';
import { type Html, html } from './html.js';
import { alternativesOf, OBJECT_ID_PATTERN } from './types.js';

/** Longer patterns say nothing to readers. */
const PATTERN_MAX = 40;

/** What a schema bounds besides its type: lengths, ranges, patterns and the default. */
export function toBounds(schema: JsonSchema): Html[] {
  const numbers = alternativesOf(schema).find(({ type }) => type === 'integer' || type === 'number');
  const { pattern, default: byDefault } = schema;
  const texts = [
    toRange(schema, { low: 'minLength', high: 'maxLength', unit: ' characters' }),
    toRange(schema, { low: 'minItems', high: 'maxItems', unit: ' entries' }),
    toRange({ ...numbers, ...schema }, { low: 'minimum', high: 'maximum', unit: '' }),
    toRange(schema, { low: 'minProperties', high: 'maxProperties', unit: ' fields' }),
  ].filter((text) => text !== undefined);
  return [
    ...texts.map((text) => html`${text}`),
    ...(typeof pattern === 'string' &&
    pattern !== OBJECT_ID_PATTERN &&
    !pattern.includes('\\u') &&
    pattern.length <= PATTERN_MAX
      ? [html`matches <code>${pattern}</code>`]
      : []),
    ...(byDefault === undefined ? [] : [html`default <code>${JSON.stringify(byDefault)}</code>`]),
  ];
}

interface Range {
  readonly low: string;
  readonly high: string;
  readonly unit: string;
}

function toRange(schema: JsonSchema, { low, high, unit }: Range): string | undefined {
  const [minimum, maximum] = [schema[low], schema[high]].map((bound) =>
    typeof bound === 'number' ? bound : undefined,
  );
  const shown = (bound: number): string => bound.toLocaleString('en');
  if (minimum !== undefined && maximum !== undefined) return `${shown(minimum)} to ${shown(maximum)}${unit}`;
  if (maximum !== undefined) return `at most ${shown(maximum)}${unit}`;
  return minimum === undefined || minimum === 0 ? undefined : `at least ${shown(minimum)}${unit}`;
}
