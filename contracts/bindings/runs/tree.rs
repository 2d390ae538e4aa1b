//! The tree of runs: a binary tree over any number of leaves, whose root names its kind and count.

use alloy_primitives::{B256, keccak256};

/// What the leaves of a tree are; part of its root, so that no tree passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TreeKind {
    /// The models that were to run in a round.
    Models = 1,
    /// The features that they were given.
    Input = 2,
    /// What one model answered.
    Output = 3,
    /// The receipts of a round at its lock.
    Receipts = 4,
}

/// keccak256(0x00 ‖ content).
#[must_use]
pub fn leaf(content: &[u8]) -> B256 {
    keccak256([&[0], content].concat())
}

/// keccak256(0x01 ‖ left ‖ right).
fn node(left: B256, right: B256) -> B256 {
    keccak256([&[1], left.as_slice(), right.as_slice()].concat())
}

/// keccak256(0x02 ‖ kind u8 ‖ leaf count u64 ‖ top), top being zero without leaves.
fn root(kind: TreeKind, count: u64, top: B256) -> B256 {
    keccak256(
        [
            &[2, kind as u8],
            count.to_be_bytes().as_slice(),
            top.as_slice(),
        ]
        .concat(),
    )
}

/// A tree with all its levels. Neighbours are hashed in pairs; the last of an odd level goes up as
/// it is.
#[derive(Clone, Debug)]
pub struct RunTree {
    kind: TreeKind,
    /// From the leaves up; the last has one hash, or none without leaves.
    levels: Vec<Vec<B256>>,
}

/// Shows that a leaf is in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The leaf's position, from 0.
    pub index: u64,
    /// Leaves of the tree.
    pub count: u64,
    /// The neighbour at each level that has one, from the leaf up.
    pub siblings: Vec<B256>,
}

impl RunTree {
    /// A tree over hashed leaves, in their order.
    #[must_use]
    pub fn new(kind: TreeKind, leaves: Vec<B256>) -> Self {
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => node(*left, *right),
                rest => rest.first().copied().unwrap_or_default(),
            });
            let above = above.collect();
            levels.push(above);
        }
        Self { kind, levels }
    }

    /// Leaves.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> B256 {
        let top = self.levels.last().and_then(|level| level.first());
        root(self.kind, self.count(), top.copied().unwrap_or_default())
    }

    /// Shows that the leaf at `index` is in the tree; `None` beyond its end.
    #[must_use]
    pub fn inclusion(&self, index: usize) -> Option<Inclusion> {
        self.levels.first()?.get(index)?;
        let mut place = index;
        let mut siblings = Vec::new();
        for level in &self.levels {
            siblings.extend(level.get(place ^ 1).filter(|_| level.len() > 1));
            place /= 2;
        }
        Some(Inclusion {
            index: index as u64,
            count: self.count(),
            siblings,
        })
    }
}

impl Inclusion {
    /// Whether `leaf` is in the tree of this kind and root.
    #[must_use]
    pub fn verify(&self, kind: TreeKind, root_of_tree: B256, leaf: B256) -> bool {
        if self.index >= self.count {
            return false;
        }
        let (mut place, mut width, mut hash) = (self.index, self.count, leaf);
        let mut siblings = self.siblings.iter();
        while width > 1 {
            if place ^ 1 < width {
                let Some(&other) = siblings.next() else {
                    return false;
                };
                hash = if place.is_multiple_of(2) {
                    node(hash, other)
                } else {
                    node(other, hash)
                };
            }
            place /= 2;
            width = width.div_ceil(2);
        }
        siblings.next().is_none() && root(kind, self.count, hash) == root_of_tree
    }
}
