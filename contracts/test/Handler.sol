// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {Harness, PlainLedger, vm} from "./Harness.sol";

/// @notice Random but honest use of a vault: every call is one that must succeed, and the handler
/// keeps its own books to compare with.
contract Handler is Harness {
    uint256 internal constant MODELS = 5;

    int128[] internal _stake = new int128[](MODELS);
    uint128[] internal _pool = new uint128[](MODELS);
    int128[] internal _nextStake = new int128[](MODELS);
    uint128[] internal _nextPool = new uint128[](MODELS);
    bytes32 public headRoot;
    uint64[] internal _rounds;
    uint256 public deposited;
    uint256 public withdrawn;
    uint256 public funded;
    uint256 public donated;
    uint256 public burned;
    uint256 public poolUsed;
    uint256 public accepted;
    mapping(string action => uint256) public calls;

    constructor() {
        setUp();
        for (uint256 i = 0; i < MODELS; ++i) newModel(_owner(i), 100 * TOKEN);
        deposited = MODELS * 100 * TOKEN;
        headRoot = vault.head().root;
    }

    function deposit(uint256 pick, uint64 amount) external {
        if (_closed()) return;
        amount = uint64(within(amount, 1, 1000 * TOKEN));
        uint32 index = _index(pick);
        vm.prank(_owner(index));
        vault.deposit(index, amount);
        deposited += amount;
        calls["deposit"]++;
    }

    function fund(uint64 amount) external {
        if (_closed()) return;
        amount = uint64(within(amount, 1, 1000 * TOKEN));
        vm.prank(BOB);
        vault.fund(TOURNAMENT, amount);
        funded += amount;
    }

    function donate(uint64 amount) external {
        amount = uint64(within(amount, 1, TOKEN));
        vm.prank(BOB);
        token.transfer(address(vault), uint256(amount) * 1e9);
        donated += amount;
    }

    function request(uint256 pick, uint64 amount) external {
        uint32 index = _index(pick);
        vm.prank(_owner(index));
        vault.requestWithdrawal(index, uint64(within(amount, 1, 300 * TOKEN)));
    }

    function cancel(uint256 pick) external {
        uint32 index = _index(pick);
        if (vault.model(index).requested == 0) return;
        vm.prank(_owner(index));
        vault.cancelRequest(index);
    }

    function withdraw(uint256 pick) external {
        uint32 index = _index(pick);
        IStakeVault.Model memory model = vault.model(index);
        if (!vault.books().shut && (model.requested == 0 || clock < model.maturesAt)) return;
        _withdraw(index);
        calls["withdraw"]++;
    }

    /// @dev Commits a round that starts soon.
    function commit(uint256 lead) external {
        uint64 startsAt = uint64(clock + within(lead, 1, MARGIN));
        (, , IRoundRegistry.RoundState state) = registry.roundOf(TOURNAMENT, startsAt);
        if (state != IRoundRegistry.RoundState.None) return;
        commitRound(startsAt);
        _rounds.push(startsAt);
    }

    function voidRound(uint256 pick) external {
        if (_rounds.length == 0) return;
        uint64 startsAt = _rounds[pick % _rounds.length];
        (,, IRoundRegistry.RoundState state) = registry.roundOf(TOURNAMENT, startsAt);
        if (clock <= startsAt + SETTLE_BY || state != IRoundRegistry.RoundState.Committed) return;
        registry.voidRound(TOURNAMENT, startsAt);
        calls["void"]++;
    }

    /// @dev Losses out of what is not requested, part of them to a winner, some of the pool to all.
    function propose(uint256 seed) external {
        if (_closed()) return;
        uint32 pending = vault.proposal().number;
        if (vault.proposalState(pending) == IStakeVault.ProposalState.Live) return;
        (uint64 lost, uint64 paid) = _plan(seed);
        bytes32 top = PlainLedger.topOf(_nextStake, _nextPool);
        bytes memory changes;
        for (uint32 i = 0; i < MODELS; ++i) {
            int64 stake = int64(_nextStake[i] - _stake[i]);
            changes = bytes.concat(changes, entry(i, stake, uint64(_nextPool[i] - _pool[i])));
        }
        uint64 seq = uint64(accepted + 1);
        IRoundRegistry.Reveal[] memory reveals = _settleable(seed);
        vm.prank(OPERATOR);
        vault.proposeBatch(seq, headRoot, top, lost, paid, reveals, changes, 0);
        calls["propose"]++;
    }

    function veto() external {
        IStakeVault.Proposal memory pending = vault.proposal();
        if (pending.number == 0 || clock >= pending.proposedAt + WINDOW) return;
        vm.prank(GUARDIAN);
        vault.veto(uint64(accepted + 1), pending.root);
        calls["veto"]++;
    }

    function accept() external {
        IStakeVault.Proposal memory pending = vault.proposal();
        if (pending.number == 0 || clock >= pending.proposedAt + 3 * WINDOW) return;
        if (clock < pending.proposedAt + WINDOW) pass(pending.proposedAt + WINDOW - clock);
        vault.acceptBatch(uint64(accepted + 1), pending.root);
        accepted += 1;
        burned += pending.burned;
        poolUsed += pending.poolUsed;
        _stake = _nextStake;
        _pool = _nextPool;
        headRoot = pending.root;
        calls["accept"]++;
    }

    function expire() external {
        IStakeVault.Proposal memory pending = vault.proposal();
        if (pending.number == 0 || clock < pending.proposedAt + 3 * WINDOW) return;
        vault.expireBatch();
    }

    function pause(uint256 seed) external {
        vm.prank(GUARDIAN);
        vault.setPaused(seed % 8 == 0);
    }

    function wait(uint256 time) external {
        pass(within(time, 1, DELAY));
    }

    /// @dev With every key dead: shut down, one call per model.
    function exitAll() external {
        if (clock < vault.books().acceptedAt + IDLE) pass(vault.books().acceptedAt + IDLE - clock);
        vault.shutDown();
        for (uint32 i = 0; i < MODELS; ++i) _withdraw(i);
    }

    function claimable(uint256 i) public view returns (int256) {
        IStakeVault.Model memory model = vault.model(uint32(i));
        return int256(uint256(model.deposited)) - int256(uint256(model.withdrawn)) + _stake[i]
            + int256(uint256(_pool[i]));
    }

    function plainRoot() external view returns (bytes32) {
        (bytes32 top, uint256 sums,) = PlainLedger.climb(_stake, _pool, 0);
        return SumTree.root(top, sums);
    }

    function models() external pure returns (uint256) {
        return MODELS;
    }

    function rounds() external view returns (uint64[] memory) {
        return _rounds;
    }

    function balance() external view returns (uint256 units, uint256 dust) {
        uint256 amount = token.balanceOf(address(vault));
        return (amount / 1e9, amount % 1e9);
    }

    function bondHeld() external view returns (uint256) {
        return vault.proposal().number == 0 ? 0 : BOND;
    }

    function contracts() external view returns (IStakeVault, IRoundRegistry, bytes32) {
        return (vault, registry, TOURNAMENT);
    }

    function _plan(uint256 seed) private returns (uint64 lost, uint64 paid) {
        _nextStake = _stake;
        _nextPool = _pool;
        uint256 winner = seed % MODELS;
        uint64 pool = vault.books().pool;
        for (uint256 i = 0; i < MODELS; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            int256 free = claimable(i) - int256(uint256(vault.model(uint32(i)).requested));
            if (i != winner && free > 0) {
                uint64 loss = uint64(within(draw, 0, uint256(free)));
                _nextStake[i] -= int128(uint128(loss));
                lost += loss;
            }
            uint64 reward = uint64(within(draw >> 64, 0, pool - paid));
            _nextPool[i] += reward;
            paid += reward;
        }
        uint64 won = uint64(within(seed >> 128, 0, lost));
        _nextStake[winner] += int128(uint128(won));
        lost -= won;
    }

    function _settleable(uint256 seed) private view returns (IRoundRegistry.Reveal[] memory) {
        for (uint256 i = 0; i < _rounds.length; ++i) {
            uint64 startsAt = _rounds[(seed % _rounds.length + i) % _rounds.length];
            (,, IRoundRegistry.RoundState state) = registry.roundOf(TOURNAMENT, startsAt);
            bool timely = clock >= startsAt && clock <= startsAt + SETTLE_BY;
            if (timely && state == IRoundRegistry.RoundState.Committed) {
                return one(revealOf(TOURNAMENT, startsAt));
            }
        }
        return noReveals();
    }

    function _withdraw(uint32 index) private {
        (,, bytes32[40] memory proof) = PlainLedger.climb(_stake, _pool, index);
        int256 before = claimable(index);
        uint256 paid = vault.withdraw(index, _stake[index], _pool[index], proof);
        holds(int256(paid) <= before, "never more than claimable");
        withdrawn += paid;
    }

    function _closed() private view returns (bool) {
        return vault.books().paused || vault.books().shut;
    }

    function _index(uint256 pick) private pure returns (uint32) {
        return uint32(pick % MODELS);
    }

    function _owner(uint256 index) private view returns (address) {
        return index % 2 == 0 ? ALICE : BOB;
    }
}
