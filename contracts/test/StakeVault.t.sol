// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {Harness, vm} from "./Harness.sol";

/// @notice Inflows, requests, withdrawals without a ledger entry, roles and settings.
contract StakeVaultTest is Harness {
    bytes32[40] private _empty;

    function test_register_counts_indexes_and_takes_the_deposit() public {
        vm.expectEmit();
        emit IStakeVault.ModelRegistered(0, TOURNAMENT, keccak256(abi.encode(0)), ALICE, 5 * TOKEN);
        same(newModel(ALICE, 5 * TOKEN), 0, "first index");
        same(newModel(BOB, 2 * TOKEN), 1, "second index");
        same(held(), 7 * TOKEN, "balance");
        same(vault.books().staked, 7 * TOKEN, "staked");
        IStakeVault.Model memory model = vault.model(0);
        same(model.owner, ALICE, "owner");
        same(model.deposited, 5 * TOKEN, "deposited");
        same(model.tournament, TOURNAMENT, "tournament");
        holds(vault.keyTaken(ALICE, keccak256(abi.encode(0))), "key taken");
    }

    function test_register_refuses() public {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.BelowMinimum.selector, TOKEN - 1, TOKEN));
        vm.prank(ALICE);
        vault.registerModel(TOURNAMENT, "key", TOKEN - 1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.UnknownTournament.selector, bytes32("x")));
        vm.prank(ALICE);
        vault.registerModel("x", "key", TOKEN);
        vm.prank(ALICE);
        vault.registerModel(TOURNAMENT, "key", TOKEN);
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.ModelKeyTaken.selector, ALICE, bytes32("key"))
        );
        vm.prank(ALICE);
        vault.registerModel(TOURNAMENT, "key", TOKEN);
        vm.prank(BOB);
        same(vault.registerModel(TOURNAMENT, "key", TOKEN), 1, "the key is free for another sender");
    }

    function test_deposit_is_the_owners_alone() public {
        newModel(ALICE, TOKEN);
        vm.expectEmit();
        emit IStakeVault.Deposited(0, ALICE, 3);
        vm.prank(ALICE);
        vault.deposit(0, 3);
        same(vault.model(0).deposited, TOKEN + 3, "deposited");
        same(token.balanceOf(address(vault)), (TOKEN + 3) * 1e9, "units times 1e9 wei");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotModelOwner.selector, 0, BOB));
        vm.prank(BOB);
        vault.deposit(0, 3);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ZeroAmount.selector));
        vm.prank(ALICE);
        vault.deposit(0, 0);
    }

    function test_deposits_stop_below_two_to_the_63() public {
        newModel(ALICE, TOKEN);
        uint256 total = uint256(type(uint64).max) + TOKEN;
        uint256 limit = vault.MAX_UNITS();
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultFull.selector, total, limit));
        vm.prank(ALICE);
        vault.deposit(0, type(uint64).max);
        vm.expectPartialRevert(IStakeVault.VaultFull.selector);
        vault.fund(TOURNAMENT, uint64(limit) - TOKEN + 1);
        // One unit less is for the token to refuse.
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientBalance.selector);
        vault.fund(TOURNAMENT, uint64(limit) - TOKEN);
    }

    function test_lifetime_deposits_of_a_model_stop_below_two_to_the_63() public {
        uint64 amount = 990_000_000 * TOKEN;
        uint32 index = newModel(address(this), TOKEN);
        vault.requestWithdrawal(index, type(uint64).max);
        pass(DELAY);
        for (uint256 round = 0; round < 9; round++) {
            vault.deposit(index, amount);
            vault.withdraw(index, 0, 0, _empty);
        }
        uint256 lifetime = uint256(9) * amount + TOKEN;
        same(vault.model(index).deposited, lifetime, "lifetime");
        uint256 limit = vault.MAX_UNITS();
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.VaultFull.selector, lifetime + amount, limit)
        );
        vault.deposit(index, amount);
        same(vault.books().staked, 0, "everything is out");
        vault.deposit(index, uint64(limit - lifetime));
        same(vault.model(index).deposited, limit, "up to the limit itself");
    }

    function test_deposit_with_permit_even_when_it_was_spent_before() public {
        address signer = vm.addr(7);
        token.transfer(signer, 10 ether);
        vm.prank(signer);
        token.approve(address(vault), 1 ether);
        vm.prank(signer);
        vault.registerModel(TOURNAMENT, "key", TOKEN);
        (uint8 v, bytes32 r, bytes32 s) = _permit(signer, 2 ether);
        token.permit(signer, address(vault), 2 ether, clock, v, r, s);
        vm.prank(signer);
        vault.depositWithPermit(0, 2 * TOKEN, clock, v, r, s);
        same(vault.model(0).deposited, 3 * TOKEN, "front-run permit");

        (v, r, s) = _permit(signer, 1 ether);
        vm.prank(signer);
        vault.depositWithPermit(0, TOKEN, clock, v, r, s);
        same(vault.model(0).deposited, 4 * TOKEN, "fresh permit");
        vm.expectRevert();
        vm.prank(signer);
        vault.depositWithPermit(0, TOKEN, clock, v, r, s);
    }

    function test_fund_by_anyone_goes_to_the_pool() public {
        vm.expectEmit();
        emit IStakeVault.Funded(TOURNAMENT, BOB, 9);
        vm.prank(BOB);
        vault.fund(TOURNAMENT, 9);
        same(vault.books().pool, 9, "pool");
        same(vault.books().staked, 0, "staked");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.UnknownTournament.selector, bytes32("x")));
        vm.prank(BOB);
        vault.fund("x", 9);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ZeroAmount.selector));
        vm.prank(BOB);
        vault.fund(TOURNAMENT, 0);
    }

    function test_a_request_matures_pays_once_and_keeps_the_rest() public {
        newModel(ALICE, 10 * TOKEN);
        vm.expectEmit();
        emit IStakeVault.WithdrawalRequested(0, 4 * TOKEN, uint48(clock + DELAY));
        vm.prank(ALICE);
        vault.requestWithdrawal(0, 4 * TOKEN);
        pass(DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotMatured.selector, 0, clock + 1));
        vault.withdraw(0, 0, 0, _empty);
        pass(1);
        uint256 before = token.balanceOf(ALICE);
        vm.expectEmit();
        emit IStakeVault.Withdrawn(0, ALICE, 4 * TOKEN, 0);
        vm.prank(BOB);
        same(vault.withdraw(0, 0, 0, _empty), 4 * TOKEN, "paid");
        same(token.balanceOf(ALICE) - before, 4 ether, "to the owner, not the caller");
        same(vault.books().staked, 6 * TOKEN, "staked");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoRequest.selector, 0));
        vault.withdraw(0, 0, 0, _empty);
    }

    function test_a_request_for_more_pays_all_and_the_rest_stays_requested() public {
        newModel(ALICE, 10 * TOKEN);
        vm.prank(ALICE);
        vault.requestWithdrawal(0, 12 * TOKEN);
        pass(DELAY);
        same(vault.withdraw(0, 0, 0, _empty), 10 * TOKEN, "paid");
        same(vault.model(0).requested, 2 * TOKEN, "still requested");
        same(vault.withdraw(0, 0, 0, _empty), 0, "nothing is left");
        same(vault.model(0).withdrawn, 10 * TOKEN, "withdrawn");
    }

    function test_a_new_request_restarts_the_delay_and_cancel_ends_it() public {
        newModel(ALICE, 10 * TOKEN);
        vm.prank(ALICE);
        vault.requestWithdrawal(0, TOKEN);
        pass(DELAY - 1);
        vm.prank(ALICE);
        vault.requestWithdrawal(0, 2 * TOKEN);
        same(vault.model(0).maturesAt, clock + DELAY, "restarted");
        same(vault.model(0).requested, 2 * TOKEN, "replaced");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotModelOwner.selector, 0, BOB));
        vm.prank(BOB);
        vault.cancelRequest(0);
        vm.prank(ALICE);
        vault.cancelRequest(0);
        same(vault.model(0).maturesAt, 0, "no date without a request");
        pass(DELAY);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoRequest.selector, 0));
        vault.withdraw(0, 0, 0, _empty);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoRequest.selector, 0));
        vm.prank(ALICE);
        vault.cancelRequest(0);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotModelOwner.selector, 0, BOB));
        vm.prank(BOB);
        vault.requestWithdrawal(0, TOKEN);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ZeroAmount.selector));
        vm.prank(ALICE);
        vault.requestWithdrawal(0, 0);
    }

    function test_withdraw_refuses_claims_that_the_head_does_not_hold() public {
        newModel(ALICE, 10 * TOKEN);
        vm.prank(ALICE);
        vault.requestWithdrawal(0, TOKEN);
        pass(DELAY);
        vm.expectPartialRevert(IStakeVault.WrongProof.selector);
        vault.withdraw(0, 1, 0, _empty);
        vm.expectPartialRevert(IStakeVault.WrongProof.selector);
        vault.withdraw(0, 0, 1, _empty);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.UnknownModel.selector, 1));
        vault.withdraw(1, 0, 0, _empty);
    }

    function test_pause_is_the_guardians_and_stops_inflows_only() public {
        newModel(ALICE, 10 * TOKEN);
        vm.prank(ALICE);
        vault.requestWithdrawal(0, TOKEN);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotGuardian.selector, OWNER));
        vm.prank(OWNER);
        vault.setPaused(true);
        vm.prank(GUARDIAN);
        vault.setPaused(true);
        bytes memory paused = abi.encodeWithSelector(IStakeVault.IsPaused.selector);
        vm.expectRevert(paused);
        vm.prank(ALICE);
        vault.registerModel(TOURNAMENT, "key", TOKEN);
        vm.expectRevert(paused);
        vm.prank(ALICE);
        vault.deposit(0, TOKEN);
        vm.expectRevert(paused);
        vm.prank(ALICE);
        vault.depositWithPermit(0, TOKEN, 0, 0, 0, 0);
        vm.expectRevert(paused);
        vault.fund(TOURNAMENT, TOKEN);
        pass(DELAY);
        same(vault.withdraw(0, 0, 0, _empty), TOKEN, "withdrawals go on");
        vm.prank(ALICE);
        vault.requestWithdrawal(0, TOKEN);
        vm.prank(GUARDIAN);
        vault.setPaused(false);
        newModel(ALICE, TOKEN);
    }

    function test_the_owner_names_the_roles_and_moves_in_two_steps() public {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, BOB));
        vm.prank(BOB);
        vault.setOperator(BOB);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, BOB));
        vm.prank(BOB);
        vault.setGuardian(BOB);
        vm.prank(OWNER);
        vault.setOperator(BOB);
        vm.prank(OWNER);
        vault.setGuardian(ALICE);
        same(vault.operator(), BOB, "operator");
        same(vault.guardian(), ALICE, "guardian");
        vm.prank(OWNER);
        vault.transferOwnership(BOB);
        same(vault.owner(), OWNER, "not yet");
        vm.prank(BOB);
        vault.acceptOwnership();
        same(vault.owner(), BOB, "accepted");
    }

    function test_the_constructor_demands_the_delay_inequality() public {
        IStakeVault.Settings memory values = settings(IRoundRegistry.Kind.Direction);
        values.delay = SETTLE_BY + 3 * WINDOW + MARGIN;
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.BadSettings.selector));
        this.deploy(values);
        values.delay += 1;
        same(new StakeVault(values).head().root, SumTree.root(0, 0), "one second more is enough");
        values.kind = IRoundRegistry.Kind.None;
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.BadSettings.selector));
        this.deploy(values);
        values.kind = IRoundRegistry.Kind.Ranking;
        values.registry = ALICE;
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.BadSettings.selector));
        this.deploy(values);
    }

    function _permit(address signer, uint256 value) private view returns (uint8, bytes32, bytes32) {
        bytes32 kind = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
        );
        bytes32 hash = keccak256(
            abi.encode(kind, signer, address(vault), value, token.nonces(signer), clock)
        );
        return vm.sign(7, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), hash)));
    }
}
