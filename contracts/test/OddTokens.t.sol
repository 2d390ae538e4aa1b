// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ForeToken} from "../src/ForeToken.sol";
import {IFaultProof} from "../src/IFaultProof.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {OddTokenHarness} from "./OddTokenHarness.sol";
import {vm} from "./Harness.sol";
import {OddToken, Oddity} from "./OddToken.sol";

/// @notice Tokens outside the assumptions, and ether, change no accounting: a call either fails whole
/// or does what the books say.
contract OddTokensTest is OddTokenHarness {
    function test_a_fee_on_transfer_is_refused() public {
        _odd.become(Oddity.Fee);
        _inflowsFail(abi.encodeWithSelector(IStakeVault.InexactTransfer.selector, 1e18, 1e18 - 1));
    }

    function test_a_transfer_that_brings_more_is_refused() public {
        _odd.become(Oddity.Generous);
        _inflowsFail(abi.encodeWithSelector(IStakeVault.InexactTransfer.selector, 1e18, 1e18 + 1));
    }

    function test_a_transfer_that_returns_false_is_refused() public {
        _odd.become(Oddity.ReturnsFalse);
        bytes memory why =
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(_odd));
        _inflowsFail(why);
        _withdrawalFails(why);
    }

    function test_a_transfer_that_returns_nothing_is_a_transfer() public {
        _odd.become(Oddity.ReturnsNothing);
        vm.prank(ALICE);
        vault.deposit(0, TOKEN);
        same(_withdraw(), TOKEN, "paid");
        _expectBooks(10 * TOKEN, 5 * TOKEN);
        same(held(), 15 * TOKEN, "held");
    }

    function test_a_transfer_that_reverts_moves_no_book() public {
        _odd.become(Oddity.Reverts);
        bytes memory why = abi.encodeWithSelector(OddToken.Broken.selector);
        _inflowsFail(why);
        _withdrawalFails(why);
    }

    function test_a_transfer_that_moves_nothing_and_says_true_is_refused() public {
        _odd.become(Oddity.MovesNothing);
        _inflowsFail(abi.encodeWithSelector(IStakeVault.InexactTransfer.selector, 1e18, 0));
    }

    function test_a_balance_that_lies_is_refused() public {
        _odd.become(Oddity.LyingBalance);
        _inflowsFail(abi.encodeWithSelector(IStakeVault.InexactTransfer.selector, 1e18, 0));
        same(_withdraw(), TOKEN, "what was paid in still leaves");
        _odd.become(Oddity.None);
        same(held(), 14 * TOKEN, "held");
    }

    function test_a_rebase_upwards_is_a_donation() public {
        _odd.rebase(address(vault), 100 ether);
        _expectBooks(10 * TOKEN, 5 * TOKEN);
        same(_withdraw(), TOKEN, "no more than was asked for");
        pass(IDLE);
        vault.shutDown();
        same(_withdraw(), 9 * TOKEN, "no more than was paid in");
    }

    function test_a_rebase_downwards_pays_nobody_more_than_is_there() public {
        _odd.rebase(address(vault), 0.5 ether);
        _withdrawalFails(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, address(vault), 0.5 ether, 1 ether
            )
        );
        _odd.rebase(address(vault), 1 ether);
        same(_withdraw(), TOKEN, "once it is there");
    }

    function test_a_blocked_owner_stops_his_own_money_alone() public {
        give(BOB, 100);
        registerIn("odd", BOB, 10 * TOKEN);
        vm.prank(BOB);
        vault.requestWithdrawal(1, 10 * TOKEN);
        pass(DELAY);
        _odd.blockOnly(ALICE);
        bytes32[40] memory empty;
        vm.expectRevert(abi.encodeWithSelector(OddToken.IsBlocked.selector, ALICE));
        vault.withdraw(0, 0, 0, empty);
        same(vault.withdraw(1, 0, 0, empty), 10 * TOKEN, "everybody else is paid");
        same(vault.model(0).requested, TOKEN, "the request stands");
        _odd.become(Oddity.None);
        same(_withdraw(), TOKEN, "and is paid once the block ends");
    }

    function test_who_has_nothing_left_is_paid_nothing_without_a_word() public {
        vm.prank(ALICE);
        vault.requestWithdrawal(0, 20 * TOKEN);
        pass(DELAY);
        same(_withdraw(), 10 * TOKEN, "everything");
        _odd.blockOnly(ALICE);
        vm.recordLogs();
        same(_withdraw(), 0, "not even a transfer of nothing");
        same(vm.getRecordedLogs().length, 0, "and no event");
    }

    function test_a_burn_that_burns_nothing_leaves_a_donation() public {
        _odd.become(Oddity.NoBurn);
        Batch memory batch = newBatch(0, 1);
        batch.nextStake[0] = -int128(uint128(2 * TOKEN));
        propose(batch);
        pass(WINDOW);
        vault.acceptBatch(1, vault.proposal().root);
        _expectBooks(8 * TOKEN, 5 * TOKEN);
        same(held(), 15 * TOKEN, "two tokens belong to nobody");
        pass(IDLE);
        vault.shutDown();
        bytes32[40] memory proof = claimOf(batch, 0).next.proof;
        same(vault.withdraw(0, batch.nextStake[0], 0, proof), 8 * TOKEN, "what is claimable");
    }

    function test_a_burn_that_reverts_moves_no_head() public {
        Batch memory batch = newBatch(0, 1);
        batch.nextStake[0] = -int128(uint128(2 * TOKEN));
        propose(batch);
        _odd.become(Oddity.RevertingBurn);
        bytes memory why = abi.encodeWithSelector(OddToken.Broken.selector);
        vm.expectRevert(why);
        this.challengeAs(batch, 0);
        pass(WINDOW);
        bytes32 root = vault.proposal().root;
        vm.expectRevert(why);
        vault.acceptBatch(1, root);
        _expectBooks(10 * TOKEN, 5 * TOKEN);
        same(vault.head().seq, 0, "no head");
        same(_withdraw(), TOKEN, "withdrawals need no burn");
        _odd.become(Oddity.None);
        this.challengeAs(batch, 0);
        same(held(), 14 * TOKEN, "the bond is gone, the rest stays");
    }

    function test_other_decimals_and_no_token_are_refused() public {
        IStakeVault.Settings memory values = settings(IRoundRegistry.Kind.Direction);
        for (uint8 decimals = 6; decimals < 27; decimals += 3) {
            values.token = address(new OddToken(decimals));
            if (decimals == 18) this.deploy(values);
            else vm.expectRevert(abi.encodeWithSelector(IStakeVault.BadSettings.selector));
            if (decimals != 18) this.deploy(values);
        }
        values.token = ALICE;
        vm.expectRevert();
        this.deploy(values);
    }

    function test_forced_ether_and_donations_change_no_accounting() public {
        _selfDestruct(address(vault), 1 ether);
        vm.deal(address(registry), 1 ether);
        vm.deal(address(faultProof), 1 ether);
        vm.coinbase(address(vault));
        same(address(vault).balance, 1 ether, "forced in");
        (bool taken,) = address(vault).call{value: 1}("");
        holds(!taken, "nobody can send any");
        token.transfer(address(vault), 3 ether + 1);
        _expectBooks(10 * TOKEN, 5 * TOKEN);
        vm.prank(ALICE);
        vault.deposit(0, TOKEN);
        same(_withdraw(), TOKEN, "paid");
        _expectBooks(10 * TOKEN, 5 * TOKEN);
        Batch memory batch = newBatch(0, 1);
        batch.nextStake[0] = -1;
        propose(batch);
        expectFault(batch, 0, IFaultProof.Fault.StakeDelta);
        pass(IDLE);
        vault.shutDown();
        same(_withdraw(), 10 * TOKEN, "everything claimable leaves");
        same(token.balanceOf(address(vault)), 3 ether + 1, "donations belong to nobody");
    }

    function challengeAs(Batch calldata batch, uint32 index) external {
        challengeModel(batch, index);
    }

    /// @dev Creation code that is nothing but PUSH20 target, SELFDESTRUCT: its ether cannot be refused.
    function _selfDestruct(address target, uint256 amount) private {
        bytes memory code = abi.encodePacked(hex"73", target, hex"ff");
        address made;
        assembly ("memory-safe") {
            made := create(amount, add(code, 32), mload(code))
        }
        holds(made != address(0), "created");
    }

    function _inflowsFail(bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(ALICE);
        vault.deposit(0, TOKEN);
        vm.expectRevert(why);
        vm.prank(ALICE);
        vault.depositWithPermit(0, TOKEN, clock, 27, "r", "s");
        vm.expectRevert(why);
        vm.prank(ALICE);
        vault.fund("odd", TOKEN);
        vm.expectRevert(why);
        vm.prank(ALICE);
        vault.registerModel("odd", "other", TOKEN);
        bytes32 root = vault.head().root;
        vm.expectPartialRevert(bytes4(why));
        vm.prank(OPERATOR);
        vault.proposeBatch(1, root, 0, 0, 0, noReveals(), "", 0);
        _expectBooks(10 * TOKEN, 5 * TOKEN);
        same(vault.model(0).deposited, 10 * TOKEN, "deposited");
        same(vault.books().models, 1, "models");
        same(vault.proposal().number, 0, "nothing is proposed");
    }

    function _withdrawalFails(bytes memory why) private {
        bytes32[40] memory empty;
        vm.expectRevert(why);
        vault.withdraw(0, 0, 0, empty);
        same(vault.model(0).withdrawn, 0, "withdrawn");
        same(vault.model(0).requested, TOKEN, "the request stands");
        _expectBooks(10 * TOKEN, 5 * TOKEN);
    }

    function _withdraw() private returns (uint256) {
        bytes32[40] memory empty;
        return vault.withdraw(0, 0, 0, empty);
    }

    function _expectBooks(uint256 staked, uint256 pool) private view {
        same(vault.books().staked, staked, "staked");
        same(vault.books().pool, pool, "pool");
    }
}
