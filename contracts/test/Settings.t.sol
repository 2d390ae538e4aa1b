// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {Harness, vm} from "./Harness.sol";

/// @notice Each setting of a vault alone is refused at its limit and taken beside it.
contract SettingsTest is Harness {
    function test_a_vault_holds_less_than_2_to_the_63_units() public view {
        same(vault.MAX_UNITS(), 9_223_372_036_854_775_807, "units");
        same(vault.MAX_MODELS(), 1_048_576, "models");
        same(vault.WEI_PER_UNIT(), 1_000_000_000, "wei");
    }

    function test_the_idle_limit_is_longer_than_three_windows() public {
        IStakeVault.Settings memory values = settings(IRoundRegistry.Kind.Direction);
        values.idleLimit = 3 * WINDOW;
        _refused(values);
        values.idleLimit = 3 * WINDOW + 1;
        same(new StakeVault(values).idleLimit(), 3 * WINDOW + 1, "one second more is enough");
    }

    function test_a_new_vault_is_not_idle() public {
        StakeVault fresh = new StakeVault(settings(IRoundRegistry.Kind.Direction));
        same(fresh.books().acceptedAt, clock, "it counts from the deployment");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotIdle.selector, clock + IDLE));
        fresh.shutDown();
    }

    function test_no_duration_is_zero() public {
        IStakeVault.Settings memory values = settings(IRoundRegistry.Kind.Direction);
        values.window = 0;
        _refused(values);
        values = settings(IRoundRegistry.Kind.Direction);
        values.settleBy = 0;
        _refused(values);
        values = settings(IRoundRegistry.Kind.Direction);
        values.margin = 0;
        _refused(values);
    }

    function test_a_kind_a_deposit_and_both_contracts_are_named() public {
        _refused(settings(IRoundRegistry.Kind.None));
        IStakeVault.Settings memory values = settings(IRoundRegistry.Kind.Direction);
        values.minimumDeposit = 0;
        _refused(values);
        values = settings(IRoundRegistry.Kind.Direction);
        values.registry = ALICE;
        _refused(values);
        values = settings(IRoundRegistry.Kind.Direction);
        values.faultProof = ALICE;
        _refused(values);
    }

    function _refused(IStakeVault.Settings memory values) private {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.BadSettings.selector));
        this.deploy(values);
    }
}
