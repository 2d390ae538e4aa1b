// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeVault} from "../../src/IStakeVault.sol";
import {SymbolicVault, vm} from "./SymbolicVault.sol";

/// @notice What leaves by `withdraw`. The head root is open, so every entry that can be proven is. The
/// tree has at most two entries: the model's, at one of three positions, and its nearest sibling's,
/// with any hash and any sums. Deeper siblings only change the hash that the root is compared with.
contract WithdrawalsSymbolic is SymbolicVault {
    struct Entry {
        int128 stakeDelta;
        uint128 poolReward;
        bytes32 siblingHash;
        bytes32 siblingSums;
    }

    /// @notice Out never exceeds in plus accepted credits: withdrawn' ≤ deposited + stakeDelta +
    /// poolReward; the payment is in all books the same, and no more than was asked for in time.
    function check_nobody_takes_out_more_than_came_in_first(Entry memory entry) public {
        _pays(0, entry);
    }

    function check_nobody_takes_out_more_than_came_in_second(Entry memory entry) public {
        _pays(1, entry);
    }

    function check_nobody_takes_out_more_than_came_in_last(Entry memory entry) public {
        _pays((1 << 20) - 1, entry);
    }

    /// @notice A second use, however much later, is refused or pays 0, also after a shutdown.
    function check_a_proof_used_twice_pays_nothing(Entry memory entry, uint256 wait) public {
        _reachable();
        vm.assume(_isOutside(vault.model(0).owner));
        bytes memory data = _withdrawal(0, entry);
        _succeeds(data);
        vm.assume(wait < 1 << 40);
        vm.warp(time + wait);
        uint256 balance = token.balanceOf(address(vault));
        uint256 staked = vault.books().staked;
        vm.prank(caller);
        (bool done, bytes memory result) = address(vault).call(data);
        assert(!done || abi.decode(result, (uint64)) == 0);
        assert(token.balanceOf(address(vault)) == balance && vault.books().staked == staked);
    }

    function _pays(uint32 index, Entry memory entry) private {
        State memory before = _reachable();
        IStakeVault.Model memory model = vault.model(index);
        vm.assume(_isOutside(model.owner));
        vm.assume(token.balanceOf(model.owner) <= SUPPLY);
        _succeeds(_withdrawal(index, entry));
        State memory next = _state();
        IStakeVault.Model memory paid = vault.model(index);
        uint256 amount = paid.withdrawn - model.withdrawn;
        int256 credits = int256(entry.stakeDelta) + int256(uint256(entry.poolReward));
        _assertMoved(before, next, 0, amount);
        _assertSameHead(before, next);
        assert(before.books.staked - next.books.staked == amount && next.books.pool == before.books.pool);
        assert(paid.deposited == model.deposited);
        assert(
            amount == 0 || int256(uint256(paid.withdrawn)) <= int256(uint256(paid.deposited)) + credits
        );
        if (!before.books.shut) {
            assert(amount <= model.requested && paid.requested == model.requested - amount);
            assert(time >= model.maturesAt);
        }
    }

    function _withdrawal(uint32 index, Entry memory entry) private pure returns (bytes memory) {
        bytes32[40] memory proof;
        (proof[0], proof[1]) = (entry.siblingHash, entry.siblingSums);
        return abi.encodeCall(
            IStakeVault.withdraw, (index, entry.stakeDelta, entry.poolReward, proof)
        );
    }
}
