//! Propagation of trace context and baggage in every format people use; extract and inject over any carrier.
