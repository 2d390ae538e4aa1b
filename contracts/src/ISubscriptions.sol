// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IRoundRegistry} from "./IRoundRegistry.sol";

/// @title Who may see the forecasts of a feed before its rounds have an outcome
/// @notice A feed is the combined forecast of a tournament and has the tournament's id. Its rounds start
/// at `firstStart + k · cadence`. A subscription is a first round and a number of rounds: a period is
/// `periodRounds` of them. A purchase counts from the next open round on, that is the first one that
/// starts more than `lead` seconds after the block; while a subscription runs, or when it ends with the
/// round before, a purchase adds to its end and never moves its beginning.
///
/// Void rounds. A subscription counts the rounds that were not void: the end moves by one round for each
/// void round within it, also within what was added so, for every subscriber at once. What is void is
/// read from the RoundRegistry, so it needs nobody's word: a round that was not committed before it
/// started (late), one that `voidRound` closed, and one that an accepted batch settled as void.
/// Anyone tells with `credit`, for the last kind after `noteVoids`; each round counts once.
///
/// Money. Amounts are in units of 1e-9 token. Of the price, `feePpm` (at most MAX_FEE_PPM, rounded
/// down) goes to the receiver of the fee at once, the rest to the pool of the feed's vault by
/// `StakeVault.fund`. Nothing stays here: the contract holds no token between two calls but what
/// somebody sent without a call, which belongs to nobody.
///
/// Roles. The owner (two-step) adds feeds for good, announces prices that hold after `notice` and never
/// above the feed's cap, sets the fee within its cap and names the guardian. The guardian pauses
/// purchases and nothing else. No role shortens a subscription, takes money, or withholds a credit.
/// There is no proxy and nothing to upgrade.
///
/// Assumptions. The token is the vaults': 18 decimals, exact transfers, no fees, no rebasing. The vault
/// of a tournament is the one that the registry names. The block time is within seconds of real time.
///
/// When it fails. A vault that is paused, full or shut down takes no money, so that purchases of its
/// feeds fail whole. What was paid is in the pool and does not come back. A void that is credited only
/// after the end of a subscription moves the end over rounds that are past. Whether a forecast was
/// delivered well is not known here: a round that was settled counts as delivered.
interface ISubscriptions {
    /// @param notice seconds from the announcement of a price until it holds
    /// @param feePpm of each price, at most MAX_FEE_PPM
    struct Settings {
        address token;
        address registry;
        uint32 notice;
        uint32 feePpm;
        address feeReceiver;
        address owner;
        address guardian;
    }

    /// @param firstStart start of round 0, in seconds; in the future when the feed is added
    /// @param cadence seconds from the start of a round to the next
    /// @param lead seconds before its start from which a round is no longer open for a purchase
    /// @param periodRounds rounds in a period
    /// @param price units for a period
    /// @param priceCap the most that the price can ever be
    struct Terms {
        uint48 firstStart;
        uint32 cadence;
        uint16 lead;
        uint32 periodRounds;
        uint64 price;
        uint64 priceCap;
    }

    /// @param price units for a period until nextFrom
    /// @param nextPrice units for a period from nextFrom on
    struct Feed {
        address vault;
        uint48 firstStart;
        uint32 cadence;
        uint16 lead;
        uint32 periodRounds;
        uint64 price;
        uint64 nextPrice;
        uint48 nextFrom;
        uint64 priceCap;
    }

    struct Order {
        bytes32 feed;
        uint32 periods;
    }

    event FeedAdded(bytes32 indexed feed, address indexed vault, Terms terms);
    event PriceAnnounced(bytes32 indexed feed, uint64 price, uint48 from);
    event FeeSet(uint32 feePpm, address indexed receiver);
    event GuardianSet(address indexed guardian);
    event PauseSet(bool paused);
    /// @param startsAt start of the subscription's first round
    /// @param countsFrom start of the round from which this purchase counts, by the voids known now:
    /// the next open round, or the end of the subscription that it extends
    /// @param added rounds of this purchase
    /// @param rounds all rounds of the subscription since startsAt
    /// @param cost units paid, the fee among them
    event Subscribed(
        bytes32 indexed feed,
        address indexed subscriber,
        address indexed payer,
        uint48 startsAt,
        uint48 countsFrom,
        uint32 added,
        uint32 rounds,
        uint64 cost,
        uint64 fee
    );
    event VoidNoted(bytes32 indexed feed, uint64 startsAt, uint32 proposal);
    event RoundCredited(bytes32 indexed feed, uint64 startsAt);

