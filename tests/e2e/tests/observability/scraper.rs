//! A Prometheus that scrapes an Envoy with the configuration of `envoy/prometheus`, only faster.

use ballast_harness::{Envoy, Request, RunDir, eventually};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const START: Duration = Duration::from_secs(60);

/// A running Prometheus; ends with the test.
pub(crate) struct Scraper {
    child: Child,
    address: String,
    _directory: RunDir,
}

/// A file of `envoy/`.
pub(crate) fn sample(file: &str) -> PathBuf {
    ballast_harness::paths::root().join("envoy").join(file)
}

impl Scraper {
    /// Scrapes this Envoy's administration.
    pub(crate) async fn start(envoy: &Envoy) -> Self {
        Self::of("prometheus.yml", "127.0.0.1:9901", envoy.admin_address()).await
    }

    /// Scrapes the endpoints of this Envoy's admin filter.
    pub(crate) async fn of_filter(envoy: &Envoy) -> Self {
        let port = envoy.listener_port_of("ballast-admin").expect("the sample has the listener");
        Self::of("admin.yml", "127.0.0.1:10001", &format!("127.0.0.1:{port}")).await
    }

    /// Scrapes as this file says, four times a second, and lets alerts fire after one second instead of minutes.
    async fn of(file: &str, written: &str, address: &str) -> Self {
        let program = ballast_setup::tools::prometheus().unwrap().server;
        let directory = RunDir::new().unwrap();
        let read = |file: &str| std::fs::read_to_string(sample(&format!("prometheus/{file}"))).unwrap();
        let config = replaced(&read(file), &[(written, address), ("15s", "250ms")]);
        let waits = regex_lite::Regex::new(r"for: \d+m").unwrap();
        let rules = read("ballast.rules.yml");
        assert!(waits.is_match(&rules));
        std::fs::write(directory.join("prometheus.yml"), config).unwrap();
        std::fs::write(directory.join("ballast.rules.yml"), waits.replace_all(&rules, "for: 1s").as_ref())
            .unwrap();
        let log = directory.join("prometheus.log");
        let child = Command::new(program)
            .arg(format!("--config.file={}", directory.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut scraper = Self { child, address: String::new(), _directory: directory };
        let listening = eventually("Prometheus to listen", START, async || listening(&log));
        scraper.address = listening.await;
        eventually("Prometheus to be ready", START, async || {
            let ready = Request::get(&format!("http://{}/-/ready", scraper.address)).send().await;
            ready.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
        scraper
    }

    async fn api(&self, path: &str) -> Value {
        let answer = Request::get(&format!("http://{}/api/v1/{path}", self.address)).send().await.unwrap();
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["status"], "success", "{path}: {body}");
        body["data"].clone()
    }

    /// What became of the last scrape of each target: its health, and what was wrong.
    pub(crate) async fn targets(&self) -> Vec<(String, String)> {
        let targets = self.api("targets").await;
        let text = |target: &Value, field: &str| target[field].as_str().unwrap().to_owned();
        let active = targets["activeTargets"].as_array().unwrap().iter();
        active.map(|target| (text(target, "health"), text(target, "lastError"))).collect()
    }

    /// The series that a query finds.
    pub(crate) async fn query(&self, query: &str) -> Vec<Value> {
        let found = self.api(&format!("query?query={}", encoded(query))).await;
        found["result"].as_array().unwrap().clone()
    }

    /// Whether every group of rules has been evaluated.
    pub(crate) async fn has_evaluated(&self) -> bool {
        let rules = self.api("rules").await;
        let groups = rules["groups"].as_array().unwrap();
        // The zero of Go's time is a year.
        !groups.is_empty()
            && groups.iter().all(|group| !group["lastEvaluation"].as_str().unwrap().starts_with("0001"))
    }

    /// The names of the alerts that fire.
    pub(crate) async fn firing(&self) -> Vec<String> {
        let alerts = self.api("alerts").await;
        let alerts = alerts["alerts"].as_array().unwrap().iter();
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        let mut names: Vec<String> =
            firing.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address that it says in its log that it listens on.
fn listening(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    let line = text.lines().find(|line| line.contains("msg=\"Listening on\""))?;
    Some(line.rsplit_once("address=")?.1.trim().to_owned())
}

fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} does not occur");
        text.replace(from, to)
    })
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let part = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(part).collect()
}
