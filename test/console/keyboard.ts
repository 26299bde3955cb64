import { expect } from 'vitest';
import type { Tab } from '../support/browser.js';

/** What has the focus. */
interface Focus {
  /** The accessible name, or the text. */
  readonly name: string;
  /** In the open dialog, on another element, or on the page itself: the step from its end to its beginning. */
  readonly place: 'dialog' | 'outside' | 'page';
}

/** What has the focus now. */
export const focusOf = async ({ page }: Tab): Promise<Focus> =>
  (await page.evaluate(`(() => {
    const focused = document.activeElement;
    const place = focused === null || focused === document.body ? 'page' : focused.closest('dialog[open]') ? 'dialog' : 'outside';
    const labels = [...(focused?.labels ?? [])].map(({ textContent }) => textContent);
    return { place, name: (focused?.getAttribute('aria-label') ?? labels[0] ?? focused?.textContent ?? '').trim() };
  })()`)) as Focus;

/** Presses Tab until the element with this accessible name has the focus. @throws when it is never reached */
export async function tabTo(tab: Tab, name: string): Promise<void> {
  for (let presses = 0; presses < 60; presses += 1) {
    await tab.page.keyboard.press('Tab');
    if ((await focusOf(tab)).name === name) return;
  }
  throw new Error(`${name} is not reached with Tab`);
}

/** Types over what the field with the focus holds. */
export async function typeOver({ page }: Tab, text: string): Promise<void> {
  await page.keyboard.down('Control');
  await page.keyboard.press('A');
  await page.keyboard.up('Control');
  await page.keyboard.type(text);
}

/** A button that opens a dialog, and how the dialog is filled in. */
interface DialogAct {
  readonly button: string;
  /** Of the button in the dialog. */
  readonly confirm: string;
  /** Fields by their labels. */
  readonly fields?: Readonly<Record<string, string>>;
}

/**
 * Does something that has a dialog with the keyboard alone. Before that it opens the dialog, goes round in it, and leaves it
 * with Escape: the focus never leaves the dialog, and returns to the button.
 */
export async function actByKeyboard(tab: Tab, { button, confirm, fields = {} }: DialogAct): Promise<void> {
  const { keyboard } = tab.page;
  const open = async (): Promise<void> => {
    await keyboard.press('Enter');
    await tab.page.waitForSelector('dialog[open] form');
    expect((await focusOf(tab)).place, button).toBe('dialog');
  };
  await tabTo(tab, button);
  await open();
  const places = new Set<string>();
  for (let presses = 0; presses < 12; presses += 1) {
    await keyboard.press('Tab');
    places.add((await focusOf(tab)).place);
  }
  expect(places, button).not.toContain('outside');
  expect(places, button).toContain('dialog');
  await keyboard.press('Escape');
  await tab.page.waitForSelector('dialog[open]', { hidden: true });
  expect((await focusOf(tab)).name, button).toBe(button);

  await open();
  for (const [label, text] of Object.entries(fields)) {
    if ((await focusOf(tab)).name !== label) await tabTo(tab, label);
    await typeOver(tab, text);
  }
  if ((await focusOf(tab)).name !== confirm) await tabTo(tab, confirm);
  await keyboard.press('Enter');
  await tab.page.waitForSelector('dialog[open]', { hidden: true });
}
