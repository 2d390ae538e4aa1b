//! Store and replay.
