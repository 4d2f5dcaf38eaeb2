//! A controllable upstream.
