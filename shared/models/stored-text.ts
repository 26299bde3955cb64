/**
 * Equality with a text, for a field with a partial index over the documents that have a text there. MongoDB uses such an
 * index only for a query that repeats the condition on the type: it never concludes the type from the value.
 */
export const equalText = (text: string): { $eq: string; $type: 'string' } => ({ $eq: text, $type: 'string' });
