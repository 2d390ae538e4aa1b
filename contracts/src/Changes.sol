// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "./IRoundRegistry.sol";
import {IStakeVault} from "./IStakeVault.sol";

/// @title What a proposal carries in calldata only
/// @dev The words are read where they lie; nothing is copied but the reveals, once, to be hashed.
library Changes {
    uint256 internal constant ENTRY_BYTES = 20;
    uint256 private constant REVEAL_BYTES = 256;

    /// @notice Sums of the packed entries (index u32, Δ stakeDelta i64, Δ poolReward u64), whose
    /// indexes ascend strictly and are below `models`.
    function sum(bytes calldata changes, uint256 models)
        internal
        pure
        returns (int256 stakeSum, uint256 poolSum)
    {
        uint256 length = changes.length;
        if (length % ENTRY_BYTES != 0) revert IStakeVault.BadChangesLength(length);
        uint256 least = 0;
        uint256 index;
        // No sum can overflow: there are at most 2^20 entries of 64 bits.
        unchecked {
            for (uint256 offset = 0; offset < length; offset += ENTRY_BYTES) {
                int256 stakeDelta;
                uint256 poolReward;
                assembly ("memory-safe") {
                    let word := calldataload(add(changes.offset, offset))
                    index := shr(224, word)
                    stakeDelta := signextend(7, shr(160, word))
                    poolReward := and(shr(96, word), 0xffffffffffffffff)
                }
                if (index < least || index >= models) {
                    revert IStakeVault.ChangesUnordered(offset / ENTRY_BYTES);
                }
                least = index + 1;
                stakeSum += stakeDelta;
                poolSum += poolReward;
            }
        }
    }

    /// @notice keccak256 of the reveals' ABI words, eight to a reveal, without offset and length.
    function hashReveals(IRoundRegistry.Reveal[] calldata reveals) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            let size := mul(reveals.length, REVEAL_BYTES)
            calldatacopy(start, reveals.offset, size)
            hash := keccak256(start, size)
        }
    }
}
