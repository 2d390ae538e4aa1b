//! The foretoken server: tournaments, rounds, predictions, scores, settlement, API and pages.
//!
//! Layers, each may use those above it: `db`, `chain` ← slices ← `jobs`, `settler`, `web`, `api` ←
//! `demo`, `cli`. Slices are folders with `mod.rs` (verbs) and `store.rs` (all SQL of their tables).

pub mod db;
pub mod limits;
pub mod settings;
pub mod wall;

pub mod chain;

pub mod accounts;
pub mod aggregates;
pub mod checks;
pub mod diagnostics;
pub mod events;
pub mod ledger;
pub mod lives;
pub mod models;
pub mod own_events;
pub mod predictions;
pub mod prices;
pub mod receipts;
pub mod record;
pub mod releases;
pub mod rounds;
pub mod runners;
pub mod scores;
pub mod settlement;
pub mod stakes;
pub mod webhooks;

pub mod app;

pub mod api;
pub mod guardian;
pub mod jobs;
pub mod settler;
pub mod web;

pub mod http;

pub mod cli;
pub mod demo;
