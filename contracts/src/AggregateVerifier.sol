// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IAggregateVerifier} from "./IAggregateVerifier.sol";

/// @title Checks that a combined forecast was signed for this chain, feed and round, and is fresh
/// @dev Described at IAggregateVerifier.
contract AggregateVerifier is IAggregateVerifier, Ownable2Step, EIP712 {
    uint256 public constant MAX_SIGNERS = 16;
    /// @dev Seconds that a forecast may be ahead of the block that checks it.
    uint256 public constant MAX_AHEAD = 60;
    uint256 private constant PPM = 1e6;
    uint256 private constant MICROSECONDS = 1e6;
    bytes32 private constant AGGREGATE_TYPE = keccak256(
        "Aggregate(bytes32 feed,uint64 startsAt,uint32 probabilityPpm,uint32 lowPpm,uint32 highPpm,uint32 models,uint64 stakeUnits,uint32 effectiveModelsMilli,uint32 disagreementPpm,bool calibrated,uint64 generatedAtUs)"
    );

    struct SignerSet {
        address[] signers;
        uint256 threshold;
        uint48 from;
    }

    uint32 public immutable maximumAge;
    uint32 public immutable signersDelay;

    SignerSet private _inForce;
    SignerSet private _announced;
    mapping(address account => bool) public isSigner;
    mapping(address consumer => mapping(bytes32 feed => uint64)) public lastRound;

    constructor(
        address owner,
        uint32 maximumAge_,
        uint32 signersDelay_,
        address[] memory signers_,
        uint256 threshold_
    ) Ownable(owner) EIP712("Foretoken aggregate", "1") {
        if (maximumAge_ == 0 || signersDelay_ == 0) revert BadSettings();
        maximumAge = maximumAge_;
        signersDelay = signersDelay_;
        _requireGood(signers_, threshold_);
        _enforce(SignerSet({signers: signers_, threshold: threshold_, from: 0}));
    }

    function consume(bytes32 feed, Aggregate calldata aggregate, bytes[] calldata signatures) external {
        bytes32 hash = _verified(feed, aggregate, signatures);
        uint64 last = lastRound[msg.sender][feed];
        if (aggregate.startsAt <= last) revert RoundNotNewer(aggregate.startsAt, last);
        lastRound[msg.sender][feed] = aggregate.startsAt;
        emit Consumed(msg.sender, feed, aggregate.startsAt, hash);
    }

    function announceSigners(address[] calldata signers_, uint256 threshold_) external onlyOwner {
        _requireGood(signers_, threshold_);
        uint48 from = uint48(block.timestamp + signersDelay);
        _announced = SignerSet({signers: signers_, threshold: threshold_, from: from});
        emit SignersAnnounced(signers_, threshold_, from);
    }

    function applySigners() external {
        uint256 from = _announced.from;
        if (from == 0) revert NothingAnnounced();
        if (block.timestamp < from) revert NotYet(from);
        SignerSet memory next = _announced;
        delete _announced;
        address[] memory before = _inForce.signers;
        for (uint256 i = 0; i < before.length; ++i) {
            isSigner[before[i]] = false;
        }
        _enforce(next);
    }

    function removeSigner(address signer) external onlyOwner {
        if (!isSigner[signer]) revert UnknownSigner(signer);
        isSigner[signer] = false;
        delete _announced;
        address[] storage list = _inForce.signers;
        uint256 left = list.length - 1;
        // The last one takes its place; only an announced list has to ascend.
        for (uint256 i = 0; i < left; ++i) {
            if (list[i] == signer) list[i] = list[left];
        }
        list.pop();
        emit SignerRemoved(signer, left);
    }

    function verify(bytes32 feed, Aggregate calldata aggregate, bytes[] calldata signatures)
        external
        view
    {
        _verified(feed, aggregate, signatures);
    }

    function hashOf(Aggregate calldata aggregate) external view returns (bytes32) {
        return _hash(aggregate);
    }

    function signers() external view returns (address[] memory) {
        return _inForce.signers;
    }

    function threshold() external view returns (uint256) {
        return _inForce.threshold;
    }

    function announced() external view returns (address[] memory, uint256, uint48) {
        return (_announced.signers, _announced.threshold, _announced.from);
    }

    function _enforce(SignerSet memory next) private {
        _inForce = next;
        for (uint256 i = 0; i < next.signers.length; ++i) {
            isSigner[next.signers[i]] = true;
        }
        emit SignersSet(next.signers, next.threshold);
    }

    function _verified(bytes32 feed, Aggregate calldata aggregate, bytes[] calldata signatures)
        private
        view
        returns (bytes32 hash)
    {
        if (aggregate.feed != feed) revert WrongFeed(aggregate.feed, feed);
        if (
            aggregate.probabilityPpm > PPM || aggregate.highPpm > PPM
                || aggregate.lowPpm > aggregate.highPpm || aggregate.models == 0
        ) revert BadAggregate();
        _requireFresh(aggregate.generatedAtUs);
        hash = _hash(aggregate);
        _requireSigned(hash, signatures);
    }

    function _requireFresh(uint64 generatedAtUs) private view {
        uint256 latest = (block.timestamp + MAX_AHEAD) * MICROSECONDS;
        if (generatedAtUs > latest) revert FromTheFuture(generatedAtUs, latest);
        uint256 expires = generatedAtUs + maximumAge * MICROSECONDS;
        if (expires < block.timestamp * MICROSECONDS) revert TooOld(generatedAtUs, expires);
    }

    function _requireSigned(bytes32 hash, bytes[] calldata signatures) private view {
        uint256 needed = _inForce.threshold;
        if (signatures.length < needed) revert TooFewSignatures(signatures.length, needed);
        address last = address(0);
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = ECDSA.recoverCalldata(hash, signatures[i]);
            if (!isSigner[signer]) revert UnknownSigner(signer);
            if (signer <= last) revert SignersUnordered(i);
            last = signer;
        }
    }

    function _hash(Aggregate calldata aggregate) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(AGGREGATE_TYPE, aggregate)));
    }

    function _requireGood(address[] memory list, uint256 needed) private pure {
        if (list.length > MAX_SIGNERS || needed == 0 || needed > list.length) revert BadSigners();
        address last = address(0);
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] <= last) revert BadSigners();
            last = list[i];
        }
    }
}
