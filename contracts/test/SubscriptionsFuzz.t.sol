// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RoundCounts} from "../src/RoundCounts.sol";
import {vm} from "./Harness.sol";
import {SubscriptionsHarness} from "./SubscriptionsHarness.sol";

/// @notice Counts of rounds against plain lists, and the money of a purchase to the unit.
contract SubscriptionsFuzzTest is SubscriptionsHarness {
    using RoundCounts for RoundCounts.Set;

    RoundCounts.Set private _set;

    /// forge-config: default.fuzz.runs = 100
    function testFuzz_a_set_counts_as_a_list_does(uint256 seed, uint256 spread) public {
        spread = 1 << within(spread, 4, 23);
        uint256[] memory members = new uint256[](24);
        uint256 length = 0;
        for (uint256 i = 0; i < 24; ++i) {
            uint256 index = uint256(keccak256(abi.encode(seed, i))) % spread;
            bool there = _isIn(members, length, index);
            holds(_set.contains(index) == there, "contains");
            holds(_set.add(index) != there, "added once");
            if (!there) members[length++] = index;
        }
        for (uint256 i = 0; i < 24; ++i) {
            uint256 from = uint256(keccak256(abi.encode(i, seed))) % spread;
            uint256 until = from + uint256(keccak256(abi.encode(i, i, seed))) % (spread - from);
            uint256 expected = 0;
            for (uint256 k = 0; k < length; ++k) {
                if (members[k] >= from && members[k] < until) ++expected;
            }
            same(_set.count(from, until), expected, "count");
        }
        same(_set.count(0, RoundCounts.CAPACITY - 1), length, "all");
    }

    function test_a_full_word_and_both_ends_are_counted() public {
        for (uint256 i = 0; i < 600; ++i) _set.add(i);
        same(_set.count(0, 255), 255, "all but one of a word");
        same(_set.count(0, 256), 256, "a word");
        same(_set.count(1, 600), 599, "words");
        same(_set.count(599, RoundCounts.CAPACITY - 1), 1, "the last");
        _set.add(RoundCounts.CAPACITY - 1);
        holds(_set.contains(RoundCounts.CAPACITY - 1), "the end");
        same(_set.count(600, RoundCounts.CAPACITY - 1), 0, "is not below itself");
    }

    function testFuzz_a_price_is_split_to_the_unit(uint64 price, uint32 ppm, uint32 periods) public {
        price = uint64(within(price, 1, CAP));
        ppm = uint32(within(ppm, 0, subscriptions.MAX_FEE_PPM()));
        periods = uint32(within(periods, 1, 1000));
        vm.prank(OWNER);
        subscriptions.announcePrice(TOURNAMENT, price);
        vm.prank(OWNER);
        subscriptions.setFee(ppm, COLLECTOR);
        pass(NOTICE);
        uint256 before = token.balanceOf(ALICE);
        buy(periods);
        uint256 cost = uint256(price) * periods;
        uint256 fee = token.balanceOf(COLLECTOR) / 1e9;
        same(before - token.balanceOf(ALICE), cost * 1e9, "the price, no more");
        same(fee + vault.books().pool, cost, "all of it arrives");
        holds(fee * 1e6 <= cost * ppm && (fee + 1) * 1e6 > cost * ppm, "rounded down");
        holds(fee * 10 <= cost, "at most a tenth");
    }

    /// forge-config: default.fuzz.runs = 100
    function testFuzz_a_purchase_never_moves_an_end_back(uint256 seed) public {
        uint256 last = 0;
        for (uint256 i = 0; i < 8; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            pass(within(draw, 1, 6 * CADENCE));
            uint32 periods = uint32(within(draw >> 64, 1, 2));
            uint256 next = subscriptions.nextOpenRound(TOURNAMENT, clock);
            buy(periods);
            uint256 from = last > next ? last : next;
            same(until(ALICE), from + periods * PERIOD * CADENCE, "from the end or the next round");
            if (clock >= first) {
                uint256 end = until(ALICE);
                uint256 index = within(draw >> 128, 0, (clock - first) / CADENCE);
                (uint256 startsAt,) = subscriptions.subscriptionOf(TOURNAMENT, ALICE);
                uint256 moved = start(index) >= startsAt ? creditOne(index) : 0;
                same(until(ALICE), end + moved * CADENCE, "a void within moves it");
            }
            last = until(ALICE);
        }
    }

    function _isIn(uint256[] memory list, uint256 length, uint256 wanted) private pure returns (bool) {
        for (uint256 i = 0; i < length; ++i) {
            if (list[i] == wanted) return true;
        }
        return false;
    }
}
