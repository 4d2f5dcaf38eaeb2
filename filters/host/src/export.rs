//! What makes a crate a module that the proxy can load.

use crate::abi;
use crate::filter::Filter;
use crate::host::{Host, LogLevel};
use crate::proxy::Proxy;
use crate::root::RootHandle;
use proxy_wasm::traits::{Context, RootContext};
use proxy_wasm::types::ContextType;

#[doc(hidden)]
pub use proxy_wasm;

/// Tells the SDK how roots of this filter are made. Called by [`crate::export_filter`].
#[doc(hidden)]
pub fn register<F: Filter>() {
    register_roots(root::<F>);
}

/// The same, of several filters. Called by [`crate::export_filters`].
#[doc(hidden)]
pub fn register_roots(root: fn(u32) -> Box<dyn RootContext>) {
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(root);
}

/// What the build puts in the place of the import.
#[cfg(target_arch = "wasm32")]
mod built {
    #[link(wasm_import_module = "ballast")]
    unsafe extern "C" {
        /// 1 if the module has the callbacks for responses that its filter lists, 0 if they were left out.
        pub(super) fn sees_responses() -> u32;
        /// The same of the callback for the log.
        pub(super) fn sees_log() -> u32;
    }
}

/// Whether this module has the callbacks for responses. A filter that asks is built a second time without them, under its own name and
/// `_requests`, for configurations that need no response: such a module is one call into the VM cheaper for each request.
pub fn sees_responses() -> bool {
    #[cfg(target_arch = "wasm32")]
    // SAFETY: takes no pointer; the build has made it a function of the module that returns a constant.
    let sees = unsafe { built::sees_responses() } != 0;
    #[cfg(not(target_arch = "wasm32"))]
    let sees = true;
    sees
}

/// Whether this module has the callback for the log. A filter that asks is built a second time without it, under its own name and
/// `_declared`, for configurations that leave nothing to be seen there.
pub fn sees_log() -> bool {
    #[cfg(target_arch = "wasm32")]
    // SAFETY: as in `sees_responses`.
    let sees = unsafe { built::sees_log() } != 0;
    #[cfg(not(target_arch = "wasm32"))]
    let sees = true;
    sees
}

/// A root of this filter, as the SDK's dispatcher takes it.
#[doc(hidden)]
pub fn root<F: Filter>(id: u32) -> Box<dyn RootContext> {
    Box::new(RootHandle::<F>::new(id))
}

/// The `root_id` of the plugin that a root is being made for.
#[doc(hidden)]
pub fn root_id() -> String {
    let id = Proxy.property("plugin_root_id").unwrap_or_default();
    String::from_utf8_lossy(&id).into_owned()
}

/// Whether a `root_id` names this filter: its name, or that and more behind a mark, as in `rate-limit` and `rate-limit-ingress`.
#[doc(hidden)]
pub fn is_named<F: Filter>(root_id: &str) -> bool {
    let rest = root_id.strip_prefix(F::NAME);
    rest.is_some_and(|rest| rest.chars().next().is_none_or(|mark| !mark.is_alphanumeric()))
}

/// A root whose `root_id` names no filter: it refuses every configuration, by name.
#[doc(hidden)]
pub fn stranger(root_id: String, names: &'static [&'static str]) -> Box<dyn RootContext> {
    Box::new(Stranger { root_id, names })
}

struct Stranger {
    root_id: String,
    names: &'static [&'static str],
}

impl Context for Stranger {}

impl RootContext for Stranger {
    fn on_configure(&mut self, _: usize) -> bool {
        let Self { root_id, names } = self;
        let allowed = names.join(", ");
        let text = format!(
            "ballast: root_id `{root_id}` names no filter: it is one of {allowed}, or begins with one and `-`"
        );
        abi::log(LogLevel::Error, &text);
        false
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Exports a filter from a cdylib, with the callbacks of streams that it implements.
///
/// The proxy crosses into the VM only for callbacks that a module exports, and the SDK exports all of them. So the
/// list goes into a section of the module, and the build removes what it does not name. Several filters in
/// one module: [`crate::export_filters`].
///
/// ```text
/// ballast_host::export_filter!(RateLimit, callbacks: "proxy_on_request_headers,proxy_on_log");
/// ```
#[macro_export]
macro_rules! export_filter {
    ($filter:ty, callbacks: $callbacks:literal) => {
        // Nothing is exported elsewhere, but what a filter is made of is in use.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::export::register::<$filter>;

        #[cfg(target_arch = "wasm32")]
        mod exports {
            use super::*;

            $crate::list_callbacks!($callbacks);
            $crate::export::proxy_wasm::main! {{
                $crate::export::register::<$filter>();
            }}
        }
    };
}

/// Exports several filters from one cdylib. Which one a plugin is its `root_id` says: a filter's name, or that and more behind a mark.
///
/// ```text
/// ballast_host::export_filters!([RateLimit, RetryPolicy], callbacks: "proxy_on_request_headers,proxy_on_log");
/// ```
#[macro_export]
macro_rules! export_filters {
    ([$($filter:ty),+ $(,)?], callbacks: $callbacks:literal) => {
        /// The root of the filter that the plugin's `root_id` names.
        fn root(id: u32) -> Box<dyn $crate::export::proxy_wasm::traits::RootContext> {
            let asked = $crate::export::root_id();
            $(if $crate::export::is_named::<$filter>(&asked) {
                return $crate::export::root::<$filter>(id);
            })+
            $crate::export::stranger(asked, &[$(<$filter as $crate::Filter>::NAME),+])
        }

        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || $crate::export::register_roots(root);

        #[cfg(target_arch = "wasm32")]
        mod exports {
            $crate::list_callbacks!($callbacks);
            $crate::export::proxy_wasm::main! {{
                $crate::export::register_roots(super::root);
            }}
        }
    };
}

/// The list of a module's callbacks, with those that every filter has.
#[doc(hidden)]
#[macro_export]
macro_rules! list_callbacks {
    ($callbacks:literal) => {
        const TEXT: &[u8] = concat!($callbacks, ",proxy_on_tick,proxy_on_queue_ready,").as_bytes();

        #[used]
        #[unsafe(link_section = "ballast.callbacks")]
        static CALLBACKS: [u8; TEXT.len()] = *TEXT.first_chunk().unwrap();
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cx, Host, StartError};

    #[derive(Debug)]
    struct RateLimit;

    impl Filter for RateLimit {
        const NAME: &'static str = "rate-limit";
        type Config = ();
        type Stream = ();

        fn namespace((): &()) -> Option<&str> {
            None
        }

        fn start<H: Host>((): (), _: &mut Cx<'_, H>) -> Result<Self, StartError> {
            Ok(Self)
        }
    }

    #[test]
    fn a_root_id_names_the_filter_that_it_is_or_begins_with() {
        for (root_id, names) in [
            ("rate-limit", true),
            ("rate-limit-ingress", true),
            ("rate-limit.2", true),
            ("rate-limiter", false),
            ("my-rate-limit", false),
            ("", false),
        ] {
            assert_eq!(is_named::<RateLimit>(root_id), names, "{root_id}");
        }
    }
}
