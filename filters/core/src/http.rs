//! A small vocabulary of HTTP.

mod body;
mod lines;
mod number;
mod problem;
mod retry_after;
mod status;

pub use body::Body;
pub use lines::Lines;
pub use number::number;
pub use problem::{Problem, accepts_problem, is_grpc};
pub use retry_after::{parse_retry_after, retry_after_seconds};
pub use status::StatusSet;
