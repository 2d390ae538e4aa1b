// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {Harness, PlainLedger, vm} from "./Harness.sol";

/// @notice The life of a proposal: propose, veto, accept, expire, shut down.
contract BatchesTest is Harness {
    bytes32 private _emptyRoot;
    bytes32 private _top;
    bytes32 private _root;
    bytes private _changes;
    int128[] private _stake = new int128[](2);
    uint128[] private _pool = new uint128[](2);

    /// @dev Two models of 10 tokens, a pool of 5; the batch moves 2 from 0 to 1, burns 1, pays 3.
    function setUp() public override {
        super.setUp();
        newModel(ALICE, 10 * TOKEN);
        newModel(BOB, 10 * TOKEN);
        vault.fund(TOURNAMENT, 5 * TOKEN);
        _emptyRoot = vault.head().root;
        (_stake[0], _stake[1]) = (-3 * int128(uint128(TOKEN)), 2 * int128(uint128(TOKEN)));
        _pool[1] = 3 * TOKEN;
        _changes = bytes.concat(
            entry(0, -3 * int64(TOKEN), 0), entry(1, 2 * int64(TOKEN), 3 * TOKEN)
        );
        _top = PlainLedger.topOf(_stake, _pool);
        _root = SumTree.root(_top, SumTree.packLedger(-int128(uint128(TOKEN)), 3 * TOKEN));
    }

    function test_propose_locks_the_bond_and_changes_nothing_else() public {
        vm.expectEmit();
        emit IStakeVault.BatchProposed(
            1, 1, OPERATOR, _emptyRoot, _top, _root, TOKEN, 3 * TOKEN, 0, "record"
        );
        _propose(noReveals());
        same(held(), 25 * TOKEN + BOND, "balance");
        same(vault.head().root, _emptyRoot, "head");
        same(vault.books().staked, 20 * TOKEN, "staked");
        IStakeVault.Proposal memory pending = vault.proposal();
        same(pending.root, _root, "the contract adds the sums to the top");
        same(pending.revealsHash, keccak256(""), "no reveals");
        holds(vault.proposalState(1) == IStakeVault.ProposalState.Live, "live");
    }

    function test_accept_moves_the_head_burns_and_returns_the_bond() public {
        _propose(noReveals());
        uint256 supply = token.totalSupply();
        uint256 before = token.balanceOf(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.WindowOpen.selector, clock + WINDOW));
        vault.acceptBatch(1, _root);
        pass(WINDOW);
        vm.expectEmit();
        emit IStakeVault.BatchAccepted(1, 1, _root, TOKEN, 3 * TOKEN);
        vm.prank(BOB);
        vault.acceptBatch(1, _root);
        same(supply - token.totalSupply(), 1 ether, "burned");
        same(token.balanceOf(OPERATOR) - before, 50 ether, "bond");
        same(vault.head().root, _root, "head root");
        same(vault.head().stakeSum, -int256(uint256(TOKEN)), "head stake sum");
        same(vault.head().poolSum, 3 * TOKEN, "head pool sum");
        same(vault.head().seq, 1, "seq");
        same(vault.books().staked, 22 * TOKEN, "staked");
        same(vault.books().pool, 2 * TOKEN, "pool");
        same(vault.books().acceptedAt, clock, "accepted at");
        holds(vault.proposalState(1) == IStakeVault.ProposalState.Accepted, "accepted");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoProposal.selector));
        vault.acceptBatch(1, _root);
    }

    function test_withdraw_pays_the_new_claims_and_refuses_the_old_proof() public {
        vm.prank(ALICE);
        vault.requestWithdrawal(0, 100 * TOKEN);
        vm.prank(BOB);
        vault.requestWithdrawal(1, 100 * TOKEN);
        _accept();
        pass(DELAY);
        bytes32[40] memory empty;
        vm.expectPartialRevert(IStakeVault.WrongProof.selector);
        vault.withdraw(0, 0, 0, empty);
        same(_withdraw(0), 7 * TOKEN, "the loser's rest");
        same(_withdraw(1), 15 * TOKEN, "stake, wager and reward");
        same(_withdraw(0), 0, "a proof used twice pays 0");
        same(_withdraw(1), 0, "a proof used twice pays 0");
        same(vault.books().staked, 0, "nothing is staked");
        same(held(), 2 * TOKEN, "the pool stays");
    }

    function test_veto_is_the_guardians_within_the_window() public {
        _propose(noReveals());
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotGuardian.selector, OPERATOR));
        vm.prank(OPERATOR);
        vault.veto(1, _root);
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.WrongProposal.selector, 1, _root)
        );
        vm.prank(GUARDIAN);
        vault.veto(1, "other");
        pass(WINDOW - 1);
        vm.expectEmit();
        emit IStakeVault.BatchVetoed(1, 1, _root);
        vm.prank(GUARDIAN);
        vault.veto(1, _root);
        same(held(), 25 * TOKEN, "the bond returned");
        same(vault.head().root, _emptyRoot, "head");
        holds(vault.proposalState(1) == IStakeVault.ProposalState.Dead, "dead");
        pass(WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoProposal.selector));
        vault.acceptBatch(1, _root);
        _accept();
        same(vault.head().seq, 1, "the same seq again");
        holds(vault.proposalState(1) == IStakeVault.ProposalState.Dead, "still dead");
        holds(vault.proposalState(2) == IStakeVault.ProposalState.Accepted, "the second");
    }

    function test_veto_after_the_window_is_too_late() public {
        _propose(noReveals());
        pass(WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.WindowClosed.selector, clock));
        vm.prank(GUARDIAN);
        vault.veto(1, _root);
    }

    function test_after_three_windows_a_proposal_is_dead() public {
        _propose(noReveals());
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ProposalAlive.selector, clock + 3 * WINDOW));
        vault.expireBatch();
        pass(3 * WINDOW - 1);
        holds(vault.proposalState(1) == IStakeVault.ProposalState.Live, "live to the last second");
        pass(1);
        holds(vault.proposalState(1) == IStakeVault.ProposalState.Dead, "dead");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ProposalDead.selector, clock));
        vault.acceptBatch(1, _root);
        vm.expectEmit();
        emit IStakeVault.BatchExpired(1, 1, _root);
        vm.prank(BOB);
        vault.expireBatch();
        same(held(), 25 * TOKEN, "the bond returned");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoProposal.selector));
        vault.expireBatch();
    }

    function test_a_new_proposal_releases_a_dead_one_and_waits_for_a_live_one() public {
        _propose(noReveals());
        vm.expectPartialRevert(IStakeVault.ProposalAlive.selector);
        _propose(noReveals());
        pass(3 * WINDOW);
        _propose(noReveals());
        same(held(), 25 * TOKEN + BOND, "one bond");
        same(vault.proposal().number, 2, "number");
    }

    function test_propose_checks_who_order_and_pool() public {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotOperator.selector, ALICE));
        vm.prank(ALICE);
        vault.proposeBatch(1, _emptyRoot, _top, TOKEN, 0, noReveals(), _changes, 0);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.WrongSeq.selector, 2, 1));
        vm.prank(OPERATOR);
        vault.proposeBatch(2, _emptyRoot, _top, TOKEN, 3 * TOKEN, noReveals(), _changes, 0);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.WrongPrevRoot.selector, _root, _emptyRoot));
        vm.prank(OPERATOR);
        vault.proposeBatch(1, _root, _top, TOKEN, 3 * TOKEN, noReveals(), _changes, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.Insolvent.selector, 5 * TOKEN + 1, 5 * TOKEN)
        );
        vm.prank(OPERATOR);
        vault.proposeBatch(1, _emptyRoot, _top, TOKEN, 5 * TOKEN + 1, noReveals(), _changes, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.Insolvent.selector, 20 * TOKEN + 1, 20 * TOKEN)
        );
        vm.prank(OPERATOR);
        vault.proposeBatch(1, _emptyRoot, _top, 20 * TOKEN + 1, 0, noReveals(), _changes, 0);
        vm.prank(GUARDIAN);
        vault.setPaused(true);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.IsPaused.selector));
        _propose(noReveals());
    }

    function test_propose_checks_the_changes() public {
        bytes memory first = entry(0, -int64(TOKEN), 0);
        _refused(first, TOKEN + 1, abi.encodeWithSelector(
            IStakeVault.WrongChangeSums.selector, -int256(uint256(TOKEN)), 0
        ));
        _refused(bytes.concat(first, hex"00"), TOKEN, abi.encodeWithSelector(
            IStakeVault.BadChangesLength.selector, 21
        ));
        bytes memory unordered = abi.encodeWithSelector(IStakeVault.ChangesUnordered.selector, 1);
        _refused(bytes.concat(first, first), 2 * TOKEN, unordered);
        _refused(bytes.concat(entry(1, 0, 0), first), TOKEN, unordered);
        _refused(bytes.concat(first, entry(2, 0, 0)), TOKEN, unordered);
        _refused("", 0, abi.encodeWithSelector(
            IStakeVault.RootChangedWithoutChanges.selector, SumTree.root(_top, 0), _emptyRoot
        ));
    }

    function test_an_empty_batch_keeps_the_root_and_counts() public {
        vm.prank(OPERATOR);
        vault.proposeBatch(1, _emptyRoot, 0, 0, 0, noReveals(), "", 0);
        pass(WINDOW);
        vault.acceptBatch(1, _emptyRoot);
        same(vault.head().seq, 1, "seq");
        same(vault.head().root, _emptyRoot, "root");
        same(vault.books().acceptedAt, clock, "the idle clock starts again");
    }

    function test_pause_does_not_stop_a_proposal_on_its_way() public {
        _propose(noReveals());
        vm.prank(GUARDIAN);
        vault.setPaused(true);
        pass(WINDOW);
        vault.acceptBatch(1, _root);
        same(vault.head().seq, 1, "accepted");
    }

    function test_shutdown_by_anyone_lets_everything_out_without_a_key() public {
        _accept();
        vm.prank(GUARDIAN);
        vault.setPaused(true);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotIdle.selector, clock + IDLE));
        vault.shutDown();
        pass(IDLE);
        uint256 supply = token.totalSupply();
        vm.expectEmit();
        emit IStakeVault.ShutDown(_root, 22 * TOKEN, 2 * TOKEN);
        vm.prank(BOB);
        vault.shutDown();
        same(supply - token.totalSupply(), 2 ether, "the unspent pool burns");
        same(vault.books().pool, 0, "pool");
        same(_withdraw(0), 7 * TOKEN, "no request is needed");
        same(_withdraw(1), 15 * TOKEN, "no request is needed");
        same(_withdraw(1), 0, "a proof used twice pays 0");
        same(held(), 0, "everything left");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.IsShutDown.selector));
        vault.shutDown();
        bytes memory shut = abi.encodeWithSelector(IStakeVault.IsShutDown.selector);
        vm.expectRevert(shut);
        vm.prank(ALICE);
        vault.deposit(0, TOKEN);
        vm.expectRevert(shut);
        vault.fund(TOURNAMENT, TOKEN);
        vm.expectRevert(shut);
        vm.prank(OPERATOR);
        vault.proposeBatch(2, _root, _top, 0, 0, noReveals(), "", 0);
    }

    function test_shutdown_ends_a_live_proposal_and_returns_its_bond() public {
        pass(IDLE - 1);
        _propose(noReveals());
        pass(1);
        uint256 before = token.balanceOf(OPERATOR);
        vault.shutDown();
        same(token.balanceOf(OPERATOR) - before, 50 ether, "bond");
        same(held(), 20 * TOKEN, "the stakes stay");
        pass(WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoProposal.selector));
        vault.acceptBatch(1, _root);
    }

    function test_a_round_ends_settled_once() public {
        uint64 startsAt = uint64(clock + 30);
        IRoundRegistry.Reveal[] memory reveals = one(commitRound(startsAt));
        vm.expectPartialRevert(IRoundRegistry.RoundNotStarted.selector);
        _propose(reveals);
        pass(30);
        _propose(reveals);
        same(vault.proposal().revealsHash, keccak256(abi.encode(reveals[0])), "the reveals' words");
        _expectState(startsAt, 1, IRoundRegistry.RoundState.Held);
        pass(WINDOW);
        vault.acceptBatch(1, _root);
        _expectState(startsAt, 1, IRoundRegistry.RoundState.Settled);
        bytes32 id = registry.roundId(TOURNAMENT, startsAt);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.RoundSettled.selector, id, 1));
        vm.prank(OPERATOR);
        vault.proposeBatch(2, _root, _top, 0, 0, reveals, "", 0);
        pass(SETTLE_BY);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.RoundSettled.selector, id, 1));
        registry.voidRound(TOURNAMENT, startsAt);
    }

    function test_a_dead_proposal_frees_its_rounds() public {
        uint64 startsAt = uint64(clock + 30);
        IRoundRegistry.Reveal[] memory reveals = one(commitRound(startsAt));
        pass(30);
        _propose(reveals);
        vm.prank(GUARDIAN);
        vault.veto(1, _root);
        _expectState(startsAt, 1, IRoundRegistry.RoundState.Committed);
        _propose(reveals);
        _expectState(startsAt, 2, IRoundRegistry.RoundState.Held);
        pass(3 * WINDOW);
        _expectState(startsAt, 2, IRoundRegistry.RoundState.Committed);
        pass(SETTLE_BY - 3 * WINDOW);
        _propose(reveals);
        pass(1);
        bytes32 id = registry.roundId(TOURNAMENT, startsAt);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.RoundHeld.selector, id, 3));
        registry.voidRound(TOURNAMENT, startsAt);
        pass(3 * WINDOW);
        registry.voidRound(TOURNAMENT, startsAt);
        _expectState(startsAt, 0, IRoundRegistry.RoundState.Void);
    }

    function _propose(IRoundRegistry.Reveal[] memory reveals) private {
        vm.prank(OPERATOR);
        vault.proposeBatch(1, _emptyRoot, _top, TOKEN, 3 * TOKEN, reveals, _changes, "record");
    }

    function _accept() private {
        _propose(noReveals());
        pass(WINDOW);
        vault.acceptBatch(1, _root);
    }

    function _withdraw(uint32 index) private returns (uint256) {
        (,, bytes32[40] memory proof) = PlainLedger.climb(_stake, _pool, index);
        return vault.withdraw(index, _stake[index], _pool[index], proof);
    }

    function _refused(bytes memory changes, uint64 burned, bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(OPERATOR);
        vault.proposeBatch(1, _emptyRoot, _top, burned, 0, noReveals(), changes, 0);
    }

    function _expectState(uint64 startsAt, uint32 number, IRoundRegistry.RoundState expected) private view {
        (, uint32 proposal, IRoundRegistry.RoundState state) = registry.roundOf(TOURNAMENT, startsAt);
        holds(state == expected, "round state");
        same(proposal, number, "round's proposal");
    }
}
