import type { TestEnvironment } from '../../support/environment.js';
import type { Random } from '../../support/random.js';
import type { Connection, Device } from './device.js';
import type { Scene } from './scene.js';

/** What a history runs with. */
export interface Play {
  readonly environment: TestEnvironment;
  readonly scene: Scene;
  readonly random: Random;
  readonly devices: readonly Device[];
  /** Nodes that clients connect to. */
  countNodes(): number;
}

/** Something that one client does. */
export type Act = (by: Connection, play: Play) => Promise<unknown>;
