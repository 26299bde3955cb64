import { createHash } from 'node:crypto';
import { publishedContracts, wireVersion } from '#shared/contracts/index.js';
import { createSchemaWriter } from '../json-schema.js';
import { createEntries, type Entry } from './entries.js';
import { type Html, html, join, raw } from './html.js';
import { sectionId, toErrors, toLimits, toNamespaces, toTitle, toTypes } from './overview.js';
import { script } from './script.js';
import { style } from './style.js';

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** What the page may load: its own script and style, the icon within it, and nothing else. */
const loadable = `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; img-src data:; base-uri 'none'; form-action 'none'`;

/** The header `Content-Security-Policy` of the page. */
export const referencePolicy = `${loadable}; frame-ancestors 'none'`;

/** A contract with its entries. */
interface Section {
  readonly name: string;
  readonly title: string;
  readonly namespaces: readonly string[];
  readonly entries: readonly Entry[];
}

/** The reference as a page: HTML, generated from the contracts. It loads nothing from elsewhere. */
export function createReference(): string {
  const writer = createSchemaWriter('draft-2020-12');
  const entries = createEntries(writer);
  const sections = publishedContracts.map((published): Section => {
    const { name } = published.contract;
    return { name, title: toTitle(name), namespaces: published.namespaces, entries: entries.of(published) };
  });
  const namespaces = toNamespaces(writer);
  const body = html`<a class="skip" href="#content">Skip to the content</a>
<div class="page">
<header class="side"><h1>General Socket</h1><p class="version">Events and routes, wire ${wireVersion}</p>
<input class="search" type="search" placeholder="Search ( / )" aria-label="Search events, routes and fields" hidden>
<p class="found" role="status"></p>
<nav aria-label="Contents"><ul><li class="top"><a href="#namespaces">Namespaces</a></li></ul>
${sections.map(toNavigation)}
<ul><li class="top"><a href="#limits">Limits</a></li><li class="top"><a href="#errors">Errors</a></li><li class="top"><a href="#types">Types</a></li></ul></nav></header>
<main id="content">${namespaces}${sections.map(toSection)}${toLimits()}${toErrors(writer)}${toTypes(writer)}</main>
</div>`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${loadable}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>General Socket: events and routes</title>
<style>${raw(style)}</style>
</head>
<body>
${body}
<script>${raw(script)}</script>
</body>
</html>
`.html;
}

const toNavigation = ({ title, entries }: Section): Html => html`<details open><summary>${title}</summary><ul>
${entries.map(
  ({
    id,
    name: shown,
    way,
  }) => html`<li><a href="#${id}"><span class="way">${WAYS[way] ?? way}</span> <span>${shown}</span></a></li>
`,
)}</ul></details>
`;

/** Directions as short as the narrow column of the navigation needs. */
const WAYS: Readonly<Record<string, string>> = { sent: 'send', received: 'recv', DELETE: 'DEL' };

function toSection({ name, title, namespaces, entries }: Section): Html {
  const places = namespaces.map((one) => html`<a href="#namespace.${one}"><code>${one}</code></a>`);
  const where = places.length === 0 ? html`REST` : html`On ${join(places, ', ')}`;
  return html`<section aria-labelledby="${sectionId(name)}"><h2 id="${sectionId(name)}">${title}</h2>
<p class="where">${where}</p>
${entries.map((entry) => entry.html)}</section>
`;
}
