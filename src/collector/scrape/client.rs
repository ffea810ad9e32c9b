//! Asks a target: one GET over HTTP/1, within its patience and its size.

use super::config::{Credentials, Job};
use super::target::Target;
use crate::wire::exposition::Dialect;
use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::io::Read as _;

/// Redirects that are followed.
const MOST_REDIRECTS: usize = 10;

/// Connections to targets, kept open between scrapes.
#[derive(Clone)]
pub(super) struct Asker(Client<HttpConnector, Empty<Bytes>>);

impl Asker {
    pub(super) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build_http())
    }

    /// The text that a target exposes, uncompressed.
    pub(super) async fn ask(&self, job: &Job, target: &Target) -> Result<(Bytes, Dialect), String> {
        match tokio::time::timeout(target.timeout, self.follow(job, target)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("Get {:?}: context deadline exceeded: no answer within {:?}", target.url, target.timeout)),
        }
    }

    async fn follow(&self, job: &Job, target: &Target) -> Result<(Bytes, Dialect), String> {
        let first: Uri = target.url.parse().map_err(|error| format!("{:?} is no URL: {error}", target.url))?;
        let mut url = first.clone();
        for _ in 0..=MOST_REDIRECTS {
            if url.scheme_str() != Some("http") {
                return Err(format!(
                    "Get {url:?}: https targets cannot be scraped by this build. Use scheme: http, or a local proxy"
                ));
            }
            let same_host = url.authority() == first.authority();
            let request = request(job, target, &url, same_host)?;
            let response =
                self.0.request(request).await.map_err(|error| format!("Get {:?}: {}", url.to_string(), chain(&error)))?;
            let status = response.status();
            if status.is_redirection() && job.follow_redirects {
                let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                let location = location.ok_or_else(|| format!("server returned HTTP status {status} without a Location"))?;
                url = join(&url, location).ok_or_else(|| format!("the redirect goes to {location:?}, which is no URL"))?;
                continue;
            }
            if !status.is_success() {
                return Err(format!("server returned HTTP status {status}"));
            }
            let header =
                |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            let (media, encoding) = (header(CONTENT_TYPE), header(CONTENT_ENCODING));
            let dialect = Dialect::of_content_type(&media).ok_or_else(|| {
                format!("received unsupported Content-Type {media:?}: the target does not expose metrics as text")
            })?;
            let limit = job.limits.body_bytes;
            let over = || format!("body size limit exceeded: more than {limit} bytes");
            let mut body = response.into_body();
            let mut bytes = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| format!("the answer breaks off: {error}"))?;
                if let Ok(data) = frame.into_data() {
                    if bytes.len() + data.len() > limit {
                        return Err(over());
                    }
                    bytes.extend_from_slice(&data);
                }
            }
            let bytes = bytes.freeze();
            if encoding.eq_ignore_ascii_case("gzip") {
                let mut text = Vec::new();
                let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]).take(limit as u64 + 1);
                decoder.read_to_end(&mut text).map_err(|error| format!("the answer is not valid gzip: {error}"))?;
                return if text.len() > limit { Err(over()) } else { Ok((text.into(), dialect)) };
            }
            return Ok((bytes, dialect));
        }
        Err(format!("stopped after {MOST_REDIRECTS} redirects"))
    }
}

fn request(job: &Job, target: &Target, url: &Uri, with_secrets: bool) -> Result<Request<Empty<Bytes>>, String> {
    let mut builder = Request::get(url.clone())
        .header(ACCEPT, Dialect::ACCEPT)
        .header(USER_AGENT, concat!("Belvedere/", env!("CARGO_PKG_VERSION")))
        .header("X-Prometheus-Scrape-Timeout-Seconds", target.timeout.as_secs_f64().to_string());
    if job.compression {
        builder = builder.header(ACCEPT_ENCODING, "gzip");
    }
    for (name, value) in &job.headers {
        builder = builder.header(name, value);
    }
    // A redirect to another host does not carry credentials there.
    if with_secrets {
        let authorization = match &job.credentials {
            Credentials::None => None,
            Credentials::Token { scheme, token } => Some(format!("{scheme} {}", token.read()?)),
            Credentials::Basic { user, password } => {
                let pair = format!("{user}:{}", password.read()?);
                Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
            }
        };
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
    }
    builder.body(Empty::new()).map_err(|error| format!("the request cannot be made: {error}"))
}

fn join(base: &Uri, location: &str) -> Option<Uri> {
    if location.starts_with('/') {
        let (scheme, authority) = (base.scheme_str()?, base.authority()?);
        return format!("{scheme}://{authority}{location}").parse().ok();
    }
    let absolute: Uri = location.parse().ok()?;
    if absolute.scheme().is_some() {
        return Some(absolute);
    }
    let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{}://{}{folder}/{location}", base.scheme_str()?, base.authority()?).parse().ok()
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_joined() {
        let base: Uri = "http://h:1/a/b?x=1".parse().unwrap();
        for (location, url) in [("/c", "http://h:1/c"), ("c", "http://h:1/a/c"), ("http://i/d", "http://i/d")] {
            assert_eq!(join(&base, location).unwrap().to_string(), url, "{location}");
        }
    }
}
