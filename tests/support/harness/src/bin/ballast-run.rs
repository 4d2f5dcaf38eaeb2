//! Runs a sample with its upstream until Ctrl-C: `ballast-run [CONFIG]`.

use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use ballast_harness::logline::{self, LogLine};
use ballast_harness::{
    Companions, Launched, Mode, Request, RunDir, Spec, free_ports, missing_modules, paths, with_ports,
};
use ballast_upstream::{Upstream, UpstreamOptions};

const PROXY_PORT: u16 = 10_000;
const ADMIN_PORT: u16 = 9901;
const UPSTREAM_PORT: u16 = 9000;
/// How often new log lines are shown.
const LOOK: Duration = Duration::from_millis(100);
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Starts a sample upstream on 127.0.0.1:9000 and Envoy with CONFIG, says what to try, and runs until Ctrl-C.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A configuration with its listener on port 10000 and its administration on 9901.
    #[arg(default_value = "envoy/all-filters.yaml")]
    config: PathBuf,
    /// Shows Envoy's log as it is.
    #[arg(long)]
    raw: bool,
    /// Uses free ports in the place of 10000, 9901 and 9000.
    #[arg(long)]
    free_ports: bool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("\nballast-run: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), String> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let (path, text) = read(&arguments.config)?;
    let upstream = start_upstream(arguments.free_ports)?;
    let companions = Companions::start(&text, arguments.free_ports).await?;
    let mut ports = companions.ports().clone();
    if arguments.free_ports {
        ports.append(&mut free_ports());
        ports.insert(UPSTREAM_PORT, upstream.address().port());
    } else {
        check_ports(&companions)?;
    }
    let directory = RunDir::new().map_err(|error| error.to_string())?;
    println!("Starting Envoy with {} ...", path.display());
    let mut envoy = start_envoy(&with_ports(&text, &ports), &directory).await?;
    let mut others = Vec::new();
    for more in companions.envoys() {
        let mut ports = ports.clone();
        if !arguments.free_ports {
            ports.extend(more);
        }
        let directory = RunDir::new().map_err(|error| error.to_string())?;
        let mut other = start_envoy(&with_ports(&text, &ports), &directory).await?;
        let admin = other.ready(&admin_file(&directory)).await.map_err(|error| error.to_string())?;
        others.push(Other {
            listeners: other.listeners(&admin).await,
            envoy: other,
            admin,
            _directory: directory,
        });
    }
    let mut shown = Shown::new(&envoy, arguments.raw);
    let result = tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        result = serve(&mut envoy, &others, (&directory, &upstream, &companions), &text, &mut shown) => result,
    };
    if result.is_ok() {
        println!("\nStopping.");
        envoy.stop().await;
        for other in &mut others {
            other.envoy.stop().await;
        }
        shown.look();
    }
    result
}

/// An Envoy beside the first, with the same configuration on other ports.
struct Other {
    envoy: Launched,
    admin: String,
    listeners: Vec<(String, SocketAddr)>,
    _directory: RunDir,
}

fn read(path: &Path) -> Result<(PathBuf, String), String> {
    let path = if path.exists() { path.to_owned() } else { paths::root().join(path) };
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let missing = missing_modules(&text, &paths::root());
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(format!(
            "{} names modules that do not exist: {missing}; `make wasm` builds them",
            path.display()
        ));
    }
    Ok((path, text))
}

fn start_upstream(free: bool) -> Result<Upstream, String> {
    let port = if free { 0 } else { UPSTREAM_PORT };
    let options = UpstreamOptions { port, ..UpstreamOptions::default() };
    Upstream::start_with(options).map_err(|error| taken(port, &error))
}

/// Two Envoys of one user may listen on one port together, so a taken port has to be found beforehand.
fn check_ports(companions: &Companions) -> Result<(), String> {
    let more = companions.envoys().iter().flat_map(|ports| ports.values().copied());
    for port in [PROXY_PORT, ADMIN_PORT].into_iter().chain(more) {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| taken(port, &error))?;
    }
    Ok(())
}

fn taken(port: u16, error: &std::io::Error) -> String {
    format!(
        "port {port} cannot be used: {error}. `ss -ltnp sport = :{port}` tells who has it; `--free-ports` uses others"
    )
}

async fn start_envoy(config: &str, directory: &RunDir) -> Result<Launched, String> {
    // A copy, which a container sees wherever the original lies.
    let copy = directory.join("envoy.yaml");
    std::fs::write(&copy, config).map_err(|error| error.to_string())?;
    let (copy, admin) = (copy.display().to_string(), admin_file(directory).display().to_string());
    let arguments =
        ["-c", &copy, "--admin-address-path", &admin, "--concurrency", "2", "--disable-hot-restart"];
    let names = ["--service-node", "run", "--service-cluster", "run", "--file-flush-interval-msec", "100"];
    let arguments = arguments.into_iter().chain(names).map(str::to_owned).collect();
    let mode = Mode::choose().await.map_err(|error| error.to_string())?;
    let spec = Spec { arguments, directory: directory.path().to_owned(), environment: Vec::new() };
    Launched::start(mode, spec).await.map_err(|error| error.to_string())
}

fn admin_file(directory: &RunDir) -> PathBuf {
    directory.join("admin")
}

