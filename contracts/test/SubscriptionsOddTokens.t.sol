// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ForeToken} from "../src/ForeToken.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {ISubscriptions} from "../src/ISubscriptions.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {vm} from "./Harness.sol";
import {OddToken, Oddity} from "./OddToken.sol";
import {SubscriptionsHarness} from "./SubscriptionsHarness.sol";

/// @notice Tokens outside the assumptions, ether and tokens that call back: a purchase either fails
/// whole or does what it says.
contract SubscriptionsOddTokensTest is SubscriptionsHarness {
    OddToken private _odd;

    function setUp() public override {
        super.setUp();
        _odd = new OddToken(18);
        token = ForeToken(address(_odd));
        vault = new StakeVault(settings(IRoundRegistry.Kind.Direction));
        subscriptions = new Subscriptions(sales());
        vm.prank(OWNER);
        registry.registerTournament("odd", 0, IRoundRegistry.Kind.Direction, 1, address(vault));
        addFeed("odd");
        give(ALICE, 1000);
        allow(ALICE);
    }

    function test_a_purchase_with_a_good_token() public {
        _buy();
        same(_until(), start(PERIOD), "subscribed");
        same(_odd.balanceOf(address(subscriptions)), 0, "nothing stays");
    }

    function test_inexact_transfers_are_refused() public {
        bytes4 inexact = ISubscriptions.InexactTransfer.selector;
        uint256 cost = uint256(PRICE) * 1e9;
        _fails(Oddity.Fee, abi.encodeWithSelector(inexact, cost, cost - 1));
        _fails(Oddity.Generous, abi.encodeWithSelector(inexact, cost, cost + 1));
        _fails(Oddity.MovesNothing, abi.encodeWithSelector(inexact, cost, 0));
        _fails(Oddity.LyingBalance, abi.encodeWithSelector(inexact, cost, 0));
    }

    function test_transfers_that_fail_are_refused() public {
        bytes4 failed = SafeERC20.SafeERC20FailedOperation.selector;
        _fails(Oddity.ReturnsFalse, abi.encodeWithSelector(failed, address(_odd)));
        _fails(Oddity.Reverts, abi.encodeWithSelector(OddToken.Broken.selector));
    }

    function test_a_transfer_that_returns_nothing_is_a_transfer() public {
        _odd.become(Oddity.ReturnsNothing);
        _buy();
        same(_until(), start(PERIOD), "subscribed");
        _odd.become(Oddity.None);
        same(vault.books().pool, PRICE - PRICE / 10, "pool");
    }

    function test_a_blocked_receiver_of_the_fee_stops_sales_until_another_is_named() public {
        _odd.blockOnly(COLLECTOR);
        vm.expectRevert(abi.encodeWithSelector(OddToken.IsBlocked.selector, COLLECTOR));
        _buy();
        vm.prank(OWNER);
        subscriptions.setFee(FEE_PPM, BOB);
        _buy();
        same(_until(), start(PERIOD), "subscribed");
    }

    function test_donations_and_ether_change_nothing() public {
        _odd.transfer(address(subscriptions), 3 ether);
        vm.deal(address(subscriptions), 1 ether);
        (bool taken,) = address(subscriptions).call{value: 1}("");
        holds(!taken, "nobody can send any");
        _buy();
        same(_odd.balanceOf(address(subscriptions)), 3 ether, "belongs to nobody");
        same(vault.books().pool, PRICE - PRICE / 10, "pool");
    }

    /// @dev While the token moves nothing can be bought; what needs no money is as good as before.
    function test_a_token_that_calls_back_buys_nothing_more() public {
        bytes4 guard = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        ISubscriptions.Order[] memory list = order("odd", 1);
        _callBack(abi.encodeCall(ISubscriptions.subscribe, (BOB, list, ANY)), guard);
        _callBack(
            abi.encodeCall(ISubscriptions.subscribeWithPermit, (BOB, list, ANY, 0, 0, 0, 0)), guard
        );
        same(_until(), 0, "nothing was bought");
        travel(start(1));
        _odd.callBack(
            address(subscriptions), abi.encodeCall(ISubscriptions.credit, ("odd", starts(0)))
        );
        _buy();
        same(_until(), start(2 + PERIOD), "a void before it adds nothing");
    }

    function _callBack(bytes memory inner, bytes4 why) private {
        _odd.callBack(address(subscriptions), inner);
        vm.expectRevert(abi.encodeWithSelector(why));
        _buy();
        _odd.callBack(address(0), "");
    }

    function _fails(Oddity oddity, bytes memory why) private {
        _odd.become(oddity);
        vm.expectRevert(why);
        _buy();
        _odd.become(Oddity.None);
        same(_until(), 0, "no subscription");
        same(vault.books().pool, 0, "no revenue");
        same(_odd.balanceOf(COLLECTOR), 0, "no fee");
        same(_odd.balanceOf(address(subscriptions)), 0, "nothing stays");
    }

    function _buy() private {
        vm.prank(ALICE);
        subscriptions.subscribe(ALICE, order("odd", 1), ANY);
    }

    function _until() private view returns (uint256) {
        return subscriptions.subscribedUntil("odd", ALICE);
    }
}
