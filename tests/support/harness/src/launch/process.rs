//! Envoy as a child process.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Ended, Spec};
use crate::error::StartError;
use crate::{paths, supervisor};

const STOP_TIME: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

impl Process {
    pub(super) async fn start(spec: Spec, stdout: File, stderr: File) -> Result<Self, StartError> {
        let binary =
            paths::envoy_binary().ok_or_else(|| StartError::Unavailable("no binary is set up".to_owned()))?;
        let mut command = Command::new(&binary);
        command.args(&spec.arguments).envs(spec.environment).current_dir(paths::root());
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let child = supervisor::spawn(command).await;
        let child = child.map_err(|error| StartError::Launch(format!("{}: {error}", binary.display())))?;
        Ok(Self { child })
    }

    pub(super) fn ended(&mut self) -> Option<Ended> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(Ended { success: status.success(), how: status.to_string() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) async fn stop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let begin = Instant::now();
        while self.ended().is_none() && begin.elapsed() < STOP_TIME {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.kill();
    }

    pub(super) fn kill(&mut self) {
        // Fails only when it has ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
