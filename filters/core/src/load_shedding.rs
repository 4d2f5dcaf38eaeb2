//! Load shedding.

pub mod admission;
pub mod board;
pub mod fairness;
pub mod gate;
pub mod level;
pub mod limit;
pub mod priority;
pub mod queue;
mod reason;
pub mod samples;
mod settings;
pub mod worker;

pub use reason::Reason;
pub use settings::Settings;
