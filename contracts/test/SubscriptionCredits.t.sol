// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {ISubscriptions} from "../src/ISubscriptions.sol";
import {vm} from "./Harness.sol";
import {SubscriptionsHarness} from "./SubscriptionsHarness.sol";

/// @notice Void rounds move the end of every subscription that they lie in, once, by what the registry
/// says.
contract SubscriptionCreditsTest is SubscriptionsHarness {
    function setUp() public override {
        super.setUp();
        buy(1);
    }

    function test_a_round_that_nobody_committed_is_void_from_its_start() public {
        travel(start(2) - 1);
        bytes4 early = ISubscriptions.RoundNotStarted.selector;
        vm.expectRevert(abi.encodeWithSelector(early, TOURNAMENT, start(2)));
        creditOne(2);
        pass(1);
        vm.expectEmit();
        emit ISubscriptions.RoundCredited(TOURNAMENT, start(2));
        vm.prank(BOB);
        same(subscriptions.credit(TOURNAMENT, starts(2)), 1, "credited");
        expectCovered(ALICE, 0, PERIOD + 1);
        holds(subscriptions.isCredited(TOURNAMENT, start(2)), "the round");
        holds(!subscriptions.isCredited(TOURNAMENT, start(1)), "no other");
        same(creditOne(2), 0, "once");
        expectCovered(ALICE, 0, PERIOD + 1);
    }

    function test_a_committed_round_is_void_once_it_is_closed() public {
        committed(3);
        _refused(3, IRoundRegistry.RoundState.Committed, start(3));
        _refused(3, IRoundRegistry.RoundState.Committed, start(3) + SETTLE_BY + 1);
        registry.voidRound(TOURNAMENT, start(3));
        same(creditOne(3), 1, "credited");
        expectCovered(ALICE, 0, PERIOD + 1);
    }

    function test_a_round_that_a_batch_settles_as_void_is_credited() public {
        IRoundRegistry.Reveal[] memory reveals = _two();
        bytes32 hash = keccak256(abi.encode(reveals[0], reveals[1]));
        bytes32 proposed = vault.proposal().revealsHash;
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.WrongReveals.selector, hash, proposed));
        subscriptions.noteVoids(TOURNAMENT, reveals);
        propose(reveals);
        vm.expectEmit();
        emit ISubscriptions.VoidNoted(TOURNAMENT, start(2), 1);
        vm.prank(BOB);
        subscriptions.noteVoids(TOURNAMENT, reveals);
        _refused(2, IRoundRegistry.RoundState.Held, clock);
        accept();
        same(creditOne(2), 1, "credited");
        _refused(1, IRoundRegistry.RoundState.Settled, clock);
        expectCovered(ALICE, 0, PERIOD + 1);
    }

    function test_a_void_can_be_noted_until_the_next_proposal() public {
        IRoundRegistry.Reveal[] memory reveals = _two();
        propose(reveals);
        accept();
        _refused(2, IRoundRegistry.RoundState.Settled, clock);
        subscriptions.noteVoids(TOURNAMENT, reveals);
        propose(noReveals());
        vm.expectPartialRevert(ISubscriptions.WrongReveals.selector);
        subscriptions.noteVoids(TOURNAMENT, reveals);
        same(creditOne(2), 1, "what was noted stays");
    }

    function test_another_outcome_than_the_proposed_is_not_noted() public {
        IRoundRegistry.Reveal[] memory reveals = _two();
        reveals[1].outcome = IRoundRegistry.Outcome.One;
        propose(reveals);
        reveals[1].outcome = IRoundRegistry.Outcome.Void;
        vm.expectPartialRevert(ISubscriptions.WrongReveals.selector);
        subscriptions.noteVoids(TOURNAMENT, reveals);
        reveals = one(reveals[1]);
        vm.expectPartialRevert(ISubscriptions.WrongReveals.selector);
        subscriptions.noteVoids(TOURNAMENT, reveals);
    }

    function test_a_void_of_a_proposal_that_died_is_none() public {
        IRoundRegistry.Reveal[] memory reveals = _two();
        propose(reveals);
        subscriptions.noteVoids(TOURNAMENT, reveals);
        uint64 seq = vault.head().seq + 1;
        bytes32 root = vault.proposal().root;
        vm.prank(GUARDIAN);
        vault.veto(seq, root);
        _refused(2, IRoundRegistry.RoundState.Committed, clock);
        reveals[1].outcome = IRoundRegistry.Outcome.One;
        propose(reveals);
        accept();
        _refused(2, IRoundRegistry.RoundState.Settled, clock);
        expectCovered(ALICE, 0, PERIOD);
    }

    function test_voids_within_the_rounds_that_were_added_add_too() public {
        travel(start(PERIOD + 4));
        uint64[] memory list = new uint64[](4);
        (list[0], list[1], list[2], list[3]) = (start(9), start(10), start(11), start(13));
        same(subscriptions.credit(TOURNAMENT, list), 4, "in one call");
        // 9 moves the end to 11, 10 to 12, 11 to 13; 13 lies behind it.
        expectCovered(ALICE, 0, PERIOD + 3);
        same(creditOne(12), 1, "the last that is covered");
        expectCovered(ALICE, 0, PERIOD + 5);
    }

    function test_only_subscriptions_that_hold_the_round_move() public {
        travel(start(5));
        vm.prank(BOB);
        subscriptions.subscribe(BOB, order(TOURNAMENT, 1), ANY);
        same(creditOne(5), 1, "before BOB's first");
        expectCovered(BOB, 6, 6 + PERIOD);
        expectCovered(ALICE, 0, PERIOD + 1);
        travel(start(6));
        same(creditOne(6), 1, "within both");
        expectCovered(BOB, 6, 7 + PERIOD);
        expectCovered(ALICE, 0, PERIOD + 2);
    }

    function test_an_outage_is_made_up_for_at_its_end() public {
        travel(start(100));
        uint64[] memory list = new uint64[](96);
        for (uint64 i = 0; i < 96; ++i) list[i] = start(5 + i);
        same(subscriptions.credit(TOURNAMENT, list), 96, "all of it");
        expectCovered(ALICE, 0, 101 + 5);
        buy(1);
        expectCovered(ALICE, 0, 101 + 5 + PERIOD);
    }

    function test_what_is_no_round_is_refused() public {
        travel(start(3));
        bytes4 why = ISubscriptions.NotARound.selector;
        uint64[] memory list = starts(1);
        list[0] += 1;
        vm.expectRevert(abi.encodeWithSelector(why, TOURNAMENT, list[0]));
        subscriptions.credit(TOURNAMENT, list);
        list[0] = first - CADENCE;
        vm.expectRevert(abi.encodeWithSelector(why, TOURNAMENT, list[0]));
        subscriptions.credit(TOURNAMENT, list);
        list[0] = start(subscriptions.MAX_ROUNDS());
        vm.expectRevert(abi.encodeWithSelector(why, TOURNAMENT, list[0]));
        subscriptions.credit(TOURNAMENT, list);
        bytes4 count = ISubscriptions.BadCount.selector;
        vm.expectRevert(abi.encodeWithSelector(count, 0, 192));
        subscriptions.credit(TOURNAMENT, new uint64[](0));
        vm.expectRevert(abi.encodeWithSelector(count, 193, 192));
        subscriptions.credit(TOURNAMENT, new uint64[](193));
    }

    /// @dev Round 1 with an outcome and round 2 void, to be proposed now.
    function _two() private returns (IRoundRegistry.Reveal[] memory reveals) {
        reveals = new IRoundRegistry.Reveal[](2);
        reveals[0] = committed(1);
        reveals[1] = committed(2);
        reveals[1].outcome = IRoundRegistry.Outcome.Void;
        travel(start(2) + 10);
    }

    function _refused(uint256 index, IRoundRegistry.RoundState state, uint256 time) private {
        travel(time);
        bytes4 why = ISubscriptions.RoundNotVoid.selector;
        vm.expectRevert(abi.encodeWithSelector(why, TOURNAMENT, start(index), state));
        creditOne(index);
    }
}
