import { callTo } from '../../paths.js';
import { isRecord, type Json, readRecord, readText, resolve } from './document.js';

/** A value that a call takes besides its body. */
export interface Parameter {
  readonly name: string;
  readonly place: 'path' | 'query' | 'header';
  readonly isRequired: boolean;
  /** Whether an empty text is a value. */
  readonly mayBeEmpty: boolean;
  readonly description: string;
  /** What it is when it is left out; empty: not said. */
  readonly byDefault: string;
  /** From the example of the route; empty: none. */
  readonly example: string;
  /** The values to choose from; empty: any text. */
  readonly options: readonly string[];
}

/** A REST route, from the OpenAPI document. */
export interface RouteOffer {
  /** Such as `emit-api.emit`. */
  readonly id: string;
  readonly tag: string;
  readonly method: string;
  /** As `/emit/{userId}/{event}`. */
  readonly path: string;
  readonly summary: string;
  /** Limits and costs; empty: none. */
  readonly description: string;
  readonly parameters: readonly Parameter[];
  /** `undefined`: it takes no body. */
  readonly body: { readonly isRequired: boolean; readonly example: unknown } | undefined;
  /** Whose credential it takes: a backend's, a user's, a website's, or none. */
  readonly caller: 'backend' | 'user' | 'site' | 'anyone';
}

const METHODS = ['get', 'post', 'put', 'delete'];

/** The routes of an OpenAPI document, in its order. What it does not hold is left out. */
export const toRoutes = (document: unknown): RouteOffer[] =>
  Object.entries(readRecord(document, 'paths')).flatMap(([path, methods]) =>
    METHODS.flatMap((method) => {
      const operation = isRecord(methods) ? methods[method] : undefined;
      return isRecord(operation) ? [toRoute(document, { path, method, operation })] : [];
    }),
  );

interface Found {
  readonly path: string;
  readonly method: string;
  readonly operation: Json;
}

function toRoute(document: unknown, { path, method, operation }: Found): RouteOffer {
  const { parameters, tags, requestBody } = operation;
  const [tag] = Array.isArray(tags) ? tags : [];
  return {
    id: readText(operation, 'operationId'),
    tag: typeof tag === 'string' ? tag : '',
    method: method.toUpperCase(),
    path,
    summary: readText(operation, 'summary'),
    description: readText(operation, 'description'),
    parameters: Array.isArray(parameters) ? parameters.flatMap((parameter) => toParameter(document, parameter)) : [],
    body: isRecord(requestBody)
      ? {
          isRequired: requestBody['required'] === true,
          example: readRecord(readRecord(requestBody, 'content'), 'application/json')['example'],
        }
      : undefined,
    caller: toCaller(operation['security']),
  };
}

const PLACES = ['path', 'query', 'header'] as const;

function toParameter(document: unknown, part: unknown): Parameter[] {
  const parameter = resolve(document, part);
  const place = PLACES.find((one) => one === readText(parameter, 'in'));
  if (parameter === undefined || place === undefined) return [];
  const schema = resolve(document, parameter['schema']) ?? {};
  const options = toOptions(document, schema);
  // Only a wrong value is described by the schema of a setting that is refused.
  if (isRecord(schema['not'])) return [];
  return [
    {
      name: readText(parameter, 'name'),
      place,
      isRequired: parameter['required'] === true,
      options,
      mayBeEmpty: alternativesOf(document, schema).some((one) => one?.['const'] === ''),
      description: readText(parameter, 'description') || readText(schema, 'description'),
      byDefault: toText(schema['default']),
      example: toText(parameter['example']),
    },
  ];
}

/** A flag is `true` or `false`, of all the ways to write it; other alternatives have no list of values. */
function toOptions(document: unknown, schema: Json): string[] {
  const { enum: values, type } = schema;
  if (type === 'boolean') return FLAG;
  if (Array.isArray(values)) return values.map(toText);
  return alternativesOf(document, schema).some((one) => one?.['type'] === 'boolean') ? FLAG : [];
}

const alternativesOf = (document: unknown, { anyOf }: Json): (Json | undefined)[] =>
  Array.isArray(anyOf) ? anyOf.map((one) => resolve(document, one)) : [];

const FLAG = ['true', 'false'];

const toText = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);

/** The document says by whom a route is called by the names of its security schemes. */
function toCaller(security: unknown): RouteOffer['caller'] {
  if (!Array.isArray(security)) return 'backend';
  if (security.length === 0) return 'anyone';
  const names = security.flatMap((one) => (isRecord(one) ? Object.keys(one) : []));
  if (names.includes('user')) return 'user';
  return names.includes('site') ? 'site' : 'backend';
}

/** What a form was filled with. */
export interface Filled {
  /** By {@link keyOf}. */
  readonly values: Readonly<Record<string, string>>;
  /** JSON; empty: no body. */
  readonly body: string;
}

/** A request that can be made, and shown as a command. */
export interface Request {
  readonly method: string;
  /** Below the gateway, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** The key of a parameter in a form: a path and a query may use the same name. */
export const keyOf = ({ place, name }: Pick<Parameter, 'place' | 'name'>): string => `${place} ${name}`;

/** A form with the examples of what is required; `known` has better values, by name. An option changes what a call does. */
export const toFilled = (route: RouteOffer, known: Readonly<Record<string, string>> = {}): Filled => ({
  values: Object.fromEntries(
    route.parameters.map((parameter) => [
      keyOf(parameter),
      known[parameter.name] ?? (parameter.isRequired ? parameter.example : ''),
    ]),
  ),
  body: route.body === undefined || route.body.example === undefined ? '' : JSON.stringify(route.body.example, null, 2),
});

/** The names of what is required and empty. */
export const missingOf = ({ parameters, body }: RouteOffer, filled: Filled): string[] => [
  ...parameters
    .filter((one) => one.isRequired && !one.mayBeEmpty && (filled.values[keyOf(one)] ?? '') === '')
    .map(({ name }) => name),
  ...(body?.isRequired === true && filled.body.trim() === '' ? ['body'] : []),
];

/** The request of a form. Empty values are left out, unless they are required. */
export function toRequest(route: RouteOffer, { values, body }: Filled): Request {
  const at = (place: Parameter['place']): Record<string, string> =>
    Object.fromEntries(
      route.parameters
        .filter((parameter) => parameter.place === place)
        .filter((parameter) => parameter.isRequired || (values[keyOf(parameter)] ?? '') !== '')
        .map((parameter) => [parameter.name, values[keyOf(parameter)] ?? '']),
    );
  const hasBody = route.body !== undefined && body.trim() !== '';
  return {
    method: route.method,
    path: callTo(route.path.replace(/\{(\w+)\}/g, ':$1'), at('path'), at('query')),
    headers: { ...at('header'), ...(hasBody ? { 'content-type': 'application/json' } : {}) },
    body: hasBody ? body : undefined,
  };
}
