import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { lockDirectory } from '../../../src/embedded/store/directory-lock.js';
import { replaceInFs } from '../support/failing-fs.js';
import { createTemporaryDirectory } from '../support/running-server.js';

test('a lock that cannot be written leaves no file behind, so attempts on a full disk do not add up', () => {
  const directory = createTemporaryDirectory();
  replaceInFs('writeFileSync', (write) => (path, _data, options) => {
    write(path, '', options);
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  });
  expect(() => lockDirectory(directory)).toThrow('ENOSPC');
  expect(readdirSync(directory)).toEqual([]);
});
