//! Starts real Envoys, loads them, and cleans up.
