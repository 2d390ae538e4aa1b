// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ForeToken} from "../../src/ForeToken.sol";
import {IRoundRegistry} from "../../src/IRoundRegistry.sol";
import {ISubscriptions} from "../../src/ISubscriptions.sol";
import {Subscriptions} from "../../src/Subscriptions.sol";
import {svm, vm} from "./SymbolicVault.sol";

/// @notice A registry in which no round was ever committed, and a vault that takes money as it must.
contract OpenRegistry {
    IERC20 public immutable token;

    constructor(IERC20 token_) {
        token = token_;
    }

    function tournamentOf(bytes32) external view returns (IRoundRegistry.Tournament memory rules) {
        rules.vault = address(this);
    }

    function roundOf(bytes32, uint64)
        external
        pure
        returns (bytes28, uint32, IRoundRegistry.RoundState)
    {}

    function fund(bytes32, uint64 amount) external {
        token.transferFrom(msg.sender, address(this), uint256(amount) * 1e9);
    }
}

/// @notice Purchases of a feed with rounds of 256 seconds, a length by which a solver divides at once.
/// The first purchase is open in time and size, so that the second finds any subscription there can be
/// without void rounds; those are left to the fuzz and invariant tests but for one.
contract SubscriptionsSymbolic {
    bytes32 private constant FEED = "feed";
    uint256 private constant CADENCE = 256;
    uint256 private constant FIRST = 1 << 31;
    uint64 private constant PRICE = 1;

    ForeToken private _token;
    Subscriptions private _subscriptions;
    address private _subscriber;

    function setUp() public {
        vm.warp(FIRST - CADENCE);
        _token = new ForeToken(address(this), 1e9 ether);
        address registry = address(new OpenRegistry(_token));
        _subscriptions = new Subscriptions(
            ISubscriptions.Settings({
                token: address(_token),
                registry: registry,
                notice: 3600,
                feePpm: 0,
                feeReceiver: address(0xC1),
                owner: address(this),
                guardian: address(0xA2)
            })
        );
        _subscriptions.addFeed(
            FEED,
            ISubscriptions.Terms({
                firstStart: uint48(FIRST),
                cadence: uint32(CADENCE),
                lead: 15,
                periodRounds: 16,
                price: PRICE,
                priceCap: PRICE
            })
        );
        _token.approve(address(_subscriptions), type(uint256).max);
        _subscriber = svm.createAddress("subscriber");
    }

    /// @notice The end moves by what was bought, from the old end or from the next open round, whichever
    /// is later; a subscription that runs keeps its beginning.
    function check_a_purchase_extends_and_never_resets(uint32 periods, uint256 wait, uint32 more) public {
        _buyAt(svm.createUint256("time"), periods);
        uint256 end = _subscriptions.subscribedUntil(FEED, _subscriber);
        (uint256 startsAt, uint256 rounds) = _subscriptions.subscriptionOf(FEED, _subscriber);
        vm.assume(wait < 1 << 40);
        uint256 next = _subscriptions.nextOpenRound(FEED, _time + wait);
        _buyAt(_time + wait, more);
        uint256 added = uint256(more) * 16;
        uint256 from = end < next ? next : end;
        assert(_subscriptions.subscribedUntil(FEED, _subscriber) == from + added * CADENCE);
        (uint256 startsAtNow, uint256 roundsNow) = _subscriptions.subscriptionOf(FEED, _subscriber);
        assert(startsAtNow == (end < next ? next : startsAt));
        assert(roundsNow == (end < next ? 0 : rounds) + added);
    }

    /// @notice It counts from a round that is still open and is the first of them.
    function check_a_first_purchase_counts_from_the_next_open_round(uint32 periods) public {
        _buyAt(svm.createUint256("time"), periods);
        (uint256 startsAt,) = _subscriptions.subscriptionOf(FEED, _subscriber);
        assert(startsAt > _time + 15);
        assert(startsAt == FIRST || startsAt <= _time + 15 + CADENCE);
        assert((startsAt - FIRST) % CADENCE == 0);
    }

    /// @notice Nothing but a purchase or a void round changes a subscription, whoever calls.
    function check_no_other_call_changes_a_subscription(uint32 periods) public {
        _buyAt(FIRST, periods);
        uint256 end = _subscriptions.subscribedUntil(FEED, _subscriber);
        bytes memory data = svm.createCalldata("Subscriptions");
        vm.assume(_isOther(bytes4(data)));
        _callAs(svm.createAddress("caller"), data);
        assert(_subscriptions.subscribedUntil(FEED, _subscriber) == end);
    }

    /// @notice A void round moves the end by one round if the subscription holds it, else not at all, and
    /// a second time not at all.
    function check_a_void_round_moves_the_end_by_one(uint32 periods, uint32 round) public {
        _buyAt(FIRST, periods);
        vm.assume(periods < 4 && round < 80);
        uint64[] memory list = new uint64[](1);
        list[0] = uint64(FIRST + round * CADENCE);
        uint256 end = _subscriptions.subscribedUntil(FEED, _subscriber);
        bool held = _subscriptions.isSubscribed(FEED, _subscriber, list[0]);
        vm.warp(FIRST + 100 * CADENCE);
        assert(_subscriptions.credit(FEED, list) == 1);
        uint256 moved = held ? end + CADENCE : end;
        assert(_subscriptions.subscribedUntil(FEED, _subscriber) == moved);
        assert(_subscriptions.credit(FEED, list) == 0);
        assert(_subscriptions.subscribedUntil(FEED, _subscriber) == moved);
    }

    /// @notice No call sets a fee above the cap.
    function check_the_fee_never_exceeds_its_cap() public {
        bytes memory data = svm.createCalldata("Subscriptions");
        vm.assume(_isOther(bytes4(data)));
        _callAs(svm.createAddress("caller"), data);
        assert(_subscriptions.feePpm() <= 100_000);
    }

    uint256 private _time;

    function _buyAt(uint256 time, uint32 periods) private {
        vm.assume(time >= FIRST - CADENCE && time < 1 << 41);
        vm.warp(time);
        _time = time;
        ISubscriptions.Order[] memory list = new ISubscriptions.Order[](1);
        list[0] = ISubscriptions.Order(FEED, periods);
        bytes memory data = abi.encodeCall(ISubscriptions.subscribe, (_subscriber, list, type(uint64).max));
        (bool done,) = address(_subscriptions).call(data);
        vm.assume(done);
    }

    function _callAs(address caller, bytes memory data) private {
        vm.prank(caller);
        (bool done,) = address(_subscriptions).call(data);
        vm.assume(done);
    }

    function _isOther(bytes4 selector) private pure returns (bool) {
        return selector != ISubscriptions.subscribe.selector
            && selector != ISubscriptions.subscribeWithPermit.selector
            && selector != ISubscriptions.credit.selector && selector != ISubscriptions.noteVoids.selector;
    }
}
