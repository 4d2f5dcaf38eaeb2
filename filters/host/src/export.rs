//! What makes a crate a module that the proxy can load.

use crate::filter::Filter;
use crate::root::RootHandle;

#[doc(hidden)]
pub use proxy_wasm;

/// Tells the SDK how roots of this filter are made. Called by [`crate::export_filter`].
#[doc(hidden)]
pub fn register<F: Filter>() {
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(RootHandle::<F>::new(id)));
}

/// What the build puts in the place of the import.
#[cfg(target_arch = "wasm32")]
mod built {
    #[link(wasm_import_module = "ballast")]
    unsafe extern "C" {
        /// 1 if the module has the callbacks for responses that its filter lists, 0 if they were left out.
        pub(super) fn sees_responses() -> u32;
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

/// Exports a filter from a cdylib, with the callbacks of streams that it implements.
///
/// The proxy crosses into the VM only for callbacks that a module exports, and the SDK exports all of them. So the
/// list goes into a section of the module, and the build removes what it does not name.
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

            const TEXT: &[u8] = concat!($callbacks, ",proxy_on_tick,proxy_on_queue_ready,").as_bytes();

            #[used]
            #[unsafe(link_section = "ballast.callbacks")]
            static CALLBACKS: [u8; TEXT.len()] = *TEXT.first_chunk().unwrap();

            $crate::export::proxy_wasm::main! {{
                $crate::export::register::<$filter>();
            }}
        }
    };
}
