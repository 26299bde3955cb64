import { describe, expect, test } from 'vitest';
import { callTo, hrefTo, matchPath } from '../../src/console/paths.js';

describe('matchPath', () => {
  test('reads the values of a path, decoded', () => {
    expect(matchPath('/console/users/:id', '/console/users/a%20b%2Fc')).toEqual({ id: 'a b/c' });
    expect(matchPath('/console/', '/console')).toEqual({});
    expect(matchPath('/console/', '/console/')).toEqual({});
  });

  test('refuses other paths', () => {
    expect(matchPath('/console/users/:id', '/console/users')).toBeUndefined();
    expect(matchPath('/console/users/:id', '/console/users/a/b')).toBeUndefined();
    expect(matchPath('/console/sites', '/console/site')).toBeUndefined();
  });

  test('refuses a path that cannot be decoded', () => {
    expect(matchPath('/console/users/:id', '/console/users/%E0%A4%A')).toBeUndefined();
  });
});

describe('hrefTo', () => {
  test.each(['a', 'a/b', 'ä ?#%', '<b>'])('is read back by matchPath: %s', (id) => {
    const href = hrefTo('/console/users/:id', { id });
    const url = new URL(`http://gateway.example${href}`);
    expect(url.search + url.hash).toBe('');
    expect(matchPath('/console/users/:id', url.pathname)).toEqual({ id });
  });

  test.each(['.', '..'])('does not leave the page with %s', (id) => {
    const { pathname } = new URL(`http://gateway.example${hrefTo('/console/users/:id/x', { id })}`);
    expect(pathname).toMatch(/^\/console\/users\/[^/]+\/x$/);
  });

  test('leaves out what is not set in the query', () => {
    expect(hrefTo('/console/live', {}, { user: 'a b', code: '', node: undefined })).toBe('/console/live?user=a+b');
    expect(hrefTo('/console/live', {}, { code: '' })).toBe('/console/live');
  });

  test('keeps what is empty in the query of a call', () => {
    expect(callTo('/a/:id', { id: 'b' }, { code: '', user: undefined })).toBe('/a/b?code=');
  });
});
