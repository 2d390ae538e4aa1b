//! Who descends from a process and who of them still lives, as `/proc` says.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process, named so that another one with the same id is not taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descendant {
    /// Process id.
    pub pid: i32,
    /// The program's name, at most 15 letters.
    pub name: String,
    parent: i32,
    started: u64,
}

struct Stat {
    seen: Descendant,
    state: char,
}

/// All living descendants of a process, the nearest first.
#[must_use]
pub fn descendants(of: i32) -> Vec<Descendant> {
    let all: Vec<Descendant> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?))
        .filter(Stat::is_alive)
        .map(|stat| stat.seen)
        .collect();
    let mut found: Vec<Descendant> = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        for child in all.iter().filter(|process| process.parent == parent) {
            parents.push(child.pid);
            found.push(child.clone());
        }
    }
    found
}

impl Descendant {
    /// Whether it still runs. A zombie does not: nobody may be there to reap an orphan.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|now| now.seen.started == self.started && now.is_alive())
    }

    /// Kills it, unless it has ended.
    pub fn kill(&self) {
        if self.is_alive() {
            kill(Pid::from_raw(self.pid), Signal::SIGKILL).ok();
        }
    }
}

impl Stat {
    fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// `pid (name) state parent … start time`, the start time being field 22.
fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets.
    let (before, after) = text.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let state = fields.first()?.chars().next()?;
    let parent = fields.get(1)?.parse().ok()?;
    let started = fields.get(19)?.parse().ok()?;
    Some(Stat {
        seen: Descendant {
            pid,
            name,
            parent,
            started,
        },
        state,
    })
}
