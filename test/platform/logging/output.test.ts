import { openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openLogOutput } from '../../../src/platform/logging/output.js';
import { createMetrics } from '../../../src/platform/metrics.js';

test('lines of a full disk wait up to a megabyte, and those that are lost are counted', async () => {
  const { registry } = createMetrics();
  const lost = async () => (await registry.getSingleMetric('gateway_log_lines_lost_total')?.get())?.values[0]?.value;
  const output = openLogOutput(openSync('/dev/full', 'w'));
  const line = `${'x'.repeat(1023)}\n`;
  for (let written = 0; written < 1000; written += 1) output.write(line);
  expect(await lost()).toBe(0);
  for (let written = 0; written < 1000; written += 1) output.write(line);
  expect(await lost()).toBe(2000 - 1024);
});
