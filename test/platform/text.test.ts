import { expect, test } from 'vitest';
import { MESSAGE_MAX_BYTES, type PushNotification, toFitting, toMessage } from '../../src/platform/fcm/notification.js';
import { cutText, utf8BytesOf } from '../../src/platform/text.js';

const FAMILY = '👨‍👩‍👧‍👦';

test.each([
  ['a text that fits', 'abc', 3, 'abc'],
  ['no text', '', 0, ''],
  ['a surrogate pair', 'ab😀', 3, 'ab'],
  ['a family of emojis', `a${FAMILY}`, 5, 'a'],
  ['a flag', 'a🇩🇪', 3, 'a'],
  ['an accent', 'ae\u0301', 2, 'a'],
  ['a skin tone', '👍🏽', 2, '👍'],
  ['a Devanagari cluster', 'क्षि', 2, 'क्'],
  ['a line end', 'a\r\nb', 2, 'a'],
  ['lone surrogates', '\ud800a\udc00', 3, '\ufffda\ufffd'],
  ['a letter with a thousand accents', `e${'\u0301'.repeat(1000)}`, 10, `e${'\u0301'.repeat(9)}`],
])('truncates %s between graphemes', (_name, text, max, cut) => {
  expect(cutText(text, max)).toBe(cut);
});

test('uses the given cost function', () => {
  expect(cutText('ääää', 5, utf8BytesOf)).toBe('ää');
  expect(cutText('😀😀', 8, utf8BytesOf)).toBe('😀😀');
  expect(cutText('😀😀', 7, utf8BytesOf)).toBe('😀');
});

test('reads no more of a long text than fits', () => {
  expect(cutText(`${FAMILY}x`.repeat(1_000_000), 26).length).toBeLessThanOrEqual(26);
});

const texts = [
  'x',
  '"',
  '\\',
  '\u0001',
  '\u2028',
  'ä',
  '漢',
  '😀',
  '\ud800',
  FAMILY,
  `e${'\u0301'.repeat(50)}`,
  '🇩🇪',
  '\n',
];
const long = texts.flatMap((text) => [text, text.repeat(6000)]);

test.each(long.map((text) => ({ text, name: `${JSON.stringify(text.slice(0, 10))} × ${text.length}` })))(
  'fits a notification of $name into what FCM takes',
  ({ text }) => {
    for (const event of ['m', '漢'.repeat(128), '😀'.repeat(64), '"'.repeat(128)]) {
      const id = 'a'.repeat(24);
      for (const [title, body] of [
        [text, text],
        ['', text],
        [text, ''],
      ] as const) {
        const notification: PushNotification = { title, body, data: { id, event, conversation_id: id } };
        const fitting = toFitting(notification);
        expect(fitting.data).toEqual(notification.data);
        expect(Buffer.byteLength(JSON.stringify(toMessage(fitting)))).toBeLessThanOrEqual(MESSAGE_MAX_BYTES);
        for (const [cut, whole] of [
          [fitting.title, title],
          [fitting.body, body],
        ] as const) {
          expect(cut).not.toMatch(/\p{Surrogate}/u);
          expect(whole.replaceAll(/\p{Surrogate}/gu, '\ufffd').startsWith(cut)).toBe(true);
          expect(cut === '').toBe(whole === '');
        }
      }
    }
  },
);
