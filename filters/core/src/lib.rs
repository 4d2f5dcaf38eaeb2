//! The decisions of the Ballast filters: no proxy, clock, randomness source, logging or global state.
