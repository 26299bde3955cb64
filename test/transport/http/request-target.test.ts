import { expect, test } from 'vitest';
import { toPath } from '../../../src/transport/http/request-target.js';

test.each([
  ['/status?a=1', '/status?a=1'],
  ['*', '*'],
  ['http://gateway.example/status?a=1', '/status?a=1'],
  ['http://gateway.example', '/'],
  ['http://evil.examp:e/status', '/http://evil.examp:e/status'],
  ['mailto:ann', '/ann'],
  ['//evil.example/status', '//evil.example/status'],
])('reads %s as the path %s', (target, path) => {
  expect(toPath(target)).toBe(path);
});
