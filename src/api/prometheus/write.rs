//! JSON of lists, written straight into bytes. Results of queries are written by [`crate::promql::json`], whose rules for
//! texts, times and numbers hold here too.

use crate::model::Labels;
use crate::promql::json;
use crate::promql::text::float_json;

/// A text.
pub(super) fn text(out: &mut String, text: &str) {
    json::string(out, text, true);
}

/// `[a,b]`.
pub(super) fn list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    out.push('[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// A list of texts.
pub(super) fn texts<T: AsRef<str>>(out: &mut String, items: impl IntoIterator<Item = T>) {
    list(out, items, |out, item| text(out, item.as_ref()));
}

/// A label set.
pub(super) fn labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (at, (name, value)) in labels.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        json::string(out, name, false);
        out.push(':');
        json::string(out, value, false);
    }
    out.push('}');
}

/// A number in quotes.
pub(super) fn number(out: &mut String, value: f64) {
    out.push('"');
    out.push_str(&float_json(value));
    out.push('"');
}
