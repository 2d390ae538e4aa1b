//! Scores on both databases.
