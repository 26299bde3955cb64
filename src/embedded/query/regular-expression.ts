import { BSONRegExp } from 'bson';
import { fail } from '../errors.js';

/** The pattern and flags of a BSON regular expression, or of `$regex` and `$options`. */
export interface RegExpSource {
  readonly pattern: string;
  readonly options: string;
}

/** The pattern and flags of a regular expression value. */
export const toRegExpSource = (value: BSONRegExp | RegExp): RegExpSource =>
  value instanceof BSONRegExp
    ? { pattern: value.pattern, options: value.options }
    : { pattern: value.source, options: value.flags };

/** Whether a value is a BSON or JavaScript regular expression. */
export const isRegExp = (value: unknown): value is BSONRegExp | RegExp =>
  value instanceof BSONRegExp || value instanceof RegExp;

/**
 * Compiles a regular expression of MongoDB, which uses PCRE, to a JavaScript regular expression.
 *
 * PCRE syntax that JavaScript lacks is translated: `\A`, `\z`, `(?i)`, `(?P<name>`, the `x` flag, `$` before a final
 * newline. Constructs without an equivalent are rejected; they never match differently.
 * @param location - the operator, for the error message
 * @throws DatabaseError Location51108 for an unknown flag, Location51091 for a pattern that cannot be compiled
 */
export function compileRegExp({ pattern, options }: RegExpSource, location = '$regex'): RegExp {
  if (pattern.includes('\u0000')) fail('BadValue', 'Regular expression cannot contain an embedded null byte');
  for (const flag of options) {
    if (!'imsxug'.includes(flag)) fail('Location51108', `${location} invalid flag in regex options: ${flag}`);
  }
  const { body, flags } = splitInlineFlags(pattern, options);
  const translated = new Translation(body, flags).run();
  const native = [...new Set(flags)].filter((flag) => 'ims'.includes(flag)).join('');
  try {
    return new RegExp(translated, `${native}u`);
  } catch {
    // Unicode mode rejects escapes that PCRE allows, such as `\-`.
    try {
      return new RegExp(translated, native);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return fail('Location51091', `Regular expression is invalid: ${reason}`);
    }
  }
}

function splitInlineFlags(pattern: string, options: string): { body: string; flags: string } {
  const inline = /^\(\?([imsx]+)\)/.exec(pattern);
  return inline === null
    ? { body: pattern, flags: options }
    : { body: pattern.slice(inline[0].length), flags: options + (inline[1] ?? '') };
}

const END_OF_TEXT = '(?![\\s\\S])';

const ESCAPES: Readonly<Record<string, string>> = {
  A: '(?<![\\s\\S])',
  z: END_OF_TEXT,
  Z: `(?=\\n?${END_OF_TEXT})`,
  h: '[ \\t]',
  R: '(?:\\r\\n|[\\n\\v\\f\\r\\u0085\\u2028\\u2029])',
  a: '\\x07',
  e: '\\x1b',
};

const UNSUPPORTED_ESCAPES = 'GKQXC';

/** Translates a pattern in one pass. */
class Translation {
  readonly #pattern: string;
  readonly #isMultiline: boolean;
  readonly #isExtended: boolean;
  #index = 0;
  #output = '';

  constructor(pattern: string, flags: string) {
    this.#pattern = pattern;
    this.#isMultiline = flags.includes('m');
    this.#isExtended = flags.includes('x');
  }

  run(): string {
    while (this.#index < this.#pattern.length) this.#step();
    return this.#output;
  }

  #step(): void {
    const character = this.#pattern[this.#index] as string;
    if (character === '\\') this.#escape();
    else if (character === '[') this.#characterClass();
    else if (character === '(') this.#group();
    else if (character === '$' && !this.#isMultiline) this.#emit(1, `(?=\\n?${END_OF_TEXT})`);
    else if (this.#isExtended && /\s/.test(character)) this.#index += 1;
    else if (this.#isExtended && character === '#') this.#comment();
    else this.#emit(1, character);
  }

  #emit(consumed: number, text: string): void {
    this.#index += consumed;
    this.#output += text;
  }

  #escape(): void {
    const next = this.#pattern[this.#index + 1] ?? '';
    if (next !== '' && UNSUPPORTED_ESCAPES.includes(next)) {
      fail('Location51091', `Regular expression is invalid: \\${next} is not supported`);
    }
    this.#emit(2, ESCAPES[next] ?? `\\${next}`);
  }

  #characterClass(): void {
    const start = this.#index;
    let end = start + 1;
    if (this.#pattern[end] === '^') end += 1;
    let text = this.#pattern.slice(start, end);
    // A closing bracket at the start of a class is a literal.
    if (this.#pattern[end] === ']') {
      text += '\\]';
      end += 1;
    }
    for (;;) {
      const character = this.#pattern[end];
      if (character === undefined || character === ']') break;
      const named = /^\[:(\w+):\]/.exec(this.#pattern.slice(end, end + 12));
      if (named !== null) {
        text += POSIX_CLASSES[named[1] as string] ?? unknownClass(named[0]);
        end += named[0].length;
        continue;
      }
      const length = character === '\\' ? 2 : 1;
      text += character === '[' ? '\\[' : this.#pattern.slice(end, end + length);
      end += length;
    }
    this.#emit(end + 1 - start, `${text}]`);
  }

  #group(): void {
    const rest = this.#pattern.slice(this.#index, this.#index + 4);
    if (rest.startsWith('(?P<')) this.#emit(4, '(?<');
    else if (rest.startsWith('(?#')) this.#index = this.#pattern.indexOf(')', this.#index) + 1 || this.#pattern.length;
    else if (rest.startsWith('(?>') || rest.startsWith('(?|') || rest.startsWith('(?R') || rest.startsWith('(*')) {
      fail('Location51091', `Regular expression is invalid: ${rest.slice(0, 3)} is not supported`);
    } else this.#emit(1, '(');
  }

  #comment(): void {
    const end = this.#pattern.indexOf('\n', this.#index);
    this.#index = end === -1 ? this.#pattern.length : end + 1;
  }
}

const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alpha: 'a-zA-Z',
  digit: '0-9',
  alnum: 'a-zA-Z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\s',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`{-~',
  xdigit: '0-9a-fA-F',
  word: '\\w',
};

const unknownClass = (text: string): never =>
  fail('Location51091', `Regular expression is invalid: ${text} is not supported`);
