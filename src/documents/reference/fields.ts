import { fieldsOf, type JsonSchema } from '../json-schema.js';
import { toBounds } from './bounds.js';
import { type Html, html, join, withCode } from './html.js';
import { alternativesOf, nameOf, toType } from './types.js';

/** One line of a table of fields. */
interface Field {
  /** As `devices[].at`; empty for the value itself. */
  readonly path: string;
  readonly schema: JsonSchema;
  readonly isRequired: boolean;
}

/** The fields of a schema as a table; one sentence where a value has no fields of its own. */
export function toFields(schema: JsonSchema): Html {
  const fields = fieldsBelow(schema, '');
  if (fields.length > 0) return toTable(fields);
  if (schema['type'] === 'object' && schema['additionalProperties'] !== undefined)
    return html`<p class="value">An object of any fields.</p>`;
  if (schema['type'] === 'object') return html`<p class="value">An empty object.</p>`;
  return html`<p class="value">${toType(schema)}${toNotes(schema, ' · ')}</p>`;
}

const toTable = (fields: readonly Field[]): Html => html`<div class="scroll"><table>
<thead><tr><th scope="col">field</th><th scope="col">type</th><th scope="col">meaning</th></tr></thead>
<tbody>${fields.map(toRow)}</tbody></table></div>`;

function toRow({ path, schema, isRequired }: Field): Html {
  const [, parents = '', name = path] = /^(.*[.\]])?([^.\]]+(?:\[\])?)$/.exec(path) ?? [];
  const optional = isRequired ? undefined : html`<span class="optional">optional</span>`;
  return html`<tr><td><code><span class="parent">${parents}</span>${name}</code></td>
<td>${toType(schema)} ${optional}</td><td>${toNotes(schema, '')}</td></tr>
`;
}

function toNotes(schema: JsonSchema, before: string): Html | undefined {
  const { description } = schema;
  const bounds = toBounds(schema);
  if (description === undefined && bounds.length === 0) return undefined;
  const text = typeof description === 'string' ? withCode(description) : html``;
  const space = typeof description === 'string' && bounds.length > 0 ? ' ' : '';
  return html`${before}${text}${space}${bounds.length > 0 && html`<span class="bounds">${join(bounds, ', ')}</span>`}`;
}

/** The fields of an object, of the entries of a list, or of the alternatives of a union. Named types are not opened. */
function fieldsBelow(schema: JsonSchema, path: string): Field[] {
  if (nameOf(schema) !== undefined) return [];
  const tuple = schema['prefixItems'] as JsonSchema[] | undefined;
  if (tuple !== undefined)
    return tuple.flatMap((item, index) => withInner({ path: `${path}[${index}]`, schema: item, isRequired: true }));
  const items = schema['items'] as JsonSchema | undefined;
  if (schema['type'] === 'array' && items !== undefined) return fieldsBelow(items, `${path}[]`);
  const alternatives = alternativesOf(schema).flatMap((one) => fieldsBelow(one, path));
  const own = fieldsOf(schema).flatMap(({ name, ...field }) =>
    withInner({ ...field, path: path === '' ? name : `${path}.${name}` }),
  );
  return mergeAlternatives([...own, ...alternatives]);
}

const withInner = (field: Field): Field[] => [field, ...fieldsBelow(field.schema, field.path)];

/** A field of several alternatives is one line, with all of its types; it is required when every one requires it. */
function mergeAlternatives(fields: readonly Field[]): Field[] {
  const merged = new Map<string, Field>();
  for (const field of fields) {
    const known = merged.get(field.path);
    if (known === undefined) merged.set(field.path, field);
    else if (JSON.stringify(known.schema) !== JSON.stringify(field.schema)) {
      const schemas = [
        ...(known.schema['x-merged'] === true ? alternativesOf(known.schema) : [known.schema]),
        field.schema,
      ];
      const schema = { 'x-merged': true, anyOf: schemas };
      merged.set(field.path, { ...field, schema, isRequired: known.isRequired && field.isRequired });
    }
  }
  return [...merged.values()];
}
