//! Tells the format of a text by its shape: the paths that its beginning has, never the file's name.
//!
//! The scanner reads at most [`LOOK`] bytes, keeps no values but a few short texts, and takes damaged text as far as it
//! goes: the codec of the format then says what is wrong and where.

use super::super::format::Format;

/// Bytes looked at.
const LOOK: usize = 256 * 1024;
/// Nesting below which paths are told apart.
const DEPTH: usize = 9;
/// Paths kept.
const PATHS: usize = 4096;

/// The paths of a JSON text's beginning, `[].traceId` or `data[].spans[].spanID`, each with the first text found there.
#[derive(Default, Debug)]
pub(crate) struct Shape {
    paths: Vec<(String, String)>,
    /// What the first character opens.
    pub first: Option<u8>,
    /// Documents that begin within what was looked at.
    pub documents: usize,
    /// True when each document after the first begins on a new line.
    pub lines: bool,
}

impl Shape {
    /// Looks at the beginning of `text`.
    pub fn of(text: &[u8]) -> Self {
        let mut scanner = Scanner { text: &text[..text.len().min(LOOK)], at: 0, shape: Self::default() };
        scanner.scan();
        scanner.shape
    }

    /// True when something stands at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.paths.iter().any(|(known, _)| known == path)
    }

    /// True when something stands at each of the paths, which begin with `prefix`.
    pub fn has_all(&self, prefix: &str, paths: &[&str]) -> bool {
        paths.iter().all(|path| self.has(&format!("{prefix}{path}")))
    }

    /// The first text that stands at `path`.
    pub fn text(&self, path: &str) -> &str {
        self.paths.iter().find(|(known, _)| known == path).map_or("", |(_, text)| text)
    }

    fn keep(&mut self, path: &[String], text: &str) {
        if path.len() > DEPTH || self.paths.len() >= PATHS {
            return;
        }
        let path: String = path.concat();
        let path = path.trim_start_matches('.');
        if !self.has(path) {
            self.paths.push((path.to_owned(), text.chars().take(64).collect()));
        }
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    shape: Shape,
}

impl Scanner<'_> {
    /// A loose walk over tokens: inside objects a text before a colon is a key.
    fn scan(&mut self) {
        let mut path: Vec<String> = Vec::new();
        // Per open bracket: is it an object. Deeper ones are only counted.
        let mut open: Vec<bool> = Vec::new();
        let mut newline = true;
        let mut all_lines = true;
        while let Some(byte) = self.text.get(self.at).copied() {
            self.at += 1;
            match byte {
                b'\n' => newline = true,
                b' ' | b'\t' | b'\r' | b',' | b':' => {}
                b'{' | b'[' => {
                    if open.is_empty() {
                        self.shape.first.get_or_insert(byte);
                        self.shape.documents += 1;
                        all_lines &= newline;
                        path.clear();
                    }
                    if !path.is_empty() {
                        self.shape.keep(&path, "");
                    }
                    open.push(byte == b'{');
                    path.push(if byte == b'{' { String::new() } else { "[]".to_owned() });
                }
                b'}' | b']' => {
                    open.pop();
                    path.pop();
                }
                b'"' => {
                    let text = self.string();
                    let object = open.last().copied().unwrap_or_default();
                    if object && self.colon_follows() {
                        if let Some(last) = path.last_mut() {
                            *last = format!(".{text}");
                        }
                    } else {
                        self.shape.keep(&path, &text);
                    }
                }
                _ => {
                    if open.is_empty() {
                        self.shape.first.get_or_insert(byte);
                        return;
                    }
                    self.shape.keep(&path, "");
                    while self.text.get(self.at).is_some_and(|byte| !b",]} \t\r\n".contains(byte)) {
                        self.at += 1;
                    }
                }
            }
            if !byte.is_ascii_whitespace() {
                newline = false;
            }
            if open.len() > 512 {
                return;
            }
        }
        self.shape.lines = all_lines && self.shape.documents > 1;
    }

    fn string(&mut self) -> String {
        let start = self.at;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        let end = self.at.min(self.text.len());
        self.at = end + 1;
        String::from_utf8_lossy(&self.text[start.min(end)..end.min(start + 256)]).into_owned()
    }

    fn colon_follows(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
    }
}

