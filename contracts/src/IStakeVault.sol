// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IFaultProof} from "./IFaultProof.sol";
import {IRoundRegistry} from "./IRoundRegistry.sol";

/// @title Stakes, the pool and the settlement batches of one kind of tournaments
/// @notice Every amount in calls, events and views is in units of 1e-9 token; the vault turns units
/// into wei (times 1e9) at the token and nowhere else, so dust cannot enter.
///
/// Accounting. staked = Σ claimable of the accepted head; the balance is staked + pool + bond +
/// donations. Tokens sent without a call are donations: they belong to nobody and change nothing.
///
/// Roles. The operator proposes batches. The guardian vetoes a proposal within its window and pauses
/// new registrations, deposits, funding and proposals. Anyone may challenge a proposal. The owner
/// (two-step) names operator and guardian. No role moves, freezes or delays a user's balance; a pause
/// blocks no withdrawal, challenge, acceptance, expiry, void or shutdown. There is no proxy and
/// nothing to upgrade.
///
/// Assumptions. The token has 18 decimals, moves exactly the amount asked, has `burn`, no fees, no
/// rebasing and no block list. The contract checks the sums, the rounds and the order of a proposal;
/// what it does to the stake of each model is checked when somebody challenges it, against the
/// predictions that were committed before the rounds began. What the proof does not reach is bounded
/// by W and the pool and stays the guardian's: outcomes, voids, the division of the pool, ranking
/// scores, and trees that cannot be rebuilt because they were not published (see IFaultProof).
///
/// When it fails. A vetoed or late proposal frees its rounds and returns its bond; a challenged one
/// frees them and loses it. Without an accepted batch for the idle limit, anyone shuts the vault down
/// for ever, and every claimable amount leaves against the head root without a request.
interface IStakeVault {
    enum ProposalState {
        Dead,
        Live,
        Accepted
    }

    /// @param window seconds in which the guardian may veto; a proposal dies after three of them
    /// @param settleBy seconds after its start until which a round may be proposed
    /// @param delay seconds from a request to its maturity
    /// @param margin most seconds from the lock (and so the commitment) of a round to its start
    /// @param idleLimit seconds without an accepted batch after which anyone may shut down
    /// @param faultProof judges challenges; deployed before
    /// @param bond units that a proposal locks
    /// @param minimumDeposit units of a model's first deposit
    struct Settings {
        address token;
        address registry;
        address faultProof;
        IRoundRegistry.Kind kind;
        uint32 window;
        uint32 settleBy;
        uint32 delay;
        uint32 margin;
        uint32 idleLimit;
        uint64 bond;
        uint64 minimumDeposit;
        address owner;
        address operator;
        address guardian;
    }

    /// @param requested units asked for and not yet paid, 0 if none
    /// @param deposited units paid in so far
    /// @param withdrawn units paid out so far
    struct Model {
        address owner;
        uint96 requested;
        uint104 deposited;
        uint104 withdrawn;
        uint48 maturesAt;
        bytes32 tournament;
    }

    /// @param stakeSum Σ stakeDelta of the ledger, minus all that batches burned
    /// @param poolSum Σ poolReward of the ledger, all that batches took from the pool
    /// @param seq number of accepted batches
    struct Head {
        bytes32 root;
        int128 stakeSum;
        uint128 poolSum;
        uint64 seq;
    }

    /// @param number counts proposals from 1; 0 means that none is pending
    /// @param revealsHash keccak256 of the reveals' ABI words, eight to a reveal
    struct Proposal {
        address proposer;
        uint48 proposedAt;
        uint32 number;
        uint64 burned;
        uint64 poolUsed;
        bytes32 root;
        bytes32 revealsHash;
    }

    /// @param staked units that models can claim at the head
    /// @param acceptedAt time of the last accepted batch, at first of the deployment
    struct Books {
        uint64 staked;
        uint64 pool;
        uint32 models;
        uint32 proposals;
        uint48 acceptedAt;
        bool paused;
        bool shut;
    }

