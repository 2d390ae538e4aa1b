// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Checks that a combined forecast was signed for this chain, feed and round, and is fresh
/// @notice The forecast of a round is typed data (EIP-712) in the domain ("Foretoken aggregate", "1",
/// chain id, this contract), so that it is worth nothing on another chain or at another verifier.
/// `verify` says whether it is good now; `consume` also remembers its round for the caller, so that each
/// caller sees the rounds of a feed in order and each at most once. The order is kept for each caller
/// apart: nobody can use up a round that somebody else waits for.
///
/// Signers. A forecast needs `threshold` signatures of different signers. The owner (two-step) replaces
/// signers and threshold as a whole: announced first, in force after `signersDelay` when anyone applies
/// it, so that consumers can leave before. The owner takes a signer out at once, because a stolen key
/// must stop at once; that drops what was announced, and with fewer signers than the threshold nothing
/// verifies until a new set is in force. No role can make a forecast, and there is nothing to pause or
/// upgrade.
///
/// Assumptions. Fewer than `threshold` signers lie. The block time is within seconds of real time; a
/// forecast may be generated up to MAX_AHEAD after the block that checks it.
///
/// When it fails. Every fault reverts with its values. A forecast that is sent to a chain before its
/// round has an outcome can be read by everybody.
interface IAggregateVerifier {
    /// @param feed id of the tournament
    /// @param startsAt T of the round in seconds; rounds of a feed are ordered by it
    /// @param probabilityPpm calibrated probability that the outcome is 1
    /// @param lowPpm 5 % point of the probability
    /// @param highPpm 95 % point
    /// @param models staked models in it
    /// @param stakeUnits their stake at risk, W, in 1e-9 token
    /// @param effectiveModelsMilli (Σω)²/Σω² in thousandths
    /// @param disagreementPpm weighted standard deviation of the models' probabilities
    /// @param calibrated whether enough rounds had an outcome to fit the calibration
    /// @param generatedAtUs microseconds UTC at which it was made
    struct Aggregate {
        bytes32 feed;
        uint64 startsAt;
        uint32 probabilityPpm;
        uint32 lowPpm;
        uint32 highPpm;
        uint32 models;
        uint64 stakeUnits;
        uint32 effectiveModelsMilli;
        uint32 disagreementPpm;
        bool calibrated;
        uint64 generatedAtUs;
    }

    event SignersAnnounced(address[] signers, uint256 threshold, uint48 from);
    event SignersSet(address[] signers, uint256 threshold);
    event SignerRemoved(address indexed signer, uint256 left);
    event Consumed(address indexed consumer, bytes32 indexed feed, uint64 startsAt, bytes32 hash);

    error BadSettings();
    error BadSigners();
    error UnknownSigner(address signer);
    error NothingAnnounced();
    error NotYet(uint256 from);
    error WrongFeed(bytes32 feed, bytes32 expected);
    error BadAggregate();
    error TooOld(uint64 generatedAtUs, uint256 expiredAtUs);
    error FromTheFuture(uint64 generatedAtUs, uint256 latestUs);
    error TooFewSignatures(uint256 count, uint256 threshold);
    error SignersUnordered(uint256 position);
    error RoundNotNewer(uint64 startsAt, uint64 last);

    /// @notice Reverts unless the forecast is of the feed, well formed, at most `maximumAge` old, and
    /// signed by at least `threshold` signers.
    /// @param feed the one that the caller wants, not what the forecast says
    /// @param signatures 65 bytes each (r, s, v), by strictly ascending address of the signer; every one
    /// of them has to be a signer's
    function verify(bytes32 feed, Aggregate calldata aggregate, bytes[] calldata signatures)
        external
        view;

    /// @notice `verify`, and that the round starts after every round of the feed that the sender consumed
    /// before. Anyone, for themselves.
    function consume(bytes32 feed, Aggregate calldata aggregate, bytes[] calldata signatures) external;

    /// @notice Announces signers and threshold, in place of what was announced before. Owner only.
    /// @param signers strictly ascending, none of them zero, at most MAX_SIGNERS
    /// @param threshold at least 1, at most as many as there are signers
    function announceSigners(address[] calldata signers, uint256 threshold) external;

    /// @notice Puts in force what was announced, once the delay has passed. Anyone.
    function applySigners() external;

    /// @notice Takes a signer out at once and drops what was announced. Owner only.
    function removeSigner(address signer) external;

    /// @notice The hash that signers sign.
    function hashOf(Aggregate calldata aggregate) external view returns (bytes32);

    /// @notice Start of the last round of the feed that the consumer consumed, 0 if none.
    function lastRound(address consumer, bytes32 feed) external view returns (uint64);

    function signers() external view returns (address[] memory);

    function isSigner(address account) external view returns (bool);

    function threshold() external view returns (uint256);

    /// @notice Signers and threshold that are announced, and when they may be applied: 0 if none are.
    function announced() external view returns (address[] memory, uint256, uint48);

    /// @notice Seconds after which a forecast is refused.
    function maximumAge() external view returns (uint32);

    /// @notice Seconds from the announcement of signers until they can be in force.
    function signersDelay() external view returns (uint32);
}
