//! Logging, time, ticks, properties, contexts and foreign functions.

use std::time::Duration;

use wasmi::Linker;

use super::{Answer, Guest, hand_over, host_function, read, write_u32, write_u64};
use crate::log::LogLevel;
use crate::properties;
use crate::state::{Deferred, VmState};
use crate::status::Status;

pub(super) fn link(linker: &mut Linker<VmState>) {
    host_function!(linker, "proxy_log", |guest, level: u32, text: u32, size: u32| {
        log(guest, level, text, size)
    });
    host_function!(linker, "proxy_get_log_level", |guest, level_at: u32| {
        let level = guest.data().host.log_level() as u32;
        Ok(write_u32(guest, level_at, level)?)
    });
    host_function!(linker, "proxy_get_current_time_nanoseconds", |guest, time_at: u32| {
        let now = guest.data().host.wall_nanos();
        Ok(write_u64(guest, time_at, now)?)
    });
    host_function!(linker, "proxy_set_tick_period_milliseconds", |guest, period: u32| {
        let root = guest.data().acting_root_id()?;
        guest.data_mut().set_tick_period(root, Duration::from_millis(period.into()));
        Ok(())
    });
    host_function!(linker, "proxy_set_effective_context", |guest, context: u32| {
        let exists = context == 0 || guest.data().contexts.contains_key(&context);
        if exists {
            guest.data_mut().effective = context;
        }
        exists.then_some(()).ok_or(Status::BadArgument.into())
    });
    host_function!(linker, "proxy_done", |guest| done(guest));
    host_function!(
        linker,
        "proxy_get_property",
        |guest, path: u32, size: u32, value_at: u32, size_at: u32| {
            get_property(guest, path, size, value_at, size_at)
        }
    );
    host_function!(
        linker,
        "proxy_set_property",
        |guest, path: u32, size: u32, value: u32, value_size: u32| {
            set_property(guest, path, size, value, value_size)
        }
    );
    host_function!(linker, "proxy_get_status", |guest, code_at: u32, text_at: u32, size_at: u32| {
        let (code, text) = guest.data().acting_root()?.borrow().status.clone();
        write_u32(guest, code_at, code)?;
        hand_over(guest, text.as_bytes(), text_at, size_at)
    });
    host_function!(
        linker,
        "proxy_call_foreign_function",
        |guest,
         name: u32,
         name_size: u32,
         argument: u32,
         argument_size: u32,
         result_at: u32,
         result_size_at: u32| {
            let name = read(guest, name, name_size)?;
            let argument = read(guest, argument, argument_size)?;
            let host = guest.data().host.clone();
            let result = host.call_foreign(&name, &argument)?;
            hand_over(guest, &result, result_at, result_size_at)
        }
    );
}

fn log(guest: &Guest<'_>, level: u32, text: u32, size: u32) -> Answer {
    let level = LogLevel::from_abi(level).ok_or(Status::BadArgument)?;
    let text = read(guest, text, size)?;
    guest.data().log(level, String::from_utf8_lossy(&text).into_owned());
    Ok(())
}

/// The end of a shut-down that the plugin had put off.
fn done(guest: &mut Guest<'_>) -> Answer {
    let root = guest.data().acting_root_id()?;
    let shutting_down = guest.data().acting_root()?.borrow().shutting_down;
    if !shutting_down {
        return Err(Status::NotFound.into());
    }
    guest.data_mut().deferred.push_back(Deferred::DeleteRoot { root });
    Ok(())
}

fn get_property(guest: &mut Guest<'_>, path: u32, size: u32, value_at: u32, size_at: u32) -> Answer {
    let path = read(guest, path, size)?;
    let state = guest.data();
    let root = state.acting_root()?;
    let stream = state.acting_stream();
    let stream = stream.as_ref().map(|stream| stream.borrow());
    let value = properties::get(&path, stream.as_deref(), &root.borrow(), &state.vm_id);
    drop(stream);
    hand_over(guest, &value.ok_or(Status::NotFound)?, value_at, size_at)
}

/// Sets filter state, which only a stream has.
fn set_property(guest: &Guest<'_>, path: u32, size: u32, value: u32, value_size: u32) -> Answer {
    let path = read(guest, path, size)?;
    let value = read(guest, value, value_size)?;
    let stream = guest.data().acting_stream().ok_or(Status::NotFound)?;
    let filter_state = &stream.borrow().filter_state;
    filter_state.borrow_mut().insert(properties::filter_state_key(&path), value);
    Ok(())
}
