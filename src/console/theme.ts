import { signal } from '@preact/signals';

/** `auto`: what the device prefers. */
export type Theme = 'auto' | 'light' | 'dark';

const THEMES: readonly Theme[] = ['auto', 'light', 'dark'];
const STORED_AS = 'console:theme';

/** The chosen theme. Charts are drawn again when it changes. */
export const theme = signal<Theme>('auto');

/** Reads the choice of an earlier visit. Called once, at the start. */
export function startTheme(): void {
  const stored = attempt(() => localStorage.getItem(STORED_AS));
  apply(THEMES.find((name) => name === stored) ?? 'auto');
}

/** The next of auto, light, dark. */
export function switchTheme(): void {
  const next = THEMES[(THEMES.indexOf(theme.peek()) + 1) % THEMES.length] ?? 'auto';
  attempt(() => localStorage.setItem(STORED_AS, next));
  apply(next);
}

/** A browser can refuse to store anything; the choice is that of one visit then. */
function attempt<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch {
    return undefined;
  }
}

function apply(chosen: Theme): void {
  theme.value = chosen;
  if (chosen === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = chosen;
}
