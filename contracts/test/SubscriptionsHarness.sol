// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {ISubscriptions} from "../src/ISubscriptions.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Harness, vm} from "./Harness.sol";

/// @notice The harness with a feed of five-minute rounds, ten to a period at 20 tokens, of which a
/// tenth is the fee. The first round starts five minutes after the set-up.
abstract contract SubscriptionsHarness is Harness {
    uint32 internal constant CADENCE = 300;
    uint16 internal constant LEAD = 15;
    uint32 internal constant PERIOD = 10;
    uint64 internal constant PRICE = 20 * TOKEN;
    uint64 internal constant CAP = 100 * TOKEN;
    uint32 internal constant NOTICE = 3600;
    uint32 internal constant FEE_PPM = 100_000;
    uint64 internal constant ANY = type(uint64).max;

    address internal immutable COLLECTOR = address(0xC1);
    Subscriptions internal subscriptions;
    /// @dev Start of round 0.
    uint64 internal first;

    function setUp() public virtual override {
        super.setUp();
        first = uint64(clock) + CADENCE;
        subscriptions = new Subscriptions(sales());
        addFeed(TOURNAMENT);
        allow(ALICE);
        allow(BOB);
    }

    /// @dev In a call of its own, so that a test goes on after a refusal that it expected.
    function deploySales(ISubscriptions.Settings memory values) external returns (Subscriptions) {
        return new Subscriptions(values);
    }

    function sales() internal view returns (ISubscriptions.Settings memory) {
        return ISubscriptions.Settings({
            token: address(token),
            registry: address(registry),
            notice: NOTICE,
            feePpm: FEE_PPM,
            feeReceiver: COLLECTOR,
            owner: OWNER,
            guardian: GUARDIAN
        });
    }

    function terms() internal view returns (ISubscriptions.Terms memory) {
        return ISubscriptions.Terms({
            firstStart: uint48(first),
            cadence: CADENCE,
            lead: LEAD,
            periodRounds: PERIOD,
            price: PRICE,
            priceCap: CAP
        });
    }

    function addFeed(bytes32 feed) internal {
        ISubscriptions.Terms memory values = terms();
        vm.prank(OWNER);
        subscriptions.addFeed(feed, values);
    }

    function allow(address payer) internal {
        vm.prank(payer);
        token.approve(address(subscriptions), type(uint256).max);
    }

    function order(bytes32 feed, uint32 periods)
        internal
        pure
        returns (ISubscriptions.Order[] memory list)
    {
        list = new ISubscriptions.Order[](1);
        list[0] = ISubscriptions.Order(feed, periods);
    }

    /// @dev ALICE buys for herself.
    function buy(uint32 periods) internal {
        vm.prank(ALICE);
        subscriptions.subscribe(ALICE, order(TOURNAMENT, periods), ANY);
    }

    function start(uint256 index) internal view returns (uint64) {
        return first + uint64(index) * CADENCE;
    }

    function travel(uint256 time) internal {
        clock = time;
        vm.warp(time);
    }

    function until(address subscriber) internal view returns (uint256) {
        return subscriptions.subscribedUntil(TOURNAMENT, subscriber);
    }

    function starts(uint256 index) internal view returns (uint64[] memory list) {
        list = new uint64[](1);
        list[0] = start(index);
    }

    function creditOne(uint256 index) internal returns (uint256) {
        return subscriptions.credit(TOURNAMENT, starts(index));
    }

    /// @dev Commits a round of the feed half a margin before it starts, and goes there.
    function committed(uint256 index) internal returns (IRoundRegistry.Reveal memory) {
        travel(start(index) - MARGIN / 2);
        return commitRound(start(index));
    }

    function propose(IRoundRegistry.Reveal[] memory reveals) internal {
        bytes32 root = vault.head().root;
        uint64 seq = vault.head().seq + 1;
        vm.prank(OPERATOR);
        vault.proposeBatch(seq, root, 0, 0, 0, reveals, "", 0);
    }

    function accept() internal {
        pass(WINDOW);
        vault.acceptBatch(vault.head().seq + 1, vault.proposal().root);
    }

    function expectCovered(address subscriber, uint256 from, uint256 end) internal view {
        same(until(subscriber), start(end), "until");
        for (uint256 index = 0; index < end + 3; ++index) {
            bool covered = index >= from && index < end;
            holds(covered == isCovered(subscriber, start(index)), "from the start of a round");
            holds(covered == isCovered(subscriber, start(index) + CADENCE - 1), "to its end");
        }
    }

    function isCovered(address subscriber, uint256 time) internal view returns (bool) {
        return subscriptions.isSubscribed(TOURNAMENT, subscriber, time);
    }
}
