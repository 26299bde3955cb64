import { expect, test } from 'vitest';
import { toDataDirectoryError } from '../../src/platform/data-directory.js';

test.each([
  ['EROFS', 'DATA_DIR /data is on a read-only file system: mount it writable, or set DATA_DIR to another directory.'],
  ['ENOSPC', 'DATA_DIR /data is on a full disk: make room, or set DATA_DIR to another directory.'],
  ['EDQUOT', 'DATA_DIR /data has used up its quota: make room, or set DATA_DIR to another directory.'],
  [
    'EACCES',
    'DATA_DIR /data cannot be read and written by the user of this process: change its owner, or set DATA_DIR to another directory.',
  ],
])('%s becomes a sentence with the remedy', (code, sentence) => {
  const error = Object.assign(new Error(`${code}: something, open '/data/db/lock.17'`), { code });
  expect(toDataDirectoryError(error, '/data')).toMatchObject({ message: sentence, exitCode: 21 });
});
