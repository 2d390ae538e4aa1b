// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFaultProof} from "../src/IFaultProof.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {SumTree} from "../src/SumTree.sol";
import {ChallengeHarness} from "./ChallengeHarness.sol";
import {vm} from "./Harness.sol";
import {PlainTree} from "./PlainTree.sol";

/// @notice Random models, rounds, leaves and outcomes in two tournaments of one vault: an honest batch
/// has no fault, and every kind of lie has its own. Everything is drawn from one seed.
contract ChallengeFuzzTest is ChallengeHarness {
    using PlainTree for PlainTree.Leaves;

    uint256 private _seed;
    uint256 private _drawn;

    function testFuzz_an_honest_batch_is_never_challengeable(uint256 seed) public {
        uint256 models = _start(seed);
        Batch memory first = _plan(models, newBatch(0, models));
        _settle(first);
        // Money moves between the batches and while the second one waits.
        uint32 mover = uint32(_draw(0, models - 1));
        vm.prank(vault.model(mover).owner);
        vault.requestWithdrawal(mover, uint64(_draw(1, TOKEN)));
        pass(DELAY);
        Batch memory second = _plan(models, first);
        propose(second);
        IFaultProof.ModelClaim memory claim = claimOf(second, mover);
        vault.withdraw(mover, claim.head.stakeDelta, claim.head.poolReward, claim.head.proof);
        uint32 saver = uint32(_draw(0, models - 1));
        vm.prank(vault.model(saver).owner);
        vault.deposit(saver, uint64(_draw(1, 50 * TOKEN)));
        for (uint32 i = 0; i < models + 2; ++i) {
            holds(faultOf(second, i) == IFaultProof.Fault.None, "a model of an honest batch");
        }
        _checkNodes(second, models);
        expectNoFault(second, mover);
        pass(WINDOW);
        vault.acceptBatch(2, vault.proposal().root);
    }

    function testFuzz_a_wrong_stake_is_a_fault(uint256 seed, uint64 amount, bool burns) public {
        uint256 models = _start(seed);
        Batch memory batch = _plan(models, newBatch(0, models));
        uint32 victim = uint32(_draw(0, models - 1));
        int128 lie = int128(uint128(within(amount, 1, burns ? TOKEN : 1000 * TOKEN)));
        batch.nextStake[victim] -= lie;
        uint32 thief = uint32((victim + 1) % models);
        if (!burns) batch.nextStake[thief] += lie;
        propose(batch);
        if (!burns) {
            holds(faultOf(batch, thief) == IFaultProof.Fault.StakeDelta, "the thief");
        }
        bool owes = _claimable(batch, victim) < 0;
        expectFault(
            batch, victim, owes ? IFaultProof.Fault.Claimable : IFaultProof.Fault.StakeDelta
        );
    }

    function testFuzz_another_outcome_than_the_revealed_is_a_fault(uint256 seed) public {
        uint256 models = _start(seed);
        Batch memory batch = _plan(models, newBatch(0, models));
        uint256 round = _draw(0, batch.rounds.length - 1);
        IRoundRegistry.Outcome revealed = batch.reveals[round].outcome;
        batch.reveals[round].outcome = IRoundRegistry.Outcome((uint256(revealed) + 1) % 3);
        int128[] memory honest = batch.nextStake;
        batch.nextStake = new int128[](models);
        payHonestly(batch);
        batch.reveals[round].outcome = revealed;
        propose(batch);
        for (uint32 i = 0; i < models; ++i) {
            bool same_ = honest[i] == batch.nextStake[i];
            bool owes = _claimable(batch, i) < 0;
            IFaultProof.Fault wrong =
                owes ? IFaultProof.Fault.Claimable : IFaultProof.Fault.StakeDelta;
            holds(faultOf(batch, i) == (same_ ? IFaultProof.Fault.None : wrong), "by its payout");
        }
    }

    function testFuzz_a_pool_reward_that_falls_is_a_fault(uint256 seed, uint64 fall) public {
        uint256 models = _start(seed);
        Batch memory first = _plan(models, newBatch(0, models));
        first.nextPool[0] += TOKEN;
        _settle(first);
        Batch memory second = _plan(models, first);
        uint64 less = uint64(within(fall, 1, first.nextPool[0]));
        second.nextPool[0] = second.headPool[0] - less;
        _proposeTree(second);
        expectFault(second, 0, IFaultProof.Fault.PoolReward);
    }

    function testFuzz_a_report_outside_the_clamp_is_a_fault(uint256 seed, uint32 p, uint64 w) public {
        uint256 models = _start(seed);
        Batch memory batch = _plan(models, newBatch(0, models));
        pass(MARGIN);
        batch = _copy(batch);
        uint32 liar = _speaker(batch);
        bytes32 tournament = vault.model(liar).tournament;
        uint24 clamp = registry.tournamentOf(tournament).parameter;
        uint256 round = _roundOf(batch, tournament);
        // Either end; W and P of the round still have to be in range.
        p = p % 2 == 0 ? uint32(within(p, 0, clamp - 1)) : uint32(within(p, 1_000_001 - clamp, 1_000_000));
        say(batch, round, liar, uint64(within(w, 1, 1 << 62)), p);
        batch.rounds[round].outcome = IRoundRegistry.Outcome.One;
        commitAll(batch);
        propose(batch);
        expectFault(batch, liar, IFaultProof.Fault.Report);
    }

    function testFuzz_more_at_risk_than_there_is_is_a_fault(uint256 seed, uint64 w) public {
        uint256 models = _start(seed);
        Batch memory batch = _copy(_plan(models, newBatch(0, models)));
        uint32 liar = _speaker(batch);
        uint256 round = _roundOf(batch, vault.model(liar).tournament);
        uint256 most = uint256(_claimable(batch, liar));
        say(batch, round, liar, uint64(within(w, most + 1, 1 << 62)), 500_000);
        batch.rounds[round].outcome = IRoundRegistry.Outcome.Zero;
        commitAll(batch);
        propose(batch);
        expectFault(batch, liar, IFaultProof.Fault.StakeAtRisk);
    }

    function testFuzz_an_entry_of_nobody_is_a_fault(uint256 seed, uint64 stake, uint64 pool) public {
        uint256 models = _start(seed);
        Batch memory batch = newBatch(0, models + 3);
        uint32 nobody = uint32(models + _draw(0, 2));
        batch.nextStake[nobody] = -int128(uint128(within(stake, 1, TOKEN)));
        batch.nextPool[nobody] = within128(pool, TOKEN);
        _proposeTree(batch);
        expectFault(batch, nobody, IFaultProof.Fault.UnregisteredModel);
    }

    function testFuzz_a_node_that_lies_is_a_fault(uint256 seed, uint256 level, uint128 lie) public {
        uint256 models = _start(seed);
        Batch memory batch = _copy(_plan(models, newBatch(0, models)));
        uint256 round = _draw(0, batch.rounds.length - 1);
        level = within(level, 0, 20);
        Round memory lying = batch.rounds[round];
        uint256 width = ((models - 1) >> level) + 1;
        lying.liePosition = _draw(0, width - 1);
        PlainTree.Node memory truth = predictionTree(lying).nodeAt(level, lying.liePosition);
        // Both halves of what a node claims may lie, within what the registry takes.
        lying.lie = SumTree.packPrediction(1 << 61, uint128(within(lie, 0, 1_000_000 << 61)));
        if (truth.sums == lying.lie) lying.lie += 1;
        lying.lieLevel = level;
        for (uint256 i = 0; i < models; ++i) {
            if (lying.leaves[i].w > 1 << 40) lying.leaves[i].w = 1 << 40;
        }
        commitAll(batch);
        propose(batch);
        IFaultProof.NodeClaim memory claim =
            _node(predictionTree(lying), level, lying.liePosition);
        (claim.tree, claim.round) = (IFaultProof.Tree.Prediction, uint16(round));
        if (level == 0) claim.opening = _opening(lying, lying.liePosition);
        IFaultProof.Fault fault =
            claim.hash == 0 ? IFaultProof.Fault.EmptyNode : IFaultProof.Fault.NodeSums;
        holds(faultProof.nodeFault(vault, claim, batch.reveals) == fault, "the node");
        vault.challengeNode(claim, batch.reveals);
        same(vault.proposal().number, 0, "dead");
    }

    function testFuzz_the_sums_of_the_batch_hold_for_its_tree(uint256 seed, uint64 burned) public {
        uint256 models = _start(seed);
        Batch memory batch = _plan(models, newBatch(0, models));
        (bytes32 top, uint256 sums) = nextTree(batch).top();
        int256 truth = int256(sums) >> 128;
        burned = uint64(within(burned, 0, vault.books().staked));
        vm.assume(-int256(uint256(burned)) != truth);
        int64 change = -int64(burned);
        uint64 pool = uint64(sums);
        proposeAs(batch, top, burned, pool, entry(0, change, pool));
        batch.lieLevel = 20;
        batch.lie = SumTree.packLedger(change, pool);
        IFaultProof.NodeClaim memory claim = _node(nextTree(batch), 20, 0);
        IFaultProof.Fault fault = top == 0 ? IFaultProof.Fault.EmptyNode : IFaultProof.Fault.NodeSums;
        holds(faultProof.nodeFault(vault, claim, noReveals()) == fault, "the top");
        vault.challengeNode(claim, noReveals());
    }

    function within128(uint64 value, uint64 most) internal pure returns (uint128) {
        return uint128(within(value, 0, most));
    }

    /// @dev Two to six models of 1 to 1,000 tokens in two tournaments, and a pool.
    function _start(uint256 seed) private returns (uint256 models) {
        _seed = seed;
        _drawn = 0;
        models = _draw(2, 6);
        for (uint256 i = 0; i < models; ++i) {
            bytes32 tournament = _draw(0, 2) == 0 ? OTHER : TOURNAMENT;
            registerIn(tournament, i % 2 == 0 ? ALICE : BOB, uint64(_draw(TOKEN, 1000 * TOKEN)));
        }
        vault.fund(TOURNAMENT, 1000 * TOKEN);
    }

    /// @dev One to four rounds that nobody can lose more in than he has, paid honestly.
    function _plan(uint256 models, Batch memory before) private returns (Batch memory batch) {
        uint256 rounds = _draw(1, 4);
        batch = newBatch(rounds, models);
        (batch.headStake, batch.headPool) = (before.nextStake, before.nextPool);
        bool otherFirst = OTHER < TOURNAMENT;
        uint256 split = _draw(0, rounds);
        for (uint256 k = 0; k < rounds; ++k) {
            Round memory round = batch.rounds[k];
            round.tournament = (k < split) == otherFirst ? OTHER : TOURNAMENT;
            round.outcome = IRoundRegistry.Outcome(_draw(0, 2));
            uint24 clamp = registry.tournamentOf(round.tournament).parameter;
            for (uint32 i = 0; i < models; ++i) {
                if (vault.model(i).tournament != round.tournament || _draw(0, 4) == 0) continue;
                int256 free = _claimable(batch, i) - int256(uint256(TOKEN));
                if (free < int256(rounds)) continue;
                uint256 w = _draw(1, uint256(free) / rounds);
                say(batch, k, i, uint64(w), uint32(_draw(clamp, 1_000_000 - clamp)));
            }
        }
        commitAll(batch);
        payHonestly(batch);
        uint64 pool = vault.books().pool;
        for (uint256 i = 0; i < models; ++i) {
            batch.nextPool[i] = batch.headPool[i] + uint128(_draw(0, pool / 20));
        }
    }

    function _settle(Batch memory batch) private {
        propose(batch);
        pass(WINDOW);
        vault.acceptBatch(1, vault.proposal().root);
    }

    /// @dev The same rounds again, later and not committed, nothing paid.
    function _copy(Batch memory batch) private pure returns (Batch memory) {
        for (uint256 i = 0; i < batch.rounds.length; ++i) batch.rounds[i].startsAt = 0;
        batch.nextStake = new int128[](batch.headStake.length);
        batch.nextPool = new uint128[](batch.headStake.length);
        return batch;
    }

    /// @dev The next entries as a tree that the changes do not list, but with their sums.
    function _proposeTree(Batch memory batch) private {
        (bytes32 top, uint256 sums) = nextTree(batch).top();
        (, uint256 before) = ledgerTree(batch.headStake, batch.headPool).top();
        int256 stake = (int256(sums) >> 128) - (int256(before) >> 128);
        uint256 pool = uint128(sums);
        uint256 had = uint128(before);
        // The pool pays what is missing into another entry, so that the batch takes nothing back.
        if (pool < had) {
            batch.nextPool[1] += uint128(had - pool);
            (top,) = nextTree(batch).top();
            pool = had;
        }
        uint64 used = uint64(pool - had);
        proposeAs(batch, top, uint64(uint256(-stake)), used, entry(0, int64(stake), used));
    }

    function _checkNodes(Batch memory batch, uint256 models) private {
        for (uint256 level = 1; level < 21; level += 1 + _draw(0, 3)) {
            uint256 width = ((models - 1) >> level) + 1;
            IFaultProof.NodeClaim memory claim =
                _node(nextTree(batch), level, _draw(0, width - 1));
            holds(
                faultProof.nodeFault(vault, claim, noReveals()) == IFaultProof.Fault.None, "ledger"
            );
            uint256 round = _draw(0, batch.rounds.length - 1);
            claim = _node(predictionTree(batch.rounds[round]), level, _draw(0, width - 1));
            (claim.tree, claim.round) = (IFaultProof.Tree.Prediction, uint16(round));
            holds(
                faultProof.nodeFault(vault, claim, batch.reveals) == IFaultProof.Fault.None, "round"
            );
        }
        for (uint256 round = 0; round < batch.rounds.length; ++round) {
            uint256 leaf = _draw(0, models - 1);
            IFaultProof.NodeClaim memory claim =
                _node(predictionTree(batch.rounds[round]), 0, leaf);
            (claim.tree, claim.round) = (IFaultProof.Tree.Prediction, uint16(round));
            claim.opening = _opening(batch.rounds[round], leaf);
            holds(
                faultProof.nodeFault(vault, claim, batch.reveals) == IFaultProof.Fault.None, "leaf"
            );
        }
    }

    function _node(PlainTree.Leaves memory tree, uint256 level, uint256 position)
        private
        pure
        returns (IFaultProof.NodeClaim memory claim)
    {
        PlainTree.Node memory node = tree.nodeAt(level, position);
        (claim.level, claim.position) = (uint8(level), uint32(position));
        (claim.hash, claim.sums, claim.siblings) = (node.hash, node.sums, node.siblings);
        claim.opening = node.opening;
    }

    function _opening(Round memory round, uint256 i) private pure returns (bytes memory) {
        Leaf memory leaf = round.leaves[i];
        if (!leaf.present) return "";
        return abi.encodePacked(uint8(0), uint32(i), leaf.w, leaf.p);
    }

    function _claimable(Batch memory batch, uint32 i) private view returns (int256) {
        return int256(uint256(vault.model(i).deposited)) - int256(uint256(vault.model(i).withdrawn))
            + _latest(batch.nextStake[i], batch.headStake[i])
            + int256(uint256(batch.nextPool[i] == 0 ? batch.headPool[i] : batch.nextPool[i]));
    }

    /// @dev The next entry once it is planned, the head's until then.
    function _latest(int128 next, int128 head) private pure returns (int128) {
        return next == 0 ? head : next;
    }

    /// @dev A model whose tournament has a round in the batch.
    function _speaker(Batch memory batch) private returns (uint32 model) {
        bytes32 tournament = batch.rounds[_draw(0, batch.rounds.length - 1)].tournament;
        for (model = 0; model < batch.headStake.length; ++model) {
            if (vault.model(model).tournament == tournament) return model;
        }
        // Nobody is registered there: everyone is in the other one.
        for (uint256 i = 0; i < batch.rounds.length; ++i) {
            batch.rounds[i].tournament = vault.model(0).tournament;
        }
        return 0;
    }

    function _roundOf(Batch memory batch, bytes32 tournament) private pure returns (uint256 round) {
        while (batch.rounds[round].tournament != tournament) ++round;
    }

    function _draw(uint256 least, uint256 most) private returns (uint256) {
        return within(uint256(keccak256(abi.encode(_seed, ++_drawn))), least, most);
    }
}
