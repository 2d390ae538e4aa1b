// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Tournaments, commitments and the life of a round
/// @notice A round is committed before it starts, revealed by its vault's proposal and ends settled
/// or void, never both.
///
/// Roles. The owner (two-step) registers tournaments for good and names the committer. The committer
/// writes commitments and nothing else: it can neither change a commitment nor write one after the
/// start. Nobody can change a tournament or a commitment.
///
/// Assumptions. The vault named by a tournament is a StakeVault of this registry. The block time is
/// within seconds of real time.
///
/// When it fails. A commitment that is not mined in time leaves the round without one, so it can
/// never settle. A round that no accepted proposal holds by the end of its time is closed by anyone
/// with `voidRound`; it needs no key.
interface IRoundRegistry {
    enum Kind {
        None,
        Direction,
        Ranking
    }

    /// @notice y of a direction round, or void. A scored ranking round says Zero.
    enum Outcome {
        Zero,
        One,
        Void
    }

    enum RoundState {
        None,
        Committed,
        Held,
        Settled,
        Void
    }

    enum SkipReason {
        UnknownTournament,
        Late,
        TooEarly,
        EmptyCommitment,
        AlreadyCommitted
    }

    /// @param parameter in ppm: the clamp a of a direction tournament, the loss limit L of a ranking
    /// @param settleBy seconds after the start until which the round may be proposed
    /// @param margin seconds before the start from which a commitment is taken
    struct Tournament {
        address vault;
        Kind kind;
        uint24 parameter;
        uint32 settleBy;
        uint32 margin;
        bytes32 ruleHash;
    }

    /// @param startsAt T in seconds
    /// @param commitment keccak256(0x03 ‖ roundId ‖ prediction root ‖ salt)
    struct RoundCommitment {
        bytes32 tournament;
        uint64 startsAt;
        bytes32 commitment;
    }

    /// @param top hash of the prediction tree's top node
    /// @param totalStake W, in units of 1e-9 token, below 2^63
    /// @param totalWeighted P = Σ w·p with p in ppm, at most 1e6·W
    /// @param evidence hash of the evidence of the outcome
    struct Reveal {
        bytes32 tournament;
        uint64 startsAt;
        bytes32 top;
        uint64 totalStake;
        uint128 totalWeighted;
        Outcome outcome;
        bytes32 salt;
        bytes32 evidence;
    }

    event CommitterSet(address indexed committer);
    event TournamentRegistered(
        bytes32 indexed tournament, address indexed vault, Kind kind, uint24 parameter, bytes32 ruleHash
    );
    event RoundCommitted(
        bytes32 indexed roundId, bytes32 indexed tournament, uint64 startsAt, bytes32 commitment
    );
    event CommitmentSkipped(
        bytes32 indexed roundId,
        bytes32 indexed tournament,
        uint64 startsAt,
        bytes32 commitment,
        SkipReason reason
    );
    event RoundVoided(bytes32 indexed roundId, bytes32 indexed tournament, uint64 startsAt);

    error NotCommitter(address sender);
    error TournamentExists(bytes32 tournament);
    error BadParameter(uint256 parameter);
    error WrongVault(address vault, Kind kind);
    error TooManyRounds(uint256 count, uint256 limit);
    error ForeignTournament(bytes32 tournament, address vault);
    error RevealsUnordered(uint256 position);
    error RoundNotStarted(bytes32 roundId, uint256 startsAt);
    error RoundTooLate(bytes32 roundId, uint256 settleBy);
    error RoundOpen(bytes32 roundId, uint256 settleBy);
    error StakeOutOfRange(bytes32 roundId, uint256 totalStake, uint256 totalWeighted);
    error BadOutcome(bytes32 roundId, Outcome outcome);
    error WrongReveal(bytes32 roundId, bytes32 revealed, bytes28 committed);
    error NotCommitted(bytes32 roundId);
    error RoundHeld(bytes32 roundId, uint32 proposal);
    error RoundSettled(bytes32 roundId, uint32 proposal);
    error RoundIsVoid(bytes32 roundId);

    /// @notice Registers a tournament for good. Owner only.
    /// @param ruleHash hash of the published rule and its parameters
    /// @param parameter a in ppm, in (0, 500000), or L in ppm, in (0, 1000000]
    /// @param vault a StakeVault of this registry and of the same kind
    function registerTournament(
        bytes32 tournament,
        bytes32 ruleHash,
        Kind kind,
        uint24 parameter,
        address vault
    ) external;

    /// @notice Commits to rounds, those of a tick in one call. Committer only. A round that cannot be
    /// committed (unknown tournament, block time at or after the start, more than the vault's margin
    /// before it, zero, already committed) is skipped with an event, so that it does not void its
    /// neighbours; only `RoundCommitted` says that a commitment stands. Limit: 192 rounds.
    function commit(RoundCommitment[] calldata commitments) external;

    /// @notice Checks the reveals of a new proposal and lets it hold their rounds. Only the vault of
    /// all their tournaments. Reveals ascend strictly by (tournament, startsAt), at most 96 of a
    /// tournament and 192 in all; each is committed, within its time, and not held by a live or
    /// accepted proposal.
    function hold(Reveal[] calldata reveals, uint32 proposal) external;

    /// @notice Closes a committed round that did not settle in time. Anyone, after settleBy, unless a
    /// live proposal holds it.
    function voidRound(bytes32 tournament, uint64 startsAt) external;

    function setCommitter(address committer) external;

    function committer() external view returns (address);

    function tournamentOf(bytes32 tournament) external view returns (Tournament memory);

    /// @notice keccak256(abi.encode(chainId, registry, tournament, startsAt))
    function roundId(bytes32 tournament, uint64 startsAt) external view returns (bytes32);

    /// @return commitment first 28 bytes of the commitment, zero if there is none
    /// @return proposal number of the vault's proposal that held the round last, 0 if none
    function roundOf(bytes32 tournament, uint64 startsAt)
        external
        view
        returns (bytes28 commitment, uint32 proposal, RoundState state);
}
