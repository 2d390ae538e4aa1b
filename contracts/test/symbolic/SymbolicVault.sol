// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ForeToken} from "../../src/ForeToken.sol";
import {IFaultProof} from "../../src/IFaultProof.sol";
import {IRoundRegistry} from "../../src/IRoundRegistry.sol";
import {IStakeVault} from "../../src/IStakeVault.sol";
import {RoundRegistry} from "../../src/RoundRegistry.sol";
import {StakeVault} from "../../src/StakeVault.sol";

/// @notice The cheatcodes in use: forge's, and halmos' own.
interface Vm {
    function assume(bool) external pure;
    function prank(address) external;
    function warp(uint256) external;
    function etch(address, bytes calldata) external;
}

interface Svm {
    function enableSymbolicStorage(address) external;
    function createAddress(string calldata) external returns (address);
    function createUint256(string calldata) external returns (uint256);
    function createCalldata(string calldata) external returns (bytes memory);
    function createBytes(uint256, string calldata) external returns (bytes memory);
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
Svm constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

/// @notice A judge that may say anything: what holds with it holds with every FaultProof.
contract AnyVerdict {
    uint256 private _verdict;

    fallback(bytes calldata) external returns (bytes memory) {
        return abi.encode(_verdict);
    }
}

/// @notice A vault in any state at all. What a `check_` function proves is one step from there, so
/// together with the deployment it holds after every sequence of calls.
///
/// As deployed: the bytecode of the vault, the registry and the token. Open: the whole storage of the
/// three (every book, head, proposal, model, role, balance, tournament and round), the time, the
/// caller and the arguments. Concrete: the settings, which are immutable, and the lengths of lists,
/// as each check says. The judge of challenges answers anything. keccak256 is taken as injective.
///
/// Of the state a check assumes only what `_reachable` lists, which holds after the deployment and
/// after every call, as the checks of the accounting and of the batches prove.
abstract contract SymbolicVault {
    uint64 internal constant BOND = 50e9 + 1;
    uint32 internal constant WINDOW = 120;
    uint32 internal constant IDLE = 7 days;
    uint256 internal constant WEI = 1e9;
    uint256 internal constant SUPPLY = 1e9 ether;
    uint256 private constant MAX_UNITS = (1 << 63) - 1;

    ForeToken internal token = ForeToken(address(0x7000));
    RoundRegistry internal registry = RoundRegistry(address(0x7001));
    StakeVault internal vault = StakeVault(address(0x7002));
    address internal judge = address(0x7003);
    address internal caller;
    uint256 internal time;

    /// @notice What a step may change. `owed` is in units: staked + pool + the locked bond. `balance`
    /// and `supply` are in wei.
    struct State {
        IStakeVault.Books books;
        IStakeVault.Head head;
        IStakeVault.Proposal proposal;
        uint256 owed;
        uint256 balance;
        uint256 supply;
    }

    /// @dev The code is put at addresses that never ran a constructor: no slot has a known value.
    function setUp() public {
        _open(address(token), address(new ForeToken(address(this), SUPPLY)));
        _open(address(registry), address(new RoundRegistry(address(0xA0), address(0xA3))));
        _open(judge, address(new AnyVerdict()));
        _open(address(vault), address(new StakeVault(_settings())));
        caller = svm.createAddress("caller");
        vm.assume(_isOutside(caller));
        time = svm.createUint256("time");
        vm.assume(time < 1 << 40);
        vm.warp(time);
    }

    function _open(address place, address deployed) private {
        vm.etch(place, deployed.code);
        svm.enableSymbolicStorage(place);
    }

    function _settings() private view returns (IStakeVault.Settings memory) {
        return IStakeVault.Settings({
            token: address(token),
            registry: address(registry),
            faultProof: judge,
            kind: IRoundRegistry.Kind.Direction,
            window: WINDOW,
            settleBy: 900,
            delay: 1400,
            margin: 60,
            idleLimit: IDLE,
            bond: BOND,
            minimumDeposit: 1e9,
            owner: address(0xA0),
            operator: address(0xA1),
            guardian: address(0xA2)
        });
    }

    /// @dev Neither the vault nor the contracts that it calls ever call it.
    function _isOutside(address account) internal view returns (bool) {
        return account != address(vault) && account != address(registry) && account != address(token)
            && account != judge && account != address(0);
    }

    /// @dev The state, with what every call keeps assumed. No two balances are more than the supply, and
    /// a proposer was once a caller.
    function _reachable() internal view returns (State memory state) {
        state = _state();
        vm.assume(uint256(state.books.staked) + state.books.pool <= MAX_UNITS);
        vm.assume(state.proposal.number <= state.books.proposals);
        vm.assume(state.proposal.proposedAt <= time && state.books.acceptedAt <= time);
        vm.assume(_isOutside(state.proposal.proposer));
        vm.assume(state.supply <= SUPPLY && state.balance <= SUPPLY && state.owed * WEI <= state.balance);
        vm.assume(token.balanceOf(caller) <= SUPPLY);
        vm.assume(state.balance + token.balanceOf(caller) <= state.supply);
    }

    function _state() internal view returns (State memory state) {
        state.books = vault.books();
        state.head = vault.head();
        state.proposal = vault.proposal();
        uint256 bond = state.proposal.number == 0 ? 0 : BOND;
        state.owed = uint256(state.books.staked) + state.books.pool + bond;
        state.balance = token.balanceOf(address(vault));
        state.supply = token.totalSupply();
    }

    /// @dev The balance equation, in two halves that no multiplication joins, so that a solver decides
    /// them: what is owed and what is held move by the same units.
    function _assertMoved(State memory before, State memory next, uint256 received, uint256 paid)
        internal
        pure
    {
        assert(next.owed + paid == before.owed + received);
        assert(next.balance + paid * WEI == before.balance + received * WEI);
    }

    function _assertSameHead(State memory left, State memory right) internal pure {
        assert(left.head.root == right.head.root);
        assert(left.head.stakeSum == right.head.stakeSum);
        assert(left.head.poolSum == right.head.poolSum);
        assert(left.head.seq == right.head.seq);
    }

    /// @dev The verdict is open, so what the judge is shown does not matter: empty lists.
    function _challenge() internal pure returns (bytes memory) {
        IFaultProof.ModelClaim memory claim;
        return abi.encodeCall(
            IStakeVault.challenge,
            (
                claim,
                new IRoundRegistry.Reveal[](0),
                new IFaultProof.Prediction[](0),
                new bytes32[](0)
            )
        );
    }

    function _challengeOfNode() internal pure returns (bytes memory) {
        IFaultProof.NodeClaim memory claim;
        return abi.encodeCall(
            IStakeVault.challengeNode, (claim, new IRoundRegistry.Reveal[](0))
        );
    }

    /// @dev Calls as the caller; paths on which the call is refused end here.
    function _succeeds(bytes memory data) internal {
        vm.prank(caller);
        (bool done,) = address(vault).call(data);
        vm.assume(done);
    }
}
