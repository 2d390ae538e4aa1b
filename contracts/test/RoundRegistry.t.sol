// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {Harness, vm} from "./Harness.sol";

/// @notice Tournaments, commitments, the checks of reveals, voids.
contract RoundRegistryTest is Harness {
    bytes32 private constant OTHER = keccak256("eth-usd-5m");

    function test_tournaments_are_for_good_and_fit_their_vault() public {
        IRoundRegistry.Tournament memory rules = registry.tournamentOf(TOURNAMENT);
        same(rules.vault, address(vault), "vault");
        same(rules.parameter, 350_000, "clamp");
        same(rules.settleBy, SETTLE_BY, "settle by");
        same(rules.margin, MARGIN, "margin");
        same(rules.ruleHash, keccak256("rule"), "rule");
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.TournamentExists.selector, TOURNAMENT));
        _register(TOURNAMENT, IRoundRegistry.Kind.Direction, 1);
        vm.expectPartialRevert(IRoundRegistry.WrongVault.selector);
        _register(OTHER, IRoundRegistry.Kind.Ranking, 50_000);
        vm.expectPartialRevert(IRoundRegistry.WrongVault.selector);
        _register(OTHER, IRoundRegistry.Kind.None, 50_000);
        vm.expectPartialRevert(IRoundRegistry.BadParameter.selector);
        _register(OTHER, IRoundRegistry.Kind.Direction, 500_000);
        vm.expectPartialRevert(IRoundRegistry.BadParameter.selector);
        _register(OTHER, IRoundRegistry.Kind.Direction, 0);
        vm.expectPartialRevert(Ownable.OwnableUnauthorizedAccount.selector);
        registry.registerTournament(
            OTHER, 0, IRoundRegistry.Kind.Direction, 350_000, address(vault)
        );
        vm.expectEmit();
        emit IRoundRegistry.TournamentRegistered(
            OTHER, address(vault), IRoundRegistry.Kind.Direction, 1, "rule"
        );
        _register(OTHER, IRoundRegistry.Kind.Direction, 1);
    }

    function test_one_call_commits_many_and_skips_what_it_cannot() public {
        _register(OTHER, IRoundRegistry.Kind.Direction, 350_000);
        uint64 startsAt = uint64(clock + 10);
        IRoundRegistry.RoundCommitment[] memory list = new IRoundRegistry.RoundCommitment[](7);
        list[0] = commitmentOf(revealOf(TOURNAMENT, startsAt));
        list[1] = commitmentOf(revealOf(TOURNAMENT, uint64(clock)));
        list[2] = commitmentOf(revealOf("unknown", startsAt));
        list[3] = IRoundRegistry.RoundCommitment(OTHER, startsAt + 1, 0);
        list[4] = list[0];
        list[5] = commitmentOf(revealOf(TOURNAMENT, uint64(clock + MARGIN + 1)));
        list[6] = commitmentOf(revealOf(OTHER, startsAt));
        _expectCommitted(list[0]);
        _expectSkipped(list[1], IRoundRegistry.SkipReason.Late);
        _expectSkipped(list[2], IRoundRegistry.SkipReason.UnknownTournament);
        _expectSkipped(list[3], IRoundRegistry.SkipReason.EmptyCommitment);
        _expectSkipped(list[4], IRoundRegistry.SkipReason.AlreadyCommitted);
        _expectSkipped(list[5], IRoundRegistry.SkipReason.TooEarly);
        _expectCommitted(list[6]);
        vm.prank(COMMITTER);
        registry.commit(list);
        (bytes28 kept,, IRoundRegistry.RoundState state) = registry.roundOf(TOURNAMENT, startsAt);
        holds(kept == bytes28(list[0].commitment), "kept commitment");
        holds(state == IRoundRegistry.RoundState.Committed, "committed");
        (kept,, state) = registry.roundOf(TOURNAMENT, uint64(clock));
        holds(kept == 0 && state == IRoundRegistry.RoundState.None, "not committed");
    }

    function test_a_commitment_never_changes() public {
        IRoundRegistry.Reveal memory reveal = commitRound(uint64(clock + 10));
        IRoundRegistry.RoundCommitment[] memory list = new IRoundRegistry.RoundCommitment[](1);
        list[0] = IRoundRegistry.RoundCommitment(TOURNAMENT, reveal.startsAt, keccak256("other"));
        vm.prank(COMMITTER);
        registry.commit(list);
        pass(10);
        _hold(one(reveal), 1);
    }

    function test_commit_is_the_committers_and_bounded() public {
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.NotCommitter.selector, OPERATOR));
        vm.prank(OPERATOR);
        registry.commit(new IRoundRegistry.RoundCommitment[](0));
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.TooManyRounds.selector, 193, 192));
        vm.prank(COMMITTER);
        registry.commit(new IRoundRegistry.RoundCommitment[](193));
        vm.prank(OWNER);
        registry.setCommitter(BOB);
        vm.prank(BOB);
        registry.commit(new IRoundRegistry.RoundCommitment[](0));
    }

    function test_round_id_is_bound_to_chain_and_registry() public {
        same(
            registry.roundId(TOURNAMENT, 5),
            keccak256(abi.encode(block.chainid, address(registry), TOURNAMENT, uint256(5))),
            "id"
        );
        bytes32 before = registry.roundId(TOURNAMENT, 5);
        vm.chainId(99);
        holds(before != registry.roundId(TOURNAMENT, 5), "another chain, another id");
    }

    function test_every_field_of_a_reveal_is_bound() public {
        IRoundRegistry.Reveal memory reveal = commitRound(uint64(clock + 10));
        pass(10);
        bytes32 top = reveal.top;
        reveal.top = "x";
        _refused(reveal, IRoundRegistry.WrongReveal.selector);
        reveal.top = top;
        reveal.totalStake += 1;
        _refused(reveal, IRoundRegistry.WrongReveal.selector);
        reveal.totalStake -= 1;
        reveal.totalWeighted += 1;
        _refused(reveal, IRoundRegistry.WrongReveal.selector);
        reveal.totalWeighted -= 1;
        bytes32 salt = reveal.salt;
        reveal.salt = "x";
        _refused(reveal, IRoundRegistry.WrongReveal.selector);
        reveal.salt = salt;
        reveal.startsAt -= 1;
        _refused(reveal, IRoundRegistry.NotCommitted.selector);
        reveal.startsAt += 1;
        _hold(one(reveal), 1);
    }

    function test_the_stake_of_a_round_is_in_range() public {
        IRoundRegistry.Reveal memory reveal = revealOf(TOURNAMENT, uint64(clock));
        reveal.totalStake = 1 << 63;
        _refused(reveal, IRoundRegistry.StakeOutOfRange.selector);
        reveal.totalStake = TOKEN;
        reveal.totalWeighted = 1e6 * uint128(TOKEN) + 1;
        _refused(reveal, IRoundRegistry.StakeOutOfRange.selector);
        reveal.totalWeighted -= 1;
        _refused(reveal, IRoundRegistry.NotCommitted.selector);
    }

    function test_a_round_is_proposed_between_its_start_and_settle_by() public {
        IRoundRegistry.Reveal memory reveal = commitRound(uint64(clock + 10));
        _refused(reveal, IRoundRegistry.RoundNotStarted.selector);
        pass(10 + SETTLE_BY + 1);
        _refused(reveal, IRoundRegistry.RoundTooLate.selector);
        clock -= 1;
        vm.warp(clock);
        _hold(one(reveal), 1);
    }

    function test_reveals_ascend_and_belong_to_the_calling_vault() public {
        IRoundRegistry.Reveal[] memory pair = new IRoundRegistry.Reveal[](2);
        pair[0] = commitRound(uint64(clock + 11));
        pair[1] = commitRound(uint64(clock + 10));
        pass(11);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.RevealsUnordered.selector, 1));
        _hold(pair, 1);
        pair[1] = pair[0];
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.RevealsUnordered.selector, 1));
        _hold(pair, 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRoundRegistry.ForeignTournament.selector, TOURNAMENT, address(vault)
            )
        );
        vm.prank(OPERATOR);
        registry.hold(one(pair[0]), 1);
        (bytes32 low, bytes32 high) = TOURNAMENT < OTHER ? (TOURNAMENT, OTHER) : (OTHER, TOURNAMENT);
        _register(OTHER, IRoundRegistry.Kind.Direction, 350_000);
        pair[0] = _committed(high);
        pair[1] = _committed(low);
        pass(10);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.RevealsUnordered.selector, 1));
        _hold(pair, 1);
        (pair[0], pair[1]) = (pair[1], pair[0]);
        _hold(pair, 1);
    }

    function test_at_most_96_rounds_of_a_tournament_and_192_in_all() public {
        IRoundRegistry.Reveal[] memory many = new IRoundRegistry.Reveal[](97);
        uint64 first = uint64(clock);
        for (uint64 i = 0; i < 97; ++i) {
            many[i] = commitRound(first + i + 1);
            pass(1);
        }
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.TooManyRounds.selector, 97, 96));
        _hold(many, 1);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.TooManyRounds.selector, 193, 192));
        _hold(new IRoundRegistry.Reveal[](193), 1);
    }

    function test_a_ranking_round_has_no_up() public {
        StakeVault ranking = new StakeVault(settings(IRoundRegistry.Kind.Ranking));
        vm.prank(OWNER);
        registry.registerTournament(
            OTHER, 0, IRoundRegistry.Kind.Ranking, 50_000, address(ranking)
        );
        IRoundRegistry.Reveal memory reveal = _committed(OTHER);
        pass(10);
        vm.expectPartialRevert(IRoundRegistry.BadOutcome.selector);
        vm.prank(address(ranking));
        registry.hold(one(reveal), 1);
        reveal.outcome = IRoundRegistry.Outcome.Zero;
        vm.prank(address(ranking));
        registry.hold(one(reveal), 1);
    }

    function test_void_after_settle_by_by_anyone_once() public {
        uint64 startsAt = uint64(clock + 10);
        bytes32 id = registry.roundId(TOURNAMENT, startsAt);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.NotCommitted.selector, id));
        registry.voidRound(TOURNAMENT, startsAt);
        IRoundRegistry.Reveal memory reveal = commitRound(startsAt);
        pass(10 + SETTLE_BY);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.RoundOpen.selector, id, clock));
        registry.voidRound(TOURNAMENT, startsAt);
        pass(1);
        vm.expectEmit();
        emit IRoundRegistry.RoundVoided(id, TOURNAMENT, startsAt);
        vm.prank(BOB);
        registry.voidRound(TOURNAMENT, startsAt);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.RoundIsVoid.selector, id));
        registry.voidRound(TOURNAMENT, startsAt);
        clock = startsAt;
        vm.warp(clock);
        _refused(reveal, IRoundRegistry.RoundIsVoid.selector);
    }

    function _register(bytes32 tournament, IRoundRegistry.Kind kind, uint24 parameter) private {
        vm.prank(OWNER);
        registry.registerTournament(tournament, "rule", kind, parameter, address(vault));
    }

    function _committed(bytes32 tournament) private returns (IRoundRegistry.Reveal memory reveal) {
        reveal = revealOf(tournament, uint64(clock + 10));
        IRoundRegistry.RoundCommitment[] memory list = new IRoundRegistry.RoundCommitment[](1);
        list[0] = commitmentOf(reveal);
        vm.prank(COMMITTER);
        registry.commit(list);
    }

    function _hold(IRoundRegistry.Reveal[] memory reveals, uint32 number) private {
        vm.prank(address(vault));
        registry.hold(reveals, number);
    }

    function _refused(IRoundRegistry.Reveal memory reveal, bytes4 why) private {
        vm.expectPartialRevert(why);
        _hold(one(reveal), 1);
    }

    function _expectCommitted(IRoundRegistry.RoundCommitment memory item) private {
        bytes32 id = registry.roundId(item.tournament, item.startsAt);
        vm.expectEmit();
        emit IRoundRegistry.RoundCommitted(id, item.tournament, item.startsAt, item.commitment);
    }

    function _expectSkipped(
        IRoundRegistry.RoundCommitment memory item,
        IRoundRegistry.SkipReason reason
    ) private {
        bytes32 id = registry.roundId(item.tournament, item.startsAt);
        vm.expectEmit();
        emit IRoundRegistry.CommitmentSkipped(
            id, item.tournament, item.startsAt, item.commitment, reason
        );
    }
}
