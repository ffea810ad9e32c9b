//! The header inspector: reads trace context out of whatever a person pastes, and says what it means.
//!
//! Takes raw headers, `curl -v` output, `curl -H` arguments, HAR entries, JSON and log lines, environment variables, and a
//! bare `traceparent` value. Pure: text in, [`Report`] out. The window and `belvedere headers` show the same report.

use super::composite::{Composite, Extraction, Format};
use super::fault::Problem;
use super::threshold::{self, Randomness};
use super::{SpanContext, b3, datadog, jaeger, w3c, w3c_baggage, xray};
use crate::model::UnixNanos;

/// Text read; a paste beyond this is cut.
const MAX_TEXT: usize = 1 << 20;
/// Headers taken out of one paste.
const MAX_HEADERS: usize = 256;

/// Headers that carry context, lower case; what begins with `uberctx-` does too.
const NAMES: [&str; 14] = [
    w3c::TRACEPARENT,
    w3c::TRACESTATE,
    w3c_baggage::BAGGAGE,
    b3::TRACE_ID,
    b3::SPAN_ID,
    b3::SAMPLED,
    b3::FLAGS,
    jaeger::UBER_TRACE_ID,
    xray::HEADER,
    datadog::TRACE_ID,
    datadog::PARENT_ID,
    datadog::PRIORITY,
    datadog::ORIGIN,
    datadog::TAGS,
];

/// A header found in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Name as it was written.
    pub name: String,
    /// Value.
    pub value: String,
    /// Line it was found in, from 1.
    pub line: usize,
}

/// What a paste says.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// Headers with trace context, in the order of the text.
    pub headers: Vec<Header>,
    /// What all formats together give.
    pub extraction: Extraction,
    /// The whole in sentences: what won and why, what was set aside, sampling, times.
    pub sentences: Vec<String>,
}

/// Reads the text and explains it.
pub fn explain(text: &str) -> Report {
    let headers = find_headers(text);
    let carrier: Vec<(&str, &str)> = headers.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
    let extraction = Composite::permissive().extract(&carrier);
    let mut sentences = Vec::new();
    if headers.is_empty() {
        sentences.push("No header of any known format is in this text.".to_owned());
    } else {
        sentences = extraction.report();
        if let (Some(context), Some(format)) = (&extraction.context, extraction.format) {
            explain_context(context, format, &mut sentences);
        }
        for entry in extraction.baggage.iter() {
            let more = if entry.metadata.is_empty() { String::new() } else { format!(" ({})", entry.metadata) };
            sentences.push(format!("Baggage: {} is {:?}{more}.", entry.name, entry.value.as_str()));
        }
    }
    Report { headers, extraction, sentences }
}

fn explain_context(context: &SpanContext, format: Format, sentences: &mut Vec<String>) {
    if format == Format::W3c {
        sentences.push(if context.flags.random() {
            "The random flag says that the low 56 bits of the trace id are random, so samplers may rely on them.".to_owned()
        } else {
            "The random flag is not set: the caller knows level 1 only, or its ids are not random.".to_owned()
        });
    }
    if format == Format::XRay {
        let mut seconds = [0; 4];
        seconds.copy_from_slice(&context.trace_id.0[..4]);
        let time = UnixNanos::from_millis(i64::from(u32::from_be_bytes(seconds)) * 1000);
        sentences.push(format!("The trace began at {}.", &time.to_rfc3339()[..19]));
    }
    for (key, value) in context.trace_state.iter() {
        if key != "ot" {
            sentences.push(format!("tracestate: {key} keeps {value:?}."));
        }
    }
    let randomness = Randomness::find(context.trace_id, &context.trace_state);
    if let Some(told) = threshold::threshold_of(&context.trace_state) {
        let (percent, count) = (told.probability() * 100.0, told.adjusted_count());
        sentences.push(format!(
            "Sampling threshold th:{}: {} % of traces are kept, so this one stands for {}.",
            told.digits(),
            rounded(percent),
            rounded(count)
        ));
        if told.keeps(randomness) != context.is_sampled() {
            sentences.push(format!(
                "That contradicts the sampled flag: the trace's randomness {} is {} the threshold.",
                randomness.digits(),
                if told.keeps(randomness) { "not below" } else { "below" }
            ));
        }
    } else if context.trace_state.get("ot").is_some_and(|member| member.contains("th:")) {
        sentences.push("The sampling threshold th is not 1 to 14 lower-case hexadecimal digits and tells nothing.".to_owned());
    }
    if context.trace_state.get("ot").is_some_and(|member| member.contains("rv:")) {
        sentences.push(format!("The trace carries its own randomness, rv:{}.", randomness.digits()));
    }
}

