import { expect, test } from 'vitest';
import { checkDamaged, createSmallDatabase } from './damage.js';

test('a check finds every flipped bit of every byte, and every cut', async () => {
  const database = await createSmallDatabase();
  let checked = 0;
  for (const [name, bytes] of database.files) {
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await checkDamaged(database, name, flipped), `${name}, bit ${bit}`).not.toBe('harmless');
      checked += 1;
    }
    for (let length = 0; length < bytes.length; length += 1) {
      expect(await checkDamaged(database, name, bytes.subarray(0, length)), `${length} of ${name}`).not.toBe(
        'harmless',
      );
      checked += 1;
    }
  }
  expect(checked).toBeGreaterThan(10_000);
}, 600_000);
