// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregateVerifier} from "../../src/AggregateVerifier.sol";
import {IAggregateVerifier} from "../../src/IAggregateVerifier.sol";
import {svm, vm} from "./SymbolicVault.sol";

/// @notice The order of consumed rounds, from any state: all storage, the time and the caller are open.
contract AggregatesSymbolic {
    AggregateVerifier private _verifier = AggregateVerifier(address(0x7004));
    address private _caller;

    function setUp() public {
        AggregateVerifier made = new AggregateVerifier(address(0xA0), 300, 2 days, _list(0xB1), 1);
        vm.etch(address(_verifier), address(made).code);
        svm.enableSymbolicStorage(address(_verifier));
        _caller = svm.createAddress("caller");
        uint256 time = svm.createUint256("time");
        vm.assume(time < 1 << 40);
        vm.warp(time);
    }

    /// @notice What is consumed starts after all that the caller consumed before, and is remembered.
    function check_consumed_rounds_strictly_increase(bytes32 feed, IAggregateVerifier.Aggregate memory one)
        public
    {
        uint64 last = _verifier.lastRound(_caller, feed);
        _consumes(feed, one);
        assert(one.startsAt > last && one.feed == feed);
        assert(_verifier.lastRound(_caller, feed) == one.startsAt);
    }

    /// @notice The order of others, and of other feeds, is theirs.
    function check_a_consumer_moves_only_its_own_order(
        bytes32 feed,
        IAggregateVerifier.Aggregate memory one,
        address other,
        bytes32 otherFeed
    ) public {
        vm.assume(other != _caller || otherFeed != feed);
        uint64 last = _verifier.lastRound(other, otherFeed);
        _consumes(feed, one);
        assert(_verifier.lastRound(other, otherFeed) == last);
    }

    /// @notice What is consumed is fresh: neither over the age nor ahead of the block by more than allowed.
    function check_what_is_consumed_is_fresh(bytes32 feed, IAggregateVerifier.Aggregate memory one) public {
        _consumes(feed, one);
        uint256 nowUs = block.timestamp * 1e6;
        assert(uint256(one.generatedAtUs) + 300e6 >= nowUs);
        assert(one.generatedAtUs <= nowUs + 60e6);
    }

    /// @notice Signers that were announced at any time are in force no sooner than the delay after it.
    function check_signers_are_not_in_force_before_their_time(uint256 wait) public {
        AggregateVerifier fresh = new AggregateVerifier(address(this), 300, 2 days, _list(0xB1), 1);
        fresh.announceSigners(_list(0xB2), 1);
        vm.assume(wait < 1 << 40);
        vm.warp(block.timestamp + wait);
        vm.prank(_caller);
        (bool done,) = address(fresh).call(abi.encodeCall(IAggregateVerifier.applySigners, ()));
        assert(done == (wait >= 2 days));
        assert(fresh.isSigner(address(0xB2)) == done && fresh.isSigner(address(0xB1)) != done);
    }

    function _list(uint160 signer) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(signer);
    }

    function _consumes(bytes32 feed, IAggregateVerifier.Aggregate memory one) private {
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = svm.createBytes(65, "signature");
        vm.prank(_caller);
        (bool done,) = address(_verifier).call(
            abi.encodeCall(IAggregateVerifier.consume, (feed, one, signatures))
        );
        vm.assume(done);
    }
}
