//! The plain SDK's no-op filter, what costs are measured against.
