// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeVault} from "../../src/IStakeVault.sol";
import {SymbolicVault, vm} from "./SymbolicVault.sol";

/// @notice What leaves by `withdraw`, for one entry of the ledger that lost three tokens and was
/// rewarded two, and for a model without an entry. The model's own books, its request, the vault's
/// books, the time and the caller are open. The entry and its siblings are fixed: twenty hashes of open
/// values are more than the solver follows, so other entries are left to the fuzz and invariant tests.
contract WithdrawalsSymbolic is SymbolicVault {
    int128 private constant LOST = -3e9;
    uint128 private constant REWARDED = 2e9;

    /// @notice Out never exceeds in plus accepted credits: withdrawn' ≤ deposited + stakeDelta +
    /// poolReward, or nothing is paid.
    function check_nobody_takes_out_more_than_came_in() public {
        _pays(LOST, REWARDED);
    }

    function check_nobody_without_an_entry_takes_out_more_than_came_in() public {
        _pays(0, 0);
    }

    /// @notice A second use, however much later, is refused or pays 0, also after a shutdown.
    function check_a_proof_used_twice_pays_nothing(uint256 wait) public {
        _reachable();
        vm.assume(_isOutside(vault.model(0).owner));
        bytes memory data = _withdrawal(LOST, REWARDED);
        _succeeds(data);
        vm.assume(wait < 1 << 40);
        vm.warp(time + wait);
        uint256 balance = token.balanceOf(address(vault));
        uint256 requested = vault.model(0).requested;
        uint256 staked = vault.books().staked;
        vm.prank(caller);
        (bool done, bytes memory result) = address(vault).call(data);
        // What is still asked for was not claimable, or the request is spent.
        assert(!done || abi.decode(result, (uint64)) == 0);
        assert(vault.model(0).requested == requested);
        assert(token.balanceOf(address(vault)) == balance && vault.books().staked == staked);
    }

    function _pays(int128 stakeDelta, uint128 poolReward) private {
        IStakeVault.Model memory model = vault.model(0);
        vm.assume(_isOutside(model.owner));
        // What a model may ever have paid in and taken out, see MAX_UNITS.
        vm.assume(model.deposited < 1 << 63 && model.withdrawn < 1 << 64);
        _succeeds(_withdrawal(stakeDelta, poolReward));
        IStakeVault.Model memory paid = vault.model(0);
        int256 credits = int256(stakeDelta) + int256(uint256(poolReward));
        assert(paid.deposited == model.deposited);
        assert(
            paid.withdrawn == model.withdrawn
                || int256(uint256(paid.withdrawn)) <= int256(uint256(paid.deposited)) + credits
        );
        assert(paid.requested <= model.requested);
    }

    function _withdrawal(int128 stakeDelta, uint128 poolReward) private pure returns (bytes memory) {
        bytes32[40] memory proof;
        return abi.encodeCall(IStakeVault.withdraw, (0, stakeDelta, poolReward, proof));
    }
}
