import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compiled, projectDirectory } from '../support/script.js';

const run = promisify(execFile);

/** The packages of OpenTelemetry that a process has loaded after `startTracing`. */
async function loadedWith(endpoint: string): Promise<string[]> {
  const script = `
    const { startTracing } = await import(${JSON.stringify(compiled('src/platform/tracing.ts'))});
    const tracing = await startTracing({ endpoint: ${endpoint}, serviceName: 'x', node: 'y' });
    const { createRequire } = await import('node:module');
    const loaded = Object.keys(createRequire(import.meta.url).cache).join('\\n');
    console.log(JSON.stringify([...new Set(loaded.match(/@opentelemetry\\/[\\w-]+/g) ?? [])]));
    await tracing?.stop();
  `;
  const args = ['--input-type=module', '--eval', script];
  const { stdout } = await run(process.execPath, args, { cwd: projectDirectory });
  return JSON.parse(stdout) as string[];
}

test('loads the SDK only when there is an endpoint', async () => {
  expect((await loadedWith('undefined')).filter((name) => name !== '@opentelemetry/api')).toEqual([]);
  expect(await loadedWith("'http://127.0.0.1:1'")).toContain('@opentelemetry/sdk-trace-base');
});
