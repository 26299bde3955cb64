/** Replaces lone surrogates, which UTF-8 cannot encode, by U+FFFD. */
export const toWellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '\uFFFD');
