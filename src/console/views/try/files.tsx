import type { JSX } from 'preact';
import { Field } from '../../parts/field.js';
import { isRecord } from './document.js';

/** A file that was read. */
export interface ChosenFile {
  readonly name: string;
  /** The MIME type; empty: the browser does not know it. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** Files by the place of the argument that they are. */
export type Files = Readonly<Record<number, ChosenFile | undefined>>;

/** Chooses a file, for an argument that is binary data. */
export function FileField({
  label,
  choose,
}: {
  label: string;
  choose: (file: ChosenFile | undefined) => void;
}): JSX.Element {
  const read = async (file: File | undefined): Promise<void> =>
    choose(file && { name: file.name, type: file.type, bytes: new Uint8Array(await file.arrayBuffer()) });
  return (
    <Field label={label}>
      {(control) => (
        <input {...control} type="file" onChange={({ currentTarget }) => void read(currentTarget.files?.[0])} />
      )}
    </Field>
  );
}

/** The arguments, with the files in their places. */
export function withFiles(args: readonly unknown[], binaryAt: readonly number[], files: Files): unknown[] {
  const filled = [...args];
  for (const index of binaryAt) filled[index] = files[index]?.bytes;
  return filled;
}

/** The arguments, with the name and the type of a file where they have fields for them. */
export const withFileNames = (args: unknown, { name, type }: ChosenFile): unknown =>
  Array.isArray(args)
    ? args.map((argument) => (isRecord(argument) ? named(argument, { name, type }) : argument))
    : args;

const named = (argument: Readonly<Record<string, unknown>>, { name, type }: Pick<ChosenFile, 'name' | 'type'>) => ({
  ...argument,
  ...('fileName' in argument ? { fileName: name } : {}),
  ...('mimeType' in argument ? { mimeType: type } : {}),
});
