//! `foretoken demo`: the whole machine on one computer, on recorded prices.

/// The tournaments of the demo, as an operator would write them.
pub const TOURNAMENT_FILES: [&str; 2] = [include_str!("btc-usd-5m.toml"), include_str!("eth-usd-5m.toml")];
