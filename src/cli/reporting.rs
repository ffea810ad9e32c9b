//! Where the spans of `exec` and `proxy` go: the collector that was named, that the environment names, or the one that
//! a running Belvedere opens by default.

use super::Failure;
use crate::model::Resource;
use crate::tracer::{Batch, BatchConfig, Live, Otlp, OtlpConfig, Provider, RetryPolicy};
use std::time::Duration;
use tokio::runtime::Handle;

/// Longest wait for the collector at the end; a command's own answer is not held up longer.
pub(super) const FLUSH: Duration = Duration::from_secs(2);
/// The collector that Belvedere opens unless it is told otherwise.
const DEFAULT: &str = "http://127.0.0.1:4318";

/// The address of the collector: the argument, else `OTEL_EXPORTER_OTLP_ENDPOINT`, else the default.
pub(super) fn endpoint(argument: Option<&str>, variable: Option<&str>) -> String {
    argument.or(variable.filter(|value| !value.is_empty())).unwrap_or(DEFAULT).to_owned()
}

/// A provider that sends to `endpoint` at most `delay` after a span has ended, and announces spans that start when `live`.
pub(super) fn provider(
    endpoint: &str,
    resource: Resource,
    delay: Duration,
    live: bool,
    runtime: &Handle,
) -> Result<Provider, Failure> {
    let retry = RetryPolicy { first: Duration::from_millis(200), attempts: 3, ..RetryPolicy::default() };
    let config = OtlpConfig { endpoint: endpoint.to_owned(), retry, timeout: FLUSH, ..OtlpConfig::default() };
    let exporter = Otlp::new(&config, runtime.clone()).map_err(|error| Failure::new(error.to_string()))?;
    let batch = Batch::new(exporter, BatchConfig { export_timeout: FLUSH, delay, ..BatchConfig::default() });
    let builder = Provider::builder(resource);
    Ok(if live { builder.processor(Live::new(batch)) } else { builder.processor(batch) }.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_goes_before_the_environment_and_that_before_the_default() {
        assert_eq!(endpoint(Some("http://a:1"), Some("http://b:2")), "http://a:1");
        assert_eq!(endpoint(None, Some("http://b:2")), "http://b:2");
        assert_eq!(endpoint(None, Some("")), DEFAULT);
    }
}
