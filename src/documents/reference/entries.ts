import type { z } from 'zod';
import {
  type ClientEvent,
  type Contract,
  limitOfRoute,
  type Route,
  type ServerEvent,
} from '#shared/contracts/contract.js';
import type { EventExample, RouteExample } from '#shared/contracts/examples/example.js';
import type { PublishedContract } from '#shared/contracts/index.js';
import { toShown, toSuccessExample } from '../examples.js';
import type { SchemaWriter } from '../json-schema.js';
import { toFields } from './fields.js';
import { type Html, html, withCode } from './html.js';

/** An event or route: its place in the navigation, and its description. */
export interface Entry {
  /** The anchor. */
  readonly id: string;
  readonly name: string;
  /** The direction in a word, for the navigation. */
  readonly way: string;
  readonly html: Html;
}

/** What an entry shows, in order. */
interface Shown {
  readonly id: string;
  readonly name: string;
  readonly badge: { readonly kind: 'in' | 'out' | 'rest'; readonly text: string };
  readonly summary: string;
  readonly facts: readonly (Html | undefined)[];
  /** Tables, each with its title. */
  readonly tables: readonly (Html | undefined)[];
  readonly examples: readonly (Html | undefined)[];
}

/** Describes what contracts declare. */
export function createEntries({ toSchema }: SchemaWriter) {
  const table = (title: string, schema: z.ZodType | undefined): Html | undefined =>
    schema === undefined ? undefined : html`<h4>${title}</h4>${toFields(toSchema(schema))}`;

  function ofClient(contract: Contract, name: string, event: ClientEvent, example: EventExample = {}): Entry {
    const { summary, payload, takesAllArguments, takesBinary, answer, scopes, limit, costs, isEchoed } = event;
    return toEntry('sent', {
      id: `${contract.name}.on.${name}`,
      name,
      badge: { kind: 'in', text: 'client sends' },
      summary,
      facts: [
        scopes && fact('scope', scopes.length === 0 ? 'none' : scopes.join(' or ')),
        limit && fact('limit', toLimit(limit)),
        toCost(costs),
        takesBinary === true ? html`<li>with one binary attachment</li>` : undefined,
        isEchoed === true ? html`<li>the answer also comes as an event of the same name</li>` : undefined,
      ],
      tables: [
        table(takesAllArguments === true ? 'Arguments' : 'Data', payload),
        answer === undefined
          ? html`<h4>Answer</h4><p class="value">Success without data.</p>`
          : table('Data of the answer', answer),
      ],
      examples: [toExample('Data', example.payload), answer && toExample('Data of the answer', example.answer)],
    });
  }

  function ofServer(contract: Contract, name: string | undefined, event: ServerEvent, example?: EventExample): Entry {
    const { summary, payload, takesAllArguments, isAcknowledged, header } = event;
    return toEntry('received', {
      id: `${contract.name}.emit.${name ?? 'relayed'}`,
      name: name ?? 'any event name',
      badge: { kind: 'out', text: 'client receives' },
      summary,
      facts: [isAcknowledged === true ? html`<li>the client acknowledges it</li>` : undefined],
      tables: [
        payload === undefined
          ? html`<h4>Data</h4><p class="value">None.</p>`
          : table(takesAllArguments === true ? 'Arguments' : 'Data', payload),
        header === undefined ? undefined : table('One more argument, with auth.deliveryIds', header),
      ],
      examples: [toExample('Data', example?.payload)],
    });
  }

  function ofRoute(contract: Contract, name: string, route: Route, example: RouteExample = {}): Entry {
    const limit = limitOfRoute(name, contract);
    const method = route.method.toUpperCase();
    return toEntry(method, {
      id: `${contract.name}.${name}`,
      name: route.path,
      badge: { kind: 'rest', text: method },
      summary: route.summary,
      facts: [
        fact('called by', CALLERS[route.caller ?? 'backend']),
        route.status !== undefined && route.status !== 200 ? fact('status', String(route.status)) : undefined,
        limit && fact('limit', toLimit(limit)),
        route.caller === 'user' ? toCost(route.costs) : undefined,
        route.takesForm === true ? html`<li>the body may be a form</li>` : undefined,
      ],
      tables: [
        table('Path', route.params),
        hasFields(route.query) ? table('Query', route.query) : undefined,
        table('Headers', route.headers),
        table('Body', route.body),
        toAnswerTable(route),
      ],
      examples: [
        toExample('Request', toRequestLine(route, example)),
        toExample('Body', example.body),
        toExample('Answer', toAnswerExample(route, example)),
        ...Object.entries(example.failures ?? {}).map(([status, body]) => toExample(`Answer ${status}`, body)),
      ],
    });
  }

  const hasFields = (schema: z.ZodType | undefined): boolean =>
    schema !== undefined && Object.keys(toSchema(schema)['properties'] ?? {}).length > 0;

  function toAnswerTable({ answer, text, sends, sendsFile, refusals = {} }: Route): Html | undefined {
    const refused = Object.values(refusals).map(
      ({ status, text: said }) => html`<li>${status}: <code>${said}</code></li>`,
    );
    const others = refused.length === 0 ? undefined : html`<h4>Refusals, as text</h4><ul>${refused}</ul>`;
    if (answer !== undefined) return html`<h4>Data of the answer</h4>${toFields(toSchema(answer))}${others}`;
    const said = sendsFile === true ? 'The file.' : text !== undefined ? `The text ${text}.` : undefined;
    const kind =
      typeof sends === 'string' ? `Text of the type ${sends}.` : sends === undefined ? undefined : 'A JSON document.';
    return html`<h4>Answer</h4><p class="value">${said ?? kind ?? 'Success without data.'}</p>${others}`;
  }

  return {
    /** The entries of a contract: what clients send, what they receive, routes. */
    of({ contract, examples }: PublishedContract): Entry[] {
      const { clientEvents, serverEvents, relayed, routes } = contract;
      return [
        ...Object.entries(clientEvents).map(([name, event]) =>
          ofClient(contract, name, event, examples.clientEvents[name]),
        ),
        ...Object.entries(serverEvents).map(([name, event]) =>
          ofServer(contract, name, event, examples.serverEvents[name]),
        ),
        ...(relayed === undefined ? [] : [ofServer(contract, undefined, relayed, examples.relayed)]),
        ...Object.entries(routes).map(([name, route]) => ofRoute(contract, name, route, examples.routes[name])),
      ];
    },
  };
}

