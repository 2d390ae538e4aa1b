//! A sparse tree built once from its leaves. Building n leaves costs O(n · depth) hashes at worst and
//! about 2n when indexes are dense; a proof costs O(depth · log n).

use alloy_primitives::B256;

use super::{DEPTH, MAX_MODELS, Node, Proof, Sums, TreeError};

/// What can stand at the bottom of a tree.
pub trait Leaf {
    /// Sums of the tree that it belongs to.
    type Sums: Sums;
    /// Its position.
    fn index(&self) -> u32;
    /// What its hash is of.
    fn opening(&self) -> Vec<u8>;
    /// Its hash and sums.
    fn node(&self) -> Node<Self::Sums>;
}

/// A tree of depth 20 over any number of leaves.
#[derive(Clone, Debug)]
pub struct SumTree<S> {
    /// From the leaves to the top, the nodes that are not empty, by ascending position.
    levels: Vec<Vec<Placed<S>>>,
}

#[derive(Clone, Copy, Debug)]
struct Placed<S> {
    position: u32,
    node: Node<S>,
}

impl<S: Sums> SumTree<S> {
    /// Builds the tree. Leaves come by strictly ascending index; empty ones are left out.
    ///
    /// # Errors
    /// Indexes outside the tree or not ascending, sums that overflow.
    pub fn from_leaves<L: Leaf<Sums = S>>(leaves: &[L]) -> Result<Self, TreeError> {
        let mut bottom = Vec::with_capacity(leaves.len());
        let mut least = 0;
        for leaf in leaves {
            let position = leaf.index();
            if position >= MAX_MODELS {
                return Err(TreeError::IndexOutOfTree(position));
            }
            if position < least {
                return Err(TreeError::Unordered(position));
            }
            least = position.saturating_add(1);
            let node = leaf.node();
            if node != Node::default() {
                bottom.push(Placed { position, node });
            }
        }
        let mut levels = vec![bottom];
        for _ in 0..DEPTH {
            let below = levels.last().map(Vec::as_slice).unwrap_or_default();
            let above = level_above(below)?;
            levels.push(above);
        }
        Ok(Self { levels })
    }

    /// The top node; empty if there are no leaves.
    #[must_use]
    pub fn top(&self) -> Node<S> {
        self.node_at(DEPTH, 0)
    }

    /// keccak256(0x02 ‖ top hash ‖ sums).
    #[must_use]
    pub fn root(&self) -> B256 {
        self.top().root()
    }

    /// The leaf node at an index, empty if there is none.
    #[must_use]
    pub fn leaf(&self, index: u32) -> Node<S> {
        self.node_at(0, index)
    }

    /// The node at a level (0 at the leaves, 20 at the top) and a position, empty if there is none.
    #[must_use]
    pub fn node(&self, level: usize, position: u32) -> Node<S> {
        self.node_at(level, position)
    }

    /// Siblings of a node upwards; none of the top or of what lies above it.
    #[must_use]
    pub fn siblings(&self, level: usize, position: u32) -> Vec<Node<S>> {
        let mut siblings = Vec::new();
        let mut place = position;
        for height in level..DEPTH {
            siblings.push(self.node_at(height, place ^ 1));
            place >>= 1;
        }
        siblings
    }

    /// Siblings of an index, whether or not there is a leaf.
    ///
    /// # Errors
    /// An index outside the tree.
    pub fn proof(&self, index: u32) -> Result<Proof<S>, TreeError> {
        if index >= MAX_MODELS {
            return Err(TreeError::IndexOutOfTree(index));
        }
        let mut siblings = [Node::default(); DEPTH];
        let mut position = index;
        for (level, sibling) in siblings.iter_mut().enumerate() {
            *sibling = self.node_at(level, position ^ 1);
            position >>= 1;
        }
        Ok(Proof(siblings))
    }

    fn node_at(&self, level: usize, position: u32) -> Node<S> {
        let Some(nodes) = self.levels.get(level) else {
            return Node::default();
        };
        // Positions ascend strictly, so a node never stands behind its own number; where indexes
        // are dense from 0 it stands exactly there.
        let guess = usize::try_from(position).unwrap_or(usize::MAX);
        let placed = match nodes.get(guess) {
            Some(placed) if placed.position == position => Some(placed),
            _ => nodes
                .binary_search_by_key(&position, |placed| placed.position)
                .ok()
                .and_then(|found| nodes.get(found)),
        };
        placed.map(|placed| placed.node).unwrap_or_default()
    }
}

fn level_above<S: Sums>(below: &[Placed<S>]) -> Result<Vec<Placed<S>>, TreeError> {
    let mut above = Vec::with_capacity(below.len().div_ceil(2));
    for pair in below.chunk_by(|one, next| one.position >> 1 == next.position >> 1) {
        let (left, right) = match *pair {
            [left, right] => (left.node, right.node),
            [only] if only.position & 1 == 0 => (only.node, Node::default()),
            [only] => (Node::default(), only.node),
            // Positions ascend strictly: a parent has one or two children.
            _ => continue,
        };
        if let Some(first) = pair.first() {
            above.push(Placed {
                position: first.position >> 1,
                node: Node::above(left, right)?,
            });
        }
    }
    Ok(above)
}
