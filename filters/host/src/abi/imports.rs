//! The raw imports, as the ABI names them.

/// Declares imports on wasm32, and stand-ins elsewhere that answer "unimplemented".
macro_rules! imports {
    ($($module:literal { $(fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty = $absent:literal;)* })*) => {
        $(
            #[cfg(target_arch = "wasm32")]
            #[link(wasm_import_module = $module)]
            unsafe extern "C" {
                $(pub(super) fn $name($($argument: $type),*) -> $result;)*
            }
            $(
                #[cfg(not(target_arch = "wasm32"))]
                #[allow(clippy::too_many_arguments, unused_variables, reason = "the shape is the ABI's")]
                pub(super) unsafe fn $name($($argument: $type),*) -> $result {
                    $absent
                }
            )*
        )*
    };
}

imports! {
    "wasi_snapshot_preview1" {
        fn clock_time_get(id: u32, precision: u64, nanos: *mut u64) -> u16 = 52;
    }
    "env" {
        fn proxy_log(level: u32, data: *const u8, size: usize) -> u32 = 12;
        fn proxy_set_tick_period_milliseconds(period: u32) -> u32 = 12;
        fn proxy_get_buffer_bytes(kind: u32, start: usize, most: usize, data: *mut *mut u8, size: *mut usize) -> u32 = 12;
        fn proxy_set_buffer_bytes(kind: u32, start: usize, size: usize, data: *const u8, length: usize) -> u32 = 12;
        fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32 = 12;
        fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32 = 12;
        fn proxy_get_header_map_value(map: u32, name: *const u8, name_size: usize, data: *mut *mut u8, size: *mut usize) -> u32 = 12;
        fn proxy_replace_header_map_value(map: u32, name: *const u8, name_size: usize, data: *const u8, size: usize) -> u32 = 12;
        fn proxy_add_header_map_value(map: u32, name: *const u8, name_size: usize, data: *const u8, size: usize) -> u32 = 12;
        fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32 = 12;
        fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32 = 12;
        fn proxy_set_property(path: *const u8, path_size: usize, data: *const u8, size: usize) -> u32 = 12;
        fn proxy_get_shared_data(key: *const u8, key_size: usize, data: *mut *mut u8, size: *mut usize, cas: *mut u32) -> u32 = 12;
        fn proxy_set_shared_data(key: *const u8, key_size: usize, data: *const u8, size: usize, cas: u32) -> u32 = 12;
        fn proxy_register_shared_queue(name: *const u8, name_size: usize, id: *mut u32) -> u32 = 12;
        fn proxy_resolve_shared_queue(vm_id: *const u8, vm_id_size: usize, name: *const u8, name_size: usize, id: *mut u32) -> u32 = 12;
        fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> u32 = 12;
        fn proxy_enqueue_shared_queue(queue: u32, data: *const u8, size: usize) -> u32 = 12;
        fn proxy_continue_stream(stream: u32) -> u32 = 12;
        fn proxy_set_effective_context(id: u32) -> u32 = 12;
        fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32 = 12;
        fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32 = 12;
        fn proxy_get_metric(id: u32, value: *mut u64) -> u32 = 12;
        fn proxy_record_metric(id: u32, value: u64) -> u32 = 12;
        fn proxy_increment_metric(id: u32, offset: i64) -> u32 = 12;
        fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            arguments: *const u8,
            arguments_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32 = 12;
    }
}
