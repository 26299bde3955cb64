import { expect, test } from 'vitest';
import { environment, readConfig } from '../../src/config.js';

/** What the start says about one setting. */
function complaintAbout(name: string, value: string, others: Readonly<Record<string, string>> = {}): string {
  try {
    readConfig({ ...others, [name]: value });
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

const settings = Object.keys(environment.shape) as (keyof typeof environment.shape)[];

test.each(settings.filter((name) => name.endsWith('_MS')))('%s is not longer than timers last', (name) => {
  // From 2 ** 31 on a timer ends at once, and an event with a file takes four times its limit.
  expect(complaintAbout(name, String(2 ** 29))).toMatch(
    name === 'PUSH_AFTER_MS' ? /^$/ : /^[A-Z_]+: must be a whole number between \d+ and \d+$/,
  );
  expect(complaintAbout(name, String(2 ** 31))).not.toBe('');
});

test.each(settings.filter((name) => name.endsWith('_TTL')))('%s ends at a date', (name) => {
  expect(complaintAbout(name, String(Number.MAX_SAFE_INTEGER))).toMatch(
    /: must be a whole number between \d+ and \d+$/,
  );
});

const isList = (name: keyof typeof environment.shape): boolean =>
  environment.shape[name].description?.includes('comma-separated') ?? false;

test.each(settings)('a blank %s is refused', (name) => {
  // A list of nothing would mean "any".
  for (const blank of [' ', '\t', ...(isList(name) ? [',', ' , '] : [])]) {
    const complaint = complaintAbout(name, blank, { SITE_NAME: 'news' });
    expect(complaint, JSON.stringify(blank)).toMatch(new RegExp(`\\b${name}: (?!missing)`));
  }
});

test('an address of another service that is none says which there are', () => {
  for (const value of ['localhost:4318', 'grpc://localhost:4317', 'x']) {
    expect(complaintAbout('OTEL_EXPORTER_OTLP_ENDPOINT', value)).toBe(
      'OTEL_EXPORTER_OTLP_ENDPOINT: must be an http or https URL',
    );
  }
});

test('a name that is too long says how long it may be', () => {
  expect(complaintAbout('NODE_NAME', 'n'.repeat(129))).toBe('NODE_NAME: must have at most 128 characters');
});
