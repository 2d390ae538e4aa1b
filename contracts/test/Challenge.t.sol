// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IFaultProof} from "../src/IFaultProof.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {ChallengeHarness} from "./ChallengeHarness.sol";
import {vm} from "./Harness.sol";
import {PlainTree} from "./PlainTree.sol";

/// @notice Challenges of what a proposal does to a model: every fault, every refusal, the effect.
contract ChallengeTest is ChallengeHarness {
    using PlainTree for PlainTree.Leaves;

    /// @dev Models 0 to 3 of 1,000 tokens in TOURNAMENT, 4 in OTHER, nobody at 5 and above.
    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 4; ++i) newModel(i % 2 == 0 ? ALICE : BOB, 1000 * TOKEN);
        registerIn(OTHER, ALICE, 1000 * TOKEN);
        vault.fund(TOURNAMENT, 1000 * TOKEN);
    }

    /// @dev The protocol's example in an up round, then a down round without model 3, then a void one.
    function _plan() private returns (Batch memory batch) {
        batch = newBatch(3, 5);
        for (uint256 i = 0; i < 3; ++i) {
            batch.rounds[i].tournament = TOURNAMENT;
            say(batch, i, 0, 100 * TOKEN, 620_000);
            say(batch, i, 1, 300 * TOKEN, 550_000);
            say(batch, i, 2, 50 * TOKEN, 400_000);
            if (i != 1) say(batch, i, 3, 150 * TOKEN, 500_000);
        }
        batch.rounds[0].outcome = IRoundRegistry.Outcome.One;
        batch.rounds[2].outcome = IRoundRegistry.Outcome.Void;
        commitAll(batch);
        payHonestly(batch);
        batch.nextPool[1] = 7 * TOKEN;
    }

    function _proposed() private returns (Batch memory batch) {
        batch = _plan();
        propose(batch);
    }

    function test_an_honest_batch_has_no_fault_for_anyone_and_is_accepted() public {
        Batch memory batch = _proposed();
        for (uint32 i = 0; i < 7; ++i) expectNoFault(batch, i);
        expectNoFault(batch, 0xf_ffff);
        pass(WINDOW);
        expectNoFault(batch, 0);
        vault.acceptBatch(1, vault.proposal().root);
        same(vault.head().seq, 1, "accepted");
    }

    function test_a_challenge_ends_the_proposal_and_splits_the_bond() public {
        Batch memory batch = _plan();
        batch.nextStake[0] -= 1;
        propose(batch);
        vm.prank(GUARDIAN);
        vault.setPaused(true);
        (uint256 supply, uint256 operator) = (token.totalSupply(), token.balanceOf(OPERATOR));
        expectFault(batch, 0, IFaultProof.Fault.StakeDelta);
        same(token.balanceOf(CAROL), uint256(BOND) / 2 * 1e9, "half to the challenger");
        same(supply - token.totalSupply(), uint256(BOND - BOND / 2) * 1e9, "half burns");
        same(token.balanceOf(OPERATOR), operator, "nothing to the operator");
        same(held(), 6000 * TOKEN, "stakes and pool stay");
        same(vault.proposal().number, 0, "none is pending");
        holds(vault.proposalState(1) == IStakeVault.ProposalState.Dead, "dead");
        for (uint256 i = 0; i < 3; ++i) {
            (,, IRoundRegistry.RoundState state) =
                registry.roundOf(TOURNAMENT, batch.rounds[i].startsAt);
            holds(state == IRoundRegistry.RoundState.Committed, "its rounds are free");
        }
        vm.prank(GUARDIAN);
        vault.setPaused(false);
        batch.nextStake[0] += 1;
        propose(batch);
        pass(WINDOW);
        vault.acceptBatch(1, vault.proposal().root);
        holds(vault.proposalState(2) == IStakeVault.ProposalState.Accepted, "the honest one");
    }

    function test_an_odd_bond_leaves_the_odd_unit_to_the_fire() public {
        IStakeVault.Settings memory values = settings(IRoundRegistry.Kind.Direction);
        values.bond = 7;
        vault = new StakeVault(values);
        bytes32 name = "odd bond";
        vm.prank(OWNER);
        registry.registerTournament(name, 0, IRoundRegistry.Kind.Direction, CLAMP, address(vault));
        give(OPERATOR, 1);
        give(ALICE, 100);
        registerIn(name, ALICE, 10 * TOKEN);
        Batch memory batch = newBatch(0, 1);
        batch.nextStake[0] = -5;
        propose(batch);
        uint256 supply = token.totalSupply();
        expectFault(batch, 0, IFaultProof.Fault.StakeDelta);
        same(token.balanceOf(CAROL), 3e9, "rounded down");
        same(supply - token.totalSupply(), 4e9, "rounded up");
    }

    function test_a_payout_that_is_one_unit_off_is_a_fault_both_ways() public {
        Batch memory batch = _plan();
        batch.nextStake[0] += 1;
        batch.nextStake[1] -= 1;
        propose(batch);
        holds(faultOf(batch, 0) == IFaultProof.Fault.StakeDelta, "too much");
        holds(faultOf(batch, 2) == IFaultProof.Fault.None, "the others are right");
        expectFault(batch, 1, IFaultProof.Fault.StakeDelta);
    }

    function test_a_model_without_predictions_must_not_change() public {
        Batch memory batch = _plan();
        batch.nextStake[4] = -1;
        propose(batch);
        expectFault(batch, 4, IFaultProof.Fault.StakeDelta);
    }

    function test_a_pool_reward_that_falls_is_a_fault() public {
        Batch memory batch = newBatch(0, 5);
        (batch.nextPool[0], batch.nextPool[1]) = (9, 8);
        propose(batch);
        pass(WINDOW);
        vault.acceptBatch(1, vault.proposal().root);
        (batch.headPool[0], batch.headPool[1]) = (9, 8);
        (batch.nextPool[0], batch.nextPool[1]) = (10, 7);
        (bytes32 top,) = nextTree(batch).top();
        proposeAs(batch, top, 0, 0, bytes.concat(entry(0, 0, 0), entry(1, 0, 0)));
        holds(faultOf(batch, 0) == IFaultProof.Fault.None, "it may grow");
        expectFault(batch, 1, IFaultProof.Fault.PoolReward);
    }

    function test_a_report_outside_the_clamp_is_a_fault_at_either_end() public {
        uint32[4] memory reports = [CLAMP - 1, 1_000_001 - CLAMP, 0, 4_294_967_295];
        for (uint256 i = 0; i < 4; ++i) {
            Batch memory batch = newBatch(1, 5);
            batch.rounds[0].tournament = TOURNAMENT;
            say(batch, 0, 0, 1, reports[i]);
            say(batch, 0, 1, 900 * TOKEN, 500_000);
            commitAll(batch);
            propose(batch);
            holds(faultOf(batch, 1) != IFaultProof.Fault.Report, "a neighbour reverts nothing");
            expectFault(batch, 0, IFaultProof.Fault.Report);
        }
        Batch memory edges = newBatch(1, 5);
        edges.rounds[0].tournament = TOURNAMENT;
        say(edges, 0, 0, TOKEN, CLAMP);
        say(edges, 0, 1, TOKEN, 1_000_000 - CLAMP);
        commitAll(edges);
        payHonestly(edges);
        propose(edges);
        expectNoFault(edges, 0);
        expectNoFault(edges, 1);
    }

    function test_the_clamp_is_that_of_the_models_tournament() public {
        Batch memory batch = newBatch(1, 5);
        batch.rounds[0].tournament = OTHER;
        say(batch, 0, 4, TOKEN, OTHER_CLAMP);
        commitAll(batch);
        payHonestly(batch);
        propose(batch);
        expectNoFault(batch, 4);
    }

    function test_a_stake_above_what_the_model_could_claim_is_a_fault() public {
        uint64[3] memory stakes = [1000 * TOKEN, 1000 * TOKEN + 1, (1 << 63) - 1];
        for (uint256 i = 0; i < 3; ++i) {
            Batch memory batch = newBatch(1, 5);
            batch.rounds[0].tournament = TOURNAMENT;
            say(batch, 0, 0, stakes[i], 500_000);
            commitAll(batch);
            payHonestly(batch);
            propose(batch);
            if (i == 0) {
                expectNoFault(batch, 0);
                pass(3 * WINDOW);
            } else {
                expectFault(batch, 0, IFaultProof.Fault.StakeAtRisk);
            }
        }
    }

    function test_nothing_is_at_stake_in_a_void_round() public {
        Batch memory batch = newBatch(1, 5);
        batch.rounds[0].tournament = TOURNAMENT;
        batch.rounds[0].outcome = IRoundRegistry.Outcome.Void;
        say(batch, 0, 0, 5000 * TOKEN, 1);
        commitAll(batch);
        propose(batch);
        expectNoFault(batch, 0);
        IFaultProof.ModelClaim memory claim = claimOf(batch, 0);
        Shown[] memory unread = new Shown[](1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoFault.selector));
        vault.challenge(claim, batch.reveals, said(unread), siblings(unread));
        pass(3 * WINDOW);
        batch.nextStake[0] = -1;
        propose(batch);
        expectFault(batch, 0, IFaultProof.Fault.StakeDelta);
    }

    function test_a_model_that_would_owe_is_a_fault() public {
        Batch memory batch = newBatch(0, 5);
        (batch.nextStake[0], batch.nextStake[1]) = (-1000 * int128(uint128(TOKEN)) - 1, 1);
        propose(batch);
        holds(faultOf(batch, 1) == IFaultProof.Fault.StakeDelta, "the receiver");
        expectFault(batch, 0, IFaultProof.Fault.Claimable);
    }

    function test_an_entry_of_nobody_is_a_fault() public {
        Batch memory batch = newBatch(0, 8);
        (batch.nextStake[0], batch.nextStake[7]) = (-3, 3);
        (bytes32 top,) = nextTree(batch).top();
        proposeAs(batch, top, 0, 0, bytes.concat(entry(0, -3, 0), entry(1, 3, 0)));
        vm.expectRevert(
            abi.encodeWithSelector(IFaultProof.WrongPredictionCount.selector, 1, 0)
        );
        faultProof.modelFault(
            vault, claimOf(batch, 7), batch.reveals, said(new Shown[](1)), new bytes32[](0)
        );
        holds(faultOf(batch, 6) == IFaultProof.Fault.None, "nobody, unchanged");
        expectFault(batch, 7, IFaultProof.Fault.UnregisteredModel);
        batch = newBatch(0, 8);
        (batch.nextPool[0], batch.nextPool[7]) = (1, 2);
        (top,) = nextTree(batch).top();
        proposeAs(batch, top, 0, 3, bytes.concat(entry(0, 0, 1), entry(1, 0, 2)));
        expectFault(batch, 7, IFaultProof.Fault.UnregisteredModel);
    }

    function test_huge_ledger_values_are_faults_and_revert_nothing() public {
        Batch memory batch = newBatch(0, 5);
        (batch.nextStake[0], batch.nextStake[1]) = (type(int128).max, type(int128).min);
        (batch.nextStake[2], batch.nextPool[3]) = (1, type(uint128).max);
        (bytes32 top, uint256 sums) = nextTree(batch).top();
        same(sums >> 128, 0, "the stakes cancel out");
        // The pool cannot: the top lies, as it has to.
        batch.lieLevel = 20;
        batch.lie = 0;
        proposeAs(batch, top, 0, 0, bytes.concat(entry(0, 0, 0), entry(1, 0, 0)));
        IFaultProof.NodeClaim memory node;
        node.level = 20;
        node.hash = top;
        node.opening = nextTree(batch).nodeAt(20, 0).opening;
        holds(
            faultProof.nodeFault(vault, node, noReveals()) == IFaultProof.Fault.NodeSums, "the top"
        );
        vault.challengeNode(node, noReveals());
        batch.nextPool[3] = 0;
        batch.lieLevel = PlainTree.HONEST;
        (top,) = nextTree(batch).top();
        proposeAs(batch, top, 0, 0, bytes.concat(entry(0, 0, 0), entry(1, 0, 0)));
        holds(faultOf(batch, 0) == IFaultProof.Fault.StakeDelta, "the largest");
        expectFault(batch, 1, IFaultProof.Fault.Claimable);
    }
}