    error BadSettings();
    error BadTerms();
    error FeedExists(bytes32 feed);
    error UnknownFeed(bytes32 feed);
    error WrongToken(address vault, address token);
    error BadPrice(uint64 price, uint64 cap);
    error BadFee(uint32 feePpm, address receiver);
    error NotGuardian(address sender);
    error IsPaused();
    error ZeroSubscriber();
    error ZeroPeriods(bytes32 feed);
    error BadCount(uint256 count, uint256 limit);
    error TooLong(bytes32 feed, uint256 rounds, uint256 limit);
    error TooExpensive(uint256 cost, uint64 maximumCost);
    error InexactTransfer(uint256 expected, uint256 received);
    error NotARound(bytes32 feed, uint64 startsAt);
    error RoundNotStarted(bytes32 feed, uint64 startsAt);
    error RoundNotVoid(bytes32 feed, uint64 startsAt, IRoundRegistry.RoundState state);
    error WrongReveals(bytes32 hash, bytes32 proposed);

    /// @notice Buys periods of one or many feeds for a subscriber, who may be somebody else than the
    /// payer. A feed named twice is extended twice.
    /// @param orders at least one, at most MAX_ORDERS
    /// @param maximumCost units; a purchase that costs more is refused
    function subscribe(address subscriber, Order[] calldata orders, uint64 maximumCost) external;

    /// @notice `subscribe` after the token's `permit` for maximumCost · 1e9 wei. A permit that was already
    /// spent by somebody else's transaction is no error while the allowance stands.
    function subscribeWithPermit(
        address subscriber,
        Order[] calldata orders,
        uint64 maximumCost,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Counts void rounds of a feed, so that its subscriptions end later. Anyone, also while
    /// paused. Rounds that were counted before are passed over; one that is not void refuses the call.
    /// @param startsAt starts of the rounds, at most MAX_ROUNDS_PER_CALL
    /// @return credited rounds that had not been counted before
    function credit(bytes32 feed, uint64[] calldata startsAt) external returns (uint256 credited);

    /// @notice Keeps which rounds the last proposal of the feed's vault calls void, pending or accepted.
    /// Anyone, from the proposal until the next one; it counts once that proposal was accepted and the
    /// rounds are credited.
    /// @param reveals those of the proposal, all of them
    function noteVoids(bytes32 feed, IRoundRegistry.Reveal[] calldata reveals) external;

    /// @notice Adds a tournament's feed for good. Owner only.
    function addFeed(bytes32 feed, Terms calldata terms) external;

    /// @notice Sets the price that holds after the notice, in place of one announced before that does
    /// not hold yet. Owner only.
    function announcePrice(bytes32 feed, uint64 price) external;

    /// @notice Sets share and receiver of the fee of later purchases; what they cost is not touched.
    /// Owner only.
    function setFee(uint32 feePpm, address receiver) external;

    function setPaused(bool paused) external;

    function setGuardian(address guardian) external;

    /// @notice Start of the first round after the subscription by the voids known now, 0 if there never
    /// was one. It only ever grows.
    function subscribedUntil(bytes32 feed, address subscriber) external view returns (uint256);

    /// @notice Whether the subscription covers the round in which the time lies: from its start on, until
    /// the next round's.
    function isSubscribed(bytes32 feed, address subscriber, uint256 time) external view returns (bool);

    /// @return startsAt start of the first round, 0 if there never was a subscription
    /// @return rounds that are not void and that the subscription has from there on
    function subscriptionOf(bytes32 feed, address subscriber)
        external
        view
        returns (uint256 startsAt, uint256 rounds);

    /// @notice Start of the round from which a new subscription would count in a block of this time.
    function nextOpenRound(bytes32 feed, uint256 time) external view returns (uint256);

    /// @notice Units that the orders cost now.
    function costOf(Order[] calldata orders) external view returns (uint256);

    /// @notice Units for a period now.
    function priceOf(bytes32 feed) external view returns (uint64);

    function feedOf(bytes32 feed) external view returns (Feed memory);

    function isCredited(bytes32 feed, uint64 startsAt) external view returns (bool);

    function token() external view returns (IERC20);

    function registry() external view returns (IRoundRegistry);

    function notice() external view returns (uint32);

    function feePpm() external view returns (uint32);

    function feeReceiver() external view returns (address);

    function guardian() external view returns (address);

    function paused() external view returns (bool);
}
