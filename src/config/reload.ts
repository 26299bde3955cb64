import { stat } from 'node:fs/promises';
import { type Config, readSettings, type Settings } from '../config.js';
import type { Logger } from '../platform/logging/logger.js';
import type { Clock } from '../platform/time/clock.js';
import { fileVariableOf } from './secret-names.js';
import { isKnown, type Sources } from './sources.js';

/** How often the files are checked. A change is read when the next check finds the same. */
const LOOK_INTERVAL_MS = 1000;

/** The settings that take effect without a restart. */
const ROTATING = ['JWT_SECRET', 'JWT_SECRETS', 'EMIT_API_KEYS', 'CONSOLE_KEYS', 'API_KEY', 'API_KEYS'];
const ROTATING_NAMES = new Set([...ROTATING, ...ROTATING.map(fileVariableOf)]);

/** Options of {@link createReload}. */
export interface ReloadOptions {
  readonly sources: Sources;
  /** The settings with which the gateway started. */
  readonly started: Settings;
  /** Puts the secrets of a configuration in force. @returns whether a secret changed */
  replaceSecrets(config: Config): boolean;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** Reads the settings again while the gateway runs. */
export interface Reload {
  /** Reads all sources, and puts the secrets in force. Of an invalid configuration nothing takes effect. */
  now(): void;
  /** Checks the files. Reads all sources again when a file has changed since they were read, and not since the last check. */
  look(): Promise<void>;
  /** Checks the files at an interval. @returns stops it */
  watch(): () => void;
}

/** Rotates secrets without a restart. Changes of other settings are named in the log and wait for the restart. */
export function createReload({ sources, started, replaceSecrets, clock, logger }: ReloadOptions): Reload {
  let { files } = started;
  let waiting = '';

  const now = (): void => {
    const settings = readSettings(sources);
    files = settings.files;
    const { config, problems } = settings;
    if (config === undefined) {
      logger.error({ problems }, 'settings: the change is invalid; the settings before it stay in force');
      return;
    }
    if (replaceSecrets(config)) logger.info('settings: secrets replaced');
    const names = changedNames(started, settings);
    if (names.join() !== waiting && names.length > 0) {
      logger.warn({ names }, 'settings: changed settings need a restart');
    }
    waiting = names.join();
  };

  // Empty at first: the files may have changed since the start read them.
  let read: Prints = new Map();
  let seen: Prints = new Map();
  const look = async (): Promise<void> => {
    const found = await printsOf(files);
    const isChanged = files.some((path) => found.get(path) !== read.get(path));
    // A file that is still being written is not read.
    const isStable = files.every((path) => found.get(path) === seen.get(path));
    seen = found;
    if (!isChanged || !isStable) return;
    // Taken before the files are read, so that no change is missed.
    read = found;
    now();
  };

  return {
    now,
    look,
    watch() {
      let isLooking = false;
      return clock.every(LOOK_INTERVAL_MS, () => {
        if (isLooking) return;
        isLooking = true;
        void look().finally(() => {
          isLooking = false;
        });
      });
    },
  };
}

/** State by which a change of a file is detected, by its path. */
type Prints = ReadonlyMap<string, string>;

/** Follows links: Kubernetes replaces a link to a directory, and leaves the file in the old one as it is. */
async function printsOf(paths: readonly string[]): Promise<Prints> {
  const prints = await Promise.all(
    paths.map(async (path): Promise<[string, string]> => {
      const found = await stat(path, { bigint: true }).catch(() => undefined);
      return [path, found === undefined ? '' : [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join()];
    }),
  );
  return new Map(prints);
}

/** The settings that differ from those of the start and do not rotate. */
function changedNames(before: Settings, after: Settings): string[] {
  const names = new Set([...Object.keys(before.variables), ...Object.keys(after.variables)]);
  const changed = [...names].filter(
    (name) => isKnown(name) && !ROTATING_NAMES.has(name) && before.variables[name] !== after.variables[name],
  );
  changed.sort();
  return sitesOf(before) === sitesOf(after) ? changed : [...changed, 'SITES_FILE'];
}

/** The sites without their keys, which rotate. */
const sitesOf = ({ sites }: Settings): string => JSON.stringify(sites.map(({ apiKeys: _apiKeys, ...site }) => site));
