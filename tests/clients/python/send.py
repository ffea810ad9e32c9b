"""Sends one known trace with the Python SDK: send.py grpc|http ENDPOINT. Prints its ids as JSON."""

import json
import sys

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

protocol, endpoint = sys.argv[1:]
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True)
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=endpoint + "/v1/traces", compression=Compression.Gzip)

provider = TracerProvider(resource=Resource.create({"service.name": f"python-{protocol}", "service.version": "1.2.3"}))
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("client-test", "9")

elsewhere = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=True, trace_flags=TraceFlags(1))
root = tracer.start_span(
    "GET /checkout",
    kind=SpanKind.SERVER,
    attributes={"text": "grüße 世界", "count": 42, "ratio": 0.25, "ready": True, "list": ["a", "b"]},
    links=[Link(elsewhere, {"why": "batch"})],
)
root.add_event("cache.miss", {"key": "k1"})
inside = trace.set_span_in_context(root)
select = tracer.start_span("SELECT cart", context=inside, kind=SpanKind.CLIENT)
select.set_status(Status(StatusCode.OK))
select.end()
publish = tracer.start_span("publish order", context=inside, kind=SpanKind.PRODUCER)
publish.end()
root.set_status(Status(StatusCode.ERROR, "card declined"))
root.end()
provider.shutdown()

spans = {span.name: format(span.get_span_context().span_id, "016x") for span in (root, select, publish)}
print(json.dumps({"trace_id": format(root.get_span_context().trace_id, "032x"), "spans": spans}))
