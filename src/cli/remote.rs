//! A workspace as a command sees it: opened here, or held by a running Belvedere that is asked over its API.

use super::Failure;
use crate::engine::{Engine, EngineError, EngineOptions, Place, client};
use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where a command's workspace is.
pub enum Reach {
    /// This process holds it.
    Here(Engine),
    /// Another does.
    Asked(Running),
}

/// A running Belvedere.
pub struct Running {
    api: SocketAddr,
    runtime: tokio::runtime::Runtime,
}

/// The workspace that `--workspace` names, or the default one.
pub fn place(workspace: Option<&str>) -> Result<Place, Failure> {
    match workspace {
        Some(":memory:") => Ok(Place::Memory),
        Some(dir) => Ok(Place::Folder(PathBuf::from(dir))),
        None => crate::engine::default_workspace()
            .map(Place::Folder)
            .ok_or_else(|| Failure::new("this user has no home folder to keep a workspace in. Name a folder with --workspace")),
    }
}

/// Opens the workspace, or finds whom to ask. `make` allows a folder that is not there yet.
pub fn reach(workspace: Option<&str>, make: bool) -> Result<Reach, Failure> {
    let place = place(workspace)?;
    if let Place::Folder(dir) = &place
        && !make
        && !dir.join("data.sqlite").exists()
    {
        let text = format!("there is no workspace here yet. Start `belvedere serve`, or import a file: {}", dir.display());
        return Err(Failure::new(text));
    }
    match Engine::start(EngineOptions::quiet(place)) {
        Ok(engine) => Ok(Reach::Here(engine)),
        Err(EngineError::Held { api: Some(api), .. }) => Ok(Reach::Asked(Running::at(api)?)),
        Err(error) => Err(Failure::new(error.to_string())),
    }
}

impl Running {
    /// The one whose API listens here.
    pub fn at(api: SocketAddr) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("starting the runtime: {error}")))?;
        Ok(Self { api, runtime })
    }

    /// Asks `/belvedere/v1/PATH` and reads the object.
    pub fn get<T: DeserializeOwned>(&self, path: &str, pairs: &[(&str, &str)], within: Duration) -> Result<T, Failure> {
        let text = self.text(path, pairs, within)?;
        serde_json::from_slice(&text).map_err(|error| self.strange(path, &error))
    }

    /// As [`Running::get`], the answer as it came.
    pub fn text(&self, path: &str, pairs: &[(&str, &str)], within: Duration) -> Result<Bytes, Failure> {
        self.send(Method::GET, path, pairs, Bytes::new(), within)
    }

    /// Sends a body to `/belvedere/v1/PATH` and reads the object.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        body: Bytes,
        within: Duration,
    ) -> Result<T, Failure> {
        let text = self.send(Method::POST, path, pairs, body, within)?;
        serde_json::from_slice(&text).map_err(|error| self.strange(path, &error))
    }

    /// Asks `/api/v1/PATH`, Prometheus' API: whether it is a success, and the body.
    pub fn prometheus(&self, path: &str, pairs: &[(&str, &str)], within: Duration) -> Result<(bool, Bytes), Failure> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let path = format!("/api/v1/{path}?{query}");
        let asked = client::request(self.api, Method::GET, &path, "application/octet-stream", Bytes::new(), within);
        let (status, bytes) = self.runtime.block_on(asked).map_err(|error| Failure::new(error.to_string()))?;
        Ok((status.is_success(), bytes))
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        pairs: &[(&str, &str)],
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, Failure> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let path = format!("/belvedere/v1/{path}?{query}");
        let asked = client::request(self.api, method, &path, "application/octet-stream", body, within);
        let (status, bytes) = self.runtime.block_on(asked).map_err(|error| Failure::new(error.to_string()))?;
        if status.is_success() {
            return Ok(bytes);
        }
        let error = serde_json::from_slice::<crate::api::objects::Failure>(&bytes).map(|failure| failure.error);
        Err(Failure::new(error.unwrap_or_else(|_| format!("the running Belvedere answered {status}"))))
    }

    fn strange(&self, path: &str, error: &serde_json::Error) -> Failure {
        Failure::new(format!(
            "the program at http://{}/belvedere/v1/{path} does not answer like this Belvedere ({error}). Use the same version for both",
            self.api
        ))
    }
}
