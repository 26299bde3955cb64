import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { environment } from '../../src/config.js';
import { catalogue } from '../../src/errors.js';
import { logEvents } from '../../src/platform/logging/events.js';
import { createMetrics } from '../../src/platform/metrics.js';
import { parseMetrics } from '../support/prometheus.js';
import { projectDirectory } from '../support/script.js';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

interface Panel {
  readonly title: string;
  readonly id: number;
  readonly targets?: readonly { readonly expr: string }[];
}

const read = (name: string): Promise<string> => readFile(join(projectDirectory, 'scripts/operate', name), 'utf8');

const rules: Rule[] = parse(await read('alerts.yml')).groups.flatMap(({ rules: own }: { rules: Rule[] }) => own);
const dashboard: { panels: Panel[] } = JSON.parse(await read('grafana.json'));
const panelExpressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

const families = [...parseMetrics(await createMetrics().registry.metrics()).values()];
const series = new Set([
  'up',
  ...families.flatMap(({ name, type }) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
]);

interface Parsed {
  readonly isValid: boolean;
  readonly metrics: readonly string[];
}

/** Parses an expression as Prometheus does; Grafana fills in the interval. */
function parseExpression(expression: string): Parsed {
  const text = expression.replaceAll('$__rate_interval', '5m');
  const metrics: string[] = [];
  let isValid = true;
  parser.parse(text).iterate({
    enter({ type, from, to }) {
      if (type.isError) isValid = false;
      if (type.name === 'VectorSelector') metrics.push(/^[\w:]+/.exec(text.slice(from, to))?.[0] ?? '');
    },
  });
  return { isValid, metrics };
}

test.each(['rate(x[5m]', 'sum by (a) x y', 'x >', 'rate(x[5q])'])('the parser refuses %j', (expression) => {
  expect(parseExpression(expression).isValid).toBe(false);
});

test('every expression of alerts and panels is valid and names metrics that exist', () => {
  const expressions = [...rules.map(({ expr }) => expr), ...panelExpressions];
  expect(expressions.length).toBeGreaterThan(30);
  for (const expression of expressions) {
    const { isValid, metrics } = parseExpression(expression);
    expect([expression, isValid, metrics.filter((name) => !series.has(name))]).toEqual([expression, true, []]);
    expect(metrics.length).toBeGreaterThan(0);
  }
});

test('every metric of the gateway is on the dashboard', () => {
  const shown = new Set(panelExpressions.flatMap((expression) => parseExpression(expression).metrics));
  const ours = families.filter(({ name }) => name.startsWith('gateway_'));
  const missing = ours.filter(({ name }) => ![name, `${name}_bucket`, `${name}_count`].some((one) => shown.has(one)));
  expect(missing.map(({ name }) => name)).toEqual([]);
});

test('every alert has a severity, a summary and a runbook, which names only what exists', () => {
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  for (const { alert, labels, annotations } of rules) {
    expect(['page', 'ticket'], alert).toContain(labels.severity);
    expect(annotations.summary.length, alert).toBeGreaterThan(20);
    expect(annotations.runbook.length, alert).toBeGreaterThan(60);
    const settings = annotations.runbook.match(/\b[A-Z]+_[A-Z_]+\b/g) ?? [];
    const known = { ...environment.shape, ...catalogue, NOT_ACKNOWLEDGED: true };
    expect(
      settings.filter((name) => !(name in known)),
      alert,
    ).toEqual([]);
    const events = annotations.runbook.match(/(?<=log lines? )[a-z_]+/g) ?? [];
    expect(
      events.filter((name) => !(name in logEvents)),
      alert,
    ).toEqual([]);
  }
});

test('Prometheus scrapes each gateway with a key, under the name that alerts and panels expect', async () => {
  const { rule_files, scrape_configs } = parse(await read('prometheus.yml'));
  expect(rule_files).toEqual(['alerts.yml']);
  const [{ job_name, authorization, static_configs }] = scrape_configs;
  expect(authorization.credentials_file).toBeDefined();
  const servers = (await read('haproxy.cfg')).matchAll(/^ *server \S+ (gateway-\S+)/gm);
  expect(static_configs).toEqual([{ targets: [...new Set(Array.from(servers, ([, address]) => address))] }]);
  const named = [...rules.map(({ expr }) => expr), ...panelExpressions].flatMap((expression) =>
    [...expression.matchAll(/job="([^"]*)"/g)].map(([, name]) => name),
  );
  expect(new Set(named)).toEqual(new Set([job_name]));
});

test('the panels of the dashboard have ids of their own', () => {
  const ids = dashboard.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});
