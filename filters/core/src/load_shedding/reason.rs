//! Why a request is refused.

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// As many as may be are in flight, and it may not wait; or it was picked by chance.
    Limit,
    /// Its class is not important enough now.
    Priority,
    /// Its caller has had more than a fair share.
    Fairness,
    /// It has waited for too long.
    QueueTimeout,
    /// Too many wait.
    QueueFull,
    /// Its bulkhead is full.
    Bulkhead,
    /// Too few requests succeed.
    Admission,
    /// The upstream says that it is overloaded.
    Signal,
    /// Nobody knows: the shared store fails, and the configuration denies then.
    Error,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Limit,
        Self::Priority,
        Self::Fairness,
        Self::QueueTimeout,
        Self::QueueFull,
        Self::Bulkhead,
        Self::Admission,
        Self::Signal,
        Self::Error,
    ];

    /// The reason in code details, problem details and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Priority => "priority",
            Self::Fairness => "fairness",
            Self::QueueTimeout => "queue_timeout",
            Self::QueueFull => "queue_full",
            Self::Bulkhead => "bulkhead",
            Self::Admission => "admission",
            Self::Signal => "signal",
            Self::Error => "error",
        }
    }
}
