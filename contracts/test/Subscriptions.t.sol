// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {ISubscriptions} from "../src/ISubscriptions.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {vm} from "./Harness.sol";
import {SubscriptionsHarness} from "./SubscriptionsHarness.sol";

/// @notice Purchases: from when they count, what they extend, where the money goes.
contract SubscriptionsTest is SubscriptionsHarness {
    bytes32 private constant OTHER = keccak256("eth-usd-5m");
    bytes32 private constant RANKING = keccak256("equities");

    function test_a_purchase_counts_from_the_next_open_round() public {
        same(until(ALICE), 0, "nothing yet");
        holds(!isCovered(ALICE, start(0)), "not yet");
        vm.expectEmit();
        emit ISubscriptions.Subscribed(
            TOURNAMENT, ALICE, ALICE, uint48(first), uint48(first), PERIOD, PERIOD, PRICE, PRICE / 10
        );
        buy(1);
        expectCovered(ALICE, 0, PERIOD);
        holds(!isCovered(ALICE, start(0) - 1), "not before its first round");
        (uint256 startsAt, uint256 rounds) = subscriptions.subscriptionOf(TOURNAMENT, ALICE);
        same(startsAt, first, "first");
        same(rounds, PERIOD, "rounds");
        holds(!isCovered(BOB, start(0)), "nobody else");
    }

    function test_a_round_is_open_until_its_lead() public {
        uint256 lead = start(4) - LEAD;
        same(subscriptions.nextOpenRound(TOURNAMENT, lead - 1), start(4), "open");
        same(subscriptions.nextOpenRound(TOURNAMENT, lead), start(5), "closed");
        same(subscriptions.nextOpenRound(TOURNAMENT, 0), start(0), "long before");
        travel(lead - 1);
        buy(1);
        expectCovered(ALICE, 4, 4 + PERIOD);
        travel(lead);
        vm.prank(BOB);
        subscriptions.subscribe(BOB, order(TOURNAMENT, 1), ANY);
        expectCovered(BOB, 5, 5 + PERIOD);
    }

    function test_a_purchase_extends_and_never_resets() public {
        buy(1);
        travel(start(3));
        buy(2);
        expectCovered(ALICE, 0, 3 * PERIOD);
        // The last moment in which the next open round is the one after the end.
        travel(start(3 * PERIOD) - LEAD - 1);
        vm.expectEmit();
        emit ISubscriptions.Subscribed(
            TOURNAMENT,
            ALICE,
            BOB,
            uint48(first),
            uint48(start(3 * PERIOD)),
            PERIOD,
            4 * PERIOD,
            PRICE,
            PRICE / 10
        );
        vm.prank(BOB);
        subscriptions.subscribe(ALICE, order(TOURNAMENT, 1), ANY);
        expectCovered(ALICE, 0, 4 * PERIOD);
        same(until(BOB), 0, "who paid has nothing");
    }

    function test_after_a_gap_a_subscription_begins_anew() public {
        buy(1);
        travel(start(PERIOD) - LEAD);
        buy(1);
        expectCovered(ALICE, PERIOD + 1, 2 * PERIOD + 1);
    }

    function test_many_feeds_in_one_transaction() public {
        StakeVault ranking = _feeds();
        ISubscriptions.Order[] memory list = new ISubscriptions.Order[](4);
        list[0] = ISubscriptions.Order(TOURNAMENT, 1);
        list[1] = ISubscriptions.Order(RANKING, 2);
        list[2] = ISubscriptions.Order(OTHER, 1);
        list[3] = ISubscriptions.Order(TOURNAMENT, 3);
        same(subscriptions.costOf(list), 7 * PRICE, "cost");
        uint256 before = token.balanceOf(ALICE);
        vm.prank(ALICE);
        subscriptions.subscribe(ALICE, list, 7 * PRICE);
        same(before - token.balanceOf(ALICE), 7 * uint256(PRICE) * 1e9, "paid");
        same(token.balanceOf(COLLECTOR), 7 * uint256(PRICE / 10) * 1e9, "fee");
        same(vault.books().pool, 5 * (PRICE - PRICE / 10), "pool of the direction vault");
        same(ranking.books().pool, 2 * (PRICE - PRICE / 10), "pool of the ranking vault");
        same(token.balanceOf(address(subscriptions)), 0, "nothing stays");
        same(token.allowance(address(subscriptions), address(vault)), 0, "nor an allowance");
        same(until(ALICE), start(4 * PERIOD), "a feed named twice is extended twice");
        same(subscriptions.subscribedUntil(OTHER, ALICE), start(PERIOD), "the second feed");
        same(subscriptions.subscribedUntil(RANKING, ALICE), start(2 * PERIOD), "the third");
    }

    function test_the_fee_rounds_towards_the_pool() public {
        vm.prank(OWNER);
        subscriptions.announcePrice(TOURNAMENT, 9);
        pass(NOTICE);
        buy(1);
        same(token.balanceOf(COLLECTOR), 0, "a tenth of nine is nothing");
        same(vault.books().pool, 9, "all of it");
    }

    function test_refused_purchases_change_nothing() public {
        _refused(ALICE, order(TOURNAMENT, 1), PRICE - 1, _tooExpensive(PRICE, PRICE - 1));
        bytes4 zero = ISubscriptions.ZeroSubscriber.selector;
        _refused(address(0), order(TOURNAMENT, 1), ANY, abi.encodeWithSelector(zero));
        bytes4 none = ISubscriptions.ZeroPeriods.selector;
        _refused(ALICE, order(TOURNAMENT, 0), ANY, abi.encodeWithSelector(none, TOURNAMENT));
        bytes4 unknown = ISubscriptions.UnknownFeed.selector;
        _refused(ALICE, order(OTHER, 1), ANY, abi.encodeWithSelector(unknown, OTHER));
        bytes4 count = ISubscriptions.BadCount.selector;
        _refused(ALICE, new ISubscriptions.Order[](0), ANY, abi.encodeWithSelector(count, 0, 32));
        _refused(ALICE, new ISubscriptions.Order[](33), ANY, abi.encodeWithSelector(count, 33, 32));
        uint256 limit = subscriptions.MAX_ROUNDS();
        vm.prank(OWNER);
        subscriptions.announcePrice(TOURNAMENT, 1);
        pass(NOTICE);
        uint32 periods = uint32(limit / PERIOD + 1);
        uint256 end = 12 + uint256(periods) * PERIOD;
        bytes4 long = ISubscriptions.TooLong.selector;
        _refused(ALICE, order(TOURNAMENT, periods), ANY, abi.encodeWithSelector(long, TOURNAMENT, end, limit));
        same(vault.books().pool, 0, "no revenue");
        same(until(ALICE), 0, "no subscription");
    }

    function test_the_longest_subscription_is_as_long_as_the_feed() public {
        ISubscriptions.Terms memory values = terms();
        (values.periodRounds, values.price) = (1, 1);
        vm.prank(OWNER);
        registry.registerTournament(OTHER, 0, IRoundRegistry.Kind.Direction, 1, address(vault));
        vm.prank(OWNER);
        subscriptions.addFeed(OTHER, values);
        uint32 limit = uint32(subscriptions.MAX_ROUNDS());
        vm.prank(ALICE);
        subscriptions.subscribe(ALICE, order(OTHER, limit), ANY);
        same(subscriptions.subscribedUntil(OTHER, ALICE), start(limit), "all of it");
        bytes4 long = ISubscriptions.TooLong.selector;
        _refused(ALICE, order(OTHER, 1), ANY, abi.encodeWithSelector(long, OTHER, limit + 1, limit));
    }

    function test_a_price_holds_after_its_notice_and_below_its_cap() public {
        vm.expectEmit();
        emit ISubscriptions.PriceAnnounced(TOURNAMENT, CAP, uint48(clock) + NOTICE);
        vm.prank(OWNER);
        subscriptions.announcePrice(TOURNAMENT, CAP);
        pass(NOTICE - 1);
        same(subscriptions.priceOf(TOURNAMENT), PRICE, "not yet");
        vm.prank(OWNER);
        subscriptions.announcePrice(TOURNAMENT, 2 * PRICE);
        pass(1);
        same(subscriptions.priceOf(TOURNAMENT), PRICE, "replaced before it held");
        pass(NOTICE - 1);
        same(subscriptions.priceOf(TOURNAMENT), 2 * PRICE, "now");
        _refused(ALICE, order(TOURNAMENT, 1), PRICE, _tooExpensive(2 * PRICE, PRICE));
        vm.prank(OWNER);
        subscriptions.announcePrice(TOURNAMENT, PRICE);
        same(subscriptions.priceOf(TOURNAMENT), 2 * PRICE, "what held goes on until the next");
        bytes4 bad = ISubscriptions.BadPrice.selector;
        vm.expectRevert(abi.encodeWithSelector(bad, CAP + 1, CAP));
        vm.prank(OWNER);
        subscriptions.announcePrice(TOURNAMENT, CAP + 1);
        vm.expectRevert(abi.encodeWithSelector(bad, 0, CAP));
        vm.prank(OWNER);
        subscriptions.announcePrice(TOURNAMENT, 0);
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.UnknownFeed.selector, OTHER));
        vm.prank(OWNER);
        subscriptions.announcePrice(OTHER, PRICE);
    }

    function test_a_pause_stops_purchases_alone() public {
        buy(1);
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.NotGuardian.selector, OWNER));
        vm.prank(OWNER);
        subscriptions.setPaused(true);
        vm.prank(GUARDIAN);
        subscriptions.setPaused(true);
        _refused(ALICE, order(TOURNAMENT, 1), ANY, abi.encodeWithSelector(ISubscriptions.IsPaused.selector));
        expectCovered(ALICE, 0, PERIOD);
        travel(start(0));
        same(creditOne(0), 1, "credits go on");
        expectCovered(ALICE, 0, PERIOD + 1);
        vm.prank(GUARDIAN);
        subscriptions.setPaused(false);
        buy(1);
        expectCovered(ALICE, 0, 2 * PERIOD + 1);
    }

    function test_a_vault_that_takes_no_money_sells_nothing() public {
        vm.prank(GUARDIAN);
        vault.setPaused(true);
        _refused(ALICE, order(TOURNAMENT, 1), ANY, abi.encodeWithSelector(IStakeVault.IsPaused.selector));
        pass(IDLE);
        vault.shutDown();
        _refused(ALICE, order(TOURNAMENT, 1), ANY, abi.encodeWithSelector(IStakeVault.IsShutDown.selector));
        same(until(ALICE), 0, "no subscription");
        same(token.balanceOf(COLLECTOR), 0, "no fee");
    }

    function _feeds() private returns (StakeVault ranking) {
        ranking = new StakeVault(settings(IRoundRegistry.Kind.Ranking));
        vm.prank(OWNER);
        registry.registerTournament(OTHER, 0, IRoundRegistry.Kind.Direction, 1, address(vault));
        vm.prank(OWNER);
        registry.registerTournament(RANKING, 0, IRoundRegistry.Kind.Ranking, 1, address(ranking));
        addFeed(OTHER);
        addFeed(RANKING);
    }

    function _tooExpensive(uint64 cost, uint64 most) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISubscriptions.TooExpensive.selector, cost, most);
    }

    function _refused(
        address subscriber,
        ISubscriptions.Order[] memory list,
        uint64 most,
        bytes memory why
    ) private {
        vm.expectRevert(why);
        vm.prank(ALICE);
        subscriptions.subscribe(subscriber, list, most);
    }
}
