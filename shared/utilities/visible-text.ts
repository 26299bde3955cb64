/** Characters that show nothing: white space, control and format characters, fillers, and the blank of Braille. */
const INVISIBLE = String.raw`\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\u2800`;

const VISIBLE = new RegExp(`[^${INVISIBLE}]`, 'u');

/** Whether a reader sees nothing of a text. */
export const isBlank = (text: string): boolean => !VISIBLE.test(text);
