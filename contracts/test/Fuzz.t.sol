// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Changes} from "../src/Changes.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {Wager} from "../src/Wager.sol";
import {Harness, PlainLedger, vm} from "./Harness.sol";

/// @notice Properties over random values.
contract FuzzTest is Harness {
    function sumOf(bytes calldata changes, uint256 models) external pure returns (int256, uint256) {
        return Changes.sum(changes, models);
    }

    function ledgerRoot(uint256 index, int128 stake, uint128 pool, bytes32[40] calldata proof)
        external
        pure
        returns (bytes32)
    {
        return SumTree.ledgerRoot(index, stake, pool, proof);
    }

    function addLedger(uint256 left, uint256 right) external pure returns (uint256) {
        return SumTree.addLedger(left, right);
    }

    function testFuzz_a_payout_is_bounded_and_the_round_never_pays_more_than_it_takes(
        uint64[4] memory stakes,
        uint32[4] memory reports,
        bool up
    ) public pure {
        uint256 total;
        uint256 weighted;
        for (uint256 i = 0; i < 4; ++i) {
            stakes[i] = uint64(within(stakes[i], 1, 2e18));
            reports[i] = uint32(within(reports[i], 350_000, 650_000));
            total += stakes[i];
            weighted += uint256(stakes[i]) * reports[i];
        }
        int256 sum;
        for (uint256 i = 0; i < 4; ++i) {
            int256 payout = Wager.payout(
                350_000, up ? 1_000_000 : 0, stakes[i], reports[i], uint64(total), uint128(weighted)
            );
            int256 stake = int256(uint256(stakes[i]));
            int256 others = int256(total) - stake;
            holds(payout <= stake && payout >= -stake, "at most the stake");
            holds(payout <= others && payout >= -others - 1, "at most the others' stakes");
            sum += payout;
        }
        holds(sum <= 0, "what is burned is not negative");
    }

    function testFuzz_floor_division(int128 numerator, uint128 denominator) public pure {
        vm.assume(denominator != 0);
        int256 divisor = int256(uint256(denominator));
        int256 quotient = Wager.floorDivide(numerator, divisor);
        int256 rest = int256(numerator) - quotient * divisor;
        holds(rest >= 0 && rest < divisor, "rounded toward minus infinity");
    }

    function testFuzz_changes_sum_as_they_were_packed(int64[8] memory stakes, uint64[8] memory pools)
        public
        view
    {
        bytes memory packed;
        int256 stakeSum;
        uint256 poolSum;
        for (uint32 i = 0; i < 8; ++i) {
            packed = bytes.concat(packed, entry(i * 3, stakes[i], pools[i]));
            stakeSum += stakes[i];
            poolSum += pools[i];
        }
        (int256 gotStake, uint256 gotPool) = this.sumOf(packed, 22);
        same(gotStake, stakeSum, "stake");
        same(gotPool, poolSum, "pool");
    }

    function testFuzz_changes_out_of_order_are_refused(uint32 first, uint32 second) public {
        second = uint32(within(second, 0, first));
        bytes memory packed = bytes.concat(entry(first, 0, 0), entry(second, 0, 0));
        vm.expectPartialRevert(IStakeVault.ChangesUnordered.selector);
        this.sumOf(packed, 1 << 32);
    }

    function testFuzz_ledger_sums_add_exactly_or_not_at_all(
        int128 a,
        int128 b,
        uint128 c,
        uint128 d
    ) public {
        int256 high = int256(a) + b;
        uint256 low = uint256(c) + d;
        bool fits = high == int128(high) && low <= type(uint128).max;
        if (!fits) vm.expectPartialRevert(SumTree.SumOverflow.selector);
        uint256 sum = this.addLedger(SumTree.packLedger(a, c), SumTree.packLedger(b, d));
        if (fits) same(sum, SumTree.packLedger(int128(high), uint128(low)), "sum");
    }

    function testFuzz_a_proof_holds_for_its_leaf_alone(
        int64[9] memory stakes,
        uint64[9] memory pools,
        uint256 pick,
        uint256 bit
    ) public view {
        int128[] memory stake = new int128[](9);
        uint128[] memory pool = new uint128[](9);
        for (uint256 i = 0; i < 9; ++i) (stake[i], pool[i]) = (stakes[i], pools[i]);
        uint256 index = within(pick, 0, 11);
        (bytes32 top, uint256 sums, bytes32[40] memory proof) = PlainLedger.climb(stake, pool, index);
        bytes32 root = SumTree.root(top, sums);
        (int128 claim, uint128 reward) = index < 9 ? (stake[index], pool[index]) : (int128(0), 0);
        same(this.ledgerRoot(index, claim, reward, proof), root, "proof");
        holds(this.ledgerRoot(index, claim + 1, reward, proof) != root, "other stake");
        holds(this.ledgerRoot(index, claim, reward + 1, proof) != root, "other reward");
        if (claim != 0 || reward != 0) {
            holds(this.ledgerRoot(index ^ 1, claim, reward, proof) != root, "other place");
        }
        bit = within(bit, 0, 40 * 256 - 1);
        proof[bit / 256] ^= bytes32(uint256(1) << (bit % 128));
        holds(this.ledgerRoot(index, claim, reward, proof) != root, "other sibling");
    }

    function testFuzz_money_in_is_money_out(uint64 first, uint64 more, uint64 asked) public {
        first = uint64(within(first, TOKEN, 400_000 * TOKEN));
        more = uint64(within(more, 1, 400_000 * TOKEN));
        asked = uint64(within(asked, 1, type(uint64).max));
        newModel(ALICE, first);
        vm.prank(ALICE);
        vault.deposit(0, more);
        vm.prank(ALICE);
        vault.requestWithdrawal(0, asked);
        pass(DELAY);
        uint256 before = token.balanceOf(ALICE);
        bytes32[40] memory empty;
        uint256 paid = vault.withdraw(0, 0, 0, empty);
        uint256 sum = uint256(first) + more;
        same(paid, asked < sum ? asked : sum, "the lesser");
        same(token.balanceOf(ALICE) - before, paid * 1e9, "wei");
        same(held(), sum - paid, "balance");
        same(vault.books().staked, sum - paid, "staked");
    }
}
