import { createAsyncApi } from './async-api.js';
import { createOpenApi } from './open-api.js';

/** A JSON document that is made when it is first asked for. */
export interface ServedDocument {
  readonly path: string;
  readonly text: () => string;
}

/** The description of the wire, as the gateway serves it. */
export const documents: readonly ServedDocument[] = [
  { path: '/openapi.json', text: once(() => JSON.stringify(createOpenApi())) },
  { path: '/asyncapi.json', text: once(() => JSON.stringify(createAsyncApi())) },
];

function once(make: () => string): () => string {
  let made: string | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
