import { costs, UNITS_PER_POINT } from '#shared/contracts/costs.js';
import { catalogue, type ErrorCode, remedies } from '#shared/contracts/errors.js';
import {
  configuredNamespaces,
  type PublishedNamespace,
  publishedContracts,
  publishedNamespaces,
} from '#shared/contracts/index.js';
import { chatRequestFailure, requestFailure } from '#shared/contracts/reply-schemas.js';
import { generalExample, toSuccessExample } from '../examples.js';
import type { SchemaWriter } from '../json-schema.js';
import { toExample } from './entries.js';
import { toFields } from './fields.js';
import { type Html, html, join, withCode } from './html.js';
import { toType } from './types.js';

/** The part of the anchor of a section that stands for a contract. */
export const sectionId = (name: string): string => `section.${name}`;

/** A contract's name as a title: `push-sites` → `Push sites`. */
export const toTitle = (name: string): string =>
  name.charAt(0).toUpperCase() +
  name
    .slice(1)
    .replaceAll('-', ' ')
    .replace(/\bapi\b/, 'API');

/** How to connect to each namespace, and its contracts. */
export function toNamespaces(writer: SchemaWriter): Html {
  const namespaces = Object.entries<PublishedNamespace>({ ...publishedNamespaces, ...configuredNamespaces });
  return html`<section aria-labelledby="namespaces"><h2 id="namespaces">Namespaces</h2>
<p class="where">A client connects to a namespace over Socket.IO, with <code>transports: ['websocket']</code>.</p>
${namespaces.map(([name, namespace]) => toNamespace(writer, name, namespace))}</section>`;
}

function toNamespace({ toSchema }: SchemaWriter, name: string, namespace: PublishedNamespace): Html {
  const { summary, scopes, handshake, replies } = namespace;
  const spoken = publishedContracts.filter(({ namespaces }) => namespaces.some((one) => one === name));
  const links = spoken.map(
    ({ contract }) => html`<a href="#${sectionId(contract.name)}">${toTitle(contract.name)}</a>`,
  );
  const auth = handshake?.auth;
  return html`<article id="namespace.${name}" data-entry>
<h3><a class="self" href="#namespace.${name}"><code>${name}</code></a></h3>
<p>${withCode(summary)}</p>
<ul class="facts"><li>scope <b>${scopes === undefined ? 'no authentication' : scopes.join(' or ') || 'none'}</b></li>
<li>events ${join(links, ', ')}</li></ul>
<div class="columns"><div>${auth !== undefined && html`<h4>auth of the client</h4>${toFields(toSchema(auth))}`}
${handshake?.query !== undefined && html`<h4>Query</h4>${toFields(toSchema(handshake.query))}`}</div>
<div>${auth !== undefined && toExample('auth', generalExample(auth))}
${toExample('Refused connection', generalExample(replies.refusal))}
${toExample('Successful answer', toSuccessExample({}, replies.success().safeParse({ success: true }).success ? undefined : 'SUCCESS'))}
${toExample('Failed answer', generalExample(replies.failure))}</div></div></article>
`;
}

/** What events cost, and what limits them. */
export function toLimits(): Html {
  const rows = Object.entries(costs).map(
    ([name, { summary }]) => html`<tr id="cost.${name}" data-entry><td><code>${name}</code></td><td>${summary}</td></tr>
`,
  );
  return html`<section aria-labelledby="limits"><h2 id="limits">Limits</h2>
<p class="where">A user may use <code>EVENT_LIMIT</code> points in <code>EVENT_LIMIT_WINDOW_MS</code>. Each event or call costs
1 point, and 1 more for every ${UNITS_PER_POINT} units of its work. Some events have a limit of their own beside that. Above a
limit the answer is <a href="#error.RATE_LIMITED"><code>RATE_LIMITED</code></a>.</p>
<div class="scroll"><table class="costs"><thead><tr><th scope="col">kind of work</th><th scope="col">units</th></tr></thead>
<tbody>${rows}</tbody></table></div></section>`;
}

/** Every error code. */
export function toErrors({ toSchema }: SchemaWriter): Html {
  const [failure, chatFailure] = [requestFailure, chatRequestFailure].map((schema) => toType(toSchema(schema)));
  const rows = (Object.keys(catalogue) as ErrorCode[]).map(
    (code) => html`<tr id="error.${code}" data-entry>
<td><code>${code}</code></td><td>${catalogue[code].status}</td><td>${catalogue[code].retryable ? 'yes' : 'no'}</td><td>${withCode(remedies[code])}</td></tr>
`,
  );
  return html`<section aria-labelledby="errors"><h2 id="errors">Errors</h2>
<p class="where">Retry says whether the same call can succeed later without a change. A failed REST call is answered with a ${failure},
in the chats with a ${chatFailure}.</p>
<div class="columns"><div class="scroll"><table class="errors">
<thead><tr><th scope="col">code</th><th scope="col">status</th><th scope="col">retry</th><th scope="col">what to do</th></tr></thead>
<tbody>${rows}</tbody></table></div><div><h3>A failed REST call</h3>${toExample('Body', generalExample(requestFailure))}</div></div></section>`;
}

/** The types that several events or routes use. */
export function toTypes({ components }: SchemaWriter): Html {
  const types = Object.entries(components).sort(([left], [right]) => (left < right ? -1 : 1));
  return html`<section aria-labelledby="types"><h2 id="types">Types</h2>
<p class="where">What several events and routes use.</p>
${types.map(
  ([name, schema]) => html`<article id="type.${name}" data-entry>
<h3><a class="self" href="#type.${name}"><code>${name}</code></a></h3>${toFields(schema)}</article>
`,
)}</section>`;
}
