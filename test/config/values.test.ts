import { expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';

/** What the start says about one setting. */
function complaintAbout(name: string, value: string): string {
  try {
    readConfig({ [name]: value });
    return '';
  } catch (error) {
    return (error as Error).message.split('\n').slice(1).join().trim();
  }
}

test.each(['65536', '-1', '1.5', 'x', ' ', '\t', '4000 5', '1e400', 'NaN', 'Infinity'])(
  'a port of %j is refused with the range',
  (value) => {
    expect(complaintAbout('PORT', value)).toBe('PORT: must be a whole number between 0 and 65535');
  },
);

test('a number without an upper limit is refused with the lower one', () => {
  expect(complaintAbout('EVENT_LIMIT', '0')).toBe('EVENT_LIMIT: must be a whole number of at least 1');
  expect(complaintAbout('EVENT_LIMIT', '9007199254740993')).toContain('must be a whole number of at least 1');
});

test('a number may have blanks around it', () => {
  expect(readConfig({ PORT: ' 81\r' }).http.port).toBe(81);
});

test('a word that is not in the list is refused with the list', () => {
  expect(complaintAbout('EMIT_AUTH', 'None')).toBe('EMIT_AUTH: must be one of keys, none');
  expect(complaintAbout('SOCKET_TRANSPORTS', 'websockets')).toBe('SOCKET_TRANSPORTS: may hold only websocket, polling');
});
