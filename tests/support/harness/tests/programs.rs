//! The programs as a person runs them, with a real Envoy in the mode that the machine prefers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use ballast_harness::{Request, eventually};

const RUN: &str = env!("CARGO_BIN_EXE_ballast-run");
const VALIDATE: &str = env!("CARGO_BIN_EXE_ballast-validate");
const SOON: Duration = Duration::from_secs(20);

fn plain() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/plain.yaml")
}

/// A file that is removed with the test.
struct Written(PathBuf);

impl Written {
    fn new(name: &str, text: &str) -> Self {
        let path =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.yaml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn wrong(name: &str) -> Written {
    let text = std::fs::read_to_string(plain()).unwrap();
    Written::new(name, &text.replace("route: { cluster: upstream }", "route: { cluster: nowhere }"))
}

/// `ballast-run` on free ports, ready.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    said: String,
}

impl Running {
    fn start() -> Self {
        let mut child =
            Command::new(RUN).arg("--free-ports").arg(plain()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self { child, stdout, said: String::new() };
        running.read_until("curl ");
        running
    }

    fn read_until(&mut self, piece: &str) {
        while !self.said.contains(piece) {
            let count = self.stdout.read_line(&mut self.said).unwrap();
            assert!(count > 0, "ended before it said {piece:?}:\n{}", self.said);
        }
    }

    /// The address behind a label such as `proxy`.
    fn address(&self, label: &str) -> String {
        let line = self.said.lines().find(|line| line.trim_start().starts_with(label)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn is_gone(url: String) {
    eventually("Envoy's end", SOON, async || Request::get(&url).send().await.is_err().then_some(())).await;
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn run_serves_says_what_to_try_shows_the_log_and_ends_with_ctrl_c() {
    let mut running = Running::start();
    let (proxy, admin) = (running.address("proxy"), running.address("administration"));
    assert!(
        running.said.contains(&format!("1. the upstream's echo\n     curl -i {proxy}/\n")),
        "{}",
        running.said
    );
    assert_eq!(Request::get(&format!("{proxy}/hello")).send().await.unwrap().status, 200);
    running.read_until("GET /hello 200");
    running.signal(rustix::process::Signal::INT);
    let mut rest = String::new();
    running.stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("Stopping.") && rest.contains("warning  main"), "{rest}");
    assert!(!rest.contains("server.cc"), "no source files: {rest}");
    assert!(running.child.wait().unwrap().success());
    assert!(Request::get(&admin).send().await.is_err());
    assert!(Request::get(&running.address("upstream")).send().await.is_err());
}

#[tokio::test]
async fn run_says_so_when_envoy_dies() {
    let mut running = Running::start();
    let admin = running.address("administration");
    Request::post(&format!("{admin}/quitquitquit"), "").send().await.unwrap();
    let status = running.child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn a_killed_run_leaves_no_envoy_behind() {
    let mut running = Running::start();
    let admin = running.address("administration");
    running.signal(rustix::process::Signal::KILL);
    running.child.wait().unwrap();
    // A process dies with its parent; a container is removed by whoever starts the next one.
    let validated = Command::new(VALIDATE).arg(plain()).output().unwrap();
    assert!(validated.status.success(), "{}", said(&validated));
    is_gone(admin).await;
}

#[test]
fn run_says_which_port_is_taken() {
    // Whoever has it: it is taken now.
    let _held = TcpListener::bind("127.0.0.1:9000");
    let output = Command::new(RUN).arg(plain()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("port 9000 cannot be used"), "{}", said(&output));
}

#[test]
fn run_says_why_a_configuration_is_refused() {
    let wrong = wrong("run-refused");
    let output = Command::new(RUN).arg("--free-ports").arg(&wrong.0).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("Envoy refused the configuration:\nmain: "), "{}", said(&output));
    assert!(said(&output).contains("nowhere"), "{}", said(&output));
    let missing = Command::new(RUN).arg("envoy/no-such.yaml").output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains("envoy/no-such.yaml: No such file"), "{}", said(&missing));
}

#[test]
fn validate_prints_a_line_for_each_file_and_fails_when_one_does() {
    let (wrong, missing) =
        (wrong("validate-refused"), Written::new("validate-missing", "filename: dist/no_such.wasm\n"));
    let output = Command::new(VALIDATE).arg(plain()).arg(&wrong.0).arg(&missing.0).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("ok    tests/support/harness/tests/plain.yaml\n"), "{text}");
    // Below the workspace a path is told from there.
    let name = wrong.0.file_name().unwrap().to_string_lossy().into_owned();
    assert!(text.contains(&format!("{name}: main: route: unknown cluster 'nowhere'\n")), "{text}");
    assert!(text.contains("dist/no_such.wasm; build them with `make wasm`\n"), "{text}");
    assert!(text.ends_with("1 accepted, 2 refused\n"), "{text}");
}

#[test]
fn an_envoy_that_cannot_be_had_is_an_error_that_says_what_to_do() {
    for (variables, expected) in [
        (
            [("BALLAST_ENVOY", "process"), ("ENVOY_BIN", "/no/such/envoy")],
            "run `make setup`, or name one in ENVOY_BIN",
        ),
        (
            [("BALLAST_ENVOY", "container"), ("ENVOY_IMAGE", " ")],
            "run `make setup`, or name one in ENVOY_IMAGE",
        ),
        ([("BALLAST_ENVOY", "somehow"), ("ENVOY_BIN", "")], "expected container, process or nothing"),
    ] {
        let output = Command::new(VALIDATE).arg(plain()).envs(variables).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
    let mut command = Command::new(VALIDATE);
    command.arg(plain()).env("BALLAST_ENVOY", "container").env("ENVOY_IMAGE", "any");
    let output = command.env("DOCKER_HOST", "unix:///no/such/docker.sock").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("install and start Docker, or use BALLAST_ENVOY=process"),
        "{}",
        said(&output)
    );
}
