// Sends one known trace with the JavaScript SDK over OTLP JSON: node send.js ENDPOINT. Prints its ids as JSON.

import { SpanKind, SpanStatusCode, TraceFlags, context, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const exporter = new OTLPTraceExporter({ url: `${process.argv[2]}/v1/traces` });
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'javascript-json', 'service.version': '1.2.3' }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer('client-test', '9');

const elsewhere = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: TraceFlags.SAMPLED,
  isRemote: true,
};
const root = tracer.startSpan('GET /checkout', {
  kind: SpanKind.SERVER,
  attributes: { text: 'grüße 世界', count: 42, ratio: 0.25, ready: true, list: ['a', 'b'] },
  links: [{ context: elsewhere, attributes: { why: 'batch' } }],
});
root.addEvent('cache.miss', { key: 'k1' });
const inside = trace.setSpan(context.active(), root);
const select = tracer.startSpan('SELECT cart', { kind: SpanKind.CLIENT }, inside);
select.setStatus({ code: SpanStatusCode.OK });
select.end();
const publish = tracer.startSpan('publish order', { kind: SpanKind.PRODUCER }, inside);
publish.end();
root.setStatus({ code: SpanStatusCode.ERROR, message: 'card declined' });
root.end();
await provider.shutdown();

const spans = Object.fromEntries([root, select, publish].map((span) => [span.name, span.spanContext().spanId]));
console.log(JSON.stringify({ trace_id: root.spanContext().traceId, spans }));
