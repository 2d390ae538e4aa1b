// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {Harness, vm} from "./Harness.sol";

/// @notice Keeps a part of each transfer, or calls back while it transfers.
contract OddToken is ERC20 {
    uint256 public fee;
    uint8 private immutable _decimals;
    address private _target;
    bytes private _call;

    constructor(uint8 decimals_) ERC20("Odd", "ODD") {
        _decimals = decimals_;
        _mint(msg.sender, 1e9 ether);
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function callBack(address target, bytes calldata data) external {
        (_target, _call) = (target, data);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && fee != 0) super._update(to, address(1), fee);
        if (_target == address(0)) return;
        (bool done, bytes memory why) = _target.call(_call);
        if (done) return;
        assembly ("memory-safe") {
            revert(add(why, 32), mload(why))
        }
    }
}

/// @notice Tokens outside the assumptions, and ether, change no accounting.
contract OddTokensTest is Harness {
    OddToken private _odd;
    StakeVault private _oddVault;

    function setUp() public override {
        super.setUp();
        _odd = new OddToken(18);
        IStakeVault.Settings memory values = settings(IRoundRegistry.Kind.Direction);
        values.token = address(_odd);
        _oddVault = new StakeVault(values);
        vm.prank(OWNER);
        registry.registerTournament(
            "odd", 0, IRoundRegistry.Kind.Direction, 350_000, address(_oddVault)
        );
        _odd.approve(address(_oddVault), type(uint256).max);
        _oddVault.registerModel("odd", "key", 10 * TOKEN);
    }

    function test_a_fee_on_transfer_is_refused() public {
        _odd.setFee(1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.InexactTransfer.selector, 1e18, 1e18 - 1));
        _oddVault.deposit(0, TOKEN);
        vm.expectPartialRevert(IStakeVault.InexactTransfer.selector);
        _oddVault.fund("odd", TOKEN);
        vm.expectPartialRevert(IStakeVault.InexactTransfer.selector);
        _oddVault.registerModel("odd", "other", TOKEN);
        same(_oddVault.books().staked, 10 * TOKEN, "staked");
    }

    function test_a_token_that_calls_back_gets_nothing_twice() public {
        bytes32[40] memory proof;
        _oddVault.requestWithdrawal(0, TOKEN);
        pass(DELAY);
        _odd.callBack(address(_oddVault), abi.encodeCall(IStakeVault.withdraw, (0, 0, 0, proof)));
        bytes memory reentered =
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        vm.expectRevert(reentered);
        _oddVault.withdraw(0, 0, 0, proof);
        vm.expectRevert(reentered);
        _oddVault.deposit(0, TOKEN);
        _odd.callBack(address(0), "");
        same(_oddVault.withdraw(0, 0, 0, proof), TOKEN, "paid once");
    }

    function test_other_decimals_are_refused() public {
        IStakeVault.Settings memory values = settings(IRoundRegistry.Kind.Direction);
        values.token = address(new OddToken(6));
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.BadSettings.selector));
        new StakeVault(values);
    }

    function test_donations_and_forced_ether_change_no_accounting() public {
        _odd.transfer(address(_oddVault), 3 ether);
        vm.deal(address(_oddVault), 1 ether);
        same(_oddVault.books().staked, 10 * TOKEN, "staked");
        same(_oddVault.books().pool, 0, "pool");
        _oddVault.deposit(0, TOKEN);
        same(_oddVault.books().staked, 11 * TOKEN, "staked after a deposit");
    }
}