/// Returns only when something is wrong.
async fn serve(
    envoy: &mut Launched,
    others: &[Other],
    (directory, upstream, companions): (&RunDir, &Upstream, &Companions),
    text: &str,
    shown: &mut Shown,
) -> Result<(), String> {
    let admin = match envoy.ready(&admin_file(directory)).await {
        Ok(admin) => admin,
        Err(error) => return Err(error.to_string()),
    };
    let listeners = envoy.listeners(&admin).await;
    let (_, proxy) = listeners.first().ok_or("the configuration has no listener")?;
    let answered = Request::get(&format!("http://{proxy}/")).timeout(ANSWER_TIME).send().await;
    answered.map_err(|error| format!("Envoy is ready, but nothing answers on {proxy}: {error}"))?;
    shown.look();
    say_what_runs(*proxy, upstream.address(), &admin, others, companions);
    say_what_to_try(text, *proxy, upstream.address(), &admin, others);
    shown.everything = true;
    loop {
        tokio::time::sleep(LOOK).await;
        shown.look();
        if let Some(ended) = envoy.ended().await {
            return Err(format!(
                "Envoy ended ({}); the end of its log:\n{}",
                ended.how,
                logline::end(&envoy.log())
            ));
        }
    }
}

fn say_what_runs(
    proxy: SocketAddr,
    upstream: SocketAddr,
    admin: &str,
    others: &[Other],
    companions: &Companions,
) {
    println!("\nReady. Ctrl-C ends it.\n");
    println!("  proxy           http://{proxy}");
    println!("  upstream        http://{upstream}");
    println!("  administration  http://{admin}");
    for Other { admin, listeners, .. } in others {
        for (_, proxy) in listeners {
            println!("  another proxy   http://{proxy}, administration http://{admin}");
        }
    }
    for (what, place) in companions.told() {
        println!("  {what:<15} {place}");
    }
}

fn say_what_to_try(text: &str, proxy: SocketAddr, upstream: SocketAddr, admin: &str, others: &[Other]) {
    println!("\nTo try in another terminal:\n");
    for (number, (what, command)) in (1..).zip(tries(text)) {
        let command = command
            .replace(&format!("127.0.0.1:{PROXY_PORT}"), &proxy.to_string())
            .replace(&format!("127.0.0.1:{UPSTREAM_PORT}"), &upstream.to_string())
            .replace(&format!("127.0.0.1:{ADMIN_PORT}"), admin);
        let command = (1..).zip(others).fold(command, |command, (number, other)| {
            let Some((_, proxy)) = other.listeners.first() else { return command };
            command.replace(&format!("127.0.0.1:{}", PROXY_PORT + number), &proxy.to_string())
        });
        println!("  {number}. {what}\n     {command}\n");
    }
}

/// What the configuration's head proposes in lines such as `# try: two in a row :: curl ...`, or what always works.
fn tries(text: &str) -> Vec<(String, String)> {
    let head = text.lines().take_while(|line| line.starts_with('#') || line.trim().is_empty());
    let proposed = head.filter_map(|line| line.strip_prefix("# try:")?.split_once(" :: "));
    let proposed: Vec<_> =
        proposed.map(|(what, how)| (what.trim().to_owned(), how.trim().to_owned())).collect();
    if !proposed.is_empty() {
        return proposed;
    }
    [
        ("a request through the proxy, echoed by the upstream", "curl -i http://127.0.0.1:10000/"),
        ("an upstream that fails", "curl -i http://127.0.0.1:10000/status/503"),
        ("an upstream that is slow", "curl -i http://127.0.0.1:10000/delay/500ms"),
        (
            "an upstream that hangs up",
            "curl -i -H 'x-upstream: reset=amid-body; body=1000' http://127.0.0.1:10000/",
        ),
        ("what Envoy counted", "curl -s 'http://127.0.0.1:9901/stats?usedonly'"),
    ]
    .map(|(what, how)| (what.to_owned(), how.to_owned()))
    .to_vec()
}

/// What of Envoy's output has been shown.
struct Shown {
    log: Tail,
    output: Tail,
    raw: bool,
    /// Before Envoy is ready only filters and warnings are of interest.
    everything: bool,
}

impl Shown {
    fn new(envoy: &Launched, raw: bool) -> Self {
        Self {
            log: Tail::new(envoy.log_file()),
            output: Tail::new(envoy.output_file()),
            raw,
            everything: false,
        }
    }

    fn look(&mut self) {
        for line in self.log.new_lines() {
            if self.raw {
                println!("{line}");
            } else if self.is_of_interest(&line) {
                println!("{}", logline::readable(&line));
            }
        }
        for line in self.output.new_lines() {
            println!("{line}");
        }
    }

    fn is_of_interest(&self, line: &str) -> bool {
        let parsed = LogLine::parse(line);
        self.everything || parsed.is_some_and(|line| line.is_filter || line.is_alarming())
    }
}

/// The complete lines that a file has got since the last look.
struct Tail {
    path: PathBuf,
    offset: u64,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    fn new_lines(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        if let Ok(mut file) = std::fs::File::open(&self.path)
            && file.seek(SeekFrom::Start(self.offset)).is_ok()
        {
            // What cannot be read now is read at the next look.
            let _ = file.read_to_end(&mut bytes);
        }
        let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(complete);
        self.offset += complete as u64;
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_try_comes_from_the_head_of_the_configuration() {
        let text = "# A sample.\n# try: one thing :: curl a :: b\n\n# try: another :: curl b\nadmin: {}\n# try: no :: no\n";
        let expected = [("one thing", "curl a :: b"), ("another", "curl b")];
        assert_eq!(tries(text), expected.map(|(what, how)| (what.to_owned(), how.to_owned())));
    }

    #[test]
    fn without_proposals_there_are_five_that_always_work() {
        assert_eq!(tries("admin: {}\n").len(), 5);
    }
}
