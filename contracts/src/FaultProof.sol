// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Changes} from "./Changes.sol";
import {IFaultProof} from "./IFaultProof.sol";
import {IRoundRegistry} from "./IRoundRegistry.sol";
import {IStakeVault} from "./IStakeVault.sol";
import {SumTree} from "./SumTree.sol";
import {Wager} from "./Wager.sol";

/// @title What is wrong with a pending proposal
/// @dev Described at IFaultProof. Sums of 128 bits are added in 256, so nothing here can overflow:
/// what a proof has led to the revealed sums is at most W and P, and reports are judged before a
/// payout is computed from them.
contract FaultProof is IFaultProof {
    uint256 private constant PPM = 1e6;
    uint256 private constant NODE_BYTES = 129;
    uint256 private constant LEDGER_LEAF_BYTES = 37;
    uint256 private constant PREDICTION_LEAF_BYTES = 17;
    uint256 private constant RANKING_LEAF_BYTES = 45;

    /// @dev What the chain knows of the model that a claim speaks of, and how far the walk over the
    /// rounds has come: `seen` rounds of its tournament, `round` the place of the last among all.
    struct Subject {
        uint32 index;
        bool registered;
        IRoundRegistry.Kind kind;
        uint24 parameter;
        bytes32 tournament;
        int256 paidIn;
        int256 claimable;
        uint256 words;
        uint256 seen;
        uint256 round;
    }

    function modelFault(
        IStakeVault vault,
        ModelClaim calldata claim,
        IRoundRegistry.Reveal[] calldata reveals,
        Prediction[] calldata predictions,
        bytes32[] calldata siblings
    ) external view returns (Fault) {
        IStakeVault.Proposal memory pending = vault.proposal();
        _requireReveals(reveals, pending.revealsHash);
        _requireEntry(claim.index, claim.head, vault.head().root);
        _requireEntry(claim.index, claim.next, pending.root);
        Subject memory subject = _subject(vault, claim);
        uint256 rounds = _roundsOf(subject, reveals);
        if (predictions.length != rounds) revert WrongPredictionCount(predictions.length, rounds);
        subject.words = _wordsOf(siblings.length, rounds);

        int256 change = int256(claim.next.stakeDelta) - claim.head.stakeDelta;
        if (!subject.registered) {
            bool changed = change != 0 || claim.next.poolReward != claim.head.poolReward;
            return changed ? Fault.UnregisteredModel : Fault.None;
        }
        if (claim.next.poolReward < claim.head.poolReward) return Fault.PoolReward;
        if (_claimable(subject.paidIn, claim.next) < 0) return Fault.Claimable;
        subject.claimable = _claimable(subject.paidIn, claim.head);
        (Fault fault, int256 sum) = _payouts(subject, reveals, predictions, siblings);
        if (fault != Fault.None) return fault;
        bool right = subject.kind == IRoundRegistry.Kind.Direction
            ? change == sum
            : change >= sum && change <= 0;
        return right ? Fault.None : Fault.StakeDelta;
    }

    function nodeFault(
        IStakeVault vault,
        NodeClaim calldata claim,
        IRoundRegistry.Reveal[] calldata reveals
    ) external view returns (Fault) {
        IStakeVault.Proposal memory pending = vault.proposal();
        bool isLedger = claim.tree == Tree.Ledger;
        bytes32 root = pending.root;
        if (!isLedger) {
            _requireReveals(reveals, pending.revealsHash);
            if (claim.round >= reveals.length) revert UnknownRound(claim.round, reveals.length);
            root = _predictionRoot(reveals[claim.round]);
        }
        _requireNode(claim, root, isLedger);
        if (claim.hash == 0) return claim.sums == 0 ? Fault.None : Fault.EmptyNode;
        bytes32 opened = keccak256(claim.opening);
        if (opened != claim.hash) revert WrongOpening(opened, claim.hash);
        if (claim.level != 0) return _innerFault(claim, isLedger);
        if (isLedger) return _ledgerLeafFault(claim);
        return _predictionLeafFault(vault, claim, reveals[claim.round].tournament);
    }

    /// @dev What the model's predictions earn; in a ranking the most that they can lose, negated.
    function _payouts(
        Subject memory subject,
        IRoundRegistry.Reveal[] calldata reveals,
        Prediction[] calldata predictions,
        bytes32[] calldata siblings
    ) private pure returns (Fault fault, int256 sum) {
        for (uint256 round = 0; round < reveals.length; ++round) {
            if (reveals[round].tournament != subject.tournament) continue;
            uint256 next = subject.seen++;
            if (reveals[round].outcome == IRoundRegistry.Outcome.Void) continue;
            subject.round = round;
            int256 payout;
            (fault, payout) = _payout(subject, reveals[round], predictions[next], siblings);
            if (fault != Fault.None) return (fault, 0);
            sum += payout;
        }
    }

    function _payout(
        Subject memory subject,
        IRoundRegistry.Reveal calldata reveal,
        Prediction calldata prediction,
        bytes32[] calldata siblings
    ) private pure returns (Fault, int256) {
        uint256 end = subject.seen * subject.words;
        _requirePrediction(subject, reveal, prediction, siblings[end - subject.words:end]);
        if (!prediction.present) return (Fault.None, 0);
        return subject.kind == IRoundRegistry.Kind.Direction
            ? _wager(subject, reveal, prediction)
            : _loss(subject, prediction);
    }

    function _wager(
        Subject memory subject,
        IRoundRegistry.Reveal calldata reveal,
        Prediction calldata prediction
    ) private pure returns (Fault, int256) {
        uint24 clamp = subject.parameter;
        uint32 p = uint32(uint256(prediction.report));
        if (p < clamp || p > PPM - clamp) return (Fault.Report, 0);
        if (int256(uint256(prediction.w)) > subject.claimable) return (Fault.StakeAtRisk, 0);
        uint32 y = reveal.outcome == IRoundRegistry.Outcome.One ? uint32(PPM) : 0;
        int256 payout =
            Wager.payout(clamp, y, prediction.w, p, reveal.totalStake, reveal.totalWeighted);
        return (Fault.None, payout);
    }

    /// @dev −⌈L·w⌉: rounds away from zero, as the stake that a round reserves does.
    function _loss(Subject memory subject, Prediction calldata prediction)
        private
        pure
        returns (Fault, int256)
    {
        int256 loss = int256((uint256(subject.parameter) * prediction.w + PPM - 1) / PPM);
        return loss > subject.claimable ? (Fault.StakeAtRisk, int256(0)) : (Fault.None, -loss);
    }

    function _innerFault(NodeClaim calldata claim, bool isLedger) private pure returns (Fault) {
        bytes calldata opening = claim.opening;
        if (opening.length != NODE_BYTES || opening[0] != 0x01) return Fault.NodeShape;
        (bytes32 leftHash, uint256 left) = (bytes32(opening[1:33]), uint256(bytes32(opening[33:65])));
        (bytes32 rightHash, uint256 right) =
            (bytes32(opening[65:97]), uint256(bytes32(opening[97:129])));
        if (uint256(leftHash) | left | uint256(rightHash) | right == 0) return Fault.NodeShape;
        bool equal = isLedger
            ? SumTree.isLedgerSum(left, right, claim.sums)
            : SumTree.isPredictionSum(left, right, claim.sums);
        return equal ? Fault.None : Fault.NodeSums;
    }

    /// @dev An entry of (0, 0) has to be the empty leaf, or its model could prove nothing.
    function _ledgerLeafFault(NodeClaim calldata claim) private pure returns (Fault) {
        bytes calldata opening = claim.opening;
        if (opening.length != LEDGER_LEAF_BYTES || opening[0] != 0) return Fault.NodeShape;
        uint256 sums = uint256(bytes32(opening[5:37]));
        if (sums == 0) return Fault.NodeShape;
        if (uint32(bytes4(opening[1:5])) != claim.position) return Fault.LeafPosition;
        return sums == claim.sums ? Fault.None : Fault.NodeSums;
    }

    function _predictionLeafFault(IStakeVault vault, NodeClaim calldata claim, bytes32 tournament)
        private
        view
        returns (Fault)
    {
        bytes calldata opening = claim.opening;
        bool isRanking =
            vault.registry().tournamentOf(tournament).kind == IRoundRegistry.Kind.Ranking;
        uint256 length = isRanking ? RANKING_LEAF_BYTES : PREDICTION_LEAF_BYTES;
        if (opening.length != length || opening[0] != 0) return Fault.NodeShape;
        if (uint32(bytes4(opening[1:5])) != claim.position) return Fault.LeafPosition;
        uint128 w = uint64(bytes8(opening[5:13]));
        uint128 wp = isRanking ? 0 : w * uint32(bytes4(opening[13:17]));
        if (SumTree.packPrediction(w, wp) != claim.sums) return Fault.NodeSums;
        IStakeVault.Model memory model = vault.model(claim.position);
        bool isOwn = model.owner != address(0) && model.tournament == tournament;
        return isOwn ? Fault.None : Fault.ForeignLeaf;
    }

    function _requireReveals(IRoundRegistry.Reveal[] calldata reveals, bytes32 proposed) private pure {
        bytes32 hash = Changes.hashReveals(reveals);
        if (hash != proposed) revert WrongReveals(hash, proposed);
    }

    function _requireEntry(uint32 index, Entry calldata entry, bytes32 root) private pure {
        bytes32 proven =
            SumTree.ledgerRoot(index, entry.stakeDelta, entry.poolReward, entry.proof);
        if (proven != root) revert WrongEntry(index, proven, root);
    }

    function _requirePrediction(
        Subject memory subject,
        IRoundRegistry.Reveal calldata reveal,
        Prediction calldata prediction,
        bytes32[] calldata siblings
    ) private pure {
        (bytes32 leaf, uint128 w, uint128 wp) = _leaf(subject, prediction);
        bytes32 proven = SumTree.predictionRoot(subject.index, leaf, w, wp, siblings);
        bytes32 root = _predictionRoot(reveal);
        if (proven != root) revert WrongPrediction(subject.round, proven, root);
    }

    function _leaf(Subject memory subject, Prediction calldata prediction)
        private
        pure
        returns (bytes32 leaf, uint128 w, uint128 wp)
    {
        if (!prediction.present) return (0, 0, 0);
        w = prediction.w;
        if (subject.kind == IRoundRegistry.Kind.Ranking) {
            return (SumTree.rankingLeaf(subject.index, prediction.w, prediction.report), w, 0);
        }
        uint32 p = uint32(uint256(prediction.report));
        return (SumTree.predictionLeaf(subject.index, prediction.w, p), w, w * p);
    }

    function _requireNode(NodeClaim calldata claim, bytes32 root, bool isLedger) private pure {
        if (claim.level > SumTree.DEPTH) revert BadLevel(claim.level);
        uint256 above = SumTree.DEPTH - claim.level;
        if (claim.siblings.length != 2 * above) {
            revert WrongSiblingCount(claim.siblings.length, 2 * above);
        }
        (bytes32 top, uint256 sums) = SumTree.climbFrom(
            claim.position,
            claim.hash,
            claim.sums,
            claim.siblings,
            isLedger ? SumTree.addLedger : SumTree.addPrediction
        );
        bytes32 proven = SumTree.root(top, sums);
        if (proven != root) revert WrongNode(proven, root);
    }

    function _predictionRoot(IRoundRegistry.Reveal calldata reveal) private pure returns (bytes32) {
        return SumTree.root(
            reveal.top, SumTree.packPrediction(reveal.totalStake, reveal.totalWeighted)
        );
    }

    /// @dev Those of which the model has to show a leaf or its absence.
    function _roundsOf(Subject memory subject, IRoundRegistry.Reveal[] calldata reveals)
        private
        pure
        returns (uint256 rounds)
    {
        if (!subject.registered) return 0;
        for (uint256 i = 0; i < reveals.length; ++i) {
            if (reveals[i].tournament == subject.tournament) ++rounds;
        }
    }

    /// @dev Words of siblings of one prediction.
    function _wordsOf(uint256 length, uint256 rounds) private pure returns (uint256) {
        uint256 most = rounds * 2 * SumTree.DEPTH;
        bool fits = rounds == 0 ? length == 0 : length % (2 * rounds) == 0 && length <= most;
        if (!fits) revert WrongSiblingCount(length, most);
        return rounds == 0 ? 0 : length / rounds;
    }

    function _subject(IStakeVault vault, ModelClaim calldata claim)
        private
        view
        returns (Subject memory subject)
    {
        IStakeVault.Model memory model = vault.model(claim.index);
        subject.index = claim.index;
        subject.registered = model.owner != address(0);
        if (!subject.registered) return subject;
        subject.tournament = model.tournament;
        subject.paidIn = int256(uint256(model.deposited)) - int256(uint256(model.withdrawn));
        IRoundRegistry.Tournament memory rules = vault.registry().tournamentOf(model.tournament);
        (subject.kind, subject.parameter) = (rules.kind, rules.parameter);
    }

    function _claimable(int256 paidIn, Entry calldata entry) private pure returns (int256) {
        return paidIn + entry.stakeDelta + int256(uint256(entry.poolReward));
    }
}
