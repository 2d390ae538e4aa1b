//! Aggregates on both databases.
