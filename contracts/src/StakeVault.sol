// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {Changes} from "./Changes.sol";
import {IFaultProof} from "./IFaultProof.sol";
import {IRoundRegistry} from "./IRoundRegistry.sol";
import {IStakeVault} from "./IStakeVault.sol";
import {SumTree} from "./SumTree.sol";

interface IBurnable {
    function burn(uint256 value) external;
}

/// @title Stakes, the pool and the settlement batches of one kind of tournaments
/// @dev Described at IStakeVault.
contract StakeVault is IStakeVault, Ownable2Step, ReentrancyGuardTransient {
    using BitMaps for BitMaps.BitMap;
    using SafeERC20 for IERC20;

    uint256 public constant WEI_PER_UNIT = 1e9;
    uint256 public constant MAX_MODELS = 1 << SumTree.DEPTH;
    /// @dev A round's W is below 2^63, so all that could ever be staked has to be.
    uint256 public constant MAX_UNITS = (1 << 63) - 1;

    IERC20 public immutable token;
    IRoundRegistry public immutable registry;
    IFaultProof public immutable faultProof;
    IRoundRegistry.Kind public immutable kind;
    uint32 public immutable window;
    uint32 public immutable settleBy;
    uint32 public immutable delay;
    uint32 public immutable margin;
    uint32 public immutable idleLimit;
    uint64 public immutable bond;
    uint64 public immutable minimumDeposit;

    address public operator;
    address public guardian;
    Books private _books;
    Head private _head;
    Proposal private _proposal;
    mapping(uint32 index => Model) private _models;
    mapping(address sender => mapping(bytes32 modelKey => bool)) public keyTaken;
    BitMaps.BitMap private _accepted;

    constructor(Settings memory settings) Ownable(settings.owner) {
        uint256 seen = uint256(settings.settleBy) + 3 * uint256(settings.window) + settings.margin;
        if (
            settings.delay <= seen || settings.window == 0 || settings.settleBy == 0
                || settings.margin == 0 || settings.idleLimit <= 3 * uint256(settings.window)
                || settings.kind == IRoundRegistry.Kind.None || settings.minimumDeposit == 0
                || settings.registry.code.length == 0 || settings.faultProof.code.length == 0
                || IERC20Metadata(settings.token).decimals() != 18
        ) revert BadSettings();
        token = IERC20(settings.token);
        registry = IRoundRegistry(settings.registry);
        faultProof = IFaultProof(settings.faultProof);
        kind = settings.kind;
        window = settings.window;
        settleBy = settings.settleBy;
        delay = settings.delay;
        margin = settings.margin;
        idleLimit = settings.idleLimit;
        bond = settings.bond;
        minimumDeposit = settings.minimumDeposit;
        operator = settings.operator;
        guardian = settings.guardian;
        _head.root = SumTree.root(0, 0);
        _books.acceptedAt = uint48(block.timestamp);
        emit OperatorSet(settings.operator);
        emit GuardianSet(settings.guardian);
    }

    modifier takesInflow() {
        if (_books.shut) revert IsShutDown();
        if (_books.paused) revert IsPaused();
        _;
    }

    modifier onlyGuardian() {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        _;
    }

    function registerModel(bytes32 tournament, bytes32 modelKey, uint64 amount)
        external
        nonReentrant
        takesInflow
        returns (uint32 index)
    {
        if (amount < minimumDeposit) revert BelowMinimum(amount, minimumDeposit);
        _requireTournament(tournament);
        if (keyTaken[msg.sender][modelKey]) revert ModelKeyTaken(msg.sender, modelKey);
        index = _books.models;
        if (index >= MAX_MODELS) revert TooManyModels(MAX_MODELS);
        keyTaken[msg.sender][modelKey] = true;
        _books.models = index + 1;
        _books.staked = _grown(_books.staked, amount);
        Model storage entry = _models[index];
        entry.owner = msg.sender;
        entry.deposited = amount;
        entry.tournament = tournament;
        emit ModelRegistered(index, tournament, modelKey, msg.sender, amount);
        _pull(amount);
    }

    function deposit(uint32 index, uint64 amount) external nonReentrant takesInflow {
        _deposit(index, amount);
    }

    function depositWithPermit(
        uint32 index,
        uint64 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant takesInflow {
        uint256 value = amount * WEI_PER_UNIT;
        // Anyone may have used the permit first; the transfer then finds the allowance or fails.
        try IERC20Permit(address(token)).permit(
            msg.sender, address(this), value, deadline, v, r, s
        ) {} catch {}
        _deposit(index, amount);
    }

    function fund(bytes32 tournament, uint64 amount) external nonReentrant takesInflow {
        if (amount == 0) revert ZeroAmount();
        _requireTournament(tournament);
        _books.pool = _grown(_books.pool, amount);
        emit Funded(tournament, msg.sender, amount);
        _pull(amount);
    }

    function requestWithdrawal(uint32 index, uint64 amount) external {
        if (amount == 0) revert ZeroAmount();
        Model storage entry = _ownModel(index);
        uint48 maturesAt = uint48(block.timestamp + delay);
        entry.requested = amount;
        entry.maturesAt = maturesAt;
        emit WithdrawalRequested(index, amount, maturesAt);
    }

    function cancelRequest(uint32 index) external {
        Model storage entry = _ownModel(index);
        if (entry.requested == 0) revert NoRequest(index);
        entry.requested = 0;
        entry.maturesAt = 0;
        emit WithdrawalCancelled(index);
    }

    function withdraw(uint32 index, int128 stakeDelta, uint128 poolReward, bytes32[40] calldata proof)
        external
        nonReentrant
        returns (uint64 paid)
    {
        Model storage entry = _models[index];
        (address owner_, uint96 requested) = (entry.owner, entry.requested);
        if (owner_ == address(0)) revert UnknownModel(index);
        (uint104 paidIn, uint104 paidOut, uint48 maturesAt) =
            (entry.deposited, entry.withdrawn, entry.maturesAt);
        Books memory ledger = _books;
        if (!ledger.shut) {
            if (requested == 0) revert NoRequest(index);
            if (block.timestamp < maturesAt) revert NotMatured(index, maturesAt);
        }
        bytes32 root = SumTree.ledgerRoot(index, stakeDelta, poolReward, proof);
        if (root != _head.root) revert WrongProof(index, root, _head.root);

        int256 claimable = int256(uint256(paidIn)) - int256(uint256(paidOut)) + stakeDelta
            + int256(uint256(poolReward));
        if (claimable <= 0) return 0;
        uint256 amount = uint256(claimable);
        if (!ledger.shut && amount > requested) amount = requested;
        // The sums of the head say that all claimable amounts are staked; never pay from the rest.
        if (amount > ledger.staked) revert Insolvent(amount, ledger.staked);

        paid = uint64(amount);
        requested = ledger.shut ? 0 : requested - uint96(amount);
        _books.staked = ledger.staked - paid;
        entry.requested = requested;
        entry.withdrawn = paidOut + uint104(amount);
        emit Withdrawn(index, owner_, paid, requested);
        _push(owner_, amount);
    }

    function proposeBatch(
        uint64 seq,
        bytes32 prevRoot,
        bytes32 newTop,
        uint64 burned,
        uint64 poolUsed,
        IRoundRegistry.Reveal[] calldata reveals,
        bytes calldata changes,
        bytes32 recordHash
    ) external nonReentrant takesInflow {
        if (msg.sender != operator) revert NotOperator(msg.sender);
        _releaseDead();
        Head memory current = _head;
        if (seq != current.seq + 1) revert WrongSeq(seq, current.seq + 1);
        if (prevRoot != current.root) revert WrongPrevRoot(prevRoot, current.root);
        _checkSums(burned, poolUsed, changes);
        bytes32 newRoot = SumTree.root(newTop, _packedSums(_moved(current, burned, poolUsed)));
        if (changes.length == 0 && newRoot != prevRoot) {
            revert RootChangedWithoutChanges(newRoot, prevRoot);
        }
        Proposal memory pending = Proposal({
            proposer: msg.sender,
            proposedAt: uint48(block.timestamp),
            number: ++_books.proposals,
            burned: burned,
            poolUsed: poolUsed,
            root: newRoot,
            revealsHash: Changes.hashReveals(reveals)
        });
        _proposal = pending;
        _announce(pending, current, newTop, reveals.length, recordHash);
        registry.hold(reveals, pending.number);
        _pull(bond);
    }

    function veto(uint64 seq, bytes32 root) external nonReentrant onlyGuardian {
        Proposal memory pending = _pending(seq, root);
        uint256 closes = uint256(pending.proposedAt) + window;
        if (block.timestamp >= closes) revert WindowClosed(closes);
        _proposal.number = 0;
        emit BatchVetoed(seq, pending.number, root);
        _push(pending.proposer, bond);
    }

    function challenge(
        IFaultProof.ModelClaim calldata claim,
        IRoundRegistry.Reveal[] calldata reveals,
        IFaultProof.Prediction[] calldata predictions,
        bytes32[] calldata siblings
    ) external nonReentrant {
        Proposal memory pending = _alive();
        _reject(pending, faultProof.modelFault(this, claim, reveals, predictions, siblings));
    }

    function challengeNode(
        IFaultProof.NodeClaim calldata claim,
        IRoundRegistry.Reveal[] calldata reveals
    ) external nonReentrant {
        Proposal memory pending = _alive();
        _reject(pending, faultProof.nodeFault(this, claim, reveals));
    }

    function acceptBatch(uint64 seq, bytes32 root) external nonReentrant {
        Proposal memory pending = _pending(seq, root);
        uint256 closes = uint256(pending.proposedAt) + window;
        uint256 dies = _diesAt(pending);
        if (block.timestamp < closes) revert WindowOpen(closes);
        if (block.timestamp >= dies) revert ProposalDead(dies);

        Head memory next = _moved(_head, pending.burned, pending.poolUsed);
        next.root = root;
        _head = next;
        Books memory ledger = _books;
        if (pending.burned > ledger.staked) revert Insolvent(pending.burned, ledger.staked);
        ledger.staked = ledger.staked - pending.burned + pending.poolUsed;
        ledger.pool -= pending.poolUsed;
        ledger.acceptedAt = uint48(block.timestamp);
        _books = ledger;
        _accepted.set(pending.number);
        _proposal.number = 0;
        emit BatchAccepted(seq, pending.number, root, pending.burned, pending.poolUsed);
        _burn(pending.burned);
        _push(pending.proposer, bond);
    }

    function expireBatch() external nonReentrant {
        if (_proposal.number == 0) revert NoProposal();
        _releaseDead();
    }

    function shutDown() external nonReentrant {
        Books memory ledger = _books;
        if (ledger.shut) revert IsShutDown();
        uint256 until = uint256(ledger.acceptedAt) + idleLimit;
        if (block.timestamp < until) revert NotIdle(until);
        Proposal memory pending = _proposal;
        _books.shut = true;
        _books.pool = 0;
        _proposal.number = 0;
        emit ShutDown(_head.root, ledger.staked, ledger.pool);
        _burn(ledger.pool);
        if (pending.number != 0) _push(pending.proposer, bond);
    }

    function setPaused(bool paused) external onlyGuardian {
        _books.paused = paused;
        emit PauseSet(paused);
    }

    function setOperator(address operator_) external onlyOwner {
        operator = operator_;
        emit OperatorSet(operator_);
    }

    function setGuardian(address guardian_) external onlyOwner {
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    function proposalState(uint32 number) external view returns (ProposalState) {
        if (_accepted.get(number)) return ProposalState.Accepted;
        Proposal memory pending = _proposal;
        bool live = number != 0 && number == pending.number && block.timestamp < _diesAt(pending);
        return live ? ProposalState.Live : ProposalState.Dead;
    }

    function head() external view returns (Head memory) {
        return _head;
    }

    function proposal() external view returns (Proposal memory) {
        return _proposal;
    }

    function books() external view returns (Books memory) {
        return _books;
    }

    function model(uint32 index) external view returns (Model memory) {
        return _models[index];
    }

    function _deposit(uint32 index, uint64 amount) private {
        if (amount == 0) revert ZeroAmount();
        Model storage entry = _ownModel(index);
        _books.staked = _grown(_books.staked, amount);
        // Taking out and paying in again must not push a model's lifetime sum past what ledgers hold.
        uint256 lifetime = uint256(entry.deposited) + amount;
        if (lifetime > MAX_UNITS) revert VaultFull(lifetime, MAX_UNITS);
        entry.deposited = uint64(lifetime);
        emit Deposited(index, msg.sender, amount);
        _pull(amount);
    }

    /// @dev Ends a dead proposal and returns its bond; reverts if the pending one is still alive.
    function _releaseDead() private {
        Proposal memory pending = _proposal;
        if (pending.number == 0) return;
        uint256 dies = _diesAt(pending);
        if (block.timestamp < dies) revert ProposalAlive(dies);
        _proposal.number = 0;
        emit BatchExpired(_head.seq + 1, pending.number, pending.root);
        _push(pending.proposer, bond);
    }

    /// @dev Half of the bond rewards the challenger; the rest burns, so that an operator who challenges
    /// himself still pays.
    function _reject(Proposal memory pending, IFaultProof.Fault fault) private {
        if (fault == IFaultProof.Fault.None) revert NoFault();
        _proposal.number = 0;
        emit BatchChallenged(_head.seq + 1, pending.number, msg.sender, pending.root, fault);
        uint256 reward = bond / 2;
        _push(msg.sender, reward);
        _burn(bond - reward);
    }

    function _announce(
        Proposal memory pending,
        Head memory current,
        bytes32 newTop,
        uint256 rounds,
        bytes32 recordHash
    ) private {
        emit BatchProposed(
            current.seq + 1,
            pending.number,
            pending.proposer,
            current.root,
            newTop,
            pending.root,
            pending.burned,
            pending.poolUsed,
            rounds,
            recordHash
        );
    }

    function _checkSums(uint64 burned, uint64 poolUsed, bytes calldata changes) private view {
        Books memory ledger = _books;
        if (burned > ledger.staked) revert Insolvent(burned, ledger.staked);
        if (poolUsed > ledger.pool) revert Insolvent(poolUsed, ledger.pool);
        (int256 stakeSum, uint256 poolSum) = Changes.sum(changes, ledger.models);
        if (stakeSum != -int256(uint256(burned)) || poolSum != poolUsed) {
            revert WrongChangeSums(stakeSum, poolSum);
        }
    }

    /// @dev The head after a batch, but for its root.
    function _moved(Head memory current, uint64 burned, uint64 poolUsed)
        private
        pure
        returns (Head memory next)
    {
        next.stakeSum = current.stakeSum - int128(uint128(burned));
        next.poolSum = current.poolSum + poolUsed;
        next.seq = current.seq + 1;
    }

    function _packedSums(Head memory next) private pure returns (uint256) {
        return SumTree.packLedger(next.stakeSum, next.poolSum);
    }

    function _pending(uint64 seq, bytes32 root) private view returns (Proposal memory pending) {
        pending = _proposal;
        if (pending.number == 0) revert NoProposal();
        if (seq != _head.seq + 1 || root != pending.root) revert WrongProposal(_head.seq + 1, pending.root);
    }

    /// @dev The pending proposal while it can still be accepted.
    function _alive() private view returns (Proposal memory pending) {
        pending = _proposal;
        if (pending.number == 0) revert NoProposal();
        uint256 dies = _diesAt(pending);
        if (block.timestamp >= dies) revert ProposalDead(dies);
    }

    function _diesAt(Proposal memory pending) private view returns (uint256) {
        return uint256(pending.proposedAt) + 3 * uint256(window);
    }

    function _ownModel(uint32 index) private view returns (Model storage entry) {
        entry = _models[index];
        if (entry.owner != msg.sender) revert NotModelOwner(index, msg.sender);
    }

    function _requireTournament(bytes32 tournament) private view {
        if (registry.tournamentOf(tournament).vault != address(this)) {
            revert UnknownTournament(tournament);
        }
    }

    /// @dev One of the two books after an inflow. Both together stay below 2^63 units.
    function _grown(uint64 book, uint64 amount) private view returns (uint64) {
        uint256 total = uint256(_books.staked) + _books.pool + amount;
        if (total > MAX_UNITS) revert VaultFull(total, MAX_UNITS);
        return book + amount;
    }

    function _pull(uint256 units) private {
        uint256 expected = units * WEI_PER_UNIT;
        if (expected == 0) return;
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), expected);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != expected) revert InexactTransfer(expected, received);
    }

    function _push(address to, uint256 units) private {
        if (units != 0) token.safeTransfer(to, units * WEI_PER_UNIT);
    }

    function _burn(uint256 units) private {
        if (units != 0) IBurnable(address(token)).burn(units * WEI_PER_UNIT);
    }
}