/// A number as people write it: whole, or with up to four significant digits.
fn rounded(number: f64) -> String {
    if (number - number.round()).abs() < 1e-3 * number.abs() && number >= 1.0 {
        return format!("{number:.0}");
    }
    let digits = (3.0 - number.abs().log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{number:.digits$}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Report {
    /// The header that a problem is about.
    pub fn header_of(&self, problem: &Problem) -> Option<&Header> {
        self.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(&problem.header)).nth(problem.index)
    }

    /// The report for a terminal: each header, its faults underlined, and then the sentences.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (at, header) in self.headers.iter().enumerate() {
            text.push_str(&format!("{}: {}\n", header.name, printable(&header.value)));
            for problem in self.extraction.problems.iter() {
                if self.header_of(problem).is_some_and(|of| std::ptr::eq(of, &self.headers[at])) {
                    text.push_str(&underline(header, problem));
                }
            }
        }
        if !self.headers.is_empty() {
            text.push('\n');
        }
        for sentence in &self.sentences {
            text.push_str(sentence);
            text.push('\n');
        }
        text
    }
}

fn printable(value: &str) -> String {
    value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn underline(header: &Header, problem: &Problem) -> String {
    let chars = |bytes: usize| header.value.char_indices().take_while(|(at, _)| *at < bytes).count();
    let (start, end) = (chars(problem.place.start), chars(problem.place.end));
    let indent = " ".repeat(header.name.chars().count() + 2 + start);
    format!("{indent}{} {}\n", "^".repeat((end - start).max(1)), problem.fault)
}

fn is_known(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower == b3::B3 || NAMES.contains(&lower.as_str()) || lower.starts_with(jaeger::BAGGAGE_PREFIX)
}

fn find_headers(text: &str) -> Vec<Header> {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut found = Vec::new();
    for (at, line) in text[..end].lines().enumerate() {
        let before = found.len();
        read_line(line, at + 1, &mut found);
        if found.len() == before {
            let bare = line.trim();
            if w3c::parse_traceparent(bare.as_bytes()).is_ok() {
                found.push(Header { name: w3c::TRACEPARENT.to_owned(), value: bare.to_owned(), line: at + 1 });
            }
        }
        if found.len() >= MAX_HEADERS {
            found.truncate(MAX_HEADERS);
            break;
        }
    }
    join_pretty_har(&text[..end], &mut found);
    found
}

/// A line that is one header, or else everything in it that looks like one.
fn read_line(line: &str, number: usize, found: &mut Vec<Header>) {
    let bare = line.trim_start().trim_start_matches(['>', '<', '*']).trim_start();
    if let Some((name, value)) = bare.split_once(':')
        && is_known(name.trim())
    {
        found.push(Header { name: name.trim().to_owned(), value: value.trim().to_owned(), line: number });
        return;
    }
    let mut at = 0;
    while at < line.len() {
        match next_pair(line, at) {
            Some((name, value, after)) => {
                found.push(Header { name, value, line: number });
                at = after;
            }
            None => return,
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// The next known name at or behind `from` with its value: `name: value`, `name=value`, `"name":"value"`,
/// `"name":"traceparent","value":"…"`, `NAME=value`. Gives where to go on.
fn next_pair(line: &str, from: usize) -> Option<(String, String, usize)> {
    let bytes = line.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        if !is_name_byte(bytes[at]) {
            at += 1;
            continue;
        }
        let end = at + bytes[at..].iter().take_while(|byte| is_name_byte(**byte)).count();
        let word = &line[at..end];
        let name = if is_known(word) { word.to_owned() } else { word.replace('_', "-") };
        if is_known(&name)
            && let Some((value, after)) = value_behind(line, at, end)
        {
            return Some((name, value, after));
        }
        at = end;
    }
    None
}

fn value_behind(line: &str, start: usize, end: usize) -> Option<(String, usize)> {
    let bytes = line.as_bytes();
    let quote = start.checked_sub(1).map(|before| bytes[before]).filter(|byte| *byte == b'"' || *byte == b'\'');
    let mut at = end;
    let closed = quote.is_some() && bytes.get(at) == quote.as_ref();
    if closed {
        at += 1;
        let rest = line[at..].trim_start();
        if let Some(rest) = rest.strip_prefix(',').map(str::trim_start)
            && let Some(rest) = rest.strip_prefix("\"value\"")
        {
            at = line.len() - rest.len();
        }
    }
    let skip = |at: usize| at + bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    at = skip(at);
    if !matches!(bytes.get(at), Some(b':' | b'=')) {
        return None;
    }
    at = skip(at + 1);
    let until = match (bytes.get(at), quote) {
        (Some(mark @ (b'"' | b'\'')), _) => {
            at += 1;
            bytes[at..].iter().position(|byte| byte == mark).map_or(line.len(), |length| at + length)
        }
        // curl -H 'name: value': the quote that opened before the name closes behind the value.
        (_, Some(mark)) if !closed => {
            bytes[at..].iter().position(|byte| *byte == mark).map_or(line.len(), |length| at + length)
        }
        _ => bytes[at..].iter().position(u8::is_ascii_whitespace).map_or(line.len(), |length| at + length),
    };
    Some((line[at..until].to_owned(), until))
}

/// A HAR that is printed over several lines has the name on one and the value on the next.
fn join_pretty_har(text: &str, found: &mut Vec<Header>) {
    let mut name: Option<&str> = None;
    for (at, line) in text.lines().enumerate() {
        let bare = line.trim().trim_end_matches(',');
        let field = |key: &str| {
            let rest = bare.strip_prefix(key)?.trim_start().strip_prefix(':')?.trim();
            rest.strip_prefix('"')?.strip_suffix('"')
        };
        if let Some(value) = field("\"name\"") {
            name = Some(value).filter(|name| is_known(name));
        } else if let (Some(known), Some(value)) = (name, field("\"value\"")) {
            found.push(Header { name: known.to_owned(), value: value.to_owned(), line: at + 1 });
            name = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn names(text: &str) -> Vec<(String, String)> {
        find_headers(text).into_iter().map(|header| (header.name, header.value)).collect()
    }

    #[test]
    fn headers_are_found_however_they_were_pasted() {
        for text in [
            format!("traceparent: {PARENT}"),
            format!("> GET / HTTP/1.1\n> Host: x\n> traceparent: {PARENT}\r\n> Accept: */*"),
            format!("curl -H 'traceparent: {PARENT}' http://x"),
            format!("curl -H \"traceparent: {PARENT}\" http://x"),
            format!("{{\"headers\":{{\"traceparent\":\"{PARENT}\",\"host\":\"x\"}}}}"),
            format!("{{\"name\": \"traceparent\", \"value\": \"{PARENT}\"}}"),
            format!("{{\n  \"name\": \"traceparent\",\n  \"value\": \"{PARENT}\"\n}}"),
            format!("2026-03-02 INFO request done traceparent={PARENT} status=200"),
            format!("export traceparent='{PARENT}'"),
            PARENT.to_owned(),
            format!("   {PARENT}  "),
        ] {
            assert_eq!(names(&text), [("traceparent".to_owned(), PARENT.to_owned())], "{text}");
        }
        assert_eq!(names(&format!("TRACEPARENT={PARENT}"))[0].1, PARENT);
        assert_eq!(names("nothing here: 5\nb2: x"), []);
    }

    #[test]
    fn a_line_may_hold_several_headers() {
        let found = names("level=info x-b3-traceid=80f198ee56343ba864fe8b2a57d3eff7 x-b3-spanid=e457b5a2e4d86bd1 b3=0");
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], ("b3".to_owned(), "0".to_owned()));
    }

    #[test]
    fn sampling_is_explained() {
        let report = explain(&format!("traceparent: {}03\ntracestate: ot=th:c;rv:d0000000000000,rojo=1", &PARENT[..53]));
        let all = report.sentences.join("\n");
        for part in
            ["th:c: 25 % of traces are kept, so this one stands for 4", "rv:d0000000000000", "rojo keeps", "random flag says"]
        {
            assert!(all.contains(part), "{part} in {all}");
        }
        let report = explain(&format!("traceparent: {PARENT}\ntracestate: ot=th:fd70a;rv:10000000000000"));
        let all = report.sentences.join("\n");
        assert!(all.contains("stands for 100") && all.contains("contradicts the sampled flag"), "{all}");
    }

    #[test]
    fn faults_are_underlined_where_they_are() {
        let report = explain("traceparent: 00-0af7651916cd43dd8448eb211c80319C-b7ad6b7169203331-01\ntracestate: a=1,B=2");
        let text = report.to_text();
        let lines: Vec<&str> = text.lines().collect();
        let column = lines[0].find('C').unwrap();
        assert_eq!(lines[1].find('^'), Some(column), "{text}");
        assert!(lines[1].contains("lower-case hexadecimal digits"), "{text}");
        assert!(text.contains("No usable trace context"), "{text}");
    }

    #[test]
    fn an_x_ray_root_tells_its_time() {
        let report = explain("X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1");
        assert!(report.sentences.iter().any(|sentence| sentence == "The trace began at 2016-06-09T22:11:20."), "{report:?}");
    }

    #[test]
    fn nothing_and_anything_can_be_pasted() {
        assert!(explain("").sentences[0].starts_with("No header"));
        for text in
            ["traceparent", "traceparent:", "\"traceparent\":\"", "b3='", "\u{1f600}traceparent=\u{1f600}", "uberctx-=\u{0}"]
        {
            explain(text).to_text();
        }
    }
}
