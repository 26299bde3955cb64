/** Variation selectors: as text, and as a picture. */
const SELECTORS = /[\uFE0E\uFE0F]/gu;
/** What is shown as text unless a variation selector follows. A digit is an emoji on a keycap only. */
const SHOWN_AS_TEXT = /(?:[0-9#*](?=\u20E3)|(?![0-9#*])(?!\p{Emoji_Presentation})\p{Emoji})(?!\p{Emoji_Modifier})/gu;

/**
 * The one spelling of an emoji, with variation selectors where Unicode asks for them. Programs send the same emoji with
 * and without; skin tones stay different emoji. Other text stays as it is.
 */
export const toEmoji = (text: string): string => toBareEmoji(text).replaceAll(SHOWN_AS_TEXT, '$&\uFE0F');

/** The same without any variation selector. */
const toBareEmoji = (text: string): string => text.normalize('NFC').replaceAll(SELECTORS, '');

/** How an emoji may have been stored by others: with variation selectors in the right places, everywhere or nowhere. */
export const spellingsOf = (emoji: string): string[] => {
  const bare = toBareEmoji(emoji);
  return [...new Set([toEmoji(emoji), bare, `${bare}\uFE0F`, emoji])];
};
