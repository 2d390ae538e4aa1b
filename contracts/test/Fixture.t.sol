// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Changes} from "../src/Changes.sol";
import {SumTree} from "../src/SumTree.sol";
import {Wager} from "../src/Wager.sol";
import {Harness, vm} from "./Harness.sol";

/// @notice The fixture that the Rust bindings write and check: leaves, proofs, roots, commitments,
/// packed changes and payouts must be the same here.
contract FixtureTest is Harness {
    string private _json;

    function setUp() public override {
        super.setUp();
        _json = vm.readFile("test/fixtures/trees.json");
    }

    function test_prediction_leaves_of_both_halves() public view {
        _checkPredictions(".protocol.prediction");
        _checkPredictions(".generated.prediction");
    }

    function test_prediction_proofs_and_absences() public view {
        bytes32 root = _word(".generated.prediction.root");
        uint256[] memory probes = _numbers(".generated.prediction.proof_of");
        uint256[] memory indexes = _numbers(".generated.prediction.index");
        uint256[] memory ws = _numbers(".generated.prediction.w");
        uint256[] memory ps = _numbers(".generated.prediction.p");
        for (uint256 i = 0; i < probes.length; ++i) {
            uint256 row = _find(indexes, probes[i]);
            bytes32 leaf = SumTree.predictionLeaf(uint32(probes[i]), uint64(ws[row]), uint32(ps[row]));
            bytes32[] memory proof = _words(_index(".generated.prediction.proofs", i));
            bytes32 proven = this.predictionRoot(
                probes[i], leaf, uint128(ws[row]), uint128(ws[row] * ps[row]), proof
            );
            same(proven, root, "proof");
        }
        uint256[] memory absent = _numbers(".generated.prediction.absent");
        for (uint256 i = 0; i < absent.length; ++i) {
            bytes32[] memory proof = _words(_index(".generated.prediction.absent_proofs", i));
            same(this.predictionRoot(absent[i], 0, 0, 0, proof), root, "absence");
        }
    }

    function test_round_ids_and_commitments() public {
        _checkRound(".protocol");
        _checkRound(".generated");
    }

    function test_ledger_leaves_and_roots_of_the_protocol() public view {
        string memory key = ".protocol.ledger";
        uint256[] memory indexes = _numbers(string.concat(key, ".index"));
        int256[] memory stakes = _integers(string.concat(key, ".stake_delta"));
        uint256[] memory pools = _numbers(string.concat(key, ".pool_reward"));
        bytes32[] memory hashes = _words(string.concat(key, ".hash"));
        bytes32 root = _word(string.concat(key, ".root"));
        uint256 sums;
        for (uint256 i = 0; i < indexes.length; ++i) {
            int128 stake = int128(stakes[i]);
            bytes32 leaf = SumTree.ledgerLeaf(uint32(indexes[i]), stake, uint128(pools[i]));
            same(leaf, hashes[i], "ledger leaf");
            sums = SumTree.addLedger(sums, SumTree.packLedger(stake, uint128(pools[i])));
            bytes32[40] memory proof = _proof(".generated.protocol_ledger_proofs", indexes[i]);
            same(this.ledgerRoot(indexes[i], stake, uint128(pools[i]), proof), root, "ledger proof");
        }
        same(SumTree.root(_word(".protocol.ledger.top"), sums), root, "ledger root");
        same(vault.head().root, _word(".protocol.ledger.empty_root"), "empty root");
    }

    function test_ledger_batches() public view {
        for (uint256 batch = 0; batch < 3; ++batch) {
            _checkBatch(string.concat(".generated.ledger[", vm.toString(batch), "]"));
        }
    }

    function test_payouts_of_the_protocol() public view {
        for (uint256 i = 0; i < 19; ++i) {
            string memory key = string.concat(".protocol.wager[", vm.toString(i), "]");
            int256[] memory expected = _integers(string.concat(key, ".D"));
            int256 burned = -_checkPayouts(
                key,
                expected,
                uint32(_number(string.concat(key, ".a"))),
                uint32(_number(string.concat(key, ".y"))),
                uint64(_number(string.concat(key, ".W"))),
                uint128(_number(string.concat(key, ".P")))
            );
            same(burned, vm.parseJsonInt(_json, string.concat(key, ".burned")), "burned");
        }
    }

    function test_payouts_of_240_models() public view {
        string memory key = ".generated.prediction";
        uint256[] memory sums = _numbers(string.concat(key, ".sums"));
        uint32 clamp = uint32(_number(string.concat(key, ".clamp")));
        int256[] memory zero = _integers(string.concat(key, ".payout_zero"));
        int256[] memory up = _integers(string.concat(key, ".payout_one"));
        int256 lost = _checkPayouts(key, zero, clamp, 0, uint64(sums[0]), uint128(sums[1]));
        int256 lostUp = _checkPayouts(key, up, clamp, 1e6, uint64(sums[0]), uint128(sums[1]));
        holds(lost <= 0 && lostUp <= 0, "never a gain in all");
        int256 apart = lost - lostUp;
        holds(apart >= -240 && apart <= 240, "the outcome moves the burn by rounding only");
    }

    /// @dev The protocol's example ledger, proposed, accepted and paid out with proofs from Rust.
    function test_a_vault_pays_by_the_proofs_of_rust() public {
        for (uint256 i = 0; i < 6; ++i) newModel(ALICE, 100 * TOKEN);
        vault.fund(TOURNAMENT, TOKEN);
        uint256[] memory indexes = _numbers(".protocol.ledger.index");
        int256[] memory stakes = _integers(".protocol.ledger.stake_delta");
        uint256[] memory pools = _numbers(".protocol.ledger.pool_reward");
        bytes memory changes;
        int128[] memory stake = new int128[](6);
        uint128[] memory pool = new uint128[](6);
        for (uint256 i = 0; i < indexes.length; ++i) {
            changes =
                bytes.concat(changes, entry(uint32(indexes[i]), int64(stakes[i]), uint64(pools[i])));
            (stake[indexes[i]], pool[indexes[i]]) = (int128(stakes[i]), uint128(pools[i]));
        }
        bytes32 empty = vault.head().root;
        bytes32 top = _word(".protocol.ledger.top");
        vm.prank(OPERATOR);
        vault.proposeBatch(1, empty, top, 5_129_966_333, 167_249_999, noReveals(), changes, 0);
        pass(WINDOW);
        vault.acceptBatch(1, _word(".protocol.ledger.root"));
        pass(IDLE);
        vault.shutDown();
        for (uint32 i = 0; i < 6; ++i) {
            bytes32[40] memory proof = _proof(".generated.protocol_ledger_proofs", i);
            uint256 expected = uint256(int256(uint256(100 * TOKEN)) + stake[i]) + pool[i];
            same(vault.withdraw(i, stake[i], pool[i], proof), expected, "paid");
        }
        same(held(), 0, "nothing is left");
    }

    function predictionRoot(
        uint256 index,
        bytes32 leaf,
        uint128 w,
        uint128 wp,
        bytes32[] calldata proof
    ) external pure returns (bytes32) {
        return SumTree.predictionRoot(index, leaf, w, wp, proof);
    }

    function ledgerRoot(uint256 index, int128 stake, uint128 pool, bytes32[40] calldata proof)
        external
        pure
        returns (bytes32)
    {
        return SumTree.ledgerRoot(index, stake, pool, proof);
    }

    function sumOf(bytes calldata changes, uint256 models) external pure returns (int256, uint256) {
        return Changes.sum(changes, models);
    }

    function _checkPredictions(string memory key) private view {
        uint256[] memory indexes = _numbers(string.concat(key, ".index"));
        uint256[] memory ws = _numbers(string.concat(key, ".w"));
        uint256[] memory ps = _numbers(string.concat(key, ".p"));
        bytes32[] memory hashes = _words(string.concat(key, ".hash"));
        uint256[] memory expected = _numbers(string.concat(key, ".sums"));
        uint256 sums;
        for (uint256 i = 0; i < indexes.length; ++i) {
            bytes32 leaf = SumTree.predictionLeaf(uint32(indexes[i]), uint64(ws[i]), uint32(ps[i]));
            same(leaf, hashes[i], "prediction leaf");
            uint256 word = SumTree.packPrediction(uint128(ws[i]), uint128(ws[i] * ps[i]));
            sums = SumTree.addPrediction(sums, word);
        }
        same(sums, (expected[0] << 128) | expected[1], "prediction sums");
        same(
            SumTree.root(_word(string.concat(key, ".top")), sums),
            _word(string.concat(key, ".root")),
            "prediction root"
        );
    }

    function _checkRound(string memory half) private {
        string memory key = string.concat(half, ".round");
        vm.chainId(_number(string.concat(key, ".chain_id")));
        bytes32 id = keccak256(
            abi.encode(
                block.chainid,
                vm.parseJsonAddress(_json, string.concat(key, ".registry")),
                _word(string.concat(key, ".tournament")),
                _number(string.concat(key, ".starts_at"))
            )
        );
        same(id, _word(string.concat(key, ".round_id")), "round id");
        bytes32 root = _word(string.concat(half, ".prediction.root"));
        bytes32 salt = _word(string.concat(key, ".salt"));
        same(
            keccak256(abi.encodePacked(uint8(3), id, root, salt)),
            _word(string.concat(key, ".commitment")),
            "commitment"
        );
    }

    function _checkBatch(string memory key) private view {
        bytes memory changes = vm.parseJsonBytes(_json, string.concat(key, ".changes"));
        (int256 stakeSum, uint256 poolSum) = this.sumOf(changes, 30);
        int256[] memory sums = _integers(string.concat(key, ".change_sums"));
        same(stakeSum, sums[0], "stake sum");
        same(poolSum, uint256(sums[1]), "pool sum");
        uint256[] memory indexes = _numbers(string.concat(key, ".index"));
        int256[] memory stakes = _integers(string.concat(key, ".stake_delta"));
        uint256[] memory pools = _numbers(string.concat(key, ".pool_reward"));
        uint256[] memory probes = _numbers(string.concat(key, ".proof_of"));
        bytes32 root = _word(string.concat(key, ".root"));
        for (uint256 i = 0; i < probes.length; ++i) {
            uint256 row = _find(indexes, probes[i]);
            int128 stake = row < indexes.length ? int128(stakes[row]) : int128(0);
            uint128 pool = row < indexes.length ? uint128(pools[row]) : 0;
            bytes32[40] memory proof = _proof(string.concat(key, ".proofs"), i);
            same(this.ledgerRoot(probes[i], stake, pool, proof), root, "batch proof");
        }
    }

    function _checkPayouts(
        string memory key,
        int256[] memory expected,
        uint32 a,
        uint32 y,
        uint64 total,
        uint128 weighted
    ) private view returns (int256 sum) {
        uint256[] memory ws = _numbers(string.concat(key, ".w"));
        uint256[] memory ps = _numbers(string.concat(key, ".p"));
        same(ws.length, expected.length, "rows");
        for (uint256 i = 0; i < ws.length; ++i) {
            int256 payout = Wager.payout(a, y, uint64(ws[i]), uint32(ps[i]), total, weighted);
            same(payout, expected[i], "payout");
            sum += payout;
        }
    }

    function _find(uint256[] memory list, uint256 wanted) private pure returns (uint256 row) {
        while (row < list.length && list[row] != wanted) ++row;
    }

    function _proof(string memory key, uint256 i) private view returns (bytes32[40] memory proof) {
        bytes32[] memory words = _words(_index(key, i));
        same(words.length, 40, "words of a proof");
        for (uint256 k = 0; k < 40; ++k) proof[k] = words[k];
    }

    function _index(string memory key, uint256 i) private pure returns (string memory) {
        return string.concat(key, "[", vm.toString(i), "]");
    }

    function _number(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(_json, key);
    }

    function _word(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, key);
    }

    function _numbers(string memory key) private view returns (uint256[] memory) {
        return vm.parseJsonUintArray(_json, key);
    }

    function _integers(string memory key) private view returns (int256[] memory) {
        return vm.parseJsonIntArray(_json, key);
    }

    function _words(string memory key) private view returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(_json, key);
    }
}
