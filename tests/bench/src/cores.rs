//! Who runs where: the client on one core, what is measured on the others, so that neither is moved about or waits for the other.

use anyhow::{Context, Result};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores there are, if there is more than one.
fn cores() -> Result<Option<Vec<usize>>> {
    let set = sched_getaffinity(None).context("the cores of this process")?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect();
    Ok((cores.len() > 1).then_some(cores))
}

fn set_of(cores: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    set
}

/// Gives this thread the last core.
///
/// # Errors
/// When the system does not allow that.
pub(crate) fn take_last() -> Result<()> {
    let Some(cores) = cores()? else { return Ok(()) };
    sched_setaffinity(None, &set_of(&cores[cores.len() - 1..])).context("a core for the client")
}

/// Keeps all threads of a process off the last core.
///
/// # Errors
/// When the process is gone, or the system does not allow that.
pub fn keep_off_last(pid: u32) -> Result<()> {
    let Some(cores) = cores()? else { return Ok(()) };
    let set = set_of(&cores[..cores.len() - 1]);
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let id = task?.file_name().to_string_lossy().parse::<i32>().context("a thread")?;
        // A thread that has ended meanwhile is kept off, too.
        let _ = sched_setaffinity(Pid::from_raw(id), &set);
    }
    Ok(())
}
