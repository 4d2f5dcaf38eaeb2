//! What a test says about the Envoy that it wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{UPSTREAM_PORT, free_ports, missing_modules, with_block, with_modules, with_ports};
use crate::envoy::Envoy;
use crate::error::StartError;
use crate::launch::Mode;
use crate::{blocks, paths};

const ADMIN: &str = "{ address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }";

/// An Envoy to be started.
#[derive(Clone, Debug)]
pub struct EnvoyBuilder {
    name: String,
    source: Source,
    edits: Vec<(String, String)>,
    ports: BTreeMap<u16, u16>,
    listeners: Listeners,
    pub(crate) concurrency: u32,
    pub(crate) extra_arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) mode: Option<Mode>,
}

#[derive(Clone, Debug)]
enum Source {
    None,
    Sample(String),
    Text(String),
}

#[derive(Clone, Debug)]
enum Listeners {
    Static,
    Split,
    Given(String),
}

/// What Envoy is given.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) name: String,
    pub(crate) bootstrap: String,
    pub(crate) listeners: Option<String>,
    pub(crate) ports: BTreeMap<u16, u16>,
}

/// Where the file of the listeners will lie; replaced when the directory is known.
pub(crate) const LISTENER_FILE: &str = "{listener_file}";

impl EnvoyBuilder {
    pub(crate) fn new() -> Self {
        Self {
            name: std::thread::current().name().unwrap_or("unnamed").to_owned(),
            source: Source::None,
            edits: Vec::new(),
            ports: free_ports(),
            listeners: Listeners::Static,
            concurrency: 2,
            extra_arguments: Vec::new(),
            environment: Vec::new(),
            mode: None,
        }
    }

    /// Uses a file of `envoy/`, for example `rate-limit.yaml`, as it is. Only ports are replaced: the listeners' 10000
    /// to 10009 and the administration's 9901 by free ones, the upstream's 9000 by the one given.
    #[must_use]
    pub fn sample(mut self, file: &str) -> Self {
        self.source = Source::Sample(file.to_owned());
        self
    }

    /// Uses this bootstrap, with the same ports as the samples. Administration is added where it is missing.
    #[must_use]
    pub fn config(mut self, yaml: impl Into<String>) -> Self {
        self.source = Source::Text(yaml.into());
        self
    }

    /// Replaces a piece of the sample; starting fails when it does not occur.
    #[must_use]
    pub fn replacing(mut self, piece: &str, by: &str) -> Self {
        self.edits.push((piece.to_owned(), by.to_owned()));
        self
    }

    /// The address behind the upstream's port 9000; it must be one of 127.0.0.1.
    #[must_use]
    pub fn upstream(self, address: SocketAddr) -> Self {
        self.port(UPSTREAM_PORT, address)
    }

    /// The address behind another port that the configuration names; it must be one of 127.0.0.1.
    ///
    /// # Panics
    /// When it is an address of another machine.
    #[must_use]
    pub fn port(mut self, written: u16, address: SocketAddr) -> Self {
        assert!(address.ip().is_loopback(), "{address} is not on this machine");
        self.ports.insert(written, address.port());
        self
    }

    /// Serves these listeners (a discovery response in YAML or JSON) from a file that
    /// [`Envoy::replace_listeners`] replaces.
    #[must_use]
    pub fn lds(mut self, listeners: impl Into<String>) -> Self {
        self.listeners = Listeners::Given(listeners.into());
        self
    }

    /// Serves the configuration's own listeners from a file, so that [`Envoy::replace_listeners`] and
    /// [`Envoy::replace_config`] can change them while Envoy runs.
    #[must_use]
    pub fn dynamic_listeners(mut self) -> Self {
        self.listeners = Listeners::Split;
        self
    }

    /// Worker threads; two unless said otherwise.
    #[must_use]
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Further arguments for Envoy.
    #[must_use]
    pub fn extra_args<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.extra_arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable in Envoy's environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it in this mode whatever the machine prefers.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The name of the log that a failed test leaves; else the test's own.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(self) -> Result<Envoy, StartError> {
        Envoy::start(self).await
    }

    /// Starts it and returns why Envoy refused the configuration.
    ///
    /// # Panics
    /// When it did not refuse it, or something else went wrong.
    pub async fn expect_refusal(self) -> String {
        match self.start().await {
            Err(StartError::Refused { reasons, .. }) => reasons,
            Err(other) => panic!("expected a refused configuration, got: {other}"),
            Ok(_) => panic!("Envoy accepted a configuration that it should refuse"),
        }
    }

    pub(crate) fn prepare(&self) -> Result<Prepared, StartError> {
        let (path, text) = match &self.source {
            Source::Sample(file) => {
                let path = paths::sample(file);
                let text = std::fs::read_to_string(&path).map_err(|error| wrong(&path, error.to_string()))?;
                (path, text)
            }
            Source::Text(text) => (PathBuf::from(&self.name), text.clone()),
            Source::None => {
                return Err(wrong(&PathBuf::from(&self.name), "neither a sample nor a configuration"));
            }
        };
        let text = with_modules(&self.edited(text).map_err(|reason| wrong(&path, reason))?);
        let (text, listeners) = match &self.listeners {
            Listeners::Static => (text, None),
            Listeners::Given(listeners) => (text, Some(listeners.clone())),
            Listeners::Split => {
                let split = blocks::split_listeners(&text);
                let split = split.ok_or_else(|| wrong(&path, "no listeners in block style to take out"))?;
                (split.bootstrap, Some(split.listeners))
            }
        };
        let everything = format!("{text}\n{}", listeners.as_deref().unwrap_or_default());
        let missing = missing_modules(&everything, &paths::root());
        if !missing.is_empty() {
            return Err(StartError::MissingModules(missing));
        }
        let mut bootstrap = with_block(&with_ports(&text, &self.ports), "admin", ADMIN);
        if listeners.is_some() {
            let source = format!(
                "{{ lds_config: {{ path_config_source: {{ path: \"{LISTENER_FILE}\" }}, resource_api_version: V3 }} }}"
            );
            bootstrap = with_block(&bootstrap, "dynamic_resources", &source);
        }
        let listeners = listeners.map(|text| with_ports(&text, &self.ports));
        Ok(Prepared { name: self.name.clone(), bootstrap, listeners, ports: self.ports.clone() })
    }

    fn edited(&self, mut text: String) -> Result<String, String> {
        for (piece, by) in &self.edits {
            if !text.contains(piece.as_str()) {
                return Err(format!("nothing to replace: {piece:?} does not occur"));
            }
            text = text.replace(piece.as_str(), by);
        }
        Ok(text)
    }
}

fn wrong(path: &std::path::Path, reason: impl Into<String>) -> StartError {
    StartError::Configuration { path: path.to_owned(), reason: reason.into() }
}
