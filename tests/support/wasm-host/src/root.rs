//! A plugin in a VM.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::call::HttpAnswer;
use crate::log::LogLine;
use crate::state::{Context, Deferred};
use crate::stream::Stream;
use crate::vm::{Vm, VmDead};

/// A plugin's entry in the proxy's configuration.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PluginConfig {
    /// Its name.
    pub name: String,
    /// Its root id.
    pub root_id: String,
    /// What it is configured with.
    pub configuration: Vec<u8>,
}

impl PluginConfig {
    /// A plugin with an empty root id.
    pub fn new(name: &str, configuration: impl AsRef<[u8]>) -> Self {
        Self { name: name.to_owned(), root_id: String::new(), configuration: configuration.as_ref().to_vec() }
    }
}

/// A configuration that was not accepted. Envoy would keep the one before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Who refused it.
    pub reason: RefusalReason,
    /// What was logged meanwhile.
    pub log: Vec<LogLine>,
}

/// Why a configuration was not accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RefusalReason {
    /// `on_vm_start` answered no.
    VmStart,
    /// `on_configure` answered no.
    Configure,
    /// The VM trapped, or had done so before.
    Trap(VmDead),
}

impl Refusal {
    /// Whether a logged line contains this text.
    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        self.log.iter().any(|line| line.message.contains(text))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {:?}", self.reason)?;
        self.log.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl std::error::Error for Refusal {}

#[derive(Debug, Default)]
pub(crate) struct RootState {
    pub(crate) plugin: PluginConfig,
    /// The plugin's configuration can be read only while it is being configured.
    pub(crate) configuring: bool,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Of the last gRPC call that failed. The message is gone after the callback, the code stays.
    pub(crate) status: (u32, String),
    pub(crate) http_answer: Option<HttpAnswer>,
    pub(crate) grpc_message: Option<Vec<u8>>,
    pub(crate) shutting_down: bool,
}

pub(crate) fn configure(vm: &Vm, plugin: PluginConfig) -> Result<Root, Refusal> {
    let logged_before = vm.host().logs().len();
    let state = Rc::new(RefCell::new(RootState { plugin, ..RootState::default() }));
    let id = vm.with(|vm| vm.add_context(Context::Root(Rc::clone(&state))));
    start(vm, id, &state).map_err(|reason| {
        vm.with(|vm| {
            vm.contexts.remove(&id);
            vm.timers.remove(&id);
        });
        Refusal { reason, log: vm.host().logs().split_off(logged_before) }
    })?;
    Ok(Root { vm: vm.clone(), id, state })
}

fn start(vm: &Vm, id: u32, root: &RefCell<RootState>) -> Result<(), RefusalReason> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let call = |callback, arguments: &[u32]| {
        // A callback that is not exported does not refuse.
        let outcome = vm.invoke(id, callback, arguments).map_err(RefusalReason::Trap)?;
        Ok(outcome.is_none_or(|outcome| outcome.value != 0))
    };
    root.borrow_mut().configuring = true;
    call("proxy_on_context_create", &[id, 0])?;
    root.borrow_mut().configuring = false;
    if !call("proxy_on_vm_start", &[id, size(&vm.0.config.configuration)])? {
        return Err(RefusalReason::VmStart);
    }
    root.borrow_mut().configuring = true;
    let configuration_size = size(&root.borrow().plugin.configuration);
    let accepted = call("proxy_on_configure", &[id, configuration_size])?;
    root.borrow_mut().configuring = false;
    if accepted { Ok(()) } else { Err(RefusalReason::Configure) }
}

/// A configured plugin in a VM: its root context. A handle: clones are the same root.
#[derive(Clone, Debug)]
pub struct Root {
    vm: Vm,
    id: u32,
    state: Rc<RefCell<RootState>>,
}

impl Root {
    /// The VM it is in.
    #[must_use]
    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// Its context id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Ticks now, whatever the timer says.
    ///
    /// # Errors
    /// When the VM is dead.
    pub fn tick(&self) -> Result<(), VmDead> {
        self.vm.tick(self.id)
    }

    /// The tick period that the plugin asked for; none while it does not tick.
    #[must_use]
    pub fn tick_period(&self) -> Option<Duration> {
        self.vm.with(|vm| vm.timers.get(&self.id).map(|timer| timer.period))
    }

    /// A new request for this plugin. The VM hears of it with the first event.
    ///
    /// # Panics
    /// On the main thread, where no requests are.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream::new(&self.vm, self.id, None)
    }

    /// The same request as another plugin sees it: both share filter state.
    ///
    /// # Panics
    /// As [`Self::stream`].
    #[must_use]
    pub fn stream_beside(&self, other: &Stream) -> Stream {
        Stream::new(&self.vm, self.id, Some(other))
    }

    /// Sets a property that the plugin can read in every context of this root.
    pub fn set_property(&self, path: &[&str], value: impl AsRef<[u8]>) {
        self.state.borrow_mut().properties.insert(path.join("\0").into_bytes(), value.as_ref().to_vec());
    }

    /// Ends this configuration, as Envoy does when a reload has drained it. A plugin that answers `on_done` with no
    /// goes on until it calls `proxy_done`.
    ///
    /// # Errors
    /// When the VM is dead.
    pub fn shut_down(&self) -> Result<(), VmDead> {
        let outcome = self.vm.invoke(self.id, "proxy_on_done", &[self.id])?;
        if outcome.is_none_or(|outcome| outcome.value != 0) {
            self.vm.delete_root(self.id)
        } else {
            self.state.borrow_mut().shutting_down = true;
            Ok(())
        }
    }

    /// Whether the root still exists.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.vm.is_dead() && self.vm.with(|vm| vm.contexts.contains_key(&self.id))
    }
}

impl Vm {
    pub(crate) fn delete_root(&self, id: u32) -> Result<(), VmDead> {
        let deleted = self.invoke(id, "proxy_on_delete", &[id]);
        self.with(|vm| {
            vm.contexts.remove(&id);
            vm.timers.remove(&id);
            vm.http_calls.retain(|_, call| call.root != id);
            vm.grpc_calls.retain(|_, call| call.root != id);
            vm.deferred.retain(|action| !matches!(action, Deferred::DeleteRoot { root } if *root == id));
        });
        deleted.map(|_| ())
    }
}
