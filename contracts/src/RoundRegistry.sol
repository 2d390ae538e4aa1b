// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IRoundRegistry} from "./IRoundRegistry.sol";
import {IStakeVault} from "./IStakeVault.sol";
import {SumTree} from "./SumTree.sol";

/// @title Tournaments, commitments and the life of a round
/// @dev Described at IRoundRegistry.
contract RoundRegistry is IRoundRegistry, Ownable2Step {
    uint256 public constant MAX_ROUNDS = 192;
    uint256 public constant MAX_ROUNDS_PER_TOURNAMENT = 96;
    uint256 private constant PPM = 1e6;
    uint32 private constant VOID = type(uint32).max;

    /// @dev One slot, so that a proposal rewrites a used slot instead of opening a new one. 224 bits
    /// of the commitment give 112 bits against collisions, as SHA-224 does; the event has all 256.
    struct Round {
        bytes28 commitment;
        uint32 proposal;
    }

    address public committer;
    mapping(bytes32 tournament => Tournament) private _tournaments;
    mapping(bytes32 roundId => Round) private _rounds;

    constructor(address owner, address committer_) Ownable(owner) {
        committer = committer_;
        emit CommitterSet(committer_);
    }

    function registerTournament(
        bytes32 tournament,
        bytes32 ruleHash,
        Kind kind,
        uint24 parameter,
        address vault
    ) external onlyOwner {
        if (_tournaments[tournament].vault != address(0)) revert TournamentExists(tournament);
        bool direction = kind == Kind.Direction;
        if (parameter == 0 || parameter > PPM || (direction && parameter >= PPM / 2)) {
            revert BadParameter(parameter);
        }
        IStakeVault stakeVault = IStakeVault(vault);
        if (
            kind == Kind.None || stakeVault.kind() != kind
                || address(stakeVault.registry()) != address(this)
        ) revert WrongVault(vault, kind);
        _tournaments[tournament] = Tournament({
            vault: vault,
            kind: kind,
            parameter: parameter,
            settleBy: stakeVault.settleBy(),
            margin: stakeVault.margin(),
            ruleHash: ruleHash
        });
        emit TournamentRegistered(tournament, vault, kind, parameter, ruleHash);
    }

    function commit(RoundCommitment[] calldata commitments) external {
        if (msg.sender != committer) revert NotCommitter(msg.sender);
        if (commitments.length > MAX_ROUNDS) revert TooManyRounds(commitments.length, MAX_ROUNDS);
        for (uint256 i = 0; i < commitments.length; ++i) {
            _commit(commitments[i]);
        }
    }

    function hold(Reveal[] calldata reveals, uint32 proposal) external {
        if (reveals.length > MAX_ROUNDS) revert TooManyRounds(reveals.length, MAX_ROUNDS);
        bytes32 tournament;
        uint64 startsAt;
        uint256 count;
        Tournament memory rules;
        for (uint256 i = 0; i < reveals.length; ++i) {
            Reveal calldata reveal = reveals[i];
            if (i == 0 || reveal.tournament != tournament) {
                if (i != 0 && reveal.tournament < tournament) revert RevealsUnordered(i);
                tournament = reveal.tournament;
                rules = _tournaments[tournament];
                if (rules.vault != msg.sender) revert ForeignTournament(tournament, rules.vault);
                count = 0;
            } else if (reveal.startsAt <= startsAt) {
                revert RevealsUnordered(i);
            }
            startsAt = reveal.startsAt;
            if (++count > MAX_ROUNDS_PER_TOURNAMENT) {
                revert TooManyRounds(count, MAX_ROUNDS_PER_TOURNAMENT);
            }
            _hold(reveal, rules, proposal);
        }
    }

    function voidRound(bytes32 tournament, uint64 startsAt) external {
        bytes32 id = roundId(tournament, startsAt);
        Tournament memory rules = _tournaments[tournament];
        Round storage round = _rounds[id];
        if (round.commitment == 0) revert NotCommitted(id);
        uint256 end = uint256(startsAt) + rules.settleBy;
        if (block.timestamp <= end) revert RoundOpen(id, end);
        _requireFree(id, round.proposal, rules.vault);
        round.proposal = VOID;
        emit RoundVoided(id, tournament, startsAt);
    }

    function setCommitter(address committer_) external onlyOwner {
        committer = committer_;
        emit CommitterSet(committer_);
    }

    function tournamentOf(bytes32 tournament) external view returns (Tournament memory) {
        return _tournaments[tournament];
    }

    function roundOf(bytes32 tournament, uint64 startsAt)
        external
        view
        returns (bytes28 commitment, uint32 proposal, RoundState state)
    {
        Round memory round = _rounds[roundId(tournament, startsAt)];
        (commitment, proposal) = (round.commitment, round.proposal);
        if (commitment == 0) return (commitment, 0, RoundState.None);
        if (proposal == VOID) return (commitment, 0, RoundState.Void);
        if (proposal == 0) return (commitment, 0, RoundState.Committed);
        IStakeVault.ProposalState held =
            IStakeVault(_tournaments[tournament].vault).proposalState(proposal);
        if (held == IStakeVault.ProposalState.Accepted) state = RoundState.Settled;
        else if (held == IStakeVault.ProposalState.Live) state = RoundState.Held;
        else state = RoundState.Committed;
    }

    function roundId(bytes32 tournament, uint64 startsAt) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), tournament, startsAt));
    }

    function _commit(RoundCommitment calldata item) private {
        bytes32 id = roundId(item.tournament, item.startsAt);
        Tournament storage rules = _tournaments[item.tournament];
        Round storage round = _rounds[id];
        SkipReason reason;
        if (rules.vault == address(0)) {
            reason = SkipReason.UnknownTournament;
        } else if (block.timestamp >= item.startsAt) {
            reason = SkipReason.Late;
        } else if (item.startsAt - block.timestamp > rules.margin) {
            reason = SkipReason.TooEarly;
        } else if (bytes28(item.commitment) == 0) {
            reason = SkipReason.EmptyCommitment;
        } else if (round.commitment != 0) {
            reason = SkipReason.AlreadyCommitted;
        } else {
            _rounds[id] = Round({commitment: bytes28(item.commitment), proposal: 0});
            emit RoundCommitted(id, item.tournament, item.startsAt, item.commitment);
            return;
        }
        emit CommitmentSkipped(id, item.tournament, item.startsAt, item.commitment, reason);
    }

    function _hold(Reveal calldata reveal, Tournament memory rules, uint32 proposal) private {
        bytes32 id = roundId(reveal.tournament, reveal.startsAt);
        uint256 end = uint256(reveal.startsAt) + rules.settleBy;
        if (block.timestamp < reveal.startsAt) revert RoundNotStarted(id, reveal.startsAt);
        if (block.timestamp > end) revert RoundTooLate(id, end);
        if (reveal.totalStake >> 63 != 0 || reveal.totalWeighted > PPM * reveal.totalStake) {
            revert StakeOutOfRange(id, reveal.totalStake, reveal.totalWeighted);
        }
        if (rules.kind == Kind.Ranking && reveal.outcome == Outcome.One) {
            revert BadOutcome(id, reveal.outcome);
        }
        bytes32 root =
            SumTree.root(reveal.top, SumTree.packPrediction(reveal.totalStake, reveal.totalWeighted));
        bytes32 revealed = keccak256(abi.encodePacked(uint8(3), id, root, reveal.salt));
        Round memory round = _rounds[id];
        if (round.commitment == 0) revert NotCommitted(id);
        if (bytes28(revealed) != round.commitment) revert WrongReveal(id, revealed, round.commitment);
        _requireFree(id, round.proposal, msg.sender);
        round.proposal = proposal;
        _rounds[id] = round;
    }

    function _requireFree(bytes32 id, uint32 proposal, address vault) private view {
        if (proposal == 0) return;
        if (proposal == VOID) revert RoundIsVoid(id);
        IStakeVault.ProposalState state = IStakeVault(vault).proposalState(proposal);
        if (state == IStakeVault.ProposalState.Live) revert RoundHeld(id, proposal);
        if (state == IStakeVault.ProposalState.Accepted) revert RoundSettled(id, proposal);
    }
}