    event OperatorSet(address indexed operator);
    event GuardianSet(address indexed guardian);
    event PauseSet(bool paused);
    event ModelRegistered(
        uint32 indexed index,
        bytes32 indexed tournament,
        bytes32 modelKey,
        address indexed owner,
        uint64 amount
    );
    event Deposited(uint32 indexed index, address indexed owner, uint64 amount);
    event Funded(bytes32 indexed tournament, address indexed from, uint64 amount);
    event WithdrawalRequested(uint32 indexed index, uint64 amount, uint48 maturesAt);
    event WithdrawalCancelled(uint32 indexed index);
    event Withdrawn(uint32 indexed index, address indexed owner, uint64 amount, uint96 requestedLeft);
    event BatchProposed(
        uint64 indexed seq,
        uint32 indexed number,
        address indexed proposer,
        bytes32 prevRoot,
        bytes32 newTop,
        bytes32 newRoot,
        uint64 burned,
        uint64 poolUsed,
        uint256 rounds,
        bytes32 recordHash
    );
    event BatchVetoed(uint64 indexed seq, uint32 indexed number, bytes32 root);
    event BatchChallenged(
        uint64 indexed seq,
        uint32 indexed number,
        address indexed challenger,
        bytes32 root,
        IFaultProof.Fault fault
    );
    event BatchAccepted(
        uint64 indexed seq, uint32 indexed number, bytes32 root, uint64 burned, uint64 poolUsed
    );
    event BatchExpired(uint64 indexed seq, uint32 indexed number, bytes32 root);
    event ShutDown(bytes32 root, uint64 staked, uint64 poolBurned);

    error BadSettings();
    error NotOperator(address sender);
    error NotGuardian(address sender);
    error NotModelOwner(uint32 index, address sender);
    error IsPaused();
    error IsShutDown();
    error UnknownModel(uint32 index);
    error UnknownTournament(bytes32 tournament);
    error ModelKeyTaken(address sender, bytes32 modelKey);
    error TooManyModels(uint256 limit);
    error BelowMinimum(uint64 amount, uint64 minimum);
    error ZeroAmount();
    error VaultFull(uint256 total, uint256 limit);
    error InexactTransfer(uint256 expected, uint256 received);
    error NoRequest(uint32 index);
    error NotMatured(uint32 index, uint256 maturesAt);
    error WrongProof(uint32 index, bytes32 provenRoot, bytes32 headRoot);
    error Insolvent(uint256 amount, uint256 available);
    error NoProposal();
    error WrongProposal(uint64 seq, bytes32 root);
    error WrongSeq(uint64 seq, uint64 expected);
    error WrongPrevRoot(bytes32 prevRoot, bytes32 headRoot);
    error RootChangedWithoutChanges(bytes32 newRoot, bytes32 headRoot);
    error NoFault();
    error WindowOpen(uint256 until);
    error WindowClosed(uint256 since);
    error ProposalDead(uint256 since);
    error ProposalAlive(uint256 until);
    error BadChangesLength(uint256 length);
    error ChangesUnordered(uint256 position);
    error WrongChangeSums(int256 stakeSum, uint256 poolSum);
    error NotIdle(uint256 until);

    /// @notice Registers a model of the sender with its first deposit and gives it the next index.
    /// @param modelKey keccak256 of the server's model id, unique per sender
    function registerModel(bytes32 tournament, bytes32 modelKey, uint64 amount)
        external
        returns (uint32 index);

    /// @notice Adds to the stake of a model. Its owner only.
    function deposit(uint32 index, uint64 amount) external;

