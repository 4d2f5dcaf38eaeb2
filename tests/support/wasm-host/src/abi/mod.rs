//! The functions that a module can import: proxy-wasm ABI 0.2.1 and the part of WASI that Envoy has.
//!
//! A module that imports anything else does not load, as in Envoy.

mod calls;
mod general;
mod http;
mod shared;
mod wasi;

use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmi::{Caller, Error, Linker};

use crate::state::VmState;
use crate::status::Status;

/// What a host function sees: the VM's memory and the host's data for it.
pub(crate) type Guest<'a> = Caller<'a, VmState>;

/// Why a host function does not answer `Ok`.
pub(crate) enum Fault {
    /// It answers another status.
    Status(Status),
    /// It does not return: the VM dies.
    Trap(Error),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<Error> for Fault {
    fn from(trap: Error) -> Self {
        Self::Trap(trap)
    }
}

pub(crate) type Answer<T = ()> = Result<T, Fault>;

/// Defines an import whose body gives an [`Answer`], counted under its name.
macro_rules! host_function {
    ($linker:expr, $name:literal, |$guest:ident $(, $argument:ident: $kind:ty)* $(,)?| $body:expr) => {
        $linker
            .func_wrap("env", $name, |mut guest: $crate::abi::Guest<'_> $(, $argument: $kind)*| {
                $crate::abi::enter(&mut guest, $name, false)?;
                $crate::abi::answer(&mut guest, |$guest| $body)
            })
            .unwrap()
    };
}
use host_function;

pub(crate) fn link(linker: &mut Linker<VmState>) {
    general::link(linker);
    http::link(linker);
    calls::link(linker);
    shared::link(linker);
    wasi::link(linker);
}

/// Counts a host call; while the module starts only some are allowed.
fn enter(guest: &mut Guest<'_>, name: &'static str, allowed_at_start: bool) -> Result<(), Error> {
    let state = guest.data_mut();
    if state.starting && !allowed_at_start && name != "proxy_log" {
        return Err(Error::new(format!("{name} is forbidden while the module starts")));
    }
    *state.host_calls.entry(name).or_default() += 1;
    Ok(())
}

fn answer<'a>(guest: &mut Guest<'a>, body: impl FnOnce(&mut Guest<'a>) -> Answer) -> Result<i32, Error> {
    match guarded(guest, body)? {
        Ok(()) => Ok(Status::Ok as i32),
        Err(Fault::Status(status)) => Ok(status as i32),
        Err(Fault::Trap(trap)) => Err(trap),
    }
}

/// Runs a host function's body. A panic, of a test's hook for example, must not unwind through the engine, which
/// would abort the process: it is kept, the callback is ended by a trap, and the caller panics in its place.
fn guarded<'a, T>(guest: &mut Guest<'a>, body: impl FnOnce(&mut Guest<'a>) -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(|| body(guest))).map_err(|panic| {
        guest.data_mut().panic = Some(panic);
        Error::new("the host panicked")
    })
}

/// Bytes that the module passes.
fn read(guest: &Guest<'_>, pointer: u32, length: u32) -> Result<Vec<u8>, Status> {
    if length == 0 {
        return Ok(Vec::new());
    }
    let memory = guest.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    let start = pointer as usize;
    let bytes = memory.data(guest).get(start..start + length as usize);
    bytes.map(<[u8]>::to_vec).ok_or(Status::InvalidMemoryAccess)
}

fn write(guest: &mut Guest<'_>, pointer: u32, bytes: &[u8]) -> Result<(), Status> {
    let memory = guest.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    memory.write(guest, pointer as usize, bytes).map_err(|_| Status::InvalidMemoryAccess)
}

fn write_u32(guest: &mut Guest<'_>, pointer: u32, value: u32) -> Result<(), Status> {
    write(guest, pointer, &value.to_le_bytes())
}

fn write_u64(guest: &mut Guest<'_>, pointer: u32, value: u64) -> Result<(), Status> {
    write(guest, pointer, &value.to_le_bytes())
}

/// Hands bytes over: the module allocates room for them. Of no bytes it is given a null pointer, without being asked.
fn hand_over(guest: &mut Guest<'_>, bytes: &[u8], pointer_at: u32, size_at: u32) -> Answer {
    let size = u32::try_from(bytes.len()).map_err(|_| Status::InternalFailure)?;
    let mut pointer = 0;
    if size > 0 {
        let allocate = guest.data().allocate.ok_or(Status::InternalFailure)?;
        pointer = allocate.call(&mut *guest, size)?;
        if pointer == 0 {
            return Err(Status::InvalidMemoryAccess.into());
        }
        write(guest, pointer, bytes)?;
    }
    write_u32(guest, pointer_at, pointer)?;
    write_u32(guest, size_at, size)?;
    Ok(())
}
