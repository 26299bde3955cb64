import type { ComponentChildren, JSX } from 'preact';
import { PageHead } from '../../parts/page.js';
import { place } from '../../routes.js';

const TABS = [
  ['/console/try', 'Quick start'],
  ['/console/try/events', 'Events'],
  ['/console/try/routes', 'Routes'],
] as const;

/** The heading of the playground, with the way to its pages. */
export function TryPage({ children }: { children: ComponentChildren }): JSX.Element {
  const { path } = place.value;
  return (
    <>
      <PageHead title="Try it">
        <nav class="tabs" aria-label="Pages of Try it">
          {TABS.map(([href, label]) => (
            <a key={href} href={href} aria-current={path === href ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
      </PageHead>
      {children}
    </>
  );
}
