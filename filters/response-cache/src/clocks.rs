//! The two clocks, of which mostly only one is read.
//!
//! Each look at a clock is a call to the proxy. What measures is read each time; what dates are told from is counted on from
//! where it stood within the last second, so that a clock that is set shows here a second later at the most. Dates are in whole
//! seconds.

use ballast_core::response_cache::rules::Now;
use ballast_core::time::{MonoTime, WallTime, nanos};
use ballast_host::Host;
use core::cell::Cell;
use core::time::Duration;

/// For how long the wall clock is counted on.
const COUNTED_FOR: Duration = Duration::from_secs(1);

/// What one worker knows of the clocks.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    /// Where both stood when the wall clock was last read.
    read: Cell<Option<Now>>,
}

impl Clocks {
    /// Both clocks now.
    pub(crate) fn now(&self, host: &impl Host) -> Now {
        self.at(host.now(), host)
    }

    /// Both clocks at `mono`, which was read just now.
    pub(crate) fn at(&self, mono: MonoTime, host: &impl Host) -> Now {
        let is_near = |read: &Now| read.mono <= mono && mono.since(read.mono) < COUNTED_FOR;
        if let Some(read) = self.read.get().filter(is_near) {
            let since = nanos(mono.since(read.mono));
            let wall = WallTime::from_unix_nanos(read.wall.as_unix_nanos().saturating_add(since));
            return Now { mono, wall };
        }
        let now = Now { mono, wall: host.wall_time() };
        self.read.set(Some(now));
        now
    }
}

/// Both clocks, each read.
pub(crate) fn read(host: &impl Host) -> Now {
    Now { mono: host.now(), wall: host.wall_time() }
}
