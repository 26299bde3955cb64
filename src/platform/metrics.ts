import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { lostLines } from './logging/output.js';
import { createCounter, createHistogram, createObservedGauge } from './series.js';
import { versions } from './version.js';

/** From a message to a device that is connected, to one that comes back the next day. */
const DELIVERY_BUCKETS_S = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21_600, 86_400];
const LATENCY_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** The metrics of one process at one moment. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** The gateway's metrics. Labels take only names that the code knows, so clients cannot add time series. */
export type Metrics = ReturnType<typeof createMetrics>;

/** One registry for each application, so that several can run in one process. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  // A timer of the event loop, also of an idle one: with the default of 10 ms it was a seventh of what an idle node costs.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 });
  const buildInfo = new Gauge({
    name: 'gateway_build_info',
    help: 'Always 1; its labels are the versions of the gateway, of the wire and of Node.js',
    labelNames: ['version', 'wire', 'nodejs'] as const,
    aggregator: 'first',
    registers,
  });
  const workers = new Gauge({ name: 'gateway_workers', help: 'Processes that serve', registers });
  workers.set(1);
  buildInfo.set({ ...versions, nodejs: process.version }, 1);
  new Counter({
    name: 'gateway_log_lines_lost_total',
    help: 'Lines of the log that were lost, because standard output took none, as on a full disk',
    registers,
    collect() {
      this.reset();
      this.inc(lostLines());
    },
  });
  return {
    registry,
    connections: new Gauge({
      name: 'gateway_connections',
      help: 'Sockets connected now',
      labelNames: ['namespace'] as const,
      registers,
    }),
    refusals: createCounter({
      name: 'gateway_connection_refusals_total',
      help: 'Connections refused by the authentication of a namespace',
      labelNames: ['namespace', 'code'],
      registry,
    }),
    events: createCounter({
      name: 'gateway_events_total',
      help: 'Events of clients by outcome; an event no contract knows counts as "unknown"',
      labelNames: ['namespace', 'event', 'code'],
      registry,
    }),
    eventSeconds: createHistogram(
      {
        name: 'gateway_event_seconds',
        help: 'Time from the arrival of an event to its acknowledgement',
        labelNames: ['namespace'],
        registry,
      },
      LATENCY_BUCKETS_S,
    ),
    requestSeconds: createHistogram(
      {
        name: 'gateway_request_seconds',
        help: 'Time from the arrival of a REST call to its answer',
        labelNames: ['route', 'status'],
        registry,
      },
      LATENCY_BUCKETS_S,
    ),
    emits: createCounter({
      name: 'gateway_emits_total',
      help: 'Events sent to a room or a namespace',
      labelNames: ['namespace'],
      registry,
    }),
    deliveries: createCounter({
      name: 'gateway_deliveries_total',
      help: 'Events written to sockets of this node',
      labelNames: ['namespace'],
      registry,
    }),
    ...createDeliveryMetrics(registry),
    ...createClusterMetrics(registry),
    pushes: createCounter({
      name: 'gateway_pushes_total',
      help: 'Push notifications by outcome, one for each token',
      labelNames: ['result'],
      registry,
    }),
    connectionsEnded: createCounter({
      name: 'gateway_connections_ended_total',
      help: 'Connections refused or closed because of a limit, by reason',
      labelNames: ['reason'],
      registry,
    }),
    floods: new Counter({
      name: 'gateway_floods_total',
      help: 'How often a connection was not read for some seconds because its caller sent too many useless packets',
      registers,
    }),
    ...createAdmissionMetrics(registry),
    slowClients: new Counter({
      name: 'gateway_slow_clients_closed_total',
      help: 'Connections closed because their send buffer exceeded SOCKET_BUFFER_MAX',
      registers,
    }),
    slowClientBytes: new Counter({
      name: 'gateway_slow_client_dropped_bytes_total',
      help: 'Buffered bytes of those connections that were dropped',
      registers,
    }),
    waitingClosed: new Counter({
      name: 'gateway_http_waiting_closed_total',
      help: 'HTTP connections closed because too many were idle',
      registers,
    }),
    publishFailures: new Counter({
      name: 'gateway_redis_publish_failures_total',
      help: 'Messages that did not reach every other node: Redis did not accept them, or a node was not subscribed',
      registers,
    }),
    workers,
    workerExits: createCounter({
      name: 'gateway_worker_exits_total',
      help: 'Workers that ended without having been asked to',
      labelNames: [],
      registry,
    }),
    dependencyUp: new Gauge({
      name: 'gateway_dependency_up',
      help: '1 while a dependency can be reached',
      labelNames: ['dependency'] as const,
      aggregator: 'min',
      registers,
    }),
  };
}

/** How many clients the node lets connect. */
function createAdmissionMetrics(registry: Registry) {
  return {
    admissions: createCounter({
      name: 'gateway_admissions_total',
      help: 'Handshakes by what the admission did with them; abandoned: the client has left the queue',
      labelNames: ['result'],
      registry,
    }),
    admissionWaiting: createObservedGauge({
      name: 'gateway_admission_waiting',
      help: 'Handshakes that wait for admission now',
      labelNames: [],
      registry,
    }),
    admissionRate: createObservedGauge({
      name: 'gateway_admission_rate_per_second',
      help: 'Handshakes that are admitted in a second at present: ADMISSION_PER_SECOND, or derived from the lag of the event loop',
      labelNames: [],
      registry,
    }),
  };
}

/** Durable messages. */
function createDeliveryMetrics(registry: Registry) {
  return {
    durableMessages: createCounter({
      name: 'gateway_durable_messages_total',
      help: 'Durable messages by what happened to them: stored by this node, or sent, sent again or acknowledged over its sockets',
      labelNames: ['state'],
      registry,
    }),
    durableWaiting: createObservedGauge({
      name: 'gateway_durable_waiting_messages',
      help: 'Durable messages that are sent or still to be sent to sockets of this node, and not acknowledged',
      labelNames: [],
      registry,
    }),
    acknowledgeSeconds: createHistogram(
      {
        name: 'gateway_durable_acknowledge_seconds',
        help: 'Time from the storing of a durable message to the acknowledgement by each device',
        labelNames: [],
        registry,
      },
      DELIVERY_BUCKETS_S,
    ),
    durableExpirations: createCounter({
      name: 'gateway_durable_expirations_total',
      help: 'Times that a device lost durable messages, by reason; for ttl every message counts',
      labelNames: ['reason'],
      registry,
    }),
    resyncs: createCounter({
      name: 'gateway_durable_resyncs_total',
      help: 'Clients that were told to load everything again, because messages were lost',
      labelNames: [],
      registry,
    }),
    mailboxReads: createCounter({
      name: 'gateway_mailbox_reads_total',
      help: 'Reads of durable messages from the database for sockets of this node',
      labelNames: [],
      registry,
    }),
  };
}

/** What the nodes share. */
function createClusterMetrics(registry: Registry) {
  return {
    presenceLeaseAge: createObservedGauge({
      name: 'gateway_presence_lease_age_seconds',
      help: 'Time since Redis confirmed the presence lease of this node; at 9 s its sockets stop counting',
      labelNames: ['presence'],
      aggregator: 'max',
      registry,
    }),
    nodeMessages: new Counter({
      name: 'gateway_node_messages_total',
      help: 'Messages of other nodes that this node has read',
      registers: [registry],
    }),
    busLag: createHistogram(
      {
        name: 'gateway_bus_lag_seconds',
        help: 'Time until a message of this node to the other nodes comes back from Redis',
        labelNames: [],
        registry,
      },
      LATENCY_BUCKETS_S,
    ),
  };
}
