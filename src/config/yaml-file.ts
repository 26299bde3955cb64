import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';

/** What a YAML file says: texts, lists and maps. A number or a key stays as it was written, `054321` too. */
export interface YamlFile {
  /** `undefined` when there is no file, or nothing in it. */
  readonly content: Readonly<Record<string, unknown>> | undefined;
  /** What is wrong with the file itself; nothing of its content is quoted, which may be secret. */
  readonly problems: readonly string[];
}

const NOTHING: YamlFile = { content: undefined, problems: [] };

/** Reads a file that holds a map. @param isRequired a missing file is a problem */
export function readYamlFile(path: string, isRequired: boolean): YamlFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !isRequired) return NOTHING;
    return { ...NOTHING, problems: [`${path}: cannot be read (${code})`] };
  }
  const { content, problems } = parseYaml(text);
  return { content, problems: problems.map((problem) => `${path}: ${problem}`) };
}

function parseYaml(text: string): YamlFile {
  // Numbers stay text: a key can look like a number.
  const document = parseDocument(text, { schema: 'failsafe', merge: true, logLevel: 'error' });
  if (document.errors.length > 0)
    return { ...NOTHING, problems: document.errors.map(({ message }) => headOf(message)) };
  try {
    const content: unknown = document.toJS();
    if (content === null || content === '') return NOTHING;
    return isMap(content) ? { content, problems: [] } : { ...NOTHING, problems: ['must hold a map'] };
  } catch {
    return { ...NOTHING, problems: ['its aliases lead nowhere, or too far'] };
  }
}

/** The lines after the first show the place in the file. */
const headOf = (message: string): string => message.split('\n', 1).join('').replace(/:$/, '');

/** A map of the file. */
export const isMap = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
