// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {Harness, PlainLedger, vm} from "./Harness.sol";

/// @notice The values that refusals carry, and refusals that only a bad head or a full vault reaches.
contract RefusalsTest is Harness {
    bytes32 private constant OTHER = keccak256("eth-usd-5m");
    bytes32[40] private _empty;

    function test_a_tournament_that_does_not_fit() public {
        _registration(IRoundRegistry.Kind.Direction, 500_000);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.BadParameter.selector, 500_000));
        _register(IRoundRegistry.Kind.Direction, 500_000);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.BadParameter.selector, 0));
        _register(IRoundRegistry.Kind.Ranking, 0);
        vm.expectRevert(abi.encodeWithSelector(IRoundRegistry.BadParameter.selector, 1_000_001));
        _register(IRoundRegistry.Kind.Ranking, 1_000_001);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRoundRegistry.WrongVault.selector, address(vault), IRoundRegistry.Kind.Ranking
            )
        );
        _register(IRoundRegistry.Kind.Ranking, 1_000_000);
    }

    function test_a_reveal_that_comes_at_the_wrong_time() public {
        uint64 startsAt = uint64(clock + 10);
        IRoundRegistry.Reveal memory reveal = commitRound(startsAt);
        bytes32 id = registry.roundId(TOURNAMENT, startsAt);
        _refused(
            reveal, abi.encodeWithSelector(IRoundRegistry.RoundNotStarted.selector, id, startsAt)
        );
        pass(10 + SETTLE_BY + 1);
        _refused(
            reveal,
            abi.encodeWithSelector(IRoundRegistry.RoundTooLate.selector, id, startsAt + SETTLE_BY)
        );
    }

    function test_a_reveal_that_is_not_the_committed_one() public {
        uint64 startsAt = uint64(clock + 10);
        IRoundRegistry.Reveal memory reveal = commitRound(startsAt);
        bytes32 id = registry.roundId(TOURNAMENT, startsAt);
        (bytes28 kept,,) = registry.roundOf(TOURNAMENT, startsAt);
        pass(10);
        reveal.salt = "other";
        bytes32 root = SumTree.root(
            reveal.top, SumTree.packPrediction(reveal.totalStake, reveal.totalWeighted)
        );
        bytes32 shown = keccak256(abi.encodePacked(uint8(3), id, root, bytes32("other")));
        _refused(
            reveal, abi.encodeWithSelector(IRoundRegistry.WrongReveal.selector, id, shown, kept)
        );
        reveal.totalStake = 1 << 63;
        _refused(
            reveal,
            abi.encodeWithSelector(
                IRoundRegistry.StakeOutOfRange.selector, id, 1 << 63, reveal.totalWeighted
            )
        );
        (reveal.totalStake, reveal.totalWeighted) = (1, 1_000_001);
        _refused(
            reveal,
            abi.encodeWithSelector(IRoundRegistry.StakeOutOfRange.selector, id, 1, 1_000_001)
        );
    }

    function test_a_ranking_round_that_went_up() public {
        StakeVault ranking = new StakeVault(settings(IRoundRegistry.Kind.Ranking));
        vm.prank(OWNER);
        registry.registerTournament(OTHER, 0, IRoundRegistry.Kind.Ranking, 1, address(ranking));
        IRoundRegistry.Reveal memory reveal = revealOf(OTHER, uint64(clock));
        vm.expectRevert(
            abi.encodeWithSelector(
                IRoundRegistry.BadOutcome.selector,
                registry.roundId(OTHER, uint64(clock)),
                IRoundRegistry.Outcome.One
            )
        );
        vm.prank(address(ranking));
        registry.hold(one(reveal), 1);
    }

    function test_a_proof_that_leads_elsewhere() public {
        newModel(ALICE, 10 * TOKEN);
        vm.prank(ALICE);
        vault.requestWithdrawal(0, TOKEN);
        pass(DELAY);
        bytes32 proven = this.provenBy(0, 1, 0, _empty);
        bytes32 root = vault.head().root;
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.WrongProof.selector, 0, proven, root)
        );
        vault.withdraw(0, 1, 0, _empty);
    }

    function test_the_tree_has_no_room_for_another_model() public {
        // The counter of models lies in the third and fourth 64 bits of the books' word.
        bytes32 word = vm.load(address(vault), bytes32(uint256(4)));
        vm.store(address(vault), bytes32(uint256(4)), word | bytes32((uint256(1) << 20) << 128));
        same(vault.books().models, 1 << 20, "full");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.TooManyModels.selector, 1 << 20));
        vm.prank(ALICE);
        vault.registerModel(TOURNAMENT, "key", TOKEN);
    }

    /// @dev A bad head that nobody challenged: what is claimable is more than what is staked.
    function test_a_claim_never_takes_more_than_all_stakes() public {
        newModel(ALICE, 10 * TOKEN);
        newModel(BOB, 10 * TOKEN);
        vault.fund(TOURNAMENT, 100 * TOKEN);
        (int128[] memory stake, uint128[] memory pool) = (new int128[](2), new uint128[](2));
        stake[0] = 20 * int128(uint128(TOKEN));
        stake[1] = -stake[0];
        bytes memory changes =
            bytes.concat(entry(0, 20 * int64(TOKEN), 0), entry(1, -20 * int64(TOKEN), 0));
        bytes32 head = vault.head().root;
        bytes32 top = PlainLedger.topOf(stake, pool);
        vm.prank(OPERATOR);
        vault.proposeBatch(1, head, top, 0, 0, noReveals(), changes, 0);
        pass(WINDOW);
        vault.acceptBatch(1, vault.proposal().root);
        vm.prank(ALICE);
        vault.requestWithdrawal(0, 30 * TOKEN);
        pass(DELAY);
        (,, bytes32[40] memory proof) = PlainLedger.climb(stake, pool, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.Insolvent.selector, 30 * TOKEN, 20 * TOKEN)
        );
        vault.withdraw(0, stake[0], 0, proof);
        (,, proof) = PlainLedger.climb(stake, pool, 1);
        vm.prank(BOB);
        vault.requestWithdrawal(1, TOKEN);
        pass(DELAY);
        same(vault.withdraw(1, stake[1], 0, proof), 0, "who owes is paid nothing");
        same(vault.books().pool, 100 * TOKEN, "the pool is not touched");
    }

    function test_a_batch_never_burns_more_than_is_still_staked() public {
        newModel(ALICE, 10 * TOKEN);
        vm.prank(ALICE);
        vault.requestWithdrawal(0, 8 * TOKEN);
        pass(DELAY);
        bytes32 head = vault.head().root;
        vm.prank(OPERATOR);
        vault.proposeBatch(
            1, head, "top", 5 * TOKEN, 0, noReveals(), entry(0, -5 * int64(TOKEN), 0), 0
        );
        same(vault.withdraw(0, 0, 0, _empty), 8 * TOKEN, "against the head");
        pass(WINDOW);
        bytes32 root = vault.proposal().root;
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.Insolvent.selector, 5 * TOKEN, 2 * TOKEN)
        );
        vault.acceptBatch(1, root);
        same(vault.head().seq, 0, "not accepted");
    }

    function test_a_batch_may_burn_everything_that_is_staked() public {
        newModel(ALICE, 10 * TOKEN);
        bytes32 head = vault.head().root;
        bytes memory changes = entry(0, -10 * int64(TOKEN), 0);
        vm.prank(OPERATOR);
        vault.proposeBatch(1, head, "top", 10 * TOKEN, 0, noReveals(), changes, 0);
        pass(WINDOW);
        vault.acceptBatch(1, vault.proposal().root);
        same(vault.books().staked, 0, "nothing is left");
    }

    function test_every_setting_is_checked() public {
        for (uint256 kind = 0; kind < 9; ++kind) {
            IStakeVault.Settings memory values = settings(IRoundRegistry.Kind.Direction);
            if (kind == 0) values.window = 0;
            if (kind == 1) values.settleBy = 0;
            if (kind == 2) values.margin = 0;
            if (kind == 3) values.idleLimit = 3 * WINDOW;
            if (kind == 4) values.kind = IRoundRegistry.Kind.None;
            if (kind == 5) values.minimumDeposit = 0;
            if (kind == 6) values.registry = ALICE;
            if (kind == 7) values.faultProof = ALICE;
            if (kind == 8) values.delay = SETTLE_BY + 3 * WINDOW + MARGIN;
            vm.expectRevert(abi.encodeWithSelector(IStakeVault.BadSettings.selector));
            this.deploy(values);
        }
        StakeVault good = new StakeVault(settings(IRoundRegistry.Kind.Direction));
        same(address(good.faultProof()), address(faultProof), "the judge");
    }

    function provenBy(uint32 index, int128 stake, uint128 pool, bytes32[40] calldata proof)
        external
        pure
        returns (bytes32)
    {
        return SumTree.ledgerRoot(index, stake, pool, proof);
    }

    function _register(IRoundRegistry.Kind kind, uint24 parameter) private {
        vm.prank(OWNER);
        registry.registerTournament(OTHER, "rule", kind, parameter, address(vault));
    }

    /// @dev The largest parameter of each kind that is still one.
    function _registration(IRoundRegistry.Kind kind, uint24 parameter) private {
        vm.prank(OWNER);
        registry.registerTournament("largest", "rule", kind, parameter - 1, address(vault));
    }

    function _refused(IRoundRegistry.Reveal memory reveal, bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(address(vault));
        registry.hold(one(reveal), 1);
    }
}
