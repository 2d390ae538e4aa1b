//! What the end-to-end tests share: the built programs, a demo as a process, a caller of its API, a
//! browser.
//!
//! Tests meet the product through its doors only: command lines, HTTP, pages, files. Nothing here
//! links the server's rules into an expectation; money is expected through the crate `scorer`. The
//! fault suite ([`faults`]) is the exception: it plays the server beside a real settler, and so it
//! locks and scores rounds by the verbs that the server's jobs call. The fake venues ([`venues`])
//! share the shapes of the server's decoders, so that one truth is compared on both sides. A burst
//! ([`burst`]) prepares its thousands of bots by the server's verbs and then posts over HTTP alone.

pub mod binaries;
pub mod browser;
pub mod burst;
pub mod caller;
pub mod demo;
pub mod dice;
#[cfg(debug_assertions)]
pub mod faults;
pub mod live;
pub mod plain_http;
pub mod process;
pub mod process_tree;
pub mod report;
pub mod scratch;
pub mod venues;
pub mod wait;
