/** Letters that stay apart from their plain form when Unicode decomposes them. */
const PLAIN_LETTERS: Readonly<Record<string, string>> = {
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  ħ: 'h',
  ŧ: 't',
  þ: 'th',
  ς: 'σ',
};
const PLAIN_LETTER = new RegExp(`[${Object.keys(PLAIN_LETTERS).join('')}]`, 'gu');

/**
 * Accents of alphabets, and the stroke that lengthens Arabic words. Vowel signs of Indic scripts and voicing marks of Japanese
 * are letters of their own, and stay.
 */
const ACCENT_RANGES = [
  String.raw`\u0300-\u036f`,
  String.raw`\u0483-\u0487`,
  String.raw`\u1ab0-\u1aff`,
  String.raw`\u1dc0-\u1dff`,
  String.raw`\u20d0-\u20ff`,
  String.raw`\ufe20-\ufe2f`,
  String.raw`\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7`,
  String.raw`\u0610-\u061a\u0640\u064b-\u065f\u0670`,
];
const ACCENTS = new RegExp(`[${ACCENT_RANGES.join('')}]`, 'gu');
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu;
const SPACES = /[\p{White_Space}\p{Cc}]+/gu;
const APOSTROPHES =
  /[\u2018\u2019\u201a\u201b\u2032\u2035\u02b9\u02bb\u02bc\u02bd\u02c8\u0060\u00b4\u055a\u05f3\ua78c\uff07]/gu;
const QUOTES = /[\u00ab\u00bb\u201c-\u201f\u2033\u2036\u02ba\u05f4\u300c-\u300f\u301d-\u301f\uff02]/gu;
const DASHES = /[\p{Pd}\u2212]/gu;

/**
 * A letter of which more than the case may change: all but ASCII without control characters, and without the grave accent, which
 * is folded as an apostrophe.
 */
export const FOLDED_LETTER = /[^\x20-\x5f\x61-\x7e]/;

/**
 * Text as search compares it. Texts that a reader would call equal have the same key, independent of normal form, case,
 * accents, kind of quotation marks and dashes, and blanks around and between words. Names and questions are folded alike.
 */
export function foldText(text: string): string {
  // Most titles and names. A search folds the names of thousands of users.
  if (!FOLDED_LETTER.test(text)) return text.toLowerCase().replaceAll(SPACES, ' ').trim();
  const plain = text.replaceAll(APOSTROPHES, "'").replaceAll(QUOTES, '"').replaceAll(DASHES, '-');
  const bare = plain.normalize('NFKD').replaceAll(INVISIBLE, '').replaceAll(ACCENTS, '');
  // Upper case knows that ß is SS and that ı is I; lower case then has one form of each letter, but for the final sigma.
  const lower = bare.toLowerCase().toUpperCase().toLowerCase().normalize('NFKD').replaceAll(ACCENTS, '');
  return lower
    .replaceAll(PLAIN_LETTER, (letter) => PLAIN_LETTERS[letter] ?? letter)
    .replaceAll(SPACES, ' ')
    .trim()
    .normalize('NFC');
}
