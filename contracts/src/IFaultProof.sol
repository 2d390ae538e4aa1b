// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "./IRoundRegistry.sol";
import {IStakeVault} from "./IStakeVault.sol";

/// @title What is wrong with a pending proposal
/// @notice Judges claims against the pending proposal of a vault. It holds no state, no token and no
/// role; anyone may also ask it by a plain call before sending a challenge to the vault.
///
/// Powers. A vault that names this contract lets its proposal die whenever a claim shows a fault.
/// Nothing else follows from what it says: it can neither accept nor pay.
///
/// Assumptions. The vault, its registry and the models that it reads are those of this code base, so
/// a revealed W is below 2^63 and P at most 1e6·W. keccak256 has no collisions.
///
/// What it proves. That the entries of a model in the ledger before and after the batch differ by
/// exactly what its committed predictions earn, that no entry and no prediction is impossible, and
/// that both kinds of trees are well formed wherever somebody can open them.
///
/// What is outside the proof, bounded by W and by the pool, and so the guardian's to watch: the
/// outcome of a round and whether it is void, the division of the pool among models, the scores of a
/// ranking round within its loss limit, whether `changes` lists what the tree says, and a tree that
/// nobody can open because its leaves were not published. What cannot be opened cannot be challenged.
///
/// When it fails. A value that the operator chose is a fault or none, never a revert: where a tree's
/// sums do not add up, the topmost such node can be shown. What the challenger chose badly (a proof
/// that does not lead to the root, reveals of another proposal) reverts with the values.
interface IFaultProof {
    /// @notice The first eight speak of a model, the others of a node.
    enum Fault {
        None,
        /// Δ stakeDelta is not Σ D; in a ranking outside [−Σ⌈L·w⌉, 0]
        StakeDelta,
        /// the pool reward of a model fell
        PoolReward,
        /// p outside [a, 1e6 − a]
        Report,
        /// one round could take more than the model could claim
        StakeAtRisk,
        /// the model would owe
        Claimable,
        /// the entry of an index that nobody registered changed
        UnregisteredModel,
        /// sums that are not those of the children or of the opened leaf
        NodeSums,
        /// the zero hash with sums
        EmptyNode,
        /// a hash of something that is no node or leaf at this level, or of what has to be empty
        NodeShape,
        /// a leaf of another index than its position
        LeafPosition,
        /// a prediction of a model that is not registered for the tournament
        ForeignLeaf
    }

    /// @notice The tree that a node lies in.
    enum Tree {
        Ledger,
        Prediction
    }

    /// @param proof siblings from the leaf upwards, hash then sums; (0, 0) is the empty leaf
    struct Entry {
        int128 stakeDelta;
        uint128 poolReward;
        bytes32[40] proof;
    }

    /// @param head entry under the head root
    /// @param next entry under the proposal's root
    struct ModelClaim {
        uint32 index;
        Entry head;
        Entry next;
    }

    /// @param present false for the empty leaf, which proves that the model said nothing
    /// @param w stake at risk, units
    /// @param report p in ppm, in a ranking the sha256 of the file
    struct Prediction {
        bool present;
        uint64 w;
        bytes32 report;
    }

    /// @param round place in the reveals of the round whose tree it is; not read for the ledger
    /// @param level 0 at the leaves, 20 at the top
    /// @param position from the left, among the nodes of the level
    /// @param hash as claimed by the tree, as are the sums
    /// @param siblings from the node upwards, hash then sums, 2·(20 − level) words
    /// @param opening what the hash is of; not read if the hash is zero
    struct NodeClaim {
        Tree tree;
        uint16 round;
        uint8 level;
        uint32 position;
        bytes32 hash;
        uint256 sums;
        bytes32[] siblings;
        bytes opening;
    }

    error WrongReveals(bytes32 revealsHash, bytes32 proposed);
    error WrongEntry(uint32 index, bytes32 provenRoot, bytes32 root);
    error WrongPredictionCount(uint256 count, uint256 rounds);
    error WrongPrediction(uint256 round, bytes32 provenRoot, bytes32 root);
    error UnknownRound(uint256 round, uint256 rounds);
    error BadLevel(uint256 level);
    error WrongSiblingCount(uint256 words, uint256 expected);
    error WrongNode(bytes32 provenRoot, bytes32 root);
    error WrongOpening(bytes32 opened, bytes32 hash);

    /// @notice The fault in what the vault's pending proposal does to one model, None if there is none.
    /// A challenge costs about 36,000 gas per round of the model's tournament.
    /// @param reveals those of the proposal, all of them
    /// @param predictions one for each reveal of the model's tournament, in their order; that of a void
    /// round, in which nothing is at stake, is not read. An index that nobody registered has none
    /// @param siblings of each prediction from the leaf upwards, hash then sums, one prediction after
    /// the other, all of as many levels; above those every sibling is empty
    function modelFault(
        IStakeVault vault,
        ModelClaim calldata claim,
        IRoundRegistry.Reveal[] calldata reveals,
        Prediction[] calldata predictions,
        bytes32[] calldata siblings
    ) external view returns (Fault);

    /// @notice The fault of one node of the proposal's ledger or of a prediction tree that it reveals,
    /// None if there is none. Above the topmost faulty node all sums add up, so it can always be shown.
    /// @param reveals those of the proposal, all of them; none for the ledger
    function nodeFault(
        IStakeVault vault,
        NodeClaim calldata claim,
        IRoundRegistry.Reveal[] calldata reveals
    ) external view returns (Fault);
}