    /// @notice `deposit` after the token's `permit` for amount · 1e9 wei. A permit that was already
    /// spent by somebody else's transaction is no error while the allowance stands.
    function depositWithPermit(
        uint32 index,
        uint64 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Pays into the pool that rewards models. Anyone; it never comes back.
    function fund(bytes32 tournament, uint64 amount) external;

    /// @notice Asks for a withdrawal; more than is claimable asks for everything. A model has one
    /// request: a new one replaces it and restarts the delay. Owner of the model only.
    function requestWithdrawal(uint32 index, uint64 amount) external;

    function cancelRequest(uint32 index) external;

    /// @notice Pays the model's owner min(requested, claimable), where claimable = deposited −
    /// withdrawn + stakeDelta + poolReward at the head root. Anyone may call. What could not be paid
    /// stays requested. After a shutdown everything claimable is paid without a request.
    /// @param proof siblings from the leaf upwards, hash then sums; a model without an entry proves
    /// stakeDelta = poolReward = 0
    /// @return paid units, 0 if nothing is claimable
    function withdraw(uint32 index, int128 stakeDelta, uint128 poolReward, bytes32[40] calldata proof)
        external
        returns (uint64 paid);

    /// @notice Proposes the next batch. Operator only; locks the bond.
    /// @param seq accepted batches plus one
    /// @param prevRoot the head root
    /// @param newTop hash of the new ledger's top node; the contract adds the sums
    /// @param burned units that leave the stakes for ever
    /// @param poolUsed units that go from the pool to models
    /// @param reveals the rounds that the batch settles, see IRoundRegistry.hold
    /// @param changes 20 bytes per changed entry, by ascending index: index u32, Δ stakeDelta i64,
    /// Δ poolReward u64. They sum to (−burned, poolUsed)
    /// @param recordHash hash of the batch's public record
    function proposeBatch(
        uint64 seq,
        bytes32 prevRoot,
        bytes32 newTop,
        uint64 burned,
        uint64 poolUsed,
        IRoundRegistry.Reveal[] calldata reveals,
        bytes calldata changes,
        bytes32 recordHash
    ) external;

    /// @notice Ends the pending proposal within its window. Guardian only. The bond returns.
    function veto(uint64 seq, bytes32 root) external;

    /// @notice Ends the pending proposal because of what it does to one model. Anyone, until the
    /// proposal is accepted or dead, also while paused. Half of the bond, rounded down, goes to the
    /// sender, the rest burns; the rounds are free again. Reverts with NoFault if nothing is wrong.
    /// What it proves and what is outside the proof is said at IFaultProof.
    /// @param reveals those of the proposal, all of them
    /// @param predictions one for each reveal of the model's tournament, in their order
    /// @param siblings of all predictions, see IFaultProof.modelFault
    function challenge(
        IFaultProof.ModelClaim calldata claim,
        IRoundRegistry.Reveal[] calldata reveals,
        IFaultProof.Prediction[] calldata predictions,
        bytes32[] calldata siblings
    ) external;

    /// @notice `challenge` by a node of the proposal's ledger or of one of its prediction trees that no
    /// honest tree has: sums that do not add up, a leaf out of place or of a foreign tournament.
    /// @param reveals those of the proposal, all of them; none for the ledger
    function challengeNode(
        IFaultProof.NodeClaim calldata claim,
        IRoundRegistry.Reveal[] calldata reveals
    ) external;

    /// @notice Makes the pending proposal the head, burns, and returns the bond. Anyone, from one to
    /// three windows after the proposal.
    function acceptBatch(uint64 seq, bytes32 root) external;

    /// @notice Returns the bond of a proposal that nobody accepted in time. Anyone; the next proposal
    /// does the same.
    function expireBatch() external;

    /// @notice Ends the vault for ever once no batch was accepted for the idle limit. Anyone. The bond
    /// returns, the unspent pool burns, no deposit and no proposal is taken any more.
    function shutDown() external;

    function setPaused(bool paused) external;

    function setOperator(address operator) external;

    function setGuardian(address guardian) external;

    /// @notice Live until it is accepted, vetoed, three windows old or the vault is shut down.
    function proposalState(uint32 number) external view returns (ProposalState);

    function head() external view returns (Head memory);

    function proposal() external view returns (Proposal memory);

    function books() external view returns (Books memory);

    function model(uint32 index) external view returns (Model memory);

    /// @notice Whether the sender has registered the key.
    function keyTaken(address sender, bytes32 modelKey) external view returns (bool);

    function token() external view returns (IERC20);

    function registry() external view returns (IRoundRegistry);

    function faultProof() external view returns (IFaultProof);

    function kind() external view returns (IRoundRegistry.Kind);

    function window() external view returns (uint32);

    function settleBy() external view returns (uint32);

    function delay() external view returns (uint32);

    function margin() external view returns (uint32);

    function idleLimit() external view returns (uint32);

    function bond() external view returns (uint64);

    function minimumDeposit() external view returns (uint64);

    function operator() external view returns (address);

    function guardian() external view returns (address);
}
