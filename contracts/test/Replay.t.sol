// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ForeToken} from "../src/ForeToken.sol";
import {IRoundRegistry} from "../src/IRoundRegistry.sol";
import {IStakeVault} from "../src/IStakeVault.sol";
import {RoundRegistry} from "../src/RoundRegistry.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {SumTree} from "../src/SumTree.sol";
import {Harness, PlainLedger, vm} from "./Harness.sol";

/// @notice What was signed, committed or proven for one place is worth nothing at any other.
contract ReplayTest is Harness {
    uint256 private constant KEY = 7;
    uint256 private constant OTHER_KEY = 8;
    bytes32 private constant OTHER = keccak256("eth-usd-5m");

    struct Permit {
        address verifier;
        uint256 chain;
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
        uint256 key;
    }

    address private _signer;
    bytes32[40] private _empty;

    /// @dev A model of the signer, who allows nothing but what he signs.
    function setUp() public override {
        super.setUp();
        _signer = vm.addr(KEY);
        token.transfer(_signer, 10 ether);
        vm.prank(_signer);
        token.approve(address(vault), 1 ether);
        vm.prank(_signer);
        vault.registerModel(TOURNAMENT, "key", TOKEN);
        vm.prank(OWNER);
        registry.registerTournament(OTHER, 0, IRoundRegistry.Kind.Direction, 1, address(vault));
    }

    function test_a_permit_is_good_for_what_it_says_and_once() public {
        Permit memory permit = _permit();
        _deposit(permit, TOKEN);
        same(vault.model(0).deposited, 2 * TOKEN, "deposited");
        _refused(permit, TOKEN);
        permit.nonce = 1;
        _deposit(permit, TOKEN);
        same(vault.model(0).deposited, 3 * TOKEN, "with the next nonce");
    }

    function test_a_permit_of_another_kind_is_worth_nothing() public {
        for (uint256 kind = 0; kind < 10; ++kind) {
            Permit memory permit = _permit();
            if (kind == 0) permit.chain = block.chainid + 1;
            if (kind == 1) permit.verifier = address(new ForeToken(address(this), 1));
            if (kind == 2) permit.key = OTHER_KEY;
            if (kind == 3) permit.nonce = 1;
            if (kind == 4) permit.deadline = clock - 1;
            if (kind == 5) permit.value -= 1;
            if (kind == 6) permit.value += 1;
            if (kind == 7) permit.spender = address(new StakeVault(settings(IRoundRegistry.Kind.Direction)));
            if (kind == 8) permit.owner = ALICE;
            if (kind == 9) permit.spender = address(registry);
            _refused(permit, TOKEN);
        }
        _refused(_permit(), TOKEN - 1);
        _refused(_permit(), TOKEN + 1);
        Permit memory good = _permit();
        vm.chainId(block.chainid + 1);
        _refused(good, TOKEN);
    }

    function test_a_permit_of_one_owner_moves_nobody_elses_money() public {
        vm.prank(BOB);
        token.approve(address(vault), TOKEN * uint256(1e9));
        vm.prank(BOB);
        uint32 index = vault.registerModel(TOURNAMENT, "key", TOKEN);
        (uint8 v, bytes32 r, bytes32 s) = _sign(_permit());
        bytes memory none = abi.encodeWithSelector(
            IERC20Errors.ERC20InsufficientAllowance.selector, address(vault), 0, 1 ether
        );
        vm.expectRevert(none);
        vm.prank(BOB);
        vault.depositWithPermit(index, TOKEN, clock, v, r, s);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotModelOwner.selector, 0, BOB));
        vm.prank(BOB);
        vault.depositWithPermit(0, TOKEN, clock, v, r, s);
        same(token.nonces(_signer), 0, "the permit is unspent");
    }

    function test_a_commitment_reveals_one_round_of_one_registry_on_one_chain() public {
        IRoundRegistry.Reveal memory reveal = commitRound(uint64(clock + 10));
        IRoundRegistry.Reveal memory neighbour = commitRound(uint64(clock + 11));
        pass(11);
        // The tree and the salt of another round, and of another tournament.
        (bytes32 top, bytes32 salt) = (reveal.top, reveal.salt);
        (reveal.top, reveal.salt) = (neighbour.top, neighbour.salt);
        _holdRefused(registry, reveal, IRoundRegistry.WrongReveal.selector);
        (reveal.top, reveal.salt) = (top, salt);
        reveal.tournament = OTHER;
        _holdRefused(registry, reveal, IRoundRegistry.NotCommitted.selector);
        reveal.tournament = TOURNAMENT;
        // Another registry that was given the very same commitment.
        RoundRegistry second = new RoundRegistry(OWNER, COMMITTER);
        IStakeVault.Settings memory values = settings(IRoundRegistry.Kind.Direction);
        values.registry = address(second);
        StakeVault secondVault = new StakeVault(values);
        vm.prank(OWNER);
        second.registerTournament(
            TOURNAMENT, 0, IRoundRegistry.Kind.Direction, 350_000, address(secondVault)
        );
        IRoundRegistry.RoundCommitment[] memory list = new IRoundRegistry.RoundCommitment[](1);
        list[0] = commitmentOf(reveal);
        clock -= 11;
        vm.warp(clock);
        vm.prank(COMMITTER);
        second.commit(list);
        pass(11);
        vm.expectPartialRevert(IRoundRegistry.WrongReveal.selector);
        vm.prank(address(secondVault));
        second.hold(one(reveal), 1);
        // Another chain.
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        _holdRefused(registry, reveal, IRoundRegistry.NotCommitted.selector);
        vm.chainId(chain);
        vm.prank(address(vault));
        registry.hold(one(reveal), 1);
    }

    function test_a_ledger_proof_is_good_for_its_model_vault_and_head() public {
        newModel(ALICE, 10 * TOKEN);
        (int128[] memory stake, uint128[] memory pool) = (new int128[](2), new uint128[](2));
        (stake[0], stake[1]) = (-4, -4);
        _accept(stake, pool, bytes.concat(entry(0, -4, 0), entry(1, -4, 0)), 8);
        (,, bytes32[40] memory proof) = PlainLedger.climb(stake, pool, 0);
        StakeVault second = new StakeVault(settings(IRoundRegistry.Kind.Direction));
        vm.prank(OWNER);
        registry.registerTournament("second", 0, IRoundRegistry.Kind.Direction, 1, address(second));
        vm.prank(ALICE);
        token.approve(address(second), type(uint256).max);
        vm.prank(ALICE);
        second.registerModel("second", "key", TOKEN);
        pass(IDLE);
        vault.shutDown();
        second.shutDown();
        vm.expectPartialRevert(IStakeVault.WrongProof.selector);
        second.withdraw(0, -4, 0, proof);
        vm.expectPartialRevert(IStakeVault.WrongProof.selector);
        vault.withdraw(1, -4, 0, proof);
        vm.expectPartialRevert(IStakeVault.WrongProof.selector);
        vault.withdraw(0, 0, 0, _empty);
        same(vault.withdraw(0, -4, 0, proof), TOKEN - 4, "paid");
        same(vault.withdraw(0, -4, 0, proof), 0, "used twice pays nothing");
    }

    function test_what_ends_a_proposal_names_it_and_ends_no_other() public {
        (int128[] memory stake, uint128[] memory pool) = (new int128[](1), new uint128[](1));
        stake[0] = -4;
        bytes32 root = _propose(stake, pool, entry(0, -4, 0), 4);
        vm.prank(GUARDIAN);
        vault.veto(1, root);
        stake[0] = -5;
        bytes32 next = _propose(stake, pool, entry(0, -5, 0), 5);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.WrongProposal.selector, 1, next));
        vm.prank(GUARDIAN);
        vault.veto(1, root);
        pass(WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.WrongProposal.selector, 1, next));
        vault.acceptBatch(1, root);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.WrongProposal.selector, 1, next));
        vault.acceptBatch(2, next);
        vault.acceptBatch(1, next);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoProposal.selector));
        vault.acceptBatch(1, next);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NoProposal.selector));
        vm.prank(GUARDIAN);
        vault.veto(1, next);
    }

    function _permit() private view returns (Permit memory) {
        return Permit({
            verifier: address(token),
            chain: block.chainid,
            owner: _signer,
            spender: address(vault),
            value: 1 ether,
            nonce: 0,
            deadline: clock,
            key: KEY
        });
    }

    /// @dev EIP-712 by hand, so that every part can be another.
    function _sign(Permit memory permit) private pure returns (uint8, bytes32, bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Foretoken"),
                keccak256("1"),
                permit.chain,
                permit.verifier
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                permit.owner,
                permit.spender,
                permit.value,
                permit.nonce,
                permit.deadline
            )
        );
        return vm.sign(permit.key, keccak256(abi.encodePacked(hex"1901", domain, message)));
    }

    function _deposit(Permit memory permit, uint64 amount) private {
        (uint8 v, bytes32 r, bytes32 s) = _sign(permit);
        vm.prank(_signer);
        vault.depositWithPermit(0, amount, permit.deadline, v, r, s);
    }

    function _refused(Permit memory permit, uint64 amount) private {
        (uint8 v, bytes32 r, bytes32 s) = _sign(permit);
        uint256 deposited = vault.model(0).deposited;
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector,
                address(vault),
                0,
                uint256(amount) * 1e9
            )
        );
        vm.prank(_signer);
        vault.depositWithPermit(0, amount, permit.deadline, v, r, s);
        same(vault.model(0).deposited, deposited, "nothing is deposited");
    }

    function _holdRefused(RoundRegistry at_, IRoundRegistry.Reveal memory reveal, bytes4 why) private {
        vm.expectPartialRevert(why);
        vm.prank(address(vault));
        at_.hold(one(reveal), 1);
    }

    function _propose(
        int128[] memory stake,
        uint128[] memory pool,
        bytes memory changes,
        uint64 burned
    ) private returns (bytes32) {
        bytes32 head = vault.head().root;
        bytes32 top = PlainLedger.topOf(stake, pool);
        vm.prank(OPERATOR);
        vault.proposeBatch(1, head, top, burned, 0, noReveals(), changes, 0);
        return vault.proposal().root;
    }

    function _accept(
        int128[] memory stake,
        uint128[] memory pool,
        bytes memory changes,
        uint64 burned
    ) private {
        bytes32 root = _propose(stake, pool, changes, burned);
        same(root, SumTree.root(PlainLedger.topOf(stake, pool), SumTree.packLedger(-int128(uint128(burned)), 0)), "root");
        pass(WINDOW);
        vault.acceptBatch(1, root);
    }
}
