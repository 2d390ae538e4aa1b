// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FaultProof} from "../src/FaultProof.sol";
import {ForeToken} from "../src/ForeToken.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {RoundRegistry} from "../src/RoundRegistry.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {SumTree} from "../src/SumTree.sol";

/// @notice An event as the cheatcodes tell it.
struct Log {
    bytes32[] topics;
    bytes data;
    address emitter;
}

/// @notice The cheatcodes in use; the packaged library of them is old.
interface Vm {
    function warp(uint256) external;
    function chainId(uint256) external;
    function prank(address) external;
    function assume(bool) external pure;
    function expectRevert() external;
    function expectRevert(bytes calldata) external;
    function expectPartialRevert(bytes4) external;
    function expectEmit() external;
    function deal(address, uint256) external;
    function etch(address, bytes calldata) external;
    function coinbase(address) external;
    function store(address, bytes32, bytes32) external;
    function load(address, bytes32) external view returns (bytes32);
    function sign(uint256, bytes32) external pure returns (uint8, bytes32, bytes32);
    function addr(uint256) external pure returns (address);
    function readFile(string calldata) external view returns (string memory);
    function parseJsonUint(string calldata, string calldata) external pure returns (uint256);
    function parseJsonInt(string calldata, string calldata) external pure returns (int256);
    function parseJsonAddress(string calldata, string calldata) external pure returns (address);
    function parseJsonBytes(string calldata, string calldata) external pure returns (bytes memory);
    function parseJsonBytes32(string calldata, string calldata) external pure returns (bytes32);
    function parseJsonUintArray(string calldata, string calldata) external pure returns (uint256[] memory);
    function parseJsonIntArray(string calldata, string calldata) external pure returns (int256[] memory);
    function parseJsonBytes32Array(string calldata, string calldata)
        external
        pure
        returns (bytes32[] memory);
    function toString(uint256) external pure returns (string memory);
    function getBlockTimestamp() external view returns (uint256);
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @notice Assertions that revert with both sides.
abstract contract Assertions {
    error NotEqual(string what, bytes32 left, bytes32 right);
    error False(string what);

    function same(uint256 left, uint256 right, string memory what) internal pure {
        if (left != right) revert NotEqual(what, bytes32(left), bytes32(right));
    }

    function same(int256 left, int256 right, string memory what) internal pure {
        if (left != right) revert NotEqual(what, bytes32(uint256(left)), bytes32(uint256(right)));
    }

    function same(bytes32 left, bytes32 right, string memory what) internal pure {
        if (left != right) revert NotEqual(what, left, right);
    }

    function same(address left, address right, string memory what) internal pure {
        if (left != right) {
            revert NotEqual(what, bytes32(uint256(uint160(left))), bytes32(uint256(uint160(right))));
        }
    }

    function holds(bool truth, string memory what) internal pure {
        if (!truth) revert False(what);
    }

    function within(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        return least + value % (most - least + 1);
    }
}

/// @notice A ledger over the models 0 to n − 1, written plainly.
library PlainLedger {
    function climb(int128[] memory stake, uint128[] memory pool, uint256 index)
        internal
        pure
        returns (bytes32 hash, uint256 sums, bytes32[40] memory proof)
    {
        uint256 count = stake.length;
        bytes32[] memory hashes = new bytes32[](count + 1);
        uint256[] memory words = new uint256[](count + 1);
        for (uint256 i = 0; i < count; ++i) {
            words[i] = SumTree.packLedger(stake[i], pool[i]);
            if (words[i] != 0) hashes[i] = SumTree.ledgerLeaf(uint32(i), stake[i], pool[i]);
        }
        for (uint256 level = 0; level < 20; ++level) {
            uint256 sibling = (index >> level) ^ 1;
            if (sibling < count) {
                proof[2 * level] = hashes[sibling];
                proof[2 * level + 1] = bytes32(words[sibling]);
            }
            uint256 above = (count + 1) / 2;
            for (uint256 i = 0; i < above; ++i) {
                bool paired = 2 * i + 1 < count;
                bytes32 right = paired ? hashes[2 * i + 1] : bytes32(0);
                uint256 word = paired ? words[2 * i + 1] : 0;
                hashes[i] = SumTree.node(hashes[2 * i], words[2 * i], right, word);
                words[i] = SumTree.addLedger(words[2 * i], word);
            }
            count = above;
        }
        return (hashes[0], words[0], proof);
    }

    function topOf(int128[] memory stake, uint128[] memory pool) internal pure returns (bytes32 hash) {
        (hash,,) = climb(stake, pool, 0);
    }
}

/// @notice A token, a registry, a direction vault with the demo's durations, and the roles.
abstract contract Harness is Assertions {
    bytes32 internal constant TOURNAMENT = keccak256("btc-usd-5m");
    uint64 internal constant TOKEN = 1e9;
    uint64 internal constant BOND = 50 * TOKEN;
    uint32 internal constant WINDOW = 120;
    uint32 internal constant SETTLE_BY = 900;
    uint32 internal constant DELAY = 1400;
    uint32 internal constant MARGIN = 60;
    uint32 internal constant IDLE = 7 days;

    address internal immutable OWNER = address(0xA0);
    address internal immutable OPERATOR = address(0xA1);
    address internal immutable GUARDIAN = address(0xA2);
    address internal immutable COMMITTER = address(0xA3);
    address internal immutable ALICE = address(0xB1);
    address internal immutable BOB = address(0xB2);

    ForeToken internal token;
    RoundRegistry internal registry;
    FaultProof internal faultProof;
    StakeVault internal vault;
    /// @dev Read instead of block.timestamp: the compiler may keep that across a warp.
    uint256 internal clock = 1_709_251_200;

    function setUp() public virtual {
        vm.warp(clock);
        token = new ForeToken(address(this), 1e9 ether);
        registry = new RoundRegistry(OWNER, COMMITTER);
        faultProof = new FaultProof();
        vault = new StakeVault(settings(IRoundRegistry.Kind.Direction));
        vm.prank(OWNER);
        registry.registerTournament(
            TOURNAMENT, keccak256("rule"), IRoundRegistry.Kind.Direction, 350_000, address(vault)
        );
        token.approve(address(vault), type(uint256).max);
        give(OPERATOR, 1_000_000);
        give(ALICE, 1_000_000);
        give(BOB, 1_000_000);
    }

    /// @dev In a call of its own, so that a test goes on after a refusal that it expected.
    function deploy(IStakeVault.Settings memory values) external returns (StakeVault) {
        return new StakeVault(values);
    }

    function settings(IRoundRegistry.Kind kind) internal view returns (IStakeVault.Settings memory) {
        return IStakeVault.Settings({
            token: address(token),
            registry: address(registry),
            faultProof: address(faultProof),
            kind: kind,
            window: WINDOW,
            settleBy: SETTLE_BY,
            delay: DELAY,
            margin: MARGIN,
            idleLimit: IDLE,
            bond: BOND,
            minimumDeposit: TOKEN,
            owner: OWNER,
            operator: OPERATOR,
            guardian: GUARDIAN
        });
    }

    function give(address to, uint256 tokens) internal {
        token.transfer(to, tokens * 1 ether);
        vm.prank(to);
        token.approve(address(vault), type(uint256).max);
    }

    function pass(uint256 time) internal {
        clock += time;
        vm.warp(clock);
    }

    function newModel(address owner, uint64 amount) internal returns (uint32 index) {
        bytes32 key = keccak256(abi.encode(vault.books().models));
        vm.prank(owner);
        return vault.registerModel(TOURNAMENT, key, amount);
    }

    function commitRound(uint64 startsAt) internal returns (IRoundRegistry.Reveal memory reveal) {
        reveal = revealOf(TOURNAMENT, startsAt);
        IRoundRegistry.RoundCommitment[] memory list = new IRoundRegistry.RoundCommitment[](1);
        list[0] = commitmentOf(reveal);
        vm.prank(COMMITTER);
        registry.commit(list);
    }

    function revealOf(bytes32 tournament, uint64 startsAt)
        internal
        pure
        returns (IRoundRegistry.Reveal memory)
    {
        return IRoundRegistry.Reveal({
            tournament: tournament,
            startsAt: startsAt,
            top: keccak256(abi.encode("top", startsAt)),
            totalStake: 600 * TOKEN,
            totalWeighted: 322_000_000 * uint128(TOKEN),
            outcome: IRoundRegistry.Outcome.One,
            salt: keccak256(abi.encode("salt", startsAt)),
            evidence: keccak256(abi.encode("evidence", startsAt))
        });
    }

    function commitmentOf(IRoundRegistry.Reveal memory reveal)
        internal
        view
        returns (IRoundRegistry.RoundCommitment memory)
    {
        bytes32 root = SumTree.root(
            reveal.top, SumTree.packPrediction(reveal.totalStake, reveal.totalWeighted)
        );
        bytes32 id = keccak256(
            abi.encode(block.chainid, address(registry), reveal.tournament, uint256(reveal.startsAt))
        );
        return IRoundRegistry.RoundCommitment({
            tournament: reveal.tournament,
            startsAt: reveal.startsAt,
            commitment: keccak256(abi.encodePacked(hex"03", id, root, reveal.salt))
        });
    }

    function entry(uint32 index, int64 stake, uint64 pool) internal pure returns (bytes memory) {
        return abi.encodePacked(index, stake, pool);
    }

    function noReveals() internal pure returns (IRoundRegistry.Reveal[] memory) {
        return new IRoundRegistry.Reveal[](0);
    }

    function one(IRoundRegistry.Reveal memory reveal)
        internal
        pure
        returns (IRoundRegistry.Reveal[] memory list)
    {
        list = new IRoundRegistry.Reveal[](1);
        list[0] = reveal;
    }

    function held() internal view returns (uint256) {
        return token.balanceOf(address(vault)) / 1e9;
    }
}
