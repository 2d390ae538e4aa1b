// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Changes} from "./Changes.sol";
import {IRoundRegistry} from "./IRoundRegistry.sol";
import {IStakeVault} from "./IStakeVault.sol";
import {ISubscriptions} from "./ISubscriptions.sol";
import {RoundCounts} from "./RoundCounts.sol";

/// @title Who may see the forecasts of a feed before its rounds have an outcome
/// @dev Described at ISubscriptions. Rounds are known by their index from `firstStart` on.
contract Subscriptions is ISubscriptions, Ownable2Step, ReentrancyGuardTransient {
    using RoundCounts for RoundCounts.Set;
    using SafeERC20 for IERC20;

    uint256 public constant WEI_PER_UNIT = 1e9;
    uint32 public constant MAX_FEE_PPM = 100_000;
    uint256 public constant MAX_ORDERS = 32;
    uint256 public constant MAX_ROUNDS_PER_CALL = 192;
    /// @dev Rounds of a feed, 39 years of five minutes. Ends plus voids stay inside a RoundCounts.
    uint256 public constant MAX_ROUNDS = RoundCounts.CAPACITY / 2;
    uint256 private constant PPM = 1e6;

    /// @param first index of the first round
    /// @param rounds that are not void and that it has from there on, 0 if there never was any
    struct Subscription {
        uint32 first;
        uint32 rounds;
    }

    IERC20 public immutable token;
    IRoundRegistry public immutable registry;
    uint32 public immutable notice;

    address public guardian;
    bool public paused;
    address public feeReceiver;
    uint32 public feePpm;
    mapping(bytes32 feed => Feed) private _feeds;
    mapping(bytes32 feed => mapping(address subscriber => Subscription)) private _subscriptions;
    mapping(bytes32 feed => RoundCounts.Set) private _voids;
    /// @dev The proposal that called the round void, 0 if none did.
    mapping(bytes32 tournament => mapping(uint64 startsAt => uint32)) private _notedIn;

    constructor(Settings memory settings) Ownable(settings.owner) {
        if (
            settings.notice == 0 || settings.registry.code.length == 0
                || IERC20Metadata(settings.token).decimals() != 18
        ) revert BadSettings();
        token = IERC20(settings.token);
        registry = IRoundRegistry(settings.registry);
        notice = settings.notice;
        guardian = settings.guardian;
        emit GuardianSet(settings.guardian);
        _setFee(settings.feePpm, settings.feeReceiver);
    }

    function subscribe(address subscriber, Order[] calldata orders, uint64 maximumCost)
        external
        nonReentrant
    {
        _subscribe(subscriber, orders, maximumCost);
    }

    function subscribeWithPermit(
        address subscriber,
        Order[] calldata orders,
        uint64 maximumCost,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        uint256 value = maximumCost * WEI_PER_UNIT;
        // Anyone may have used the permit first; the transfer then finds the allowance or fails.
        try IERC20Permit(address(token)).permit(
            msg.sender, address(this), value, deadline, v, r, s
        ) {} catch {}
        _subscribe(subscriber, orders, maximumCost);
    }

    function credit(bytes32 feed, uint64[] calldata startsAt) external returns (uint256 credited) {
        Feed storage terms = _known(feed);
        _requireCount(startsAt.length, MAX_ROUNDS_PER_CALL);
        for (uint256 i = 0; i < startsAt.length; ++i) {
            uint256 index = _indexOf(feed, terms, startsAt[i]);
            if (_voids[feed].contains(index)) continue;
            _requireVoid(feed, startsAt[i]);
            assert(_voids[feed].add(index));
            ++credited;
            emit RoundCredited(feed, startsAt[i]);
        }
    }

    function noteVoids(bytes32 feed, IRoundRegistry.Reveal[] calldata reveals) external {
        IStakeVault vault = IStakeVault(_known(feed).vault);
        bytes32 hash = Changes.hashReveals(reveals);
        // What was proposed last stays there until the next proposal, whatever became of it.
        bytes32 proposed = vault.proposal().revealsHash;
        uint32 number = vault.books().proposals;
        if (hash != proposed) revert WrongReveals(hash, proposed);
        for (uint256 i = 0; i < reveals.length; ++i) {
            if (reveals[i].outcome != IRoundRegistry.Outcome.Void) continue;
            (bytes32 tournament, uint64 startsAt) = (reveals[i].tournament, reveals[i].startsAt);
            _notedIn[tournament][startsAt] = number;
            emit VoidNoted(tournament, startsAt, number);
        }
    }

    function addFeed(bytes32 feed, Terms calldata terms) external onlyOwner {
        if (_feeds[feed].vault != address(0)) revert FeedExists(feed);
        if (
            terms.firstStart <= block.timestamp || terms.cadence == 0 || terms.lead >= terms.cadence
                || terms.periodRounds == 0 || terms.periodRounds > MAX_ROUNDS
        ) revert BadTerms();
        if (terms.price == 0 || terms.price > terms.priceCap) {
            revert BadPrice(terms.price, terms.priceCap);
        }
        address vault = registry.tournamentOf(feed).vault;
        if (vault == address(0)) revert UnknownFeed(feed);
        if (address(IStakeVault(vault).token()) != address(token)) revert WrongToken(vault, address(token));
        _feeds[feed] = Feed({
            vault: vault,
            firstStart: terms.firstStart,
            cadence: terms.cadence,
            lead: terms.lead,
            periodRounds: terms.periodRounds,
            price: terms.price,
            nextPrice: terms.price,
            nextFrom: 0,
            priceCap: terms.priceCap
        });
        emit FeedAdded(feed, vault, terms);
    }

    function announcePrice(bytes32 feed, uint64 price) external onlyOwner {
        Feed storage terms = _known(feed);
        if (price == 0 || price > terms.priceCap) revert BadPrice(price, terms.priceCap);
        uint48 from = uint48(block.timestamp + notice);
        terms.price = _price(terms);
        terms.nextPrice = price;
        terms.nextFrom = from;
        emit PriceAnnounced(feed, price, from);
    }

    function setFee(uint32 feePpm_, address receiver) external onlyOwner {
        _setFee(feePpm_, receiver);
    }

    function setPaused(bool paused_) external {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        paused = paused_;
        emit PauseSet(paused_);
    }

    function setGuardian(address guardian_) external onlyOwner {
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    function subscribedUntil(bytes32 feed, address subscriber) external view returns (uint256) {
        Feed storage terms = _known(feed);
        Subscription memory held = _subscriptions[feed][subscriber];
        return held.rounds == 0 ? 0 : _startOf(terms, _endOf(feed, held));
    }

    function isSubscribed(bytes32 feed, address subscriber, uint256 time) external view returns (bool) {
        Feed storage terms = _known(feed);
        Subscription memory held = _subscriptions[feed][subscriber];
        if (held.rounds == 0 || time < _startOf(terms, held.first)) return false;
        return (time - terms.firstStart) / terms.cadence < _endOf(feed, held);
    }

    function subscriptionOf(bytes32 feed, address subscriber)
        external
        view
        returns (uint256 startsAt, uint256 rounds)
    {
        Feed storage terms = _known(feed);
        Subscription memory held = _subscriptions[feed][subscriber];
        return held.rounds == 0 ? (0, 0) : (_startOf(terms, held.first), uint256(held.rounds));
    }

    function nextOpenRound(bytes32 feed, uint256 time) external view returns (uint256) {
        Feed storage terms = _known(feed);
        return _startOf(terms, _nextOpen(terms, time));
    }

    function costOf(Order[] calldata orders) external view returns (uint256 cost) {
        for (uint256 i = 0; i < orders.length; ++i) {
            cost += _cost(_known(orders[i].feed), orders[i].periods);
        }
    }

    function priceOf(bytes32 feed) external view returns (uint64) {
        return _price(_known(feed));
    }

    function feedOf(bytes32 feed) external view returns (Feed memory) {
        return _feeds[feed];
    }

    function isCredited(bytes32 feed, uint64 startsAt) external view returns (bool) {
        return _voids[feed].contains(_indexOf(feed, _known(feed), startsAt));
    }

    function _subscribe(address subscriber, Order[] calldata orders, uint64 maximumCost) private {
        if (paused) revert IsPaused();
        if (subscriber == address(0)) revert ZeroSubscriber();
        _requireCount(orders.length, MAX_ORDERS);
        uint256 total = 0;
        uint256 fees = 0;
        uint256[] memory revenues = new uint256[](orders.length);
        for (uint256 i = 0; i < orders.length; ++i) {
            uint256 cost = _cost(_known(orders[i].feed), orders[i].periods);
            total += cost;
            if (total > maximumCost) revert TooExpensive(total, maximumCost);
            uint256 fee = cost * feePpm / PPM;
            fees += fee;
            revenues[i] = cost - fee;
            _extend(orders[i], subscriber, uint64(cost), uint64(fee));
        }
        _pull(total);
        if (fees != 0) token.safeTransfer(feeReceiver, fees * WEI_PER_UNIT);
        for (uint256 i = 0; i < orders.length; ++i) {
            _fund(orders[i].feed, revenues[i]);
        }
    }

    function _extend(Order calldata order, address subscriber, uint64 cost, uint64 fee) private {
        bytes32 feed = order.feed;
        Feed storage terms = _feeds[feed];
        uint256 added = uint256(order.periods) * terms.periodRounds;
        if (added == 0) revert ZeroPeriods(feed);
        (Subscription memory next, uint256 from) =
            _extended(feed, terms, _subscriptions[feed][subscriber], added);
        _subscriptions[feed][subscriber] = next;
        emit Subscribed(
            feed,
            subscriber,
            msg.sender,
            uint48(_startOf(terms, next.first)),
            uint48(_startOf(terms, from)),
            uint32(added),
            next.rounds,
            cost,
            fee
        );
    }

    function _setFee(uint32 feePpm_, address receiver) private {
        if (feePpm_ > MAX_FEE_PPM || receiver == address(0) || receiver == address(this)) {
            revert BadFee(feePpm_, receiver);
        }
        feePpm = feePpm_;
        feeReceiver = receiver;
        emit FeeSet(feePpm_, receiver);
    }

    function _pull(uint256 units) private {
        uint256 expected = units * WEI_PER_UNIT;
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), expected);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != expected) revert InexactTransfer(expected, received);
    }

    function _fund(bytes32 feed, uint256 units) private {
        IStakeVault vault = IStakeVault(_feeds[feed].vault);
        token.forceApprove(address(vault), units * WEI_PER_UNIT);
        vault.fund(feed, uint64(units));
    }

    function _known(bytes32 feed) private view returns (Feed storage terms) {
        terms = _feeds[feed];
        if (terms.vault == address(0)) revert UnknownFeed(feed);
    }

    function _price(Feed storage terms) private view returns (uint64) {
        return block.timestamp < terms.nextFrom ? terms.price : terms.nextPrice;
    }

    function _cost(Feed storage terms, uint32 periods) private view returns (uint256) {
        return uint256(_price(terms)) * periods;
    }

    /// @dev No committed round is void before it was; an uncommitted one is from its start on, because
    /// the registry then takes no commitment. A round settled in a proposal has the outcome that the
    /// proposal revealed.
    function _requireVoid(bytes32 feed, uint64 startsAt) private view {
        if (block.timestamp < startsAt) revert RoundNotStarted(feed, startsAt);
        (, uint32 proposal, IRoundRegistry.RoundState state) = registry.roundOf(feed, startsAt);
        if (state == IRoundRegistry.RoundState.None || state == IRoundRegistry.RoundState.Void) return;
        bool settled = state == IRoundRegistry.RoundState.Settled;
        if (!settled || _notedIn[feed][startsAt] != proposal) revert RoundNotVoid(feed, startsAt, state);
    }

    function _requireCount(uint256 count, uint256 limit) private pure {
        if (count == 0 || count > limit) revert BadCount(count, limit);
    }

    function _indexOf(bytes32 feed, Feed storage terms, uint64 startsAt)
        private
        view
        returns (uint256 index)
    {
        if (startsAt < terms.firstStart) revert NotARound(feed, startsAt);
        uint256 time = uint256(startsAt) - terms.firstStart;
        index = time / terms.cadence;
        if (time % terms.cadence != 0 || index >= MAX_ROUNDS) revert NotARound(feed, startsAt);
    }

    function _startOf(Feed storage terms, uint256 index) private view returns (uint256) {
        return terms.firstStart + index * terms.cadence;
    }

    /// @dev The subscription with rounds added, and the index from which these count.
    function _extended(bytes32 feed, Feed storage terms, Subscription memory held, uint256 added)
        private
        view
        returns (Subscription memory next, uint256 from)
    {
        from = _nextOpen(terms, block.timestamp);
        uint256 end = held.rounds == 0 ? 0 : _endOf(feed, held);
        (uint256 first, uint256 rounds) = (from, added);
        if (held.rounds != 0 && end >= from) {
            (first, from, rounds) = (held.first, end, held.rounds + added);
        }
        if (first + rounds > MAX_ROUNDS) revert TooLong(feed, first + rounds, MAX_ROUNDS);
        next = Subscription({first: uint32(first), rounds: uint32(rounds)});
    }

    /// @dev The first round that starts more than `lead` seconds after the time.
    function _nextOpen(Feed storage terms, uint256 time) private view returns (uint256) {
        uint256 closed = time + terms.lead;
        uint256 first = terms.firstStart;
        return closed < first ? 0 : (closed - first) / terms.cadence + 1;
    }

    /// @dev The least index from which on back to the first round lie as many rounds that are not void
    /// as the subscription has. Only rounds that started are void, so each of them moves it by one at
    /// most, and halving finds it.
    function _endOf(bytes32 feed, Subscription memory held) private view returns (uint256 end) {
        RoundCounts.Set storage voids = _voids[feed];
        uint256 first = held.first;
        end = first + held.rounds;
        uint256 most = end + voids.count(first, MAX_ROUNDS);
        while (end < most) {
            uint256 middle = (end + most) / 2;
            if (middle - first - voids.count(first, middle) >= held.rounds) most = middle;
            else end = middle + 1;
        }
    }
}
