import { existsSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Test files that take ten seconds or more. Vitest begins with the largest files; a small one that takes long would begin last, and
 * run alone at the end.
 */
const SLOW = [
  'test/console/views.test.ts',
  'test/package/package.test.ts',
  'test/matrix/matrix.test.ts',
  'test/realtime/presence/presence-nodes.test.ts',
  'test/gateway/shutdown.test.ts',
  'test/transport/hostile/events.test.ts',
  'test/scripts/examples.test.ts',
  'test/transport/fuzz/fuzz.test.ts',
  'test/platform/redis/sentinel.test.ts',
  'test/platform/redis/cluster.test.ts',
  'test/realtime/routing/cluster.test.ts',
  'test/shared/client/lists.test.ts',
  'test/gateway/terminal.test.ts',
  'test/console/access.test.ts',
  'test/realtime/delivery/jitter.test.ts',
  'test/realtime/simulation/simulation.test.ts',
  'test/scripts/test-mongodb.test.ts',
  'test/transport/hostile/flood-brake.test.ts',
  'test/integrations/chat/shared/history.test.ts',
  'test/integrations/conversation/counters/counters.test.ts',
  'test/scripts/arguments.test.ts',
  'test/gateway/output.test.ts',
];

/** Begins with the files that take longest. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const missing = SLOW.filter((path) => !existsSync(path));
    if (missing.length > 0) throw new Error(`test/support/slow-first.ts names files that do not exist: ${missing}`);
    const sorted = await super.sort(files);
    const placeOf = ({ moduleId }: TestSpecification): number => {
      const place = SLOW.findIndex((path) => moduleId.endsWith(`/${path}`));
      return place === -1 ? SLOW.length : place;
    };
    return sorted.toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}
