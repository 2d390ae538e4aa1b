// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFaultProof} from "../src/IFaultProof.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {ChallengeHarness} from "./ChallengeHarness.sol";
import {vm} from "./Harness.sol";
import {PlainTree} from "./PlainTree.sol";

/// @notice Challenges of nodes: trees that no honest operator builds, at every level.
contract ChallengeNodeTest is ChallengeHarness {
    using PlainTree for PlainTree.Leaves;

    IRoundRegistry.Reveal[] private _reveals;

    /// @dev Models 0 to 4 in TOURNAMENT, 5 in OTHER; a pool of 100 tokens.
    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 5; ++i) newModel(ALICE, 1000 * TOKEN);
        registerIn(OTHER, ALICE, 1000 * TOKEN);
        vault.fund(TOURNAMENT, 100 * TOKEN);
    }

    function test_no_node_of_an_honest_tree_is_a_fault() public {
        PlainTree.Leaves memory tree = _predictions();
        _propose(tree);
        (uint256 levels, uint256 width) = (21, 6);
        for (uint256 level = 0; level < levels; ++level) {
            for (uint256 i = 0; i < width && i >> (20 - level) == 0; ++i) {
                _expectNoFault(_claim(tree, level, i, level == 0 ? _opening(i) : bytes("")));
            }
        }
    }

    function test_no_node_of_an_honest_ledger_is_a_fault() public {
        PlainTree.Leaves memory ledger = _ledger();
        _proposeLedger(ledger);
        for (uint256 level = 0; level < 21; ++level) {
            for (uint256 i = 0; i < 3 && i >> (20 - level) == 0; ++i) {
                bytes memory opening = i == 2 ? bytes("") : _ledgerOpening(i);
                _expectNoFault(_claim(ledger, level, i, level == 0 ? opening : bytes("")));
            }
        }
    }

    function test_sums_that_are_not_the_childrens_at_every_level() public {
        for (uint256 level = 0; level < 21; ++level) {
            PlainTree.Leaves memory tree = _predictions();
            tree.liePosition = level < 2 ? 1 : 0;
            uint256 truth = tree.nodeAt(level, tree.liePosition).sums;
            tree.lieLevel = level;
            tree.lie = level % 2 == 0 ? truth + 1 : truth + (1 << 128);
            _propose(tree);
            bytes memory opening = level == 0 ? _opening(1) : bytes("");
            _expectFault(_claim(tree, level, tree.liePosition, opening), IFaultProof.Fault.NodeSums);
        }
    }

    function test_ledger_sums_that_are_not_the_childrens_at_every_level() public {
        for (uint256 level = 0; level < 21; ++level) {
            PlainTree.Leaves memory ledger = _ledger();
            uint256 truth = ledger.nodeAt(level, 0).sums;
            ledger.lieLevel = level;
            ledger.lie = level % 2 == 0 ? SumTree.addLedger(truth, 1) : SumTree.addLedger(truth, 1 << 128);
            _proposeLedger(ledger);
            bytes memory opening = level == 0 ? _ledgerOpening(0) : bytes("");
            _expectFault(_claim(ledger, level, 0, opening), IFaultProof.Fault.NodeSums);
        }
    }

    function test_sums_that_wrap_are_faults_and_revert_nothing() public {
        PlainTree.Leaves memory ledger = PlainTree.leaves(2, true);
        (ledger.lieLevel, ledger.lie) = (1, 0);
        bytes memory opening = abi.encodePacked(
            uint8(1), bytes32("left"), SumTree.packLedger(type(int128).min, type(uint128).max),
            bytes32("right"), SumTree.packLedger(-1, 1)
        );
        // The halves add to the claimed ones in 128 bits, in 256 they do not.
        uint256 wrapped = SumTree.packLedger(type(int128).max, 0);
        _expectTop(keccak256(opening), wrapped, opening);
        opening = abi.encodePacked(
            uint8(1), bytes32("left"), SumTree.packLedger(0, type(uint128).max),
            bytes32("right"), SumTree.packLedger(0, 1)
        );
        _expectTop(keccak256(opening), 0, opening);
    }

    function test_the_zero_hash_with_sums_at_every_level() public {
        for (uint256 level = 0; level < 20; ++level) {
            PlainTree.Leaves memory tree = PlainTree.leaves(1, false);
            (tree.lieLevel, tree.liePosition, tree.lie) = (level, 0, SumTree.packPrediction(2, 3));
            _propose(tree);
            _expectFault(_claim(tree, level, 0, "unread"), IFaultProof.Fault.EmptyNode);
        }
        PlainTree.Leaves memory top = PlainTree.leaves(1, false);
        (top.lieLevel, top.lie) = (20, 5 << 128);
        _propose(top);
        _expectFault(_claim(top, 20, 0, ""), IFaultProof.Fault.EmptyNode);
        PlainTree.Leaves memory ledger = PlainTree.leaves(1, true);
        (ledger.lieLevel, ledger.lie) = (20, SumTree.packLedger(-5, 7));
        _proposeLedger(ledger);
        _expectFault(_claim(ledger, 20, 0, ""), IFaultProof.Fault.EmptyNode);
    }

    function test_a_hash_of_something_else_is_a_fault() public {
        bytes[7] memory openings = [
            bytes("short"),
            abi.encodePacked(uint8(1), uint32(0), uint64(1), uint32(400_000)),
            abi.encodePacked(uint8(0), uint32(0), uint64(1), uint32(400_000), uint8(0)),
            abi.encodePacked(uint8(0), uint32(0), uint64(1), bytes32("file")),
            abi.encodePacked(uint8(0), uint32(0), int128(1), uint128(400_000)),
            abi.encodePacked(uint8(1), new bytes(128)),
            bytes("")
        ];
        for (uint256 i = 0; i < 7; ++i) {
            PlainTree.Leaves memory tree = PlainTree.leaves(1, false);
            tree.hashes[0] = keccak256(openings[i]);
            tree.sums[0] = SumTree.packPrediction(1, 400_000);
            _propose(tree);
            _expectFault(_claim(tree, 0, 0, openings[i]), IFaultProof.Fault.NodeShape);
        }
        bytes memory zero = abi.encodePacked(uint8(0), uint32(0), int128(0), uint128(0));
        bytes[4] memory entries =
            [zero, abi.encodePacked(uint8(0), uint32(0), int128(5)), bytes("x"), _opening(0)];
        for (uint256 i = 0; i < 4; ++i) {
            PlainTree.Leaves memory ledger = PlainTree.leaves(1, true);
            ledger.hashes[0] = keccak256(entries[i]);
            _proposeLedger(ledger);
            _expectFault(_claim(ledger, 0, 0, entries[i]), IFaultProof.Fault.NodeShape);
        }
    }

    function test_an_inner_node_of_something_else_is_a_fault() public {
        bytes[4] memory openings = [
            abi.encodePacked(uint8(1), new bytes(128)),
            abi.encodePacked(uint8(0), bytes32("left"), uint256(1), bytes32(0), uint256(0)),
            abi.encodePacked(uint8(1), bytes32("left"), uint256(1), bytes32(0)),
            _opening(0)
        ];
        for (uint256 i = 0; i < 4; ++i) {
            PlainTree.Leaves memory tree = PlainTree.leaves(1, false);
            tree.hashes[0] = keccak256(openings[i]);
            tree.sums[0] = 1;
            // The same hash once as a leaf's place, then as the top.
            IRoundRegistry.Reveal memory reveal = revealOf(TOURNAMENT, uint64(clock + 1));
            (reveal.top, reveal.totalStake, reveal.totalWeighted) = (tree.hashes[0], 1, 1);
            _proposeReveal(reveal);
            IFaultProof.NodeClaim memory claim;
            (claim.tree, claim.level) = (IFaultProof.Tree.Prediction, 20);
            (claim.hash, claim.sums) = (reveal.top, SumTree.packPrediction(1, 1));
            claim.opening = openings[i];
            _expectFault(claim, IFaultProof.Fault.NodeShape);
        }
    }

    function test_a_leaf_at_the_place_of_another() public {
        PlainTree.Leaves memory tree = _predictions();
        (tree.hashes[0], tree.sums[0]) = (tree.hashes[1], tree.sums[1]);
        _propose(tree);
        _expectFault(_claim(tree, 0, 0, _opening(1)), IFaultProof.Fault.LeafPosition);
        PlainTree.Leaves memory ledger = _ledger();
        (ledger.hashes[4], ledger.sums[4]) = (ledger.hashes[1], ledger.sums[1]);
        _proposeLedger(ledger);
        _expectFault(_claim(ledger, 0, 4, _ledgerOpening(1)), IFaultProof.Fault.LeafPosition);
    }

    function test_a_leaf_of_another_tournament_or_of_nobody() public {
        for (uint256 model = 4; model < 8; ++model) {
            PlainTree.Leaves memory tree = PlainTree.leaves(8, false);
            tree.hashes[model] = SumTree.predictionLeaf(uint32(model), 5, 400_000);
            tree.sums[model] = SumTree.packPrediction(5, 2_000_000);
            _propose(tree);
            bytes memory opening = abi.encodePacked(uint8(0), uint32(model), uint64(5), uint32(400_000));
            if (model == 4) _expectNoFault(_claim(tree, 0, model, opening));
            else _expectFault(_claim(tree, 0, model, opening), IFaultProof.Fault.ForeignLeaf);
            if (model == 4) pass(3 * WINDOW);
        }
    }

    function test_leaves_of_a_ranking() public {
        bytes32 tournament = useRanking();
        registerIn(tournament, ALICE, 1000 * TOKEN);
        PlainTree.Leaves memory tree = PlainTree.leaves(1, false);
        bytes memory opening = abi.encodePacked(uint8(0), uint32(0), uint64(9), keccak256("file"));
        tree.hashes[0] = SumTree.rankingLeaf(0, 9, keccak256("file"));
        tree.sums[0] = SumTree.packPrediction(9, 0);
        for (uint256 i = 0; i < 3; ++i) {
            if (i == 1) tree.sums[0] = SumTree.packPrediction(9, 1);
            if (i == 2) opening = abi.encodePacked(uint8(0), uint32(0), uint64(9), uint32(1));
            if (i == 2) tree.hashes[0] = keccak256(opening);
            IRoundRegistry.Reveal memory reveal = revealOf(tournament, uint64(clock + 1));
            (reveal.top,) = tree.top();
            (reveal.totalStake, reveal.totalWeighted) = (9, i == 0 ? 0 : 1);
            reveal.outcome = IRoundRegistry.Outcome.Zero;
            _proposeReveal(reveal);
            IFaultProof.NodeClaim memory claim = _claim(tree, 0, 0, opening);
            if (i == 0) _expectNoFault(claim);
            if (i == 0) pass(3 * WINDOW);
            if (i == 1) _expectFault(claim, IFaultProof.Fault.NodeSums);
            if (i == 2) _expectFault(claim, IFaultProof.Fault.NodeShape);
        }
    }

    function test_claims_that_prove_nothing_are_refused_with_the_values() public {
        PlainTree.Leaves memory tree = _predictions();
        _propose(tree);
        IFaultProof.NodeClaim memory claim = _claim(tree, 1, 0, "");
        bytes32 root = tree.root();
        claim.round = 1;
        _refused(claim, abi.encodeWithSelector(IFaultProof.UnknownRound.selector, 1, 1));
        claim.round = 0;
        claim.level = 21;
        _refused(claim, abi.encodeWithSelector(IFaultProof.BadLevel.selector, 21));
        claim.level = 2;
        _refused(claim, abi.encodeWithSelector(IFaultProof.WrongSiblingCount.selector, 38, 36));
        claim.level = 1;
        claim.position = 1 << 19;
        _refused(claim, abi.encodeWithSelector(SumTree.IndexOutOfTree.selector, 1 << 19));
        claim.position = 0;
        bytes memory opening = claim.opening;
        claim.opening = "x";
        _refused(
            claim,
            abi.encodeWithSelector(IFaultProof.WrongOpening.selector, keccak256("x"), claim.hash)
        );
        claim.opening = opening;
        claim.sums += 1;
        (bytes32 top, uint256 sums) = (tree.nodeAt(20, 0).hash, tree.nodeAt(20, 0).sums);
        _refusedPartly(claim, IFaultProof.WrongNode.selector);
        claim.sums = type(uint256).max;
        _refused(claim, abi.encodeWithSelector(SumTree.SumOverflow.selector));
        IFaultProof.NodeClaim memory other = _claim(tree, 20, 0, "");
        other.hash = "other";
        _refused(
            other,
            abi.encodeWithSelector(
                IFaultProof.WrongNode.selector, SumTree.root("other", sums), SumTree.root(top, sums)
            )
        );
        same(SumTree.root(top, sums), root, "root");
        bytes32 proposed = vault.proposal().revealsHash;
        _reveals[0].salt = "other";
        _refused(
            other,
            abi.encodeWithSelector(
                IFaultProof.WrongReveals.selector, keccak256(abi.encode(_reveals[0])), proposed
            )
        );
    }

    function test_without_a_living_proposal_there_is_nothing_to_challenge() public {
        IFaultProof.NodeClaim memory claim;
        claim.siblings = new bytes32[](40);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoProposal.selector));
        vault.challengeNode(claim, noReveals());
        PlainTree.Leaves memory ledger = _ledger();
        _proposeLedger(ledger);
        pass(3 * WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ProposalDead.selector, clock));
        vault.challengeNode(claim, noReveals());
    }

    function _predictions() private pure returns (PlainTree.Leaves memory tree) {
        tree = PlainTree.leaves(5, false);
        for (uint32 i = 0; i < 5; ++i) {
            if (i == 3) continue;
            tree.hashes[i] = SumTree.predictionLeaf(i, 10 + i, 400_000 + i);
            tree.sums[i] = SumTree.packPrediction(10 + i, uint128(10 + i) * (400_000 + i));
        }
    }

    function _opening(uint256 i) private pure returns (bytes memory) {
        if (i == 3 || i > 4) return "";
        return abi.encodePacked(uint8(0), uint32(i), uint64(10 + i), uint32(400_000 + i));
    }

    function _ledger() private pure returns (PlainTree.Leaves memory ledger) {
        ledger = PlainTree.leaves(5, true);
        for (uint32 i = 0; i < 2; ++i) {
            (int128 stake, uint128 pool) = (i == 0 ? -int128(9) : int128(4), i);
            ledger.hashes[i] = SumTree.ledgerLeaf(i, stake, pool);
            ledger.sums[i] = SumTree.packLedger(stake, pool);
        }
    }

    function _ledgerOpening(uint256 i) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(0), uint32(i), i == 0 ? -int128(9) : int128(4), uint128(i));
    }

    function _claim(PlainTree.Leaves memory tree, uint256 level, uint256 position, bytes memory opening)
        private
        pure
        returns (IFaultProof.NodeClaim memory claim)
    {
        PlainTree.Node memory node = tree.nodeAt(level, position);
        claim.tree = tree.isLedger ? IFaultProof.Tree.Ledger : IFaultProof.Tree.Prediction;
        (claim.level, claim.position) = (uint8(level), uint32(position));
        (claim.hash, claim.sums, claim.siblings) = (node.hash, node.sums, node.siblings);
        claim.opening = opening.length == 0 ? node.opening : opening;
    }

    function _propose(PlainTree.Leaves memory tree) private {
        (bytes32 top, uint256 sums) = tree.top();
        IRoundRegistry.Reveal memory reveal = revealOf(TOURNAMENT, uint64(clock + 1));
        reveal.top = top;
        (reveal.totalStake, reveal.totalWeighted) = (uint64(sums >> 128), uint128(sums));
        _proposeReveal(reveal);
    }

    function _proposeReveal(IRoundRegistry.Reveal memory reveal) private {
        delete _reveals;
        _reveals.push(reveal);
        IRoundRegistry.RoundCommitment[] memory list = new IRoundRegistry.RoundCommitment[](1);
        list[0] = commitmentOf(reveal);
        vm.prank(COMMITTER);
        registry.commit(list);
        pass(1);
        bytes32 root = vault.head().root;
        vm.prank(OPERATOR);
        vault.proposeBatch(1, root, 0, 0, 0, one(reveal), "", 0);
    }

    /// @dev With changes that have the sums of the tree, whatever they are.
    function _proposeLedger(PlainTree.Leaves memory ledger) private {
        delete _reveals;
        (bytes32 top, uint256 sums) = ledger.top();
        int256 stake = int256(sums) >> 128;
        uint64 pool = uint64(sums);
        bytes memory changes = bytes.concat(entry(0, int64(stake), pool), entry(1, 0, 0));
        bytes32 root = vault.head().root;
        vm.prank(OPERATOR);
        vault.proposeBatch(1, root, top, uint64(uint256(-stake)), pool, noReveals(), changes, 0);
    }

    /// @dev A ledger whose top opens to these bytes while the contract adds its own sums.
    function _expectTop(bytes32 top, uint256 claimed, bytes memory opening) private {
        bytes32 root = vault.head().root;
        vm.prank(OPERATOR);
        vault.proposeBatch(1, root, top, 0, 0, noReveals(), entry(0, 0, 0), 0);
        IFaultProof.NodeClaim memory claim;
        (claim.level, claim.hash, claim.opening) = (20, top, opening);
        claim.sums = claimed;
        if (claimed != 0) {
            vm.expectPartialRevert(IFaultProof.WrongNode.selector);
            vault.challengeNode(claim, noReveals());
            claim.sums = 0;
        }
        _expectFault(claim, IFaultProof.Fault.NodeSums);
    }

    function _expectFault(IFaultProof.NodeClaim memory claim, IFaultProof.Fault fault) private {
        holds(faultProof.nodeFault(vault, claim, _reveals) == fault, "the judge names the fault");
        IStakeVault.Proposal memory pending = vault.proposal();
        vm.expectEmit();
        emit IStakeVault.BatchChallenged(1, pending.number, CAROL, pending.root, fault);
        vm.prank(CAROL);
        vault.challengeNode(claim, _reveals);
        same(vault.proposal().number, 0, "dead");
    }

    function _expectNoFault(IFaultProof.NodeClaim memory claim) private {
        _refused(claim, abi.encodeWithSelector(IStakeVault.NoFault.selector));
    }

    function _refused(IFaultProof.NodeClaim memory claim, bytes memory why) private {
        IRoundRegistry.Reveal[] memory reveals = _reveals;
        vm.expectRevert(why);
        vault.challengeNode(claim, reveals);
    }

    function _refusedPartly(IFaultProof.NodeClaim memory claim, bytes4 why) private {
        IRoundRegistry.Reveal[] memory reveals = _reveals;
        vm.expectPartialRevert(why);
        vault.challengeNode(claim, reveals);
    }
}