/// The format of a text that begins like JSON, with the shape it was told by; `None` when it is none of ours.
pub(crate) fn json_format(shape: &Shape) -> Option<Format> {
    let has = |path: &str| shape.has(path);
    let otlp = |prefix: &str| {
        ["resourceSpans", "resourceLogs", "resourceMetrics", "resource_spans"]
            .into_iter()
            .find(|key| has(&format!("{prefix}{key}")))
    };
    // Wrappers first: what they hold has the same keys as the bare forms.
    if has("traceEvents") {
        return Some(Format::Chrome);
    }
    if has("trace.root_id") || shape.has_all("", &["root_id", "spans"]) {
        return Some(Format::Datadog);
    }
    if otlp("trace.").is_some() || has("batches") {
        return Some(Format::Tempo);
    }
    for prefix in ["", "result.", "[]."] {
        if let Some(key) = otlp(prefix) {
            let spans = |scope: &str| format!("{prefix}{key}[].{scope}[].spans[].traceId");
            let id = [spans("scopeSpans"), spans("instrumentationLibrarySpans")];
            // 24 characters of base64 where 32 digits belong.
            if id.iter().any(|path| is_base64_id(shape.text(path))) {
                return Some(Format::Tempo);
            }
            return Some(if shape.lines && prefix.is_empty() { Format::OtlpJsonLines } else { Format::OtlpJson });
        }
    }
    if has("data") && (has("data[].traceID") || has("data[].spans") || has("data[]") || shape.text("data").is_empty()) {
        return Some(Format::Jaeger);
    }
    if has("Traces") && (has("Traces[].Segments") || has("Traces[].Id")) || has("[].Segments") || has("[].Document") {
        return Some(Format::XRay);
    }
    if has("Segments[].Document") {
        return Some(Format::XRay);
    }
    for prefix in ["", "[].", "[][]."] {
        let all = |paths: &[&str]| shape.has_all(prefix, paths);
        if all(&["ph"]) {
            return Some(Format::Chrome);
        }
        if all(&["traceID", "spans"]) || all(&["traceID", "processes"]) || all(&["spans[].spanID"]) {
            return Some(Format::Jaeger);
        }
        if all(&["SpanContext"]) || all(&["Name", "StartTime"]) {
            return Some(Format::GoStdouttrace);
        }
        if all(&["traceId", "id"]) {
            let old = ["binaryAnnotations", "annotations[].endpoint"];
            let first = old.iter().any(|path| all(&[path]));
            return Some(if first { Format::ZipkinV1 } else { Format::ZipkinV2 });
        }
        if all(&["trace_id", "span_id"]) {
            return Some(Format::Datadog);
        }
        if all(&["trace_id", "start_time"]) || all(&["trace_id", "id"]) {
            return Some(Format::XRay);
        }
    }
    None
}

/// 16 bytes in base64.
fn is_base64_id(text: &str) -> bool {
    text.len() == 24 && text.ends_with("==") || text.len() == 22 && !text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_a_text_names_its_format() {
        let cases = [
            (r#"{"resourceSpans":[]}"#, Some(Format::OtlpJson)),
            ("{\"resourceSpans\":[]}\n{\"resourceLogs\":[]}", Some(Format::OtlpJsonLines)),
            (r#"{"batches":[]}"#, Some(Format::Tempo)),
            (r#"{"trace":{"resourceSpans":[]}}"#, Some(Format::Tempo)),
            (r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"S/kvNXezTaajzpKdDg5HNg=="}]}]}]}"#, Some(Format::Tempo)),
            (r#"{"data":[{"traceID":"a","spans":[]}],"total":0}"#, Some(Format::Jaeger)),
            (r#"{"_comment":"x","traceID":"a","spans":[]}"#, Some(Format::Jaeger)),
            (r#"[{"traceID":"a","spans":[],"processes":{}}]"#, Some(Format::Jaeger)),
            (r#"[{"traceId":"1","id":"2","annotations":[{"value":"x"}]}]"#, Some(Format::ZipkinV2)),
            (r#"[[{"traceId":"1","id":"2"}]]"#, Some(Format::ZipkinV2)),
            (r#"[{"traceId":"1","id":"2","annotations":[{"value":"sr","endpoint":{}}]}]"#, Some(Format::ZipkinV1)),
            (r#"{"Name":"x","SpanContext":{"TraceID":"1"}}"#, Some(Format::GoStdouttrace)),
            (r#"[{"ph":"X","ts":1}"#, Some(Format::Chrome)),
            (r#"{"displayTimeUnit":"ms","traceEvents":[]}"#, Some(Format::Chrome)),
            (r#"{"trace_id":"1-5f187253-6a106696d56b1f4ef9eba2ed","id":"a","start_time":1.5}"#, Some(Format::XRay)),
            (r#"{"Traces":[{"Id":"1","Segments":[{"Document":"{}"}]}]}"#, Some(Format::XRay)),
            (r#"[[{"trace_id":1,"span_id":2}]]"#, Some(Format::Datadog)),
            (r#"{"trace":{"root_id":"1","spans":{}}}"#, Some(Format::Datadog)),
            (r#"{"name":"package.json","version":"1"}"#, None),
            ("[]", None),
            ("not json", None),
            (r#"{"a":"\"resourceSpans\":"}"#, None),
        ];
        for (text, format) in cases {
            assert_eq!(json_format(&Shape::of(text.as_bytes())), format, "{text}");
        }
    }

    #[test]
    fn a_pretty_printed_document_is_not_taken_for_lines() {
        let shape = Shape::of(b"{\n  \"resourceSpans\": [\n  {}\n ]\n}\n");
        assert_eq!((shape.documents, shape.lines), (1, false));
    }
}
