// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAggregateVerifier} from "../src/IAggregateVerifier.sol";
import {AggregateHarness} from "./AggregateHarness.sol";
import {vm} from "./Harness.sol";

/// @notice The forecasts that the Rust bindings hash have the same hash at a verifier of the same
/// address and chain, and none of them at another.
contract AggregateFixtureTest is AggregateHarness {
    string private _json;

    function test_hashes_are_those_of_rust() public {
        _json = vm.readFile("test/fixtures/aggregates.json");
        uint256 count = vm.parseJsonUint(_json, ".count");
        holds(count > 0, "cases");
        for (uint256 i = 0; i < count; ++i) {
            string memory key = string.concat(".cases[", vm.toString(i), "]");
            address place = vm.parseJsonAddress(_json, string.concat(key, ".verifier"));
            vm.etch(place, address(verifier).code);
            vm.chainId(vm.parseJsonUint(_json, string.concat(key, ".chain_id")));
            IAggregateVerifier.Aggregate memory aggregate = _read(key);
            bytes32 expected = vm.parseJsonBytes32(_json, string.concat(key, ".hash"));
            same(IAggregateVerifier(place).hashOf(aggregate), expected, "hash");
            holds(verifier.hashOf(aggregate) != expected, "at another verifier");
        }
    }

    function _read(string memory key) private view returns (IAggregateVerifier.Aggregate memory) {
        uint256[] memory numbers = vm.parseJsonUintArray(_json, string.concat(key, ".numbers"));
        return IAggregateVerifier.Aggregate({
            feed: vm.parseJsonBytes32(_json, string.concat(key, ".feed")),
            startsAt: uint64(numbers[0]),
            probabilityPpm: uint32(numbers[1]),
            lowPpm: uint32(numbers[2]),
            highPpm: uint32(numbers[3]),
            models: uint32(numbers[4]),
            stakeUnits: uint64(numbers[5]),
            effectiveModelsMilli: uint32(numbers[6]),
            disagreementPpm: uint32(numbers[7]),
            calibrated: numbers[8] != 0,
            generatedAtUs: uint64(numbers[9])
        });
    }
}
