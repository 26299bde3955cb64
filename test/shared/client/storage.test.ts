import { afterEach, describe, expect, test, vi } from 'vitest';
import { defaultStorage, deviceIdIn, HandledIds } from '#shared/client/storage.js';

afterEach(() => {
  vi.unstubAllGlobals();
});

const throwing = () => {
  throw new DOMException('the quota has been exceeded', 'QuotaExceededError');
};

describe('the storage of a page', () => {
  test.each<[string, PropertyDescriptor]>([
    ['does not exist', { value: undefined }],
    ['is null, as in some web views', { value: null }],
    ['has no methods, as in Node.js 25', { value: {} }],
    ['may not be read', { get: throwing }],
    ['is full', { value: { getItem: () => null, setItem: throwing } }],
  ])('is the memory when localStorage %s: all clients are one device and know what was handled', (name, property) => {
    vi.stubGlobal('localStorage', undefined);
    Object.defineProperty(globalThis, 'localStorage', { ...property, configurable: true });
    expect(deviceIdIn(defaultStorage)).toBe(deviceIdIn(defaultStorage));
    new HandledIds(defaultStorage, 'a page').add(name.replaceAll(' ', '-'));
    expect(new HandledIds(defaultStorage, 'a page').has(name.replaceAll(' ', '-'))).toBe(true);
  });

  test('is localStorage when it works, also after it was full', () => {
    const values = new Map<string, string>();
    let isFull = true;
    const setItem = (key: string, value: string): void => void (isFull ? throwing() : values.set(key, value));
    vi.stubGlobal('localStorage', { getItem: (key: string) => values.get(key) ?? null, setItem });
    defaultStorage.setItem('key', 'one');
    expect([defaultStorage.getItem('key'), values.get('key')]).toEqual(['one', undefined]);
    isFull = false;
    defaultStorage.setItem('key', 'two');
    values.set('key', 'of another tab');
    expect(defaultStorage.getItem('key')).toBe('of another tab');
  });
});
