// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../../src/IRoundRegistry.sol";
import {IStakeVault} from "../../src/IStakeVault.sol";
import {SymbolicVault, vm} from "./SymbolicVault.sol";

/// @notice A pause blocks no withdrawal, acceptance, challenge, void, expiry or shutdown: from any
/// state the same call, after the guardian paused and after the guardian unpaused, succeeds or fails
/// alike, with the same answer.
contract PauseSymbolic is SymbolicVault {
    error Outcome(bool done, bytes result);

    /// @notice For a model without an entry, see WithdrawalsSymbolic.
    function check_a_pause_never_blocks_withdraw() public {
        bytes32[40] memory proof;
        _sameWhilePaused(address(vault), abi.encodeCall(IStakeVault.withdraw, (0, 0, 0, proof)));
    }

    function check_a_pause_never_blocks_accept(uint64 seq, bytes32 root) public {
        _sameWhilePaused(address(vault), abi.encodeCall(IStakeVault.acceptBatch, (seq, root)));
    }

    function check_a_pause_never_blocks_challenge() public {
        _sameWhilePaused(address(vault), _challenge());
    }

    function check_a_pause_never_blocks_challenge_of_a_node() public {
        _sameWhilePaused(address(vault), _challengeOfNode());
    }

    function check_a_pause_never_blocks_void(bytes32 tournament, uint64 startsAt) public {
        vm.assume(registry.tournamentOf(tournament).vault == address(vault));
        _sameWhilePaused(
            address(registry), abi.encodeCall(IRoundRegistry.voidRound, (tournament, startsAt))
        );
    }

    function check_a_pause_never_blocks_expiry() public {
        _sameWhilePaused(address(vault), abi.encodeCall(IStakeVault.expireBatch, ()));
    }

    function check_a_pause_never_blocks_shutdown() public {
        _sameWhilePaused(address(vault), abi.encodeCall(IStakeVault.shutDown, ()));
    }

    /// @notice Calls and takes everything back: the answer comes as a revert.
    function attempt(bool paused, address target, bytes calldata data) external {
        vm.prank(vault.guardian());
        vault.setPaused(paused);
        vm.prank(caller);
        (bool done, bytes memory result) = target.call(data);
        revert Outcome(done, result);
    }

    function _sameWhilePaused(address target, bytes memory data) private {
        _reachable();
        assert(_outcome(true, target, data) == _outcome(false, target, data));
    }

    function _outcome(bool paused, address target, bytes memory data) private returns (bytes32 answered) {
        try this.attempt(paused, target, data) {
            assert(false);
        } catch (bytes memory answer) {
            answered = keccak256(answer);
        }
    }
}
