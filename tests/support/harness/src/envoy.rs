//! A running Envoy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use regex_lite::Regex;

use crate::builder::{EnvoyBuilder, LISTENER_FILE, Prepared};
use crate::client::{Protocol, Request, Response};
use crate::config::{with_modules, with_ports};
use crate::error::StartError;
use crate::launch::{self, Launched, Mode, Spec};
use crate::rundir::RunDir;
use crate::{blocks, logline, paths, wait};

/// An Envoy that is ready. Dropping it removes it with everything it wrote; dropped by a panicking test it leaves its
/// log under `target/e2e-logs/`.
#[derive(Debug)]
pub struct Envoy {
    launched: Launched,
    mode: Mode,
    name: String,
    admin: String,
    listeners: Vec<(String, SocketAddr)>,
    ports: BTreeMap<u16, u16>,
    directory: RunDir,
}

impl Envoy {
    /// An Envoy to be started.
    #[must_use]
    pub fn builder() -> EnvoyBuilder {
        EnvoyBuilder::new()
    }

    pub(crate) async fn start(builder: EnvoyBuilder) -> Result<Self, StartError> {
        let mode = match builder.mode {
            Some(mode) => mode,
            None => Mode::choose().await?,
        };
        let Prepared { name, bootstrap, listeners, ports } = builder.prepare()?;
        let directory = RunDir::new()?;
        let path = |file: &str| directory.join(file).display().to_string();
        let bootstrap = bootstrap.replace(LISTENER_FILE, &path("listeners.yaml"));
        std::fs::write(directory.join("envoy.yaml"), bootstrap)?;
        if let Some(listeners) = listeners {
            std::fs::write(directory.join("listeners.yaml"), listeners)?;
        }
        let mut arguments: Vec<String> = ["-c", &path("envoy.yaml"), "--admin-address-path", &path("admin")]
            .map(str::to_owned)
            .into_iter()
            // What hot restart needs (a base id, shared memory) would outlive a killed Envoy; without it there is
            // nothing that two Envoys could share.
            .chain(
                ["--disable-hot-restart", "--service-node", "test", "--service-cluster", "test"]
                    .map(str::to_owned),
            )
            // The access log is there as soon as a test asks.
            .chain(["--file-flush-interval-msec", "20"].map(str::to_owned))
            .chain(["--concurrency".to_owned(), builder.concurrency.to_string()])
            .collect();
        arguments.extend(builder.extra_arguments);
        let (directory_path, environment) = (directory.path().to_owned(), builder.environment);
        let spec = Spec { arguments, directory: directory_path, environment };
        launch::clean_up_on_signals(mode).await;
        let mut launched = Launched::start(mode, spec).await?;
        let admin = launched.ready(&directory.join("admin")).await?;
        let listeners = launched.listeners(&admin).await;
        Ok(Self { launched, mode, name, admin, listeners, ports, directory })
    }

