// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SumTree} from "../src/SumTree.sol";

/// @notice A tree over the positions 0 to n − 1 written plainly, level by level, in which one node may
/// claim sums that are not its children's.
library PlainTree {
    /// @param hashes of the leaves, zero where there is none
    /// @param sums of the leaves
    /// @param lieLevel level of the node that lies, 21 if none does
    /// @param lie what it claims
    struct Leaves {
        bytes32[] hashes;
        uint256[] sums;
        bool isLedger;
        uint256 lieLevel;
        uint256 liePosition;
        uint256 lie;
    }

    /// @param siblings from the node upwards, hash then sums
    /// @param opening what the hash is of; empty at the leaves
    struct Node {
        bytes32 hash;
        uint256 sums;
        bytes32[] siblings;
        bytes opening;
    }

    uint256 internal constant HONEST = 21;

    function leaves(uint256 count, bool isLedger) internal pure returns (Leaves memory tree) {
        tree.hashes = new bytes32[](count);
        tree.sums = new uint256[](count);
        tree.isLedger = isLedger;
        tree.lieLevel = HONEST;
    }

    function top(Leaves memory tree) internal pure returns (bytes32 hash, uint256 sums) {
        Node memory node = nodeAt(tree, 20, 0);
        return (node.hash, node.sums);
    }

    function root(Leaves memory tree) internal pure returns (bytes32) {
        (bytes32 hash, uint256 sums) = top(tree);
        return SumTree.root(hash, sums);
    }

    /// @notice The siblings of a leaf as the contracts take them.
    function proof(Leaves memory tree, uint256 position) internal pure returns (bytes32[40] memory words) {
        bytes32[] memory siblings = nodeAt(tree, 0, position).siblings;
        for (uint256 i = 0; i < 40; ++i) words[i] = siblings[i];
    }

    function nodeAt(Leaves memory tree, uint256 level, uint256 position)
        internal
        pure
        returns (Node memory node)
    {
        (bytes32[] memory hashes, uint256[] memory sums) = _copy(tree);
        node.siblings = new bytes32[](2 * (20 - level));
        for (uint256 height = 0; height <= 20; ++height) {
            if (height == tree.lieLevel && tree.liePosition < sums.length) {
                sums[tree.liePosition] = tree.lie;
            }
            if (height == level) (node.hash, node.sums) = _pick(hashes, sums, position);
            if (height == 20) break;
            if (height >= level) {
                uint256 sibling = (position >> (height - level)) ^ 1;
                (bytes32 hash, uint256 word) = _pick(hashes, sums, sibling);
                node.siblings[2 * (height - level)] = hash;
                node.siblings[2 * (height - level) + 1] = bytes32(word);
            } else if (height + 1 == level) {
                node.opening = _opening(hashes, sums, 2 * position);
            }
            (hashes, sums) = _above(hashes, sums, tree.isLedger);
        }
    }

    function _above(bytes32[] memory hashes, uint256[] memory sums, bool isLedger)
        private
        pure
        returns (bytes32[] memory nextHashes, uint256[] memory nextSums)
    {
        uint256 count = (hashes.length + 1) / 2;
        (nextHashes, nextSums) = (new bytes32[](count), new uint256[](count));
        for (uint256 i = 0; i < count; ++i) {
            (bytes32 leftHash, uint256 left) = _pick(hashes, sums, 2 * i);
            (bytes32 rightHash, uint256 right) = _pick(hashes, sums, 2 * i + 1);
            nextHashes[i] = SumTree.node(leftHash, left, rightHash, right);
            nextSums[i] = isLedger ? SumTree.addLedger(left, right) : SumTree.addPrediction(left, right);
        }
    }

    function _opening(bytes32[] memory hashes, uint256[] memory sums, uint256 first)
        private
        pure
        returns (bytes memory)
    {
        (bytes32 leftHash, uint256 left) = _pick(hashes, sums, first);
        (bytes32 rightHash, uint256 right) = _pick(hashes, sums, first + 1);
        return abi.encodePacked(uint8(1), leftHash, left, rightHash, right);
    }

    function _copy(Leaves memory tree)
        private
        pure
        returns (bytes32[] memory hashes, uint256[] memory sums)
    {
        uint256 count = tree.hashes.length;
        (hashes, sums) = (new bytes32[](count), new uint256[](count));
        for (uint256 i = 0; i < count; ++i) (hashes[i], sums[i]) = (tree.hashes[i], tree.sums[i]);
    }

    function _pick(bytes32[] memory hashes, uint256[] memory sums, uint256 i)
        private
        pure
        returns (bytes32, uint256)
    {
        return i < hashes.length ? (hashes[i], sums[i]) : (bytes32(0), 0);
    }
}
