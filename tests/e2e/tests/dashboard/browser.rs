//! Chromium without a display, and its driver.

use super::SOON;
use ballast_harness::eventually;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use url::{ParseError, Url};

/// A browser with one page; ends with the test.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Child,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let programs = tokio::task::spawn_blocking(ballast_setup::tools::chromium).await.unwrap().unwrap();
        // What it leaves in temporary places goes below target/.
        let scratch = ballast_harness::paths::root().join("target/dashboard/scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        let mut driver = Command::new(programs.driver)
            .arg("--port=0")
            .env("TMPDIR", &scratch)
            .env("HOME", &scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = said
            .filter_map(|line| Some(line.rsplit_once("successfully on port ")?.1.replace('.', "")))
            .next();
        let address = format!("http://127.0.0.1:{}", port.expect("chromedriver says its port"));
        let arguments = [
            "--headless=new",
            // Its sandbox needs an installed helper. It only sees the page under test.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            // Nothing of its own on the network.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--window-size=1280,900",
        ];
        let wanted = json!({
            "goog:chromeOptions": {"binary": programs.browser, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        });
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(wanted.as_object().unwrap().clone())
            .connect(&address)
            .await;
        match client {
            Ok(client) => Self { client, driver },
            Err(error) => {
                let _ = driver.kill();
                panic!("no browser: {error}");
            }
        }
    }

    /// What a script on the page returns.
    pub(crate) async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// The text of what a selector finds; empty if that is nothing.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?})?.innerText ?? ''");
        self.script(&script).await.as_str().unwrap().to_owned()
    }

    /// Waits until the text of what a selector finds is as wanted.
    pub(crate) async fn until(&self, selector: &str, wanted: impl Fn(&str) -> bool) -> String {
        eventually(selector, SOON, async || Some(self.text(selector).await).filter(|text| wanted(text))).await
    }

    /// Presses what a selector finds.
    pub(crate) async fn press(&self, selector: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    /// What the console says.
    pub(crate) async fn console(&self) -> Vec<Value> {
        self.logged("browser").await
    }

    /// The addresses that were asked for.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let logged = self.logged("performance").await;
        let messages =
            logged.iter().map(|entry| serde_json::from_str(entry["message"].as_str().unwrap()).unwrap());
        let sent = messages.filter(|event: &Value| event["message"]["method"] == "Network.requestWillBeSent");
        sent.map(|event| event["message"]["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    async fn logged(&self, kind: &'static str) -> Vec<Value> {
        let logged = self.client.issue_cmd(Post("se/log", json!({"type": kind}))).await.unwrap();
        logged.as_array().unwrap().clone()
    }

    /// Has the page be shown on a screen of this width, in light or dark.
    pub(crate) async fn show_as(&self, width: u32, scheme: &str) {
        let screen = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        for (command, parameters) in
            [("Emulation.setDeviceMetricsOverride", screen), ("Emulation.setEmulatedMedia", media)]
        {
            let body = json!({"cmd": command, "params": parameters});
            self.client.issue_cmd(Post("goog/cdp/execute", body)).await.unwrap();
        }
    }

    /// Keeps a picture of what is seen.
    pub(crate) async fn picture(&self, name: &str) {
        let directory: PathBuf = ballast_harness::paths::root().join("target/dashboard");
        std::fs::create_dir_all(&directory).unwrap();
        let picture = self.client.screenshot().await.unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
        std::fs::write(directory.join(format!("{name}.png")), picture).unwrap();
    }

    pub(crate) async fn close(self) {
        // Drop ends the driver, and with it what is left.
        let _ = self.client.clone().close().await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browsers when it is asked to; killed, it leaves them behind.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.driver),
            rustix::process::Signal::TERM,
        );
        let _ = self.driver.wait();
    }
}

/// A command that the standard does not have: this path below the session, with this body.
#[derive(Debug)]
struct Post(&'static str, Value);

impl WebDriverCompatibleCommand for Post {
    fn endpoint(&self, base_url: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}
