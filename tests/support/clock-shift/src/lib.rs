//! Moves a process's wall clock while it runs: loaded into Envoy with `LD_PRELOAD`, it stands in for the C library's clocks.
//!
//! Why not libfaketime: it allocates when it is first asked, and Envoy's allocator asks for the time while it starts; the two
//! wait for each other for ever.
//!
//! How: the file that `BALLAST_CLOCK_SHIFT` names holds eight bytes, the shift in nanoseconds (signed, in this machine's byte
//! order). It is mapped once and read at each call, so whoever writes the file moves the clock at once. Only the wall clock
//! moves, as when an operator or NTP sets it; the monotonic one goes on.
//!
//! Limits: Linux. Nothing here allocates, locks or fails: without a file the clocks are what they are.

use core::ffi::c_int;
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicI64, AtomicPtr, AtomicU8, Ordering};
use libc::{clockid_t, time_t, timespec, timeval};

/// Names the file with the shift.
const VARIABLE: &core::ffi::CStr = c"BALLAST_CLOCK_SHIFT";
const NANOS: i64 = 1_000_000_000;

/// Where the shift lies; null: nowhere.
static SHIFT: AtomicPtr<AtomicI64> = AtomicPtr::new(null_mut());
/// 0: not looked for yet.
static LOOKED: AtomicU8 = AtomicU8::new(0);

/// The C library's.
///
/// # Safety
///
/// `time` is null or points to a time that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: the kernel checks the pointer.
    let failed = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if failed != 0 {
        return -1;
    }
    if matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE) {
        // SAFETY: the kernel has just written it.
        let time = unsafe { &mut *time };
        let moved = (time.tv_sec * NANOS + time.tv_nsec).saturating_add(shift());
        time.tv_sec = moved.div_euclid(NANOS);
        time.tv_nsec = moved.rem_euclid(NANOS);
    }
    0
}

/// The C library's.
///
/// # Safety
///
/// `time` is null or points to a time that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut timeval, _zone: *mut core::ffi::c_void) -> c_int {
    let now = wall();
    if !time.is_null() {
        // SAFETY: the caller's promise.
        unsafe { *time = timeval { tv_sec: now.tv_sec, tv_usec: now.tv_nsec / 1_000 } };
    }
    0
}

/// The C library's.
///
/// # Safety
///
/// `seconds` is null or points to a number that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(seconds: *mut time_t) -> time_t {
    let now = wall().tv_sec;
    if !seconds.is_null() {
        // SAFETY: the caller's promise.
        unsafe { *seconds = now };
    }
    now
}

fn wall() -> timespec {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it points to a time of our own.
    unsafe { clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    now
}

/// The shift, in nanoseconds.
fn shift() -> i64 {
    if LOOKED.load(Ordering::Acquire) == 0 {
        // Threads that look at the same time find the same; a mapping too many harms nobody.
        SHIFT.store(find(), Ordering::Release);
        LOOKED.store(1, Ordering::Release);
    }
    let place = SHIFT.load(Ordering::Acquire);
    // SAFETY: it is null, or a mapping that is never undone.
    unsafe { place.as_ref() }.map_or(0, |shift| shift.load(Ordering::Relaxed))
}

fn find() -> *mut AtomicI64 {
    const SIZE: usize = size_of::<AtomicI64>();
    // SAFETY: system calls and `getenv`, on names that end with zero; a mapping of a whole page of an open file.
    unsafe {
        let name = libc::getenv(VARIABLE.as_ptr());
        if name == null::<core::ffi::c_char>().cast_mut() {
            return null_mut();
        }
        let file = libc::open(name, libc::O_RDONLY | libc::O_CLOEXEC);
        if file < 0 {
            return null_mut();
        }
        let place = libc::mmap(null_mut(), SIZE, libc::PROT_READ, libc::MAP_SHARED, file, 0);
        libc::close(file);
        if place == libc::MAP_FAILED { null_mut() } else { place.cast() }
    }
}
