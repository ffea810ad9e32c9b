//! Span lifecycle: tracer, span, limits, samplers, processors and exporters, by the rules of the OpenTelemetry SDK specification.
