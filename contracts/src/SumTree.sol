// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle-sum trees of depth 20
/// @notice The position of a leaf is the model's index. A node is (hash, sums); sums are two 128-bit
/// halves in one word. In the ledger the high half is signed (stakeDelta), the low half is
/// poolReward; in a prediction tree both are unsigned (w, w·p). An empty node is all zero, also above
/// two empty nodes. A proof is the siblings from the leaf upwards, hash then sums, twenty pairs.
/// @dev Sums are added with overflow checks: a tree whose sums wrap proves nothing.
library SumTree {
    uint256 internal constant DEPTH = 20;
    uint256 private constant LOW = type(uint128).max;

    error IndexOutOfTree(uint256 index);
    error SumOverflow();

    /// @notice Root that a ledger leaf and its siblings lead to. An entry of (0, 0) is the empty leaf,
    /// so the same call proves that a model has no entry.
    function ledgerRoot(
        uint256 index,
        int128 stakeDelta,
        uint128 poolReward,
        bytes32[40] calldata proof
    ) internal pure returns (bytes32) {
        bytes32 leaf;
        uint256 sums = packLedger(stakeDelta, poolReward);
        if (sums != 0) leaf = ledgerLeaf(uint32(index), stakeDelta, poolReward);
        (bytes32 top, uint256 total) = climb(index, leaf, sums, proof, addLedger);
        return root(top, total);
    }

    /// @notice Root that a prediction leaf and its siblings lead to.
    /// @param leaf zero with w and wp zero proves absence
    /// @param siblings of at most DEPTH levels; above them every sibling is empty
    function predictionRoot(
        uint256 index,
        bytes32 leaf,
        uint128 w,
        uint128 wp,
        bytes32[] calldata siblings
    ) internal pure returns (bytes32) {
        if (index >> DEPTH != 0) revert IndexOutOfTree(index);
        uint256 levels = siblings.length / 2;
        bytes32 hash = leaf;
        uint256 sums = packPrediction(w, wp);
        uint256 pairs;
        assembly ("memory-safe") {
            pairs := siblings.offset
        }
        (hash, sums) = _walk(index, hash, sums, pairs, levels, addPrediction);
        for (uint256 level = levels; level < DEPTH; ++level) {
            hash = (index >> level) & 1 == 0 ? node(hash, sums, 0, 0) : node(0, 0, hash, sums);
        }
        return root(hash, sums);
    }

    function ledgerLeaf(uint32 index, int128 stakeDelta, uint128 poolReward) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(0), index, stakeDelta, poolReward));
    }

    function predictionLeaf(uint32 index, uint64 w, uint32 p) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(0), index, w, p));
    }

    /// @notice Leaf of a ranking round: the sha256 of the uploaded file stands for p.
    function rankingLeaf(uint32 index, uint64 w, bytes32 file) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(0), index, w, file));
    }

    function root(bytes32 top, uint256 sums) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(2), top, sums));
    }

    function packLedger(int128 stakeDelta, uint128 poolReward) internal pure returns (uint256) {
        return (uint256(uint128(stakeDelta)) << 128) | poolReward;
    }

    function packPrediction(uint128 w, uint128 wp) internal pure returns (uint256) {
        return (uint256(w) << 128) | wp;
    }

    function addLedger(uint256 left, uint256 right) internal pure returns (uint256) {
        int256 high = (int256(left) >> 128) + (int256(right) >> 128);
        uint256 low = (left & LOW) + (right & LOW);
        if (high != int128(high) || low > LOW) revert SumOverflow();
        return (uint256(high) << 128) | low;
    }

    function addPrediction(uint256 left, uint256 right) internal pure returns (uint256) {
        uint256 high = (left >> 128) + (right >> 128);
        uint256 low = (left & LOW) + (right & LOW);
        if (high > LOW || low > LOW) revert SumOverflow();
        return (high << 128) | low;
    }

    /// @notice Whether the sums of a ledger node are those of its children, at any size.
    function isLedgerSum(uint256 left, uint256 right, uint256 sums) internal pure returns (bool) {
        int256 high = (int256(left) >> 128) + (int256(right) >> 128);
        uint256 low = (left & LOW) + (right & LOW);
        return high == int256(sums) >> 128 && low == sums & LOW;
    }

    /// @notice Whether the sums of a prediction node are those of its children, at any size.
    function isPredictionSum(uint256 left, uint256 right, uint256 sums) internal pure returns (bool) {
        uint256 high = (left >> 128) + (right >> 128);
        uint256 low = (left & LOW) + (right & LOW);
        return high == sums >> 128 && low == sums & LOW;
    }

    /// @notice Walks from a leaf to the top.
    function climb(
        uint256 index,
        bytes32 hash,
        uint256 sums,
        bytes32[40] calldata proof,
        function(uint256, uint256) pure returns (uint256) add
    ) internal pure returns (bytes32, uint256) {
        if (index >> DEPTH != 0) revert IndexOutOfTree(index);
        uint256 pairs;
        assembly ("memory-safe") {
            pairs := proof
        }
        return _walk(index, hash, sums, pairs, DEPTH, add);
    }

    /// @notice Walks from any node to the top, over as many levels as there are siblings.
    /// @param position among the nodes of its level
    function climbFrom(
        uint256 position,
        bytes32 hash,
        uint256 sums,
        bytes32[] calldata siblings,
        function(uint256, uint256) pure returns (uint256) add
    ) internal pure returns (bytes32, uint256) {
        uint256 levels = siblings.length / 2;
        if (position >> levels != 0) revert IndexOutOfTree(position);
        uint256 pairs;
        assembly ("memory-safe") {
            pairs := siblings.offset
        }
        return _walk(position, hash, sums, pairs, levels, add);
    }

    /// @dev `pairs` is the place of the siblings in calldata, two words to a level.
    function _walk(
        uint256 position,
        bytes32 hash,
        uint256 sums,
        uint256 pairs,
        uint256 levels,
        function(uint256, uint256) pure returns (uint256) add
    ) private pure returns (bytes32, uint256) {
        for (uint256 level = 0; level < levels;) {
            bytes32 siblingHash;
            uint256 siblingSums;
            // The callers' types say that so many pairs lie there.
            assembly ("memory-safe") {
                let pair := add(pairs, shl(6, level))
                siblingHash := calldataload(pair)
                siblingSums := calldataload(add(pair, 32))
            }
            hash = (position >> level) & 1 == 0
                ? node(hash, sums, siblingHash, siblingSums)
                : node(siblingHash, siblingSums, hash, sums);
            if (siblingSums != 0) sums = add(sums, siblingSums);
            unchecked {
                ++level;
            }
        }
        return (hash, sums);
    }

    /// @notice Hash of the node above two others; zero above two empty ones.
    function node(bytes32 leftHash, uint256 leftSums, bytes32 rightHash, uint256 rightSums)
        internal
        pure
        returns (bytes32 hash)
    {
        if (uint256(leftHash) | leftSums | uint256(rightHash) | rightSums == 0) return 0;
        // keccak256(abi.encodePacked(uint8(1), …)) over the free memory, without allocating it.
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore8(start, 1)
            mstore(add(start, 1), leftHash)
            mstore(add(start, 33), leftSums)
            mstore(add(start, 65), rightHash)
            mstore(add(start, 97), rightSums)
            hash := keccak256(start, 129)
        }
    }
}
