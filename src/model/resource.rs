//! Who sent a signal: the resource (a service instance) and the instrumentation scope.

use super::value::{Attributes, Value};
use smol_str::SmolStr;

/// The service name of a resource that does not say one, as the semantic conventions have it.
pub const UNKNOWN_SERVICE: &str = "unknown_service";

/// A resource as it came, with its schema and how many attributes the sender dropped.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Resource {
    /// `service.name`, `service.instance.id`, `host.name` and so on.
    pub attributes: Attributes,
    /// Schema URL, empty when absent.
    pub schema_url: SmolStr,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

/// An instrumentation scope (a library).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scope {
    /// Name, empty when absent.
    pub name: SmolStr,
    /// Version, empty when absent.
    pub version: SmolStr,
    /// Attributes of the scope.
    pub attributes: Attributes,
    /// Schema URL, empty when absent.
    pub schema_url: SmolStr,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

impl Resource {
    /// A resource that says only its service name.
    pub fn service(name: &str) -> Self {
        Self { attributes: [("service.name", Value::from(name))].into_iter().collect(), ..Self::default() }
    }

    /// `service.name`, or [`UNKNOWN_SERVICE`].
    pub fn service_name(&self) -> &str {
        self.attributes.text("service.name").filter(|name| !name.is_empty()).unwrap_or(UNKNOWN_SERVICE)
    }
}
