//! The siblings between a leaf and the top.

use alloy_primitives::B256;

use super::{DEPTH, Leaf, MAX_MODELS, Node, Sums, TreeError};

/// Siblings from the leaf upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof<S>(pub [Node<S>; DEPTH]);

impl<S: Sums> Proof<S> {
    /// The top that a node at `index` and the siblings lead to. The empty node proves absence.
    ///
    /// # Errors
    /// An index outside the tree, or sums that overflow: such a proof proves nothing.
    pub fn climb(&self, index: u32, leaf: Node<S>) -> Result<Node<S>, TreeError> {
        if index >= MAX_MODELS {
            return Err(TreeError::IndexOutOfTree(index));
        }
        let mut node = leaf;
        let mut position = index;
        for sibling in self.0 {
            node = if position & 1 == 0 {
                Node::above(node, sibling)?
            } else {
                Node::above(sibling, node)?
            };
            position >>= 1;
        }
        Ok(node)
    }

    /// Whether the leaf lies under the root.
    #[must_use]
    pub fn verify(&self, root: B256, leaf: &impl Leaf<Sums = S>) -> bool {
        self.climb(leaf.index(), leaf.node())
            .is_ok_and(|top| top.root() == root)
    }

    /// Whether the tree under the root has no leaf at `index`.
    #[must_use]
    pub fn verify_absence(&self, root: B256, index: u32) -> bool {
        self.climb(index, Node::default())
            .is_ok_and(|top| top.root() == root)
    }

    /// As `withdraw` takes it: hash, then sums, twenty times.
    #[must_use]
    pub fn to_words(&self) -> [B256; 2 * DEPTH] {
        let mut words = [B256::ZERO; 2 * DEPTH];
        let pairs = self.0.iter().map(|node| [node.hash, node.sums.to_word()]);
        for (slot, word) in words.iter_mut().zip(pairs.flatten()) {
            *slot = word;
        }
        words
    }

    /// The inverse of `to_words`.
    #[must_use]
    pub fn from_words(words: &[B256; 2 * DEPTH]) -> Self {
        let mut siblings = [Node::default(); DEPTH];
        let (pairs, _) = words.as_chunks::<2>();
        for (slot, [hash, sums]) in siblings.iter_mut().zip(pairs) {
            *slot = Node {
                hash: *hash,
                sums: S::from_word(*sums),
            };
        }
        Self(siblings)
    }
}
