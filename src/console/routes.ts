import { signal } from '@preact/signals';

/** Where the page is: the address without its origin. */
export interface Place {
  readonly path: string;
  readonly query: URLSearchParams;
}

/** The current place. Every view that reads it is drawn again when it changes. */
export const place = signal<Place>({ path: '/console/', query: new URLSearchParams() });

/** Follows the address bar, and links between the pages of the console, which load nothing. Called once, at the start. */
export function startRouter(): void {
  readAddress();
  addEventListener('popstate', readAddress);
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (link === null || !isPlain || event.defaultPrevented || !isOwnPage(link)) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
    scrollTo(0, 0);
  });
}

/**
 * Goes to another page, or to the same one with another query.
 * @param isReplacement the way back skips the current place; for filters that change with each letter
 */
export function navigate(href: string, { isReplacement = false } = {}): void {
  if (href === location.pathname + location.search) return;
  if (isReplacement) history.replaceState(null, '', href);
  else history.pushState(null, '', href);
  readAddress();
}

const readAddress = (): void => {
  place.value = { path: location.pathname, query: new URLSearchParams(location.search) };
};

const isOwnPage = (link: HTMLAnchorElement): boolean =>
  link.origin === location.origin &&
  (link.target === '' || link.target === '_self') &&
  !link.hasAttribute('download') &&
  /^\/console(?:\/(?!api\/)|$)/.test(link.pathname);
