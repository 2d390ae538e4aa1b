// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFaultProof} from "../src/IFaultProof.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {ChallengeHarness} from "./ChallengeHarness.sol";
import {PlainLedger, vm} from "./Harness.sol";

/// @notice Random use of a vault in which every call must succeed, but that the operator lies in some
/// proposals: what a batch pays is then not what its predictions earn. The handler keeps its own
/// books to compare with.
contract Handler is ChallengeHarness {
    uint256 internal constant MODELS = 5;
    uint256 internal constant SUPPLY = 1e9 ether;

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
    /// @dev Start of the round that the pending proposal reveals, 0 if it reveals none.
    uint64 internal _revealedStart;
    IRoundRegistry.Outcome internal _outcome;
    mapping(uint64 startsAt => Leaf[]) internal _leaves;
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

    /// @dev Commits a round that starts soon, over predictions that risk what is free.
    function commit(uint256 lead) external {
        uint64 startsAt = uint64(clock + within(lead, 1, MARGIN));
        (, , IRoundRegistry.RoundState state) = registry.roundOf(TOURNAMENT, startsAt);
        if (state != IRoundRegistry.RoundState.None) return;
        for (uint256 i = 0; i < MODELS; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(lead, startsAt, i)));
            int256 free = _free(i);
            bool present = free > 1 && draw % 4 != 0;
            uint64 w = present ? uint64(within(draw >> 8, 1, uint256(free) / 2)) : 0;
            uint32 p = uint32(within(draw >> 128, CLAMP, 1_000_000 - CLAMP));
            _leaves[startsAt].push(Leaf(present, w, p, 0));
        }
        IRoundRegistry.RoundCommitment[] memory list = new IRoundRegistry.RoundCommitment[](1);
        list[0] = commitmentOf(revealed(_round(startsAt, IRoundRegistry.Outcome.Void)));
        vm.prank(COMMITTER);
        registry.commit(list);
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

    /// @dev Two of three proposals are honest. The others lose what is free, at random.
    function propose(uint256 seed) external {
        if (_closed()) return;
        uint32 pending = vault.proposal().number;
        if (vault.proposalState(pending) == IStakeVault.ProposalState.Live) return;
        _revealedStart = _settleable(seed);
        _outcome = IRoundRegistry.Outcome((seed >> 8) % 3);
        _nextStake = _stake;
        _nextPool = _pool;
        if (seed % 3 == 0) _lose(seed);
        else _earn();
        _reward(seed);
        propose(_pending());
        calls["propose"]++;
    }

    /// @dev By anyone against anything that pends: a model that was paid what it earned survives, any
    /// other ends the proposal.
    function challenge(uint256 pick) external {
        IStakeVault.Proposal memory pending = vault.proposal();
        if (pending.number == 0 || clock >= pending.proposedAt + 3 * WINDOW) return;
        Batch memory batch = _pending();
        uint32 index = uint32(pick % (MODELS + 1));
        int256 earned;
        if (index < MODELS) {
            earned = _stake[index];
            if (_revealedStart != 0) earned += payoutOf(batch, 0, index);
        }
        bool wrong = index < MODELS && earned != _nextStake[index];
        if (!wrong) {
            expectNoFault(batch, index);
            calls["survive"]++;
            return;
        }
        challengeModel(batch, index);
        calls["challenge"]++;
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

    /// @dev What left the supply, and what challengers got, in units.
    function fires() external view returns (uint256 gone, uint256 rewarded) {
        return ((SUPPLY - token.totalSupply()) / 1e9, token.balanceOf(CAROL) / 1e9);
    }

    function contracts() external view returns (IStakeVault, IRoundRegistry, bytes32) {
        return (vault, registry, TOURNAMENT);
    }

    /// @dev The proposal that pends, from the predictions up.
    function _pending() private view returns (Batch memory batch) {
        batch = newBatch(_revealedStart == 0 ? 0 : 1, MODELS);
        if (_revealedStart != 0) batch.rounds[0] = _round(_revealedStart, _outcome);
        batch.reveals = new IRoundRegistry.Reveal[](batch.rounds.length);
        if (_revealedStart != 0) batch.reveals[0] = revealed(batch.rounds[0]);
        (batch.headStake, batch.headPool) = (_stake, _pool);
        (batch.nextStake, batch.nextPool) = (_nextStake, _nextPool);
    }

    function _round(uint64 startsAt, IRoundRegistry.Outcome outcome)
        private
        view
        returns (Round memory round)
    {
        round = newBatch(1, 0).rounds[0];
        (round.tournament, round.startsAt, round.outcome) = (TOURNAMENT, startsAt, outcome);
        round.leaves = _leaves[startsAt];
    }

    function _earn() private {
        if (_revealedStart == 0) return;
        Batch memory batch = _pending();
        for (uint256 i = 0; i < MODELS; ++i) _nextStake[i] += int128(payoutOf(batch, 0, i));
    }

    function _lose(uint256 seed) private {
        uint256 winner = seed % MODELS;
        uint64 lost;
        for (uint256 i = 0; i < MODELS; ++i) {
            int256 free = _free(i);
            if (i == winner || free <= 0) continue;
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            uint64 loss = uint64(within(draw, 0, uint256(free)));
            _nextStake[i] -= int128(uint128(loss));
            lost += loss;
        }
        _nextStake[winner] += int128(uint128(within(seed >> 128, 0, lost)));
    }

    function _reward(uint256 seed) private {
        uint64 rest = vault.books().pool;
        for (uint256 i = 0; i < MODELS; ++i) {
            uint64 reward = uint64(within(uint256(keccak256(abi.encode(i, seed))), 0, rest));
            _nextPool[i] += reward;
            rest -= reward;
        }
    }

    /// @dev Claimable, less what is requested and what a proposal or rounds on their way may take.
    function _free(uint256 i) private view returns (int256 free) {
        free = claimable(i) - int256(uint256(vault.model(uint32(i)).requested));
        bool loses = vault.proposal().number != 0 && _nextStake[i] < _stake[i];
        if (loses) free -= _stake[i] - _nextStake[i];
        for (uint256 k = 0; k < _rounds.length; ++k) {
            (,, IRoundRegistry.RoundState state) = registry.roundOf(TOURNAMENT, _rounds[k]);
            bool open = state == IRoundRegistry.RoundState.Committed
                || state == IRoundRegistry.RoundState.Held;
            if (open) free -= int256(uint256(_leaves[_rounds[k]][i].w));
        }
    }

    function _settleable(uint256 seed) private view returns (uint64) {
        for (uint256 i = 0; i < _rounds.length; ++i) {
            uint64 startsAt = _rounds[(seed % _rounds.length + i) % _rounds.length];
            (,, IRoundRegistry.RoundState state) = registry.roundOf(TOURNAMENT, startsAt);
            bool timely = clock >= startsAt && clock <= startsAt + SETTLE_BY;
            if (timely && state == IRoundRegistry.RoundState.Committed) return startsAt;
        }
        return 0;
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
