// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {Assertions} from "./Harness.sol";
import {Handler} from "./Handler.sol";

/// @notice What holds after any sequence of honest calls. A call that reverts fails the run.
contract InvariantTest is Assertions {
    Handler private _handler;
    IStakeVault private _vault;
    IRoundRegistry private _registry;
    bytes32 private _tournament;
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        _handler = new Handler();
        (_vault, _registry, _tournament) = _handler.contracts();
    }

    function targetContracts() public view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(_handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory list) {
        bytes4[15] memory chosen = [
            Handler.deposit.selector, Handler.fund.selector, Handler.donate.selector,
            Handler.request.selector, Handler.cancel.selector, Handler.withdraw.selector,
            Handler.commit.selector, Handler.voidRound.selector, Handler.propose.selector,
            Handler.veto.selector, Handler.accept.selector, Handler.expire.selector,
            Handler.pause.selector, Handler.wait.selector, Handler.challenge.selector
        ];
        bytes4[] memory selectors = new bytes4[](21);
        for (uint256 i = 0; i < 15; ++i) selectors[i] = chosen[i];
        // Proposing, accepting and paying are the point: they are drawn more often.
        selectors[15] = Handler.propose.selector;
        selectors[16] = Handler.propose.selector;
        selectors[17] = Handler.accept.selector;
        selectors[18] = Handler.accept.selector;
        selectors[19] = Handler.withdraw.selector;
        selectors[20] = Handler.commit.selector;
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(_handler), selectors);
    }

    /// @dev Every run checks all of it after every call.
    function invariant_money_and_order() public view {
        _balance_is_staked_pool_bond_and_donations();
        _staked_is_the_sum_of_what_models_can_claim();
        _money_out_is_money_in_less_burns();
        _what_burns_is_what_batches_and_lost_bonds_burned();
        _head_sums_are_all_burned_and_all_used();
        _a_round_ends_settled_or_void_never_both();
    }

    function _balance_is_staked_pool_bond_and_donations() private view {
        IStakeVault.Books memory books = _vault.books();
        (uint256 units, uint256 dust) = _handler.balance();
        uint256 owed = uint256(books.staked) + books.pool + _handler.bondHeld() + _handler.donated();
        same(units, owed, "balance");
        same(dust, 0, "no dust");
    }

    function _staked_is_the_sum_of_what_models_can_claim() private view {
        int256 sum;
        for (uint256 i = 0; i < _handler.models(); ++i) {
            int256 claimable = _handler.claimable(i);
            holds(claimable >= 0, "nobody owes");
            sum += claimable;
        }
        same(uint256(sum), _vault.books().staked, "staked");
    }

    function _head_sums_are_all_burned_and_all_used() private view {
        IStakeVault.Head memory head = _vault.head();
        same(int256(head.stakeSum), -int256(_handler.burned()), "burned");
        same(head.poolSum, _handler.poolUsed(), "pool used");
        same(head.seq, _handler.accepted(), "seq grows by one per accepted batch");
        same(head.root, _handler.headRoot(), "only an acceptance moves the head");
        same(head.root, _handler.plainRoot(), "the root is that of the accepted ledger");
    }

    function _money_out_is_money_in_less_burns() private view {
        IStakeVault.Books memory books = _vault.books();
        uint256 inflow = _handler.deposited() + _handler.funded();
        uint256 outflow = _handler.withdrawn() + _handler.burned();
        same(inflow - outflow, uint256(books.staked) + books.pool, "conservation");
    }

    function _what_burns_is_what_batches_and_lost_bonds_burned() private view {
        (uint256 gone, uint256 rewarded) = _handler.fires();
        uint256 lost = _handler.calls("challenge") * _vault.bond();
        same(rewarded, lost / 2, "half of each lost bond");
        same(gone, _handler.burned() + lost - lost / 2, "the other half burns");
    }

    function _a_round_ends_settled_or_void_never_both() private view {
        uint64[] memory rounds = _handler.rounds();
        for (uint256 i = 0; i < rounds.length; ++i) {
            (, uint32 number, IRoundRegistry.RoundState state) =
                _registry.roundOf(_tournament, rounds[i]);
            bool accepted = _vault.proposalState(number) == IStakeVault.ProposalState.Accepted;
            same(
                accepted ? 1 : 0,
                state == IRoundRegistry.RoundState.Settled ? 1 : 0,
                "settled is being in an accepted proposal"
            );
        }
    }

    /// @dev Runs once after each sequence.
    function afterInvariant() public {
        _handler.exitAll();
        same(_vault.books().staked, 0, "all stakes left");
        same(_vault.books().pool, 0, "the pool burned");
        (uint256 units,) = _handler.balance();
        same(units, _handler.donated(), "only donations remain");
    }

    /// @dev The handler reaches what the invariants speak of; a silent handler proves nothing.
    function test_the_handler_settles_and_pays() public {
        _handler.commit(0);
        _handler.fund(100e9);
        _handler.wait(59);
        _handler.propose(3 * 85 + 1);
        for (uint256 i = 0; i < 6; ++i) _handler.challenge(i);
        same(_handler.calls("survive"), 6, "an honest batch survives");
        _handler.accept();
        _handler.request(1, 5e9);
        _handler.wait(1399);
        _handler.withdraw(1);
        same(_handler.accepted(), 1, "accepted");
        holds(_handler.burned() > 0 && _handler.withdrawn() > 0, "burned and paid");
        same(_handler.calls("withdraw"), 1, "withdrawals");
        _handler.propose(3 * 85);
        for (uint256 i = 0; i < 5; ++i) _handler.challenge(i);
        same(_handler.calls("challenge"), 1, "a lie is challenged");
        _what_burns_is_what_batches_and_lost_bonds_burned();
        _a_round_ends_settled_or_void_never_both();
        afterInvariant();
    }
}
