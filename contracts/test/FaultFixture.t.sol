// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFaultProof} from "../src/IFaultProof.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {ChallengeHarness} from "./ChallengeHarness.sol";
import {vm} from "./Harness.sol";

/// @notice Batches and challenges that the Rust bindings made: each call is sent as it is, and finds
/// the fault that Rust says, or none.
contract FaultFixtureTest is ChallengeHarness {
    string private _json;
    uint256 private _found;

    function test_the_challenges_of_rust_find_what_rust_says() public {
        _json = vm.readFile("test/fixtures/faults.json");
        uint256 models = vm.parseJsonUint(_json, ".models");
        uint64 deposit = uint64(vm.parseJsonUint(_json, ".deposit"));
        for (uint256 i = 0; i < models; ++i) {
            registerIn(i + 1 == models ? OTHER : TOURNAMENT, ALICE, deposit);
        }
        vault.fund(TOURNAMENT, 1000 * TOKEN);
        _propose(".head", noReveals());
        pass(WINDOW);
        vault.acceptBatch(1, vault.proposal().root);
        for (uint256 i = 0; i < 9; ++i) _check(string.concat(".batches[", vm.toString(i), "]"));
        same(_found, 9, "faults found");
    }

    function _check(string memory key) private {
        bytes memory words = vm.parseJsonBytes(_json, string.concat(key, ".reveals"));
        IRoundRegistry.Reveal[] memory reveals = abi.decode(words, (IRoundRegistry.Reveal[]));
        _commit(reveals);
        uint256[] memory faults = vm.parseJsonUintArray(_json, string.concat(key, ".faults"));
        _propose(key, reveals);
        for (uint256 i = 0; i < faults.length; ++i) {
            string memory place = string.concat(key, ".calls[", vm.toString(i), "]");
            bytes memory call = vm.parseJsonBytes(_json, place);
            if (faults[i] == 0) {
                vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoFault.selector));
                _send(call);
                continue;
            }
            IStakeVault.Proposal memory pending = vault.proposal();
            vm.expectEmit();
            emit IStakeVault.BatchChallenged(
                2, pending.number, CAROL, pending.root, IFaultProof.Fault(faults[i])
            );
            _send(call);
            ++_found;
            _propose(key, reveals);
        }
        IStakeVault.Proposal memory last = vault.proposal();
        vm.prank(GUARDIAN);
        vault.veto(2, last.root);
    }

    function _commit(IRoundRegistry.Reveal[] memory reveals) private {
        IRoundRegistry.RoundCommitment[] memory list =
            new IRoundRegistry.RoundCommitment[](reveals.length);
        uint256 first = type(uint256).max;
        for (uint256 i = 0; i < reveals.length; ++i) {
            list[i] = commitmentOf(reveals[i]);
            if (reveals[i].startsAt < first) first = reveals[i].startsAt;
        }
        pass(first - 1 - clock);
        vm.prank(COMMITTER);
        registry.commit(list);
        pass(reveals.length + 1);
    }

    function _propose(string memory key, IRoundRegistry.Reveal[] memory reveals) private {
        IStakeVault.Head memory head = vault.head();
        bytes32 top = vm.parseJsonBytes32(_json, string.concat(key, ".top"));
        uint64 burned = uint64(vm.parseJsonUint(_json, string.concat(key, ".burned")));
        uint64 used = uint64(vm.parseJsonUint(_json, string.concat(key, ".pool_used")));
        bytes memory changes = vm.parseJsonBytes(_json, string.concat(key, ".changes"));
        vm.prank(OPERATOR);
        vault.proposeBatch(head.seq + 1, head.root, top, burned, used, reveals, changes, 0);
    }

    /// @dev As a stranger; a failure is passed on.
    function _send(bytes memory call) private {
        vm.prank(CAROL);
        (bool done, bytes memory why) = address(vault).call(call);
        if (done) return;
        assembly ("memory-safe") {
            revert(add(why, 32), mload(why))
        }
    }
}
