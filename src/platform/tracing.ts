import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { versions } from './version.js';

/** Where spans are sent. */
export interface TracingOptions {
  /** Base URL of an OTLP receiver over HTTP; `undefined`: tracing is off. */
  endpoint: string | undefined;
  serviceName: string;
  /** Name of the node. */
  node: string;
}

/** A span that has begun. */
interface OpenSpan {
  /** Names the span for others, in the format of W3C. */
  readonly traceparent: string;
  /** @param outcome attributes that are known at the end */
  end(outcome: Readonly<Record<string, string | number>>, isFailed: boolean): void;
}

/** Something that happened to a durable message, on any node. */
export interface Step {
  readonly name: 'durable store' | 'durable send' | 'durable acknowledge';
  /** Of the call that sent the message. */
  readonly traceparent: string;
  /** Unix time in milliseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Readonly<Record<string, string | number>>;
}

/** Records spans. Callers have none while tracing is off, and then spend nothing on it. */
export interface Tracing {
  /** @param traceparent of the caller; ignored when it is malformed */
  begin(name: string, attributes: Readonly<Record<string, string>>, traceparent?: unknown): OpenSpan;
  record(step: Step): void;
  /** Sends what is left. Never rejects. */
  stop(): Promise<void>;
}

/** How long one export, and the last one at the stop, may take. */
const EXPORT_TIMEOUT_MS = 2000;
const VALID_PARENT = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-.*)?$/;
const MAX_LENGTH = 128;

/**
 * Loads the SDK of OpenTelemetry, only if it is wanted. Nothing is registered globally, because several gateways can run in
 * one process.
 * @returns `undefined`: off
 * @throws Error when the optional packages are not installed
 */
export async function startTracing({ endpoint, serviceName, node }: TracingOptions): Promise<Tracing | undefined> {
  if (endpoint === undefined) return undefined;
  const [{ BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await loadSdk();
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': serviceName,
      'service.version': versions.version,
      'service.instance.id': node,
    }),
    spanProcessors: [new BatchSpanProcessor(exporter, { exportTimeoutMillis: EXPORT_TIMEOUT_MS })],
  });
  return createTracing(provider.getTracer('general-socket', versions.version), () => provider.shutdown());
}

async function loadSdk() {
  try {
    return await Promise.all([
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ]);
  } catch (cause) {
    const remedy = 'install the optional packages (npm ci --include=optional), or unset it';
    throw new Error(`OTEL_EXPORTER_OTLP_ENDPOINT needs the SDK of OpenTelemetry: ${remedy}`, { cause });
  }
}

const createTracing = (tracer: Tracer, shutdown: () => Promise<void>): Tracing => ({
  begin(name, attributes, traceparent) {
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, contextOf(traceparent));
    return {
      traceparent: traceparentOf(span),
      end(outcome, isFailed) {
        span.setAttributes(outcome);
        if (isFailed) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  },
  record({ name, traceparent, startedAt, endedAt, attributes }) {
    // The clock of the node that stored the message may be ahead.
    const startTime = Math.min(startedAt, endedAt);
    const kind = name === 'durable send' ? SpanKind.PRODUCER : SpanKind.INTERNAL;
    tracer.startSpan(name, { kind, attributes, startTime }, contextOf(traceparent)).end(endedAt);
  },
  stop: () => shutdown().catch(() => undefined),
});

/** The context of a caller's span; a new trace without a valid one. */
function contextOf(traceparent: unknown): Context {
  if (typeof traceparent !== 'string' || traceparent.length > MAX_LENGTH) return ROOT_CONTEXT;
  const [, traceId = '', spanId = '', flags = ''] = VALID_PARENT.exec(traceparent) ?? [];
  const parent = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return trace.setSpanContext(ROOT_CONTEXT, parent);
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}
