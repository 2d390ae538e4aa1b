// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ForeToken} from "../src/ForeToken.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {ChallengeHarness} from "./ChallengeHarness.sol";
import {vm} from "./Harness.sol";
import {OddToken} from "./OddToken.sol";

/// @notice A vault whose token can turn odd.
abstract contract OddTokenHarness is ChallengeHarness {
    OddToken internal _odd;

    /// @dev A vault over the odd token, while it is still good: model 0 of ALICE with 10 tokens, one of
    /// them requested and matured; a pool of 5.
    function setUp() public override {
        super.setUp();
        _odd = new OddToken(18);
        token = ForeToken(address(_odd));
        vault = new StakeVault(settings(IRoundRegistry.Kind.Direction));
        vm.prank(OWNER);
        registry.registerTournament(
            "odd", 0, IRoundRegistry.Kind.Direction, CLAMP, address(vault)
        );
        token.approve(address(vault), type(uint256).max);
        give(OPERATOR, 1000);
        give(ALICE, 1000);
        registerIn("odd", ALICE, 10 * TOKEN);
        vault.fund("odd", 5 * TOKEN);
        vm.prank(ALICE);
        vault.requestWithdrawal(0, TOKEN);
        pass(DELAY);
    }
}
