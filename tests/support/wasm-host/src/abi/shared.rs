//! Shared data, shared queues and metrics.

use wasmi::Linker;

use super::{Answer, Guest, hand_over, host_function, read, write_u32, write_u64};
use crate::metrics::Kind;
use crate::state::VmState;
use crate::status::Status;

pub(super) fn link(linker: &mut Linker<VmState>) {
    shared_data(linker);
    queues(linker);
    metrics(linker);
}

fn shared_data(linker: &mut Linker<VmState>) {
    host_function!(
        linker,
        "proxy_get_shared_data",
        |guest, key: u32, key_size: u32, value_at: u32, size_at: u32, cas_at: u32| {
            let key = read(guest, key, key_size)?;
            let state = guest.data();
            let found = state.host.shared().borrow().get(&state.vm_id, &key);
            let (value, cas) = found.ok_or(Status::NotFound)?;
            hand_over(guest, &value, value_at, size_at)?;
            Ok(write_u32(guest, cas_at, cas)?)
        }
    );
    host_function!(
        linker,
        "proxy_set_shared_data",
        |guest, key: u32, key_size: u32, value: u32, value_size: u32, cas: u32| {
            let (key, value) = (read(guest, key, key_size)?, read(guest, value, value_size)?);
            let state = guest.data();
            state.host.run_before_shared_set(&key);
            let written = state.host.shared().borrow_mut().set(&state.vm_id, &key, &value, cas);
            Ok(written.map_err(|_| Status::CasMismatch)?)
        }
    );
}

fn queues(linker: &mut Linker<VmState>) {
    host_function!(linker, "proxy_register_shared_queue", |guest, name: u32, size: u32, id_at: u32| {
        let name = read(guest, name, size)?;
        let state = guest.data();
        let root = state.acting_root_id()?;
        let id = state.host.queues().borrow_mut().register(&state.vm_id, &name, state.thread, root);
        Ok(write_u32(guest, id_at, id)?)
    });
    host_function!(
        linker,
        "proxy_resolve_shared_queue",
        |guest, vm_id: u32, vm_id_size: u32, name: u32, size: u32, id_at: u32| {
            let vm_id = read(guest, vm_id, vm_id_size)?;
            let name = read(guest, name, size)?;
            let state = guest.data();
            let vm_id =
                if vm_id.is_empty() { state.vm_id.clone() } else { String::from_utf8_lossy(&vm_id).into() };
            let id = state.host.queues().borrow().resolve(&vm_id, &name).ok_or(Status::NotFound)?;
            Ok(write_u32(guest, id_at, id)?)
        }
    );
    host_function!(linker, "proxy_enqueue_shared_queue", |guest, id: u32, message: u32, size: u32| {
        let message = read(guest, message, size)?;
        Ok(guest.data().host.queues().borrow_mut().enqueue(id, message)?)
    });
    host_function!(linker, "proxy_dequeue_shared_queue", |guest, id: u32, message_at: u32, size_at: u32| {
        let message = guest.data().host.queues().borrow_mut().dequeue(id)?;
        hand_over(guest, &message, message_at, size_at)
    });
}

fn metrics(linker: &mut Linker<VmState>) {
    host_function!(linker, "proxy_define_metric", |guest, kind: u32, name: u32, size: u32, id_at: u32| {
        define_metric(guest, kind, name, size, id_at)
    });
    host_function!(linker, "proxy_increment_metric", |guest, id: u32, offset: i64| {
        let state = guest.data();
        Ok(state.host.metrics().borrow_mut().increment(&state.metric_ids, id, offset)?)
    });
    host_function!(linker, "proxy_record_metric", |guest, id: u32, value: u64| {
        let state = guest.data();
        Ok(state.host.metrics().borrow_mut().record(&state.metric_ids, id, value)?)
    });
    host_function!(linker, "proxy_get_metric", |guest, id: u32, value_at: u32| {
        let state = guest.data();
        let value = state.host.metrics().borrow().get(&state.metric_ids, id)?;
        Ok(write_u64(guest, value_at, value)?)
    });
}

fn define_metric(guest: &mut Guest<'_>, kind: u32, name: u32, size: u32, id_at: u32) -> Answer {
    let name = read(guest, name, size)?;
    let name = String::from_utf8_lossy(&name);
    let kind = Kind::from_abi(kind).ok_or(Status::BadArgument)?;
    let state = guest.data_mut();
    state.host.metrics().borrow_mut().define(kind, &name);
    let id = state.metric_ids.define(kind, &name);
    Ok(write_u32(guest, id_at, id)?)
}
