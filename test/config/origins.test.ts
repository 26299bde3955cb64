import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';

const origins = (CORS_ORIGINS: string): readonly string[] => readConfig({ CORS_ORIGINS }).http.corsOrigins;

describe('CORS_ORIGINS', () => {
  test.each([
    ['a slash at the end', 'https://a.example/', ['https://a.example']],
    ['upper case', 'HTTPS://A.Example', ['https://a.example']],
    ['the default port of https', 'https://a.example:443', ['https://a.example']],
    ['the default port of http', 'http://a.example:80/', ['http://a.example']],
    ['another port', 'https://a.example:80', ['https://a.example:80']],
    ['quotes around the list', '"https://a.example,https://b.example"', ['https://a.example', 'https://b.example']],
    ['quotes around entries', `'https://a.example', "https://b.example"`, ['https://a.example', 'https://b.example']],
    ['blanks and empty entries', ' , https://a.example ,, ', ['https://a.example']],
    ['the same twice', 'https://a.example,https://A.example:443/', ['https://a.example']],
    ['letters of other alphabets', 'https://bücher.example', ['https://xn--bcher-kva.example']],
    ['an IPv6 address', 'http://[0:0::1]:8080', ['http://[::1]:8080']],
    ['an application', 'capacitor://LOCALHOST', ['capacitor://localhost']],
    ['pages from files', 'null', ['null']],
    ['all', '*', []],
    ['all, in quotes', ' "*" ', []],
    ['nothing', '""', []],
  ])('accepts %s', (_name, text, expected) => {
    expect(origins(text)).toEqual(expected);
  });

  test.each([
    ['a path', 'https://a.example/app', 'ends after the host and port'],
    ['a query', 'https://a.example?x', 'ends after the host and port'],
    ['a wildcard', 'https://*.a.example', 'only * alone is a wildcard'],
    ['a wildcard for the port', 'https://a.example:*', 'only * alone is a wildcard'],
    ['* among others', 'https://a.example,*', 'cannot be combined with other origins'],
    ['no scheme', 'a.example', 'needs a scheme'],
    ['no scheme, but a port', 'localhost:3000', 'needs a scheme'],
    ['two slashes alone', '//a.example', 'needs a scheme'],
    ['a websocket', 'wss://a.example', 'begins with https://'],
    ['a user', 'https://user:hidden@a.example', 'has no user'],
    ['blanks between entries', 'https://a.example https://b.example', 'separated by commas'],
    ['no host', 'https://', 'is not an origin'],
    ['a port out of range', 'https://a.example:99999', 'is not an origin'],
    ['a regular expression', '/a\\.example$/', 'needs a scheme'],
  ])('refuses %s at the start, with the reason', (_name, text, reason) => {
    expect(() => origins(text)).toThrow(new RegExp(`CORS_ORIGINS: .*${reason.replaceAll('*', '\\*')}`));
  });
});
