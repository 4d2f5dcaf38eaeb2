//! Stores that a fleet of Envoys shares over HTTP: Webdis in front of a Redis, and nginx with objects as files.
//!
//! `make setup` brings them. Each has a directory of its own, and ends with its value.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::error::StartError;
use crate::paths;
use crate::program::{Program, Redis, free_port};
use crate::rundir::RunDir;

/// A program with a directory and a port of its own.
#[derive(Debug)]
struct Server {
    name: &'static str,
    arguments: Vec<String>,
    port: u16,
    program: Option<Program>,
    directory: RunDir,
}

impl Server {
    /// Starts it. `arguments`: those for a directory and a port, with what must be written before.
    async fn start(
        name: &'static str,
        arguments: impl Fn(&Path, u16) -> std::io::Result<Vec<String>>,
    ) -> Result<Self, StartError> {
        let (directory, port) = (RunDir::new()?, free_port()?);
        let arguments = arguments(directory.path(), port)?;
        let mut server = Self { name, arguments, port, program: None, directory };
        server.restart().await?;
        Ok(server)
    }

    /// Starts it again at the same port.
    async fn restart(&mut self) -> Result<(), StartError> {
        self.program = None;
        let missing = || StartError::Missing(format!("no {} is set up: `make setup` brings it", self.name));
        let binary = paths::program(self.name).ok_or_else(missing)?;
        let log = self.directory.join("output");
        self.program = Some(Program::start(&binary, &self.arguments, self.port, &log).await?);
        Ok(())
    }

    fn address(&self) -> SocketAddr {
        (std::net::Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// A Webdis in front of a Redis.
#[derive(Debug)]
pub struct Webdis(Server);

impl Webdis {
    /// Starts one.
    ///
    /// # Errors
    /// When `make setup` has not brought it, or it does not start.
    pub async fn start(redis: &Redis) -> Result<Self, StartError> {
        let redis = redis.address().port();
        let arguments = |directory: &Path, port: u16| {
            let file = directory.join("webdis.json");
            let log = directory.join("log");
            let text = format!(
                r#"{{"redis_host": "127.0.0.1", "redis_port": {redis}, "http_host": "127.0.0.1", "http_port": {port},
                    "threads": 2, "pool_size": 8, "daemonize": false, "websockets": false, "database": 0,
                    "acl": [{{"disabled": ["DEBUG", "CONFIG", "SHUTDOWN"]}}], "verbosity": 3, "logfile": "{}"}}"#,
                log.display()
            );
            fs::write(&file, text)?;
            Ok(vec![file.display().to_string()])
        };
        Server::start("webdis", arguments).await.map(Self)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        self.0.program = None;
    }

    /// Starts it again at the same address.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> Result<(), StartError> {
        self.0.restart().await
    }
}

/// An nginx that keeps objects as files: GET, PUT and DELETE.
#[derive(Debug)]
pub struct Nginx(Server);

impl Nginx {
    /// Starts one.
    ///
    /// # Errors
    /// When `make setup` has not brought it, or it does not start.
    pub async fn start() -> Result<Self, StartError> {
        let arguments = |directory: &Path, port: u16| {
            let here = directory.display();
            for below in ["objects", "bodies"] {
                fs::create_dir_all(directory.join(below))?;
            }
            // Its workers would be nobody, who may not write here.
            let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
            let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("  {kind}_temp_path {here}/bodies;\n"))
                .concat();
            let text = format!(
                "daemon off; {user} worker_processes 1; pid {here}/pid; error_log {here}/errors;\n\
                 events {{ worker_connections 512; }}\n\
                 http {{\n  access_log off;\n{places}  server {{\n    listen 127.0.0.1:{port};\n    root {here}/objects;\n    \
                 client_max_body_size 64m;\n    location / {{ dav_methods PUT DELETE; create_full_put_path on; }}\n  }}\n}}\n"
            );
            let file = directory.join("nginx.conf");
            fs::write(&file, text)?;
            Ok(vec!["-c".to_owned(), file.display().to_string(), "-p".to_owned(), here.to_string()])
        };
        Server::start("nginx", arguments).await.map(Self)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}