const CALLERS = {
  backend: 'backends, with an API key',
  user: 'users, with their token',
  site: 'the website, with the key of its site',
  console: 'the console, with the cookie of a session that may act',
  anyone: 'anyone',
} as const;

const fact = (name: string, value: string): Html => html`<li>${name} <b>${value}</b></li>`;

/** What an event or call of a user costs; the kinds of work are explained in one place. */
const toCost = (costs: ClientEvent['costs'] = []): Html =>
  html`<li><a href="#limits">costs</a> <b>1 point${costs.length === 0 ? '' : ' and the work'}</b>${costs.length > 0 && `: ${costs.join(', ')}`}</li>`;

const toLimit = ({ points, windowMs }: NonNullable<ClientEvent['limit']>): string =>
  `${points} in ${windowMs / 1000} s`;

function toEntry(way: string, { id, name, badge, summary, facts, tables, examples }: Shown): Entry {
  const known = facts.filter((one) => one !== undefined);
  return {
    id,
    name,
    way,
    html: html`<article id="${id}" data-entry>
<h3><a class="self" href="#${id}"><code>${name}</code></a> <span class="badge ${badge.kind}">${badge.text}</span></h3>
<p>${withCode(summary)}</p>
${known.length > 0 && html`<ul class="facts">${known}</ul>`}
<div class="columns"><div>${tables}</div><div>${examples}</div></div>
</article>
`,
  };
}

/** An example as text: a text as it is, everything else as JSON. */
export function toExample(title: string, value: unknown): Html | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'string' && value.includes(' ') ? value : toJson(toShown(value));
  return html`<h4>${title}, for example</h4><pre tabindex="0">${text.trimEnd()}</pre>`;
}

/** How much fits next to a table without scrolling. */
const LINE_MAX = 46;

/** JSON with short objects and lists on one line. */
function toJson(value: unknown, indent = ''): string {
  const line = JSON.stringify(value);
  if (value === null || typeof value !== 'object' || line.length + indent.length <= LINE_MAX) return spaced(line);
  const inner = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map((item) => inner + toJson(item, inner))
    : Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${toJson(item, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${parts.join(',\n')}\n${indent}${close}`;
}

/** JSON on one line, with a space after each colon and comma outside of texts. */
const spaced = (line: string): string =>
  line.replace(/"(?:[^"\\]|\\.)*"|[:,{}]/g, (token) => SPACED[token] ?? token).replaceAll('{  }', '{}');

const SPACED: Readonly<Record<string, string>> = { ':': ': ', ',': ', ', '{': '{ ', '}': ' }' };

function toRequestLine({ method, path }: Route, { params = {}, query = {}, headers = {} }: RouteExample): string {
  const filled = path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(params[name])));
  const asked = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const target = asked.length === 0 ? filled : `${filled}?${asked.join('&')}`;
  return [`${method.toUpperCase()} ${target}`, ...lines].join('\n');
}

function toAnswerExample({ text, sends, sendsFile, message = 'SUCCESS' }: Route, example: RouteExample): unknown {
  if (sendsFile === true || text !== undefined) return undefined;
  return sends === undefined ? toSuccessExample(example.answer, message) : example.sends;
}
