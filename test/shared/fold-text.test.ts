import { expect, test } from 'vitest';
import { foldText } from '#shared/utilities/fold-text.js';

/** Texts that a reader takes for the same, whichever of them is stored and whichever is asked for. */
test.for([
  ['Zürich', 'Zu\u0308rich', 'ZÜRICH', 'zurich', '  zürich  '],
  ['Straße', 'STRASSE', 'strasse', 'STRA\u1e9eE'],
  ['Фёдор', 'Федор', 'ФЕ\u0308ДОР', 'федор'],
  ['İstanbul', 'istanbul', 'ISTANBUL', '\u0131stanbul', 'i\u0307stanbul'],
  ['ΟΔΟΣ', 'οδος', 'οδοσ', 'Οδός'],
  ["O'Neil", 'O\u2019Neil', 'o\u2018neil', 'O\u02bcNeil', 'o`neil', 'O\u00b4Neil', 'o\uff07neil'],
  ['"Quoted"', '\u201cquoted\u201d', '\u201equoted\u201d', '\u00abquoted\u00bb'],
  ['Anne-Marie', 'Anne\u2013Marie', 'anne\u2014marie', 'Anne\u2011Marie', 'Anne\u2212Marie'],
  ['two words', 'two  words', 'two\u00a0words', ' two\t\n words ', 'two\u3000words'],
  ['Ærø', 'aero'],
  ['Łódź', 'lodz'],
  ['Ｆｕｌｌ', 'full'],
  ['ﬁle', 'file'],
  ['الْعَرَبِيَّة', 'العربية'],
  ['שָׁלוֹם', 'שלום'],
  ['한글', '\u1112\u1161\u11ab\u1100\u1173\u11af'],
  ['ガ', 'カ\u3099', 'ｶﾞ'],
  ['می\u200cخواهم', 'میخواهم'],
  ['co\u00adoperate', 'cooperate'],
])('%j folds to one key', (texts) => {
  expect(new Set(texts.map(foldText)).size).toBe(1);
  for (const text of texts) expect(foldText(foldText(text)), text).toBe(foldText(text));
});

test.for([
  ['が', 'か'],
  ['की', 'का'],
  ['a', 'b'],
  ['1', '2'],
  ['a-b', 'a b'],
])('%s stays apart from %s', ([one, other]) => {
  expect(foldText(one as string)).not.toBe(foldText(other as string));
});

test('folds no visible character to an empty text', () => {
  for (const text of ['', ' ', '\u200b', '\u3164 \n']) expect(foldText(text), JSON.stringify(text)).toBe('');
});

test('ASCII text folds as beside an accented letter, which is folded character by character', () => {
  for (let code = 0; code < 128; code += 1) {
    const text = ` A${String.fromCharCode(code)}b `;
    expect(foldText(text), JSON.stringify(text)).toBe(foldText(`${text.trimEnd()}\u0301 `));
  }
});
