import { type Recorder, recordCommands } from '../queries/recorder.js';
import { createTestClock, type TestClock } from './clock.js';
import { createTestEnvironment, type EnvironmentOptions, type TestEnvironment } from './environment.js';

/** Gateways on a clock that stands still, and the commands that they send to the database. */
export interface RecordedEnvironment {
  readonly clock: TestClock;
  readonly recorder: Recorder;
  readonly environment: TestEnvironment;
}

/** Starts gateways, two by default. The end of the environment is the end of the record. */
export async function createRecordedEnvironment(
  options: Omit<EnvironmentOptions, 'overrides'> = {},
): Promise<RecordedEnvironment> {
  const clock = createTestClock();
  const recorder = recordCommands('general-socket');
  const environment = await createTestEnvironment({ nodes: 2, ...options, overrides: { clock } });
  environment.defer(recorder.stop);
  return { clock, recorder, environment };
}
