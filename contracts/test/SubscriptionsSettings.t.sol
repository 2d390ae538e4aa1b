// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ForeToken} from "../src/ForeToken.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {ISubscriptions} from "../src/ISubscriptions.sol";
import {vm} from "./Harness.sol";
import {OddToken} from "./OddToken.sol";
import {SubscriptionsHarness} from "./SubscriptionsHarness.sol";

/// @notice Deployment, feeds, fee, roles and permits of Subscriptions.
contract SubscriptionsSettingsTest is SubscriptionsHarness {
    bytes32 private constant OTHER = keccak256("eth-usd-5m");
    uint256 private constant KEY = 7;

    function test_settings_are_checked() public {
        ISubscriptions.Settings memory values = sales();
        values.notice = 0;
        _refusedSettings(values, ISubscriptions.BadSettings.selector);
        values = sales();
        values.registry = ALICE;
        _refusedSettings(values, ISubscriptions.BadSettings.selector);
        values = sales();
        values.token = address(new OddToken(6));
        _refusedSettings(values, ISubscriptions.BadSettings.selector);
        values = sales();
        values.feePpm = 100_001;
        _refusedSettings(values, ISubscriptions.BadFee.selector);
        values = sales();
        values.feeReceiver = address(0);
        _refusedSettings(values, ISubscriptions.BadFee.selector);
        same(address(subscriptions.token()), address(token), "token");
        same(address(subscriptions.registry()), address(registry), "registry");
        same(subscriptions.notice(), NOTICE, "notice");
    }

    function test_feeds_are_for_good_and_checked() public {
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.FeedExists.selector, TOURNAMENT));
        addFeed(TOURNAMENT);
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.UnknownFeed.selector, OTHER));
        addFeed(OTHER);
        vm.prank(OWNER);
        registry.registerTournament(OTHER, 0, IRoundRegistry.Kind.Direction, 1, address(vault));
        bytes4[8] memory why;
        for (uint256 kind = 0; kind < 8; ++kind) {
            ISubscriptions.Terms memory values = terms();
            why[kind] = kind < 6 ? ISubscriptions.BadTerms.selector : ISubscriptions.BadPrice.selector;
            if (kind == 0) values.firstStart = uint48(clock);
            if (kind == 1) values.cadence = 0;
            if (kind == 2) values.lead = uint16(CADENCE);
            if (kind == 3) values.periodRounds = 0;
            if (kind == 4) values.periodRounds = uint32(subscriptions.MAX_ROUNDS()) + 1;
            if (kind == 5) (values.cadence, values.lead) = (15, 15);
            if (kind == 6) values.price = 0;
            if (kind == 7) values.price = CAP + 1;
            vm.expectPartialRevert(why[kind]);
            vm.prank(OWNER);
            subscriptions.addFeed(OTHER, values);
        }
        vm.expectEmit();
        emit ISubscriptions.FeedAdded(OTHER, address(vault), terms());
        addFeed(OTHER);
        ISubscriptions.Feed memory feed = subscriptions.feedOf(OTHER);
        same(feed.vault, address(vault), "vault");
        same(feed.firstStart, first, "first start");
        same(feed.cadence, CADENCE, "cadence");
        same(feed.lead, LEAD, "lead");
        same(feed.periodRounds, PERIOD, "rounds of a period");
        same(feed.price, PRICE, "price");
        same(feed.priceCap, CAP, "cap");
    }

    function test_a_feed_of_another_token_is_refused() public {
        ISubscriptions.Settings memory values = sales();
        values.token = address(new ForeToken(address(this), 1 ether));
        subscriptions = this.deploySales(values);
        bytes4 wrong = ISubscriptions.WrongToken.selector;
        vm.expectRevert(abi.encodeWithSelector(wrong, address(vault), values.token));
        addFeed(TOURNAMENT);
    }

    function test_the_fee_is_capped_and_goes_somewhere() public {
        vm.expectEmit();
        emit ISubscriptions.FeeSet(50_000, BOB);
        vm.prank(OWNER);
        subscriptions.setFee(50_000, BOB);
        uint256 before = token.balanceOf(BOB);
        buy(1);
        same(token.balanceOf(BOB) - before, uint256(PRICE) * 1e9 / 20, "a twentieth");
        vm.prank(OWNER);
        subscriptions.setFee(0, BOB);
        buy(1);
        same(vault.books().pool, PRICE + PRICE - PRICE / 20, "no fee");
        _refusedFee(subscriptions.MAX_FEE_PPM() + 1, BOB);
        _refusedFee(0, address(0));
        _refusedFee(0, address(subscriptions));
    }

    function test_roles() public {
        bytes memory why =
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, GUARDIAN);
        ISubscriptions.Terms memory values = terms();
        vm.expectRevert(why);
        vm.prank(GUARDIAN);
        subscriptions.addFeed(OTHER, values);
        vm.expectRevert(why);
        vm.prank(GUARDIAN);
        subscriptions.announcePrice(TOURNAMENT, 1);
        vm.expectRevert(why);
        vm.prank(GUARDIAN);
        subscriptions.setFee(0, BOB);
        vm.expectRevert(why);
        vm.prank(GUARDIAN);
        subscriptions.setGuardian(BOB);
        vm.expectEmit();
        emit ISubscriptions.GuardianSet(BOB);
        vm.prank(OWNER);
        subscriptions.setGuardian(BOB);
        vm.expectEmit();
        emit ISubscriptions.PauseSet(true);
        vm.prank(BOB);
        subscriptions.setPaused(true);
        holds(subscriptions.paused(), "paused");
    }

    function test_views_of_an_unknown_feed_are_refused() public {
        bytes memory why = abi.encodeWithSelector(ISubscriptions.UnknownFeed.selector, OTHER);
        vm.expectRevert(why);
        subscriptions.subscribedUntil(OTHER, ALICE);
        vm.expectRevert(why);
        subscriptions.isSubscribed(OTHER, ALICE, clock);
        vm.expectRevert(why);
        subscriptions.subscriptionOf(OTHER, ALICE);
        vm.expectRevert(why);
        subscriptions.nextOpenRound(OTHER, clock);
        vm.expectRevert(why);
        subscriptions.priceOf(OTHER);
        vm.expectRevert(why);
        subscriptions.costOf(order(OTHER, 1));
        vm.expectRevert(why);
        subscriptions.isCredited(OTHER, first);
        vm.expectRevert(why);
        subscriptions.noteVoids(OTHER, noReveals());
        vm.expectRevert(why);
        subscriptions.credit(OTHER, starts(0));
        same(subscriptions.feedOf(OTHER).vault, address(0), "no feed");
    }

    function test_a_permit_pays_in_the_same_transaction() public {
        address payer = vm.addr(KEY);
        token.transfer(payer, 100 ether);
        (uint8 v, bytes32 r, bytes32 s) = _permit(payer, uint256(PRICE) * 1e9, 0);
        bytes memory none = abi.encodeWithSelector(
            IERC20Errors.ERC20InsufficientAllowance.selector, address(subscriptions), 0, 20 ether
        );
        vm.expectRevert(none);
        vm.prank(payer);
        subscriptions.subscribeWithPermit(BOB, order(TOURNAMENT, 1), PRICE + 1, clock, v, r, s);
        vm.prank(payer);
        subscriptions.subscribeWithPermit(BOB, order(TOURNAMENT, 1), PRICE, clock, v, r, s);
        expectCovered(BOB, 0, PERIOD);
        vm.expectRevert(none);
        vm.prank(payer);
        subscriptions.subscribeWithPermit(BOB, order(TOURNAMENT, 1), PRICE, clock, v, r, s);
        // Somebody else spends the permit first; the purchase goes on.
        (v, r, s) = _permit(payer, uint256(PRICE) * 1e9, 1);
        token.permit(payer, address(subscriptions), uint256(PRICE) * 1e9, clock, v, r, s);
        vm.prank(payer);
        subscriptions.subscribeWithPermit(BOB, order(TOURNAMENT, 1), PRICE, clock, v, r, s);
        expectCovered(BOB, 0, 2 * PERIOD);
        same(token.balanceOf(payer), 60 ether, "two periods");
    }

    function _refusedSettings(ISubscriptions.Settings memory values, bytes4 why) private {
        vm.expectPartialRevert(why);
        this.deploySales(values);
    }

    function _refusedFee(uint32 ppm, address receiver) private {
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.BadFee.selector, ppm, receiver));
        vm.prank(OWNER);
        subscriptions.setFee(ppm, receiver);
    }

    function _permit(address payer, uint256 value, uint256 nonce)
        private
        view
        returns (uint8, bytes32, bytes32)
    {
        bytes32 kind = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
        );
        bytes32 hash =
            keccak256(abi.encode(kind, payer, address(subscriptions), value, nonce, clock));
        return vm.sign(KEY, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), hash)));
    }
}
