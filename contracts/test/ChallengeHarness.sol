// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFaultProof} from "../src/IFaultProof.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {Wager} from "../src/Wager.sol";
import {Harness, vm} from "./Harness.sol";
import {PlainTree} from "./PlainTree.sol";

/// @notice Batches from the predictions up: rounds with leaves, the ledger before and after, and the
/// claims against it. A test changes what it wants to lie about before `propose`.
abstract contract ChallengeHarness is Harness {
    using PlainTree for PlainTree.Leaves;

    bytes32 internal constant OTHER = keccak256("eth-usd-5m");
    uint24 internal constant CLAMP = 350_000;
    uint24 internal constant OTHER_CLAMP = 200_000;
    uint24 internal constant LOSS_LIMIT = 50_000;
    address internal immutable CAROL = address(0xB3);

    /// @param file stands for p in a ranking
    struct Leaf {
        bool present;
        uint64 w;
        uint32 p;
        bytes32 file;
    }

    /// @param leaves by model index
    /// @param lieLevel as in PlainTree
    struct Round {
        bytes32 tournament;
        uint64 startsAt;
        IRoundRegistry.Outcome outcome;
        Leaf[] leaves;
        uint256 lieLevel;
        uint256 liePosition;
        uint256 lie;
    }

    /// @param rounds by ascending tournament and start
    /// @param headStake entries at the head; the next ones are what the proposal makes of them
    struct Batch {
        Round[] rounds;
        IRoundRegistry.Reveal[] reveals;
        int128[] headStake;
        uint128[] headPool;
        int128[] nextStake;
        uint128[] nextPool;
        uint256 lieLevel;
        uint256 liePosition;
        uint256 lie;
    }

    /// @param proof of the leaf or of its absence, all twenty levels
    struct Shown {
        bool present;
        uint64 w;
        bytes32 report;
        bytes32[40] proof;
    }

    bool internal isRanking;

    function setUp() public virtual override {
        super.setUp();
        vm.prank(OWNER);
        registry.registerTournament(
            OTHER, keccak256("rule"), IRoundRegistry.Kind.Direction, OTHER_CLAMP, address(vault)
        );
    }

    /// @dev From here on the vault is one of a ranking, with its own tournament named OTHER + 1.
    function useRanking() internal returns (bytes32 tournament) {
        tournament = bytes32(uint256(OTHER) + 1);
        vault = new StakeVault(settings(IRoundRegistry.Kind.Ranking));
        vm.prank(OWNER);
        registry.registerTournament(
            tournament, keccak256("rule"), IRoundRegistry.Kind.Ranking, LOSS_LIMIT, address(vault)
        );
        token.approve(address(vault), type(uint256).max);
        for (uint256 i = 0; i < 3; ++i) give([OPERATOR, ALICE, BOB][i], 1_000_000);
        isRanking = true;
    }

    function registerIn(bytes32 tournament, address owner, uint64 amount) internal returns (uint32) {
        bytes32 key = keccak256(abi.encode(vault.books().models));
        vm.prank(owner);
        return vault.registerModel(tournament, key, amount);
    }

    function newBatch(uint256 rounds, uint256 models) internal pure returns (Batch memory batch) {
        batch.rounds = new Round[](rounds);
        for (uint256 i = 0; i < rounds; ++i) {
            batch.rounds[i].leaves = new Leaf[](models);
            batch.rounds[i].lieLevel = PlainTree.HONEST;
        }
        (batch.headStake, batch.headPool) = (new int128[](models), new uint128[](models));
        (batch.nextStake, batch.nextPool) = (new int128[](models), new uint128[](models));
        batch.lieLevel = PlainTree.HONEST;
    }

    /// @dev Direction leaf.
    function say(Batch memory batch, uint256 round, uint256 model, uint64 w, uint32 p) internal pure {
        batch.rounds[round].leaves[model] = Leaf(true, w, p, 0);
    }

    function predictionTree(Round memory round) internal view returns (PlainTree.Leaves memory tree) {
        tree = PlainTree.leaves(round.leaves.length, false);
        (tree.lieLevel, tree.liePosition, tree.lie) = (round.lieLevel, round.liePosition, round.lie);
        for (uint32 i = 0; i < round.leaves.length; ++i) {
            Leaf memory leaf = round.leaves[i];
            if (!leaf.present) continue;
            tree.hashes[i] = isRanking
                ? SumTree.rankingLeaf(i, leaf.w, leaf.file)
                : SumTree.predictionLeaf(i, leaf.w, leaf.p);
            tree.sums[i] = SumTree.packPrediction(leaf.w, isRanking ? 0 : uint128(leaf.w) * leaf.p);
        }
    }

    function ledgerTree(int128[] memory stake, uint128[] memory pool)
        internal
        pure
        returns (PlainTree.Leaves memory tree)
    {
        tree = PlainTree.leaves(stake.length, true);
        for (uint32 i = 0; i < stake.length; ++i) {
            tree.sums[i] = SumTree.packLedger(stake[i], pool[i]);
            if (tree.sums[i] != 0) tree.hashes[i] = SumTree.ledgerLeaf(i, stake[i], pool[i]);
        }
    }

    function nextTree(Batch memory batch) internal pure returns (PlainTree.Leaves memory tree) {
        tree = ledgerTree(batch.nextStake, batch.nextPool);
        (tree.lieLevel, tree.liePosition, tree.lie) = (batch.lieLevel, batch.liePosition, batch.lie);
    }

    /// @dev What reveals a round's own tree.
    function revealed(Round memory round) internal view returns (IRoundRegistry.Reveal memory reveal) {
        (bytes32 top, uint256 sums) = predictionTree(round).top();
        reveal = revealOf(round.tournament, round.startsAt);
        reveal.top = top;
        (reveal.totalStake, reveal.totalWeighted) = (uint64(sums >> 128), uint128(sums));
        reveal.outcome = round.outcome;
    }

    function nextLedgerTop(Batch memory batch) internal pure returns (bytes32, uint256) {
        return nextTree(batch).top();
    }

    /// @dev Commits the rounds to their trees, and lets them begin.
    function commitAll(Batch memory batch) internal {
        uint256 count = batch.rounds.length;
        batch.reveals = new IRoundRegistry.Reveal[](count);
        IRoundRegistry.RoundCommitment[] memory list = new IRoundRegistry.RoundCommitment[](count);
        for (uint256 i = 0; i < count; ++i) {
            Round memory round = batch.rounds[i];
            if (round.startsAt == 0) round.startsAt = uint64(clock + 1 + i);
            batch.reveals[i] = revealed(round);
            list[i] = commitmentOf(batch.reveals[i]);
        }
        vm.prank(COMMITTER);
        registry.commit(list);
        pass(MARGIN);
    }

    /// @dev What the rule makes of the predictions; in a ranking every model loses all it can.
    function payHonestly(Batch memory batch) internal view {
        for (uint256 i = 0; i < batch.headStake.length; ++i) {
            int256 sum = batch.headStake[i];
            for (uint256 k = 0; k < batch.rounds.length; ++k) sum += payoutOf(batch, k, i);
            batch.nextStake[i] = int128(sum);
            if (batch.nextPool[i] == 0) batch.nextPool[i] = batch.headPool[i];
        }
    }

    function payoutOf(Batch memory batch, uint256 round, uint256 model) internal view returns (int256) {
        Leaf memory leaf = batch.rounds[round].leaves[model];
        IRoundRegistry.Reveal memory reveal = batch.reveals[round];
        if (!leaf.present || reveal.outcome == IRoundRegistry.Outcome.Void) return 0;
        uint24 rule = registry.tournamentOf(reveal.tournament).parameter;
        if (isRanking) return -int256((uint256(rule) * leaf.w + 999_999) / 1_000_000);
        uint32 y = reveal.outcome == IRoundRegistry.Outcome.One ? 1_000_000 : 0;
        return Wager.payout(rule, y, leaf.w, leaf.p, reveal.totalStake, reveal.totalWeighted);
    }

    /// @dev Proposes what the next entries say, with the changes and the sums that belong to them.
    function propose(Batch memory batch) internal {
        bytes memory changes;
        int256 stakeSum;
        uint256 poolSum;
        for (uint32 i = 0; i < batch.headStake.length; ++i) {
            int256 stake = int256(batch.nextStake[i]) - batch.headStake[i];
            uint256 pool = batch.nextPool[i] - batch.headPool[i];
            if (stake == 0 && pool == 0) continue;
            changes = bytes.concat(changes, entry(i, int64(stake), uint64(pool)));
            (stakeSum, poolSum) = (stakeSum + stake, poolSum + pool);
        }
        (bytes32 top,) = nextTree(batch).top();
        proposeAs(batch, top, uint64(uint256(-stakeSum)), uint64(poolSum), changes);
    }

    function proposeAs(
        Batch memory batch,
        bytes32 top,
        uint64 burned,
        uint64 poolUsed,
        bytes memory changes
    ) internal {
        IStakeVault.Head memory head = vault.head();
        vm.prank(OPERATOR);
        vault.proposeBatch(
            head.seq + 1, head.root, top, burned, poolUsed, batch.reveals, changes, "record"
        );
    }

    function claimOf(Batch memory batch, uint32 index)
        internal
        pure
        returns (IFaultProof.ModelClaim memory claim)
    {
        claim.index = index;
        (claim.head.stakeDelta, claim.head.poolReward) =
            _entry(batch.headStake, batch.headPool, index);
        claim.head.proof = ledgerTree(batch.headStake, batch.headPool).proof(index);
        (claim.next.stakeDelta, claim.next.poolReward) =
            _entry(batch.nextStake, batch.nextPool, index);
        claim.next.proof = nextTree(batch).proof(index);
    }

    function predictionsOf(Batch memory batch, uint32 index)
        internal
        view
        returns (Shown[] memory predictions)
    {
        bytes32 tournament = vault.model(index).tournament;
        uint256 count;
        for (uint256 i = 0; i < batch.rounds.length; ++i) {
            if (batch.rounds[i].tournament == tournament) ++count;
        }
        predictions = new Shown[](count);
        count = 0;
        for (uint256 i = 0; i < batch.rounds.length; ++i) {
            Round memory round = batch.rounds[i];
            if (round.tournament == tournament) predictions[count++] = predictionOf(round, index);
        }
    }

    function predictionOf(Round memory round, uint32 index)
        internal
        view
        returns (Shown memory prediction)
    {
        if (index < round.leaves.length) {
            Leaf memory leaf = round.leaves[index];
            prediction.present = leaf.present;
            prediction.w = leaf.w;
            prediction.report = isRanking ? leaf.file : bytes32(uint256(leaf.p));
        }
        prediction.proof = predictionTree(round).proof(index);
    }

    function said(Shown[] memory shown)
        internal
        pure
        returns (IFaultProof.Prediction[] memory predictions)
    {
        predictions = new IFaultProof.Prediction[](shown.length);
        for (uint256 i = 0; i < shown.length; ++i) {
            predictions[i] =
                IFaultProof.Prediction(shown[i].present, shown[i].w, shown[i].report);
        }
    }

    /// @dev Of as few levels as all of them need.
    function siblings(Shown[] memory shown) internal pure returns (bytes32[] memory words) {
        uint256 each = 0;
        for (uint256 i = 0; i < shown.length; ++i) {
            for (uint256 k = each; k < 40; ++k) {
                if (shown[i].proof[k] != 0) each = (k / 2 + 1) * 2;
            }
        }
        words = new bytes32[](each * shown.length);
        for (uint256 i = 0; i < words.length; ++i) words[i] = shown[i / each].proof[i % each];
    }

    /// @dev The whole challenge of a model, by CAROL.
    function challengeModel(Batch memory batch, uint32 index) internal {
        IFaultProof.ModelClaim memory claim = claimOf(batch, index);
        Shown[] memory predictions = predictionsOf(batch, index);
        vm.prank(CAROL);
        vault.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
    }

    /// @dev What the judge says, without ending the proposal.
    function faultOf(Batch memory batch, uint32 index) internal view returns (IFaultProof.Fault) {
        Shown[] memory shown = predictionsOf(batch, index);
        return faultProof.modelFault(
            vault, claimOf(batch, index), batch.reveals, said(shown), siblings(shown)
        );
    }

    function expectFault(Batch memory batch, uint32 index, IFaultProof.Fault fault) internal {
        holds(faultOf(batch, index) == fault, "the judge names the fault");
        IStakeVault.Proposal memory pending = vault.proposal();
        vm.expectEmit();
        emit IStakeVault.BatchChallenged(
            vault.head().seq + 1, pending.number, CAROL, pending.root, fault
        );
        challengeModel(batch, index);
    }

    function expectNoFault(Batch memory batch, uint32 index) internal {
        IFaultProof.ModelClaim memory claim = claimOf(batch, index);
        Shown[] memory predictions = predictionsOf(batch, index);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoFault.selector));
        vm.prank(CAROL);
        vault.challenge(claim, batch.reveals, said(predictions), siblings(predictions));
    }

    function _entry(int128[] memory stake, uint128[] memory pool, uint256 index)
        private
        pure
        returns (int128, uint128)
    {
        return index < stake.length ? (stake[index], pool[index]) : (int128(0), uint128(0));
    }
}