    /// How it runs.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The URL of a path at the first listener.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.listener_port())
    }

    /// The port of the first listener.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn listener_port(&self) -> u16 {
        self.listeners.first().expect("Envoy has a listener").1.port()
    }

    /// The port of the listener with this name.
    #[must_use]
    pub fn listener_port_of(&self, name: &str) -> Option<u16> {
        self.listeners.iter().find(|(known, _)| known == name).map(|(_, address)| address.port())
    }

    /// Where its administration listens, for example `127.0.0.1:41234`.
    #[must_use]
    pub fn admin_address(&self) -> &str {
        &self.admin
    }

    /// What the administration answers to a GET.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn admin(&self, path: &str) -> String {
        self.ask(Request::get(&format!("http://{}{path}", self.admin))).await.text()
    }

    /// Posts to the administration, for example `/drain_listeners`.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn admin_post(&self, path: &str) -> String {
        self.ask(Request::post(&format!("http://{}{path}", self.admin), "")).await.text()
    }

    /// The value of the counter or gauge with exactly this name.
    pub async fn stat(&self, name: &str) -> Option<u64> {
        self.stats_where(|found| found == name).await.remove(name)
    }

    /// The counters and gauges whose name matches.
    ///
    /// # Panics
    /// When the pattern is none.
    pub async fn stats_matching(&self, pattern: &str) -> BTreeMap<String, u64> {
        let pattern = Regex::new(pattern).expect("a pattern");
        self.stats_where(|name| pattern.is_match(name)).await
    }

    /// Waits until the counter or gauge is there and as wanted; returns its value.
    ///
    /// # Panics
    /// When it is not so in time.
    pub async fn wait_for_stat(&self, name: &str, wanted: impl Fn(u64) -> bool, at_most: Duration) -> u64 {
        let what = format!("the statistic {name}");
        wait::eventually(&what, at_most, async || self.stat(name).await.filter(|value| wanted(*value))).await
    }

    /// Its process number on this machine.
    ///
    /// # Panics
    /// When it has ended.
    pub async fn pid(&self) -> u32 {
        self.launched.pid().await.expect("Envoy runs")
    }

    /// The CPU time that all its threads have used, in steps of the kernel's clock tick (10 ms).
    ///
    /// # Panics
    /// When it has ended.
    pub async fn cpu_time(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.pid().await)).expect("Envoy runs");
        let ticks = cpu_ticks(&text).expect("the kernel's format of a process");
        Duration::from_secs(ticks).div_f64(rustix::param::clock_ticks_per_second() as f64)
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.launched.log()
    }

    /// The lines of the access log so far (the samples write it to standard output).
    #[must_use]
    pub fn access_log(&self) -> Vec<String> {
        self.launched.output().lines().map(str::to_owned).collect()
    }

    /// Waits until the access log has so many lines; returns them all.
    ///
    /// # Panics
    /// When it has fewer when the time is over.
    pub async fn wait_for_access_log(&self, lines: usize, at_most: Duration) -> Vec<String> {
        let what = format!("{lines} lines of access log");
        wait::eventually(&what, at_most, async || Some(self.access_log()).filter(|log| log.len() >= lines))
            .await
    }

    /// Puts these listeners in the place of the running ones (see [`EnvoyBuilder::lds`]). Whether Envoy took them over
    /// shows in `listener_manager.lds.update_success` or `.update_rejected`.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn replace_listeners(&self, text: &str) {
        let new = self.directory.join("listeners.new");
        std::fs::write(&new, with_ports(&with_modules(text), &self.ports))
            .expect("writing the new listeners");
        // Envoy looks when a file is moved into place: it never reads half of one.
        std::fs::rename(&new, self.directory.join("listeners.yaml"))
            .expect("moving the new listeners into place");
    }

    /// Puts the listeners of this bootstrap in the place of the running ones (see
    /// [`EnvoyBuilder::dynamic_listeners`]). The rest of the bootstrap is not looked at.
    ///
    /// # Panics
    /// When it has no listeners in block style, or the file cannot be written.
    pub fn replace_config(&self, bootstrap: &str) {
        let split = blocks::split_listeners(bootstrap).expect("listeners in block style");
        self.replace_listeners(&split.listeners);
    }

    /// Asks it to end and waits until it has; its logs stay readable.
    pub async fn stop(&mut self) {
        self.launched.stop().await;
    }

    /// Kills it at once; its logs stay readable.
    pub fn kill(&mut self) {
        self.launched.kill();
    }

    async fn ask(&self, request: Request) -> Response {
        request.protocol(Protocol::Http1).send().await.expect("Envoy's administration answers")
    }

    async fn stats_where(&self, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, u64> {
        let text = self.admin("/stats").await;
        let pairs = text.lines().filter_map(|line| line.split_once(": "));
        pairs
            .filter(|(name, _)| wanted(name))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // Only of an Envoy that has ended is the log complete.
        self.launched.kill();
        let log = self.log();
        let file = format!("{}.log", self.name.replace("::", "."));
        let path = paths::failed_logs().join(file);
        let output = self.launched.output();
        let text =
            if output.is_empty() { log.clone() } else { format!("{log}\n--- standard output\n{output}") };
        let kept = std::fs::create_dir_all(paths::failed_logs()).and_then(|()| std::fs::write(&path, text));
        match kept {
            Ok(()) => eprintln!("Envoy's log is kept in {}; its end:", path.display()),
            Err(error) => eprintln!("Envoy's log could not be kept in {}: {error}; its end:", path.display()),
        }
        eprintln!("{}", logline::end(&log));
    }
}

/// User and system time of all threads: the 14th and 15th field, counted behind the name, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_blanks_and_brackets() {
        assert_eq!(cpu_ticks("7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0"), Some(42));
    }
}
