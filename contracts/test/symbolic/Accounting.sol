// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../../src/IRoundRegistry.sol";
import {IStakeVault} from "../../src/IStakeVault.sol";
import {SymbolicVault, svm, vm} from "./SymbolicVault.sol";

/// @notice The balance equation, the sum of all claims, and the head: one step by each entry point.
/// The balance stays staked + pool + bond + donations, and the donations do not move. `staked` moves
/// with Σ (deposited − withdrawn) + Σ stakeDelta + Σ poolReward, the sum of all claims. The head does
/// not move but in `acceptBatch`. `withdraw` is in Withdrawals.sol.
contract AccountingSymbolic is SymbolicVault {
    /// @notice Whatever is not named below moves nothing: requests, roles, and what may be added.
    function check_any_other_call_moves_nothing() public {
        bytes memory data = svm.createCalldata("StakeVault");
        vm.assume(_isOther(bytes4(data)));
        State memory before = _reachable();
        _succeeds(data);
        State memory next = _state();
        _assertMoved(before, next, 0, 0);
        _assertSameHead(before, next);
        assert(next.books.staked == before.books.staked && next.books.pool == before.books.pool);
        assert(next.proposal.number == before.proposal.number && next.supply == before.supply);
    }

    function check_a_registration_is_staked(bytes32 tournament, bytes32 key, uint64 amount) public {
        State memory before = _reachable();
        uint32 index = before.books.models;
        vm.assume(vault.model(index).deposited == 0);
        _succeeds(abi.encodeCall(IStakeVault.registerModel, (tournament, key, amount)));
        _assertStaked(before, index, 0, amount);
        assert(vault.model(index).owner == caller && vault.books().models == index + 1);
    }

    function check_a_deposit_is_staked(uint32 index, uint64 amount) public {
        State memory before = _reachable();
        uint256 deposited = vault.model(index).deposited;
        _succeeds(abi.encodeCall(IStakeVault.deposit, (index, amount)));
        _assertStaked(before, index, deposited, amount);
    }

    function check_a_deposit_with_permit_is_staked(uint32 index, uint64 amount, uint256 deadline) public {
        State memory before = _reachable();
        uint256 deposited = vault.model(index).deposited;
        _succeeds(abi.encodeCall(IStakeVault.depositWithPermit, (index, amount, deadline, 27, "r", "s")));
        _assertStaked(before, index, deposited, amount);
    }

    function check_funding_goes_to_the_pool(bytes32 tournament, uint64 amount) public {
        State memory before = _reachable();
        _succeeds(abi.encodeCall(IStakeVault.fund, (tournament, amount)));
        State memory next = _state();
        _assertMoved(before, next, amount, 0);
        _assertSameHead(before, next);
        assert(next.books.staked == before.books.staked);
        assert(uint256(next.books.staked) + next.books.pool <= vault.MAX_UNITS());
    }

    /// @notice No round and one change; a longer list repeats the same step. A dead proposal's bond goes
    /// out when the new one's comes in.
    function check_a_proposal_locks_the_bond_alone(
        uint64 seq,
        bytes32 prevRoot,
        bytes32 newTop,
        uint64 burned,
        uint64 poolUsed,
        uint32 index,
        int64 stakeDelta,
        uint64 poolReward
    ) public {
        bytes memory changes = abi.encodePacked(index, stakeDelta, poolReward);
        State memory before = _reachable();
        IRoundRegistry.Reveal[] memory none = new IRoundRegistry.Reveal[](0);
        _succeeds(
            abi.encodeCall(
                IStakeVault.proposeBatch,
                (seq, prevRoot, newTop, burned, poolUsed, none, changes, "record")
            )
        );
        State memory next = _state();
        _assertMoved(before, next, BOND, before.proposal.number == 0 ? 0 : BOND);
        _assertSameHead(before, next);
        assert(next.books.staked == before.books.staked && next.books.pool == before.books.pool);
        assert(next.proposal.number == next.books.proposals);
        assert(next.books.proposals == before.books.proposals + 1);
    }

    function check_a_veto_returns_the_bond(uint64 seq, bytes32 root) public {
        _endsTheProposal(abi.encodeCall(IStakeVault.veto, (seq, root)), 0);
    }

    function check_an_expiry_returns_the_bond() public {
        _endsTheProposal(abi.encodeCall(IStakeVault.expireBatch, ()), 0);
    }

    function check_a_challenge_pays_and_burns_the_bond() public {
        _endsTheProposal(_challenge(), BOND - BOND / 2);
    }

    function check_a_challenge_of_a_node_pays_and_burns_the_bond() public {
        _endsTheProposal(_challengeOfNode(), BOND - BOND / 2);
    }

    function check_a_shutdown_burns_the_pool_and_returns_the_bond() public {
        State memory before = _reachable();
        _succeeds(abi.encodeCall(IStakeVault.shutDown, ()));
        State memory next = _state();
        uint256 bond = before.proposal.number == 0 ? 0 : BOND;
        _assertMoved(before, next, 0, uint256(before.books.pool) + bond);
        _assertSameHead(before, next);
        assert(next.books.staked == before.books.staked && next.books.shut);
        assert(next.supply + uint256(before.books.pool) * WEI == before.supply);
    }

    /// @notice Head sums, stakes, pool and supply move by the same (−burned, poolUsed).
    function check_an_acceptance_moves_head_and_books_alike(uint64 seq, bytes32 root) public {
        State memory before = _reachable();
        _succeeds(abi.encodeCall(IStakeVault.acceptBatch, (seq, root)));
        State memory next = _state();
        (uint256 burned, uint256 poolUsed) = (before.proposal.burned, before.proposal.poolUsed);
        _assertMoved(before, next, 0, burned + BOND);
        assert(int256(next.head.stakeSum) == int256(before.head.stakeSum) - int256(burned));
        assert(uint256(next.head.poolSum) == uint256(before.head.poolSum) + poolUsed);
        assert(uint256(next.books.staked) + burned == uint256(before.books.staked) + poolUsed);
        assert(uint256(next.books.pool) + poolUsed == before.books.pool);
        assert(next.supply + burned * WEI == before.supply);
    }

    function _assertStaked(State memory before, uint32 index, uint256 deposited, uint64 amount) private view {
        State memory next = _state();
        _assertMoved(before, next, amount, 0);
        _assertSameHead(before, next);
        assert(next.books.pool == before.books.pool);
        assert(uint256(next.books.staked) + next.books.pool <= vault.MAX_UNITS());
        assert(vault.model(index).deposited == deposited + amount);
    }

    function _endsTheProposal(bytes memory data, uint256 burned) private {
        State memory before = _reachable();
        _succeeds(data);
        State memory next = _state();
        _assertMoved(before, next, 0, BOND);
        _assertSameHead(before, next);
        assert(before.proposal.number != 0 && next.proposal.number == 0);
        assert(next.books.staked == before.books.staked && next.books.pool == before.books.pool);
        assert(before.supply - next.supply == burned * WEI);
    }

    function _isOther(bytes4 selector) private pure returns (bool) {
        return selector != IStakeVault.registerModel.selector && selector != IStakeVault.deposit.selector
            && selector != IStakeVault.depositWithPermit.selector && selector != IStakeVault.fund.selector
            && selector != IStakeVault.withdraw.selector && selector != IStakeVault.proposeBatch.selector
            && selector != IStakeVault.veto.selector && selector != IStakeVault.acceptBatch.selector
            && selector != IStakeVault.challenge.selector && selector != IStakeVault.challengeNode.selector
            && selector != IStakeVault.expireBatch.selector && selector != IStakeVault.shutDown.selector;
    }
}
