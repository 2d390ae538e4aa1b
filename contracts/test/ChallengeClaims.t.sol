// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFaultProof} from "../src/IFaultProof.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {ChallengeHarness} from "./ChallengeHarness.sol";
import {vm} from "./Harness.sol";
import {PlainTree} from "./PlainTree.sol";

/// @notice Claims that prove nothing, and the rules of a ranking.
contract ChallengeClaimsTest is ChallengeHarness {
    using PlainTree for PlainTree.Leaves;

    /// @dev Models 0 and 1 in TOURNAMENT, 2 in OTHER, of 1,000 tokens each.
    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 2; ++i) newModel(ALICE, 1000 * TOKEN);
        registerIn(OTHER, ALICE, 1000 * TOKEN);
    }

    /// @dev A round of each tournament in which the first model says the same, honestly paid.
    function _proposed() private returns (Batch memory batch) {
        batch = newBatch(3, 3);
        bool otherFirst = OTHER < TOURNAMENT;
        for (uint256 i = 0; i < 3; ++i) {
            batch.rounds[i].tournament = (i == (otherFirst ? 0 : 2)) ? OTHER : TOURNAMENT;
            bool isOther = batch.rounds[i].tournament == OTHER;
            say(batch, i, isOther ? 2 : 0, 10 * TOKEN, 600_000);
            if (!isOther && i % 2 == 1) say(batch, i, 1, 20 * TOKEN, 450_000);
        }
        commitAll(batch);
        payHonestly(batch);
        propose(batch);
    }

    function test_reveals_of_another_proposal_are_refused() public {
        Batch memory batch = _proposed();
        IFaultProof.ModelClaim memory claim = claimOf(batch, 0);
        Shown[] memory predictions = predictionsOf(batch, 0);
        bytes32 proposed = vault.proposal().revealsHash;
        batch.reveals[0].outcome = IRoundRegistry.Outcome.One;
        bytes32 given = keccak256(
            bytes.concat(
                abi.encode(batch.reveals[0]), abi.encode(batch.reveals[1]), abi.encode(batch.reveals[2])
            )
        );
        vm.expectRevert(
            abi.encodeWithSelector(IFaultProof.WrongReveals.selector, given, proposed)
        );
        vault.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
        vm.expectRevert(
            abi.encodeWithSelector(IFaultProof.WrongReveals.selector, keccak256(""), proposed)
        );
        vault.challenge(claim, noReveals(), said(predictions), siblings(predictions));
    }

    function test_entries_that_the_roots_do_not_hold_are_refused() public {
        Batch memory batch = _proposed();
        Shown[] memory predictions = predictionsOf(batch, 1);
        for (uint256 kind = 0; kind < 4; ++kind) {
            IFaultProof.ModelClaim memory claim = claimOf(batch, 1);
            if (kind == 0) claim.head.stakeDelta = -1;
            if (kind == 1) claim.next.poolReward += 1;
            if (kind == 2) claim.next = claim.head;
            if (kind == 3) claim.head = claim.next;
            bool isHead = kind == 0 || kind == 3;
            bytes32 proven = this.provenBy(1, isHead ? claim.head : claim.next);
            bytes32 root = isHead ? vault.head().root : vault.proposal().root;
            vm.expectRevert(
                abi.encodeWithSelector(IFaultProof.WrongEntry.selector, 1, proven, root)
            );
            vault.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
        }
        IFaultProof.ModelClaim memory outside = claimOf(batch, 1);
        outside.index = 1 << 20;
        vm.expectRevert(abi.encodeWithSelector(SumTree.IndexOutOfTree.selector, 1 << 20));
        vault.challenge(outside, batch.reveals, said(predictions), siblings(predictions));
        outside.index = 1;
        outside.next.stakeDelta = 1;
        outside.next.proof[1] = bytes32(SumTree.packLedger(type(int128).max, 0));
        vm.expectRevert(abi.encodeWithSelector(SumTree.SumOverflow.selector));
        vault.challenge(outside, batch.reveals, said(predictions), siblings(predictions));
    }

    function test_every_round_of_the_tournament_needs_its_prediction() public {
        Batch memory batch = _proposed();
        IFaultProof.ModelClaim memory claim = claimOf(batch, 0);
        for (uint256 count = 0; count < 4; ++count) {
            if (count == 2) continue;
            vm.expectRevert(
                abi.encodeWithSelector(IFaultProof.WrongPredictionCount.selector, count, 2)
            );
            vault.challenge(claim, batch.reveals, said(new Shown[](count)), siblings(new Shown[](count)));
        }
    }

    function test_siblings_come_in_pairs_and_in_as_many_levels_for_each() public {
        Batch memory batch = _proposed();
        IFaultProof.ModelClaim memory claim = claimOf(batch, 0);
        IFaultProof.Prediction[] memory predictions = said(predictionsOf(batch, 0));
        uint256[5] memory counts = [uint256(1), 2, 3, 82, 84];
        for (uint256 i = 0; i < 5; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IFaultProof.WrongSiblingCount.selector, counts[i], 80)
            );
            vault.challenge(claim, batch.reveals, predictions, new bytes32[](counts[i]));
        }
        claim = claimOf(batch, 5);
        vm.expectRevert(abi.encodeWithSelector(IFaultProof.WrongSiblingCount.selector, 2, 0));
        vault.challenge(
            claim, batch.reveals, new IFaultProof.Prediction[](0), new bytes32[](2)
        );
    }

    function test_predictions_that_the_round_does_not_hold_are_refused() public {
        Batch memory batch = _proposed();
        uint256 last = batch.rounds[2].tournament == OTHER ? 1 : 2;
        bytes32 root = predictionTree(batch.rounds[last]).root();
        for (uint256 kind = 0; kind < 5; ++kind) {
            Shown[] memory predictions = predictionsOf(batch, 0);
            Shown memory lie = predictions[1];
            if (kind == 0) lie.present = false;
            if (kind == 1) lie.w += 1;
            if (kind == 2) lie.report = bytes32(uint256(600_001));
            if (kind == 3) lie.proof[0] = "sibling";
            // The same words about another round of the tournament.
            if (kind == 4) predictions[1] = predictions[0];
            if (kind == 4 && predictionTree(batch.rounds[last - 1]).root() == root) continue;
            bytes32 proven = this.predictionProvenBy(0, predictions[1], _words(predictions[1]));
            vm.expectRevert(
                abi.encodeWithSelector(IFaultProof.WrongPrediction.selector, last, proven, root)
            );
            vault.challenge(claimOf(batch, 0), batch.reveals, said(predictions), siblings(predictions));
        }
        Shown[] memory wrapping = predictionsOf(batch, 0);
        wrapping[1].proof[39] = bytes32(type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(SumTree.SumOverflow.selector));
        vault.challenge(claimOf(batch, 0), batch.reveals, said(wrapping), siblings(wrapping));
        Shown[] memory absent = predictionsOf(batch, 1);
        uint256 silent = absent[0].present ? 1 : 0;
        absent[silent].present = true;
        vm.expectPartialRevert(IFaultProof.WrongPrediction.selector);
        vault.challenge(claimOf(batch, 1), batch.reveals, said(absent), siblings(absent));
    }

    function test_the_leaves_of_another_tournament_prove_nothing_for_a_model() public {
        Batch memory batch = _proposed();
        Shown[] memory foreign = predictionsOf(batch, 2);
        Shown[] memory padded = new Shown[](2);
        (padded[0], padded[1]) = (foreign[0], foreign[0]);
        vm.expectPartialRevert(IFaultProof.WrongPrediction.selector);
        vault.challenge(claimOf(batch, 0), batch.reveals, said(padded), siblings(padded));
    }

    function test_a_claim_holds_for_its_vault_chain_and_registry_alone() public {
        Batch memory batch = _proposed();
        IFaultProof.ModelClaim memory claim = claimOf(batch, 0);
        Shown[] memory predictions = predictionsOf(batch, 0);
        StakeVault second = new StakeVault(settings(IRoundRegistry.Kind.Direction));
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoProposal.selector));
        second.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
        bytes32 empty = second.head().root;
        vm.prank(OPERATOR);
        token.approve(address(second), type(uint256).max);
        vm.prank(OPERATOR);
        second.proposeBatch(1, empty, 0, 0, 0, noReveals(), "", 0);
        vm.expectPartialRevert(IFaultProof.WrongReveals.selector);
        second.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
        vm.expectPartialRevert(IFaultProof.WrongEntry.selector);
        second.challenge(claim, noReveals(), said(new Shown[](0)), siblings(new Shown[](0)));
        // The rounds of this registry are none of the other vault's.
        vm.expectPartialRevert(IRoundRegistry.ForeignTournament.selector);
        vm.prank(address(second));
        registry.hold(batch.reveals, 1);
    }

    function test_the_claim_of_one_proposal_is_spent_with_it() public {
        Batch memory batch = _proposed();
        bytes32 root = vault.proposal().root;
        vm.prank(GUARDIAN);
        vault.veto(1, root);
        batch.nextStake[0] -= 1;
        propose(batch);
        IFaultProof.ModelClaim memory claim = claimOf(batch, 0);
        Shown[] memory predictions = predictionsOf(batch, 0);
        vault.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
        uint256 reward = token.balanceOf(address(this));
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoProposal.selector));
        vault.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
        batch.nextStake[0] += 1;
        propose(batch);
        vm.expectPartialRevert(IFaultProof.WrongEntry.selector);
        vault.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
        same(token.balanceOf(address(this)), reward, "rewarded once");
    }

    function test_a_dead_or_accepted_proposal_cannot_be_challenged() public {
        Batch memory batch = _proposed();
        IFaultProof.ModelClaim memory claim = claimOf(batch, 0);
        Shown[] memory predictions = predictionsOf(batch, 0);
        pass(3 * WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ProposalDead.selector, clock));
        vault.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
        propose(batch);
        pass(WINDOW);
        vault.acceptBatch(1, vault.proposal().root);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoProposal.selector));
        vault.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
    }

    function test_a_ranking_takes_at_most_the_loss_limit_rounded_up() public {
        bytes32 tournament = useRanking();
        for (uint256 i = 0; i < 3; ++i) registerIn(tournament, ALICE, 1000 * TOKEN);
        // ⌈5 % of 101⌉ = 6 and ⌈5 % of 19⌉ = 1 in two rounds: between −7 and 0.
        int128[4] memory changes = [int128(0), -7, -8, 1];
        for (uint256 i = 0; i < 4; ++i) {
            Batch memory batch = newBatch(3, 3);
            for (uint256 k = 0; k < 3; ++k) {
                batch.rounds[k].tournament = tournament;
                batch.rounds[k].leaves[0] = Leaf(true, k == 0 ? 101 : 19, 0, keccak256("file"));
                batch.rounds[k].leaves[1] = Leaf(k == 0, 100, 0, keccak256("other"));
            }
            batch.rounds[2].outcome = IRoundRegistry.Outcome.Void;
            commitAll(batch);
            batch.nextStake[0] = changes[i];
            if (i == 3) batch.nextStake[1] = -1;
            propose(batch);
            expectNoFault(batch, 2);
            if (i < 2) {
                expectNoFault(batch, 0);
                pass(3 * WINDOW);
            } else {
                expectFault(batch, 0, IFaultProof.Fault.StakeDelta);
            }
        }
    }

    function test_a_ranking_round_may_reserve_what_the_model_can_claim() public {
        bytes32 tournament = useRanking();
        registerIn(tournament, ALICE, TOKEN);
        // ⌈5 % · 20 tokens⌉ is all that there is; one unit more at risk is one too many.
        for (uint64 more = 0; more < 2; ++more) {
            Batch memory batch = newBatch(1, 1);
            batch.rounds[0].tournament = tournament;
            batch.rounds[0].leaves[0] = Leaf(true, 20 * TOKEN + more, 0, keccak256("file"));
            commitAll(batch);
            propose(batch);
            if (more == 0) {
                expectNoFault(batch, 0);
                pass(3 * WINDOW);
            } else {
                expectFault(batch, 0, IFaultProof.Fault.StakeAtRisk);
            }
        }
    }

    function _words(Shown memory shown) private pure returns (bytes32[] memory words) {
        words = new bytes32[](40);
        for (uint256 i = 0; i < 40; ++i) words[i] = shown.proof[i];
    }

    function provenBy(uint32 index, IFaultProof.Entry calldata entry_) external pure returns (bytes32) {
        return SumTree.ledgerRoot(index, entry_.stakeDelta, entry_.poolReward, entry_.proof);
    }

    function predictionProvenBy(uint32 index, Shown calldata prediction, bytes32[] calldata words)
        external
        pure
        returns (bytes32)
    {
        if (!prediction.present) {
            return SumTree.predictionRoot(index, 0, 0, 0, words);
        }
        (uint64 w, uint32 p) = (prediction.w, uint32(uint256(prediction.report)));
        bytes32 leaf = SumTree.predictionLeaf(index, w, p);
        return SumTree.predictionRoot(index, leaf, w, uint128(w) * p, words);
    }
}
