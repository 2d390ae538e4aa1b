// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Subscriptions} from "../src/Subscriptions.sol";
import {Assertions} from "./Harness.sol";
import {SubscriptionsHandler} from "./SubscriptionsHandler.sol";

/// @notice What holds of Subscriptions after any sequence of calls. A call that reverts fails the run.
contract SubscriptionsInvariantTest is Assertions {
    SubscriptionsHandler private _handler;
    Subscriptions private _subscriptions;
    bytes32 private _feed;
    address private _alice;
    address private _bob;
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        _handler = new SubscriptionsHandler();
        (_subscriptions, _feed, _alice, _bob) = _handler.contracts();
    }

    function targetContracts() public view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(_handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory list) {
        bytes4[10] memory chosen = [
            SubscriptionsHandler.subscribe.selector, SubscriptionsHandler.credit.selector,
            SubscriptionsHandler.commit.selector, SubscriptionsHandler.settle.selector,
            SubscriptionsHandler.close.selector, SubscriptionsHandler.announce.selector,
            SubscriptionsHandler.setFee.selector, SubscriptionsHandler.pause.selector,
            SubscriptionsHandler.donate.selector, SubscriptionsHandler.wait.selector
        ];
        bytes4[] memory selectors = new bytes4[](15);
        for (uint256 i = 0; i < 10; ++i) selectors[i] = chosen[i];
        // Purchases and credits are the point: they are drawn more often.
        selectors[10] = SubscriptionsHandler.subscribe.selector;
        selectors[11] = SubscriptionsHandler.credit.selector;
        selectors[12] = SubscriptionsHandler.credit.selector;
        selectors[13] = SubscriptionsHandler.commit.selector;
        selectors[14] = SubscriptionsHandler.settle.selector;
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(_handler), selectors);
    }

    /// forge-config: default.invariant.runs = 60
    function invariant_money_and_access() public view {
        _what_was_paid_is_in_the_pool_and_with_the_collector();
        _access(_alice);
        _access(_bob);
    }

    function _what_was_paid_is_in_the_pool_and_with_the_collector() private view {
        (uint64 pool, uint256 collected, uint256 here) = _handler.money();
        same(pool, _handler.revenue(), "the revenue is in the pool");
        same(collected, uint256(_handler.fees()) * 1e9, "the fee is with its receiver");
        same(here, _handler.donated(), "nothing else stays here");
    }

    /// @dev The end is that of a walk over all rounds, and never moves back.
    function _access(address subscriber) private view {
        uint256 end = _handler.plainEnd(subscriber);
        (uint256 first, uint256 rounds) = _handler.runs(subscriber);
        uint256 until = _subscriptions.subscribedUntil(_feed, subscriber);
        if (rounds == 0) {
            same(until, 0, "never");
            return;
        }
        same(until, _handler.startOf(end), "until");
        holds(end >= _handler.least(subscriber), "nothing shortens it");
        holds(_covered(subscriber, _handler.startOf(first)), "the first round");
        holds(!_covered(subscriber, _handler.startOf(first) - 1), "not before");
        holds(_covered(subscriber, until - 1), "to the end");
        holds(!_covered(subscriber, until), "not longer");
    }

    function _covered(address subscriber, uint256 time) private view returns (bool) {
        return _subscriptions.isSubscribed(_feed, subscriber, time);
    }

    /// @dev The handler reaches what the invariants speak of; a silent handler proves nothing.
    function test_the_handler_sells_and_credits() public {
        _handler.subscribe(1, 1, false);
        for (uint256 seed = 0; seed < 4; ++seed) {
            _handler.commit();
            _handler.wait(200);
            _handler.settle(seed);
        }
        same(_handler.calls("settle"), 4, "settled");
        for (uint256 i = 0; i < 8; ++i) _handler.credit(i);
        holds(_handler.calls("credit") >= 2, "credited");
        _handler.commit();
        for (uint256 i = 0; i < 5; ++i) _handler.wait(899);
        _handler.close();
        same(_handler.calls("close"), 1, "closed");
        for (uint256 i = 0; i < 20; ++i) _handler.credit(i);
        _handler.subscribe(0, 2, true);
        same(_handler.calls("extend"), 1, "extended");
        invariant_money_and_access();
    }
}
