import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import axe, { type AxeResults, type RunOptions } from 'axe-core';
import { type Browser, type BrowserContext, launch, type Page, type Viewport } from 'puppeteer-core';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { ensureInstalled, programs } from './installed-program.js';

/** Widths and heights in CSS pixels. */
export const screens = {
  desktop: { width: 1280, height: 900 },
  phone: { width: 320, height: 640, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
} as const satisfies Record<string, Viewport>;

/** The colours that the reader's system prefers. */
type Scheme = 'light' | 'dark';

/** How a tab is opened. */
interface TabOptions {
  readonly screen?: Viewport;
  readonly scheme?: Scheme;
  /** Shares cookies and storage with the tabs of this context; absent: the tab has a context of its own. */
  readonly context?: BrowserContext;
  /** An origin besides that of the page to which requests are no faults. */
  readonly alsoCalls?: string;
}

/** One page in a real Chromium. It closes when the test ends. */
export interface Tab {
  readonly page: Page;
  /** Waits until the rendered text holds `text`. @throws TimeoutError */
  sees(text: string): Promise<void>;
  /** The text of the page as a reader sees it. */
  text(): Promise<string>;
  /** Changes the preferred colours. */
  show(scheme: Scheme): Promise<void>;
  /**
   * Takes what must not happen on a sound page, since the last call: errors on the console (with them violations of the
   * Content-Security-Policy), uncaught errors, dialogs, and requests to another origin.
   */
  takeFaults(): string[];
  /**
   * Accessibility violations that axe-core calls serious or critical, one entry for each element.
   * @param rules by their names in axe-core; absent: all
   */
  accessibilityFaults(rules?: readonly string[]): Promise<string[]>;
}

/** One Chromium that the tests of a file share. */
export interface TestBrowser {
  open(url: string, options?: TabOptions): Promise<Tab>;
  /** Cookies and storage that several tabs share. It closes when the test ends. */
  createContext(): Promise<BrowserContext>;
}

/** An installation on a machine without Chromium downloads about 100 MB. */
const INSTALL_MS = 900_000;
/** Between two looks at the text of a page. A look lays out the page, so one at each frame would be most of the browser's work. */
const LOOK_MS = 50;
/** A guard against hanging, as those of the other tests. */
const WAIT_MS = 100_000;

/**
 * Starts one Chromium before the tests of a file and ends it after them. `CHROMIUM` names the program; without it, one
 * is found on the PATH or installed. The profile is a temporary directory.
 */
export function useBrowser(): TestBrowser {
  let browser: Browser | undefined;
  let directory: string | undefined;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'general-socket-chromium-'));
    browser = await startChromium(directory);
  }, INSTALL_MS);
  afterAll(async () => {
    await browser?.close();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  const createContext = async (): Promise<BrowserContext> => {
    if (browser === undefined) throw new Error('the browser has not started');
    const context = await browser.createBrowserContext();
    onTestFinished(() => context.close());
    return context;
  };
  return {
    createContext,
    async open(url, { screen = screens.desktop, scheme = 'light', context, alsoCalls = url } = {}) {
      const page = await (context ?? (await createContext())).newPage();
      page.setDefaultTimeout(WAIT_MS);
      await page.setViewport(screen);
      const tab = toTab(page, [url, alsoCalls]);
      await tab.show(scheme);
      await page.goto(url);
      return tab;
    },
  };
}

async function startChromium(directory: string): Promise<Browser> {
  const command = process.env['CHROMIUM'] ?? (await ensureInstalled(programs.chromium));
  // Chromium keeps crash reports and settings in the home directory as well.
  const env = { ...process.env, HOME: directory, XDG_CONFIG_HOME: directory, XDG_CACHE_HOME: directory };
  const isRoot = process.getuid?.() === 0;
  // The shared memory of a container is small, and it has no GPU. Chromium's sandbox refuses root.
  const args = ['--disable-dev-shm-usage', '--disable-gpu', ...(isRoot ? ['--no-sandbox'] : [])];
  const userDataDir = join(directory, 'profile');
  return launch({ executablePath: await pathOf(command), args, env, userDataDir, timeout: WAIT_MS });
}

/** Puppeteer wants a path. */
async function pathOf(command: string): Promise<string> {
  if (command.includes('/')) return command;
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, command);
    if (await isExecutable(path)) return path;
  }
  throw new Error(`${command} is not on the PATH`);
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

function toTab(page: Page, urls: readonly string[]): Tab {
  const hosts = urls.map((url) => new URL(url).host);
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error')
      faults.push(`console: ${message.text()} (${message.location().url ?? 'no address'})`);
  });
  page.on('pageerror', (error) => faults.push(`error: ${String(error)}`));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    const { protocol, host: target } = new URL(request.url());
    if (protocol !== 'data:' && protocol !== 'blob:' && !hosts.includes(target))
      faults.push(`request: ${request.url()}`);
  });
  return {
    page,
    async sees(text) {
      await page.waitForFunction(`document.body.innerText.includes(${JSON.stringify(text)})`, { polling: LOOK_MS });
    },
    show: (scheme) => page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]),
    text: async () => String(await page.evaluate('document.body.innerText')),
    takeFaults: () => faults.splice(0),
    async accessibilityFaults(rules) {
      if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axe.source);
      const runOnly = rules === undefined ? {} : { runOnly: [...rules] };
      const options: RunOptions = { resultTypes: ['violations'], ...runOnly };
      const { violations } = (await page.evaluate(`axe.run(${JSON.stringify(options)})`)) as AxeResults;
      return violations
        .filter(({ impact }) => impact !== 'minor')
        .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
    },
  };
}
