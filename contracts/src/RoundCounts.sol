// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A set of rounds that says how many of its members lie in a range
/// @dev Level 0 has a bit for each round, 256 to a word. A word of each level above counts, in eight
/// lanes of 32 bits, what eight words of the level below hold. Adding a round and counting a range cost
/// the same however many rounds there are, in whatever order they came.
library RoundCounts {
    uint256 private constant LEVELS = 5;
    /// @dev Indexes are below it; no lane can overflow.
    uint256 internal constant CAPACITY = 1 << (8 + 3 * LEVELS);
    uint256 private constant EACH_LANE = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant EACH_BYTE = 0x0101010101010101010101010101010101010101010101010101010101010101;

    struct Set {
        mapping(uint256 level => mapping(uint256 position => uint256)) words;
    }

    /// @notice Adds a round. False if it was there before.
    function add(Set storage set, uint256 index) internal returns (bool added) {
        uint256 position = index >> 8;
        uint256 bit = 1 << (index & 255);
        uint256 bits = set.words[0][position];
        if (bits & bit != 0) return false;
        set.words[0][position] = bits | bit;
        for (uint256 level = 1; level <= LEVELS; ++level) {
            uint256 lane = position & 7;
            position >>= 3;
            set.words[level][position] += 1 << (32 * lane);
        }
        return true;
    }

    function contains(Set storage set, uint256 index) internal view returns (bool) {
        return set.words[0][index >> 8] >> (index & 255) & 1 != 0;
    }

    /// @notice Members in [from, until). Both are at most CAPACITY − 1, and from ≤ until.
    function count(Set storage set, uint256 from, uint256 until) internal view returns (uint256) {
        return _countBelow(set, until) - _countBelow(set, from);
    }

    function _countBelow(Set storage set, uint256 index) private view returns (uint256 total) {
        uint256 position = index >> 8;
        total = _ones(set.words[0][position] & ((1 << (index & 255)) - 1));
        for (uint256 level = 1; level <= LEVELS; ++level) {
            uint256 lane = position & 7;
            position >>= 3;
            total += _sum(set.words[level][position] & ((1 << (32 * lane)) - 1));
        }
    }

    /// @dev Bits set in a word of which at least one bit is clear: 255 fits the byte of the sum.
    function _ones(uint256 word) private pure returns (uint256) {
        unchecked {
            word -= (word >> 1) & (EACH_BYTE * 0x55);
            word = (word & (EACH_BYTE * 0x33)) + ((word >> 2) & (EACH_BYTE * 0x33));
            word = (word + (word >> 4)) & (EACH_BYTE * 0x0f);
            return (word * EACH_BYTE) >> 248;
        }
    }

    /// @dev Sum of the eight lanes of a word; it is below 2^32, because all of them count rounds.
    function _sum(uint256 word) private pure returns (uint256) {
        unchecked {
            return (word * EACH_LANE) >> 224;
        }
    }
}
