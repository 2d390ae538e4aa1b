// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../../src/IRoundRegistry.sol";
import {IStakeVault} from "../../src/IStakeVault.sol";
import {SymbolicVault, vm} from "./SymbolicVault.sol";

/// @notice The order of batches. That nothing but `acceptBatch` moves the head is in Accounting.sol.
contract BatchesSymbolic is SymbolicVault {
    /// @notice An acceptance takes exactly the pending root, one seq further, between one window and
    /// three after the proposal. With `_assertSameHead` of every other call: nothing claimable changes
    /// before the window ends, and seq grows by one.
    function check_the_head_moves_one_batch_after_the_window(uint64 seq, bytes32 root) public {
        State memory before = _reachable();
        _succeeds(abi.encodeCall(IStakeVault.acceptBatch, (seq, root)));
        State memory next = _state();
        assert(next.head.seq == seq && uint256(seq) == uint256(before.head.seq) + 1);
        assert(next.head.root == root && root == before.proposal.root);
        assert(time >= uint256(before.proposal.proposedAt) + WINDOW);
        assert(time < uint256(before.proposal.proposedAt) + 3 * WINDOW);
        assert(before.proposal.number != 0 && next.proposal.number == 0);
        assert(next.books.acceptedAt == time);
    }

    /// @notice What was accepted is refused for ever after: the pending number is gone, and a proposal's
    /// seq and number are new ones.
    function check_a_batch_is_accepted_at_most_once(uint64 seq, bytes32 root, uint64 otherSeq, bytes32 other)
        public
    {
        State memory before = _reachable();
        _succeeds(abi.encodeCall(IStakeVault.acceptBatch, (seq, root)));
        assert(vault.proposalState(before.proposal.number) == IStakeVault.ProposalState.Accepted);
        assert(_refuses(abi.encodeCall(IStakeVault.acceptBatch, (otherSeq, other))));
    }

    /// @notice Only the pending number becomes accepted; what another number says stays.
    function check_an_acceptance_marks_its_own_number(uint64 seq, bytes32 root, uint32 number) public {
        State memory before = _reachable();
        vm.assume(number != before.proposal.number);
        bool accepted = vault.proposalState(number) == IStakeVault.ProposalState.Accepted;
        _succeeds(abi.encodeCall(IStakeVault.acceptBatch, (seq, root)));
        assert((vault.proposalState(number) == IStakeVault.ProposalState.Accepted) == accepted);
    }

    /// @notice A proposal follows the head and displaces no live one; its number was never used, so with
    /// every accepted number at most `proposals` a new one never counts as accepted.
    function check_a_proposal_follows_the_head(uint64 seq, bytes32 prevRoot, bytes32 newTop) public {
        State memory before = _reachable();
        IRoundRegistry.Reveal[] memory none = new IRoundRegistry.Reveal[](0);
        _succeeds(
            abi.encodeCall(IStakeVault.proposeBatch, (seq, prevRoot, newTop, 0, 0, none, "", "record"))
        );
        State memory next = _state();
        assert(uint256(seq) == uint256(before.head.seq) + 1 && prevRoot == before.head.root);
        assert(next.proposal.root == before.head.root);
        assert(
            before.proposal.number == 0 || time >= uint256(before.proposal.proposedAt) + 3 * WINDOW
        );
        assert(next.proposal.number == before.books.proposals + 1);
        assert(next.proposal.proposedAt == time && next.proposal.proposer == caller);
    }

    /// @notice A vetoed batch changes no claim, is dead at once and can never be accepted.
    function check_a_vetoed_batch_changes_nothing(uint64 seq, bytes32 root, uint256 wait) public {
        State memory before = _reachable();
        _succeeds(abi.encodeCall(IStakeVault.veto, (seq, root)));
        assert(time < uint256(before.proposal.proposedAt) + WINDOW);
        vm.assume(wait < 1 << 40);
        vm.warp(time + wait);
        assert(_refuses(abi.encodeCall(IStakeVault.acceptBatch, (seq, root))));
        State memory next = _state();
        _assertSameHead(before, next);
        assert(next.books.staked == before.books.staked && next.books.pool == before.books.pool);
        assert(vault.proposalState(before.proposal.number) != IStakeVault.ProposalState.Live);
    }

    function _refuses(bytes memory data) private returns (bool) {
        vm.prank(caller);
        (bool done,) = address(vault).call(data);
        return !done;
    }
}
