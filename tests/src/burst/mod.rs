//! Many bots at one server in the seconds before a deadline: the bots, their HTTP by hand, the
//! server as a child that can be killed. The benchmark of submissions and row R16 share it.
//!
//! The server is the real router over a real database in a process of its own. It has no chain: its
//! deadline loop runs where the database names contracts, and then locks rounds as the product does.

pub mod child;
pub mod http;
pub mod load;
pub mod stage;
