//! The part of WASI that Envoy has: clocks, randomness, writing to the log, and stubs for what std asks at start.

use wasmi::{Error, Linker};

use super::{Answer, Fault, Guest, enter, guarded, read, write, write_u32, write_u64};
use crate::log::LogLevel;
use crate::state::VmState;

// WASI's own error numbers.
const BAD_DESCRIPTOR: i32 = 8;
const FAULT: i32 = 21;
const NOT_IMPLEMENTED: i32 = 52;
const NOT_SUPPORTED: i32 = 58;

const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;

const STANDARD_OUTPUT: u32 = 1;
const STANDARD_ERROR: u32 = 2;

/// Of a `fdstat`, which is otherwise zero: the right to write.
const RIGHT_TO_WRITE: u64 = 64;

/// Defines an import whose body gives WASI's error number on failure. Most are allowed while the module starts.
macro_rules! wasi_function {
    ($linker:expr, $name:literal, |$guest:ident $(, $argument:ident: $kind:ty)*| $body:expr) => {
        for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
            $linker
                .func_wrap(module, $name, |mut guest: Guest<'_> $(, $argument: $kind)*| -> Result<i32, Error> {
                    enter(&mut guest, $name, true)?;
                    let result: Result<(), i32> = guarded(&mut guest, |$guest| $body)?;
                    Ok(result.err().unwrap_or(0))
                })
                .unwrap();
        }
    };
}

pub(super) fn link(linker: &mut Linker<VmState>) {
    wasi_function!(linker, "fd_write", |guest, fd: u32, parts: u32, count: u32, written_at: u32| {
        fd_write(guest, fd, parts, count, written_at)
    });
    wasi_function!(linker, "clock_time_get", |guest, clock: u32, _precision: u64, time_at: u32| {
        let time = match clock {
            REALTIME => Ok(guest.data().host.wall_nanos()),
            MONOTONIC => Ok(guest.data().host.monotonic_nanos()),
            _ => Err(NOT_SUPPORTED),
        };
        time.and_then(|time| fault(write_u64(guest, time_at, time)))
    });
    wasi_function!(linker, "random_get", |guest, bytes_at: u32, size: u32| {
        let mut bytes = vec![0; size as usize];
        guest.data().host.fill_random(&mut bytes);
        fault(write(guest, bytes_at, &bytes))
    });
    wasi_function!(linker, "environ_sizes_get", |guest, count_at: u32, size_at: u32| {
        let (count, size) = {
            let texts = &guest.data().environment;
            (texts.len(), texts.iter().map(String::len).sum::<usize>())
        };
        fault(write_u32(guest, count_at, length(count)))
            .and_then(|()| fault(write_u32(guest, size_at, length(size))))
    });
    wasi_function!(linker, "environ_get", |guest, pointers: u32, texts: u32| {
        let environment = guest.data().environment.clone();
        let (mut pointer_at, mut text_at) = (pointers, texts);
        for text in environment {
            fault(write_u32(guest, pointer_at, text_at))?;
            fault(write(guest, text_at, text.as_bytes()))?;
            pointer_at += 4;
            text_at += length(text.len());
        }
        Ok(())
    });
    wasi_function!(linker, "args_sizes_get", |guest, count_at: u32, size_at: u32| {
        fault(write_u32(guest, count_at, 0)).and_then(|()| fault(write_u32(guest, size_at, 0)))
    });
    wasi_function!(linker, "args_get", |_guest, _pointers: u32, _texts: u32| Ok(()));
    wasi_function!(linker, "fd_fdstat_get", |guest, fd: u32, stat_at: u32| match fd {
        STANDARD_OUTPUT | STANDARD_ERROR => {
            let stat = [0, RIGHT_TO_WRITE, 0].map(u64::to_le_bytes).concat();
            fault(write(guest, stat_at, &stat))
        }
        _ => Err(BAD_DESCRIPTOR),
    });
    wasi_function!(linker, "fd_read", |_guest, _fd: u32, _parts: u32, _count: u32, _read_at: u32| {
        Err(NOT_IMPLEMENTED)
    });
    wasi_function!(linker, "fd_seek", |_guest, _fd: u32, _offset: i64, _whence: u32, _at: u32| Ok(()));
    wasi_function!(linker, "fd_close", |_guest, _fd: u32| Ok(()));
    wasi_function!(linker, "fd_prestat_get", |_guest, _fd: u32, _stat_at: u32| Err(BAD_DESCRIPTOR));
    wasi_function!(linker, "fd_prestat_dir_name", |_guest, _fd: u32, _path: u32, _size: u32| Err(
        NOT_IMPLEMENTED
    ));
    wasi_function!(linker, "path_open", |_guest,
                                         _fd: u32,
                                         _look: u32,
                                         _path: u32,
                                         _size: u32,
                                         _flags: u32,
                                         _rights: u64,
                                         _inherited: u64,
                                         _fd_flags: u32,
                                         _fd_at: u32| Err(
        NOT_IMPLEMENTED
    ));
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        let exit = |mut guest: Guest<'_>, code: u32| -> Result<(), Error> {
            enter(&mut guest, "proc_exit", true)?;
            Err(Error::new(format!("the module called proc_exit({code})")))
        };
        linker.func_wrap(module, "proc_exit", exit).unwrap();
    }
}

/// Standard output is logged as info, standard error as error, one line a call.
fn fd_write(guest: &mut Guest<'_>, fd: u32, parts: u32, count: u32, written_at: u32) -> Result<(), i32> {
    let level = match fd {
        STANDARD_OUTPUT => LogLevel::Info,
        STANDARD_ERROR => LogLevel::Error,
        _ => return Err(BAD_DESCRIPTOR),
    };
    let text = gather(guest, parts, count).map_err(|_| FAULT)?;
    if !text.is_empty() {
        let line = text.strip_suffix(b"\n").unwrap_or(&text);
        guest.data().log(level, String::from_utf8_lossy(line).into_owned());
    }
    let written = u32::try_from(text.len()).map_err(|_| FAULT)?;
    fault(write_u32(guest, written_at, written))
}

fn gather(guest: &Guest<'_>, parts: u32, count: u32) -> Answer<Vec<u8>> {
    let mut text = Vec::new();
    for part in read(guest, parts, count.saturating_mul(8))?.chunks_exact(8) {
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
        text.extend(read(guest, number(&part[..4]), number(&part[4..])).map_err(Fault::from)?);
    }
    Ok(text)
}

fn fault<T, E>(result: Result<T, E>) -> Result<T, i32> {
    result.map_err(|_| FAULT)
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("fits a 32-bit memory")
}
