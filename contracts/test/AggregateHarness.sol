// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregateVerifier} from "../src/AggregateVerifier.sol";
import {IAggregateVerifier} from "../src/IAggregateVerifier.sol";
import {Assertions, vm} from "./Harness.sol";

/// @notice A verifier with three signers, of whom two have to sign.
abstract contract AggregateHarness is Assertions {
    bytes32 internal constant FEED = keccak256("btc-usd-5m");
    bytes32 internal constant OTHER = keccak256("eth-usd-5m");
    uint32 internal constant AGE = 300;
    uint32 internal constant DELAY = 2 days;
    /// @dev An order of the secp256k1 group: a signature (r, ORDER − s) is as good as (r, s) to the curve.
    uint256 internal constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    address internal immutable OWNER = address(0xA0);
    AggregateVerifier internal verifier;
    /// @dev Keys of the signers, by ascending address, and of somebody else.
    uint256[] internal keys;
    uint256 internal stranger = 99;
    uint256 internal clock = 1_709_251_491;

    function setUp() public virtual {
        vm.warp(clock);
        keys = sorted(11, 12, 13);
        verifier = new AggregateVerifier(OWNER, AGE, DELAY, addresses(keys), 2);
    }

    function sorted(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory list) {
        list = new uint256[](3);
        (list[0], list[1], list[2]) = (a, b, c);
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 k = 0; k < 2; ++k) {
                if (vm.addr(list[k]) < vm.addr(list[k + 1])) continue;
                (list[k], list[k + 1]) = (list[k + 1], list[k]);
            }
        }
    }

    function addresses(uint256[] memory of_) internal pure returns (address[] memory list) {
        list = new address[](of_.length);
        for (uint256 i = 0; i < of_.length; ++i) list[i] = vm.addr(of_[i]);
    }

    function travel(uint256 time) internal {
        clock = time;
        vm.warp(time);
    }

    /// @dev Made at the lock, ten seconds before the round.
    function forecast(uint64 startsAt) internal pure returns (IAggregateVerifier.Aggregate memory) {
        return IAggregateVerifier.Aggregate({
            feed: FEED,
            startsAt: startsAt,
            probabilityPpm: 531_000,
            lowPpm: 498_000,
            highPpm: 562_000,
            models: 240,
            stakeUnits: 600e9,
            effectiveModelsMilli: 57_250,
            disagreementPpm: 31_000,
            calibrated: true,
            generatedAtUs: (startsAt - 10) * 1e6 + 123_456
        });
    }

    /// @dev A forecast of the round that starts in nine seconds.
    function fresh() internal view returns (IAggregateVerifier.Aggregate memory) {
        return forecast(uint64(clock) + 9);
    }

    function signature(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    function signed(IAggregateVerifier.Aggregate memory aggregate, uint256 a, uint256 b)
        internal
        view
        returns (bytes[] memory list)
    {
        bytes32 hash = verifier.hashOf(aggregate);
        list = new bytes[](2);
        (list[0], list[1]) = (signature(a, hash), signature(b, hash));
    }

    /// @dev By the first two signers.
    function signed(IAggregateVerifier.Aggregate memory aggregate) internal view returns (bytes[] memory) {
        return signed(aggregate, keys[0], keys[1]);
    }

    function error1(bytes4 selector, uint256 value) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, value);
    }
}
