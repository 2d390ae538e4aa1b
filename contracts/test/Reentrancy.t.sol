// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ForeToken} from "../src/ForeToken.sol";
import {IFaultProof} from "../src/IFaultProof.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {OddTokenHarness} from "./OddTokenHarness.sol";
import {vm} from "./Harness.sol";
import {OddToken} from "./OddToken.sol";

/// @notice A token that calls back while it moves reaches no entry point of the vault a second time:
/// every call that moves tokens is tried with every call that changes the books.
contract ReentrancyTest is OddTokenHarness {
    uint256 private constant INNER = 14;
    bytes32[40] private _empty;

    function test_register_deposit_and_fund() public {
        _tried(abi.encodeCall(IStakeVault.registerModel, ("odd", "key", TOKEN)), ALICE);
        _tried(abi.encodeCall(IStakeVault.deposit, (0, TOKEN)), ALICE);
        _tried(abi.encodeCall(IStakeVault.depositWithPermit, (0, TOKEN, 0, 0, 0, 0)), ALICE);
        _tried(abi.encodeCall(IStakeVault.fund, ("odd", TOKEN)), ALICE);
    }

    function test_withdraw() public {
        uint256 before = token.balanceOf(ALICE);
        _tried(abi.encodeCall(IStakeVault.withdraw, (0, 0, 0, _empty)), BOB);
        same(token.balanceOf(ALICE) - before, 1 ether, "paid once");
    }

    function test_propose_veto_and_expire() public {
        _tried(_proposal(-1), OPERATOR);
        bytes32 root = vault.proposal().root;
        _tried(abi.encodeCall(IStakeVault.veto, (1, root)), GUARDIAN);
        _done(_proposal(-1), OPERATOR);
        pass(3 * WINDOW);
        _tried(abi.encodeCall(IStakeVault.expireBatch, ()), BOB);
        same(held(), 15 * TOKEN, "each bond returned once");
    }

    function test_accept_burns_and_returns_the_bond_once() public {
        _done(_proposal(-1), OPERATOR);
        bytes32 root = vault.proposal().root;
        pass(WINDOW);
        _tried(abi.encodeCall(IStakeVault.acceptBatch, (1, root)), BOB);
        same(held(), 15 * TOKEN - 1, "one unit burned");
        same(vault.head().seq, 1, "once");
    }

    function test_challenge_pays_once() public {
        Batch memory batch = newBatch(0, 1);
        batch.nextStake[0] = -1;
        _done(_proposal(-1), OPERATOR);
        bytes memory call = abi.encodeCall(
            IStakeVault.challenge,
            (claimOf(batch, 0), noReveals(), said(new Shown[](0)), siblings(new Shown[](0)))
        );
        _tried(call, CAROL);
        same(token.balanceOf(CAROL), uint256(BOND / 2) * 1e9, "half of one bond");
        same(held(), 15 * TOKEN, "stakes and pool stay");
    }

    function test_challenge_of_a_node_pays_once() public {
        bytes32 root = vault.head().root;
        _done(
            abi.encodeCall(
                IStakeVault.proposeBatch, (1, root, 0, 1, 0, noReveals(), entry(0, -1, 0), 0)
            ),
            OPERATOR
        );
        IFaultProof.NodeClaim memory node;
        (node.level, node.sums) = (20, uint256(type(uint128).max) << 128);
        _tried(abi.encodeCall(IStakeVault.challengeNode, (node, noReveals())), CAROL);
        same(token.balanceOf(CAROL), uint256(BOND / 2) * 1e9, "half of one bond");
    }

    function test_shutdown() public {
        _done(_proposal(-1), OPERATOR);
        pass(IDLE);
        _tried(abi.encodeCall(IStakeVault.shutDown, ()), BOB);
        same(held(), 10 * TOKEN, "the pool burned once, the bond returned once");
    }

    /// @dev The call fails with every inner call, changes nothing, and succeeds without one.
    function _tried(bytes memory call, address sender) private {
        for (uint256 k = 0; k < INNER; ++k) {
            _odd.callBack(address(vault), _inner(k));
            vm.prank(sender);
            (bool failed, bytes memory why) = address(vault).call(call);
            holds(!failed, "re-entered");
            bytes4 guard = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
            // Requests are unguarded: they move no token and only a model's owner may make them.
            bytes4 expected = k < 12 ? guard : IStakeVault.NotModelOwner.selector;
            holds(bytes4(why) == expected, "refused for another reason");
        }
        _odd.callBack(address(0), "");
        _done(call, sender);
    }

    function _done(bytes memory call, address sender) private {
        vm.prank(sender);
        (bool done,) = address(vault).call(call);
        holds(done, "the call is good without the callback");
    }

    function _proposal(int64 change) private view returns (bytes memory) {
        Batch memory batch = newBatch(0, 1);
        batch.nextStake[0] = change;
        (bytes32 top,) = nextLedgerTop(batch);
        bytes memory changes = entry(0, change, 0);
        uint64 burned = uint64(-change);
        return abi.encodeCall(
            IStakeVault.proposeBatch,
            (1, vault.head().root, top, burned, 0, noReveals(), changes, 0)
        );
    }

    function _inner(uint256 k) private view returns (bytes memory) {
        bytes32 root = vault.proposal().root;
        if (k == 0) return abi.encodeCall(IStakeVault.registerModel, ("odd", "inner", TOKEN));
        if (k == 1) return abi.encodeCall(IStakeVault.deposit, (0, TOKEN));
        if (k == 2) return abi.encodeCall(IStakeVault.depositWithPermit, (0, TOKEN, 0, 0, 0, 0));
        if (k == 3) return abi.encodeCall(IStakeVault.fund, ("odd", TOKEN));
        if (k == 4) return abi.encodeCall(IStakeVault.withdraw, (0, 0, 0, _empty));
        if (k == 5) return _proposal(-1);
        if (k == 6) return abi.encodeCall(IStakeVault.veto, (1, root));
        if (k == 7) return abi.encodeCall(IStakeVault.acceptBatch, (1, root));
        if (k == 8) return abi.encodeCall(IStakeVault.expireBatch, ());
        if (k == 9) return abi.encodeCall(IStakeVault.shutDown, ());
        if (k == 12) return abi.encodeCall(IStakeVault.requestWithdrawal, (0, TOKEN));
        if (k == 13) return abi.encodeCall(IStakeVault.cancelRequest, (0));
        IFaultProof.NodeClaim memory node;
        if (k == 10) return abi.encodeCall(IStakeVault.challengeNode, (node, noReveals()));
        Batch memory batch = newBatch(0, 1);
        return abi.encodeCall(
            IStakeVault.challenge,
            (claimOf(batch, 0), noReveals(), said(new Shown[](0)), siblings(new Shown[](0)))
        );
    }
}
