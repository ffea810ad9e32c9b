//! Carriers: what a context is read from and written into.
//!
//! [`Extract`] and [`Inject`] fit any header map, message properties and environment variables. Names are given in lower
//! case and matched without regard to case. Values are bytes, because a header may hold anything; the formats decide what
//! they accept.

use std::collections::HashMap;

/// Something that context can be read from.
pub trait Extract {
    /// Calls `visit` for every value under `name`, in the order they came; a header may come more than once.
    fn values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8]));

    /// Calls `visit` for every name and value, for formats that put data into names (`uberctx-`).
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]));
}

/// Something that context can be written into.
pub trait Inject {
    /// Sets `name` to `value`, in the place of whatever stood there.
    fn set(&mut self, name: &str, value: &str);
}

impl<K: AsRef<str>, V: AsRef<[u8]>> Extract for [(K, V)] {
    fn values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        for (key, value) in self {
            if key.as_ref().eq_ignore_ascii_case(name) {
                visit(value.as_ref());
            }
        }
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        for (key, value) in self {
            visit(key.as_ref(), value.as_ref());
        }
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>> Extract for Vec<(K, V)> {
    fn values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.as_slice().values(name, visit);
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.as_slice().each(visit);
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>, const N: usize> Extract for [(K, V); N] {
    fn values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.as_slice().values(name, visit);
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.as_slice().each(visit);
    }
}

impl Inject for Vec<(String, String)> {
    fn set(&mut self, name: &str, value: &str) {
        self.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.push((name.to_owned(), value.to_owned()));
    }
}

impl<S> Extract for HashMap<String, String, S> {
    fn values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        for (key, value) in self {
            if key.eq_ignore_ascii_case(name) {
                visit(value.as_bytes());
            }
        }
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        for (key, value) in self {
            visit(key, value.as_bytes());
        }
    }
}

impl<S: std::hash::BuildHasher> Inject for HashMap<String, String, S> {
    fn set(&mut self, name: &str, value: &str) {
        self.insert(name.to_owned(), value.to_owned());
    }
}

/// Environment variables as a carrier: `traceparent` is `TRACEPARENT`, what is no letter or digit becomes `_`
/// (OpenTelemetry, "Environment variables as context propagation carriers").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(pub Vec<(String, String)>);

impl Environment {
    /// The variable that carries the header `name`.
    pub fn variable(name: &str) -> String {
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
    }
}

impl Extract for Environment {
    fn values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        let variable = Self::variable(name);
        for (key, value) in &self.0 {
            if *key == variable {
                visit(value.as_bytes());
            }
        }
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        for (key, value) in &self.0 {
            visit(key, value.as_bytes());
        }
    }
}

impl Inject for Environment {
    fn set(&mut self, name: &str, value: &str) {
        let variable = Self::variable(name);
        self.0.retain(|(key, _)| *key != variable);
        self.0.push((variable, value.to_owned()));
    }
}

#[cfg(feature = "headless")]
impl Extract for http::HeaderMap {
    fn values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        for value in self.get_all(name) {
            visit(value.as_bytes());
        }
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        for (name, value) in self {
            visit(name.as_str(), value.as_bytes());
        }
    }
}

#[cfg(feature = "headless")]
impl Inject for http::HeaderMap {
    /// A name or value that HTTP can't carry is left out.
    fn set(&mut self, name: &str, value: &str) {
        if let (Ok(name), Ok(value)) = (http::HeaderName::from_bytes(name.as_bytes()), http::HeaderValue::from_str(value)) {
            self.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(carrier: &dyn Extract, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        carrier.values(name, &mut |value| found.push(String::from_utf8_lossy(value).into_owned()));
        found
    }

    #[test]
    fn names_match_in_any_case_and_values_keep_their_order() {
        let headers = vec![("TraceParent", "a"), ("other", "x"), ("traceparent", "b")];
        assert_eq!(all(&headers, "traceparent"), ["a", "b"]);
    }

    #[test]
    fn set_replaces_what_stood_there() {
        let mut headers = vec![("Baggage".to_owned(), "old".to_owned())];
        headers.set("baggage", "new");
        assert_eq!(headers, [("baggage".to_owned(), "new".to_owned())]);
    }

    #[test]
    fn the_environment_spells_names_its_own_way() {
        let mut environment = Environment::default();
        environment.set("x-b3-traceid", "1");
        assert_eq!(environment.0[0].0, "X_B3_TRACEID");
        assert_eq!(all(&environment, "X-B3-TraceId"), ["1"]);
    }

    #[cfg(feature = "headless")]
    #[test]
    fn an_http_header_map_gives_every_value() {
        let mut headers = http::HeaderMap::new();
        headers.append("tracestate", http::HeaderValue::from_static("a=1"));
        headers.append("tracestate", http::HeaderValue::from_static("b=2"));
        assert_eq!(all(&headers, "tracestate"), ["a=1", "b=2"]);
        headers.set("tracestate", "c=3");
        headers.set("bad\n", "x");
        assert_eq!(all(&headers, "tracestate"), ["c=3"]);
        assert_eq!(headers.len(), 1);
    }
}
