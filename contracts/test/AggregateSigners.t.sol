// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {AggregateVerifier} from "../src/AggregateVerifier.sol";
import {IAggregateVerifier} from "../src/IAggregateVerifier.sol";
import {AggregateHarness} from "./AggregateHarness.sol";
import {vm} from "./Harness.sol";

/// @notice Signers change after a delay, and leave at once.
contract AggregateSignersTest is AggregateHarness {
    function test_settings_are_checked() public {
        address[] memory list = addresses(keys);
        same(verifier.threshold(), 2, "threshold");
        same(verifier.signers().length, 3, "signers");
        same(verifier.maximumAge(), AGE, "age");
        same(verifier.signersDelay(), DELAY, "delay");
        _refusedSettings(0, DELAY, list, 2, IAggregateVerifier.BadSettings.selector);
        _refusedSettings(AGE, 0, list, 2, IAggregateVerifier.BadSettings.selector);
        _refusedSettings(AGE, DELAY, list, 0, IAggregateVerifier.BadSigners.selector);
        _refusedSettings(AGE, DELAY, list, 4, IAggregateVerifier.BadSigners.selector);
        _refusedSettings(AGE, DELAY, new address[](1), 1, IAggregateVerifier.BadSigners.selector);
        (list[0], list[1]) = (list[1], list[0]);
        _refusedSettings(AGE, DELAY, list, 2, IAggregateVerifier.BadSigners.selector);
        list[0] = list[1];
        _refusedSettings(AGE, DELAY, list, 2, IAggregateVerifier.BadSigners.selector);
        _refusedSettings(AGE, DELAY, _many(17), 2, IAggregateVerifier.BadSigners.selector);
        same(this.deploy(AGE, DELAY, _many(16), 16).signers().length, 16, "sixteen");
    }

    function test_new_signers_are_in_force_after_the_delay() public {
        vm.expectRevert(abi.encodeWithSelector(IAggregateVerifier.NothingAnnounced.selector));
        verifier.applySigners();
        uint256[] memory next = sorted(keys[2], 21, 22);
        uint48 from = uint48(clock) + DELAY;
        vm.expectEmit();
        emit IAggregateVerifier.SignersAnnounced(addresses(next), 1, from);
        _announce(addresses(next), 1);
        (address[] memory list, uint256 threshold, uint48 when) = verifier.announced();
        same(list.length, 3, "announced");
        same(threshold, 1, "with a threshold");
        same(when, from, "for then");
        travel(from - 1);
        vm.expectRevert(error1(IAggregateVerifier.NotYet.selector, from));
        verifier.applySigners();
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        verifier.verify(FEED, aggregate, signed(aggregate));
        travel(from);
        verifier.verify(FEED, aggregate, signed(aggregate));
        vm.expectEmit();
        emit IAggregateVerifier.SignersSet(addresses(next), 1);
        vm.prank(address(0xB1));
        verifier.applySigners();
        bytes[] memory old = signed(aggregate);
        vm.expectPartialRevert(IAggregateVerifier.UnknownSigner.selector);
        verifier.verify(FEED, aggregate, old);
        bytes[] memory lone = new bytes[](1);
        lone[0] = signature(21, verifier.hashOf(aggregate));
        verifier.verify(FEED, aggregate, lone);
        lone[0] = signature(keys[2], verifier.hashOf(aggregate));
        verifier.verify(FEED, aggregate, lone);
        (,, when) = verifier.announced();
        same(when, 0, "nothing is left to apply");
    }

    function test_a_later_announcement_replaces_one_and_waits_anew() public {
        _announce(addresses(sorted(21, 22, 23)), 1);
        travel(clock + DELAY - 1);
        _announce(addresses(sorted(31, 32, 33)), 3);
        travel(clock + 1);
        vm.expectPartialRevert(IAggregateVerifier.NotYet.selector);
        verifier.applySigners();
        travel(clock + DELAY - 1);
        verifier.applySigners();
        same(verifier.threshold(), 3, "the later one");
        holds(verifier.isSigner(vm.addr(31)) && !verifier.isSigner(vm.addr(21)), "its signers");
    }

    function test_a_signer_leaves_at_once_and_takes_the_announcement_along() public {
        _announce(addresses(keys), 1);
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        bytes[] memory both = signed(aggregate);
        vm.expectEmit();
        emit IAggregateVerifier.SignerRemoved(vm.addr(keys[0]), 2);
        _remove(keys[0]);
        vm.expectRevert(
            abi.encodeWithSelector(IAggregateVerifier.UnknownSigner.selector, vm.addr(keys[0]))
        );
        verifier.verify(FEED, aggregate, both);
        verifier.verify(FEED, aggregate, signed(aggregate, keys[1], keys[2]));
        travel(clock + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IAggregateVerifier.NothingAnnounced.selector));
        verifier.applySigners();
        vm.expectPartialRevert(IAggregateVerifier.UnknownSigner.selector);
        _remove(keys[0]);
    }

    function test_fewer_signers_than_the_threshold_verify_nothing_until_there_are_others() public {
        _remove(keys[2]);
        _remove(keys[0]);
        same(verifier.signers().length, 1, "one left");
        same(verifier.signers()[0], vm.addr(keys[1]), "the one in the middle");
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        bytes[] memory lone = new bytes[](1);
        lone[0] = signature(keys[1], verifier.hashOf(aggregate));
        vm.expectPartialRevert(IAggregateVerifier.TooFewSignatures.selector);
        verifier.verify(FEED, aggregate, lone);
        _remove(keys[1]);
        _announce(addresses(keys), 2);
        travel(clock + DELAY);
        verifier.applySigners();
        aggregate = fresh();
        verifier.verify(FEED, aggregate, signed(aggregate));
    }

    function test_only_the_owner_changes_signers() public {
        address[] memory list = addresses(keys);
        bytes memory why =
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this));
        vm.expectRevert(why);
        verifier.announceSigners(list, 2);
        vm.expectRevert(why);
        verifier.removeSigner(list[0]);
        vm.expectRevert(abi.encodeWithSelector(IAggregateVerifier.BadSigners.selector));
        _announce(list, 4);
    }

    /// @dev In a call of its own, so that a test goes on after a refusal that it expected.
    function deploy(uint32 age, uint32 delay, address[] memory list, uint256 threshold)
        external
        returns (AggregateVerifier)
    {
        return new AggregateVerifier(OWNER, age, delay, list, threshold);
    }

    function _announce(address[] memory list, uint256 threshold) private {
        vm.prank(OWNER);
        verifier.announceSigners(list, threshold);
    }

    function _remove(uint256 key) private {
        vm.prank(OWNER);
        verifier.removeSigner(vm.addr(key));
    }

    function _refusedSettings(
        uint32 age,
        uint32 delay,
        address[] memory list,
        uint256 threshold,
        bytes4 why
    ) private {
        vm.expectRevert(abi.encodeWithSelector(why));
        this.deploy(age, delay, list, threshold);
    }

    function _many(uint256 count) private pure returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i = 0; i < count; ++i) list[i] = address(uint160(i + 1));
    }
}
