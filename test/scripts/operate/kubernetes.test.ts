import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { operations } from '#shared/contracts/operations.js';
import { environment as settings } from '../../../src/config.js';

// biome-ignore lint/suspicious/noExplicitAny: a manifest is looked into without declaring its form again
type Manifest = any;

const read = (name: string): Promise<string> =>
  readFile(new URL(`../../../scripts/operate/${name}`, import.meta.url), 'utf8');

const text = await read('kubernetes.yaml');
const manifests: Manifest[] = parseAllDocuments(text).map((document) => {
  expect(document.errors).toEqual([]);
  return document.toJS();
});
const ofKind = (kind: string): Manifest => {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  expect(found.length, kind).toBe(1);
  return found[0];
};
const { spec } = ofKind('Deployment').spec.template;
const [container] = spec.containers;

test('the manifest has two replicas that are never both away', () => {
  const { replicas, strategy, selector, template } = ofKind('Deployment').spec;
  expect(replicas).toBe(2);
  expect(strategy.rollingUpdate.maxUnavailable).toBe(0);
  expect(ofKind('PodDisruptionBudget').spec.maxUnavailable).toBe(1);
  const labels = template.metadata.labels;
  for (const selected of [selector, ofKind('PodDisruptionBudget').spec.selector])
    expect(labels).toMatchObject(selected.matchLabels);
  expect(labels).toMatchObject(ofKind('Service').spec.selector);
});

test('its probes ask routes that exist, on the port of the gateway', () => {
  const { startupProbe, readinessProbe, livenessProbe, ports } = container;
  const { pathname, searchParams } = new URL(readinessProbe.httpGet.path, 'http://gateway');
  const { ready } = operations.routes;
  expect(pathname).toBe(ready.path);
  // Otherwise an outage of either would leave no pod in the Service.
  expect(ready.query.parse(Object.fromEntries(searchParams)).exclude?.split(',').sort()).toEqual(['mongo', 'redis']);
  expect([startupProbe, livenessProbe].map(({ httpGet }) => httpGet.path)).toEqual(['/health/live', '/health/live']);
  const { PORT, STARTUP_TIMEOUT_MS } = settings.parse({});
  expect(ports).toEqual([{ name: 'http', containerPort: PORT }]);
  expect(startupProbe.periodSeconds * startupProbe.failureThreshold * 1000).toBeGreaterThan(STARTUP_TIMEOUT_MS);
});

test('it waits for a graceful stop', () => {
  const [, seconds] = container.lifecycle.preStop.exec.command;
  const { SHUTDOWN_TIMEOUT_MS } = settings.parse({});
  expect(spec.terminationGracePeriodSeconds * 1000).toBeGreaterThan(Number(seconds) * 1000 + SHUTDOWN_TIMEOUT_MS);
});

test('it gives the gateway no right and no writable disk that it does not need', () => {
  expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
  expect(spec.automountServiceAccountToken).toBe(false);
  expect(container.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  expect(container.resources.limits.memory).toBeDefined();
  expect(container.resources.requests).toEqual({ cpu: expect.any(String), memory: expect.any(String) });
});

test('it sets only settings that exist, and mounts each secret as a file that is read again when it changes', () => {
  const { data } = ofKind('ConfigMap');
  const secrets = [...text.matchAll(/--from-literal=([A-Z_]+)=/g)].map(([, name = '']) => name);
  const files = Object.keys(data).filter((name) => name.endsWith('_FILE'));
  expect(files.map((name) => name.replace(/_FILE$/, '')).sort()).toEqual([...secrets].sort());
  expect(secrets).toEqual(expect.arrayContaining(['JWT_SECRETS', 'EMIT_API_KEYS', 'MONGODB_URL', 'REDIS_URL']));
  const names = [...Object.keys(data).filter((name) => !files.includes(name)), ...secrets];
  expect(names.filter((name) => !(name in settings.shape))).toEqual([]);
  const { mountPath, name } = container.volumeMounts.find((mount: Manifest) => mount.mountPath === '/secrets');
  for (const secret of secrets) expect(data[`${secret}_FILE`]).toBe(`${mountPath}/${secret}`);
  expect(spec.volumes.find((volume: Manifest) => volume.name === name).secret.secretName).toBe('general-socket');
  expect(container.envFrom).toEqual([{ configMapRef: { name: ofKind('ConfigMap').metadata.name } }]);
});

test('the systemd unit waits for a graceful stop, and sets only settings that exist', async () => {
  const unit = await read('general-socket.service');
  const { SHUTDOWN_TIMEOUT_MS } = settings.parse({});
  expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) * 1000).toBeGreaterThan(SHUTDOWN_TIMEOUT_MS);
  const names = (/^Environment=(.+)$/m.exec(unit)?.[1] ?? '').split(' ').map((one) => one.replace(/=.*/, ''));
  expect(names).toContain('NODE_ENV');
  expect(names.filter((name) => !(name in settings.shape))).toEqual([]);
  expect(unit).toMatch(/^ExecStart=\/usr\/bin\/node .*dist\/src\/main\.js$/m);
});
