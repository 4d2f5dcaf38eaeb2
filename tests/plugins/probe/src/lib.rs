//! Asks the host for each fact that Ballast relies on.
