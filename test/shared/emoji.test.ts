import { expect, test } from 'vitest';
import { spellingsOf, toEmoji } from '#shared/utilities/emoji.js';
import { isBlank } from '#shared/utilities/visible-text.js';

const VS = '\uFE0F';
const ZWJ = '\u200D';

test.for([
  ['👍', `👍${VS}`, '👍'],
  ['\u2764', `\u2764${VS}`, `\u2764${VS}`],
  ['\u2764\uFE0E', '\u2764', `\u2764${VS}`],
  ['1\u20E3', `1${VS}\u20E3`, `1${VS}\u20E3`],
  [`👮${ZWJ}\u2642`, `👮${ZWJ}\u2642${VS}`, `👮${ZWJ}\u2642${VS}`],
  [`\u{1F3F3}${ZWJ}🌈`, `\u{1F3F3}${VS}${ZWJ}🌈`, `\u{1F3F3}${VS}${ZWJ}🌈`],
  [`\u261D${VS}🏽`, '\u261D🏽', '\u261D🏽'],
  ['ok', 'ok', 'ok'],
  ['5', '5', '5'],
])('%s has one spelling', ([one, other, expected]) => {
  expect([toEmoji(one as string), toEmoji(other as string)]).toEqual([expected, expected]);
  expect(spellingsOf(one as string)).toEqual(expect.arrayContaining([one, other, expected]));
});

test('keeps skin tones apart', () => {
  expect(new Set(['👍', '👍🏻', '👍🏽', '👍🏿'].map(toEmoji)).size).toBe(4);
});

test.for([
  '',
  ' ',
  '\n\t',
  '\u00a0',
  '\u2003',
  '\u200b',
  '\u200c',
  ZWJ,
  '\ufeff',
  '\u2060',
  '\u00ad',
  VS,
  '\u202e',
  '\u3164',
  '\u115f',
  '\uffa0',
  '\u2800',
  '\u180e',
  '\u{E0041}',
  '\u0007',
  ` ${ZWJ}${VS}\u200b\r\n `,
])('takes %j for blank', (text) => expect(isBlank(text)).toBe(true));

test.for(['a', '.', '👍', `\u2764${VS}`, '中', 'می\u200cخواهم', `👩${ZWJ}👩${ZWJ}👧`, ' \u200b-', '\u0301'])(
  'takes %j for visible',
  (text) => expect(isBlank(text)).toBe(false),
);
