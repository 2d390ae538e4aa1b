// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {vm} from "./Harness.sol";
import {SubscriptionsHarness} from "./SubscriptionsHarness.sol";

/// @notice Random use of one feed in which every call must succeed, but for credits that are tried
/// although the round is not void. The handler keeps its own books to compare with.
contract SubscriptionsHandler is SubscriptionsHarness {
    enum Fate {
        Uncommitted,
        Committed,
        Delivered,
        Void
    }

    struct Run {
        uint256 first;
        uint256 rounds;
    }

    uint64 public revenue;
    uint64 public fees;
    uint256 public donated;
    mapping(uint256 index => Fate) public fates;
    mapping(uint256 index => bool) public counted;
    mapping(address subscriber => Run) public runs;
    mapping(address subscriber => uint256) public least;
    mapping(string action => uint256) public calls;

    constructor() {
        setUp();
    }

    function subscribe(uint256 pick, uint32 periods, bool gift) external {
        if (subscriptions.paused()) return;
        periods = uint32(within(periods, 1, 3));
        (address payer, address subscriber) = pick % 2 == 0 ? (ALICE, BOB) : (BOB, ALICE);
        if (!gift) subscriber = payer;
        uint64 cost = subscriptions.priceOf(TOURNAMENT) * periods;
        uint256 next = clock + LEAD < first ? 0 : (clock + LEAD - first) / CADENCE + 1;
        Run storage run = runs[subscriber];
        if (run.rounds == 0 || plainEnd(subscriber) < next) (run.first, run.rounds) = (next, 0);
        else calls["extend"]++;
        run.rounds += periods * PERIOD;
        least[subscriber] = plainEnd(subscriber);
        uint64 fee = uint64(uint256(cost) * subscriptions.feePpm() / 1e6);
        (revenue, fees) = (revenue + cost - fee, fees + fee);
        vm.prank(payer);
        subscriptions.subscribe(subscriber, order(TOURNAMENT, periods), cost);
    }

    /// @dev Any round that began, void or not.
    function credit(uint256 pick) external {
        if (clock < first) return;
        uint256 index = within(pick, 0, (clock - first) / CADENCE);
        bool void = fates[index] == Fate.Uncommitted || fates[index] == Fate.Void;
        try subscriptions.credit(TOURNAMENT, starts(index)) returns (uint256 credited) {
            holds(void, "only a void round is credited");
            same(credited, counted[index] ? 0 : 1, "once");
            counted[index] = true;
            calls["credit"]++;
        } catch {
            holds(!void, "a void round is credited");
        }
    }

    function commit() external {
        uint256 index = clock < first ? 0 : (clock - first) / CADENCE + 1;
        if (fates[index] != Fate.Uncommitted) return;
        if (clock < start(index) - MARGIN) travel(start(index) - MARGIN);
        commitRound(start(index));
        fates[index] = Fate.Committed;
    }

    /// @dev The oldest committed round, by a batch, noted before or after the batch is accepted.
    function settle(uint256 seed) external {
        for (uint256 index = 0; start(index) < clock; ++index) {
            if (fates[index] != Fate.Committed || clock > start(index) + SETTLE_BY) continue;
            IRoundRegistry.Reveal[] memory reveals = one(revealOf(TOURNAMENT, start(index)));
            bool void = seed % 2 == 0;
            if (void) reveals[0].outcome = IRoundRegistry.Outcome.Void;
            propose(reveals);
            if (seed % 4 < 2) subscriptions.noteVoids(TOURNAMENT, reveals);
            accept();
            if (seed % 4 >= 2) subscriptions.noteVoids(TOURNAMENT, reveals);
            fates[index] = void ? Fate.Void : Fate.Delivered;
            calls["settle"]++;
            return;
        }
    }

    function close() external {
        for (uint256 index = 0; start(index) + SETTLE_BY < clock; ++index) {
            if (fates[index] != Fate.Committed) continue;
            registry.voidRound(TOURNAMENT, start(index));
            fates[index] = Fate.Void;
            calls["close"]++;
        }
    }

    function announce(uint64 price) external {
        vm.prank(OWNER);
        subscriptions.announcePrice(TOURNAMENT, uint64(within(price, 1, CAP)));
    }

    function setFee(uint32 ppm) external {
        vm.prank(OWNER);
        subscriptions.setFee(uint32(within(ppm, 0, 100_000)), COLLECTOR);
    }

    function pause(uint256 seed) external {
        vm.prank(GUARDIAN);
        subscriptions.setPaused(seed % 8 == 0);
    }

    function donate(uint256 amount) external {
        amount = within(amount, 1, 1 ether);
        vm.prank(BOB);
        token.transfer(address(subscriptions), amount);
        donated += amount;
    }

    function wait(uint256 time) external {
        pass(within(time, 1, 3 * CADENCE));
    }

    /// @dev Walks over the rounds one by one.
    function plainEnd(address subscriber) public view returns (uint256 index) {
        Run memory run = runs[subscriber];
        index = run.first;
        for (uint256 left = run.rounds; left != 0; ++index) {
            if (!counted[index]) --left;
        }
    }

    function contracts() external view returns (Subscriptions, bytes32, address, address) {
        return (subscriptions, TOURNAMENT, ALICE, BOB);
    }

    function startOf(uint256 index) external view returns (uint256) {
        return start(index);
    }

    /// @dev Pool of the vault in units, and what the collector and the contract hold in wei.
    function money() external view returns (uint64 pool, uint256 collected, uint256 here) {
        return (
            vault.books().pool, token.balanceOf(COLLECTOR), token.balanceOf(address(subscriptions))
        );
    }
}
